import { mkdir, open, rename, rm, stat, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { systemErrorCode } from "../../core/error.ts";
import { parseIsoTime } from "../../core/time.ts";
import { syncFolder, writeFileAtomic } from "../atomic-file.ts";
import { KeySet } from "./key-set.ts";
import { letterKeys, parseLetter, type DeadLetter } from "./letter.ts";
import { closedSegments, OPEN_SEGMENT, readLines, segmentName } from "./segments.ts";

export interface DeadLetterOptions {
  readonly folder: string;
  /** All files together stay under this. */
  readonly maxBytes: number;
  /** Letters older than this are removed, a file at a time. */
  readonly maxAgeMs: number | undefined;
  /** What happens to new letters when `maxBytes` is used up: the oldest go, or the new ones are refused (and wait). */
  readonly whenFull: "drop_oldest" | "block";
  readonly now: () => number;
  /** Letters were removed that nobody asked to remove. */
  readonly onDropped: (letters: number, why: "budget" | "age") => void;
}

/** What lies there. */
export interface DeadLetterStats {
  readonly letters: number;
  readonly bytes: number;
  /** `at` of the oldest letter. */
  readonly oldestAt: string | undefined;
}

interface Segment {
  /** Undefined for the open one. */
  readonly number: number | undefined;
  letters: number;
  bytes: number;
  /** `at` of the first and of the last letter. */
  first: string | undefined;
  last: string | undefined;
}

/** What becomes of a letter in `change`: kept as it is, replaced, or removed. */
export type Change = (letter: DeadLetter) => DeadLetter | "keep" | "remove";

/**
 * The dead letters of an agent, in a folder: one file that grows, and closed ones. Only one process may write (the
 * one that has the state directory's lock); others may read at any time (`readLetters`).
 *
 * A letter that lies there already (the same event, refused by the same sink, or by a stage for the same sinks) is not
 * written again: reading once more after a crash, or for a sink that was added, makes no doubles.
 */
export class DeadLetterStore {
  readonly #options: DeadLetterOptions;
  readonly #segmentBytes: number;
  #handle: FileHandle | undefined;
  /** Oldest first; the last one is the open one. Undefined until the folder was read. */
  #segments: Segment[] | undefined;
  readonly #keys = new KeySet();
  #queue: Promise<unknown> = Promise.resolve();

  constructor(options: DeadLetterOptions) {
    this.#options = options;
    this.#segmentBytes = Math.max(4096, Math.floor(options.maxBytes / 8));
  }

  /** Reads what is there. Not needed before other calls; they do so themselves. */
  open(): Promise<void> {
    return this.#exclusively(() => this.#load());
  }

  get stats(): DeadLetterStats {
    const segments = this.#segments ?? [];
    return {
      letters: segments.reduce((sum, segment) => sum + segment.letters, 0),
      bytes: segments.reduce((sum, segment) => sum + segment.bytes, 0),
      oldestAt: segments.find((segment) => segment.first !== undefined)?.first,
    };
  }

  /**
   * Appends and syncs; resolves with how many were new. Rejects with the system's error when that fails, or because the
   * budget is used up (`block`); nothing of the call counts as written then.
   */
  append(letters: readonly DeadLetter[]): Promise<number> {
    return this.#exclusively(() => this.#append(letters));
  }

  /**
   * Goes through all letters, oldest first, and keeps, replaces or removes each. Files are replaced atomically, one
   * after the other. Returns how many were removed.
   */
  change(change: Change): Promise<number> {
    return this.#exclusively(() => this.#change(change));
  }

  /** Removes files whose letters are all too old. To be called now and then. */
  removeOld(): Promise<void> {
    return this.#exclusively(() => this.#removeOld());
  }

  async close(): Promise<void> {
    await this.#queue;
    await this.#handle?.close();
    this.#handle = undefined;
  }

  #exclusively<T>(action: () => Promise<T>): Promise<T> {
    const done = this.#queue.then(action);
    this.#queue = done.catch(() => undefined);
    return done;
  }

  async #append(letters: readonly DeadLetter[]): Promise<number> {
    await this.#load();
    const isNew = this.#withoutKnown(letters);
    if (isNew.length === 0) return 0;
    const bytes = Buffer.from(isNew.map((letter) => JSON.stringify(letter) + "\n").join(""));
    await this.#makeRoom(bytes.length);
    const segment = this.#segments!.at(-1)!;
    this.#handle ??= await this.#openFile();
    try {
      await this.#handle.appendFile(bytes);
      await this.#handle.datasync();
    } catch (error) {
      // A torn line must not stay in front of later ones.
      await this.#handle.truncate(segment.bytes).catch(() => undefined);
      throw error;
    }
    segment.bytes += bytes.length;
    for (const letter of isNew) this.#count(segment, letter);
    return isNew.length;
  }

  /** The letters that do not lie there yet; those of stages only for the sinks that none lies there for. */
  #withoutKnown(letters: readonly DeadLetter[]): DeadLetter[] {
    const seen = new Set<string>();
    const isKnown = (letter: DeadLetter): boolean => {
      const keys = letterKeys(letter);
      if (keys.every((key) => seen.has(key) || this.#keys.has(key))) return true;
      for (const key of keys) seen.add(key);
      return false;
    };
    return letters.flatMap((letter) => {
      if (letter.to === undefined || Object.keys(letter.to).length < 2) return isKnown(letter) ? [] : [letter];
      const to = Object.entries(letter.to).filter(
        ([sink, identity]) => !isKnown({ ...letter, to: { [sink]: identity } }),
      );
      return to.length === 0 ? [] : [{ ...letter, to: Object.fromEntries(to) }];
    });
  }

  async #makeRoom(bytes: number): Promise<void> {
    const { maxBytes, whenFull, maxAgeMs, now } = this.#options;
    const open = this.#segments!.at(-1)!;
    if (whenFull === "block" && this.stats.bytes > 0 && this.stats.bytes + bytes > maxBytes) {
      throw new Error(
        `the dead letters use up their budget of ${maxBytes} bytes (dead_letters.max_bytes): replay or purge some`,
      );
    }
    // Small files, and young ones, so that what goes for its age or for room is not much more than has to.
    const isOld = maxAgeMs !== undefined && open.first !== undefined && now() - parseIsoTime(open.first) > maxAgeMs / 8;
    if (open.bytes > 0 && (open.bytes + bytes > this.#segmentBytes || isOld)) await this.#closeOpen();
    while (this.#segments!.length > 1 && this.stats.bytes + bytes > maxBytes) await this.#drop("budget");
  }

  async #closeOpen(): Promise<void> {
    const { folder } = this.#options;
    const closed = this.#segments!.pop()!;
    const number = (this.#segments!.at(-1)?.number ?? 0) + 1;
    try {
      await this.#handle?.close();
      this.#handle = undefined;
      await rename(join(folder, OPEN_SEGMENT), join(folder, segmentName(number)));
    } catch (error) {
      this.#segments!.push(closed);
      throw error;
    }
    this.#segments!.push({ ...closed, number }, emptySegment());
  }

  /** Removes the oldest closed file. */
  async #drop(why: "budget" | "age"): Promise<void> {
    const [oldest] = this.#segments!;
    await rm(join(this.#options.folder, segmentName(oldest!.number!)), { force: true });
    this.#segments!.shift();
    if (oldest!.letters > 0) this.#options.onDropped(oldest!.letters, why);
  }

  async #removeOld(): Promise<void> {
    const { maxAgeMs, now } = this.#options;
    if (maxAgeMs === undefined) return;
    await this.#load();
    const isOld = (segment: Segment): boolean =>
      segment.last !== undefined && now() - parseIsoTime(segment.last) > maxAgeMs;
    if (isOld(this.#segments!.at(-1)!)) await this.#closeOpen();
    while (this.#segments!.length > 1 && isOld(this.#segments![0]!)) await this.#drop("age");
  }

  async #change(change: Change): Promise<number> {
    await this.#load();
    const { folder } = this.#options;
    let removed = 0;
    for (const segment of this.#segments!) {
      const path = join(folder, segment.number === undefined ? OPEN_SEGMENT : segmentName(segment.number));
      const lines: string[] = [];
      let differs = false;
      for await (const { line } of readLines(path)) {
        const letter = parseLetter(line);
        const outcome = letter === undefined ? "keep" : change(letter);
        if (outcome === "keep") lines.push(line);
        else {
          differs = true;
          if (outcome === "remove") removed++;
          else lines.push(JSON.stringify(outcome));
        }
      }
      if (!differs) continue;
      if (segment.number === undefined) {
        await this.#handle?.close();
        this.#handle = undefined;
      }
      if (lines.length === 0) await rm(path, { force: true });
      else await writeFileAtomic(path, lines.join("\n") + "\n");
    }
    await syncFolder(folder).catch(() => undefined);
    this.#segments = undefined;
    await this.#load();
    return removed;
  }

  async #load(): Promise<void> {
    if (this.#segments !== undefined) return;
    const { folder } = this.#options;
    await mkdir(folder, { recursive: true, mode: 0o750 });
    this.#keys.clear();
    const segments: Segment[] = [];
    for (const number of [...(await closedSegments(folder)), undefined]) {
      const segment: Segment = { ...emptySegment(), number };
      const path = join(folder, number === undefined ? OPEN_SEGMENT : segmentName(number));
      let whole = 0;
      for await (const { line, end } of readLines(path)) {
        whole = end;
        const letter = parseLetter(line);
        if (letter !== undefined) this.#count(segment, letter);
      }
      segment.bytes = whole;
      const size = await sizeOf(path);
      // A crash may have left half a line, which nothing counts on.
      if (number === undefined && size > whole) await truncate(path, whole);
      else segment.bytes = size;
      if (number === undefined || segment.bytes > 0) segments.push(segment);
    }
    this.#segments = segments;
  }

  #count(segment: Segment, letter: DeadLetter): void {
    segment.letters++;
    segment.first ??= letter.at;
    segment.last = letter.at;
    for (const key of letterKeys(letter)) this.#keys.add(key);
  }

  async #openFile(): Promise<FileHandle> {
    const { folder } = this.#options;
    const handle = await open(join(folder, OPEN_SEGMENT), "a", 0o640);
    await syncFolder(folder);
    return handle;
  }
}

function emptySegment(): Segment {
  return { number: undefined, letters: 0, bytes: 0, first: undefined, last: undefined };
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (systemErrorCode(error) === "ENOENT") return 0;
    throw error;
  }
}

async function truncate(path: string, length: number): Promise<void> {
  const handle = await open(path, "r+");
  try {
    await handle.truncate(length);
  } finally {
    await handle.close();
  }
}
