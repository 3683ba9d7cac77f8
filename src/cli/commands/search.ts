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
import { formatBytes, formatCount, paint, quietWriter, terminalOf, visible, type Terminal } from "../terminal.ts";
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
  id?: string;
  afterContext?: string;
  beforeContext?: string;
  context?: string;
  save?: string;
  saved?: string;
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
    .option("--id <id>", "show the event with this _id, whole")
    .option("-A, --after-context <n>", "show n events after each one that is found, of the same file")
    .option("-B, --before-context <n>", "show n events before each one that is found, of the same file")
    .option("-C, --context <n>", "show n events before and after")
    .option("--save <name>", "keep this search under a name, in the store's folder")
    .option("--saved <name>", "the search that was kept under a name; what is said beside it is added, or wins")
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
  wiretail search -c config/host.json refused --since 1h -C 3
  wiretail search -c config/host.json 'log.level: error' --since 1d --save errors
  wiretail search -c config/host.json --saved errors --top host.name
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

async function runSearch(words: string, given: SearchCommandOptions): Promise<number> {
  const startedMs = performance.now();
  const folder = await storeFolder(given);
  const { query, options } = await withSaved(words, given, folder);
  const terminal = terminalOf(process.stdout, process.env, !options.color);
  const selection = toSelection(query, options);
  const limit = toLimit(options);
  const near = toContext(options);
  if (options.save !== undefined) await keep(options.save, query, options, folder);
  const { openStore } = await import("../../store/search.ts");
  const store = await openStore({ folder });
  const write = quietWriter(process.stdout);
  const search: Search = { store, selection, limit, options, terminal, write };
  try {
    const summary =
      options.id !== undefined
        ? await showOne(store, options.id, options, write)
        : near === undefined
          ? await show(search)
          : await showContext(search, near);
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
/** What is looked for, and where and how it is shown. */
interface Search {
  readonly store: StoreReader;
  readonly selection: Selection;
  readonly limit: number | undefined;
  readonly options: SearchCommandOptions;
  readonly terminal: Terminal;
  readonly write: Write;
}
interface Summary {
  readonly matched: number;
  readonly text: string;
}

async function show(search: Search): Promise<Summary> {
  const { store, selection, limit, options, terminal, write } = search;
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
  return showEvents(search);
}

/** Options that belong to a search and not to how it is called. */
const SAVED_OPTIONS = ["since", "until", "limit", "order", "fields", "histogram", "top", "utc", "afterContext", "beforeContext", "context"] as const; // prettier-ignore

/** What `--saved` stands for, with what is said beside it. */
async function withSaved(
  words: string,
  options: SearchCommandOptions,
  folder: string,
): Promise<{ query: string; options: SearchCommandOptions }> {
  if (options.saved === undefined) return { query: words, options };
  const { savedSearch } = await import("../saved-searches.ts");
  const saved = await savedSearch(folder, options.saved);
  const query = words === "" ? saved.query : saved.query === "" ? words : `(${saved.query}) and (${words})`;
  return { query, options: { ...(saved.options as Partial<SearchCommandOptions>), ...options } };
}

async function keep(name: string, query: string, options: SearchCommandOptions, folder: string): Promise<void> {
  const { saveSearch } = await import("../saved-searches.ts");
  const kept = SAVED_OPTIONS.flatMap((key) => (options[key] === undefined ? [] : [[key, options[key]] as const]));
  await saveSearch(folder, name, { query, options: Object.fromEntries(kept) });
  process.stderr.write(`saved; again with: wiretail search --saved ${name}\n`);
}

async function showOne(store: StoreReader, id: string, options: SearchCommandOptions, write: Write): Promise<Summary> {
  const query: KqlNode = { kind: "is", field: "_id", value: { text: id, quoted: true, pieces: undefined } };
  const { matched, documents } = await store.search({ query, fromMs: undefined, toMs: undefined, nowMs: Date.now() }, "newest", 10); // prettier-ignore
  for (const { json } of documents)
    await write((options.json === true ? json : visibleJson(JSON.stringify(JSON.parse(json), undefined, 2))) + "\n");
  return { matched, text: matched === 0 ? `no event has the id ${id}` : `${formatCount(matched)} events` };
}

/** Control characters beyond those of ASCII, which JSON lets stand. */
function visibleJson(text: string): string {
  return text.split("\n").map((line) => visible(line)).join("\n"); // prettier-ignore
}

async function showContext(
  { store, selection, limit = DEFAULT_LIMIT, options, terminal, write }: Search,
  near: { readonly before: number; readonly after: number },
): Promise<Summary> {
  const { surroundings } = await import("../search-context.ts");
  const { matched, documents } = await store.search(selection, options.order ?? "newest", limit);
  if (options.order === undefined) documents.reverse();
  const { groups, withoutFile } = await surroundings(store, documents, near, selection.nowMs);
  const line = lineMaker(options, terminal);
  const lines: string[] = options.csv === true ? [csvHeader(fieldsOf(options))] : [];
  for (const [i, group] of groups.entries()) {
    if (i > 0 && options.json !== true && options.csv !== true) lines.push(paint(terminal, "dim", "--"));
    for (const { json, isMatch } of group) {
      const mark = options.json === true || options.csv === true ? "" : isMatch ? "> " : "  ";
      lines.push(mark + line(json));
    }
  }
  if (lines.length > 0) await writeLines(lines, write);
  const apart =
    withoutFile === 0 ? "" : `; ${formatCount(withoutFile)} are from no file, and nothing stands around them`;
  return { matched, text: `${formatCount(documents.length)} of ${formatCount(matched)} matching${apart}` };
}

function fieldsOf({ fields }: SearchCommandOptions): string[] | undefined {
  return fields
    ?.split(",")
    .map((field) => field.trim())
    .filter((field) => field !== "");
}

/** How a document is printed. */
function lineMaker(options: SearchCommandOptions, terminal: Terminal): (json: string) => string {
  const fields = fieldsOf(options);
  if (options.json === true) return (json) => jsonLine(json, fields);
  if (options.csv === true) return (json) => csvLine(json, fields);
  return (json) => eventLine(json, { terminal, fields, utc: options.utc === true });
}

async function showEvents(search: Search): Promise<Summary> {
  const { store, selection, limit, options, terminal, write } = search;
  const fields = fieldsOf(options);
  const line = lineMaker(options, terminal);
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

/** How many events to show around each, or undefined: none. */
function toContext(options: SearchCommandOptions): { before: number; after: number } | undefined {
  const { afterContext, beforeContext, context } = options;
  if (afterContext === undefined && beforeContext === undefined && context === undefined) return undefined;
  if (options.histogram === true || options.top !== undefined || options.id !== undefined)
    throw new WiretailError("WT_USAGE", "-A, -B and -C go with events, not with --id, --histogram or --top");
  if (options.limit === "0")
    throw new WiretailError("WT_USAGE", "-A, -B and -C do not go with --limit 0", { hint: "say --limit 1000" });
  const read = (name: string, said: string | undefined): number => {
    if (said === undefined) return 0;
    if (/^\d{1,3}$/.test(said)) return Number(said);
    throw new WiretailError("WT_USAGE", `${name} "${said}" is not a whole number below 1000`);
  };
  const both = context === undefined ? undefined : read("-C", context);
  return {
    before: beforeContext === undefined ? (both ?? 0) : read("-B", beforeContext),
    after: afterContext === undefined ? (both ?? 0) : read("-A", afterContext),
  };
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
