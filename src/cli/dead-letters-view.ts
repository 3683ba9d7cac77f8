import type { DeadLetter } from "../disk/dead-letters/letter.ts";
import { letterName } from "../disk/dead-letters/letter.ts";
import type { DryRun } from "../runtime/replay/dry-run.ts";
import type { ReplayStatus } from "../runtime/replay/replays.ts";
import { alignColumns, formatCount, paint, visible, type Terminal } from "./terminal.ts";

/** Letters that were refused in the same place for the same reason. */
export interface LetterGroup {
  readonly pipeline: string;
  readonly sink: string | null;
  readonly stage: string | null;
  readonly reason: string;
  letters: number;
  readonly oldest: string;
  newest: string;
}

/** How many letters there are, and of which kinds; what `dead-letters list --json` prints. */
export interface LetterSummary {
  letters: number;
  readonly by_reason: Record<string, number>;
  readonly by_sink: Record<string, number>;
  readonly by_stage: Record<string, number>;
  readonly by_pipeline: Record<string, number>;
  readonly groups: LetterGroup[];
}

export function emptySummary(): LetterSummary {
  return { letters: 0, by_reason: {}, by_sink: {}, by_stage: {}, by_pipeline: {}, groups: [] };
}

/** Counts a letter. Reasons that name the event's own id are counted as one. */
export function addToSummary(summary: LetterSummary, letter: DeadLetter): void {
  const reason = letter.reason.replaceAll(letter.id, "…");
  summary.letters++;
  const count = (counts: Record<string, number>, key: string): void => {
    counts[key] = (Object.hasOwn(counts, key) ? counts[key]! : 0) + 1;
  };
  count(summary.by_reason, reason);
  count(summary.by_pipeline, letter.pipeline);
  if (letter.sink !== undefined) count(summary.by_sink, letter.sink);
  if (letter.stage !== undefined) count(summary.by_stage, `${letter.pipeline} / ${letter.stage}`);
  const { pipeline, sink = null, stage = null, at } = letter;
  const known = summary.groups.find(
    (group) => group.reason === reason && group.pipeline === pipeline && group.sink === sink && group.stage === stage,
  );
  if (known === undefined) summary.groups.push({ pipeline, sink, stage, reason, letters: 1, oldest: at, newest: at });
  else {
    known.letters++;
    known.newest = at;
  }
}

/** A line a group, the largest first. */
export function summaryLines(summary: LetterSummary, terminal: Terminal): string[] {
  if (summary.letters === 0) return ["no dead letters"];
  const groups = [...summary.groups].sort((a, b) => b.letters - a.letters);
  const rows = groups.map((group) => [
    formatCount(group.letters),
    visible(group.pipeline),
    group.sink === null ? `stage ${visible(group.stage ?? "?")}` : `sink ${visible(group.sink)}`,
    `${shortTime(group.oldest)} … ${shortTime(group.newest)}`,
    visible(cut(group.reason, terminal, 200)),
  ]);
  const head = ["LETTERS", "PIPELINE", "REFUSED BY", "BETWEEN", "REASON"].map((text) => paint(terminal, "bold", text));
  return [...alignColumns([head, ...rows]), "", `${formatCount(summary.letters)} dead letters`];
}

/** One letter on one line. */
export function letterLine(letter: DeadLetter, terminal: Terminal): string {
  const where = letter.sink === undefined ? `stage ${letter.stage ?? "?"}` : `sink ${letter.sink}`;
  return [
    letterName(letter),
    shortTime(letter.at),
    visible(`${letter.pipeline} ${where}`),
    visible(cut(letter.reason, terminal, 160)),
  ].join("  ");
}

/** Everything about one letter. */
export function letterLines(letter: DeadLetter, terminal: Terminal): string[] {
  const to = Object.keys(letter.to ?? {});
  const rows: [string, string | undefined][] = [
    ["name", letterName(letter)],
    ["at", letter.at],
    ["pipeline", letter.pipeline],
    ["sink", letter.sink],
    ["stage", letter.stage],
    ["did not reach", to.length === 0 ? undefined : to.join(", ")],
    ["reason", letter.reason],
    ["replayed", letter.replays === undefined ? undefined : `${letter.replays} times, in vain`],
    ["source", letter.source],
    ["event id", letter.id],
    ["event time", letter.time],
    ["original", letter.original],
    ["text", letter.text],
  ];
  const lines = rows
    .filter((row): row is [string, string] => row[1] !== undefined)
    .map(([name, value]) => `${paint(terminal, "dim", name.padEnd(13))}  ${visible(value)}`);
  if (letter.event !== undefined) {
    lines.push(paint(terminal, "dim", "event"));
    for (const line of JSON.stringify(letter.event, undefined, 2).split("\n")) lines.push(`  ${visible(line)}`);
  }
  return lines;
}

const OUTCOMES = {
  deliver: "would be delivered",
  fails: "would fail again",
  left_out: "would be left out by a filter",
  impossible: "cannot be replayed",
} as const;

/** What a replay would do; the first letters one by one where `maxLetters` allows. */
export function dryRunLines(run: DryRun, terminal: Terminal, maxLetters: number): string[] {
  if (run.selected === 0) return ["no dead letters match"];
  const lines: string[] = [];
  const rows = run.letters
    .slice(0, maxLetters)
    .map(({ name, outcome, how, to, reason }) => [
      name,
      paint(terminal, outcome === "deliver" ? "green" : "yellow", OUTCOMES[outcome]),
      outcome === "deliver" ? `to ${to.join(", ")}${how === "as_it_was" ? " as it was" : ""}` : visible(reason ?? ""),
    ]);
  lines.push(...alignColumns(rows));
  if (run.selected > rows.length && rows.length > 0)
    lines.push(paint(terminal, "dim", `… and ${formatCount(run.selected - rows.length)} more`));
  if (rows.length > 0) lines.push("");
  lines.push(`${formatCount(run.selected)} dead letters match:`);
  for (const [outcome, text] of Object.entries(OUTCOMES) as [keyof typeof OUTCOMES, string][])
    if (run.outcomes[outcome] > 0) lines.push(`  ${formatCount(run.outcomes[outcome])} ${text}`);
  for (const [sink, count] of Object.entries(run.to)) lines.push(`  ${formatCount(count)} events to ${visible(sink)}`);
  for (const [reason, count] of Object.entries(run.reasons)) lines.push(`  ${formatCount(count)} × ${visible(reason)}`);
  return lines;
}

/** How a replay stands, on one line. */
export function replayLine(status: ReplayStatus): string {
  const { delivered, failed, left_out, impossible, selected } = status;
  const parts = [`${formatCount(delivered)} of ${formatCount(selected)} delivered`];
  if (failed > 0) parts.push(`${formatCount(failed)} failed again`);
  if (left_out > 0) parts.push(`${formatCount(left_out)} left out by a filter`);
  if (impossible > 0) parts.push(`${formatCount(impossible)} could not be replayed`);
  for (const [sink, why] of Object.entries(status.waiting_for)) parts.push(`waiting for ${sink}: ${visible(why)}`);
  return parts.join(", ");
}

function shortTime(iso: string): string {
  return visible(iso.slice(0, 19).replace("T", " "));
}

function cut(text: string, terminal: Terminal, most: number): string {
  return terminal.isTerminal && text.length > most ? `${text.slice(0, most - 1)}…` : text;
}
