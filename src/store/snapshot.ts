import { open, type FileHandle } from "node:fs/promises";
import { systemErrorCode, WiretailError } from "../core/error.ts";
import { inFolder, listStore, type NdjsonName, type ParquetName } from "./segments.ts";

/** A segment as it was when the snapshot was taken, under a path that stays valid until the snapshot is closed. */
export type Held<T> = T & { readonly path: string; readonly bytes: number };

/**
 * All documents of a store at one moment. The files are held open, so that neither the closing of segments nor
 * retention can take them away or show a document twice while they are read.
 */
export interface Snapshot {
  readonly parquet: readonly Held<ParquetName>[];
  /** Closed ones not converted yet, and the open one: its whole lines at least up to its committed length. */
  readonly ndjson: readonly Held<NdjsonName>[];
  close(): Promise<void>;
}

const MAX_TRIES = 50;

/** Throws WT_STORE_UNREADABLE. */
export async function takeSnapshot(folder: string): Promise<Snapshot> {
  for (let tries = 1; ; tries++) {
    const held: FileHandle[] = [];
    try {
      return await hold(folder, held);
    } catch (error) {
      for (const file of held) await file.close();
      // A file went between the listing and the opening: what took its place is in the next listing.
      if (systemErrorCode(error) === "ENOENT" && tries < MAX_TRIES) continue;
      if (error instanceof WiretailError) throw error;
      throw new WiretailError(
        "WT_STORE_UNREADABLE",
        `cannot read the store at ${folder}: ${(error as Error).message}`,
        {
          cause: error,
          hint:
            systemErrorCode(error) === "EMFILE"
              ? "It has more segments than this process may open files: raise the limit with ulimit -n."
              : "Run as a user who may read its files (the agent's group, by default).",
        },
      );
    }
  }
}

async function hold(folder: string, held: FileHandle[]): Promise<Snapshot> {
  const listing = await listStore(folder);
  const take = async <T extends { readonly file: string }>(name: T): Promise<Held<T>> => {
    const path = inFolder(folder, name.file);
    const file = await open(path, "r");
    held.push(file);
    // A name of the open file itself, good even after it was removed. Elsewhere the plain path has to do.
    const lasting = process.platform === "linux" ? `/proc/self/fd/${file.fd}` : path;
    return { ...name, path: lasting, bytes: (await file.stat()).size };
  };
  // One after the other: a number that is converted meanwhile fails with ENOENT and all begins anew.
  const ndjson: Held<NdjsonName>[] = [];
  for (const name of listing.ndjson) ndjson.push(await take(name));
  const parquet: Held<ParquetName>[] = [];
  for (const name of listing.parquet) parquet.push(await take(name));
  return {
    parquet,
    ndjson: ndjson.filter((segment) => segment.bytes > 0),
    close: async () => {
      for (const file of held.splice(0)) await file.close();
    },
  };
}
