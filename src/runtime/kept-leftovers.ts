import type { EncodedBatch } from "../core/batch.ts";
import type { BufferPool } from "../core/buffer-pool.ts";
import type { Destinations } from "../core/event.ts";
import { countRanges } from "../disk/journal/ranges.ts";
import type { OutboxEntry } from "./outbox.ts";
import { slicesOf, type Part, type QueuedSlice } from "./sink-queue.ts";

/** Less than this is not worth copying for. */
const LEAST_GAIN_BYTES = 4 * 1024;

/**
 * Copies documents that a server put off out of their batches, and lets the batches go, where nothing else of them is
 * needed. Of a call of which it refuses a twentieth here and there, nearly every batch has some left: kept whole until
 * those are sent again they would fill the memory budget, and sources would wait. Returns what to send again.
 *
 * `encoding` is the key of the sink's encoding; `pool` gives the memory of copies. Runs of two parts do not lie between
 * each other. Nobody may use the bytes of what was given any more.
 */
export function keepOnly(parts: readonly Part[], encoding: string, pool: BufferPool): QueuedSlice[] {
  const byEntry = new Map<OutboxEntry, Part[]>();
  for (const part of parts) {
    const others = byEntry.get(part.slice.entry);
    if (others === undefined) byEntry.set(part.slice.entry, [part]);
    else others.push(part);
  }
  const kept: QueuedSlice[] = [];
  for (const [entry, ofEntry] of byEntry) {
    if (!isAllThatIsLeft(entry, ofEntry) || !isWorthwhile(entry, ofEntry, encoding)) {
      for (const part of ofEntry) kept.push(...slicesOf(part));
      continue;
    }
    ofEntry.sort((a, b) => a.runs[0]! - b.runs[0]!);
    const batch = copyOf(entry.batch, ofEntry, encoding, pool);
    entry.replace(batch);
    let from = 0;
    for (const { slice, runs } of ofEntry) {
      const to = from + countRanges(runs);
      const last = kept.at(-1);
      const isSame =
        last?.batch === batch && last.unknownSinceMs === slice.unknownSinceMs && last.maybeSent === slice.maybeSent;
      if (isSame) kept[kept.length - 1] = { ...last, to };
      else kept.push({ ...slice, batch, from, to });
      from = to;
    }
  }
  return kept;
}

/** Nothing else of the batch is queued, under way, or on its way to the journal. */
function isAllThatIsLeft(entry: OutboxEntry, parts: readonly Part[]): boolean {
  const { pending } = parts[0]!.slice;
  const { batch } = entry;
  if (!entry.isReplaceable || batch.key === undefined || pending.isSpooling || pending.journaled !== undefined)
    return false;
  let count = 0;
  for (const { slice, runs } of parts) {
    if (slice.pending !== pending || slice.batch !== batch) return false;
    count += countRanges(runs);
  }
  return count === pending.remaining;
}

function isWorthwhile(entry: OutboxEntry, parts: readonly Part[], encoding: string): boolean {
  const bytes = bytesOf(parts, entry.batch.bodies.get(encoding)!.offsets);
  return bytes * 2 < entry.batch.byteLength && entry.batch.byteLength - bytes > LEAST_GAIN_BYTES;
}

function bytesOf(parts: readonly Part[], offsets: Uint32Array): number {
  let bytes = 0;
  for (const { runs } of parts) {
    for (let i = 0; i < runs.length; i += 2) bytes += offsets[runs[i + 1]!]! - offsets[runs[i]!]!;
  }
  return bytes;
}

/** A batch of the documents of these parts, which are in order, in one encoding. */
function copyOf(batch: EncodedBatch, parts: readonly Part[], encoding: string, pool: BufferPool): EncodedBatch {
  const body = batch.bodies.get(encoding)!;
  const count = parts.reduce((sum, { runs }) => sum + countRanges(runs), 0);
  // One piece of memory, used again: each by itself, and fresh, costs more than what is done with it.
  const memory = pool.take(20 * count + 4 + bytesOf(parts, body.offsets));
  const { buffer } = memory;
  const offsets = new Float64Array(buffer, 0, count);
  const timesMs = new Float64Array(buffer, 8 * count, count);
  const ends = new Uint32Array(buffer, 16 * count, count + 1);
  const bytes = memory.subarray(20 * count + 4);
  const [source, target] = [viewOf(body.bytes), viewOf(bytes)];
  const subIndexes = batch.subIndexes === undefined ? undefined : new Uint16Array(count);
  const destinations = batch.destinations === undefined ? undefined : new Array<Destinations | undefined>(count);
  let at = 0;
  let n = 0;
  ends[0] = 0;
  for (const { runs } of parts) {
    for (let k = 0; k < runs.length; k += 2) {
      const to = runs[k + 1]!;
      const begin = body.offsets[runs[k]!]!;
      for (let i = runs[k]!; i < to; i++, n++) {
        offsets[n] = batch.offsets[i]!;
        timesMs[n] = batch.timesMs[i]!;
        if (subIndexes !== undefined) subIndexes[n] = batch.subIndexes![i]!;
        if (destinations !== undefined) destinations[n] = batch.destinations![i];
        ends[n + 1] = at + body.offsets[i + 1]! - begin;
      }
      const end = body.offsets[to]!;
      copyBytes(source, begin, end, target, at);
      at += end - begin;
    }
  }
  const bodies = new Map([[encoding, { bytes: bytes.subarray(0, at), offsets: ends }]]);
  const { partition, pipeline, idPrefix, endPosition, resume, readAtMs, key } = batch;
  return {
    partition,
    pipeline,
    idPrefix,
    count,
    offsets,
    subIndexes,
    sinks: undefined,
    destinations,
    timesMs,
    bodies,
    // All of what it holds: that is what the memory budget has to count.
    byteLength: memory.length,
    endPosition,
    resume,
    readAtMs,
    key,
    release: () => {
      pool.give(memory);
    },
  };
}

function viewOf({ buffer, byteOffset, length }: Buffer): DataView {
  return new DataView(buffer, byteOffset, length);
}

/**
 * For a few hundred bytes: `Buffer.copy` makes an object of each part, which takes several times as long. By eight bytes, as
 * floating-point numbers: documents are UTF-8, of which none is NaN, whose bits might change.
 */
function copyBytes(source: DataView, from: number, to: number, target: DataView, at: number): void {
  for (; from + 8 <= to; from += 8, at += 8) target.setFloat64(at, source.getFloat64(from, true), true);
  for (; from < to; from++, at++) target.setUint8(at, source.getUint8(from));
}
