import { open, readFile, truncate, type FileHandle } from "node:fs/promises";
import { crc32 } from "node:zlib";
import type { ResumePoint } from "../core/component.ts";
import { errorMessage, systemErrorCode, WiretailError } from "../core/error.ts";
import { writeFileAtomic } from "./atomic-file.ts";

/**
 * A small log beside a data file that says how much of the data file counts and where in its inputs that ends, so that
 * a position is never ahead of its data and never behind it either: exactly once.
 *
 * The order for a writer: append to the data file, fdatasync it, `append` here, only then acknowledge. After a crash:
 * open this log first, cut the data file at `last.length`, go on from `last.positions`.
 *
 * Format: one record a line, `1 <CRC-32 of the JSON, 8 hex digits> <JSON>\n`; the JSON is
 * `{ "length": 123, "positions": { "<key>": [456, <resume>] }, "data": … }`. Values are absolute, so a record that
 * cannot be read costs at most its own news; members that did not change are left out. When the log has grown it is
 * replaced, atomically, by one record that holds everything.
 */
export interface CommitLog {
  /** What counts now: as found on opening, then as appended. */
  readonly last: CommitState;
  /** Bytes at the end of the log, found on opening, that belonged to no whole record (a write that was cut off). */
  readonly tornBytes: number;
  /** Records found on opening that were damaged although later ones are whole: a fault of the disk. */
  readonly damagedRecords: number;
  /**
   * Resolves when the entry is safely on disk, in the order of the calls. When it rejects (disk full, I/O error), the
   * entry does not count, `last` is as before, and the next append writes the log anew. Half of it may have reached
   * the disk all the same: before cutting the data file back, append `{ length: last.length }`.
   */
  append(entry: CommitEntry): Promise<void>;
  /**
   * Writes the whole state anew. After an append has failed and the log was opened again, what was read may have come
   * from a cache that never reached the disk: this makes it certain before anybody relies on it.
   */
  rewrite(): Promise<void>;
  close(): Promise<void>;
}

export interface CommitState {
  /** Bytes of the data file that count. */
  readonly length: number;
  /** By `positionKey`. */
  readonly positions: ReadonlyMap<string, ResumePoint>;
  /** Anything else of the writer's, JSON. */
  readonly data: unknown;
}

export interface CommitEntry {
  readonly length: number;
  /** Only those that changed. */
  readonly positions?: ReadonlyMap<string, ResumePoint>;
  /** Left out: as before. */
  readonly data?: unknown;
}

export interface CommitLogOptions {
  /** Permissions of a new log. Default 0o640. */
  readonly mode?: number;
  /** Positions kept; beyond it those unchanged for longest are forgotten. Default 10,000. */
  readonly maxPositions?: number;
  /** The log is written anew when it is larger than this and four times its last whole state. Default 1 MiB. */
  readonly compactAtBytes?: number;
}

/** The key of a partition and pipeline in `positions`. */
export function positionKey(partitionId: string, pipeline: string): string {
  return `${partitionId} ${pipeline}`;
}

/**
 * Opens the log at `path`, making an empty one in memory when there is none (the file is made by the first append).
 * Throws WT_STATE_UNWRITABLE when it cannot be read, WT_STATE_CORRUPT when a newer version wrote it.
 */
export async function openCommitLog(path: string, options: CommitLogOptions = {}): Promise<CommitLog> {
  const bytes = await readBytes(path);
  const found = readRecords(bytes, path);
  if (found.end < bytes.length) await truncate(path, found.end);
  return new FileCommitLog(path, options, found, bytes.length);
}

/** The state in the log at `path` as another process may read it at any time: nothing is repaired or cut. */
export async function readCommitLog(path: string): Promise<CommitState> {
  return readRecords(await readBytes(path), path);
}

async function readBytes(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    if (systemErrorCode(error) === "ENOENT") return Buffer.alloc(0);
    throw new WiretailError("WT_STATE_UNWRITABLE", `cannot read ${path}: ${errorMessage(error)}`, { cause: error });
  }
}

interface Found {
  readonly length: number;
  readonly positions: Map<string, ResumePoint>;
  readonly data: unknown;
  /** Bytes up to the end of the last whole record. */
  readonly end: number;
  readonly damagedRecords: number;
}

class FileCommitLog implements CommitLog {
  readonly tornBytes: number;
  readonly damagedRecords: number;
  readonly #path: string;
  readonly #mode: number;
  readonly #maxPositions: number;
  readonly #compactAtBytes: number;
  readonly #positions: Map<string, ResumePoint>;
  #length: number;
  #data: unknown;
  #file: FileHandle | undefined;
  #size: number;
  #sizeWhenWhole = 0;
  /** The file on disk may hold half a record, or was never made: write it whole next time. */
  #stale: boolean;
  #tail: Promise<void> = Promise.resolve();

  constructor(path: string, options: CommitLogOptions, found: Found, fileSize: number) {
    this.#path = path;
    this.#mode = options.mode ?? 0o640;
    this.#maxPositions = options.maxPositions ?? 10_000;
    this.#compactAtBytes = options.compactAtBytes ?? 1 << 20;
    this.#positions = found.positions;
    this.#length = found.length;
    this.#data = found.data;
    this.#size = found.end;
    this.#stale = found.end === 0 || found.damagedRecords > 0;
    this.tornBytes = fileSize - found.end;
    this.damagedRecords = found.damagedRecords;
  }

  get last(): CommitState {
    return { length: this.#length, positions: this.#positions, data: this.#data };
  }

  append(entry: CommitEntry): Promise<void> {
    const done = this.#tail.then(() => this.#write(entry));
    this.#tail = done.catch(() => undefined);
    return done;
  }

  rewrite(): Promise<void> {
    const done = this.#tail.then(() => {
      this.#stale = true;
      return this.#write({ length: this.#length });
    });
    this.#tail = done.catch(() => undefined);
    return done;
  }

  async close(): Promise<void> {
    await this.#tail;
    const file = this.#file;
    this.#file = undefined;
    await file?.close();
  }

  async #write(entry: CommitEntry): Promise<void> {
    if (this.#stale || this.#size > Math.max(this.#compactAtBytes, 4 * this.#sizeWhenWhole)) {
      const positions = new Map(this.#positions);
      this.#merge(positions, entry.positions);
      const data = entry.data === undefined ? this.#data : entry.data;
      const record = encodeRecord({ length: entry.length, positions, data });
      this.#stale = true;
      await this.#file?.close();
      this.#file = undefined;
      await writeFileAtomic(this.#path, record, { mode: this.#mode });
      this.#size = this.#sizeWhenWhole = record.length;
    } else {
      const record = encodeRecord(entry);
      this.#stale = true; // until it is known to be whole
      this.#file ??= await open(this.#path, "r+");
      await writeFully(this.#file, record, this.#size);
      await this.#file.datasync();
      this.#size += record.length;
    }
    this.#stale = false;
    this.#merge(this.#positions, entry.positions);
    this.#length = entry.length;
    if (entry.data !== undefined) this.#data = entry.data;
  }

  #merge(into: Map<string, ResumePoint>, changed: ReadonlyMap<string, ResumePoint> | undefined): void {
    mergePositions(into, changed);
    for (const key of into.keys()) {
      if (into.size <= this.#maxPositions) break;
      into.delete(key);
    }
  }
}

/** Moves what changed to the end, so that a map's order is that of the last changes. */
function mergePositions(into: Map<string, ResumePoint>, changed: ReadonlyMap<string, ResumePoint> | undefined): void {
  if (changed === undefined) return;
  for (const [key, point] of changed) {
    into.delete(key);
    into.set(key, point);
  }
}

async function writeFully(file: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let written = 0; written < bytes.length;) {
    written += (await file.write(bytes, written, bytes.length - written, position + written)).bytesWritten;
  }
}

function encodeRecord(entry: CommitEntry): Buffer {
  const positions: Record<string, readonly [number, unknown]> = {};
  for (const [key, point] of entry.positions ?? []) positions[key] = [point.position, point.resume ?? null];
  const json = JSON.stringify({
    length: entry.length,
    ...(entry.positions === undefined ? {} : { positions }),
    ...(entry.data === undefined ? {} : { data: entry.data }),
  });
  return Buffer.from(`1 ${checksum(Buffer.from(json))} ${json}\n`);
}

function checksum(bytes: Uint8Array): string {
  return crc32(bytes).toString(16).padStart(8, "0");
}

const NEWLINE = 10;
/** "1 " + 8 hex digits + " ". */
const HEAD_BYTES = 11;

function readRecords(bytes: Buffer, path: string): Found {
  const positions = new Map<string, ResumePoint>();
  let length = 0;
  let data: unknown = undefined;
  let end = 0;
  let damagedRecords = 0;
  let damagedSinceEnd = 0;
  for (let start = 0; start < bytes.length;) {
    const newline = bytes.indexOf(NEWLINE, start);
    if (newline === -1) break;
    const record = readRecord(bytes.subarray(start, newline), path);
    start = newline + 1;
    if (record === undefined) {
      damagedSinceEnd++;
      continue;
    }
    damagedRecords += damagedSinceEnd;
    damagedSinceEnd = 0;
    end = start;
    length = record.length;
    mergePositions(positions, record.positions);
    if (record.data !== undefined) data = record.data;
  }
  return { length, positions, data, end, damagedRecords };
}

/** Undefined for what is not a whole record. */
function readRecord(line: Buffer, path: string): CommitEntry | undefined {
  const head = /^(\d) ([0-9a-f]{8}) $/.exec(line.toString("latin1", 0, HEAD_BYTES));
  if (head === null) return undefined;
  const body = line.subarray(HEAD_BYTES);
  if (checksum(body) !== head[2]) return undefined;
  if (head[1] !== "1") {
    throw new WiretailError(
      "WT_STATE_CORRUPT",
      `${path} was written by a newer version of Wiretail (format ${head[1]})`,
      {
        hint: "Run that version again, or move the data file and its log away to start anew.",
      },
    );
  }
  try {
    return toEntry(JSON.parse(body.toString("utf8")));
  } catch {
    return undefined;
  }
}

function toEntry(value: unknown): CommitEntry | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { length, positions: written = {}, data } = value as { length?: unknown; positions?: unknown; data?: unknown };
  if (typeof length !== "number" || !(length >= 0) || typeof written !== "object" || written === null) return undefined;
  const positions = new Map<string, ResumePoint>();
  for (const [key, point] of Object.entries(written)) {
    if (!Array.isArray(point) || typeof point[0] !== "number") return undefined;
    positions.set(key, { position: point[0], resume: point[1] as unknown });
  }
  return { length, positions, data };
}
