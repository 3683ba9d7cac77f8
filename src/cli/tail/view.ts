import { isStackTrace } from "../../runtime/recognition/continuation.ts";
import { formatCount, paint, visible, type Terminal } from "../terminal.ts";
import type { Severity } from "./severity.ts";

/** One event as it is shown. */
export interface Row {
  /** Name of its input, or undefined when there is only one. */
  readonly label: string | undefined;
  /** Its text, line by line, as it was read: not safe for a terminal. */
  readonly lines: readonly string[];
  readonly severity: Severity;
}

export interface ViewOptions {
  readonly terminal: Terminal;
  /** Show only the first line of stack traces, and how many more there are. */
  readonly folds: boolean;
  /** Matches of these are marked. Without `g`. */
  readonly highlight: readonly RegExp[];
  readonly labels: readonly string[];
}

const STYLES: Readonly<Record<Severity, Parameters<typeof paint>[1] | undefined>> = {
  error: "red",
  warning: "yellow",
  normal: undefined,
  quiet: "dim",
};
const LABEL_STYLES = ["cyan", "magenta", "green", "blue", "yellow"] as const;

/** Lines of a row for a terminal or a pipe, without line ends. */
export function rowLines(row: Row, view: ViewOptions, folds = view.folds): string[] {
  const { terminal } = view;
  const shown = folds && isStackTrace(row.lines) ? row.lines.slice(0, 1) : row.lines;
  const label = row.label === undefined ? "" : `${paintLabel(row.label, view)} `;
  const lines = shown.map((line) => label + paintLine(line, row.severity, view));
  const hidden = row.lines.length - shown.length;
  if (hidden > 0) lines[0] += paint(terminal, "dim", `  +${formatCount(hidden)} ${hidden === 1 ? "line" : "lines"}`);
  return lines;
}

function paintLabel(label: string, { labels, terminal }: ViewOptions): string {
  const width = Math.max(...labels.map((each) => each.length));
  return paint(terminal, LABEL_STYLES[labels.indexOf(label) % LABEL_STYLES.length] ?? "cyan", label.padEnd(width));
}

function paintLine(line: string, severity: Severity, { terminal, highlight }: ViewOptions): string {
  const safe = visible(line, terminal.hasColor);
  if (!terminal.hasColor) return safe;
  const style = STYLES[severity];
  // Text that brings its own colours keeps them.
  if (safe.includes("\u001b")) return safe;
  const marked = markMatches(safe, highlight, (text) => paint(terminal, "inverse", text));
  return style === undefined ? marked : paint(terminal, style, marked);
}

/** Gives every match of the patterns to `mark`; the first pattern wins where they overlap. */
export function markMatches(text: string, patterns: readonly RegExp[], mark: (text: string) => string): string {
  const found = patterns
    .flatMap((pattern) => [...text.matchAll(new RegExp(pattern.source, `${pattern.flags}g`))])
    .filter((match) => match[0] !== "")
    .map((match) => [match.index, match.index + match[0].length] as const)
    .sort(([a], [b]) => a - b);
  let out = "";
  let at = 0;
  for (const [from, to] of found) {
    if (from < at) continue;
    out += text.slice(at, from) + mark(text.slice(from, to));
    at = to;
  }
  return out + text.slice(at);
}

/** The text of `--highlight`, to be found as it stands, whatever the case. */
export function highlightPattern(text: string): RegExp {
  return new RegExp(text.replaceAll(/[\\^$.*+?()[\]{}|]/g, "\\$&"), "i");
}
