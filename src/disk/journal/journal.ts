import { join } from "node:path";
import { readCursors, writeCursors } from "./cursors.ts";
import { realFileSystem, type JournalFile, type JournalFileSystem } from "./file-system.ts";
import {
  readHead,
  readHeader,
  recordHeader,
  RECORD_HEADER_BYTES,
  type EncodedRecord,
  type RecordHead,
} from "./record.ts";
import { recoverSegments, type JournalRecovery, type RecoveredRecord } from "./recovery.ts";
import { SEGMENT_HEADER_BYTES, segmentHeader } from "./segment.ts";
import { Audiences, readFully, Segment, writeFully, type RecordPlace } from "./segment-index.ts";

export interface JournalOptions {
  /** Made where it is missing. Nothing else may be in it. */
  readonly folder: string;
  /** Bytes of all segments together. */
  readonly maxBytes: number;
  /** Bytes after which a new segment begins. Default: a 64th of the budget, between 1 and 64 MiB. */
  readonly segmentBytes?: number;
  readonly fileSystem?: JournalFileSystem;
}

interface Waiting {
  readonly record: EncodedRecord;
  readonly resolve: (sequence: number) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * A log of encoded batches on disk, in segments, with a cursor for each sink that reads it (docs/delivery.md).
 *
 * `append` resolves when the record is safely on disk; all that wait share one sync. Segments that every sink they were
 * written for has passed are deleted by `saveCursors`. One writer a folder.
 */
export class Journal {
  readonly #folder: string;
  readonly #maxBytes: number;
  readonly #segmentBytes: number;
  readonly #fileSystem: JournalFileSystem;
  readonly #audiences = new Audiences();
  readonly #cursors: Map<string, number>;
  /** Oldest first. */
  readonly #segments: Segment[];
  /** The last segment, when it may be written on. */
  #active: Segment | undefined;
  #next: number;
  #usedBytes = 0;
  /** What the disk has for records, as far as is known. */
  #spareBytes = Infinity;
  #queue: Waiting[] = [];
  #queuedBytes = 0;
  #committing: Promise<void> | undefined;
  #saving: Promise<void> | undefined;
  #failures = 0;
  #isDirty = false;
  #isClosed = false;

  private constructor(options: JournalOptions, segments: Segment[], next: number, cursors: Map<string, number>) {
    this.#folder = options.folder;
    this.#maxBytes = options.maxBytes;
    this.#segmentBytes =
      options.segmentBytes ?? Math.min(64 << 20, Math.max(1 << 20, Math.floor(options.maxBytes / 64)));
    this.#fileSystem = options.fileSystem ?? realFileSystem;
    this.#segments = segments;
    this.#next = next;
    this.#cursors = cursors;
    for (const segment of segments) this.#usedBytes += segment.size;
  }

  /**
   * Opens the journal in a folder whatever its state, cuts what belongs to no whole record, and tells `visit` of every
   * record that is there, oldest first. Rejects only when the disk cannot be read or written.
   */
  static async open(
    options: JournalOptions,
    visit: (record: RecoveredRecord, cursors: ReadonlyMap<string, number>) => void = () => undefined,
  ): Promise<{ journal: Journal; recovery: JournalRecovery }> {
    const fileSystem = options.fileSystem ?? realFileSystem;
    const { next, cursors, damage } = await readCursors(fileSystem, join(options.folder, CURSORS));
    const found = await recoverSegments(fileSystem, options.folder, new Audiences(), (record) => {
      visit(record, cursors);
    });
    const highest = Math.max(next, found.next, ...cursors.values());
    const journal = new Journal(options, found.segments, highest, new Map(cursors));
    await journal.measureDisk();
    return { journal, recovery: { ...found.recovery, cursorDamage: damage } };
  }

  /** The sequence number behind the last record that is written. Further ones may wait for their sync. */
  get endSequence(): number {
    return this.#next;
  }
  /** The sequence number that the next record gets. */
  get nextSequence(): number {
    return this.#next + this.#queue.length;
  }
  get usedBytes(): number {
    return this.#usedBytes;
  }
  get maxBytes(): number {
    return this.#maxBytes;
  }
  /** Bytes of records that the disk still has room for; Infinity where that is not known. */
  get spareBytes(): number {
    return this.#spareBytes;
  }
  get records(): number {
    return this.#segments.reduce((sum, segment) => sum + segment.count, 0);
  }
  /** How often a write failed: what was appended before and not acknowledged does not count. */
  get failures(): number {
    return this.#failures;
  }
  /** When the oldest batch that is kept was read, milliseconds since the epoch. */
  get oldestReadAtMs(): number | undefined {
    return this.#segments.find((segment) => segment.count > 0)?.firstReadAtMs;
  }
  /** Sinks that some record was written for. */
  get sinks(): Set<string> {
    return new Set(this.#segments.flatMap((segment) => [...segment.lastFor.keys()]));
  }

  /**
   * Writes a record behind all others. Resolves with its sequence number when it is synced. Undefined when it does not
   * fit into the budget. When it rejects, neither this nor any other record that was waiting counts; append all again,
   * in order. The bytes of the record must not change before that.
   */
  append(record: EncodedRecord): Promise<number> | undefined {
    if (this.#isClosed) return undefined;
    if (!this.hasRoom(record.byteLength)) return undefined;
    this.#queuedBytes += record.byteLength;
    const done = new Promise<number>((resolve, reject) => this.#queue.push({ record, resolve, reject }));
    this.#committing ??= this.#commitAll();
    return done;
  }

  /**
   * Whether a record of so many bytes fits: into the budget, which holds at least one, however large, and on the disk, of
   * which some is left to others. Without room for cursors, checkpoints, and what sinks note, nothing could leave again.
   */
  hasRoom(recordBytes: number): boolean {
    if (this.#queuedBytes + recordBytes > this.#spareBytes) return false;
    const bytes = this.#usedBytes + this.#queuedBytes;
    return bytes <= SEGMENT_HEADER_BYTES || bytes + recordBytes <= this.#maxBytes;
  }

  /** Looks how much room the disk has: others use it, too. */
  async measureDisk(): Promise<void> {
    try {
      const { freeBytes, totalBytes } = await this.#fileSystem.space(this.#folder);
      this.#spareBytes = freeBytes - Math.min(DISK_RESERVE_BYTES, totalBytes / DISK_RESERVE_SHARE);
    } catch {
      // Not every file system says. A write that fails will.
      this.#spareBytes = Infinity;
    }
  }

  /** The first sequence number behind the oldest segment. */
  get endOfOldestSegment(): number {
    return (this.#segments[0]?.last ?? this.#next - 1) + 1;
  }

  /** Something moved since the cursors were saved last. */
  get needsSaving(): boolean {
    return this.#isDirty;
  }

  /** The first record of `from` or later that was written for this sink. */
  find(from: number, sink: string): RecordPlace | undefined {
    for (const segment of this.#segments) {
      const place = segment.find(from, sink);
      if (place !== undefined) return place;
    }
    return undefined;
  }

  /** A sink does not need a record: it is not found for it any more. */
  release(sequence: number, sink: string): void {
    const place = this.find(sequence, sink);
    if (place?.sequence !== sequence) return;
    const segment = this.#segments.findLast(({ first }) => first <= sequence);
    segment?.release(sequence, this.#audiences.without(place.audience, sink));
  }

  /**
   * The bytes of a record, to be checked by `decodeRecord`: a part of `into`, which has room for `place.length`; fewer
   * where they are missing.
   */
  async read(place: RecordPlace, into: Buffer = Buffer.allocUnsafe(place.length)): Promise<Buffer> {
    const file = await this.#fileOf(place);
    return file === undefined ? Buffer.alloc(0) : readFully(file, place.at, into.subarray(0, place.length));
  }

  /** What a record says before its columns; undefined when that is damaged. */
  async readHead(place: RecordPlace): Promise<RecordHead | undefined> {
    const file = await this.#fileOf(place);
    if (file === undefined) return undefined;
    const start = await readFully(file, place.at, Buffer.allocUnsafe(RECORD_HEADER_BYTES));
    const header = readHeader(start, 0);
    if (header === undefined) return undefined;
    const whole = Buffer.allocUnsafe(RECORD_HEADER_BYTES + header.headLength);
    return readHead(await readFully(file, place.at, whole), header);
  }

  /** Every record for the sink before this is settled. */
  cursor(sink: string): number {
    return this.#cursors.get(sink) ?? 0;
  }

  /** Moves a cursor; `saveCursors` keeps it. */
  setCursor(sink: string, sequence: number): void {
    if (this.cursor(sink) === sequence) return;
    this.#cursors.set(sink, sequence);
    this.#isDirty = true;
  }

  /** The cursors as they are now, for `saveCursors`. */
  get cursors(): ReadonlyMap<string, number> {
    return new Map(this.#cursors);
  }

  /**
   * Writes cursors when they moved, then deletes the segments that nobody needs any more. One call at a time runs.
   * `cursors` are those of a moment ago, when what is to be on disk before them was not written yet.
   */
  saveCursors(cursors: ReadonlyMap<string, number> = this.cursors): Promise<void> {
    this.#saving ??= this.#save(cursors).finally(() => (this.#saving = undefined));
    return this.#saving;
  }

  /** Ends appends that wait, keeps the cursors (unless told not to), closes the files. */
  async close(saves = true): Promise<void> {
    this.#isClosed = true;
    await this.#committing;
    try {
      await this.#saving?.catch(() => undefined);
      if (saves) await this.#save(this.cursors);
    } finally {
      for (const segment of this.#segments) await segment.close();
    }
  }

  async #save(cursors: ReadonlyMap<string, number>): Promise<void> {
    if (!this.#isDirty) return;
    // What moved since is saved the next time.
    this.#isDirty = [...this.#cursors].some(([sink, cursor]) => cursors.get(sink) !== cursor);
    try {
      await writeCursors(this.#fileSystem, join(this.#folder, CURSORS), { next: this.#next, cursors });
    } catch (error) {
      this.#isDirty = true;
      throw error;
    }
    for (const segment of [...this.#segments]) {
      if (segment === this.#active && this.#committing !== undefined) continue;
      if ([...segment.lastFor].some(([sink, last]) => (cursors.get(sink) ?? 0) <= last)) continue;
      if (segment === this.#active) this.#active = undefined;
      this.#segments.splice(this.#segments.indexOf(segment), 1);
      this.#usedBytes -= segment.size;
      await segment.close();
      await this.#fileSystem.remove(segment.path);
    }
    const kept = this.sinks;
    for (const sink of this.#cursors.keys()) if (!kept.has(sink)) this.#cursors.delete(sink);
    await this.measureDisk();
  }

  async #fileOf(place: RecordPlace): Promise<JournalFile | undefined> {
    const segment = this.#segments.findLast(({ first }) => first <= place.sequence);
    return segment?.file(() => this.#fileSystem.openExisting(segment.path));
  }

  async #commitAll(): Promise<void> {
    // Callers of the same turn of the event loop share a sync.
    await new Promise(setImmediate);
    try {
      while (this.#queue.length > 0) {
        const segment = await this.#writable(this.#queue[0]!.record.byteLength);
        const group = this.#takeGroup(segment);
        try {
          await this.#commit(segment, group);
          await this.measureDisk();
        } catch (error) {
          this.#queue.unshift(...group);
          throw error;
        }
      }
    } catch (error) {
      this.#failures++;
      const failed = this.#queue;
      this.#queue = [];
      this.#queuedBytes = 0;
      for (const { reject } of failed) reject(error);
    } finally {
      this.#committing = undefined;
    }
  }

  /** As much as goes into the segment, at least one. */
  #takeGroup(segment: Segment): Waiting[] {
    let size = segment.size;
    let count = 0;
    while (count < this.#queue.length) {
      size += this.#queue[count]!.record.byteLength;
      if (count > 0 && size > this.#segmentBytes) break;
      count++;
    }
    return this.#queue.splice(0, count);
  }

  async #writable(bytes: number): Promise<Segment> {
    const active = this.#active;
    if (active !== undefined && (active.count === 0 || active.size + bytes <= this.#segmentBytes)) return active;
    this.#active = undefined;
    const segment = new Segment(this.#folder, this.#next);
    const file = await segment.file(() => this.#fileSystem.create(segment.path));
    try {
      await writeFully(file, [segmentHeader(segment.first)], 0);
      await this.#fileSystem.syncFolder(this.#folder);
    } catch (error) {
      await segment.close().catch(() => undefined);
      await this.#fileSystem.remove(segment.path).catch(() => undefined);
      throw error;
    }
    // One that was given up before its first record was written has the same name.
    const same = this.#segments.findIndex(({ first }) => first === segment.first);
    if (same >= 0)
      await this.#segments
        .splice(same, 1)[0]!
        .close()
        .catch(() => undefined);
    else this.#usedBytes += segment.size;
    this.#segments.push(segment);
    this.#active = segment;
    return segment;
  }

  async #commit(segment: Segment, group: readonly Waiting[]): Promise<void> {
    const pieces: Uint8Array[] = [];
    let sequence = this.#next;
    for (const { record } of group) pieces.push(recordHeader(record, sequence++), ...record.pieces);
    const file = await segment.file(() => this.#fileSystem.openExisting(segment.path));
    try {
      await writeFully(file, pieces, segment.size);
      await file.datasync();
    } catch (error) {
      // After a failed sync nobody knows what the disk has: nothing is written behind it.
      this.#active = undefined;
      await file.truncate(segment.size).catch(() => undefined);
      throw error;
    }
    for (const { record, resolve } of group) {
      segment.add(this.#next, segment.size, record.byteLength, record.head, this.#audiences.of(record.head));
      segment.size += record.byteLength;
      this.#usedBytes += record.byteLength;
      this.#queuedBytes -= record.byteLength;
      this.#spareBytes -= record.byteLength;
      resolve(this.#next++);
    }
    this.#isDirty = true;
  }
}

const CURSORS = "cursors.json";
/** What the journal leaves of the disk: so many bytes, and of small disks this part. */
const DISK_RESERVE_BYTES = 64 << 20;
const DISK_RESERVE_SHARE = 16;
