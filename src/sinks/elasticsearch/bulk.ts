import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { forEachDocument, sliceBytes, type Encoding, type SinkBatch } from "../../core/batch.ts";
import type { BufferPool } from "../../core/buffer-pool.ts";
import { DELIVERED, type Verdict, type WriteResult } from "../../core/component.ts";
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

const compress = promisify(gzip);
/** Logs shrink to an eighth or so. Each piece of output costs a trip from the thread pool to the main thread and back. */
const GZIP_PIECES = 8;
const GZIP_LEAST_PIECE_BYTES = 16 * 1024;

/** A bulk call's body. `spare` is a buffer to give back to the pool once nobody reads the body any more. */
export interface BulkBody {
  readonly bytes: Buffer;
  readonly spare: Buffer | undefined;
}

/**
 * The documents of a batch in one piece. One slice is not copied: the result is then a part of the batch and only to
 * be read.
 */
export function bulkBody(batch: SinkBatch, key: string, buffers: BufferPool, leaveOut?: ReadonlySet<number>): BulkBody {
  if (leaveOut !== undefined && leaveOut.size > 0) {
    const parts: Buffer[] = [];
    forEachDocument(batch, key, (bytes, _slice, _i, index) => {
      if (!leaveOut.has(index)) parts.push(bytes);
    });
    return { bytes: Buffer.concat(parts), spare: undefined };
  }
  if (batch.slices.length === 1) return { bytes: sliceBytes(batch.slices[0]!, key), spare: undefined };
  const spare = buffers.take(batch.byteLength);
  let length = 0;
  for (const slice of batch.slices) length += sliceBytes(slice, key).copy(spare, length);
  return { bytes: spare.subarray(0, length), spare };
}

/** In the thread pool; `level` is zlib's. The body must stay as it is until then. */
export function gzipBody(body: Buffer, level: number): Promise<Buffer> {
  return compress(body, { level, chunkSize: Math.max(GZIP_LEAST_PIECE_BYTES, Math.ceil(body.length / GZIP_PIECES)) });
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
  const { items = [] } = reply;
  const others: OtherItems = reply.others ?? { count: items.length, indexes: items.map((_, i) => i), items };
  if (others.count !== count) {
    const reason = `the reply has ${others.count} items for ${count} documents`;
    const nothing = { duplicates: 0, failureStore: 0, indexMissing: false };
    return { result: { outcome: "hold", reason }, ...nothing, isUnclear: true };
  }
  const verdicts = new Map<number, Verdict>();
  let duplicates = 0;
  let failureStore = 0;
  let indexMissing = false;
  let isUnclear = false;
  let last: Readonly<Record<string, BulkItem>> | undefined;
  let lastVerdict: Verdict = DELIVERED;
  /** A document's place in the batch, and in the call. */
  let inBatch = 0;
  let inCall = 0;
  others.items.forEach((item, i) => {
    for (const index = others.indexes[i]!; ; inBatch++) {
      if (leaveOut?.has(inBatch) === true) continue;
      if (inCall === index) break;
      inCall++;
    }
    const said = item["create"] ?? {};
    if (said.status === 409) duplicates++;
    if (said.failure_store === "used") failureStore++;
    if (said.error?.type === "index_not_found_exception") indexMissing = true;
    // A primary that wrote it may have failed before it said so.
    if ((said.status ?? 500) >= 500) isUnclear = true;
    const verdict = item === last ? lastVerdict : itemVerdict(said);
    last = item;
    lastVerdict = verdict;
    if (verdict.outcome !== "delivered") verdicts.set(inBatch, verdict);
  });
  const result: WriteResult = verdicts.size === 0 ? DELIVERED : { outcome: "mixed", verdicts };
  return { result, duplicates, failureStore, indexMissing, isUnclear };
}
