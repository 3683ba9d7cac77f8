import { randomBytes } from "node:crypto";
import type { Readable } from "node:stream";
import { LineStream, streamBatch } from "../../codec/line-stream.ts";
import type { Split } from "../../codec/lines.ts";
import type { InputStatus, Source, SourceContext, SourceOutput } from "../../core/component.ts";
import { CONTINUATION_PATTERN } from "../../runtime/recognition/continuation.ts";

/** After so long without a byte, an event that might still go on is taken as it is. */
const FLUSH_MS = 300;
const RULES = {
  maxLineBytes: 1 << 20,
  multiline: {
    startPattern: undefined,
    continuationPattern: new RegExp(CONTINUATION_PATTERN),
    ...{ maxLines: 500, maxBytes: 1 << 20 },
  },
};

/** Reads a stream of which the beginning was read already. Stack traces are one event each. */
export class StdinTail implements Source {
  readonly #context: SourceContext;
  readonly #input: Readable;
  readonly #before: { readonly chunks: readonly Buffer[]; readonly ended: boolean };
  #state: InputStatus["state"] = "waiting";
  #bytes = 0;

  constructor(
    context: SourceContext,
    input: Readable,
    before: { readonly chunks: readonly Buffer[]; readonly ended: boolean },
  ) {
    this.#context = context;
    this.#input = input;
    this.#before = before;
  }

  async run(output: SourceOutput, signal: AbortSignal): Promise<void> {
    const id = randomBytes(12).toString("base64url");
    const context = this.#context;
    await output.open({ id, identity: { started_ms: context.now() }, startPosition: 0 });
    const partition = { id, source: context.id, envelope: { ...context.envelope, offsetPath: undefined } };
    const lines = new LineStream(RULES);
    this.#state = "reading";
    const emit = (splits: readonly Split[]): Promise<void> | undefined => {
      let room: Promise<void> | undefined;
      for (const split of splits) {
        if (split.dropped > 0) output.dropped(split.dropped, "line_too_long");
        if (split.count > 0) room = output.emit(streamBatch(partition, split, context.now())) ?? room;
      }
      return room;
    };
    for (const chunk of this.#before.chunks) {
      this.#bytes += chunk.length;
      await emit(lines.push(chunk));
    }
    if (!this.#before.ended) await this.#pump(lines, emit, signal);
    // No waiting for room: nothing more comes.
    void emit(lines.end());
    this.#state = "finished";
    output.forget(id);
  }

  /** Until the stream ends or the signal aborts. The stream is left paused. */
  #pump(
    lines: LineStream,
    emit: (splits: readonly Split[]) => Promise<void> | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const input = this.#input;
    return new Promise((resolve) => {
      const flushSoon = (): NodeJS.Timeout => setTimeout(() => void emit(lines.flush()), FLUSH_MS);
      let timer = flushSoon();
      let ended = false;
      const onData = (chunk: Buffer): void => {
        clearTimeout(timer);
        this.#bytes += chunk.length;
        const room = emit(lines.push(chunk));
        if (room === undefined) timer = flushSoon();
        else {
          input.pause();
          void room.then(() => (ended ? undefined : input.resume()));
        }
      };
      const onError = (error: Error): void => {
        this.#context.log.error(`standard input failed: ${error.message}`);
        finish();
      };
      const finish = (): void => {
        if (ended) return;
        ended = true;
        clearTimeout(timer);
        input.off("data", onData).off("end", finish).off("close", finish);
        signal.removeEventListener("abort", finish);
        input.pause();
        resolve();
      };
      input.on("data", onData).once("end", finish).once("close", finish).once("error", onError);
      signal.addEventListener("abort", finish, { once: true });
      if (signal.aborted || input.readableEnded || input.destroyed) finish();
      // It was paused after the look at it.
      else input.resume();
    });
  }

  inputs(): readonly InputStatus[] {
    const input = { name: "standard input", partition: undefined, state: this.#state };
    return [{ ...input, sizeBytes: undefined, readBytes: this.#bytes, error: undefined }];
  }
}
