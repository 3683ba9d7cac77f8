import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

/** The folder of the checkout: the nearest one upwards that holds package-lock.json. */
export const ROOT = findRoot(dirname(fileURLToPath(import.meta.url)));

function findRoot(from: string): string {
  for (let folder = from; ; folder = dirname(folder)) {
    if (existsSync(join(folder, "package-lock.json"))) return folder;
    if (folder === dirname(folder)) throw new Error(`no package-lock.json above ${from}`);
  }
}

/** Where downloads are kept: `.cache/` of the checkout, or WIRETAIL_CACHE. */
export function cacheDir(): string {
  return process.env["WIRETAIL_CACHE"] ?? join(ROOT, ".cache");
}

/**
 * The folder `<cache>/<name>`, made by `build` when it is not there yet. `build` fills a temporary folder, which then
 * takes its place by a rename: a folder that exists is whole. Processes that want the same one wait for the first.
 * Put into `name` whatever the content depends on (versions, a hash).
 */
export async function cached(name: string, build: (folder: string) => Promise<void>): Promise<string> {
  const folder = join(cacheDir(), name);
  if (existsSync(folder)) return folder;
  await mkdir(dirname(folder), { recursive: true });
  const release = await lock(`${folder}.lock`);
  try {
    if (existsSync(folder)) return folder;
    const temporary = `${folder}.${randomBytes(6).toString("hex")}.tmp`;
    try {
      await mkdir(temporary, { recursive: true });
      await build(temporary);
      await rename(temporary, folder);
    } finally {
      await rm(temporary, { recursive: true, force: true });
    }
    return folder;
  } finally {
    await release();
  }
}

const LOCK_TIMEOUT_MS = 10 * 60_000;

/** A lock between processes: a folder that holds the owner's pid. One whose owner is gone is taken over. */
async function lock(path: string): Promise<() => Promise<void>> {
  const deadline = Date.now() + LOCK_TIMEOUT_MS;
  const owner = join(path, "pid");
  for (let seenEmpty = 0; ;) {
    try {
      await mkdir(path);
      await writeFile(owner, String(process.pid));
      return () => rm(path, { recursive: true, force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    const pid = Number(await readFile(owner, "utf8").catch(() => ""));
    // Empty for the moment between mkdir and writeFile; for longer only when the owner died just there.
    seenEmpty = pid > 0 ? 0 : seenEmpty + 1;
    if (pid > 0 ? !isAlive(pid) : seenEmpty > 50) await rm(path, { recursive: true, force: true });
    else if (Date.now() > deadline)
      throw new Error(`${path} is held by process ${pid} for too long; remove it by hand`);
    else await sleep(100);
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
