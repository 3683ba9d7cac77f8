import { connect, type Socket } from "node:net";
import { errorMessage } from "../../../core/error.ts";
import type { CaptureProcess, ChildEnd } from "../child.ts";
import type { CaptureRequest } from "./server.ts";
import { FRAME, FrameReader } from "./frames.ts";

/** What follows the agent's wish to end is waited for so long. */
const STOP_MS = 5000;

/** A capture by the capture service. */
export class ServiceCapture implements CaptureProcess {
  readonly stdout: AsyncIterable<Uint8Array>;
  readonly ended: Promise<ChildEnd>;
  readonly #socket: Socket;
  readonly #onLine: (line: string) => void;
  #end: ChildEnd = { ok: false, isMissing: false, text: "went away" };
  #stopTimer: NodeJS.Timeout | undefined;
  readonly #settle: (end: ChildEnd) => void;

  constructor(path: string, request: CaptureRequest, onLine: (line: string) => void) {
    this.#onLine = onLine;
    const { snap_length, promiscuous, buffer_bytes, filter } = request;
    this.#socket = connect({ path, allowHalfOpen: true });
    this.#socket.write(`${JSON.stringify({ snap_length, promiscuous, buffer_bytes, filter })}\n`);
    let settle: (end: ChildEnd) => void = () => undefined;
    this.ended = new Promise((resolve) => (settle = resolve));
    this.#settle = settle;
    this.stdout = this.#read();
  }

  askCounts(): void {
    if (this.#socket.writable) this.#socket.write("c");
  }

  stop(): void {
    this.#socket.end();
    this.#stopTimer ??= setTimeout(() => this.#socket.destroy(), STOP_MS);
  }

  async *#read(): AsyncGenerator<Uint8Array, void, undefined> {
    const frames = new FrameReader();
    try {
      for await (const chunk of this.#socket as AsyncIterable<Buffer>) {
        for (const { kind, payload } of frames.read(chunk)) {
          if (kind === FRAME.capture) yield payload;
          else if (kind === FRAME.line) this.#onLine(payload.toString());
          else this.#end = parseEnd(payload.toString());
        }
      }
    } catch (error) {
      this.#onLine(errorMessage(error));
    } finally {
      clearTimeout(this.#stopTimer);
      this.#socket.destroy();
      this.#settle(this.#end);
    }
  }
}

/** How a capture ended, as the service says it; whatever it sends. */
export function parseEnd(text: string): ChildEnd {
  const unknown = { ok: false, isMissing: false, text: "ended, and nobody said how" };
  try {
    const end = JSON.parse(text) as Partial<Record<keyof ChildEnd, unknown>> | null;
    const { ok, isMissing, text: how } = end ?? {};
    return typeof ok === "boolean" && typeof isMissing === "boolean" && typeof how === "string"
      ? { ok, isMissing, text: how }
      : unknown;
  } catch {
    return unknown;
  }
}
