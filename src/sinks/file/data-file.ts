import { constants } from "node:fs";
import { mkdir, open, stat, type FileHandle } from "node:fs/promises";
import { dirname } from "node:path";
import type { EncodedBatch, Slice } from "../../core/batch.ts";
import type { Log, ResumePoint } from "../../core/component.ts";
import { systemErrorCode } from "../../core/error.ts";
import { syncFolder } from "../../disk/atomic-file.ts";
import { openCommitLog, positionKey, type CommitLog } from "../../disk/commit-log.ts";
import { moveAside } from "./rotated.ts";

export interface DataFileOptions {
  readonly path: string;
  readonly mode: number;
  /** Of the encoding: `encodingKey`. */
  readonly key: string;
  readonly maxBytes: number | undefined;
  readonly maxAgeMs: number | undefined;
  readonly now: () => number;
  readonly log: Log;
}

/** What the commit log's `data` holds: which file its length is about. */
interface FileIdentity {
  readonly inode: number;
  readonly createdMs: number;
}

/**
 * What is kept for a partition and pipeline beside the position of the last whole batch: the last document in the file,
 * so that documents that come again (after a crash, or because a batch came in parts) are recognised and left out.
 */
interface Progress {
  readonly resume: unknown;
  readonly offset: number;
  readonly subIndex: number;
}

/** The position of partitions of which no batch is whole in the file yet. */
const NO_POSITION = -1;
const NEWLINE = 10;

/**
 * One file that documents are appended to, with the commit log `<path>.wiretail` beside it.
 *
 * Nothing counts before the log says so: on opening, what lies behind the length in the log is cut off. When a call
 * fails, close the file and open it again: what is on disk decides what counts.
 */
export class DataFile {
  readonly #options: DataFileOptions;
  readonly #log: CommitLog;
  #file: FileHandle;
  #identity: FileIdentity;
  #length: number;

  private constructor(
    options: DataFileOptions,
    log: CommitLog,
    file: FileHandle,
    identity: FileIdentity,
    length: number,
  ) {
    this.#options = options;
    this.#log = log;
    this.#file = file;
    this.#identity = identity;
    this.#length = length;
  }

  /** Throws the system's error. `afterFailure`: what is found is first made certain. */
  static async open(options: DataFileOptions, afterFailure: boolean): Promise<DataFile> {
    await mkdir(dirname(options.path), { recursive: true, mode: 0o750 });
    const log = await openCommitLog(`${options.path}.wiretail`, { mode: options.mode });
    try {
      if (log.damagedRecords > 0)
        options.log.warn(
          `${log.damagedRecords} damaged records in ${options.path}.wiretail: some events may come twice`,
        );
      const opened = await openData(options, log);
      if (afterFailure) await log.rewrite();
      await commitIdentity(log, opened);
      return new DataFile(options, log, opened.file, opened.identity, opened.length);
    } catch (error) {
      await log.close();
      throw error;
    }
  }

  get path(): string {
    return this.#options.path;
  }

  /** Where the data ends for a partition and pipeline: the end of the last batch that is whole in the file. */
  position(partitionId: string, pipeline: string): ResumePoint | undefined {
    const point = this.#log.last.positions.get(positionKey(partitionId, pipeline));
    if (point === undefined || point.position === NO_POSITION) return undefined;
    return { position: point.position, resume: (point.resume as Progress).resume };
  }

  /**
   * Appends the documents that are not in the file yet; resolves when they and their position are on disk, with the
   * name of a file that was moved aside to make room, if any. Throws the system's error.
   */
  async append(slices: readonly Slice[]): Promise<string | undefined> {
    const positions = new Map<string, ResumePoint>();
    const parts: Buffer[] = [];
    let byteLength = 0;
    for (const slice of slices) {
      const part = this.#newBytes(slice, positions);
      parts.push(part);
      byteLength += part.length;
    }
    if (positions.size === 0) return undefined;
    const movedTo = byteLength > 0 ? await this.#makeRoom(byteLength) : undefined;
    if (byteLength > 0) {
      await writeFully(this.#file, parts.length === 1 ? parts[0]! : Buffer.concat(parts, byteLength), this.#length);
      await this.#file.datasync();
    }
    const length = this.#length + byteLength;
    await this.#log.append({ length, positions, data: this.#identity });
    this.#length = length;
    return movedTo;
  }

  async close(): Promise<void> {
    try {
      await this.#file.close();
    } finally {
      await this.#log.close();
    }
  }

  /** The documents of a slice that are not in the file, and where its partition then is. */
  #newBytes(slice: Slice, positions: Map<string, ResumePoint>): Buffer {
    const { batch, from, to } = slice;
    const body = batch.bodies.get(this.#options.key)!;
    if (to === from) return body.bytes.subarray(0, 0);
    const key = positionKey(batch.partition.id, batch.pipeline);
    const known = positions.get(key) ?? this.#log.last.positions.get(key);
    const progress = known?.resume as Progress | undefined;
    let first = from;
    if (progress !== undefined) while (first < to && !isAfter(batch, first, progress)) first++;
    const isWhole = to === batch.count && batch.endPosition > (known?.position ?? NO_POSITION);
    if (first < to || isWhole) {
      const last = first < to ? to - 1 : undefined;
      positions.set(key, {
        position: isWhole ? batch.endPosition : (known?.position ?? NO_POSITION),
        resume: {
          resume: isWhole ? batch.resume : (progress?.resume ?? null),
          offset: last === undefined ? progress!.offset : batch.offsets[last]!,
          subIndex: last === undefined ? progress!.subIndex : (batch.subIndexes?.[last] ?? 0),
        } satisfies Progress,
      });
    }
    return body.bytes.subarray(body.offsets[first], body.offsets[to]);
  }

  /** Rotates when it is time, and goes on in a new file when somebody else moved or removed the present one. */
  async #makeRoom(byteLength: number): Promise<string | undefined> {
    const { path, maxBytes, maxAgeMs, now } = this.#options;
    const isFull = maxBytes !== undefined && this.#length > 0 && this.#length + byteLength > maxBytes;
    const isOld = maxAgeMs !== undefined && this.#length > 0 && now() - this.#identity.createdMs >= maxAgeMs;
    const inPlace = await stat(path).catch((error: unknown) => {
      if (systemErrorCode(error) === "ENOENT") return undefined;
      throw error;
    });
    const isOurs = inPlace !== undefined && inPlace.ino === this.#identity.inode;
    if (isOurs && inPlace.size < this.#length) {
      this.#options.log.warn(`${path} was shortened by somebody else: going on at its present end`);
      this.#length = inPlace.size;
    }
    if (isOurs && !isFull && !isOld) return undefined;
    const movedTo = isOurs ? await moveAside(path, now()) : undefined;
    const next = await openFresh(this.#options);
    await this.#file.close();
    await commitIdentity(this.#log, next);
    this.#file = next.file;
    this.#identity = next.identity;
    this.#length = next.length;
    return movedTo;
  }
}

function isAfter(batch: EncodedBatch, index: number, progress: Progress): boolean {
  const offset = batch.offsets[index]!;
  return (
    offset > progress.offset || (offset === progress.offset && (batch.subIndexes?.[index] ?? 0) > progress.subIndex)
  );
}

interface OpenedData {
  readonly file: FileHandle;
  readonly identity: FileIdentity;
  readonly length: number;
}

async function openData(options: DataFileOptions, log: CommitLog): Promise<OpenedData> {
  const opened = await openFresh(options);
  const known = log.last.data as FileIdentity | undefined;
  // Another file than the log is about: a rotation was cut short, or somebody put one there. What it holds stays.
  if (known === undefined || known.inode !== opened.identity.inode) return opened;
  const { size } = await opened.file.stat();
  if (size < log.last.length) {
    options.log.warn(`${options.path} is shorter than what was written to it: somebody else shortened it`);
  } else if (size > log.last.length) {
    await opened.file.truncate(log.last.length);
  }
  return { file: opened.file, identity: known, length: Math.min(size, log.last.length) };
}

/** Says which file counts from here on before anything is written to it: otherwise a crash would leave it uncounted. */
async function commitIdentity(log: CommitLog, { identity, length }: OpenedData): Promise<void> {
  const known = log.last.data as FileIdentity | undefined;
  if (known?.inode === identity.inode && log.last.length === length) return;
  await log.append({ length, data: identity });
}

/** Opens or makes the file; appending begins at its end, on a line of its own. */
async function openFresh({ path, mode, now }: DataFileOptions): Promise<OpenedData> {
  const file = await open(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, mode);
  try {
    const { size, ino, birthtimeMs } = await file.stat();
    if (size === 0) {
      await syncFolder(dirname(path));
      return { file, identity: { inode: ino, createdMs: now() }, length: 0 };
    }
    const last = Buffer.alloc(1);
    await file.read(last, 0, 1, size - 1);
    const isWholeLine = last[0] === NEWLINE;
    if (!isWholeLine) await writeFully(file, Buffer.from("\n"), size);
    return {
      file,
      identity: { inode: ino, createdMs: Math.min(birthtimeMs, now()) },
      length: isWholeLine ? size : size + 1,
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function writeFully(file: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let written = 0; written < bytes.length;) {
    written += (await file.write(bytes, written, bytes.length - written, position + written)).bytesWritten;
  }
}
