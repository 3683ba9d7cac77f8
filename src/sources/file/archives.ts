import { stat } from "node:fs/promises";
import type { ResumePoint } from "../../core/component.ts";
import type { Announcing } from "./announcing.ts";
import type { PathState } from "./file-table.ts";
import { placeOf, type Generation } from "./generation.ts";
import { GzipFile, isGzip, mayBecomeGzip } from "./gzip-file.ts";
import {
  examine,
  HEAD_BYTES,
  headOf,
  openFile,
  readAt,
  TELLING_BYTES,
  type FileIdentity,
  type Head,
} from "./identity.ts";
import { isGone, LOOK_INTERVAL_MS, RETRY_MS, type Tracking } from "./tracking.ts";

/** Archives that are read at the same time: each takes an open file and some 200 KiB. */
const AT_ONCE = 4;
/** Files that are remembered after they were read, to recognise what they are compressed to later. */
const REMEMBERED = 2048;

/** A file that was read to its end, or one that is being read. */
interface ReadFile {
  readonly head: Head;
  /** Bytes that it had. */
  readonly seen: number;
  readonly mtimeMs: number;
  readonly points: readonly ResumePoint[];
}

/**
 * Compressed files that are read as they are (`compressed: "read"`): whole, once. One is left out when it holds what was
 * read before it was compressed; to know that, files that were read to their end stay in the checkpoint.
 */
export class Archives {
  readonly #tracking: Tracking;
  readonly #announcing: Announcing;
  /** By partition, the oldest first. */
  readonly #finished = new Map<string, ReadFile>();
  readonly #reading = new Set<Generation>();
  /** Archives that wait for their turn, or for their writer to be done. */
  readonly #waiting = new Set<string>();

  constructor(tracking: Tracking, announcing: Announcing) {
    this.#tracking = tracking;
    this.#announcing = announcing;
  }

  get isWaiting(): boolean {
    return this.#waiting.size > 0;
  }

  /** Keeps a partition of the checkpoint, or one that has just ended, as one that was read. */
  remember(id: string, identity: FileIdentity, points: readonly ResumePoint[]): void {
    const { head, seen = 0, mtimeMs = 0 } = identity;
    this.#finished.delete(id);
    this.#finished.set(id, { head, seen, mtimeMs, points });
    if (this.#finished.size <= REMEMBERED) return;
    const [oldest] = this.#finished.keys();
    this.#finished.delete(oldest!);
    this.#tracking.output.forget(oldest!);
  }

  /** Whether a file that begins so was read to its end. */
  knows(head: Buffer): boolean {
    for (const read of this.#finished.values())
      if (read.head.length >= TELLING_BYTES && beginsLike(head, read.head)) return true;
    return false;
  }

  /**
   * Looks at a file with a compressed name of which nothing is known. False when it is no gzip file. Within a serial
   * task; throws what keeps it from being read.
   */
  async look(state: PathState, key: string, startAtEnd: boolean): Promise<boolean> {
    if (state.compressedKey === key) return true;
    const { context } = this.#tracking;
    const { path } = state;
    try {
      const file = await openFile(path);
      let gzip: GzipFile | undefined;
      try {
        const first = await readAt(file, 0, 3);
        if (mayBecomeGzip(first)) {
          state.lookAtMs = context.monotonicMs() + RETRY_MS;
          return true;
        }
        if (!isGzip(first)) return this.#no(path);
        const stats = await file.stat({ bigint: true });
        if (!this.#isWhole(state, key, stats.size)) return this.#wait(state);
        gzip = await GzipFile.open(file);
        const head = await readAt(gzip, 0, HEAD_BYTES);
        const isKnown = head.length === 0 || (await this.#isKnown(gzip, head, Number(stats.mtimeMs)));
        if (!isKnown && !startAtEnd) {
          for (const gen of this.#reading) if (gen.ended) this.#reading.delete(gen);
          if (this.#reading.size >= AT_ONCE) return this.#wait(state);
        }
        this.#waiting.delete(path);
        state.compressedKey = key;
        if (isKnown) {
          const why = head.length === 0 ? "it is empty" : "it holds what was read already";
          context.log.info(`${path}: compressed, and left out: ${why}`, { rule: "known_archive" });
          return true;
        }
        const gen = await this.#announcing.createRotated(path, placeOf(path, stats), undefined, startAtEnd);
        const fields = { rule: "new_archive", inode: key, size: Number(stats.size) };
        if (startAtEnd) this.#tracking.end(gen, "compressed, and there when the source first ran: not read");
        else {
          this.#reading.add(gen);
          context.log.info(`${path}: compressed, and not known before: it is read whole`, fields);
        }
        return true;
      } finally {
        await (gzip ?? file).close();
      }
    } catch (error) {
      state.compressedKey = "";
      this.#waiting.delete(path);
      if (!isGone(error)) throw error;
      // Renamed before it was opened.
      if ((await stat(path).catch(() => undefined)) !== undefined) this.#wait(state);
      return true;
    }
  }

  #no(path: string): false {
    this.#waiting.delete(path);
    return false;
  }

  #wait(state: PathState): true {
    this.#waiting.add(state.path);
    state.lookAtMs = this.#tracking.context.monotonicMs() + LOOK_INTERVAL_MS;
    return true;
  }

  /** Whether it has kept its size for the grace time: while it is written it is no whole file. */
  #isWhole(state: PathState, key: string, size: bigint): boolean {
    const { context, options } = this.#tracking;
    if (context.once) return true;
    const nowMs = context.monotonicMs();
    if (state.copyKey !== key || state.copySize !== size || state.copyUntilMs === undefined) {
      state.copyKey = key;
      state.copySize = size;
      state.copyUntilMs = nowMs + options.rotateGraceMs;
    }
    return nowMs >= state.copyUntilMs;
  }

  async #isKnown(gzip: GzipFile, head: Buffer, mtimeMs: number): Promise<boolean> {
    for (const gen of this.#tracking.table.generations) {
      const read = { head: headOf(gen.head), seen: gen.seenEnd, mtimeMs: gen.mtimeMs, points: [gen.point()] };
      if (!gen.ended && (await holds(gzip, head, mtimeMs, read))) return true;
    }
    for (const read of this.#finished.values()) if (await holds(gzip, head, mtimeMs, read)) return true;
    return false;
  }
}

function beginsLike(head: Buffer, kept: Head): boolean {
  return kept.length > 0 && head.length >= kept.length && headOf(head.subarray(0, kept.length)).hash === kept.hash;
}

/** Whether what the archive unpacks to is a file that was read. */
async function holds(gzip: GzipFile, head: Buffer, mtimeMs: number, read: ReadFile): Promise<boolean> {
  if (!beginsLike(head, read.head)) return false;
  const content = await examine(gzip, undefined, read);
  if (content.shorter || !content.headMatches || !content.tailsMatch) return false;
  if (read.head.length >= TELLING_BYTES) return true;
  // So little may be the beginning of many files. gzip keeps the time of the last write, but for its fraction.
  return gzip.unpackedBytes === read.seen && Math.abs(mtimeMs - read.mtimeMs) < 1000;
}
