import { readdir } from "node:fs/promises";
import path from "node:path";
import { errorMessage, systemErrorCode, WiretailError } from "../core/error.ts";

/**
 * What is in a store's folder (docs/local-store.md):
 *
 *     0000000007.ndjson                                    documents as they came; the highest one is open
 *     0000000006_<from>_<to>_<rows>_<even>_<hash>.parquet  a closed segment: times in ms, columns' hash
 *     commits.log                                          how much of the open segment counts, and positions
 *     *.tmp, tmp-*                                         leftovers of an interrupted conversion
 *
 * A number has both an NDJSON and a Parquet file only for the moment between "converted" and "original removed": then
 * the Parquet file counts. So one look at the folder always gives each document once.
 */
export interface ParquetName {
  readonly file: string;
  readonly sequence: number;
  /** Times of the first and last event, milliseconds since the epoch, inclusive. */
  readonly fromMs: number;
  readonly toMs: number;
  readonly rows: number;
  /** Every row's fields are fully said by the columns where there are any. */
  readonly isEven: boolean;
  /** Segments with the same hash have the same columns. */
  readonly columnsHash: string;
}

export interface NdjsonName {
  readonly file: string;
  readonly sequence: number;
}

export interface StoreListing {
  /** In the order of their sequence numbers. */
  readonly parquet: readonly ParquetName[];
  readonly ndjson: readonly NdjsonName[];
  /** NDJSON files whose Parquet file is there, and what interrupted conversions left: to be removed by the writer. */
  readonly leftovers: readonly string[];
}

export const COMMITS_FILE = "commits.log";
const NDJSON = /^(\d{10})\.ndjson$/;
const PARQUET = /^(\d{10})_(-?\d{1,16})_(-?\d{1,16})_(\d{1,15})_(even|uneven)_([0-9a-f]{8})\.parquet$/;
const LEFTOVER = /^(\d{10}\..*\.tmp|tmp-.*)$/;

export function ndjsonFile(sequence: number): string {
  return `${String(sequence).padStart(10, "0")}.ndjson`;
}

export function parquetFile(name: Omit<ParquetName, "file">): string {
  const sequence = String(name.sequence).padStart(10, "0");
  return `${sequence}_${name.fromMs}_${name.toMs}_${name.rows}_${name.isEven ? "even" : "uneven"}_${name.columnsHash}.parquet`;
}

/** Sorts a folder's names into what they are. Names that are not ours are left out. */
export function sortNames(names: readonly string[]): StoreListing {
  const parquet: ParquetName[] = [];
  const found: NdjsonName[] = [];
  const leftovers: string[] = [];
  for (const file of names) {
    const closed = PARQUET.exec(file);
    const open = NDJSON.exec(file);
    if (closed !== null) {
      parquet.push({
        file,
        sequence: Number(closed[1]),
        fromMs: Number(closed[2]),
        toMs: Number(closed[3]),
        rows: Number(closed[4]),
        isEven: closed[5] === "even",
        columnsHash: closed[6]!,
      });
    } else if (open !== null) found.push({ file, sequence: Number(open[1]) });
    else if (LEFTOVER.test(file)) leftovers.push(file);
  }
  const converted = new Set(parquet.map((name) => name.sequence));
  const ndjson = found.filter((name) => !converted.has(name.sequence));
  for (const name of found) if (converted.has(name.sequence)) leftovers.push(name.file);
  const bySequence = (a: { sequence: number }, b: { sequence: number }): number => a.sequence - b.sequence;
  return { parquet: parquet.sort(bySequence), ndjson: ndjson.sort(bySequence), leftovers };
}

/** Throws WT_STORE_UNREADABLE. */
export async function listStore(folder: string): Promise<StoreListing> {
  try {
    return sortNames(await readdir(folder));
  } catch (error) {
    const missing = systemErrorCode(error) === "ENOENT";
    throw new WiretailError(
      "WT_STORE_UNREADABLE",
      missing ? `there is no store at ${folder}` : `cannot read ${folder}: ${errorMessage(error)}`,
      {
        cause: error,
        hint: missing
          ? "Is the path that of a sink of type local, and has the agent run?"
          : "Run as a user who may read the folder (the agent's group, by default).",
      },
    );
  }
}

export function inFolder(folder: string, file: string): string {
  return path.join(folder, file);
}
