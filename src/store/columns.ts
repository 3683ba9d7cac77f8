import { createHash } from "node:crypto";
import { jsonPath } from "../codec/kql/sql.ts";

/** A field that a Parquet segment has as a column of its own. */
export interface FieldColumn {
  readonly field: string;
  readonly keys: readonly string[];
  readonly type: "VARCHAR" | "BIGINT" | "DOUBLE" | "BOOLEAN";
}

/** Columns that every segment has; a document's own fields of these names do not become further ones. */
export const DOCUMENT_COLUMN = "_source";
export const ORDER_COLUMN = "_order";
export const UNEVEN_COLUMN = "_uneven";
const RESERVED = ["_id", "@timestamp", DOCUMENT_COLUMN, ORDER_COLUMN, UNEVEN_COLUMN];
const MAX_COLUMNS = 64;

/**
 * Chooses the columns of a segment from a sample of its documents: fields that hold only strings, only numbers or only
 * booleans in the sample, the most frequent first. `message` is always one.
 */
export function chooseColumns(sample: readonly Record<string, unknown>[]): FieldColumn[] {
  const seen = new Map<string, { keys: readonly string[]; count: number; types: Set<string> }>();
  for (const document of sample) visit(document, [], seen);
  const taken = new Set(RESERVED.map((name) => name.toLowerCase()));
  const columns: FieldColumn[] = [{ field: "message", keys: ["message"], type: "VARCHAR" }];
  taken.add("message");
  const candidates = [...seen].filter(
    ([field, found]) => field !== "message" && found.types.size === 1 && !found.types.has("OTHER"),
  );
  candidates.sort(([a, x], [b, y]) => y.count - x.count || (a < b ? -1 : 1));
  for (const [field, { keys, types }] of candidates) {
    if (columns.length === MAX_COLUMNS) break;
    // Column names are not told apart by case in SQL.
    if (taken.has(field.toLowerCase())) continue;
    taken.add(field.toLowerCase());
    const type = [...types][0]!;
    columns.push({ field, keys, type: type as FieldColumn["type"] });
  }
  // Integers in some documents and fractions in others are one type.
  return columns.sort((a, b) => (a.field === "message" ? -1 : b.field === "message" ? 1 : a.field < b.field ? -1 : 1));
}

function visit(
  object: Record<string, unknown>,
  above: readonly string[],
  seen: Map<string, { keys: readonly string[]; count: number; types: Set<string> }>,
): void {
  for (const [key, value] of Object.entries(object)) {
    if (value === null || value === undefined) continue;
    // Names with literal dots and empty names are looked up in the document.
    if (key.includes(".") || key === "" || above.length >= 7) continue;
    const keys = [...above, key];
    if (typeof value === "object" && !Array.isArray(value)) {
      visit(value as Record<string, unknown>, keys, seen);
      continue;
    }
    const field = keys.join(".");
    let found = seen.get(field);
    if (found === undefined) {
      if (seen.size >= 2000) continue;
      seen.set(field, (found = { keys, count: 0, types: new Set() }));
    }
    found.count++;
    const type = columnType(value);
    if (type === "DOUBLE") found.types.delete("BIGINT");
    if (type !== "BIGINT" || !found.types.has("DOUBLE")) found.types.add(type);
  }
}

function columnType(value: unknown): string {
  if (typeof value === "string") return "VARCHAR";
  if (typeof value === "boolean") return "BOOLEAN";
  if (typeof value === "number") return Number.isSafeInteger(value) ? "BIGINT" : "DOUBLE";
  return "OTHER";
}

/** Eight hexadecimal digits: segments with the same have the same columns. */
export function columnsHash(columns: readonly FieldColumn[]): string {
  return createHash("sha256")
    .update(JSON.stringify(columns.map((c) => [c.field, c.type])))
    .digest("hex")
    .slice(0, 8);
}

export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

export function quoteText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** `@timestamp` of a JSON document. Years that a TIMESTAMP cannot say become the epoch. */
export function timestampOf(json: string): string {
  return `coalesce(TRY_CAST(json_extract_string(${json}, '$."@timestamp"') AS TIMESTAMP), make_timestamp(0))`;
}

/**
 * Documents with a literal dotted key (`{"a.b": 1}`): there a column may not say what the dotted name means. May hit a
 * few without; those are only slower to search.
 */
const DOTTED_KEY = '"[^"\\\\.]*\\.[^"\\\\]*"\\s*:|\\\\[^"]*\\.[^"\\\\]*"\\s*:|\\\\u002[eE]';

/** The order in which documents came, over all segments: what tells those of one time apart. */
export function orderOf(sequence: number, rowNumber: string): string {
  return `(${sequence * 2 ** 32} + CAST(${rowNumber} AS BIGINT))`;
}

/** The SELECT that turns NDJSON documents (a table with one column `json`) into a segment's rows, unsorted. */
export function segmentSelect(columns: readonly FieldColumn[], from: string, sequence: number): string {
  const paths = columns.map((column) => quoteText(jsonPath(column.keys))).join(", ");
  const value = (i: number): string => `v[${i + 1}]`;
  const selected = columns.map((column, i) => `${columnValue(column.type, value(i))} AS ${quoteName(column.field)}`);
  const uneven = columns.map((column, i) => `(${value(i)} IS NOT NULL AND NOT ${fits(column.type, value(i))})`);
  return `SELECT json_extract_string(json, '$._id') AS _id, ${timestampOf("json")} AS "@timestamp", ${selected.join(", ")},
      (regexp_matches(CAST(json AS VARCHAR), ${quoteText(DOTTED_KEY)}) OR ${uneven.join(" OR ")}) AS ${UNEVEN_COLUMN},
      ${orderOf(sequence, "n")} AS ${ORDER_COLUMN}, CAST(json AS VARCHAR) AS ${DOCUMENT_COLUMN}
    FROM (SELECT json, json_extract(json, [${paths}]) AS v, row_number() OVER () AS n FROM ${from} WHERE json IS NOT NULL)`;
}

function columnValue(type: FieldColumn["type"], json: string): string {
  if (type === "VARCHAR") return `CASE WHEN json_type(${json}) = 'VARCHAR' THEN json_extract_string(${json}, '$') END`;
  return `CASE WHEN ${fits(type, json)} THEN TRY_CAST(${json} AS ${type}) END`;
}

/** Whether a JSON value (not SQL NULL) is fully said by a column of the type. JSON null is: by NULL. */
function fits(type: FieldColumn["type"], json: string): string {
  const kind = `json_type(${json})`;
  switch (type) {
    case "VARCHAR":
      return `${kind} IN ('VARCHAR', 'NULL')`;
    case "BOOLEAN":
      return `${kind} IN ('BOOLEAN', 'NULL')`;
    case "DOUBLE":
      return `${kind} IN ('BIGINT', 'UBIGINT', 'HUGEINT', 'DOUBLE', 'NULL')`;
    case "BIGINT":
      return `(${kind} = 'NULL' OR (${kind} IN ('BIGINT', 'UBIGINT') AND abs(TRY_CAST(${json} AS DOUBLE)) <= 9007199254740991))`;
  }
}
