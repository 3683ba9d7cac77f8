import { crc32 } from "node:zlib";
import type { EncodedBatch, EncodedBody } from "../../core/batch.ts";
import type { ResumePoint } from "../../core/component.ts";
import { WiretailError } from "../../core/error.ts";
import type { Destinations } from "../../core/event.ts";

/*
 * A record of the journal: one encoded batch and the sinks that still need it. Numbers are little-endian.
 *
 *      0  u32  magic, "WJR1"
 *      4  u32  length of the whole record in bytes, these 32 included
 *      8  f64  sequence number
 *     16  u32  length of the head in bytes
 *     20  u32  CRC-32 of the head
 *     24  u32  CRC-32 of the columns
 *     28  u32  CRC-32 of bytes 0 … 27
 *     32  head: JSON (RecordHead)
 *         columns: offsets f64[count], timesMs f64[count], subIndexes u16[count] where the head says so, then for each
 *         body of the head: offsets u32[count + 1], bytes
 *
 * The first CRC makes the length certain before anything else is believed, so a damaged record can be stepped over.
 */

/** A sink that needs documents of a record. */
export interface RecordReader {
  /** Identity of the sink (16 characters; not its name). */
  readonly sink: string;
  /** Documents that it needs: from, to, from, to, … growing; `to` is not included. */
  readonly ranges: readonly number[];
  /** Where its route stood before this batch. */
  readonly start: ResumePoint;
  /** Some of them may have been sent before the record was written. */
  readonly sentBefore: boolean;
  /** Documents (from … to - 1, growing) that go to another place in the sink than its own. Left out: none. */
  readonly destinations?: readonly DestinationRun[];
}

export type DestinationRun = readonly [from: number, to: number, destination: string];

/** Where documents go in a sink, as a record keeps it. */
export function destinationRuns(destinations: readonly (Destinations | undefined)[], sink: string): DestinationRun[] {
  const runs: [number, number, string][] = [];
  destinations.forEach((each, i) => {
    const destination = each?.[sink];
    if (destination === undefined) return;
    const last = runs.at(-1);
    if (last?.[1] === i && last[2] === destination) last[1] = i + 1;
    else runs.push([i, i + 1, destination]);
  });
  return runs;
}

/** The same of a batch of `count` documents that is for one sink; undefined where all are for its own place. */
export function destinationsOf(
  reader: RecordReader,
  count: number,
  sink: string,
): readonly (Destinations | undefined)[] | undefined {
  const runs = reader.destinations ?? [];
  if (runs.length === 0) return undefined;
  const destinations = new Array<Destinations | undefined>(count);
  for (const [from, to, destination] of runs) destinations.fill({ [sink]: destination }, from, to);
  return destinations;
}

/** What a record says before its columns. Also its JSON. */
export interface RecordHead {
  readonly partition: string;
  readonly source: string;
  readonly pipeline: string;
  readonly idPrefix: string;
  readonly count: number;
  readonly endPosition: number;
  readonly resume: unknown;
  readonly readAtMs: number;
  readonly hasSubIndexes: boolean;
  /** Encodings and their sizes in bytes. */
  readonly bodies: readonly (readonly [key: string, bytes: number])[];
  readonly readers: readonly RecordReader[];
}

export interface RecordHeader {
  readonly length: number;
  readonly sequence: number;
  readonly headLength: number;
  readonly headCrc: number;
  readonly columnsCrc: number;
}

export const RECORD_HEADER_BYTES = 32;
/** Larger ones are not written, and not believed. */
export const MAX_RECORD_BYTES = 1 << 30;
export const RECORD_MAGIC = Buffer.from("WJR1");

/** A record before it has a sequence number: the bytes are those of the batch, not copied, and must not change. */
export interface EncodedRecord {
  readonly pieces: readonly Uint8Array[];
  readonly headLength: number;
  readonly headCrc: number;
  readonly columnsCrc: number;
  /** All bytes, header included. */
  readonly byteLength: number;
  readonly head: RecordHead;
}

/** Prepares a batch for the journal, with the bodies of `encodings` (keys) only. */
export function encodeRecord(
  batch: EncodedBatch,
  readers: readonly RecordReader[],
  encodings: ReadonlySet<string>,
): EncodedRecord {
  const { count, offsets, timesMs, subIndexes } = batch;
  const bodies = [...batch.bodies].filter(([key]) => encodings.has(key));
  const head: RecordHead = {
    ...{ partition: batch.partition.id, source: batch.partition.source, pipeline: batch.pipeline },
    ...{ idPrefix: batch.idPrefix, count, endPosition: batch.endPosition, resume: batch.resume ?? null },
    ...{ readAtMs: batch.readAtMs, hasSubIndexes: subIndexes !== undefined },
    ...{ bodies: bodies.map(([key, body]) => [key, bodyBytes(body, count).length] as const), readers },
  };
  const json = Buffer.from(JSON.stringify(head));
  const columns: Uint8Array[] = [bytesOf(offsets), bytesOf(timesMs)];
  if (subIndexes !== undefined) columns.push(bytesOf(subIndexes));
  for (const [, body] of bodies) columns.push(bytesOf(body.offsets.subarray(0, count + 1)), bodyBytes(body, count));
  let columnsCrc = 0;
  let byteLength = RECORD_HEADER_BYTES + json.length;
  for (const piece of columns) {
    columnsCrc = crc32(piece, columnsCrc);
    byteLength += piece.length;
  }
  if (byteLength > MAX_RECORD_BYTES)
    throw new WiretailError("WT_INTERNAL", `a batch of ${byteLength} bytes is too large for the journal`);
  const headCrc = crc32(json);
  return { pieces: [json, ...columns], headLength: json.length, headCrc, columnsCrc, byteLength, head };
}

/** The header that goes in front of a record's pieces. */
export function recordHeader(record: EncodedRecord, sequence: number): Buffer {
  const header = Buffer.allocUnsafe(RECORD_HEADER_BYTES);
  RECORD_MAGIC.copy(header, 0);
  header.writeUInt32LE(record.byteLength, 4);
  header.writeDoubleLE(sequence, 8);
  header.writeUInt32LE(record.headLength, 16);
  header.writeUInt32LE(record.headCrc, 20);
  header.writeUInt32LE(record.columnsCrc, 24);
  header.writeUInt32LE(crc32(header.subarray(0, 28)), 28);
  return header;
}

/** The header at `at`, or undefined where there is none that can be believed. */
export function readHeader(bytes: Buffer, at: number): RecordHeader | undefined {
  if (at + RECORD_HEADER_BYTES > bytes.length || bytes.compare(RECORD_MAGIC, 0, 4, at, at + 4) !== 0) return undefined;
  if (crc32(bytes.subarray(at, at + 28)) !== bytes.readUInt32LE(at + 28)) return undefined;
  const header = {
    length: bytes.readUInt32LE(at + 4),
    sequence: bytes.readDoubleLE(at + 8),
    headLength: bytes.readUInt32LE(at + 16),
    headCrc: bytes.readUInt32LE(at + 20),
    columnsCrc: bytes.readUInt32LE(at + 24),
  };
  const isSound =
    header.length >= RECORD_HEADER_BYTES + header.headLength &&
    header.length <= MAX_RECORD_BYTES &&
    Number.isSafeInteger(header.sequence) &&
    header.sequence >= 0;
  return isSound ? header : undefined;
}

/** The head of a record: `bytes` begin with the record's header and hold its head. Undefined when it is damaged. */
export function readHead(bytes: Buffer, header: RecordHeader): RecordHead | undefined {
  const json = bytes.subarray(RECORD_HEADER_BYTES, RECORD_HEADER_BYTES + header.headLength);
  if (json.length !== header.headLength || crc32(json) !== header.headCrc) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(json.toString("utf8"));
  } catch {
    return undefined;
  }
  if (!isHead(value)) return undefined;
  return RECORD_HEADER_BYTES + header.headLength + columnsLength(value) === header.length ? value : undefined;
}

/** Whether the columns of a record (all of `bytes`, header first) are as they were written. */
export function areColumnsWhole(bytes: Buffer, header: RecordHeader): boolean {
  if (bytes.length < header.length) return false;
  return crc32(bytes.subarray(RECORD_HEADER_BYTES + header.headLength, header.length)) === header.columnsCrc;
}

/**
 * The batch in a record (`bytes` begin with its header), with the bodies of one encoding only, or of all if it has none in
 * that. Bodies are parts of `bytes`, the rest is a copy. Undefined when any of it is damaged.
 */
export function decodeRecord(
  bytes: Buffer,
  encoding?: string,
): { sequence: number; head: RecordHead; batch: EncodedBatch } | undefined {
  const header = readHeader(bytes, 0);
  if (header === undefined || bytes.length < header.length) return undefined;
  const head = readHead(bytes, header);
  if (head === undefined || !areColumnsWhole(bytes, header)) return undefined;
  const { count } = head;
  let at = RECORD_HEADER_BYTES + header.headLength;
  const copy = <A extends Float64Array | Uint16Array | Uint32Array>(into: A): A => {
    bytes.copy(bytesOf(into), 0, at, at + into.byteLength);
    at += into.byteLength;
    return into;
  };
  const offsets = copy(new Float64Array(count));
  const timesMs = copy(new Float64Array(count));
  const subIndexes = head.hasSubIndexes ? copy(new Uint16Array(count)) : undefined;
  const bodies = new Map<string, EncodedBody>();
  const wanted = encoding !== undefined && head.bodies.some(([key]) => key === encoding) ? encoding : undefined;
  let byteLength = 0;
  for (const [key, length] of head.bodies) {
    if (wanted !== undefined && key !== wanted) {
      at += 4 * (count + 1) + length;
      continue;
    }
    const bounds = copy(new Uint32Array(count + 1));
    if (!areBounds(bounds, length)) return undefined;
    bodies.set(key, { bytes: bytes.subarray(at, at + length), offsets: bounds });
    byteLength += length;
    at += length;
  }
  const batch: EncodedBatch = {
    partition: { id: head.partition, source: head.source, envelope: NO_ENVELOPE },
    ...{ pipeline: head.pipeline, idPrefix: head.idPrefix, count, offsets, subIndexes, timesMs, bodies, byteLength },
    ...{ endPosition: head.endPosition, resume: head.resume, readAtMs: head.readAtMs },
  };
  return { sequence: header.sequence, head, batch };
}

/** Documents are encoded already; nothing asks for the envelope again. */
const NO_ENVELOPE = { paths: [], values: [], offsetPath: undefined };

function bodyBytes(body: EncodedBody, count: number): Buffer {
  return body.bytes.subarray(0, body.offsets[count]);
}

function bytesOf(array: Float64Array | Uint16Array | Uint32Array): Buffer {
  return Buffer.from(array.buffer, array.byteOffset, array.byteLength);
}

function columnsLength(head: RecordHead): number {
  let length = head.count * (head.hasSubIndexes ? 18 : 16);
  for (const [, bytes] of head.bodies) length += 4 * (head.count + 1) + bytes;
  return length;
}

function areBounds(bounds: Uint32Array, length: number): boolean {
  for (let i = 1; i < bounds.length; i++) if (bounds[i]! < bounds[i - 1]!) return false;
  return bounds[0] === 0 && bounds[bounds.length - 1] === length;
}

function isHead(value: unknown): value is RecordHead {
  if (typeof value !== "object" || value === null) return false;
  const head = value as Record<keyof RecordHead, unknown>;
  return (
    [head.partition, head.source, head.pipeline, head.idPrefix].every((each) => typeof each === "string") &&
    isCount(head.count) &&
    typeof head.endPosition === "number" &&
    typeof head.readAtMs === "number" &&
    typeof head.hasSubIndexes === "boolean" &&
    Array.isArray(head.bodies) &&
    head.bodies.every((body) => Array.isArray(body) && typeof body[0] === "string" && isCount(body[1])) &&
    Array.isArray(head.readers) &&
    head.readers.every((reader) => isReader(reader, head.count as number))
  );
}

function isReader(value: unknown, count: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  const { sink, ranges, start, sentBefore, destinations } = value as Record<keyof RecordReader, unknown>;
  if (typeof sink !== "string" || typeof sentBefore !== "boolean" || !Array.isArray(ranges)) return false;
  if (typeof start !== "object" || start === null || !("position" in start)) return false;
  let last = 0;
  for (const bound of ranges as readonly unknown[]) {
    if (!isCount(bound) || bound < last || bound > count) return false;
    last = bound;
  }
  return ranges.length % 2 === 0 && (destinations === undefined || areRuns(destinations, count));
}

function areRuns(value: unknown, count: number): boolean {
  if (!Array.isArray(value)) return false;
  return value.every((run) => {
    if (!Array.isArray(run) || typeof run[2] !== "string") return false;
    const [from, to] = run as readonly unknown[];
    return isCount(from) && isCount(to) && from < to && to <= count;
  });
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
