import { readdir, stat, type FileHandle } from "node:fs/promises";
import { basename, dirname, extname, join } from "node:path";
import type { ResumePoint } from "../../core/component.ts";
import { placeKey, type Place } from "./generation.ts";
import { decide, examine, isSame, openFile, type Head, type Rule } from "./identity.ts";
import { isGone } from "./tracking.ts";

/** What is searched for: where it was, and what is known of its content. */
export interface Wanted {
  readonly path: string;
  readonly dev: string;
  readonly ino: string;
  readonly head: Head;
  readonly points: readonly ResumePoint[];
}

export interface Found {
  readonly place: Place;
  readonly handle: FileHandle;
  readonly size: number;
  readonly rule: Rule;
}

/** Whether `name` looks like a rotated `original`: app.log.1, app.log-20261121, app-20261121.log. */
export function isRotatedName(name: string, original: string): boolean {
  if (name === original) return false;
  if (name.startsWith(original)) return true;
  const extension = extname(original);
  const stem = original.slice(0, original.length - extension.length);
  return (
    extension !== "" &&
    name.startsWith(stem) &&
    name.endsWith(extension) &&
    /^[^\p{L}\p{N}]/u.test(name.slice(stem.length))
  );
}

/**
 * Opens the file at a path if it is the wanted generation. Returns the rule that decided, and the file only when it
 * is; the caller closes it. Undefined when there is no regular file; throws what keeps it from being opened or read,
 * because then nobody can say what it is.
 */
export async function openIfSame(
  path: string,
  wanted: Wanted,
): Promise<Found | { readonly rule: Rule; readonly handle: undefined } | undefined> {
  let handle: FileHandle | undefined;
  try {
    handle = await openFile(path);
    const stats = await handle.stat({ bigint: true });
    if (!stats.isFile()) return undefined;
    const size = Number(stats.size);
    const place = { path, dev: String(stats.dev), ino: String(stats.ino) };
    const evidence = await examine(handle, size, wanted);
    const rule = decide({
      ...evidence,
      samePath: path === wanted.path,
      sameInode: placeKey(place) === placeKey(wanted),
    });
    if (!isSame(rule)) return { rule, handle: undefined };
    const found = { place, handle, size, rule };
    handle = undefined;
    return found;
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  } finally {
    await handle?.close().catch(() => undefined);
  }
}

/**
 * Looks through the folder of a file that is no longer at its path, and one level below (`olddir`): first for its
 * inode under another name, then for a copy of its content under a rotated name. The caller closes what it gets.
 * Throws when the file is there and cannot be read.
 */
export async function findSibling(wanted: Wanted, taken: (key: string) => boolean): Promise<Found | undefined> {
  for (let attempt = 1; ; attempt++) {
    const before = await modifiedMs(dirname(wanted.path));
    const [found, missed] = await searchSiblings(wanted, taken);
    if (found !== undefined || attempt === SEARCHES) return found;
    // While names are moved along (app.log.1 to app.log.2), a list of names and what is found under them do not agree.
    const after = await modifiedMs(dirname(wanted.path));
    if (!missed && before === after && Math.abs(Date.now() - after) > SETTLED_MS) return undefined;
    await new Promise((resolve) => setTimeout(resolve, SETTLED_MS));
  }
}

const SEARCHES = 5;
/** More than the granularity of a folder's time of modification. */
const SETTLED_MS = 20;

async function modifiedMs(folder: string): Promise<number> {
  return (await stat(folder).catch(() => undefined))?.mtimeMs ?? 0;
}

async function searchSiblings(
  wanted: Wanted,
  taken: (key: string) => boolean,
): Promise<[Found | undefined, missed: boolean]> {
  const original = basename(wanted.path);
  const copies: string[] = [];
  let missed = false;
  for (const path of await filesBelow(dirname(wanted.path))) {
    const stats = await stat(path, { bigint: true }).catch(() => undefined);
    if (stats === undefined) missed = true;
    if (stats === undefined || !stats.isFile() || taken(placeKey(stats))) continue;
    if (placeKey(stats) !== placeKey(wanted)) {
      if (path !== wanted.path && isRotatedName(basename(path), original)) copies.push(path);
      continue;
    }
    const found = await openIfSame(path, wanted);
    if (found?.handle !== undefined) return [found, false];
    missed ||= found === undefined;
  }
  for (const path of copies) {
    // Whether a copy that cannot be read is one does not matter: nothing could be read of it.
    const found = await openIfSame(path, wanted).catch(() => undefined);
    if (found?.handle !== undefined) {
      // What is at a path may be another file by now.
      if (!taken(placeKey(found.place))) return [found, false];
      await found.handle.close();
    }
    missed ||= found === undefined;
  }
  return [undefined, missed];
}

async function filesBelow(folder: string): Promise<string[]> {
  const list = async (below: string) => readdir(below, { withFileTypes: true }).catch(() => []);
  const files: string[] = [];
  for (const entry of await list(folder)) {
    const path = join(folder, entry.name);
    if (entry.isFile()) files.push(path);
    else if (entry.isDirectory())
      for (const inner of await list(path)) if (inner.isFile()) files.push(join(path, inner.name));
  }
  return files;
}
