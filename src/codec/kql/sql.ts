import type { KqlNode, KqlValue } from "./ast.ts";
import {
  caseInsensitivePattern,
  caseVariants,
  MAX_WILDCARD_INTEGER,
  networkIn,
  NUMBER_PATTERN,
  numberIn,
  piecesOf,
  TIME_PATTERN,
  timeBounds,
  timeIn,
  type Operator,
} from "./meaning.ts";

/** What a table offers to a query. All members are SQL expressions. */
export interface SqlTable {
  /** The whole document: JSON. */
  readonly document: string;
  /** `@timestamp`: TIMESTAMP in UTC. */
  readonly timestamp: string;
  /** True for rows in which columns do not say all of their fields (other types, literal dotted keys); none: undefined. */
  readonly uneven: string | undefined;
  /** A column that holds a field's values, all of one type; NULL where it is absent or null. */
  column(field: string): SqlColumn | undefined;
}

export interface SqlColumn {
  readonly sql: string;
  readonly type: "text" | "number" | "boolean";
}

/** Collects the values of a statement; what a user typed gets into SQL only as `$1`, `$2`… */
export class SqlParameters {
  readonly values: string[] = [];

  add(value: string): string {
    const known = this.values.indexOf(value);
    return `$${known >= 0 ? known + 1 : this.values.push(value)}`;
  }
}

/** Statements to run once on a connection before conditions from `toSql` work there. */
export const SQL_SETUP: readonly string[] = [
  // The 32 hexadecimal digits of an IPv6 address, or NULL: ipv6Digits of meaning.ts.
  `CREATE OR REPLACE TEMP MACRO wiretail_ipv6_join(head, tail, gap, halves) AS
     CASE WHEN (CASE WHEN halves = 2 THEN gap >= 1 ELSE halves = 1 AND gap = 0 END)
       AND list_bool_and(list_transform(list_concat(head, tail), lambda g: strlen(g) BETWEEN 1 AND 4)) IS DISTINCT FROM false
     THEN array_to_string(list_concat(list_concat(list_transform(head, lambda g: lpad(lower(g), 4, '0')),
       list_transform(range(gap), lambda g: '0000')), list_transform(tail, lambda g: lpad(lower(g), 4, '0'))), '') END`,
  `CREATE OR REPLACE TEMP MACRO wiretail_ipv6_groups(half) AS
     CASE WHEN half IS NULL OR half = '' THEN []::VARCHAR[] ELSE string_split(half, ':') END`,
  `CREATE OR REPLACE TEMP MACRO wiretail_ipv6(address) AS
     CASE WHEN regexp_matches(address, '^[0-9a-fA-F:]{2,39}$') THEN
       wiretail_ipv6_join(wiretail_ipv6_groups(string_split(address, '::')[1]), wiretail_ipv6_groups(string_split(address, '::')[2]),
         8 - len(wiretail_ipv6_groups(string_split(address, '::')[1])) - len(wiretail_ipv6_groups(string_split(address, '::')[2])),
         len(string_split(address, '::'))) END`,
];

/**
 * A query as a DuckDB condition over a table. It is true for exactly the documents that the predicate of predicate.ts
 * takes (a property test holds them together) and false or NULL for the others. `nowMs` is the present for relative
 * times.
 */
export function toSql(node: KqlNode, table: SqlTable, parameters: SqlParameters, nowMs: number): string {
  const compile = (inner: KqlNode): string => toSql(inner, table, parameters, nowMs);
  switch (node.kind) {
    case "all":
      return "true";
    case "not":
      return `NOT coalesce(${compile(node.node)}, false)`;
    case "and":
      return `(${node.nodes.map(compile).join(" AND ")})`;
    case "or":
      return `(${node.nodes.map(compile).join(" OR ")})`;
    case "exists":
      return existsSql(node.field, table, parameters);
    case "text":
      return fieldSql("message", table, parameters, (value) => substringSql(node.value, value, parameters));
    case "is":
      if (node.field === "message")
        return fieldSql("message", table, parameters, (value) => substringSql(node.value, value, parameters));
      if (node.field === "@timestamp" && node.value.pieces === undefined)
        return timestampSql("=", node.value.text, table, nowMs);
      return fieldSql(node.field, table, parameters, (value) => valueSql(node.value, value, parameters));
    case "compare":
      if (node.field === "@timestamp") return timestampSql(node.operator, node.value, table, nowMs);
      return fieldSql(node.field, table, parameters, (value) =>
        compareSql(node.field, node.operator, node.value, value, parameters, nowMs),
      );
  }
}

/** A field of the document as JSON (SQL NULL where it is not there), in the order of `getIn` of core/path.ts. */
export function fieldJson(field: string, document: string, parameters: SqlParameters): string {
  const paths = readings(field.split(".")).map((keys) => parameters.add(jsonPath(keys)));
  if (paths.length === 1) return `json_extract(${document}, ${paths[0]})`;
  // One list of paths is one pass over the document.
  const found = `json_extract(${document}, [${paths.join(", ")}])`;
  return `coalesce(${paths.map((_, i) => `${found}[${i + 1}]`).join(", ")})`;
}

/** Every way to read a dotted name: a, b, c; a, "b.c"; "a.b", c; "a.b.c". */
function readings(parts: readonly string[]): string[][] {
  if (parts.length === 0) return [[]];
  const all: string[][] = [];
  for (let end = 1; end <= parts.length; end++) {
    const key = parts.slice(0, end).join(".");
    for (const rest of readings(parts.slice(end))) all.push([key, ...rest]);
  }
  return all;
}

/** A DuckDB JSON path; JSON pointers for empty keys, which paths cannot express. */
export function jsonPath(keys: readonly string[]): string {
  if (keys.includes("")) return keys.map((key) => `/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
  return `$${keys.map((key) => `."${key.replace(/["\\]/g, "\\$&")}"`).join("")}`;
}

/** One scalar as three expressions, each NULL (or absent, when it can never be) unless the value has that type. */
interface ScalarSql {
  readonly text?: string;
  readonly number?: string;
  readonly boolean?: string;
}

function fieldSql(
  field: string,
  table: SqlTable,
  parameters: SqlParameters,
  test: (value: ScalarSql) => string,
): string {
  const column = table.column(field);
  if (column !== undefined) {
    const byColumn = test({ [column.type]: column.sql });
    if (table.uneven === undefined) return byColumn;
    return `CASE WHEN ${table.uneven} THEN ${byJson(fieldJson(field, table.document, parameters), test)} ELSE ${byColumn} END`;
  }
  return byJson(fieldJson(field, table.document, parameters), test);
}

function byJson(json: string, test: (value: ScalarSql) => string): string {
  const scalar = (x: string): string =>
    test({
      text: `CASE WHEN json_type(${x}) = 'VARCHAR' THEN json_extract_string(${x}, '$') END`,
      number: `CASE WHEN json_type(${x}) IN ('BIGINT', 'UBIGINT', 'HUGEINT', 'DOUBLE') THEN TRY_CAST(${x} AS DOUBLE) END`,
      boolean: `CASE WHEN json_type(${x}) = 'BOOLEAN' THEN TRY_CAST(${x} AS BOOLEAN) END`,
    });
  return `CASE WHEN json_type(${json}) = 'ARRAY' THEN len(list_filter(CAST(${json} AS JSON[]), lambda x: coalesce(${scalar("x")}, false))) > 0 ELSE ${scalar(json)} END`;
}

function existsSql(field: string, table: SqlTable, parameters: SqlParameters): string {
  if (field === "@timestamp") return "true";
  const column = table.column(field);
  if (column !== undefined && table.uneven === undefined) return `${column.sql} IS NOT NULL`;
  const json = fieldJson(field, table.document, parameters);
  const inDocument = `CASE json_type(${json}) WHEN 'NULL' THEN false
    WHEN 'ARRAY' THEN len(list_filter(CAST(${json} AS JSON[]), lambda x: x IS NOT NULL AND json_type(x) <> 'NULL')) > 0
    WHEN 'OBJECT' THEN len(json_keys(${json})) > 0 ELSE ${json} IS NOT NULL END`;
  if (column === undefined) return inDocument;
  return `CASE WHEN ${table.uneven!} THEN ${inDocument} ELSE ${column.sql} IS NOT NULL END`;
}

/** Tests for the types that a value can have, joined; false when there are none. */
function anyOf(...tests: (string | undefined)[]): string {
  const real = tests.filter((test) => test !== undefined);
  return real.length === 0 ? "false" : real.length === 1 ? real[0]! : `(${real.join(" OR ")})`;
}

function substringSql(value: KqlValue, { text }: ScalarSql, parameters: SqlParameters): string {
  if (text === undefined) return "false";
  const pieces = piecesOf(value).filter((piece) => piece !== "");
  if (pieces.length === 0) return `${text} IS NOT NULL`;
  const isCaseless = (char: string): boolean => caseVariants(char).length === 1;
  if (pieces.length === 1 && [...pieces[0]!].every(isCaseless))
    return `contains(${text}, ${parameters.add(pieces[0]!)})`;
  const pattern = parameters.add(`(?s)${pieces.map(caseInsensitivePattern).join(".*?")}`);
  const matches = `regexp_matches(${text}, ${pattern})`;
  // Plain text is searched several times faster than a pattern: let the digits and signs of the query sort out first.
  const run = longestRun(pieces, isCaseless);
  return run.length < 3 ? matches : `(contains(${text}, ${parameters.add(run)}) AND ${matches})`;
}

function longestRun(pieces: readonly string[], accept: (char: string) => boolean): string {
  let longest = "";
  for (const piece of pieces) {
    let run = "";
    for (const char of piece) {
      run = accept(char) ? run + char : "";
      if (run.length > longest.length) longest = run;
    }
  }
  return longest;
}

function valueSql(value: KqlValue, scalar: ScalarSql, parameters: SqlParameters): string {
  const { text, number, boolean } = scalar;
  if (value.pieces !== undefined) return wildcardSql(value.pieces, scalar, parameters);
  const network = networkIn(value.text);
  const equal = text === undefined ? undefined : `${text} = ${parameters.add(value.text)}`;
  if (network !== undefined) {
    if (text === undefined) return "false";
    return anyOf(
      equal,
      `regexp_matches(${network.version === 4 ? text : `wiretail_ipv6(${text})`}, ${parameters.add(network.pattern)})`,
    );
  }
  const wanted = numberIn(value.text);
  return anyOf(
    equal,
    wanted === undefined || number === undefined
      ? undefined
      : `${number} = CAST(${parameters.add(String(wanted))} AS DOUBLE)`,
    boolean === undefined || !["true", "false"].includes(value.text) ? undefined : `${boolean} = ${value.text}`,
  );
}

function wildcardSql(
  pieces: readonly string[],
  { text, number, boolean }: ScalarSql,
  parameters: SqlParameters,
): string {
  const pattern = parameters.add(pieces.map((piece) => piece.replace(/[\\%_]/g, "\\$&")).join("%"));
  const like = (sql: string): string => `${sql} LIKE ${pattern} ESCAPE '\\'`;
  return anyOf(
    text === undefined ? undefined : like(text),
    number === undefined
      ? undefined
      : `CASE WHEN abs(${number}) <= ${MAX_WILDCARD_INTEGER} AND trunc(${number}) = ${number} THEN ${like(`CAST(CAST(${number} AS BIGINT) AS VARCHAR)`)} END`,
    boolean === undefined ? undefined : like(`CASE WHEN ${boolean} THEN 'true' WHEN NOT ${boolean} THEN 'false' END`),
  );
}

function compareSql(
  field: string,
  operator: Operator,
  wanted: string,
  { text, number }: ScalarSql,
  parameters: SqlParameters,
  nowMs: number,
): string {
  const bound = numberIn(wanted);
  if (bound !== undefined) {
    const limit = `CAST(${parameters.add(String(bound))} AS DOUBLE)`;
    return anyOf(
      number === undefined ? undefined : `${number} ${operator} ${limit}`,
      text === undefined
        ? undefined
        : `CASE WHEN strlen(${text}) <= 64 AND regexp_matches(${text}, '${NUMBER_PATTERN}') AND isfinite(${asNumber(text)}) THEN ${asNumber(text)} ${operator} ${limit} END`,
    );
  }
  if (text === undefined) return "false";
  const time = timeIn(wanted, field);
  if (time === undefined) return `${text} ${operator} ${parameters.add(wanted)}`;
  const micros = `epoch_us(TRY_CAST(${text} AS TIMESTAMP))`;
  const { from, to } = timeBounds(operator, time(nowMs));
  return `CASE WHEN regexp_matches(${text}, '${TIME_PATTERN}') THEN ${range(micros, String, from, to)} END`;
}

/** DuckDB reads no leading plus sign. */
function asNumber(text: string): string {
  return `TRY_CAST(ltrim(${text}, '+') AS DOUBLE)`;
}

function timestampSql(operator: Operator | "=", text: string, table: SqlTable, nowMs: number): string {
  const time = timeIn(text, "@timestamp");
  if (time === undefined) return "false";
  const { from, to } = timeBounds(operator, time(nowMs));
  return timeRangeSql(table.timestamp, from, to);
}

/** A condition on a TIMESTAMP expression: from ≤ t < to, microseconds since the epoch, perhaps infinite. */
export function timeRangeSql(timestamp: string, fromMicros: number, toMicros: number): string {
  return range(timestamp, (micros) => `make_timestamp(${micros})`, fromMicros, toMicros);
}

// DuckDB's timestamps end in the year 294247; numbers beyond what it can hold stand for no limit.
const MAX_MICROS = 9.2e18;

function range(sql: string, literal: (micros: string) => string, from: number, to: number): string {
  const parts: string[] = [];
  if (from > MAX_MICROS || to < -MAX_MICROS) return "false";
  if (from > -MAX_MICROS) parts.push(`${sql} >= ${literal(BigInt(from).toString())}`);
  if (to < MAX_MICROS) parts.push(`${sql} < ${literal(BigInt(to).toString())}`);
  return parts.length === 0 ? `${sql} IS NOT NULL` : `(${parts.join(" AND ")})`;
}
