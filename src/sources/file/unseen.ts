import { stat } from "node:fs/promises";
import { basename, dirname } from "node:path";
import type { Announcing } from "./announcing.ts";
import { placeKey, placeOf, type Place } from "./generation.ts";
import { GzipFile, isGzip } from "./gzip-file.ts";
import { HEAD_BYTES, headOf, openFile, readAt, TELLING_BYTES, type Head } from "./identity.ts";
import { compareRotated, parseRotatedName, type RotatedFile } from "./rotated-name.ts";
import { filesBelow } from "./siblings.ts";
import { isGone, RETRY_MS, type Tracking } from "./tracking.ts";
import { errorMessage } from "../../core/error.ts";

/** A generation that is nowhere any more. */
export interface LostFile {
  /** When it was last written to, as far as is known. */
  readonly mtimeMs: number;
  readonly head: Head;
}

/** The last that is known of a path: what was rotated after it was never seen. */
export interface Anchor {
  /** The one that was last found under another name. */
  readonly place: Place | undefined;
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
}

/**
 * Finds what was written to a path, and rotated away, while nobody looked: the files between the last that is known and
 * what is there now. They are read whole, oldest first, under the path's name.
 */
export class Unseen {
  readonly #tracking: Tracking;
  readonly #announcing: Announcing;
  readonly #isClaimed: (path: string, key: string) => boolean;
  readonly #again = new Map<string, Again>();

  constructor(tracking: Tracking, announcing: Announcing, isClaimed: (path: string, key: string) => boolean) {
    this.#tracking = tracking;
    this.#announcing = announcing;
    this.#isClaimed = isClaimed;
  }

  /** Within a serial task, before what is at the path now is begun. */
  async find(path: string, anchor: Anchor): Promise<void> {
    const again = this.#again.get(path) ?? { anchor, done: new Set<string>(), retryAtMs: Infinity };
    this.#again.delete(path);
    const { context, table } = this.#tracking;
    for (const { place } of await this.#candidates(path, again)) {
      if (this.#tracking.signal.aborted) return;
      try {
        const previous = table.stateOf(path).previous;
        const gen = await this.#announcing.createRotated(path, place, previous);
        table.stateOf(path).previous = gen;
        again.done.add(placeKey(place));
        const fields = { rule: "unseen_rotation", inode: placeKey(place), size: gen.presentEnd() };
        context.log.info(`${path}: ${place.path} was rotated away before it was seen; it is read whole`, fields);
      } catch (error) {
        if (this.#tracking.signal.aborted) return;
        if (!isGone(error)) {
          context.log.warn(
            `cannot read ${place.path}, rotated away from ${path} before it was seen: ${errorMessage(error)}; trying again`,
          );
        }
        again.retryAtMs = context.monotonicMs() + RETRY_MS;
        this.#again.set(path, again);
      }
    }
  }

  tick(nowMs: number): void {
    for (const [path, again] of this.#again) {
      if (again.retryAtMs > nowMs) continue;
      again.retryAtMs = Infinity;
      void this.#tracking.serial(() => this.find(path, again.anchor));
    }
  }

  /** Whether all that was found could be begun. */
  get isSettled(): boolean {
    return this.#again.size === 0;
  }

  /** Rotated after the anchor, unknown, oldest first; of a file and what it was compressed to only the former. */
  async #candidates(path: string, { anchor, done }: Again): Promise<Candidate[]> {
    const { table } = this.#tracking;
    const original = basename(path);
    const rotated: Candidate[] = [];
    for (const each of await filesBelow(dirname(path))) {
      const name = parseRotatedName(basename(each), original);
      if (name === undefined) continue;
      const stats = await stat(each, { bigint: true }).catch(() => undefined);
      if (stats?.isFile() !== true || stats.size === 0n) continue;
      rotated.push({ name, mtimeMs: Number(stats.mtimeMs), place: placeOf(each, stats) });
    }
    const last = rotated.find((each) => anchor.place !== undefined && placeKey(each.place) === placeKey(anchor.place));
    // Nothing is known of the order then.
    if (last === undefined && anchor.lost.length === 0) return [];
    const lostMs = Math.max(-Infinity, ...anchor.lost.map((each) => each.mtimeMs));
    const live = await headAt(path);
    const found: Candidate[] = [];
    const isTwin = (a: Candidate, b: Candidate): boolean =>
      compareRotated(a, b) === 0 && a.name.order === b.name.order && dirname(a.place.path) === dirname(b.place.path);
    for (const each of rotated.sort(
      (a, b) => compareRotated(a, b) || Number(a.name.compressed) - Number(b.name.compressed),
    )) {
      const key = placeKey(each.place);
      if (done.has(key) || table.at(key) !== undefined || this.#isClaimed(each.place.path, key)) continue;
      if (last !== undefined && compareRotated(each, last) <= 0) continue;
      // Made and written to after what is lost; one that was read before may be written to late, but was made earlier.
      const bornMs = each.place.born === "" ? Infinity : Number(BigInt(each.place.born) / 1_000_000n);
      if (Math.min(each.mtimeMs, bornMs) <= lostMs) continue;
      // While it is compressed both are there.
      if (
        rotated.some((other) => other !== each && !other.name.compressed && each.name.compressed && isTwin(other, each))
      )
        continue;
      const head = await headAt(each.place.path);
      // Nothing that can be read (compressed in another way), or a copy of what is read anyway.
      if (head === undefined || isBeginningOf(head, live) || anchor.lost.some((each) => isRestOf(head, each))) continue;
      found.push(each);
    }
    return found;
  }
}

/** What is left of a lost file is no file of its own, although it is not whole enough to go on in it. */
function isRestOf(head: Buffer, { head: kept }: LostFile): boolean {
  if (kept.length < TELLING_BYTES || head.length < kept.length) return false;
  return headOf(head.subarray(0, kept.length)).hash === kept.hash;
}

/** The first bytes of a file, or of what it unpacks to; undefined when it cannot be read as text. */
async function headAt(path: string): Promise<Buffer | undefined> {
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

/** Whether one begins like the other, as a copy and its original do. */
function isBeginningOf(head: Buffer, other: Buffer | undefined): boolean {
  const length = Math.min(head.length, other?.length ?? 0);
  return length > 0 && head.subarray(0, length).equals(other!.subarray(0, length));
}
