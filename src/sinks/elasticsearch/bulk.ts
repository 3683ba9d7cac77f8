import { forEachDocument, sliceBytes, type Encoding, type SinkBatch } from "../../core/batch.ts";
import type { BufferPool } from "../../core/buffer-pool.ts";
import { DELIVERED, type Verdict, type WriteResult } from "../../core/component.ts";
import { SparseVerdicts } from "../../core/verdicts.ts";
import type { OtherItems } from "./mixed-reply.ts";
import { itemVerdict, type BulkItem } from "./verdict.ts";

/**
 * Documents are encoded with their action line: a bulk body is then the encoded bytes, one after the other. `create`
 * for plain indices too, so that there as well a 409 means "delivered before" and nothing is ever overwritten.
 */
export const BULK_ENCODING: Encoding = { kind: "json", before: '{"create":{"_id":"', after: '"}}\n{' };

/**
 * What we want to read of a reply: about 25 bytes an item. `status` is there for every item, so that items keep their
 * places: with the errors alone the server leaves the others out, and nobody could tell whose they are.
 */
export const BULK_FILTER =
  "errors,items.*.status,items.*.error.type,items.*.error.reason,items.*.error.caused_by,items.*.failure_store";

/** Less than this is copied together with its neighbours: each piece costs a write of its own. */
const LEAST_PIECE_BYTES = 64 * 1024;

/**
 * A bulk call's body: these bytes, one piece after the other, only to be read. `spare` is a buffer to give back to the
 * pool once nobody reads the body any more.
 */
export interface BulkBody {
  readonly pieces: readonly Buffer[];
  readonly byteLength: number;
  readonly spare: Buffer | undefined;
}

/** The documents of a batch, but those to leave out. Large slices are not copied: the body is then parts of the batch. */
export function bulkBody(batch: SinkBatch, key: string, buffers: BufferPool, leaveOut?: ReadonlySet<number>): BulkBody {
  const parts = partsOf(batch, key, leaveOut);
  let byteLength = 0;
  let smallBytes = 0;
  for (const { length } of parts) {
    byteLength += length;
    if (length < LEAST_PIECE_BYTES) smallBytes += length;
  }
  if (parts.length === 1 || smallBytes === 0) return { pieces: parts, byteLength, spare: undefined };
  const spare = buffers.take(smallBytes);
  const pieces: Buffer[] = [];
  let from = 0;
  let to = 0;
  const endRun = (): void => {
    if (to > from) pieces.push(spare.subarray(from, to));
    from = to;
  };
  for (const part of parts) {
    if (part.length < LEAST_PIECE_BYTES) to += part.copy(spare, to);
    else {
      endRun();
      pieces.push(part);
    }
  }
  endRun();
  return { pieces, byteLength, spare };
}

function partsOf(batch: SinkBatch, key: string, leaveOut: ReadonlySet<number> | undefined): Buffer[] {
  if (leaveOut === undefined || leaveOut.size === 0) return batch.slices.map((slice) => sliceBytes(slice, key));
  const parts: Buffer[] = [];
  forEachDocument(batch, key, (bytes, _slice, _i, index) => {
    if (!leaveOut.has(index)) parts.push(bytes);
  });
  return parts;
}

export interface BulkReply {
  readonly errors: boolean;
  readonly items?: readonly Readonly<Record<string, BulkItem>>[];
  /** Instead of `items`. */
  readonly others?: OtherItems;
}

export interface BulkOutcome {
  readonly result: WriteResult;
  /** Documents that were there already (409). */
  readonly duplicates: number;
  /** Documents that the server took into the failure store instead of the data stream. */
  readonly failureStore: number;
  /** One of them says that there is no such index. */
  readonly indexMissing: boolean;
  /** Some documents may be there although nobody says so. */
  readonly isUnclear: boolean;
}

/**
 * The verdicts of a reply. `count` is how many documents the call had; `leaveOut` those of the batch that were not in
 * the call, so that verdicts get their indexes in the batch.
 */
export function bulkOutcome(reply: BulkReply, count: number, leaveOut?: ReadonlySet<number>): BulkOutcome {
  const others: OtherItems = reply.others ?? allOf(reply.items ?? []);
  if (others.count !== count) {
    const reason = `the reply has ${others.count} items for ${count} documents`;
    const nothing = { duplicates: 0, failureStore: 0, indexMissing: false };
    return { result: { outcome: "hold", reason }, ...nothing, isUnclear: true };
  }
  const said = others.items.map((item) => item["create"] ?? {});
  const verdicts = said.map(itemVerdict);
  const tally = { duplicates: 0, failureStore: 0, indexMissing: false, isUnclear: false };
  const counts = countsOf(others);
  said.forEach(({ status = 500, failure_store, error }, kind) => {
    const documents = counts[kind]!;
    if (documents === 0) return;
    if (status === 409) tally.duplicates += documents;
    if (failure_store === "used") tally.failureStore += documents;
    if (error?.type === "index_not_found_exception") tally.indexMissing = true;
    // A primary that wrote it may have failed before it said so.
    if (status >= 500) tally.isUnclear = true;
  });
  const indexes = leaveOut === undefined || leaveOut.size === 0 ? others.indexes : inBatch(others.indexes, leaveOut);
  return { result: resultOf(indexes, others.kinds, verdicts), ...tally };
}

/** How many documents each item is said of. */
function countsOf({ items, indexes, kinds }: OtherItems): number[] {
  const counts = items.map(() => 0);
  if (kinds.length === 0 && counts.length > 0) counts[0] = indexes.length;
  for (const kind of kinds) counts[kind]!++;
  return counts;
}

function resultOf(indexes: readonly number[], kinds: readonly number[], verdicts: readonly Verdict[]): WriteResult {
  if (verdicts.every(({ outcome }) => outcome === "delivered")) return DELIVERED;
  if (verdicts.every(({ outcome }) => outcome !== "delivered"))
    return { outcome: "mixed", verdicts: new SparseVerdicts(indexes, kinds, verdicts) };
  const left = indexes.map((_, i) => i).filter((i) => verdicts[kinds[i] ?? 0]!.outcome !== "delivered");
  const ofLeft = (list: readonly number[]): number[] => left.map((i) => list[i]!);
  return { outcome: "mixed", verdicts: new SparseVerdicts(ofLeft(indexes), ofLeft(kinds), verdicts) };
}

/** Places in a call, ascending, as places in its batch. */
function inBatch(indexes: readonly number[], leaveOut: ReadonlySet<number>): number[] {
  let place = 0;
  let inCall = 0;
  return indexes.map((index) => {
    for (; ; place++) {
      if (leaveOut.has(place)) continue;
      if (inCall === index) return place;
      inCall++;
    }
  });
}

function allOf(items: readonly Readonly<Record<string, BulkItem>>[]): OtherItems {
  const indexes = items.map((_, i) => i);
  return { count: items.length, indexes, kinds: indexes, items };
}
