import { execFile, execFileSync } from "node:child_process";
import { readFileSync, statSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { resolve } from "node:path";
import { promisify } from "node:util";
import { parseKql } from "../../codec/kql/parse.ts";
import { compileGetterPredicate } from "../../codec/kql/predicate.ts";
import { errorMessage, WiretailError } from "../../core/error.ts";
import { getIn, Path } from "../../core/path.ts";
import type { KeyIndex } from "./key-index.ts";
import { readMmdb } from "./mmdb.ts";
import { formatOf, readRows, type Row, type RowFormat, type TableFormat } from "./rows.ts";

/** Where a table comes from and what of it counts. */
export interface TableOptions {
  readonly file: string | undefined;
  readonly command: readonly string[] | undefined;
  readonly format: TableFormat | undefined;
  readonly delimiter: string | undefined;
  /** KQL over the rows. */
  readonly where: string | undefined;
  readonly keyColumn: string | undefined;
  /** Relative paths begin here, and commands run here. */
  readonly baseDir: string;
  readonly maxBytes: number;
}

/** A row with the text of its key. */
export type KeyedRow = readonly [key: string, values: Readonly<Record<string, unknown>>];

/**
 * A table out of a file or of what a command writes, read once by `load` and again by `reload` when the file changed, or
 * each time for a command.
 */
export class Table {
  /** As messages call it. */
  readonly name: string;
  rows: readonly KeyedRow[] = [];
  /** In place of rows: the table is a database of addresses. */
  addresses: KeyIndex<KeyedRow[1]> | undefined;
  readonly #options: TableOptions;
  readonly #format: TableFormat;
  readonly #path: string | undefined;
  readonly #where: ((row: Row) => boolean) | undefined;
  readonly #keyPath: Path | undefined;
  #seen = "";

  /** Throws WT_CONFIG_INVALID or WT_KQL_SYNTAX. */
  constructor(options: TableOptions) {
    this.#options = options;
    const { file, command, where, keyColumn } = options;
    this.#path = file === undefined ? undefined : resolve(options.baseDir, file);
    this.name = file ?? (command ?? []).join(" ");
    const format = options.format ?? (file === undefined ? undefined : formatOf(file));
    if (format === undefined) {
      throw new WiretailError("WT_CONFIG_INVALID", `the name of the table ${this.name} does not tell its format`, {
        hint: 'Say "format": csv, tsv, json, ndjson, key_json or mmdb.',
      });
    }
    this.#format = format;
    this.#keyPath = keyColumn === undefined ? undefined : new Path(keyColumn);
    if (where !== undefined) {
      const matches = compileGetterPredicate(parseKql(where));
      this.#where = ({ values }) => matches((path) => getIn(values, path.parts, 0));
    }
  }

  /** Reads the table and waits for it. Throws WT_CONFIG_UNREADABLE or WT_CONFIG_INVALID. */
  load(): void {
    const { command, baseDir, maxBytes } = this.#options;
    let text: string | Buffer;
    try {
      if (this.#path !== undefined) {
        this.#seen = this.#markOf(statSync(this.#path));
        text = readFileSync(this.#path, this.#format === "mmdb" ? null : "utf8");
      } else {
        const [program = "", ...args] = command!;
        text = execFileSync(program, args, {
          ...{ cwd: baseDir, timeout: COMMAND_TIMEOUT_MS, maxBuffer: maxBytes, encoding: "utf8" },
          stdio: ["ignore", "pipe", "pipe"],
        });
      }
    } catch (error) {
      throw this.#unreadable(error);
    }
    this.#take(text);
  }

  /** Reads the table again. Resolves with whether it is another one. Rejects as `load` throws; the rows stay then. */
  async reload(signal?: AbortSignal): Promise<boolean> {
    const { command, baseDir, maxBytes } = this.#options;
    let text: string | Buffer;
    let mark: string;
    try {
      if (this.#path !== undefined) {
        mark = this.#markOf(await stat(this.#path));
        if (mark === this.#seen) return false;
        text = await readFile(this.#path, { encoding: this.#format === "mmdb" ? null : "utf8", signal });
      } else {
        const [program = "", ...args] = command!;
        const options = { cwd: baseDir, timeout: COMMAND_TIMEOUT_MS, maxBuffer: maxBytes, signal };
        ({ stdout: text } = await run(program, args, options));
        mark = String(text);
        if (mark === this.#seen) return false;
      }
    } catch (error) {
      throw this.#unreadable(error);
    }
    // A file that is faulty is faulty until it changes again: one message is enough.
    this.#seen = mark;
    this.#take(text);
    return true;
  }

  #markOf({ size, mtimeMs, ino }: { size: number; mtimeMs: number; ino: number }): string {
    const { maxBytes } = this.#options;
    if (size > maxBytes)
      throw new WiretailError("WT_CONFIG_INVALID", `it has ${size} bytes, and max_bytes is ${maxBytes}`);
    return `${ino} ${size} ${mtimeMs}`;
  }

  #take(content: string | Buffer): void {
    const format = this.#format;
    if (format !== "mmdb") {
      this.rows = this.#read(String(content), format);
      return;
    }
    try {
      this.addresses = this.#filtered(readMmdb(Buffer.from(content)));
    } catch (error) {
      throw new WiretailError("WT_CONFIG_INVALID", `table ${this.name}: ${errorMessage(error)}`, { cause: error });
    }
  }

  #filtered(index: KeyIndex<KeyedRow[1]>): KeyIndex<KeyedRow[1]> {
    const where = this.#where;
    if (where === undefined) return index;
    return { ...index, find: (value) => index.find(value)?.filter((values) => where({ key: value, values })) };
  }

  #read(text: string, format: RowFormat): readonly KeyedRow[] {
    try {
      const { rows, firstColumn } = readRows(text, format, this.#options.delimiter);
      const keyPath = this.#keyPath ?? (firstColumn === undefined ? undefined : new Path(firstColumn));
      const keyed: KeyedRow[] = [];
      for (const row of rows) {
        if (this.#where?.(row) === false) continue;
        const key = keyPath === undefined ? row.key : getIn(row.values, keyPath.parts, 0);
        if (keyPath === undefined && key === undefined) {
          throw new WiretailError("WT_CONFIG_INVALID", 'its rows have no key of their own: say "key_column"');
        }
        for (const each of Array.isArray(key) ? (key as unknown[]) : [key]) {
          if (typeof each === "string" || typeof each === "number" || typeof each === "boolean")
            keyed.push([String(each), row.values]);
        }
      }
      if (keyed.length === 0 && rows.length > 0 && this.#where === undefined) {
        const columns = Object.keys(rows[0]!.values).slice(0, 12).join(", ");
        throw new WiretailError(
          "WT_CONFIG_INVALID",
          `no row has the column ${keyPath?.name ?? "key"}; the first one has ${columns}`,
        );
      }
      return keyed;
    } catch (error) {
      throw new WiretailError("WT_CONFIG_INVALID", `table ${this.name}: ${errorMessage(error)}`, { cause: error });
    }
  }

  #unreadable(error: unknown): WiretailError {
    const what = this.#path === undefined ? "the command of the table" : "the table";
    const message = errorMessage(error).split("\n")[0]!;
    const code = error instanceof WiretailError ? error.code : "WT_CONFIG_UNREADABLE";
    return new WiretailError(code, `${what} ${this.name} cannot be read: ${message}`, { cause: error });
  }
}

const run = promisify(execFile);
const COMMAND_TIMEOUT_MS = 30_000;
