import { createGzip } from "node:zlib";
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

/** Logs shrink to an eighth or so. Each piece of output costs a trip from the thread pool to the main thread and back. */
const GZIP_PIECES = 8;
const GZIP_LEAST_PIECE_BYTES = 16 * 1024;
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

/** In the thread pool; `level` is zlib's. The body must stay as it is until then. */
export async function gzipBody({ pieces, byteLength }: BulkBody, level: number): Promise<Buffer> {
  const chunkSize = Math.max(GZIP_LEAST_PIECE_BYTES, Math.ceil(byteLength / GZIP_PIECES));
  const stream = createGzip({ level, chunkSize });
  for (const piece of pieces) stream.write(piece);
  stream.end();
  return Buffer.concat((await stream.toArray()) as Buffer[]);
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
  const saidVerdicts = said.map(itemVerdict);
  const verdicts = new Map<number, Verdict>();
  let duplicates = 0;
  let failureStore = 0;
  let indexMissing = false;
  let isUnclear = false;
  /** A document's place in the batch, and in the call. */
  let inBatch = 0;
  let inCall = 0;
  others.indexes.forEach((index, i) => {
    for (; ; inBatch++) {
      if (leaveOut?.has(inBatch) === true) continue;
      if (inCall === index) break;
      inCall++;
    }
    const kind = others.kinds[i] ?? 0;
    const { status = 500, failure_store, error } = said[kind]!;
    if (status === 409) duplicates++;
    if (failure_store === "used") failureStore++;
    if (error?.type === "index_not_found_exception") indexMissing = true;
    // A primary that wrote it may have failed before it said so.
    if (status >= 500) isUnclear = true;
    const verdict = saidVerdicts[kind]!;
    if (verdict.outcome !== "delivered") verdicts.set(inBatch, verdict);
  });
  const result: WriteResult = verdicts.size === 0 ? DELIVERED : { outcome: "mixed", verdicts };
  return { result, duplicates, failureStore, indexMissing, isUnclear };
}

function allOf(items: readonly Readonly<Record<string, BulkItem>>[]): OtherItems {
  const indexes = items.map((_, i) => i);
  return { count: items.length, indexes, kinds: indexes, items };
}
