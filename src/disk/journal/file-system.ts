import { mkdir, open, readdir, readFile, rm, statfs } from "node:fs/promises";
import { systemErrorCode } from "../../core/error.ts";
import { syncFolder, writeFileAtomic } from "../atomic-file.ts";

/** What the journal needs of a file. Every call may reject with the system's error. */
export interface JournalFile {
  /** Writes at `position`; may write less than all. Returns how many bytes. */
  write(pieces: readonly Uint8Array[], position: number): Promise<number>;
  /** Reads at `position`; may read less than asked for, 0 at the end. */
  read(into: Buffer, position: number): Promise<number>;
  datasync(): Promise<void>;
  truncate(length: number): Promise<void>;
  close(): Promise<void>;
}

/** The disk as the journal sees it, so that tests can give one that fails. */
export interface JournalFileSystem {
  /** Makes the folder where it is missing, and returns the names in it. */
  list(folder: string): Promise<string[]>;
  /** Undefined when there is no such file. */
  readAll(path: string): Promise<Buffer | undefined>;
  /** An empty file, whatever was there. */
  create(path: string): Promise<JournalFile>;
  openExisting(path: string): Promise<JournalFile>;
  remove(path: string): Promise<void>;
  syncFolder(path: string): Promise<void>;
  /** Replaces a file as a whole; synced. */
  replace(path: string, data: string): Promise<void>;
  /** What the disk of a folder holds, and what of it this user may still fill. */
  space(folder: string): Promise<{ readonly freeBytes: number; readonly totalBytes: number }>;
}

/** The real one. */
export const realFileSystem: JournalFileSystem = {
  async list(folder) {
    await mkdir(folder, { recursive: true, mode: 0o750 });
    return readdir(folder);
  },
  async readAll(path) {
    try {
      return await readFile(path);
    } catch (error) {
      if (systemErrorCode(error) === "ENOENT") return undefined;
      throw error;
    }
  },
  create: (path) => openFile(path, "w+"),
  openExisting: (path) => openFile(path, "r+"),
  remove: (path) => rm(path, { force: true }),
  syncFolder,
  replace: (path, data) => writeFileAtomic(path, data),
  async space(folder) {
    const { bavail, blocks, bsize } = await statfs(folder);
    return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
  },
};

async function openFile(path: string, flags: string): Promise<JournalFile> {
  const handle = await open(path, flags, 0o640);
  return {
    write: async (pieces, position) => (await handle.writev(pieces as Uint8Array[], position)).bytesWritten,
    read: async (into, position) => (await handle.read(into, 0, into.length, position)).bytesRead,
    datasync: () => handle.datasync(),
    truncate: (length) => handle.truncate(length),
    close: () => handle.close(),
  };
}
