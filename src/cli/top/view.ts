import type { AgentStatus } from "../../runtime/status.ts";
import { bytes, count, duration } from "../status-view.ts";
import { displayWidth, padEnd, paint, sparkline, visible, type Terminal } from "../terminal.ts";
import { SORTS, type TopRow, type TopSort } from "./model.ts";

/** What a person chose. */
export interface TopChoice {
  readonly sort: TopSort;
  readonly filter: string;
  /** The text of the filter is being typed. */
  readonly isTyping: boolean;
  readonly isPaused: boolean;
  readonly showsHelp: boolean;
  /** The row that is marked, of those that are shown. */
  readonly selected: number;
}

export interface TopView {
  readonly terminal: Terminal;
  /** Lines of the screen; Infinity where there is none. */
  readonly height: number;
  readonly choice: TopChoice;
  /** Rates of the last minute by row, the newest last. */
  readonly history: ReadonlyMap<string, readonly number[]>;
  /** What stands in the place of the present: why the agent does not answer. */
  readonly problem: string | undefined;
}

interface Column {
  readonly title: string;
  readonly isText?: boolean;
  readonly cell: (row: TopRow, view: TopView) => string;
  /** It is left out where the screen is narrower. */
  readonly minWidth: number;
}

const rateText = (perSecond: number): string =>
  perSecond === 0 ? "0" : perSecond < 10 ? perSecond.toFixed(1) : count(Math.round(perSecond));
const orEmpty = (amount: number): string => (amount === 0 ? "" : count(amount));

const COLUMNS: readonly Column[] = [
  { title: "STATE", isText: true, minWidth: 56, cell: stateCell },
  { title: "IN/s", minWidth: 0, cell: ({ inPerSecond }) => rateText(inPerSecond) },
  { title: "OUT/s", minWidth: 0, cell: ({ outPerSecond }) => rateText(outPerSecond) },
  {
    ...{ title: "BYTES/s", minWidth: 100 },
    cell: ({ bytesPerSecond }) => (bytesPerSecond === undefined ? "" : bytes(Math.round(bytesPerSecond))),
  },
  { title: "LAG/QUEUE", minWidth: 64, cell: lagCell },
  { title: "DROPPED", minWidth: 92, cell: ({ dropped }) => orEmpty(dropped) },
  { title: "ERRORS", minWidth: 74, cell: errorsCell },
  {
    ...{ title: "TIME", minWidth: 48 },
    cell: ({ share }) => (share === undefined ? "" : `${Math.round(share * 100)} %`),
  },
];

function stateCell({ state, isBad, kind }: TopRow, { terminal }: TopView): string {
  if (kind === "pipeline") return paint(terminal, "dim", state);
  if (state === "") return "";
  const isWaiting = state === "waiting" || state === "retrying";
  return paint(
    terminal,
    isWaiting ? "yellow" : isBad ? "red" : "green",
    `${isWaiting ? "!" : isBad ? "✗" : "✓"} ${state}`,
  );
}

function lagCell({ lagBytes, lagSeconds, queued }: TopRow): string {
  if (queued !== undefined) return queued === 0 ? "0" : `${count(queued)} ev`;
  if (lagBytes === undefined) return "";
  return lagBytes === 0 ? "0" : `${bytes(lagBytes)} ${duration(lagSeconds ?? 0)}`;
}

function errorsCell({ errors, newErrors }: TopRow, { terminal }: TopView): string {
  if (errors === 0) return "";
  return paint(
    terminal,
    newErrors > 0 ? "red" : "yellow",
    newErrors > 0 ? `${count(errors)} +${count(newErrors)}` : count(errors),
  );
}

/** The whole screen as lines, none longer than it is wide, not more than it is high. Pure. */
export function topScreen(status: AgentStatus | undefined, rows: readonly TopRow[], view: TopView): string[] {
  const { terminal, height, choice } = view;
  const fit = (line: string): string => cut(line, terminal.width);
  const head = status === undefined ? [paint(terminal, "dim", "asking the agent…")] : header(status, view);
  if (choice.showsHelp) return [...head, "", ...HELP].slice(0, height).map(fit);
  const foot = Number.isFinite(height) ? [footer(rows, view)] : [];
  const room = Math.max(1, height - head.length - 1 - foot.length);
  const table = tableLines(rows, view);
  const [title = "", ...lines] = table;
  const first = Math.max(0, Math.min(choice.selected - Math.floor(room / 2), lines.length - room));
  const shown = Number.isFinite(height) ? lines.slice(first, first + room) : lines;
  const marked = shown.map((line, i) =>
    Number.isFinite(height) && first + i === choice.selected
      ? paint(terminal, "inverse", padEnd(strip(fit(line)), terminal.width))
      : line,
  );
  const body =
    lines.length === 0
      ? [paint(terminal, "dim", choice.filter === "" ? "nothing runs" : `nothing contains "${visible(choice.filter)}"`)]
      : marked;
  const screen = [...head, paint(terminal, "bold", title), ...body];
  while (foot.length > 0 && screen.length < height - 1) screen.push("");
  return [...screen.slice(0, foot.length > 0 ? height - 1 : Infinity), ...foot].map(fit);
}

function header(status: AgentStatus, { terminal, problem, choice }: TopView): string[] {
  const health = status.healthy ? paint(terminal, "green", "✓ healthy") : paint(terminal, "red", "✗ not healthy");
  const { memory, journal, dead_letters: letters } = status;
  const parts = [
    `memory ${bytes(memory.queued_bytes)} of ${bytes(memory.budget_bytes)}`,
    ...(journal === null || journal.records === 0 ? [] : [`journal ${bytes(journal.used_bytes)}`]),
    ...(letters.letters === 0 ? [] : [paint(terminal, "yellow", `${count(letters.letters)} dead letters`)]),
    ...(status.equations.every(({ holds }) => holds) ? [] : [paint(terminal, "red", "✗ events do not add up")]),
  ];
  const lines = [
    `${paint(terminal, "bold", `wiretail ${status.version}`)} ${visible(status.hostname)}  ${health}  up ${duration(status.uptime_seconds)}  ${parts.join("  ")}`,
  ];
  if (problem !== undefined) lines.push(paint(terminal, "red", `✗ the last numbers, because ${visible(problem)}`));
  else if (choice.isPaused) lines.push(paint(terminal, "yellow", "paused: Space goes on"));
  return lines;
}

function footer(rows: readonly TopRow[], { terminal, choice }: TopView): string {
  const { filter, sort } = choice;
  if (choice.isTyping)
    return `filter: ${visible(filter)}${paint(terminal, "inverse", " ")}  ${paint(terminal, "dim", "Enter keeps it, Esc clears it")}`;
  const trouble = rows[choice.selected]?.trouble;
  if (trouble !== undefined) return paint(terminal, "red", visible(trouble));
  const filtered = filter === "" ? "" : `filter "${visible(filter)}"  `;
  return paint(
    terminal,
    "dim",
    `${filtered}sorted by ${sort}  s sort  / filter  Enter tap  Space pause  ? help  q quit`,
  );
}

const HELP = [
  "s        sort: by pipeline order, rate, lag and queue, errors, time",
  "/        show rows that contain a text (Enter keeps it, Esc clears it)",
  "↑ ↓ j k  mark a row; what is wrong with it stands on the last line",
  "Enter    tap the marked row: its events, live (Ctrl-C comes back)",
  "Space    pause and go on",
  "?        this help, and back",
  "q        quit",
  "",
  "IN/s OUT/s  events a second: of a sink, what was queued for it and what it has",
  "LAG/QUEUE   of a source: input that is not delivered, and for how long; of a sink: events that wait",
  "ERRORS      since the start: failed in a stage; sent again, refused or given up at a sink; +n are new",
  "TIME        share of all time spent in stages; a compiled pipeline is measured as a whole",
];

function tableLines(rows: readonly TopRow[], view: TopView): string[] {
  const { terminal, choice } = view;
  const columns = COLUMNS.filter(({ minWidth }) => terminal.width >= minWidth);
  const cells = rows.map((row) => columns.map((column) => column.cell(row, view)));
  const widths = columns.map(({ title }, i) => Math.max(title.length, ...cells.map((row) => displayWidth(row[i]!))));
  const rest = widths.reduce((sum, width) => sum + width + 2, 0);
  const names = rows.map((row) => nameOf(row, choice.sort === "pipeline"));
  const nameWidth = Math.max(8, Math.min(Math.max(4, ...names.map(displayWidth)), terminal.width - rest, 44));
  const trend = terminal.width - nameWidth - rest - 2;
  const line = (name: string, texts: readonly string[]): string =>
    padEnd(cut(name, nameWidth), nameWidth) +
    texts
      .map((text, i) => {
        const gap = " ".repeat(Math.max(0, widths[i]! - displayWidth(text)));
        return `  ${columns[i]!.isText === true ? text + gap : gap + text}`;
      })
      .join("");
  const hasTrend = trend >= 10 && rows.some((row) => (view.history.get(row.point)?.length ?? 0) > 1);
  return [
    line(
      "NAME",
      columns.map(({ title }) => title),
    ) + (hasTrend ? "  TREND" : ""),
    ...rows.map((row, i) => {
      const marks = hasTrend
        ? `  ${paint(terminal, "cyan", sparkline((view.history.get(row.point) ?? []).slice(-Math.min(60, trend)), terminal.hasUnicode))}`
        : "";
      return line(names[i]!, cells[i]!) + marks;
    }),
  ];
}

/** Indented as events pass; sorted in another way, a stage needs its pipeline's name. */
function nameOf({ kind, label, type, point }: TopRow, isTree: boolean): string {
  const name = visible(label);
  if (kind === "source" || kind === "sink") return `${name} (${kind}, ${type})`;
  if (kind === "pipeline") return `${isTree ? "  " : ""}${name} (pipeline)`;
  return isTree ? `    ${name}` : visible(point);
}

function strip(text: string): string {
  return text.replace(/\u001b\[[0-9;]*m/g, "");
}

/** The first cells of a text; its styles are kept and closed. */
export function cut(text: string, width: number): string {
  if (displayWidth(text) <= width) return text;
  let shown = "";
  let left = width - 1;
  for (const part of text.split(/(\u001b\[[0-9;]*m)/)) {
    if (part.startsWith("\u001b")) shown += part;
    else {
      for (const character of part) {
        const cells = displayWidth(character);
        if (cells > left) {
          left = 0;
          break;
        }
        shown += character;
        left -= cells;
      }
    }
    if (left <= 0) break;
  }
  return `${shown}…${shown.includes("\u001b") ? "\u001b[0m" : ""}`;
}

/** The sort after this one. */
export function nextSort(sort: TopSort): TopSort {
  return SORTS[(SORTS.indexOf(sort) + 1) % SORTS.length]!;
}
