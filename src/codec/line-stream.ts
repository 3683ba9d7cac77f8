import type { Readable } from "node:stream";
import type { LineBatch, Partition } from "../core/batch.ts";
import type { SourceOutput } from "../core/component.ts";
import { LineSplitter, type LineRules, type Split } from "./lines.ts";
import { SplitBatch } from "./split-batch.ts";
import { encodingOf, mayBecomeMark } from "./text-encoding.ts";

/**
 * Lines of a byte stream that cannot be read again (standard input, a command's output). Offsets count events from 0
 * instead of bytes. A half line waits for its end; `end` gives it out.
 */
export class LineStream {
  #splitter: LineSplitter;
  readonly #rules: LineRules;
  readonly #enough: number;
  /** Bytes without a line end, not joined before one comes: a line in many small pieces would be copied for each. */
  #parts: Buffer[] = [];
  #partsBytes = 0;
  #first = true;
  /** Number of the next event. */
  sequence = 0;

  constructor(rules: LineRules) {
    this.#rules = rules;
    this.#splitter = new LineSplitter(rules);
    this.#enough = this.#splitter.maxEventBytes;
  }

  /** Bytes that wait for their line end. */
  get pendingBytes(): number {
    return this.#partsBytes;
  }

  /** Events that are whole now. The chunk is not kept. */
  push(chunk: Buffer): Split[] {
    const out: Split[] = [];
    this.#keep(chunk);
    if (this.#partsBytes < this.#enough && chunk.indexOf(10) === -1) return out;
    this.#drain("open", out);
    return out;
  }

  /** Whole lines of an event that might still have gone on. Half a line stays. */
  flush(): Split[] {
    const out: Split[] = [];
    this.#drain("lines", out);
    return out;
  }

  /** Everything that is left. */
  end(): Split[] {
    const out: Split[] = [];
    this.#drain("all", out);
    return out;
  }

  #keep(bytes: Buffer): void {
    if (bytes.length > 0) this.#parts.push(Buffer.from(bytes));
    this.#partsBytes += bytes.length;
  }

  #drain(end: "open" | "lines" | "all", out: Split[]): void {
    let bytes = this.#parts.length === 1 ? this.#parts[0]! : Buffer.concat(this.#parts);
    if (this.#first) {
      if (end !== "all" && mayBecomeMark(bytes)) return;
      this.#sense(bytes);
    }
    for (;;) {
      const split = this.#splitter.split(bytes, this.#first ? 0 : 2, end);
      if (split.consumed > 0) this.#first = false;
      bytes = bytes.subarray(split.consumed);
      if (split.count > 0 || split.dropped > 0) {
        for (let i = 0; i < split.count; i++) split.offsets[i] = this.sequence++;
        out.push(split);
      }
      if (split.consumed === 0) break;
    }
    this.#parts = [];
    this.#partsBytes = 0;
    this.#keep(bytes);
  }

  #sense(first: Buffer): void {
    const encoding = encodingOf(first, this.#rules.encoding);
    if (encoding !== this.#rules.encoding) this.#splitter = new LineSplitter({ ...this.#rules, encoding });
  }
}

/** The batch of a split that LineStream gave; `endPosition` is the stream's sequence after it. */
export function streamBatch(partition: Partition, split: Split, readAtMs: number): LineBatch {
  return new SplitBatch(split, {
    partition,
    endPosition: split.offsets[split.count - 1]! + 1,
    resume: null,
    readAtMs,
    byteLength: split.consumed - split.dropped,
  });
}

/**
 * Hands over the lines of a readable stream until it ends, fails or the signal aborts; pauses it while there is no
 * room. What cannot be read again must not be lost, so a half line is handed over at the end in every case. Resolves
 * with the error of the stream, if any. The stream is left paused on abort, not destroyed.
 */
export async function pumpLines(
  input: Readable,
  rules: LineRules,
  partition: Partition,
  output: Pick<SourceOutput, "emit" | "dropped">,
  now: () => number,
  signal: AbortSignal,
  onProgress: (bytes: number) => void,
): Promise<Error | undefined> {
  const stream = new LineStream(rules);
  const emit = (splits: readonly Split[]): Promise<void> | undefined => {
    let room: Promise<void> | undefined;
    for (const split of splits) {
      if (split.dropped > 0) output.dropped(split.dropped, "line_too_long");
      if (split.count > 0) room = output.emit(streamBatch(partition, split, now())) ?? room;
    }
    return room;
  };
  let ended = false;
  const failure = await new Promise<Error | undefined>((resolve) => {
    const finish = (error?: Error): void => {
      if (ended) return;
      ended = true;
      input.off("data", onData).off("end", onEnd).off("close", onEnd);
      signal.removeEventListener("abort", onAbort);
      input.pause();
      resolve(error);
    };
    const onData = (chunk: Buffer): void => {
      onProgress(chunk.length);
      const room = emit(stream.push(chunk));
      if (room === undefined) return;
      input.pause();
      void room.then(() => (ended ? undefined : input.resume()));
    };
    const onEnd = (): void => finish();
    const onAbort = (): void => finish();
    input.on("data", onData).once("end", onEnd).once("close", onEnd).once("error", finish);
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted || input.readableEnded || input.destroyed) finish();
  });
  // No waiting for room: nothing more comes.
  void emit(stream.end());
  return failure;
}
