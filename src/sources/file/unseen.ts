import { stat } from "node:fs/promises";
import { basename, dirname } from "node:path";
import type { Announcing } from "./announcing.ts";
import { placeKey, placeOf, type Place } from "./generation.ts";
import { GzipFile, isGzip } from "./gzip-file.ts";
import { HEAD_BYTES, headOf, openFile, readAt, TELLING_BYTES, type Head } from "./identity.ts";
import { compareRotated, isRotatedName, parseRotatedName, type RotatedFile } from "./rotated-name.ts";
import { filesBelow, homesOf, modifiedMs } from "./siblings.ts";
import { isGone, RETRY_MS, type Tracking } from "./tracking.ts";
import { errorMessage } from "../../core/error.ts";

/** A generation that is nowhere any more. */
export interface LostFile {
  /** When it was last written to, as far as is known. */
  readonly mtimeMs: number;
  readonly head: Head;
  /** Device and inode. */
  readonly key: string;
}

/** The last that is known of a path: what was rotated after it was never seen. */
export interface Anchor {
  /** The one that was last found under another name, when it was last written to, and its first bytes. */
  readonly found: { readonly place: Place; readonly mtimeMs: number; readonly head: Buffer } | undefined;
  readonly lost: readonly LostFile[];
}

interface Candidate extends RotatedFile {
  readonly place: Place;
}

/** A path whose rotated files could not all be opened. */
interface Again {
  readonly anchor: Anchor;
  readonly done: Set<string>;
  retryAtMs: number;
  isMoving: boolean;
}

/** How often it is looked again at once while names change. */
const MOVES = 10;

/**
 * Finds what was written to a path, and rotated away, while nobody looked: the files between the last that is known and
 * what is there now. They are read whole, oldest first, under the path's name.
 */
export class Unseen {
  readonly #tracking: Tracking;
  readonly #announcing: Announcing;
  readonly #isClaimed: (path: string, key: string) => boolean;
  /** Whether the checkpoint knew a file with this beginning by a rotated name of the path. */
  readonly #isKnown: (path: string, head: Buffer) => boolean;
  readonly #again = new Map<string, Again>();

  constructor(
    tracking: Tracking,
    announcing: Announcing,
    isClaimed: (path: string, key: string) => boolean,
    isKnown: (path: string, head: Buffer) => boolean,
  ) {
    this.#tracking = tracking;
    this.#announcing = announcing;
    this.#isClaimed = isClaimed;
    this.#isKnown = isKnown;
  }

  /**
   * Within a serial task, before what is at the path now is begun. Returns the first bytes of those that were found. Throws
   * when it cannot be looked for them; it will be tried again.
   */
  async find(path: string, anchor: Anchor): Promise<Buffer[]> {
    const again = this.#again.get(path) ?? { anchor, done: new Set<string>(), retryAtMs: Infinity, isMoving: false };
    this.#again.delete(path);
    const heads: Buffer[] = [];
    for (let attempt = 1; ; attempt++) {
      const isWhole = await this.#begin(path, again, heads).catch((error: unknown) => {
        this.#tryAgain(path, again);
        throw error;
      });
      if (isWhole || this.#tracking.signal.aborted) return heads;
      if (again.isMoving && attempt < MOVES) continue;
      this.#tryAgain(path, again);
      return heads;
    }
  }

  #tryAgain(path: string, again: Again): void {
    again.retryAtMs = this.#tracking.context.monotonicMs() + RETRY_MS;
    this.#again.set(path, again);
  }

  /** Whether names are moved along so quickly that nobody can say yet what came before the file at a path. */
  isMoving(path: string): boolean {
    return this.#again.get(path)?.isMoving === true;
  }

  /** Begins what there is. False when some of it could not be opened. */
  async #begin(path: string, again: Again, heads: Buffer[]): Promise<boolean> {
    const { context, signal, table } = this.#tracking;
    let isWhole = true;
    again.isMoving = false;
    for (const { place } of await this.#candidates(path, again)) {
      if (signal.aborted) return false;
      try {
        const gen = await this.#announcing.createRotated(path, place, table.stateOf(path).previous);
        table.stateOf(path).previous = gen;
        again.done.add(placeKey(place));
        heads.push(gen.head);
        const fields = { rule: "unseen_rotation", inode: placeKey(place), size: gen.presentEnd() };
        context.log.info(`${path}: ${place.path} was rotated away before it was seen; it is read whole`, fields);
      } catch (error) {
        if (signal.aborted) return false;
        isWhole = false;
        // It has another name by now; what follows it must not be begun before.
        if (isGone(error)) {
          again.isMoving = true;
          return false;
        }
        const why = `rotated away from ${path} before it was seen: ${errorMessage(error)}`;
        context.log.warn(`cannot read ${place.path}, ${why}; trying again`);
      }
    }
    return isWhole;
  }

  /** Returns whether anything waits to be tried again. */
  tick(nowMs: number): boolean {
    for (const [path, again] of this.#again) {
      if (again.retryAtMs > nowMs) continue;
      again.retryAtMs = Infinity;
      const failed = (error: unknown): void =>
        this.#tracking.context.log.debug(`cannot look for what was rotated away from ${path}: ${errorMessage(error)}`);
      void this.#tracking.serial(() => this.find(path, again.anchor).then(() => undefined, failed));
    }
    return this.#again.size > 0;
  }

  /** Rotated after the anchor, unknown, oldest first; of a file and what it was compressed to only the former. */
  async #candidates(path: string, { anchor, done }: Again): Promise<Candidate[]> {
    const { table } = this.#tracking;
    const key = anchor.found === undefined ? undefined : placeKey(anchor.found.place);
    const rotated = await rotatedFiles(path, key);
    const last = rotated.find((each) => placeKey(each.place) === key) ?? (await compressedOf(rotated, anchor.found));
    const times = anchor.lost.map((each) => each.mtimeMs);
    // Without its place in the order there is still the time when it was last written to.
    if (last === undefined && anchor.found !== undefined) times.push(anchor.found.mtimeMs);
    if (last === undefined && times.length === 0) return [];
    const lostMs = Math.max(-Infinity, ...times);
    const live = await headAt(path);
    const found: Candidate[] = [];
    const isTwin = (a: Candidate, b: Candidate): boolean =>
      compareRotated(a, b) === 0 && a.name.order === b.name.order && dirname(a.place.path) === dirname(b.place.path);
    for (const each of rotated.sort(
      (a, b) => compareRotated(a, b) || Number(a.name.compressed) - Number(b.name.compressed),
    )) {
      const its = placeKey(each.place);
      if (done.has(its) || table.at(its) !== undefined || this.#isClaimed(each.place.path, its)) continue;
      if (last !== undefined && compareRotated(each, last) <= 0) continue;
      // Made and written to after what is lost; one that was read before may be written to late, but was made earlier. Not
      // so when it is the lost file itself, truncated and written anew before it was rotated.
      const isRewritten = anchor.lost.some((lost) => lost.key === its);
      const bornMs = each.place.born === "" || isRewritten ? Infinity : Number(BigInt(each.place.born) / 1_000_000n);
      if (Math.min(each.mtimeMs, bornMs) <= lostMs) continue;
      // While it is compressed both are there.
      if (
        rotated.some((other) => other !== each && !other.name.compressed && each.name.compressed && isTwin(other, each))
      )
        continue;
      const head = await headAt(each.place.path);
      // Nothing that can be read (compressed in another way), or a copy of what is read anyway.
      if (head === undefined || isBeginningOf(head, live) || anchor.lost.some((each) => isRestOf(head, each))) continue;
      // It was read, or is, under a name of its own: where `include` matches rotated names, too.
      if (this.#isKnown(path, head) || this.#isCopyOfRead(each.place.path, head)) continue;
      found.push(each);
    }
    return found;
  }

  /**
   * Whether it begins like a file of ours that it may be a copy of (copytruncate, compressed at once). Where `include`
   * matches rotated names too, that file need not be at the path whose past is looked for: of app.log a copy became
   * app.log.1.gz, which is what app.log.1 would have been compressed to.
   */
  #isCopyOfRead(path: string, head: Buffer): boolean {
    for (const gen of this.#tracking.table.generations) {
      const { length } = gen.head;
      if (gen.ended || (length < TELLING_BYTES && length !== head.length)) continue;
      if (dirname(path) !== dirname(gen.place.path)) continue;
      if (!isRotatedName(basename(path), basename(gen.place.path))) continue;
      if (length > 0 && head.subarray(0, length).equals(gen.head)) return true;
    }
    return false;
  }
}

const LISTS = 40;
/** More than the granularity of a folder's time of modification. */
const SETTLED_MS = 20;

/** The rotated files of a path. While names are moved along, it is looked again: what is seen must be of one moment. */
async function rotatedFiles(path: string, wantedKey: string | undefined): Promise<Candidate[]> {
  for (let attempt = 1; ; attempt++) {
    const homes = await homesOf(path);
    const folders = homes.map((home) => dirname(home));
    const before = await modifiedMs(...folders);
    const rotated: Candidate[] = [];
    let missed = false;
    for (const each of new Set((await Promise.all(folders.map(filesBelow))).flat())) {
      const [name] = homes.flatMap((home) => parseRotatedName(basename(each), basename(home)) ?? []);
      if (name === undefined) continue;
      const stats = await stat(each, { bigint: true }).catch(() => undefined);
      if (stats === undefined) missed = true;
      if (stats?.isFile() !== true || stats.size === 0n) continue;
      rotated.push({ name, mtimeMs: Number(stats.mtimeMs), place: placeOf(each, stats) });
    }
    const after = await modifiedMs(...folders);
    const isSettled = !missed && before === after && Math.abs(Date.now() - after) > SETTLED_MS;
    const isThere = wantedKey === undefined || rotated.some((each) => placeKey(each.place) === wantedKey);
    if ((isSettled && isThere) || attempt === LISTS) return rotated;
    await new Promise((resolve) => setTimeout(resolve, SETTLED_MS));
  }
}

/** What a file was compressed to since it was found: that it is, its beginning tells. */
async function compressedOf(rotated: readonly Candidate[], found: Anchor["found"]): Promise<Candidate | undefined> {
  if (found === undefined || found.head.length < TELLING_BYTES) return undefined;
  for (const each of rotated) {
    const head = each.name.compressed ? await headAt(each.place.path) : undefined;
    if (head?.subarray(0, found.head.length).equals(found.head) === true) return each;
  }
  return undefined;
}

/** Whether a file, of which nothing was read, is read whole as one of those with these beginnings. */
export function isAmong(heads: readonly Buffer[], { head: kept }: LostFile): boolean {
  return heads.some((head) => kept.length <= head.length && headOf(head.subarray(0, kept.length)).hash === kept.hash);
}

/** What is left of a lost file is no file of its own, although it is not whole enough to go on in it. */
export function isRestOf(head: Buffer, { head: kept }: Pick<LostFile, "head">): boolean {
  if (kept.length < TELLING_BYTES || head.length < kept.length) return false;
  return headOf(head.subarray(0, kept.length)).hash === kept.hash;
}

/** The first bytes of a file, or of what it unpacks to; undefined when it cannot be read as text. */
export async function headAt(path: string): Promise<Buffer | undefined> {
  let file: { close(): Promise<void> } | undefined;
  try {
    const handle = await openFile(path);
    file = handle;
    const head = await readAt(handle, 0, HEAD_BYTES);
    if (isGzip(head)) {
      const gzip = await GzipFile.open(handle);
      file = gzip;
      return await readAt(gzip, 0, HEAD_BYTES);
    }
    return isOtherwiseCompressed(head) ? undefined : head;
  } catch {
    // What cannot be read now is tried, and said, when it is opened to be read.
    return Buffer.alloc(0);
  } finally {
    await file?.close().catch(() => undefined);
  }
}

/** bzip2, xz, zstd, lz4, zip by their first bytes. */
function isOtherwiseCompressed(head: Buffer): boolean {
  return ["425a68", "fd377a585a00", "28b52ffd", "04224d18", "504b0304"].some((magic) =>
    head.subarray(0, magic.length / 2).equals(Buffer.from(magic, "hex")),
  );
}

/** Whether it may be a copy of another file that is made at this moment: that has as much, and begins like it. */
function isBeginningOf(head: Buffer, other: Buffer | undefined): boolean {
  return head.length > 0 && other !== undefined && head.equals(other.subarray(0, head.length));
}
