import { uptime } from "node:os";
import { Command, Option } from "commander";
import { compileTime, TIME_EXAMPLES } from "../../codec/time-range.ts";
import { KqlSyntaxError, pointAtFault } from "../../codec/kql/error.ts";
import { parseKql } from "../../codec/kql/parse.ts";
import type { KqlNode } from "../../codec/kql/ast.ts";
import { WiretailError } from "../../core/error.ts";
import { getIn } from "../../core/path.ts";
import type { Selection, StoreReader } from "../../store/search.ts";
import { csvHeader, csvLine, eventLine, histogramLines, topLines } from "../search-view.ts";
import { formatBytes, formatCount, paint, quietWriter, terminalOf, type Terminal } from "../terminal.ts";
import { storeFolder } from "../store-folder.ts";

interface SearchCommandOptions {
  config?: string;
  store?: string;
  since?: string;
  until?: string;
  limit?: string;
  json?: boolean;
  csv?: boolean;
  fields?: string;
  histogram?: boolean;
  top?: string;
  order?: "newest" | "oldest";
  color: boolean;
  utc?: boolean;
  failIfEmpty?: boolean;
  trace?: string;
}

const DEFAULT_LIMIT = 100;
const TOP_VALUES = 20;

/** `wiretail search`: events in the local store, also while the agent runs. */
export function searchCommand(): Command {
  return new Command("search")
    .summary("search the events in the local store")
    .description(
      "Searches the local store with KQL, the query language of Kibana, also while the agent runs. Without --since it covers everything.",
    )
    .argument("[kql...]", "what to find; nothing finds everything")
    .option("-c, --config <file>", "the host's configuration file: its sink of type local says where the store is")
    .option("--store <folder>", "the store's folder, instead of --config")
    .option("--since <time>", `only events from this time on: ${TIME_EXAMPLES}, yesterday, boot`)
    .option("--until <time>", "only events before this time")
    .option(
      "--limit <n>",
      `show at most so many events; 0 for all (default: ${DEFAULT_LIMIT}; with --top: ${TOP_VALUES} values)`,
    )
    .addOption(
      new Option(
        "--order <order>",
        "which come first: newest or oldest (default: the newest ones, printed oldest first)",
      ).choices(["newest", "oldest"]),
    )
    .option("--fields <names>", "show these fields, separated by commas")
    .option("--json", "print events (or buckets, or values) as JSON, one a line")
    .option("--csv", "print fields as CSV, for spreadsheets")
    .option("--histogram", "count events over time")
    .option("--top <field>", "count the values of a field")
    .option("--trace <id>", "show the journey of one event: read, stages, sinks, dead letters (needs --config)")
    .option("--utc", "show and read times in UTC instead of local time")
    .option("--fail-if-empty", "exit with 1 when nothing is found")
    .option("--no-color", "no colours")
    .addHelpText(
      "after",
      `
Examples:
  wiretail search -c config/host.json refused --since 15m
  wiretail search -c config/host.json 'http.response.status_code >= 500 and not url.path: /health*'
  wiretail search -c config/host.json 'event.dataset: nginx.access' --top source.ip
  wiretail search -c config/host.json --histogram --since yesterday
  wiretail search --store /var/lib/wiretail/store --json --limit 0 > all.ndjson
  wiretail search -c config/host.json --trace 1FqPU0MsMO9e40oC.oXLO.2737

Exit codes: 0 fine, also when nothing is found; 1 the store cannot be read, or --fail-if-empty; 2 wrong use, or a query that does not parse`,
    )
    .action(async (words: string[], options: SearchCommandOptions) => {
      if (options.trace !== undefined) {
        const { runTrace } = await import("./search-trace.ts");
        process.exitCode = await runTrace(options.trace, options);
      } else process.exitCode = await runSearch(words.join(" "), options);
    });
}

async function runSearch(query: string, options: SearchCommandOptions): Promise<number> {
  const startedMs = performance.now();
  const terminal = terminalOf(process.stdout, process.env, !options.color);
  const selection = toSelection(query, options);
  const limit = toLimit(options);
  const folder = await storeFolder(options);
  const { openStore } = await import("../../store/search.ts");
  const store = await openStore({ folder });
  const write = quietWriter(process.stdout);
  try {
    const summary = await show(store, selection, limit, options, terminal, write);
    const { segments, bytes } = store.size;
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(2);
    const errors = terminalOf(process.stderr, process.env, !options.color);
    process.stderr.write(
      `${paint(errors, "dim", `${summary.text} in ${seconds} s; store: ${segments} segments, ${formatBytes(bytes)}`)}\n`,
    );
    return summary.matched === 0 && options.failIfEmpty === true ? 1 : 0;
  } finally {
    await store.close();
  }
}

type Write = (text: string) => Promise<boolean>;
interface Summary {
  readonly matched: number;
  readonly text: string;
}

async function show(
  store: StoreReader,
  selection: Selection,
  limit: number | undefined,
  options: SearchCommandOptions,
  terminal: Terminal,
  write: Write,
): Promise<Summary> {
  if (options.top !== undefined) {
    const top = await store.top(selection, options.top, limit ?? TOP_VALUES);
    const lines =
      options.json === true
        ? top.values.map(({ value, count }) => JSON.stringify({ value: value ?? null, count }))
        : topLines(options.top, top, terminal);
    await writeLines(lines, write);
    return {
      matched: top.total,
      text: `${formatCount(top.distinct)} different values in ${formatCount(top.total)} matching`,
    };
  }
  if (options.histogram === true) {
    const offsetMs =
      options.utc === true ? 0 : -new Date(selection.fromMs ?? selection.nowMs).getTimezoneOffset() * 60_000;
    const histogram = await store.histogram(selection, offsetMs, HISTOGRAM_LINES);
    const matched = histogram.buckets.reduce((sum, bucket) => sum + bucket.count, 0);
    const lines =
      options.json === true
        ? histogram.buckets.map(({ fromMs, count }) =>
            JSON.stringify({ from: new Date(fromMs).toISOString(), width_ms: histogram.widthMs, count }),
          )
        : histogramLines(histogram, terminal, options.utc === true);
    await writeLines(lines, write);
    return { matched, text: `${formatCount(matched)} events` };
  }
  return showEvents(store, selection, limit, options, terminal, write);
}

async function showEvents(
  store: StoreReader,
  selection: Selection,
  limit: number | undefined,
  options: SearchCommandOptions,
  terminal: Terminal,
  write: Write,
): Promise<Summary> {
  const fields = options.fields
    ?.split(",")
    .map((field) => field.trim())
    .filter((field) => field !== "");
  const line =
    options.json === true
      ? (json: string) => jsonLine(json, fields)
      : options.csv === true
        ? (json: string) => csvLine(json, fields)
        : (json: string) => eventLine(json, { terminal, fields, utc: options.utc === true });
  if (options.csv === true) await write(csvHeader(fields) + "\n");
  if (limit === 0) {
    let shown = 0;
    for await (const { json } of store.all(selection, options.order ?? "oldest")) {
      if (!(await write(line(json) + "\n"))) break;
      shown++;
    }
    return { matched: shown, text: `${formatCount(shown)} events` };
  }
  const { matched, documents } = await store.search(selection, options.order ?? "newest", limit ?? DEFAULT_LIMIT);
  // Without a wish: the newest ones, as in a log, the last line being the last event.
  if (options.order === undefined) documents.reverse();
  await writeLines(
    documents.map(({ json }) => line(json)),
    write,
  );
  const total = await store.count({ ...selection, query: { kind: "all" } });
  return {
    matched,
    text: `${formatCount(documents.length)} shown of ${formatCount(matched)} matching, of ${formatCount(total)} events`,
  };
}

async function writeLines(lines: readonly string[], write: Write): Promise<void> {
  for (let i = 0; i < lines.length; i += 500) {
    if (!(await write(lines.slice(i, i + 500).join("\n") + "\n"))) return;
  }
}

function jsonLine(json: string, fields: readonly string[] | undefined): string {
  if (fields === undefined) return json;
  const object = JSON.parse(json) as Record<string, unknown>;
  return JSON.stringify(Object.fromEntries(fields.map((field) => [field, fieldOf(object, field) ?? null])));
}

function toSelection(text: string, options: SearchCommandOptions): Selection {
  const nowMs = Date.now();
  const zone = options.utc === true ? "utc" : "local";
  const time = (name: string, said: string | undefined): number | undefined => {
    if (said === undefined) return undefined;
    const expression = compileTime(said, zone, nowMs - uptime() * 1000);
    if (expression === undefined)
      throw new WiretailError("WT_USAGE", `${name} "${said}" is not a time`, {
        hint: `times look like ${TIME_EXAMPLES}`,
      });
    return expression(nowMs).fromMs;
  };
  const fromMs = time("--since", options.since);
  const toMs = time("--until", options.until);
  if (fromMs !== undefined && toMs !== undefined && fromMs >= toMs)
    throw new WiretailError("WT_USAGE", "--since is not before --until");
  return { query: parse(text), fromMs, toMs, nowMs };
}

function parse(text: string): KqlNode {
  try {
    return parseKql(text);
  } catch (error) {
    if (error instanceof KqlSyntaxError) process.stderr.write(`${pointAtFault(text, error)}\n`);
    throw error;
  }
}

function toLimit(options: SearchCommandOptions): number | undefined {
  if (options.limit === undefined) return undefined;
  if (!/^\d{1,9}$/.test(options.limit))
    throw new WiretailError("WT_USAGE", `--limit "${options.limit}" is not a whole number`, {
      hint: "0 shows all events",
    });
  if (options.json === true && options.csv === true)
    throw new WiretailError("WT_USAGE", "--json and --csv exclude each other");
  const limit = Number(options.limit);
  return limit === 0 && options.top !== undefined ? 1_000_000 : limit;
}

function fieldOf(object: Record<string, unknown>, field: string): unknown {
  return getIn(object, field.split("."), 0);
}

/** A histogram is a line a bar: it has to fit a terminal. */
const HISTOGRAM_LINES = 40;
