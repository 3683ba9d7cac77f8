import { mkdir, open, rm, type FileHandle } from "node:fs/promises";
import type { Slice } from "../core/batch.ts";
import type { Log, ResumePoint } from "../core/component.ts";
import { errorMessage } from "../core/error.ts";
import { syncFolder } from "../disk/atomic-file.ts";
import { openCommitLog, positionKey, type CommitLog } from "../disk/commit-log.ts";
import { strictJson } from "./strict-json.ts";
import { COMMITS_FILE, inFolder, listStore, ndjsonFile } from "./segments.ts";

export interface StoreWriterOptions {
  readonly folder: string;
  /** encodingKey of the bodies to write. */
  readonly encoding: string;
  readonly maxSegmentBytes: number;
  readonly maxSegmentAgeMs: number;
  readonly now: () => number;
  readonly monotonicMs: () => number;
  readonly log: Log;
  /** Called with the number of each segment that is closed and waits to be converted. */
  readonly onClosed: (sequence: number) => void;
}

interface Data {
  readonly sequence?: number;
  /** By position key: how many events made of the input at the position are stored already, when not none. */
  readonly subIndexes?: Readonly<Record<string, number>>;
}

/** Documents larger than this are not taken: DuckDB reads no larger ones by default, other tools neither. */
export const MAX_DOCUMENT_BYTES = 16_000_000;

/**
 * Appends documents to the open segment, exactly once: documents before a partition's position are skipped, and what
 * counts is said by the commit log, which holds length and positions together. One writer a folder.
 */
export class StoreWriter {
  readonly #options: StoreWriterOptions;
  readonly #commits: CommitLog;
  readonly #subIndexes: Map<string, number>;
  #sequence: number;
  #file: FileHandle | undefined;
  #length: number;
  /** When the open segment got its first document, `monotonicMs`. */
  #openedAtMs: number;
  #isDirty = false;
  #tail: Promise<unknown> = Promise.resolve();

  private constructor(options: StoreWriterOptions, commits: CommitLog, file: FileHandle, openedAtMs: number) {
    const data = (commits.last.data ?? {}) as Data;
    this.#options = options;
    this.#commits = commits;
    this.#subIndexes = new Map(Object.entries(data.subIndexes ?? {}));
    this.#sequence = data.sequence ?? 1;
    this.#length = commits.last.length;
    this.#file = file;
    this.#openedAtMs = openedAtMs;
  }

  /** Makes the folder, mends what a crash left, and says (by `onClosed`) which segments still wait to be converted. */
  static async open(options: StoreWriterOptions): Promise<StoreWriter> {
    const { folder, log } = options;
    await mkdir(folder, { recursive: true, mode: 0o750 });
    const listing = await listStore(folder);
    for (const file of listing.leftovers) await rm(inFolder(folder, file), { recursive: true, force: true });
    const commits = await openCommitLog(inFolder(folder, COMMITS_FILE));
    if (commits.damagedRecords > 0)
      log.error("records of the store's commit log are damaged", { path: inFolder(folder, COMMITS_FILE) });
    const highest = Math.max(0, ...listing.parquet.map((p) => p.sequence), ...listing.ndjson.map((n) => n.sequence));
    const known = (commits.last.data as Data | undefined)?.sequence;
    // Without a commit log (lost, or a folder of segments copied here) a fresh number keeps what is there.
    const sequence = known ?? highest + 1;
    const file = await open(inFolder(folder, ndjsonFile(sequence)), known === undefined ? "wx+" : "a+", 0o640).then(
      async (made) => {
        await made.close();
        return open(inFolder(folder, ndjsonFile(sequence)), "r+");
      },
    );
    try {
      const { size, birthtimeMs, mtimeMs } = await file.stat();
      const { length } = commits.last;
      if (size < length)
        log.error("the store's open segment is shorter than what was committed: documents are lost", { size, length });
      if (size > length) await file.truncate(length);
      await commits.append({
        length: Math.min(size, length),
        data: { ...(commits.last.data as Data | undefined), sequence },
      });
      await syncFolder(folder);
      const ageMs = Math.max(0, options.now() - Math.min(birthtimeMs || mtimeMs, mtimeMs));
      const writer = new StoreWriter(options, commits, file, options.monotonicMs() - ageMs);
      for (const { file: name, sequence: other } of listing.ndjson) {
        if (other < sequence) options.onClosed(other);
        // The number after the open one was made by a close that did not come to its commit.
        else if (other > sequence) await rm(inFolder(folder, name), { force: true });
      }
      return writer;
    } catch (error) {
      await file.close();
      await commits.close();
      throw error;
    }
  }

  position(partitionId: string, pipeline: string): ResumePoint | undefined {
    return this.#commits.last.positions.get(positionKey(partitionId, pipeline));
  }

  /** Bytes in the open segment. */
  get openBytes(): number {
    return this.#length;
  }

  /**
   * Appends what of these slices is not stored yet. Resolves when it is safely on disk; throws the system's error when
   * it is not, and then nothing of it counts.
   */
  append(slices: readonly Slice[]): Promise<void> {
    return this.#exclusively(() => this.#append(slices));
  }

  /** Closes the open segment when it is old enough; to be called now and then. */
  closeIfOld(): Promise<void> {
    return this.#exclusively(async () => {
      if (this.#length > 0 && this.#options.monotonicMs() - this.#openedAtMs >= this.#options.maxSegmentAgeMs)
        await this.#closeSegment();
    });
  }

  async close(): Promise<void> {
    await this.#exclusively(async () => {
      const file = this.#file;
      this.#file = undefined;
      await file?.close();
      await this.#commits.close();
    });
  }

  #exclusively<T>(action: () => Promise<T>): Promise<T> {
    const done = this.#tail.then(action);
    this.#tail = done.catch(() => undefined);
    return done;
  }

  async #append(slices: readonly Slice[]): Promise<void> {
    if (this.#file === undefined) throw new Error("the store is closed");
    if (this.#isDirty) await this.#cutBack();
    const parts: Buffer[] = [];
    const positions = new Map<string, ResumePoint>();
    const subIndexes = new Map<string, number>();
    let bytes = 0;
    for (const slice of slices) {
      const key = positionKey(slice.batch.partition.id, slice.batch.pipeline);
      const body = slice.batch.bodies.get(this.#options.encoding)!;
      const position = positions.get(key) ?? this.#commits.last.positions.get(key);
      const from = firstNew(slice, position?.position ?? -1, subIndexes.get(key) ?? this.#subIndexes.get(key) ?? 0);
      if (from < slice.to) {
        const part = strictJson(body.bytes.subarray(body.offsets[from], body.offsets[slice.to]));
        parts.push(part);
        bytes += part.length;
      }
      const [point, sub] = endOf(slice);
      if (position !== undefined && point.position < position.position) continue;
      positions.set(key, point);
      subIndexes.set(key, sub);
    }
    if (bytes > 0 && this.#length > 0 && this.#length + bytes > this.#options.maxSegmentBytes)
      await this.#closeSegment();
    if (this.#length === 0) this.#openedAtMs = this.#options.monotonicMs();
    this.#isDirty = true; // until it is known to be whole
    if (bytes > 0) {
      await writeAll(this.#file, parts, this.#length);
      await this.#file.datasync();
    }
    const length = this.#length + bytes;
    await this.#commits.append({ length, positions, ...this.#dataFor(subIndexes) });
    this.#length = length;
    this.#isDirty = false;
    if (length >= this.#options.maxSegmentBytes) {
      // What was appended is safe already: a close that fails now is tried again by the next append.
      await this.#closeSegment().catch((error: unknown) =>
        this.#options.log.warn("cannot close the store's segment", { error: errorMessage(error) }),
      );
    }
  }

  /** The commit log's `data`, when sub-indexes changed. */
  #dataFor(changed: ReadonlyMap<string, number>): { data?: Data } {
    let differs = false;
    for (const [key, sub] of changed) {
      if ((this.#subIndexes.get(key) ?? 0) === sub) continue;
      differs = true;
      if (sub === 0) this.#subIndexes.delete(key);
      else this.#subIndexes.set(key, sub);
    }
    return differs ? { data: this.#data() } : {};
  }

  #data(): Data {
    return {
      sequence: this.#sequence,
      ...(this.#subIndexes.size > 0 ? { subIndexes: Object.fromEntries(this.#subIndexes) } : {}),
    };
  }

  /** After a failed append: nothing behind the committed length may be seen by readers or be there after a crash. */
  async #cutBack(): Promise<void> {
    await this.#commits.append({ length: this.#length });
    await this.#file!.truncate(this.#length);
    this.#isDirty = false;
  }

  async #closeSegment(): Promise<void> {
    const { folder } = this.#options;
    const next = this.#sequence + 1;
    const path = inFolder(folder, ndjsonFile(next));
    const file = await open(path, "w+", 0o640);
    try {
      await syncFolder(folder);
      await this.#commits.append({ length: 0, data: { ...this.#data(), sequence: next } });
    } catch (error) {
      await file.close();
      throw error;
    }
    const closed = this.#sequence;
    const old = this.#file;
    this.#file = file;
    this.#sequence = next;
    this.#length = 0;
    await old?.close();
    this.#options.onClosed(closed);
  }
}

/** The first document of the slice that lies at or after a position; `sub` of the input at the position are stored. */
function firstNew(slice: Slice, position: number, sub: number): number {
  const { offsets, subIndexes } = slice.batch;
  let i = slice.from;
  while (i < slice.to && (offsets[i]! < position || (offsets[i] === position && (subIndexes?.[i] ?? 0) < sub))) i++;
  return i;
}

/** Where a partition is after a slice: its position, and how many events of the input there are stored. */
function endOf({ batch, to }: Slice): [point: ResumePoint, sub: number] {
  if (to === batch.count) return [{ position: batch.endPosition, resume: batch.resume }, 0];
  return [{ position: batch.offsets[to]!, resume: null }, batch.subIndexes?.[to] ?? 0];
}

async function writeAll(file: FileHandle, parts: readonly Buffer[], position: number): Promise<void> {
  const rest = [...parts];
  let at = position;
  while (rest.length > 0) {
    let { bytesWritten } = await file.writev(rest.slice(0, 1000), at);
    at += bytesWritten;
    while (rest.length > 0 && bytesWritten >= rest[0]!.length) bytesWritten -= rest.shift()!.length;
    if (bytesWritten > 0) rest[0] = rest[0]!.subarray(bytesWritten);
  }
}
