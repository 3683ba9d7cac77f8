import { Buffer } from "node:buffer";
import type { EncodedBatch } from "../core/batch.ts";
import type { Destinations } from "../core/event.ts";
import type { OutboxEntry } from "./outbox.ts";
import type { QueuedSlice } from "./sink-queue.ts";

/** Less than this is not worth copying for. */
const LEAST_GAIN_BYTES = 4 * 1024;

/**
 * Copies documents that a server put off out of their batches, and lets the batches go, where nothing else of them is
 * needed. Of a call of which it refuses a twentieth here and there, nearly every batch has some left: kept whole until
 * those are sent again they would fill the memory budget, and sources would wait. Returns what to send again.
 *
 * `encoding` is the key of the sink's encoding. Nobody may use the bytes of what was given any more.
 */
export function keepOnly(slices: readonly QueuedSlice[], encoding: string): QueuedSlice[] {
  const byEntry = new Map<OutboxEntry, QueuedSlice[]>();
  for (const slice of slices) {
    const others = byEntry.get(slice.entry);
    if (others === undefined) byEntry.set(slice.entry, [slice]);
    else others.push(slice);
  }
  const kept: QueuedSlice[] = [];
  for (const [entry, ofEntry] of byEntry) {
    if (!isAllThatIsLeft(entry, ofEntry) || !isWorthwhile(entry, ofEntry, encoding)) {
      kept.push(...ofEntry);
      continue;
    }
    ofEntry.sort((a, b) => a.from - b.from);
    const batch = copyOf(entry.batch, ofEntry, encoding);
    entry.replace(batch);
    let from = 0;
    for (const slice of ofEntry) {
      const to = from + slice.to - slice.from;
      const last = kept[kept.length - 1];
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
function isAllThatIsLeft(entry: OutboxEntry, slices: readonly QueuedSlice[]): boolean {
  const { pending } = slices[0]!;
  const { batch } = entry;
  if (!entry.isReplaceable || batch.key === undefined || pending.isSpooling || pending.journaled !== undefined)
    return false;
  let count = 0;
  for (const slice of slices) {
    if (slice.pending !== pending || slice.batch !== batch) return false;
    count += slice.to - slice.from;
  }
  return count === pending.remaining;
}

function isWorthwhile(entry: OutboxEntry, slices: readonly QueuedSlice[], encoding: string): boolean {
  const { offsets } = entry.batch.bodies.get(encoding)!;
  let bytes = 0;
  for (const { from, to } of slices) bytes += offsets[to]! - offsets[from]!;
  return bytes * 2 < entry.batch.byteLength && entry.batch.byteLength - bytes > LEAST_GAIN_BYTES;
}

/** A batch of the documents of these slices, which are in order, in one encoding. */
function copyOf(batch: EncodedBatch, slices: readonly QueuedSlice[], encoding: string): EncodedBatch {
  const body = batch.bodies.get(encoding)!;
  let count = 0;
  let byteLength = 0;
  for (const { from, to } of slices) {
    count += to - from;
    byteLength += body.offsets[to]! - body.offsets[from]!;
  }
  const bytes = Buffer.allocUnsafeSlow(byteLength);
  const ends = new Uint32Array(count + 1);
  const offsets = new Float64Array(count);
  const timesMs = new Float64Array(count);
  const subIndexes = batch.subIndexes === undefined ? undefined : new Uint16Array(count);
  const destinations = batch.destinations === undefined ? undefined : new Array<Destinations | undefined>(count);
  let at = 0;
  let n = 0;
  for (const { from, to } of slices) {
    const begin = body.offsets[from]!;
    for (let i = from; i < to; i++, n++) {
      offsets[n] = batch.offsets[i]!;
      timesMs[n] = batch.timesMs[i]!;
      if (subIndexes !== undefined) subIndexes[n] = batch.subIndexes![i]!;
      if (destinations !== undefined) destinations[n] = batch.destinations![i];
      ends[n + 1] = at + body.offsets[i + 1]! - begin;
    }
    at += body.bytes.copy(bytes, at, begin, body.offsets[to]);
  }
  const bodies = new Map([[encoding, { bytes, offsets: ends }]]);
  return {
    ...{ ...batch, count, offsets, timesMs, subIndexes, bodies, byteLength },
    ...{ sinks: undefined, destinations, release: undefined },
  };
}
