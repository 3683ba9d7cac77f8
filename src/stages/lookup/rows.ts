import { WiretailError } from "../../core/error.ts";
import { isObject } from "../../core/leaves.ts";
import { csvRows } from "./csv.ts";

export const TABLE_FORMATS = ["csv", "tsv", "json", "ndjson", "key_json", "mmdb"] as const;
export type TableFormat = (typeof TABLE_FORMATS)[number];
/** Those that are text. */
export type RowFormat = Exclude<TableFormat, "mmdb">;

/** One row of a table: its values by column, and the key that it was given outside of them, if any. */
export interface Row {
  readonly key: string | undefined;
  readonly values: Readonly<Record<string, unknown>>;
}

/** The rows of a table, and which column came first. */
export interface Rows {
  readonly rows: readonly Row[];
  readonly firstColumn: string | undefined;
}

/** The format that a file's name tells, or undefined. */
export function formatOf(file: string): TableFormat | undefined {
  const extension = /\.([a-z]+)$/.exec(file.toLowerCase())?.[1] ?? "";
  if (extension === "jsonl" || extension === "ndjson") return "ndjson";
  return TABLE_FORMATS.find((format) => format === extension);
}

/** Reads a table. Throws WT_CONFIG_INVALID, with the line, for what is not in the format. */
export function readRows(text: string, format: RowFormat, delimiter: string | undefined): Rows {
  const clean = text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
  switch (format) {
    case "csv":
    case "tsv":
      return fromCsv(clean, delimiter ?? (format === "csv" ? "," : "\t"));
    case "json":
      return { rows: fromJson(parse(clean, "the file")), firstColumn: undefined };
    case "ndjson":
      return {
        rows: linesOf(clean, (line, at) => ({ key: undefined, values: objectIn(line, at) })),
        firstColumn: undefined,
      };
    case "key_json":
      return { rows: linesOf(clean, fromKeyLine), firstColumn: undefined };
  }
}

function fromCsv(text: string, delimiter: string): Rows {
  const [header, ...lines] = csvRows(text, delimiter);
  if (header === undefined) throw invalid("there is no line with the names of columns");
  const names = header.map((name) => name.trim());
  const doubled = names.find((name, i) => names.indexOf(name) !== i);
  if (doubled !== undefined) throw invalid(`two columns are called ${JSON.stringify(doubled)}`);
  const rows = lines.map((line, i) => {
    if (line.length > names.length)
      throw invalid(`row ${i + 2} has ${line.length} fields, and there are ${names.length} columns`);
    return { key: undefined, values: fromPairs(line.map((value, k) => [names[k]!, value] as const)) };
  });
  return { rows, firstColumn: names[0] };
}

/** A list of objects, or an object whose names are keys. */
function fromJson(value: unknown): Row[] {
  if (Array.isArray(value)) {
    return value.map((item: unknown, i) => {
      if (!isObject(item)) throw invalid(`item ${i} of the list is no object`);
      return { key: undefined, values: item };
    });
  }
  if (!isObject(value)) throw invalid("the file holds neither a list nor an object");
  return Object.entries(value).flatMap(([key, item]) =>
    (Array.isArray(item) ? item : [item]).map((each: unknown) => rowOf(key, each)),
  );
}

/** `KEY:{"json": "of the row"}`; the key, which may hold colons itself, ends before the first one that JSON follows. */
function fromKeyLine(line: string, at: number): Row {
  for (let colon = line.indexOf(":"); colon > 0; colon = line.indexOf(":", colon + 1)) {
    const rest = line.slice(colon + 1).trim();
    if (!/^[{["\d-]|^(?:true|false|null)$/.test(rest)) continue;
    try {
      return rowOf(line.slice(0, colon).trim(), JSON.parse(rest));
    } catch {
      continue;
    }
  }
  throw invalid(`line ${at} is not KEY:{…}: ${JSON.stringify(line.slice(0, 60))}`);
}

function rowOf(key: string, value: unknown): Row {
  const values = isObject(value) ? value : { value };
  return { key, values: Object.hasOwn(values, "key") ? values : { key, ...values } };
}

function objectIn(line: string, at: number): Record<string, unknown> {
  const value = parse(line, `line ${at}`);
  if (!isObject(value)) throw invalid(`line ${at} is no JSON object`);
  return value;
}

function linesOf(text: string, read: (line: string, at: number) => Row): Row[] {
  return text.split("\n").flatMap((line, i) => (line.trim() === "" ? [] : [read(line.trim(), i + 1)]));
}

function parse(text: string, where: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw invalid(`${where} is not JSON: ${(error as Error).message.slice(0, 100)}`);
  }
}

function fromPairs(pairs: readonly (readonly [string, unknown])[]): Record<string, unknown> {
  return Object.fromEntries(pairs);
}

function invalid(message: string): WiretailError {
  return new WiretailError("WT_CONFIG_INVALID", message);
}
