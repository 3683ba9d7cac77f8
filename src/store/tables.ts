import type { DuckDBConnection } from "@duckdb/node-api";
import { fieldJson, timeRangeSql, toSql, type SqlColumn, type SqlParameters, type SqlTable } from "../codec/kql/sql.ts";
import type { KqlNode } from "../codec/kql/ast.ts";
import { DOCUMENT_COLUMN, ORDER_COLUMN, orderOf, quoteName, quoteText, timestampOf, UNEVEN_COLUMN } from "./columns.ts";
import type { Snapshot } from "./snapshot.ts";

/** Which documents: a query and a stretch of time. */
export interface Selection {
  readonly query: KqlNode;
  /** Milliseconds since the epoch; from ≤ time < to. Undefined: no limit. */
  readonly fromMs: number | undefined;
  readonly toMs: number | undefined;
  /** The present, for relative times inside the query. */
  readonly nowMs: number;
}

/** Segments that one SELECT can read: the same columns. */
interface Table {
  readonly from: string;
  readonly sql: SqlTable;
  /** Tells documents of one time apart, in the order in which they came. */
  readonly order: string;
}

/** The segments of a snapshot as tables for DuckDB. */
export class StoreTables {
  readonly #tables: Table[];
  /** Rows and bytes of the segments that are read; NDJSON rows are only known after reading. */
  readonly files: number;

  private constructor(tables: Table[], files: number) {
    this.#tables = tables;
    this.files = files;
  }

  /** Segments wholly outside the time range are left out, by their names. */
  static async open(
    connection: DuckDBConnection,
    snapshot: Snapshot,
    fromMs: number,
    toMs: number,
  ): Promise<StoreTables> {
    const parquet = snapshot.parquet.filter((segment) => segment.toMs >= fromMs && segment.fromMs < toMs);
    const groups = new Map<string, { paths: string[]; isEven: boolean }>();
    for (const segment of parquet) {
      const key = `${segment.columnsHash} ${segment.isEven}`;
      const group = groups.get(key);
      if (group === undefined) groups.set(key, { paths: [segment.path], isEven: segment.isEven });
      else group.paths.push(segment.path);
    }
    const tables: Table[] = [];
    for (const { paths, isEven } of groups.values()) tables.push(await parquetTable(connection, paths, isEven));
    for (const segment of snapshot.ndjson) tables.push(ndjsonTable(segment.path, segment.sequence));
    return new StoreTables(tables, parquet.length + snapshot.ndjson.length);
  }

  get isEmpty(): boolean {
    return this.#tables.length === 0;
  }

  /** A SELECT over all selected documents; `columns` says what is wanted of each table, under the same names. */
  select(selection: Selection, parameters: SqlParameters, columns: (table: Table) => string, also = "true"): string {
    return this.#tables
      .map(
        (table) =>
          `SELECT ${columns(table)} FROM ${table.from} WHERE ${also} AND ${where(selection, table, parameters)}`,
      )
      .join("\nUNION ALL\n");
  }

  /** A SELECT of the values of a field as text, named `value`, one row an array element; absent ones are NULL. */
  selectValues(selection: Selection, parameters: SqlParameters, field: string): string {
    const parts: string[] = [];
    for (const table of this.#tables) {
      const from = `FROM ${table.from} WHERE ${where(selection, table, parameters)}`;
      const column = field === "@timestamp" ? undefined : table.sql.column(field);
      if (column === undefined) parts.push(`SELECT ${elements(field, table, parameters)} AS value ${from}`);
      else if (table.sql.uneven === undefined) parts.push(`SELECT ${columnText(column)} AS value ${from}`);
      else {
        parts.push(`SELECT ${columnText(column)} AS value ${from} AND NOT ${table.sql.uneven}`);
        parts.push(`SELECT ${elements(field, table, parameters)} AS value ${from} AND ${table.sql.uneven}`);
      }
    }
    return parts.join("\nUNION ALL\n");
  }
}

/** One row for each element of an array, one for anything else. */
function elements(field: string, table: Table, parameters: SqlParameters): string {
  const json = fieldJson(field, table.sql.document, parameters);
  return `unnest(CASE WHEN json_type(${json}) = 'ARRAY' THEN list_transform(CAST(${json} AS JSON[]), lambda x: ${jsonText("x")})
    ELSE [${jsonText(json)}] END)`;
}

function where(selection: Selection, table: Table, parameters: SqlParameters): string {
  const conditions: string[] = [];
  const { fromMs, toMs } = selection;
  if (fromMs !== undefined || toMs !== undefined) {
    conditions.push(
      timeRangeSql(
        table.sql.timestamp,
        Math.round((fromMs ?? -Infinity) * 1000),
        Math.round((toMs ?? Infinity) * 1000),
      ),
    );
  }
  conditions.push(`(${toSql(selection.query, table.sql, parameters, selection.nowMs)})`);
  return conditions.join(" AND ");
}

async function parquetTable(connection: DuckDBConnection, paths: readonly string[], isEven: boolean): Promise<Table> {
  const described = await connection.runAndReadAll(`DESCRIBE SELECT * FROM read_parquet(${quoteText(paths[0]!)})`);
  const columns = new Map<string, SqlColumn>();
  for (const [name, type] of described.getRows() as [string, string][]) {
    const sql = quoteName(name);
    if (name.startsWith("_") && [DOCUMENT_COLUMN, ORDER_COLUMN, UNEVEN_COLUMN].includes(name)) continue;
    if (type === "VARCHAR") columns.set(name, { sql, type: "text" });
    else if (type === "BIGINT") columns.set(name, { sql: `CAST(${sql} AS DOUBLE)`, type: "number" });
    else if (type === "DOUBLE") columns.set(name, { sql, type: "number" });
    else if (type === "BOOLEAN") columns.set(name, { sql, type: "boolean" });
  }
  columns.delete("_id"); // A document without a text for it would differ.
  return {
    from: `read_parquet([${paths.map(quoteText).join(", ")}])`,
    sql: {
      document: DOCUMENT_COLUMN,
      timestamp: '"@timestamp"',
      uneven: isEven ? undefined : UNEVEN_COLUMN,
      column: (field) => columns.get(field),
    },
    order: ORDER_COLUMN,
  };
}

function ndjsonTable(path: string, sequence: number): Table {
  const rows = `read_json_objects(${quoteText(path)}, format = 'newline_delimited', ignore_errors = true, compression = 'uncompressed')`;
  return {
    // Lines that are being written at this moment read as NULL.
    from: `(SELECT json AS ${DOCUMENT_COLUMN}, ${timestampOf("json")} AS "@timestamp", ${orderOf(sequence, "row_number() OVER ()")} AS ${ORDER_COLUMN} FROM ${rows} WHERE json IS NOT NULL)`,
    sql: { document: DOCUMENT_COLUMN, timestamp: '"@timestamp"', uneven: undefined, column: () => undefined },
    order: ORDER_COLUMN,
  };
}

/** Whole numbers without a fraction, as JavaScript writes them. */
function numberText(number: string): string {
  return `CASE WHEN abs(${number}) <= 9007199254740991 AND trunc(${number}) = ${number} THEN CAST(CAST(${number} AS BIGINT) AS VARCHAR) ELSE CAST(${number} AS VARCHAR) END`;
}

function columnText(column: SqlColumn): string {
  return column.type === "text"
    ? column.sql
    : column.type === "number"
      ? numberText(column.sql)
      : `CAST(${column.sql} AS VARCHAR)`;
}

function jsonText(json: string): string {
  return `CASE json_type(${json}) WHEN 'NULL' THEN NULL WHEN 'VARCHAR' THEN json_extract_string(${json}, '$')
    WHEN 'OBJECT' THEN CAST(${json} AS VARCHAR) WHEN 'ARRAY' THEN CAST(${json} AS VARCHAR) WHEN 'BOOLEAN' THEN CAST(${json} AS VARCHAR)
    ELSE ${numberText(`TRY_CAST(${json} AS DOUBLE)`)} END`;
}
