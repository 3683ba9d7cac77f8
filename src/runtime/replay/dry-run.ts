import { join } from "node:path";
import { compileLetterQuery } from "../../disk/dead-letters/query.ts";
import { readLetters } from "../../disk/dead-letters/segments.ts";
import type { HostConfig } from "../config/types.ts";
import { ReplayPlanner, type PlannedLetter } from "./planner.ts";

/** What a replay would do, without doing it. */
export interface DryRun {
  readonly selected: number;
  readonly outcomes: Readonly<Record<PlannedLetter["outcome"], number>>;
  /** Events that would go to each sink. */
  readonly to: Readonly<Record<string, number>>;
  /** Why letters would stay. */
  readonly reasons: Readonly<Record<string, number>>;
  /** The first ones, by themselves. */
  readonly letters: readonly DryLetter[];
}

export interface DryLetter {
  readonly name: string;
  readonly id: string;
  readonly pipeline: string;
  readonly outcome: PlannedLetter["outcome"];
  readonly how: PlannedLetter["how"];
  readonly to: readonly string[];
  readonly reason: string | null;
}

/** Takes the letters that a query selects through the pipelines of a configuration; nothing is sent or changed. */
export async function dryRun(
  config: HostConfig,
  query: string,
  asItWas: boolean,
  nowMs: () => number,
): Promise<DryRun> {
  const isSelected = compileLetterQuery(query);
  const planner = new ReplayPlanner(config, { asItWas, nowMs });
  const outcomes = { deliver: 0, fails: 0, left_out: 0, impossible: 0 };
  const to: Record<string, number> = {};
  const reasons: Record<string, number> = {};
  const letters: DryLetter[] = [];
  let selected = 0;
  for await (const letter of readLetters(join(config.stateDir, "dead-letters"))) {
    if (!isSelected(letter)) continue;
    // The agent has other things to do as well.
    if (++selected % 200 === 0) await new Promise(setImmediate);
    const { name, outcome, how, sinks, reason } = planner.plan(letter);
    outcomes[outcome]++;
    const names = outcome === "deliver" ? sinks.map((sink) => sink.name) : [];
    for (const sink of names) to[sink] = (to[sink] ?? 0) + 1;
    if (reason !== undefined && (Object.hasOwn(reasons, reason) || Object.keys(reasons).length < MAX_REASONS))
      reasons[reason] = (reasons[reason] ?? 0) + 1;
    if (letters.length < MAX_LETTERS)
      letters.push({ name, id: letter.id, pipeline: letter.pipeline, outcome, how, to: names, reason: reason ?? null });
  }
  return { selected, outcomes, to, reasons, letters };
}

const MAX_REASONS = 100;
const MAX_LETTERS = 10_000;
