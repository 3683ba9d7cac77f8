import type { ChaosRunResult } from "./run.ts";

/** What a run came to, for people. */
export function runText(result: ChaosRunResult): string {
  const { sinks, faults, lines, lives, unreadable, deadLetters, breaches } = result;
  const text = [
    `  ${faults.length} faults of ${new Set(faults.map(({ kind }) => kind)).size} kinds, ${lives} lives of the agent, ${lines} lines, ` +
      `${unreadable} listed as unreadable, ${deadLetters.length} dead letters`,
  ];
  for (const [name, verdict] of Object.entries(sinks)) {
    const { found, missing, doubled, outOfOrder, mangled, unknown, unreadable: lost, deadLettered } = verdict;
    text.push(
      `  ${name.padEnd(13)} ${found} found, ${missing.length} missing, ${doubled.length} doubled, ${mangled.length + unknown.length} not as written, ` +
        `${deadLettered.length} dead-lettered, ${lost.length} of the unreadable not there, ${outOfOrder.length} out of order`,
    );
  }
  for (const breach of breaches) text.push(`  BREACH ${breach}`);
  if (result.folder !== undefined) text.push(`  kept: ${result.folder}`);
  if (breaches.length === 0) text.push("  as promised");
  return text.join("\n");
}

export interface ChaosSummary {
  readonly runs: number;
  readonly withBreaches: number;
  readonly lines: number;
  readonly faults: Readonly<Record<string, number>>;
}

export function summaryOf(results: readonly ChaosRunResult[]): ChaosSummary {
  const faults: Record<string, number> = {};
  for (const { kind } of results.flatMap((result) => result.faults)) faults[kind] = (faults[kind] ?? 0) + 1;
  return {
    runs: results.length,
    withBreaches: results.filter(({ breaches }) => breaches.length > 0).length,
    lines: results.reduce((sum, { lines }) => sum + lines, 0),
    faults,
  };
}

export function summaryText({ runs, withBreaches, lines, faults }: ChaosSummary): string {
  const kinds = Object.entries(faults)
    .sort(([, a], [, b]) => b - a)
    .map(([kind, count]) => `${kind} ${count}`);
  return `${runs} runs, ${withBreaches} with breaches, ${lines} lines; faults: ${kinds.join(", ")}`;
}
