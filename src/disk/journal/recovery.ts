import type { JournalFileSystem } from "./file-system.ts";
import type { RecordHead } from "./record.ts";
import { parseSegmentName, scanSegment } from "./segment.ts";
import { Segment, type Audiences } from "./segment-index.ts";

/** A whole record that was found when the journal was opened. */
export interface RecoveredRecord {
  readonly sequence: number;
  readonly bytes: number;
  readonly head: RecordHead;
}

/** What was found when a journal was opened. */
export interface JournalRecovery {
  readonly records: number;
  readonly bytes: number;
  /** Bytes and records (at least) cut off the end: not acknowledged to anybody when the disk tells the truth. */
  readonly tornBytes: number;
  readonly tornRecords: number;
  /** Bytes between or behind whole records that the disk damaged, and records that are missing: these are lost. */
  readonly damagedBytes: number;
  readonly lostRecords: number;
  /** Why the cursors could not be read: every sink then begins at the oldest record. */
  readonly cursorDamage: string | undefined;
}

/** Reads all segments, cuts the last one behind its last whole record, and removes those that hold none. */
export async function recoverSegments(
  fileSystem: JournalFileSystem,
  folder: string,
  audiences: Audiences,
  visit: (record: RecoveredRecord) => void,
): Promise<{ segments: Segment[]; next: number; recovery: Omit<JournalRecovery, "cursorDamage"> }> {
  const firsts = (await fileSystem.list(folder))
    .map(parseSegmentName)
    .filter((first) => first !== undefined)
    .sort((a, b) => a - b);
  const segments: Segment[] = [];
  const recovery = { records: 0, bytes: 0, tornBytes: 0, tornRecords: 0, damagedBytes: 0, lostRecords: 0 };
  let next = 0;
  for (const [i, first] of firsts.entries()) {
    const segment = new Segment(folder, first);
    const bytes = (await fileSystem.readAll(segment.path)) ?? Buffer.alloc(0);
    const isLast = i === firsts.length - 1;
    const scan = scanSegment(bytes, first, isLast ? Infinity : firsts[i + 1]!);
    recovery.damagedBytes += scan.damagedBytes + (isLast ? 0 : scan.tornBytes);
    if (!isLast) recovery.lostRecords += scan.tornRecords;
    else {
      recovery.tornBytes += scan.tornBytes;
      recovery.tornRecords += scan.tornRecords;
    }
    let expected = first;
    for (const { sequence, at, length, head } of scan.records) {
      recovery.lostRecords += sequence - expected;
      expected = sequence + 1;
      segment.add(sequence, at, length, head, audiences.of(head));
      recovery.records++;
      recovery.bytes += length;
      visit({ sequence, bytes: length, head });
    }
    next = Math.max(next, expected);
    if (scan.records.length === 0) {
      await fileSystem.remove(segment.path);
      continue;
    }
    segment.size = scan.end;
    // What is believed from now on must not come from a cache that the disk never saw.
    const file = await segment.file(() => fileSystem.openExisting(segment.path));
    if (scan.end < bytes.length && isLast) await file.truncate(scan.end);
    if (isLast) await file.datasync();
    await segment.close();
    segments.push(segment);
  }
  return { segments, next, recovery };
}
