import { open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";

/**
 * Replaces a file so that after a crash, even of the machine, it holds either all of the old or all of the new
 * content: write beside it, fsync, rename, fsync of the folder. The folder must exist. One writer a path at a time: the
 * file beside it is always `<path>.tmp`, so that crashes leave no growing litter.
 *
 * Throws the system's error; the old content is then still there.
 */
export async function writeFileAtomic(
  path: string,
  data: string | Uint8Array,
  options: { mode?: number } = {},
): Promise<void> {
  const temporary = `${path}.tmp`;
  // A leftover of a crash may have another mode or be a link: never write through it.
  await rm(temporary, { force: true });
  try {
    const file = await open(temporary, "wx", options.mode ?? 0o640);
    try {
      await file.writeFile(data);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw error;
  }
  await syncFolder(dirname(path));
}

/** Makes names that were made, renamed or removed in a folder survive a crash of the machine. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
