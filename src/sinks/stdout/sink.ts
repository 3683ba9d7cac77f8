import type { Writable } from "node:stream";
import {
  encodingKey,
  forEachDocument,
  JSON_ENCODING,
  sliceBytes,
  type Encoding,
  type SinkBatch,
} from "../../core/batch.ts";
import { DELIVERED, type BatchLimits, type ProbeResult, type Sink, type WriteResult } from "../../core/component.ts";
import { systemErrorCode } from "../../core/error.ts";
import { prettyLine, type Paint } from "./pretty.ts";

export type Format = "pretty" | "json" | "text" | "original";

/** What `write` says after the reader has gone: the CLI knows it by this. */
export const CLOSED_PIPE = "closed pipe: nobody reads the standard output any more";

/**
 * Writes documents to a stream and waits until the stream has taken them, so a slow reader slows the agent down rather
 * than filling its memory.
 *
 * When the reader goes away (EPIPE, as in `wiretail run | head -1`), every call answers `hold` with CLOSED_PIPE. For
 * the command line that is an ordinary end and not a fault: it listens to the same stream and stops the agent, exit
 * status 0. Where the agent goes on (a service whose output was closed) the sink holds and the other sinks are not
 * disturbed. The stream is never ended here: it is not ours.
 */
export class StdoutSink implements Sink {
  readonly encoding: Encoding;
  readonly limits: BatchLimits = { maxBytes: 1 << 20, maxEvents: 10_000, maxAgeMs: 100, concurrency: 1 };
  readonly #stream: Writable;
  readonly #format: Format;
  readonly #paint: Paint;
  #fault: string | undefined;
  readonly #onError: (error: Error) => void;

  constructor(stream: Writable, format: Format, paint: Paint) {
    this.#stream = stream;
    this.#format = format;
    this.#paint = paint;
    this.encoding = format === "pretty" || format === "json" ? JSON_ENCODING : { kind: format };
    // Without a listener an EPIPE would end the process.
    this.#onError = (error) => (this.#fault = faultOf(error));
    stream.on("error", this.#onError);
  }

  async write(batch: SinkBatch, signal: AbortSignal): Promise<WriteResult> {
    if (signal.aborted) return { outcome: "retry", reason: "stopped before it was written" };
    if (this.#fault === undefined && this.#stream.destroyed) this.#fault = CLOSED_PIPE;
    if (this.#fault !== undefined) return { outcome: "hold", reason: this.#fault };
    const bytes = this.#render(batch);
    return new Promise((resolve) => {
      const onAbort = (): void =>
        resolve({ outcome: "retry", reason: "stopped while the reader of the standard output was slow" });
      signal.addEventListener("abort", onAbort, { once: true });
      this.#stream.write(bytes, (error) => {
        signal.removeEventListener("abort", onAbort);
        if (error === null || error === undefined) return resolve(DELIVERED);
        this.#fault = faultOf(error);
        resolve({ outcome: "hold", reason: this.#fault });
      });
    });
  }

  async probe(): Promise<ProbeResult[]> {
    const ok = this.#fault === undefined && !this.#stream.destroyed;
    const check = "standard output";
    return ok
      ? [{ check, ok, detail: "open" }]
      : [{ check, ok, detail: this.#fault ?? CLOSED_PIPE, hint: "Start the command with an open standard output." }];
  }

  async close(): Promise<void> {
    // The stream stays open. While it still holds something (an aborted call) an EPIPE without a listener would be fatal.
    if (this.#stream.writableLength === 0) this.#stream.off("error", this.#onError);
  }

  #render(batch: SinkBatch): Buffer | string {
    const key = encodingKey(this.encoding);
    if (this.#format !== "pretty") {
      const parts = batch.slices.map((slice) => sliceBytes(slice, key));
      return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
    }
    let text = "";
    forEachDocument(batch, key, (bytes) => {
      text += prettyLine(JSON.parse(bytes.toString("utf8")) as Record<string, unknown>, this.#paint);
    });
    return text;
  }
}

function faultOf(error: Error): string {
  const code = systemErrorCode(error);
  if (code === "EPIPE" || code === "ERR_STREAM_DESTROYED" || code === "ERR_STREAM_WRITE_AFTER_END") return CLOSED_PIPE;
  return `cannot write to the standard output: ${error.message}`;
}
