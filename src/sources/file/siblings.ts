import type { Dirent } from "node:fs";
import { readdir, realpath, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { ResumePoint } from "../../core/component.ts";
import { systemErrorCode } from "../../core/error.ts";
import { placeKey, placeOf, type Place } from "./generation.ts";
import { GzipFile, isGzip, type OpenFile } from "./gzip-file.ts";
import { examine, openFile, type Head } from "./identity.ts";
import { isCompressedName, isRotatedName } from "./rotated-name.ts";
import { decide, evidenceFields, isSame, type Evidence, type Rule } from "./rules.ts";
import { isGone, tooManyFiles } from "./tracking.ts";

/** What is searched for: where it was, and what is known of its content. */
export interface Wanted {
  readonly path: string;
  /** Where it was first seen: rotated names are made of that, over and over. */
  readonly firstPath: string;
  readonly dev: string;
  readonly ino: string;
  /** When it was made, "" when that is not known. */
  readonly born: string;
  readonly head: Head;
  readonly points: readonly ResumePoint[];
  /** The file itself is still there, truncated: a copy of it needs to begin like it only, be that beginning short. */
  readonly isCutOff?: boolean;
}

/** What a look at a file showed. */
export interface Look {
  readonly rule: Rule;
  readonly evidence: Evidence;
  readonly place: Place;
  /** Of a compressed file: what it unpacks to, as far as that is known yet. */
  readonly size: number;
  /** Its first bytes, up to HEAD_BYTES. */
  readonly head: Buffer;
  /** Open when it is the wanted file. */
  readonly handle: OpenFile | undefined;
  /** What is wrong with a compressed file. */
  readonly damage: string | undefined;
}

export type Found = Look & { readonly handle: OpenFile };

/** Enough to know the copy of a file by that is known to have been truncated: a time and a word. */
const CUT_OFF_HEAD_BYTES = 32;

/** What was seen and decided, as fields of a log message. */
export function lookFields(look: Look, wanted: Wanted): Record<string, string | number> {
  const fields = evidenceFields(
    look.rule,
    look.evidence,
    { key: placeKey(look.place), size: look.size },
    { key: placeKey(wanted), head: wanted.head, points: wanted.points },
  );
  return look.damage === undefined ? fields : { ...fields, damage: look.damage };
}

/**
 * Opens the file at a path if it is the wanted generation: as it is, or what it unpacks to when it is a gzip file.
 * Returns what was seen and the rule that decided, and the open file only when it is; the caller closes it. Undefined
 * when there is no regular file; throws what keeps it from being opened or read, because then nobody can say what it is.
 */
export async function openIfSame(path: string, wanted: Wanted): Promise<Look | undefined> {
  let handle: OpenFile | undefined;
  try {
    const file = await openFile(path);
    handle = file;
    const stats = await file.stat({ bigint: true });
    if (!stats.isFile()) return undefined;
    const plain = await lookInto(file, Number(stats.size), placeOf(path, stats), wanted);
    if (isSame(plain.rule)) {
      handle = undefined;
      return { ...plain, handle: file };
    }
    if (!isGzip(plain.head)) return plain;
    const gzip = await GzipFile.open(file);
    handle = gzip;
    const look = await lookInto(gzip, undefined, plain.place, wanted);
    // A file that is no copy is described as what it is on disk.
    if (!isSame(look.rule)) return { ...plain, damage: gzip.damage };
    handle = undefined;
    return { ...look, size: gzip.unpackedBytes, handle: gzip };
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  } finally {
    await handle?.close().catch(() => undefined);
  }
}

async function lookInto(file: OpenFile, size: number | undefined, place: Place, wanted: Wanted): Promise<Look> {
  const { head, ...content } = await examine(file, size, wanted);
  const evidence: Evidence = {
    ...content,
    samePath: place.path === wanted.path,
    sameInode: placeKey(place) === placeKey(wanted),
    sameBirth: place.born === "" || wanted.born === "" ? undefined : place.born === wanted.born,
    compressed: size === undefined,
  };
  // An archive that was begun as such, of which too little was read to prove anything.
  const isItself = evidence.compressed && evidence.samePath && evidence.sameInode;
  const isCopy = wanted.isCutOff === true && !evidence.sameInode && wanted.head.length >= CUT_OFF_HEAD_BYTES;
  const rule = decide(isItself || isCopy ? { ...evidence, proven: true } : evidence);
  return { rule, evidence, place, size: size ?? 0, head, handle: undefined, damage: undefined };
}

/**
 * Looks through the folder of a file that is no longer at its path, and one level below (`olddir`): first for its
 * inode under another name, then for a copy of its content under a rotated name. The caller closes what it gets.
 * Throws when the file is there and cannot be read, and when it cannot be looked for.
 */
export async function findSibling(wanted: Wanted, taken: (key: string) => boolean): Promise<Found | undefined> {
  for (let attempt = 1; ; attempt++) {
    const homes = [...new Set([...(await homesOf(wanted.path)), ...(await homesOf(wanted.firstPath))])];
    const folders = [...new Set(homes.map((home) => dirname(home)))];
    const before = await modifiedMs(...folders);
    const [found, missed] = await searchSiblings(wanted, taken, homes);
    if (found !== undefined || attempt === SEARCHES) return found;
    // While names are moved along (app.log.1 to app.log.2), a list of names and what is found under them do not agree.
    const after = await modifiedMs(...folders);
    if (!missed && before === after && Math.abs(Date.now() - after) > SETTLED_MS) return undefined;
    await new Promise((resolve) => setTimeout(resolve, SETTLED_MS));
  }
}

/** Rotation that compresses takes a while. */
const SEARCHES = 40;
/** More than the granularity of a folder's time of modification. */
const SETTLED_MS = 20;

/** When names in folders were last changed, milliseconds since the epoch. */
export async function modifiedMs(...folders: string[]): Promise<number> {
  const times = folders.map(async (folder) => (await stat(folder).catch(() => undefined))?.mtimeMs ?? 0);
  return Math.max(...(await Promise.all(times)));
}

async function searchSiblings(
  wanted: Wanted,
  taken: (key: string) => boolean,
  homes: readonly string[],
): Promise<[Found | undefined, missed: boolean]> {
  const originals = [...new Set(homes.map((home) => basename(home)))];
  const copies: string[] = [];
  let missed = false;
  const folders = [...new Set(homes.map((home) => dirname(home)))];
  const lists = await Promise.all(folders.map(filesBelow));
  for (const path of new Set(lists.flat())) {
    const stats = await stat(path, { bigint: true }).catch(() => undefined);
    if (stats === undefined) missed = true;
    if (stats === undefined || !stats.isFile() || taken(placeKey(stats))) continue;
    const name = basename(path);
    if (path !== wanted.path && originals.some((original) => isRotatedName(name, original))) copies.push(path);
    if (placeKey(stats) !== placeKey(wanted)) continue;
    const found = await openIfSame(path, wanted);
    if (isFound(found)) return [found, false];
    missed ||= found === undefined;
  }
  // What compression makes is there before the original goes, so a plain copy is the more complete.
  copies.sort((a, b) => Number(isCompressedName(a)) - Number(isCompressedName(b)));
  for (const path of copies) {
    // Whether a copy that may not be read is one does not matter: nothing could be read of it.
    const found = await openIfSame(path, wanted).catch((error: unknown) => {
      if (tooManyFiles(error)) throw error;
      return undefined;
    });
    if (isFound(found)) {
      // What is at a path may be another file by now.
      if (!taken(placeKey(found.place))) return [found, false];
      await found.handle.close();
    }
    missed ||= found === undefined;
  }
  return [undefined, missed];
}

/** A path, and where it leads when it is a symbolic link: rotation renames what is there. */
export async function homesOf(path: string): Promise<readonly string[]> {
  try {
    const real = await realpath(path);
    return real === join(await realpath(dirname(path)), basename(path)) ? [path] : [path, real];
  } catch {
    return [path];
  }
}

export function isFound(look: Look | undefined): look is Found {
  return look?.handle !== undefined;
}

/**
 * Regular files of a folder, and one level below (`olddir`). A folder whose files may be opened but not listed has none to
 * show. Throws when it cannot be looked into for now: nobody knows then what is there.
 */
export async function filesBelow(folder: string): Promise<string[]> {
  const files: string[] = [];
  for (const entry of await entriesOf(folder)) {
    const path = join(folder, entry.name);
    if (entry.isFile()) files.push(path);
    else if (entry.isDirectory()) {
      const inner = await list(path).catch((error: unknown) => {
        if (isGone(error) || isForbidden(error)) return [];
        throw error;
      });
      for (const file of inner) if (file.isFile()) files.push(join(path, file.name));
    }
  }
  return files;
}

async function entriesOf(folder: string): Promise<Dirent[]> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await list(folder);
    } catch (error) {
      if (isGone(error)) return [];
      if (!isForbidden(error)) throw error;
      // Throws unless only listing is forbidden, or was until now.
      await stat(`${folder}/.`);
      if (attempt === 2) return [];
    }
  }
}

function list(folder: string): Promise<Dirent[]> {
  return readdir(folder, { withFileTypes: true });
}

function isForbidden(error: unknown): boolean {
  const code = systemErrorCode(error);
  return code === "EACCES" || code === "EPERM";
}
