import type { TapCounts, TappedEvent, TapStart } from "../runtime/tap/protocol.ts";
import { eventLine, type EventView } from "./search-view.ts";
import { displayWidth, formatCount, padEnd, paint, visible, type Terminal } from "./terminal.ts";

export interface TapView extends EventView {
  /** Width of the names of points in front of events; 0 to leave them out. */
  readonly pointWidth: number;
}

/** One event on a line: where it was tapped, the event as `search` shows it, and what a sink said of it. */
export function tappedLine({ point, outcome, event }: TappedEvent, view: TapView): string {
  const { terminal, pointWidth } = view;
  const line = eventLine(JSON.stringify(event), view);
  const where = pointWidth === 0 ? "" : paint(terminal, "bold", padEnd(visible(point), pointWidth)) + "  ";
  if (outcome === undefined) return where + line;
  const color = outcome === "delivered" ? "green" : "red";
  return `${where}${paint(terminal, color, visible(outcome))}  ${line}`;
}

/** `matched = shown + sampled + lost`, and what was not looked at: always the same words, for people and for scripts. */
export function countsText(counts: TapCounts): string {
  const { passed, matched, shown, sampled, lost, skipped } = counts;
  const equation = `${formatCount(matched)} matched = ${formatCount(shown)} shown + ${formatCount(sampled)} sampled + ${formatCount(lost)} lost`;
  const others = passed === matched ? "" : `, of ${formatCount(passed)} looked at`;
  return equation + others + (skipped === 0 ? "" : `; ${formatCount(skipped)} more not looked at`);
}

/** The line that stays at the bottom of a terminal, cut to its width. */
export function tapStatusLine(counts: TapCounts, perSecond: number, quiet: string, terminal: Terminal): string {
  const rate = perSecond >= 10 ? formatCount(perSecond) : perSecond.toFixed(1);
  const text = ` ${countsText(counts)} · ${rate}/s${quiet === "" ? "" : ` · ${quiet}`}`;
  let cut = text.slice(0, Math.max(0, terminal.width - 1));
  while (displayWidth(cut) > terminal.width - 1) cut = cut.slice(0, -1);
  return paint(terminal, "inverse", cut);
}

/** What is tapped, in words. */
export function startText({ points, at, max_per_second: rate }: TapStart): string {
  const names = points.map(({ name, kind }) => `${kind} ${name.replace(/^pipeline:/, "")}`);
  const some = names.length <= 4 ? names.join(", ") : `${names.slice(0, 3).join(", ")} and ${names.length - 3} more`;
  const verb = at === "in" ? "what enters" : at === "dropped" ? "what is left out by" : "what leaves";
  const isSinks = points.every(({ kind }) => kind === "sink");
  return `${isSinks ? "what is answered by" : verb} ${some}; at most ${formatCount(rate)} events a second, more are sampled`;
}
