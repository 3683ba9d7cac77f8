import { createReadStream, createWriteStream } from "node:fs";
import { chmod, open, readdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { systemErrorCode } from "../../core/error.ts";
import { syncFolder } from "../../disk/atomic-file.ts";

/** A rotated file of `events.ndjson` is `events.ndjson.20261121T103800Z`, with `-2` … for more in one second, and `.gz`. */
const STAMP = /^\.(\d{8}T\d{6}Z)(?:-(\d+))?(\.gz)?$/;

interface RotatedFile {
  readonly path: string;
  readonly stamp: string;
  readonly sequence: number;
  readonly isCompressed: boolean;
}

/** Moves the file at `path` aside and makes that survive a crash of the machine. Resolves with its new name. */
export async function moveAside(path: string, nowMs: number): Promise<string> {
  const stamp = new Date(nowMs)
    .toISOString()
    .replace(/\.\d+Z$/, "Z")
    .replace(/[-:]/g, "");
  const taken = new Set((await listRotated(path)).filter((each) => each.stamp === stamp).map((each) => each.sequence));
  let sequence = 1;
  while (taken.has(sequence)) sequence++;
  const target = `${path}.${stamp}${sequence === 1 ? "" : `-${sequence}`}`;
  await rename(path, target);
  await syncFolder(dirname(path));
  return target;
}

/** Oldest first. */
async function listRotated(path: string): Promise<RotatedFile[]> {
  const name = basename(path);
  const found: RotatedFile[] = [];
  for (const entry of await readdir(dirname(path))) {
    if (!entry.startsWith(name)) continue;
    const match = STAMP.exec(entry.slice(name.length));
    if (match === null) continue;
    found.push({
      path: join(dirname(path), entry),
      stamp: match[1]!,
      sequence: Number(match[2] ?? 1),
      isCompressed: match[3] !== undefined,
    });
  }
  return found.sort((a, b) => (a.stamp < b.stamp ? -1 : a.stamp > b.stamp ? 1 : a.sequence - b.sequence));
}

/**
 * Compresses what is not compressed yet (also what a crash left so) and removes all but the newest `keep` files.
 * Stops between files when the signal aborts. Throws the system's error.
 */
export async function tidyRotated(
  path: string,
  options: { readonly gzip: boolean; readonly keep: number | undefined; readonly mode: number },
  signal: AbortSignal,
): Promise<void> {
  if (options.gzip) {
    for (const each of await listRotated(path)) {
      if (each.isCompressed) continue;
      if (signal.aborted) return;
      await compressFile(each.path, options.mode, signal);
    }
  }
  if (options.keep === undefined) return;
  const files = await listRotated(path);
  // A file and its compressed copy are one.
  const names = [...new Set(files.map((each) => each.path.replace(/\.gz$/, "")))];
  for (const name of names.slice(0, Math.max(0, names.length - options.keep))) {
    await rm(name, { force: true });
    await rm(`${name}.gz`, { force: true });
  }
}

/** The compressed file takes its name only when it is whole and on disk, and only then the original goes. */
async function compressFile(path: string, mode: number, signal: AbortSignal): Promise<void> {
  const target = `${path}.gz`;
  const temporary = `${target}.tmp`;
  await rm(temporary, { force: true });
  try {
    await pipeline(createReadStream(path), createGzip(), createWriteStream(temporary, { flags: "wx", mode }), {
      signal,
    });
    await chmod(temporary, mode);
    const file = await open(temporary, "r");
    try {
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, target);
    await syncFolder(dirname(path));
    await rm(path, { force: true });
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    if (signal.aborted || systemErrorCode(error) === "ENOENT") return;
    throw error;
  }
}
