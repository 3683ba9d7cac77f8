import { setImmediate as nextTurn } from "node:timers/promises";
import type { LineBatch } from "../../core/batch.ts";
import type { SourceOutput } from "../../core/component.ts";
import type { Split, SplitEnd } from "../../codec/lines.ts";
import { SplitBatch } from "../../codec/split-batch.ts";
import type { Generation } from "./generation.ts";
import { TAIL_BYTES } from "./identity.ts";

/**
 * A read costs a trip to the thread pool and back, so it takes several chunks; a chunk is what becomes one string
 * (bench/micro/lines.ts).
 */
const CHUNKS_A_READ = 8;
/** A chunk of very short lines is cut smaller: what stands around each line would make a batch of many megabytes of them. */
const MOST_EVENTS = 8192;
const LEAST_CHUNK_BYTES = 16 * 1024;
const FEW_EVENTS = 16;

/** How files are read; times in milliseconds. */
export interface ReadSettings {
  readonly chunkBytes: number;
  /** Bytes of one file before it is another one's turn. */
  readonly turnBytes: number;
  readonly idleLineFlushMs: number;
  /** Undefined when events are lines. */
  readonly multilineFlushMs: number | undefined;
  /** What is open is handed over when the source stops. Otherwise it is read again. */
  readonly flushesAtStop: boolean;
  /** At the end of a file everything is taken, half lines too. */
  readonly once: boolean;
  now(): number;
  monotonicMs(): number;
}

/** Why a turn ended: there is more; the end of the file; the content is not what was read before; told to stop. */
export type TurnEnd = "more" | "end" | "replaced" | "stopped";

/**
 * The two buffers of one worker, used by turns: while one is read into, the events of the other are still being handed
 * over, and receivers may look at its bytes. They grow for long lines.
 */
export class ReadBuffer {
  /** What was asked for last. */
  bytes: Buffer = Buffer.alloc(0);
  #other: Buffer = Buffer.alloc(0);

  atLeast(length: number): Buffer {
    [this.bytes, this.#other] = [this.#other, this.bytes];
    if (this.bytes.length < length) this.bytes = Buffer.allocUnsafeSlow(length);
    return this.bytes;
  }
}

/** When what waits in the generation is to be handed over although it may not be whole, in `monotonicMs`. */
export function flushDueMs(gen: Generation, settings: ReadSettings): number {
  if (gen.pendingBytes === 0 && !gen.splitter.holding) return Infinity;
  // Whether a half line waits is only known after a read, so the shorter time is the time of the next look.
  return gen.lastGrowthMs + Math.min(settings.idleLineFlushMs, settings.multilineFlushMs ?? Infinity);
}

function endMode(gen: Generation, data: Buffer, settings: ReadSettings, stopping: boolean): SplitEnd {
  if (stopping) return settings.flushesAtStop ? "lines" : "open";
  if (gen.closing || settings.once) return "all";
  const { holding, skipping } = gen.splitter;
  if (data.length === 0 && !holding) return "open";
  const idleMs = settings.monotonicMs() - gen.lastGrowthMs;
  const halfLine = holding || skipping || !gen.splitter.endsLine(data);
  if (settings.multilineFlushMs === undefined) return halfLine && idleMs >= settings.idleLineFlushMs ? "idle" : "open";
  if (halfLine) return idleMs >= Math.max(settings.idleLineFlushMs, settings.multilineFlushMs) ? "idle" : "open";
  const isFinished = settings.flushesAtStop && gen.detachedAtMs !== undefined;
  return idleMs >= settings.multilineFlushMs || isFinished ? "lines" : "open";
}

/**
 * Reads an open generation up to its present end, or for a turn's bytes. Each read begins with the bytes before the
 * position, so that a file that was truncated and has grown past the position again is noticed by the same system call.
 * The next read runs in the thread pool while the last chunk of the one before is worked on. With `stopping` it reads once and hands over what
 * is whole.
 */
export async function readTurn(
  gen: Generation,
  buffer: ReadBuffer,
  output: SourceOutput,
  settings: ReadSettings,
  signal: AbortSignal,
  stopping = false,
): Promise<TurnEnd> {
  const handle = gen.handle!;
  let want = settings.chunkBytes * CHUNKS_A_READ;
  let turnBytes = 0;
  let asked = 0;
  // A look that comes while a read is under way may find more than that read can have seen.
  let knownEnd = 0;
  const startRead = (): Promise<{ bytesRead: number }> => {
    while (gen.boundaries.length > 0 && gen.boundaries[0]! <= gen.position) gen.boundaries.shift();
    const boundary = gen.boundaries[0] ?? Infinity;
    knownEnd = gen.seenEnd;
    asked = gen.tailLength + Math.min(Math.max(want, 1), boundary - gen.position);
    return handle.read(buffer.atLeast(asked), 0, asked, gen.position - gen.tailLength);
  };
  let reading: Promise<{ bytesRead: number }> | undefined = undefined;
  try {
    for (;;) {
      reading ??= startRead();
      const { bytesRead }: { bytesRead: number } = await reading;
      reading = undefined;
      const { tailLength } = gen;
      // Those of the read that just ended: the next one begins further down.
      const { bytes } = buffer;
      if (bytesRead < tailLength || bytes.compare(gen.tail, 0, tailLength, 0, tailLength) !== 0) return "replaced";
      const data = bytes.subarray(tailLength, bytesRead);
      // Truncated and written anew before anything was read.
      if (gen.position === 0) {
        if (!startsAlike(data, gen.head)) return "replaced";
        gen.sense(data);
      }
      const full = bytesRead === asked;
      const dataEnd = gen.position + data.length;
      if (dataEnd > gen.seenEnd) {
        gen.seenEnd = dataEnd;
        gen.lastGrowthMs = settings.monotonicMs();
      } else if (!full && dataEnd < knownEnd) {
        const reason = gen.compressed?.damage === undefined ? "truncated_before_read" : "compressed_damaged";
        output.dropped(gen.seenEnd - dataEnd, reason);
        gen.lostBytes += gen.seenEnd - dataEnd;
        gen.seenEnd = dataEnd;
      }
      const atBoundary = full && dataEnd === gen.boundaries[0];
      const end = atBoundary ? "all" : full ? "open" : endMode(gen, data, settings, stopping);
      const from = gen.position;
      let piece = Math.min(settings.chunkBytes, gen.chunkBytes);
      let goOn = false;
      for (let last = false; !last;) {
        const at = gen.position - from;
        last = at + piece >= data.length;
        const part = last ? data.subarray(at) : data.subarray(at, at + piece);
        const batches = cut(gen, bytes, part, last ? end : "open", output, settings.now());
        // A line or event that is longer than what is worked on needs more.
        if (gen.position === from + at) piece *= 2;
        else piece = chunkAfter(gen, piece, part.length, batches, settings.chunkBytes);
        if (last) {
          // One that is longer than the buffer needs a larger one; the splitter says how large at most.
          want =
            full && gen.position === from
              ? Math.min(want * 2, gen.splitter.maxEventBytes + settings.chunkBytes)
              : settings.chunkBytes * CHUNKS_A_READ;
          turnBytes += data.length;
          goOn = full && turnBytes < settings.turnBytes && !signal.aborted && !stopping;
          if (goOn) reading = startRead();
        }
        for (const batch of batches) {
          const room = output.emit(batch);
          if (room !== undefined && !stopping) await untilAborted(room, signal);
        }
        // Sockets have their turn between chunks: what was read would wait for them, in memory, and answers, too.
        if (!last && !stopping) await nextTurn();
        if (signal.aborted && !stopping) return "stopped";
      }
      if (!goOn) return full ? "more" : "end";
    }
  } finally {
    // The buffer belongs to the system until then.
    await (reading as Promise<unknown> | undefined)?.catch(() => undefined);
  }
}

/**
 * How much of the file to work on next: bytes for MOST_EVENTS events, if they are like those of this part, but no more than
 * a chunk. Lines that are longer than that follow each other, often.
 */
function chunkAfter(
  gen: Generation,
  bytes: number,
  partBytes: number,
  batches: readonly LineBatch[],
  chunkBytes: number,
): number {
  const events = batches.reduce((sum, { count }) => sum + count, 0);
  if (bytes > chunkBytes && events <= FEW_EVENTS) return bytes;
  const fittingBytes = Math.floor((partBytes / Math.max(events, 1)) * MOST_EVENTS);
  gen.chunkBytes = Math.min(chunkBytes, Math.max(LEAST_CHUNK_BYTES, fittingBytes));
  return gen.chunkBytes;
}

function startsAlike(data: Buffer, head: Buffer): boolean {
  const length = Math.min(data.length, head.length);
  return data.compare(head, 0, length, 0, length) === 0;
}

/** Splits the data and moves the position; returns what there is to emit. */
function cut(
  gen: Generation,
  bytes: Buffer,
  data: Buffer,
  end: SplitEnd,
  output: SourceOutput,
  nowMs: number,
): LineBatch[] {
  const batches: LineBatch[] = [];
  const before = bytes.length === 0 ? 0 : data.byteOffset - bytes.byteOffset;
  let at = 0;
  for (;;) {
    const split = gen.splitter.split(at === 0 ? data : data.subarray(at), gen.position, end);
    if (split.consumed > 0) {
      at += split.consumed;
      gen.position += split.consumed;
      const tailEnd = before + at;
      gen.tailLength = Math.min(TAIL_BYTES, tailEnd);
      bytes.copy(gen.tail, 0, tailEnd - gen.tailLength, tailEnd);
    }
    gen.uncounted += split.consumed - split.dropped;
    if (split.dropped > 0) output.dropped(split.dropped, "line_too_long");
    if (split.count > 0) batches.push(batchOf(gen, split, nowMs));
    if (split.consumed === 0 || (at === data.length && !gen.splitter.holding)) return batches;
  }
}

function batchOf(gen: Generation, split: Split, readAtMs: number): LineBatch {
  const byteLength = gen.uncounted;
  gen.uncounted = 0;
  return new SplitBatch(split, {
    partition: gen.partitionInForce,
    endPosition: gen.position,
    resume: gen.resume(),
    readAtMs,
    byteLength,
  });
}

/** Waits for a promise, or for the signal, whichever comes first. Who does not wait for it need not know that it failed. */
export async function untilAborted(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  promise.catch(() => undefined);
  if (signal.aborted) return;
  let stop = (): void => undefined;
  const aborted = new Promise<void>((resolve) => {
    stop = () => resolve();
    signal.addEventListener("abort", stop, { once: true });
  });
  try {
    await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}
