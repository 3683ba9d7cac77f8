import { open, rename, rm } from "node:fs/promises";
import { createReadStream, createWriteStream } from "node:fs";
import { createInterface } from "node:readline";
import { once } from "node:events";
import { finished } from "node:stream/promises";
import { systemErrorCode } from "../core/error.ts";
import { syncFolder } from "../disk/atomic-file.ts";
import { chooseColumns, columnsHash, ORDER_COLUMN, quoteText, segmentSelect, UNEVEN_COLUMN } from "./columns.ts";
import { inFolder, listStore, ndjsonFile, parquetFile } from "./segments.ts";

export interface ConvertOptions {
  readonly folder: string;
  readonly sequence: number;
  readonly compression: "lz4" | "zstd";
  readonly memoryLimitBytes: number;
  readonly threads: number;
}

const SAMPLE_BYTES = 2 << 20;
const NEWLINE = 10;

/**
 * Turns a closed NDJSON segment into a Parquet one: sorted by time, written beside, synced, renamed, and only then the
 * NDJSON file is removed. Whatever moment it is killed at, the folder holds each document once (segments.ts), and it
 * can be done again. Loads DuckDB: not to be called in the agent's process. Resolves with the number of documents, or
 * undefined when there was nothing to convert.
 */
export async function convertSegment(options: ConvertOptions): Promise<number | undefined> {
  const { folder, sequence } = options;
  const source = inFolder(folder, ndjsonFile(sequence));
  const listing = await listStore(folder);
  if (!listing.ndjson.some((name) => name.sequence === sequence)) {
    if (listing.leftovers.includes(ndjsonFile(sequence))) await rm(source, { force: true });
    return undefined;
  }
  const lines = await countLines(source);
  if (lines === 0) {
    await rm(source, { force: true });
    return undefined;
  }
  const target = inFolder(folder, `${ndjsonFile(sequence).slice(0, 10)}.parquet.tmp`);
  const spill = inFolder(folder, `tmp-${sequence}`);
  const mended = inFolder(folder, `${ndjsonFile(sequence).slice(0, 10)}.mended.tmp`);
  try {
    let written = await writeParquet(options, source, target, spill);
    if (written.rows !== lines) {
      // Some lines are not JSON documents: keep them as text rather than lose them.
      await mendLines(source, mended);
      written = await writeParquet(options, mended, target, spill);
    }
    if (written.rows !== lines)
      throw new Error(`segment ${sequence} has ${lines} documents, its Parquet file would have ${written.rows}`);
    await sync(target);
    await rename(target, inFolder(folder, parquetFile({ sequence, ...written })));
    await syncFolder(folder);
    await rm(source);
    await syncFolder(folder);
    return lines;
  } finally {
    await rm(target, { force: true });
    await rm(mended, { force: true });
    await rm(spill, { recursive: true, force: true });
  }
}

interface Written {
  readonly rows: number;
  readonly fromMs: number;
  readonly toMs: number;
  readonly isEven: boolean;
  readonly columnsHash: string;
}

async function writeParquet(options: ConvertOptions, source: string, target: string, spill: string): Promise<Written> {
  const columns = chooseColumns(await sampleDocuments(source));
  const { DuckDBInstance } = await import("@duckdb/node-api");
  const instance = await DuckDBInstance.create(":memory:", {
    threads: String(options.threads),
    memory_limit: `${Math.round(options.memoryLimitBytes / 1e6)}MB`,
    temp_directory: spill,
    // The order of the lines is kept in ORDER_COLUMN: times alone do not tell lines of one millisecond apart.
    preserve_insertion_order: "true",
    autoinstall_known_extensions: "false",
    autoload_known_extensions: "false",
  });
  try {
    const connection = await instance.connect();
    const from = `read_json_objects(${quoteText(source)}, format = 'newline_delimited', ignore_errors = true, compression = 'uncompressed')`;
    await connection.run(
      `COPY (${segmentSelect(columns, from, options.sequence)} ORDER BY "@timestamp", ${ORDER_COLUMN})
       TO ${quoteText(target)} (FORMAT parquet, CODEC '${options.compression}', ROW_GROUP_SIZE 122880)`,
    );
    const reader = await connection.runAndReadAll(
      `SELECT count(*), epoch_ms(min("@timestamp")), epoch_ms(max("@timestamp")), coalesce(bool_or(${UNEVEN_COLUMN}), false)
       FROM read_parquet(${quoteText(target)})`,
    );
    const [rows, fromMs, toMs, isUneven] = reader.getRows()[0] as [bigint, bigint | null, bigint | null, boolean];
    return {
      rows: Number(rows),
      fromMs: Number(fromMs ?? 0),
      toMs: Number(toMs ?? 0),
      isEven: !isUneven,
      columnsHash: columnsHash(columns),
    };
  } finally {
    instance.closeSync();
  }
}

/** Documents from the beginning, the middle and the end. */
async function sampleDocuments(source: string): Promise<Record<string, unknown>[]> {
  const file = await open(source, "r");
  try {
    const { size } = await file.stat();
    const documents: Record<string, unknown>[] = [];
    for (const part of [0, 0.5, 1]) {
      const position = Math.max(0, Math.floor((size - SAMPLE_BYTES) * part));
      const { buffer, bytesRead } = await file.read(Buffer.alloc(Math.min(SAMPLE_BYTES, size)), { position });
      const lines = buffer.toString("utf8", 0, bytesRead).split("\n");
      // The first line of a later part is probably cut, and the last one of any.
      for (const line of lines.slice(position === 0 ? 0 : 1, 2000)) {
        const document = parseObject(line);
        if (document !== undefined) documents.push(document);
      }
      if (size <= SAMPLE_BYTES) break;
    }
    return documents;
  } finally {
    await file.close();
  }
}

function parseObject(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

async function countLines(source: string): Promise<number> {
  let count = 0;
  try {
    for await (const chunk of createReadStream(source, { highWaterMark: 1 << 20 })) {
      const bytes = chunk as Buffer;
      for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE, at + 1)) count++;
    }
  } catch (error) {
    if (systemErrorCode(error) !== "ENOENT") throw error;
  }
  return count;
}

/** Copies a segment with every line as a JSON object: what is none becomes the `message` of one. */
async function mendLines(source: string, target: string): Promise<void> {
  const out = createWriteStream(target);
  for await (const line of createInterface({ input: createReadStream(source), crlfDelay: Infinity })) {
    const document = parseObject(line) ?? { "@timestamp": new Date(0).toISOString(), message: line };
    if (!out.write(JSON.stringify(document).replace(/\\u[dD][89a-fA-F][0-9a-fA-F]{2}/g, "\\ufffd") + "\n"))
      await once(out, "drain");
  }
  out.end();
  await finished(out);
}

async function sync(path: string): Promise<void> {
  const file = await open(path, "r+");
  try {
    // As the NDJSON file: DuckDB leaves it to the umask.
    await file.chmod(0o640);
    await file.sync();
  } finally {
    await file.close();
  }
}
