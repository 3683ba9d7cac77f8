import { changeLine } from "../field-changes.ts";
import { paint, visible } from "../screen.ts";
import type { Trace, TracedSink, TracedStage } from "./trace.ts";

/** The journey as lines: read, stages, sinks, dead letters, store; what was worked out now is marked so. */
export function traceLines(trace: Trace, colour: boolean): string[] {
  const { bold, dim, yellow } = paint(colour);
  const { read, pipeline, stages, sinks, dead_letters: letters, stored } = trace;
  const lines = [`${bold("event")}  ${trace.id}`, "", bold("READ")];
  const moved = read.path !== null && read.path !== read.first_path ? ` (then ${visible(read.first_path ?? "?")})` : "";
  lines.push(
    `  source ${read.source ?? "?"}  ${visible(read.path ?? read.first_path ?? "?")}${moved}  byte ${read.offset}`,
  );
  if (read.line !== null) {
    const from = {
      file: "the file has it still",
      dead_letter: "from the dead letter",
      "event.original": "from event.original",
    };
    lines.push(`  ${visible(read.line)}  ${dim(`(${from[read.line_from!]})`)}`);
  }
  for (const each of read.unknown) lines.push(yellow(`  ! ${visible(each)}`));
  lines.push(
    "",
    bold(`STAGES${pipeline === null ? "" : ` of ${pipeline}`}`) +
      dim("  recomputed now, with the present configuration"),
  );
  if (stages === null)
    lines.push(
      yellow(
        `  ! not known: ${read.line === null ? "the line is not there" : "no pipeline of the configuration has this id"}`,
      ),
    );
  else {
    if (stages.length === 0) lines.push(dim("  none"));
    for (const stage of stages) lines.push(...stageLines(stage, colour));
  }
  lines.push("", bold("SINKS"));
  if (sinks.length === 0) lines.push(yellow("  ! not known: no pipeline of the configuration has this id"));
  for (const sink of sinks) lines.push(sinkLine(sink, colour));
  for (const { name } of letters) lines.push(dim(`  hint: wiretail dead-letters show -c FILE 'name: ${name}'`));
  if (stored !== null) {
    lines.push("", bold("STORE") + dim(`  ${stored.folder}`), `  ${visible(JSON.stringify(stored.document))}`);
    if (stored.differences?.length === 0) lines.push(dim("  the stages give the same now"));
    else if (stored.differences !== null) {
      lines.push(yellow("  ! the stages give something else now:"));
      for (const change of stored.differences) lines.push(`    ${changeLine(change, colour)}`);
    }
  }
  return lines;
}

const RESULTS: Readonly<Record<TracedStage["result"], string>> = {
  ...{ changed: "", unchanged: "no change", skipped: "its `when` is false", failed: "failed" },
  not_known: "not known: it decides by the events before this one, and is taken to have let it through",
  ...{ left_out: "left out", dead_letter: "to the dead letters" },
};

function stageLines({ stage, result, reason, changes }: TracedStage, colour: boolean): string[] {
  const { bold, dim, red, yellow } = paint(colour);
  const style = result === "failed" || result === "dead_letter" ? red : result === "left_out" ? yellow : dim;
  const text = RESULTS[result] + (reason === null ? "" : `: ${visible(reason)}`);
  return [
    `  ${bold(stage)}${text === "" ? "" : `  ${style(text)}`}`,
    ...changes.map((change) => `    ${changeLine(change, colour)}`),
  ];
}

function sinkLine({ sink, verdict, detail }: TracedSink, colour: boolean): string {
  const { bold, green, red, yellow, dim } = paint(colour);
  const words: Readonly<Record<TracedSink["verdict"], string>> = {
    ...{ delivered: green("✓ delivered"), dead_letter: red("✗ dead letter"), waiting: yellow("! waiting") },
    ...{ in_journal: yellow("! waiting"), not_for_it: dim("- not for it"), unknown: yellow("? not known") },
  };
  return `  ${bold(visible(sink))}  ${words[verdict]}  ${visible(detail)}`;
}
