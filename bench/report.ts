import { CASES } from "./cases.ts";
import type { Measurement } from "./measure.ts";
import { median } from "./statistics.ts";

/** What `--json` prints and `--save` keeps. */
export interface Result {
  readonly at: string;
  readonly commit: string;
  readonly host: {
    readonly cpu: string;
    readonly cores: number;
    readonly memory_gib: number;
    readonly kernel: string;
    /** Of the agent. */
    readonly node: string;
  };
  readonly lines: number;
  /** `server`: what was unusual about it, after a comma. */
  readonly runs: ({
    readonly case: string;
    readonly sender: string;
    readonly repeat: number;
    readonly server: string;
  } & Omit<Measurement, "samples">)[];
}

/** Medians over the repeats of each case and sender, as a Markdown table. */
export function markdownTable(result: Result): string {
  const header = [
    "case",
    "sender",
    "events/s",
    "MB/s",
    "CPU s per million",
    "peak MB",
    "missing",
    "doubled",
    "share of the bound",
  ];
  const rows: string[][] = [];
  for (const { name, title } of CASES) {
    const ofCase = result.runs.filter((run) => run.case === name);
    for (const [sender, server] of [
      ...new Map(ofCase.map((r) => [r.sender + r.server, [r.sender, r.server]])).values(),
    ]) {
      const runs = ofCase.filter((run) => run.sender === sender && run.server === server);
      const bound = ofCase.filter((run) => run.sender === "bare loop");
      const rate = median(runs.map((run) => run.eventsPerSecond));
      const share =
        sender === "agent" && bound.length > 0 ? rate / median(bound.map((run) => run.eventsPerSecond)) : undefined;
      rows.push([
        title + server!,
        sender!,
        Math.round(rate).toLocaleString("en"),
        median(runs.map((run) => run.megabytesPerSecond)).toFixed(1),
        median(runs.map((run) => run.cpuSecondsPerMillion)).toFixed(2),
        median(runs.map((run) => run.peakMegabytes)).toFixed(0),
        String(Math.max(...runs.map((run) => run.missing))),
        String(Math.max(...runs.map((run) => run.doubled))),
        share === undefined ? "" : `${Math.round(share * 100)} %`,
      ]);
    }
  }
  const widths = header.map((cell, i) => Math.max(cell.length, ...rows.map((row) => row[i]!.length)));
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, i) => (i < 2 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join(" | ")} |`;
  const rule = `|${widths.map((width, i) => (i < 2 ? "-".repeat(width + 2) : "-".repeat(width + 1) + ":")).join("|")}|`;
  return [line(header), rule, ...rows.map(line)].join("\n") + "\n";
}

/** The kept result as a page. */
export function resultText(result: Result): string {
  const repeats = Math.max(...result.runs.map((run) => run.repeat));
  const { cpu, cores, memory_gib, kernel, node } = result.host;
  return `# ${result.at.slice(0, 10)}: ${cpu}, ${cores} cores, Node ${node}

${result.lines.toLocaleString("en")} lines, medians of ${repeats} run${repeats === 1 ? "" : "s"}, commit ${result.commit}, ${kernel}, ${memory_gib} GiB.
What is measured and how to run it again: [../README.md](../README.md). Every run: the JSON file of the same name.

${markdownTable(result)}`;
}
