import type { DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import { SQL_SETUP, SqlParameters } from "../codec/kql/sql.ts";
import { errorMessage, WiretailError } from "../core/error.ts";
import { DOCUMENT_COLUMN } from "./columns.ts";
import { bucketWidth, type Bucket } from "./histogram.ts";
import { takeSnapshot, type Snapshot } from "./snapshot.ts";
import { StoreTables, type Selection } from "./tables.ts";

export type { Selection } from "./tables.ts";

export interface StoreOptions {
  readonly folder: string;
  /** DuckDB's limit; the process takes about 100 MB more. Default 512 MB. */
  readonly memoryLimitBytes?: number;
  /** Default: as many as the machine has cores. */
  readonly threads?: number;
  /** Where sorting may spill to. Default: the system's temporary folder. */
  readonly temporaryFolder?: string;
}

export interface StoredDocument {
  /** `@timestamp`, milliseconds since the epoch. */
  readonly timeMs: number;
  /** The document as compact JSON, as it was stored; `_id` is its first member. */
  readonly json: string;
}

export interface TopValue {
  /** Undefined: events without the field. */
  readonly value: string | undefined;
  readonly count: number;
}

export interface Histogram {
  readonly widthMs: number;
  /** Every bucket between the first and the last event (or the selection's limits), empty ones too. */
  readonly buckets: readonly Bucket[];
}

/** Above it, documents are found in one pass that sorts all of them instead of two that read only what is shown. */
const MAX_NEWEST = 10_000;
/** Times listed one by one let DuckDB skip everything between them. */
const MAX_TIMES = 1_000;

/**
 * Opens a store for reading, as it is at this moment, also while the agent writes to it. Loads DuckDB. Close it in
 * `finally`. Throws WT_STORE_UNREADABLE.
 */
export async function openStore(options: StoreOptions): Promise<StoreReader> {
  const snapshot = await takeSnapshot(options.folder);
  let instance: DuckDBInstance | undefined;
  try {
    const { DuckDBInstance } = await import("@duckdb/node-api");
    instance = await DuckDBInstance.create(":memory:", {
      memory_limit: `${Math.round((options.memoryLimitBytes ?? 512e6) / 1e6)}MB`,
      ...(options.threads === undefined ? {} : { threads: String(options.threads) }),
      ...(options.temporaryFolder === undefined ? {} : { temp_directory: options.temporaryFolder }),
      preserve_insertion_order: "false",
      autoinstall_known_extensions: "false",
      autoload_known_extensions: "false",
      // Files are named by descriptor, and a descriptor's number is used again.
      enable_external_file_cache: "false",
    });
    const connection = await instance.connect();
    for (const statement of SQL_SETUP) await connection.run(statement);
    return new StoreReader(snapshot, instance, connection);
  } catch (error) {
    instance?.closeSync();
    await snapshot.close();
    throw unreadable(error);
  }
}

export class StoreReader {
  readonly #snapshot: Snapshot;
  readonly #instance: DuckDBInstance;
  readonly #connection: DuckDBConnection;
  #tables: { key: string; tables: StoreTables } | undefined;

  constructor(snapshot: Snapshot, instance: DuckDBInstance, connection: DuckDBConnection) {
    this.#snapshot = snapshot;
    this.#instance = instance;
    this.#connection = connection;
  }

  /** Segments and bytes that the store has in all. */
  get size(): { readonly segments: number; readonly bytes: number } {
    const all = [...this.#snapshot.parquet, ...this.#snapshot.ndjson];
    return { segments: all.length, bytes: all.reduce((sum, segment) => sum + segment.bytes, 0) };
  }

  /** How many documents the selection has. */
  async count(selection: Selection): Promise<number> {
    const tables = await this.#open(selection);
    if (tables.isEmpty) return 0;
    const parameters = new SqlParameters();
    const rows = await this.#rows(
      `SELECT count(*) FROM (${tables.select(selection, parameters, () => "1 AS one")})`,
      parameters,
    );
    return Number(rows[0]![0]);
  }

  /**
   * The newest (or oldest) `limit` documents, sorted in that order, and how many there are in all. Without a limit
   * use `all`.
   */
  async search(
    selection: Selection,
    order: "newest" | "oldest",
    limit: number,
  ): Promise<{ matched: number; documents: StoredDocument[] }> {
    const tables = await this.#open(selection);
    if (tables.isEmpty) return { matched: 0, documents: [] };
    if (limit > MAX_NEWEST || limit === 0) {
      const documents: StoredDocument[] = [];
      if (limit > 0) for await (const document of this.all(selection, order, limit)) documents.push(document);
      return { matched: await this.count(selection), documents };
    }
    // First pass: only times, to count and to find which documents are wanted. Second pass: those.
    const first = new SqlParameters();
    const times = tables.select(selection, first, (table) => `epoch_us(${table.sql.timestamp}) AS t`);
    const found = await this.#rows(
      `SELECT count(*), ${order === "newest" ? "max" : "min"}(t, ${limit}) FROM (${times})`,
      first,
    );
    const [matched, list] = found[0] as [bigint, { items: readonly bigint[] } | null];
    const wanted = list?.items ?? [];
    if (wanted.length === 0) return { matched: Number(matched), documents: [] };
    const distinct = [...new Set(wanted.map(String))];
    const isWanted =
      distinct.length <= MAX_TIMES
        ? `"@timestamp" IN (${distinct.map((t) => `make_timestamp(${t})`).join(", ")})`
        : `"@timestamp" BETWEEN make_timestamp(${least(wanted)}) AND make_timestamp(${greatest(wanted)})`;
    const second = new SqlParameters();
    const sql = this.#documentsSql(tables, selection, second, isWanted);
    const rows = await this.#rows(`SELECT t, d FROM (${sql}) ${orderBy(order)} LIMIT ${limit}`, second);
    return { matched: Number(matched), documents: rows.map(toDocument) };
  }

  /** All documents (or the first `limit`), sorted by time: streamed, sorting on disk where memory does not do. */
  async *all(selection: Selection, order: "newest" | "oldest", limit?: number): AsyncGenerator<StoredDocument> {
    const tables = await this.#open(selection);
    if (tables.isEmpty) return;
    const parameters = new SqlParameters();
    const sql = `SELECT t, d FROM (${this.#documentsSql(tables, selection, parameters, "true")}) ${orderBy(order)} ${limit === undefined ? "" : `LIMIT ${limit}`}`;
    try {
      const result = await this.#connection.stream(sql, parameters.values);
      for (;;) {
        const chunk = await result.fetchChunk();
        if (chunk === null || chunk.rowCount === 0) return;
        for (const row of chunk.getRows()) yield toDocument(row);
      }
    } catch (error) {
      throw unreadable(error);
    }
  }

  /**
   * Counts over time in at most `maxBuckets` buckets of a round width, and seldom less than half as many (fewer when
   * events span less). `zoneOffsetMs` is added to times for where days begin.
   */
  async histogram(selection: Selection, zoneOffsetMs = 0, maxBuckets = 120): Promise<Histogram> {
    const tables = await this.#open(selection);
    if (tables.isEmpty) return { widthMs: 1000, buckets: [] };
    const range = await this.#timeRange(selection);
    if (range === undefined) return { widthMs: 1000, buckets: [] };
    const widthMs = bucketWidth(range.toMs - range.fromMs, maxBuckets);
    const parameters = new SqlParameters();
    const inner = tables.select(selection, parameters, (table) => `epoch_us(${table.sql.timestamp}) AS t`);
    const sql = `SELECT (t + ${Math.round(zoneOffsetMs * 1000)}) // ${widthMs * 1000} AS b, count(*) FROM (${inner}) GROUP BY b`;
    const counts = new Map(
      (await this.#rows(sql, parameters)).map(([bucket, count]) => [Number(bucket), Number(count)]),
    );
    if (counts.size === 0) return { widthMs, buckets: [] };
    const keys = [...counts.keys()];
    // The selection's own limits are shown even where nothing is; beyond them only where events are.
    const limit = (ms: number | undefined): number | undefined =>
      ms === undefined ? undefined : Math.floor((ms + zoneOffsetMs) / widthMs);
    const from = Math.min(limit(selection.fromMs) ?? Infinity, ...keys);
    const to = Math.max(selection.toMs === undefined ? -Infinity : limit(selection.toMs - 1)!, ...keys);
    const buckets: Bucket[] = [];
    for (let key = from; key <= to && buckets.length < 1000; key++) {
      buckets.push({ fromMs: key * widthMs - zoneOffsetMs, count: counts.get(key) ?? 0 });
    }
    return { widthMs, buckets };
  }

  /** The most frequent values of a field, most frequent first. Each element of an array counts. */
  async top(
    selection: Selection,
    field: string,
    limit: number,
  ): Promise<{ values: TopValue[]; distinct: number; total: number }> {
    const tables = await this.#open(selection);
    if (tables.isEmpty) return { values: [], distinct: 0, total: 0 };
    const parameters = new SqlParameters();
    const values = tables.selectValues(selection, parameters, field);
    const rows = await this.#rows(
      `WITH counted AS (SELECT value, count(*) AS n FROM (${values}) GROUP BY value)
       SELECT value, n, (SELECT count(value) FROM counted), (SELECT sum(n) FROM counted) FROM counted ORDER BY n DESC, value LIMIT ${limit}`,
      parameters,
    );
    return {
      values: rows.map(([value, n]) => ({ value: (value as string | null) ?? undefined, count: Number(n) })),
      distinct: Number(rows[0]?.[2] ?? 0),
      total: Number(rows[0]?.[3] ?? 0),
    };
  }

  async close(): Promise<void> {
    this.#connection.closeSync();
    this.#instance.closeSync();
    await this.#snapshot.close();
  }

  /** Ends a running query soon, from elsewhere. */
  interrupt(): void {
    this.#connection.interrupt();
  }

  #documentsSql(tables: StoreTables, selection: Selection, parameters: SqlParameters, also: string): string {
    return tables.select(
      selection,
      parameters,
      (table) => `epoch_us(${table.sql.timestamp}) AS t, ${table.order} AS o, CAST(${DOCUMENT_COLUMN} AS VARCHAR) AS d`,
      also,
    );
  }

  async #timeRange(selection: Selection): Promise<{ fromMs: number; toMs: number } | undefined> {
    const fromMs = selection.fromMs ?? -Infinity;
    const toMs = selection.toMs ?? Infinity;
    let low = Infinity;
    let high = -Infinity;
    for (const segment of this.#snapshot.parquet) {
      if (segment.toMs < fromMs || segment.fromMs >= toMs) continue;
      low = Math.min(low, segment.fromMs);
      high = Math.max(high, segment.toMs);
    }
    if (this.#snapshot.ndjson.length > 0) {
      const open = await StoreTables.open(this.#connection, { ...this.#snapshot, parquet: [] }, fromMs, toMs);
      const all = { ...selection, query: { kind: "all" } as const };
      const sql = open.select(all, new SqlParameters(), (table) => `epoch_us(${table.sql.timestamp}) AS t`);
      const [min, max] = (await this.#rows(`SELECT min(t), max(t) FROM (${sql})`, new SqlParameters()))[0]!;
      if (min !== null) {
        low = Math.min(low, Number(min) / 1000);
        high = Math.max(high, Number(max) / 1000);
      }
    }
    if (low > high) return undefined;
    return { fromMs: Math.max(low, fromMs), toMs: Math.min(high, toMs) };
  }

  async #open(selection: Selection): Promise<StoreTables> {
    const fromMs = selection.fromMs ?? -Infinity;
    const toMs = selection.toMs ?? Infinity;
    const key = `${fromMs} ${toMs}`;
    if (this.#tables?.key !== key) {
      try {
        this.#tables = { key, tables: await StoreTables.open(this.#connection, this.#snapshot, fromMs, toMs) };
      } catch (error) {
        throw unreadable(error);
      }
    }
    return this.#tables.tables;
  }

  async #rows(sql: string, parameters: SqlParameters): Promise<unknown[][]> {
    try {
      return (await this.#connection.runAndReadAll(sql, parameters.values)).getRows();
    } catch (error) {
      throw unreadable(error);
    }
  }
}

function unreadable(error: unknown): WiretailError {
  if (error instanceof WiretailError) return error;
  return new WiretailError(
    "WT_STORE_UNREADABLE",
    `the local store cannot be searched: ${errorMessage(error).slice(0, 500)}`,
    { cause: error },
  );
}

function orderBy(order: "newest" | "oldest"): string {
  return order === "newest" ? "ORDER BY t DESC, o DESC" : "ORDER BY t, o";
}

function toDocument(row: readonly unknown[]): StoredDocument {
  return { timeMs: Number(row[0]) / 1000, json: row[1] as string };
}

function least(values: readonly bigint[]): string {
  return values.reduce((a, b) => (b < a ? b : a)).toString();
}

function greatest(values: readonly bigint[]): string {
  return values.reduce((a, b) => (b > a ? b : a)).toString();
}
