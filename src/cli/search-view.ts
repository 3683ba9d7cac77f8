import { getIn } from "../core/path.ts";
import { formatWidth } from "../store/histogram.ts";
import type { Histogram, TopValue } from "../store/search.ts";
import { alignColumns, bar, displayWidth, formatCount, padEnd, paint, visible, type Terminal } from "./terminal.ts";

export interface EventView {
  readonly terminal: Terminal;
  readonly fields: readonly string[] | undefined;
  readonly utc: boolean;
}

type Color = "red" | "yellow" | "green" | "cyan" | "dim";
const LEVEL_COLORS: Readonly<Record<string, Color>> = {
  emerg: "red", fatal: "red", critical: "red", crit: "red", alert: "red", error: "red", err: "red", warning: "yellow", warn: "yellow",
  notice: "green", info: "green", information: "green", debug: "dim", trace: "dim",
}; // prettier-ignore
const CSV_FIELDS = ["@timestamp", "log.level", "host.name", "log.file.path", "message"];

/** One event on one line: time, level, source, message; or time and the chosen fields. */
export function eventLine(json: string, view: EventView): string {
  const object = JSON.parse(json) as Record<string, unknown>;
  const { terminal } = view;
  const time = paint(terminal, "dim", localTime(text(object, "@timestamp"), view.utc));
  if (view.fields !== undefined) return [time, ...view.fields.map((field) => visible(text(object, field)))].join("  ");
  const level = text(object, "log.level").toLowerCase();
  const dataset = text(object, "event.dataset") || baseName(text(object, "log.file.path")) || text(object, "host.name");
  const shownLevel = padEnd(visible(level).slice(0, 8), 5);
  const color = LEVEL_COLORS[level];
  return [
    time,
    color === undefined ? shownLevel : paint(terminal, color, shownLevel),
    paint(terminal, "cyan", padEnd(visible(dataset).slice(0, 24), 16)),
    visible(text(object, "message") || fieldsText(object), terminal.hasColor),
  ].join("  ");
}

/** What an event without a message has to say: `field=value`, what says the same of thousands of events left out. */
function fieldsText(object: Record<string, unknown>): string {
  const pairs: string[] = [];
  const add = (name: string, value: unknown): void => {
    if (SAID_ELSEWHERE.has(name)) return;
    if (typeof value === "object" && value !== null && !Array.isArray(value)) {
      for (const [key, inner] of Object.entries(value)) add(name === "" ? key : `${name}.${key}`, inner);
    } else {
      const isPlain = typeof value === "string" && /^[^\s"=]+$/.test(value);
      pairs.push(`${name}=${isPlain ? value : JSON.stringify(value)}`);
    }
  };
  add("", object);
  return pairs.join(" ");
}

const SAID_ELSEWHERE: ReadonlySet<string> = new Set([
  ...["_id", "@timestamp", "ecs", "host", "log", "agent"],
  ...["event.kind", "event.category", "event.type", "event.dataset"],
]);

function text(object: Record<string, unknown>, field: string): string {
  const value = getIn(object, field.split("."), 0);
  return value === undefined || value === null ? "" : typeof value === "string" ? value : JSON.stringify(value);
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

function localTime(iso: string, utc: boolean): string {
  const date = new Date(iso);
  if (utc || Number.isNaN(date.getTime())) return visible(iso).padEnd(24);
  const two = (n: number): string => String(n).padStart(2, "0");
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}

export function csvHeader(fields: readonly string[] = CSV_FIELDS): string {
  return fields.map((field) => (/[",\r\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field)).join(",");
}

export function csvLine(json: string, fields: readonly string[] = CSV_FIELDS): string {
  const object = JSON.parse(json) as Record<string, unknown>;
  return fields.map((field) => csvCell(visible(text(object, field)))).join(",");
}

/** RFC 4180, and an apostrophe before what a spreadsheet would take for a formula (numbers stay numbers). */
export function csvCell(value: string): string {
  const guarded = /^[=+\-@\t\r]/.test(value) && !/^-?\d+([.]\d+)?$/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(guarded) ? `"${guarded.replaceAll('"', '""')}"` : guarded;
}

/** A line a bucket: when, a bar, how many. */
export function histogramLines({ widthMs, buckets }: Histogram, terminal: Terminal, utc: boolean): string[] {
  if (buckets.length === 0) return [];
  const most = Math.max(...buckets.map((bucket) => bucket.count));
  const counts = buckets.map((bucket) => formatCount(bucket.count));
  const countWidth = Math.max(...counts.map((count) => count.length));
  const room = Math.max(10, terminal.width - 23 - countWidth - 3);
  const lines = buckets.map(({ fromMs, count }, i) => {
    const time = localTime(new Date(fromMs).toISOString(), utc)
      .slice(0, widthMs % 1000 === 0 ? 19 : 23)
      .replace("T", " ");
    return `${paint(terminal, "dim", time)}  ${counts[i]!.padStart(countWidth)}  ${paint(terminal, "cyan", bar(count / most, room, terminal.hasUnicode))}`.trimEnd();
  });
  return [...lines, paint(terminal, "dim", `${formatWidth(widthMs)} a bar`)];
}

/** A line a value: how many, which share, a bar, the value. */
export function topLines(
  field: string,
  top: { readonly values: readonly TopValue[]; readonly total: number },
  terminal: Terminal,
): string[] {
  const most = Math.max(1, ...top.values.map((value) => value.count));
  const rows = top.values.map(({ value, count }) => [
    formatCount(count),
    `${((100 * count) / Math.max(1, top.total)).toFixed(1)} %`,
    padEnd(paint(terminal, "cyan", bar(count / most, 20, terminal.hasUnicode)), 20),
    value === undefined ? paint(terminal, "dim", `(no ${field})`) : cut(visible(value), terminal),
  ]);
  const widths = [0, 1].map((column) => Math.max(0, ...rows.map((row) => row[column]!.length)));
  return alignColumns(
    rows.map(([count, share, ...rest]) => [count!.padStart(widths[0]!), share!.padStart(widths[1]!), ...rest]),
  );
}

function cut(value: string, terminal: Terminal): string {
  const room = Math.max(20, terminal.width - 45);
  return !terminal.isTerminal || displayWidth(value) <= room ? value : `${value.slice(0, room - 1)}…`;
}
