import { areColumnsWhole, readHead, readHeader, RECORD_HEADER_BYTES, RECORD_MAGIC, type RecordHead } from "./record.ts";

/*
 * A segment file, `<first sequence number, 16 digits>.journal`:
 *
 *      0  8 bytes  "WTJRNL1\n"
 *      8  f64      sequence number of the first record, little-endian
 *     16           records, one after the other, with growing sequence numbers
 */
export const SEGMENT_HEADER_BYTES = 16;
const MAGIC = Buffer.from("WTJRNL1\n");
const NAME = /^(\d{16})\.journal$/;

export function segmentName(firstSequence: number): string {
  return `${String(firstSequence).padStart(16, "0")}.journal`;
}

/** The first sequence number in the name of a segment file; undefined for other files. */
export function parseSegmentName(name: string): number | undefined {
  const match = NAME.exec(name);
  return match === null ? undefined : Number(match[1]);
}

export function segmentHeader(firstSequence: number): Buffer {
  const header = Buffer.allocUnsafe(SEGMENT_HEADER_BYTES);
  MAGIC.copy(header);
  header.writeDoubleLE(firstSequence, 8);
  return header;
}

/** A whole record found in a segment. */
export interface FoundRecord {
  readonly sequence: number;
  readonly at: number;
  readonly length: number;
  readonly head: RecordHead;
}

export interface ScannedSegment {
  readonly records: readonly FoundRecord[];
  /** Where the last whole record ends: everything behind it belongs to none. */
  readonly end: number;
  /** Bytes behind `end`. */
  readonly tornBytes: number;
  /** Records that began there, at least. */
  readonly tornRecords: number;
  /** Bytes between whole records that belong to none: a fault of the disk, not of a crash. */
  readonly damagedBytes: number;
}

/**
 * Finds the whole records of a segment, sequence numbers from `first` and below `before`. A damaged record is stepped
 * over: by its length where its header is sound, else to the next place where a sound header stands. Never throws.
 */
export function scanSegment(bytes: Buffer, first: number, before = Infinity): ScannedSegment {
  const records: FoundRecord[] = [];
  let expected = first;
  const isHeaderSound = bytes.length >= SEGMENT_HEADER_BYTES && bytes.compare(MAGIC, 0, 8, 0, 8) === 0;
  let end = Math.min(bytes.length, SEGMENT_HEADER_BYTES);
  let damagedBytes = 0;
  let lostSinceEnd = 0;
  for (let at = end; at < bytes.length;) {
    const header = readHeader(bytes, at);
    if (header === undefined) {
      at = nextMagic(bytes, at + 1);
      continue;
    }
    const whole = bytes.subarray(at, at + header.length);
    const head = readHead(whole, header);
    if (head === undefined || !areColumnsWhole(whole, header)) {
      lostSinceEnd++;
      // What follows a record that was cut off may stand inside its length.
      at = whole.length === header.length ? at + header.length : nextMagic(bytes, at + RECORD_HEADER_BYTES);
      continue;
    }
    damagedBytes += at - end;
    lostSinceEnd = 0;
    end = at + header.length;
    // Others were written again elsewhere after a fault.
    if (header.sequence >= expected && header.sequence < before) {
      records.push({ sequence: header.sequence, at, length: header.length, head });
      expected = header.sequence + 1;
    }
    at = end;
  }
  if (!isHeaderSound && records.length > 0) damagedBytes += SEGMENT_HEADER_BYTES;
  const tornBytes = bytes.length - end;
  const tornRecords = tornBytes === 0 ? 0 : Math.max(1, lostSinceEnd);
  return { records, end, tornBytes, tornRecords, damagedBytes };
}

function nextMagic(bytes: Buffer, from: number): number {
  const found = bytes.indexOf(RECORD_MAGIC, from);
  return found === -1 ? bytes.length : found;
}
