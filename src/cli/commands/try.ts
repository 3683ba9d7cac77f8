import { createReadStream } from "node:fs";
import { resolve } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { Command, InvalidArgumentError } from "commander";
import type { AnyStage } from "../../core/component.ts";
import type { Envelope, LogEvent } from "../../core/event.ts";
import { WiretailError } from "../../core/error.ts";
import { Path } from "../../core/path.ts";
import { loadPipelineFile } from "../../runtime/config/pipeline-file.ts";
import { formatProblem } from "../../runtime/config/problems.ts";
import { EMPTY_ENVELOPE, madeEvent, sampleEvent } from "../../runtime/sample-events.ts";
import { StageChain, type StageCounts } from "../../runtime/stage-chain.ts";
import { joinedObjects } from "../array-lines.ts";
import { changeLine, fieldChanges, fieldsOf } from "../field-changes.ts";
import { paint, visible, type Screen } from "../screen.ts";
import { plural } from "./check.ts";

/** Events that are shown when nobody says how many: a screen or two. */
const DEFAULT_LIMIT = 10;

const WARM_UP_RUNS = 300;
const WARM_UP_MS = 50;

export interface TryOptions {
  readonly json: boolean;
  /** 0 is all; undefined is all with --json, else DEFAULT_LIMIT. */
  readonly limit?: number | undefined;
}

export interface TryInput {
  /** Called once, when the pipeline is known to be good. */
  open(): Readable;
  /** Path of the file, or undefined for standard input. */
  readonly path: string | undefined;
}

/** `wiretail try`: runs lines through a pipeline and shows every step. Resolves with the exit code, 0 or 1. */
export async function runTry(
  pipelineName: string,
  input: TryInput,
  options: TryOptions,
  stages: readonly AnyStage[],
  screen: Screen,
): Promise<number> {
  const { pipeline, problems } = await loadPipelineFile(pipelineName, ".", { stages });
  if (pipeline === undefined) {
    for (const problem of problems) screen.err(`${formatProblem(problem)}\n`);
    return 1;
  }
  const limit = options.limit ?? (options.json ? 0 : DEFAULT_LIMIT);
  const nowMs = Date.now();
  const chain = new StageChain(pipeline.stages, () => nowMs);
  let baseline = chain.steps.map(({ counts }) => ({ ...counts }));
  const show = options.json ? jsonPrinter(chain, screen) : stepPrinter(chain, screen);
  let offset = 0;
  let count = 0;
  let stopped = false;
  const stream = input.open();
  const lines = createInterface({ input: stream, crlfDelay: Infinity });
  let failure: Error | undefined;
  stream.once("error", (error: Error) => {
    failure = error;
    lines.close();
  });
  try {
    for await (const line of joinedObjects(lines)) {
      if (limit > 0 && count === limit) {
        stopped = true;
        break;
      }
      await screen.ready?.();
      if (count === 0 && !options.json && !chain.remembers)
        baseline = warmUp(chain, () => sampleEvent(line, nowMs, offset, envelopeOf(input)));
      show(sampleEvent(line, nowMs, offset, envelopeOf(input)), ++count);
      offset += Buffer.byteLength(line) + 1;
    }
  } catch (error) {
    if (failure === undefined) throw error;
  } finally {
    lines.close();
    stream.destroy();
  }
  if (failure !== undefined) {
    throw new WiretailError("WT_SOURCE_FAILED", `cannot read ${input.path ?? "standard input"}: ${failure.message}`, {
      cause: failure,
    });
  }
  showMade(chain, nowMs, envelopeOf(input), options.json, screen);
  if (!options.json) printSummary(chain, baseline, count, screen);
  if (stopped) screen.err(`stopped after ${plural(count, "line")}; --limit 0 takes all\n`);
  return 0;
}

function envelopeOf({ path }: TryInput): Envelope {
  if (path === undefined) return EMPTY_ENVELOPE;
  return { paths: [new Path("log.file.path")], values: [path], offsetPath: new Path("log.offset") };
}

/** What stages made of events that they gathered, now that there are no more. */
function showMade(chain: StageChain, nowMs: number, envelope: Envelope, isJson: boolean, screen: Screen): void {
  const { bold, red } = paint(screen.colour);
  const made = chain.finish(
    nowMs,
    (each) => madeEvent(each, 0, { ...envelope, offsetPath: undefined }),
    (_event, _stage, reason) => screen.err(red(`to the dead letters: ${visible(reason)}`) + "\n"),
  );
  for (const [i, event] of made.entries()) {
    if (isJson) {
      screen.out(JSON.stringify(event.toObject()) + "\n");
      continue;
    }
    screen.out(`${bold(`made ${i + 1}`)}\n`);
    for (const [name, value] of fieldsOf(event.toObject()))
      screen.out(`    ${visible(name)} ${visible(JSON.stringify(value))}\n`);
    screen.out("\n");
  }
}

type Show = (event: LogEvent, number: number) => void;

function jsonPrinter(chain: StageChain, screen: Screen): Show {
  const { red } = paint(screen.colour);
  return (event, number) => {
    const left = chain.run([event], (_event, _stage, reason) =>
      screen.err(red(`line ${number}: to the dead letters: ${visible(reason)}`) + "\n"),
    );
    for (const each of left) screen.out(JSON.stringify(each.toObject()) + "\n");
  };
}

function stepPrinter(chain: StageChain, screen: Screen): Show {
  const { bold, dim, red, yellow } = paint(screen.colour);
  return (event, number) => {
    screen.out(`${bold(`line ${number}`)}  ${visible(event.line)}\n`);
    let fields = fieldsOf(event.toObject());
    const events = [event];
    for (const [index, step] of chain.steps.entries()) {
      const count = events.length;
      const { milliseconds, failed } = step.counts;
      let deadLetter: string | undefined;
      chain.runOne(index, events, (_event, _stage, reason) => (deadLetter = reason));
      const micros = `${((step.counts.milliseconds - milliseconds) * 1000).toFixed(0)} µs`;
      const after = fieldsOf((events[0] ?? event).toObject());
      const changes = fieldChanges(fields, after);
      const word = step.counts.failed > failed ? red("failed") : changes.length === 0 ? dim("no change") : "";
      screen.out(`  ${bold(step.label)}  ${dim(micros)}  ${word}\n`.replace(/ +\n/, "\n"));
      for (const change of changes) screen.out(`    ${changeLine(change, screen.colour)}\n`);
      if (events.length > count) screen.out(`    ${yellow(`${events.length} events`)}, of which the first is shown\n`);
      fields = after;
      if (events.length === 0) {
        screen.out(
          deadLetter === undefined
            ? `    ${yellow("dropped")}\n`
            : `    ${red("to the dead letters")}: ${visible(deadLetter)}\n`,
        );
        break;
      }
    }
    screen.out("\n");
  };
}

/**
 * Runs the first line through the stages until they are compiled, so that times are those of a running agent and not
 * of its first millisecond. Returns the counts so far, which the summary leaves out.
 */
function warmUp(chain: StageChain, makeEvent: () => LogEvent): StageCounts[] {
  const began = performance.now();
  for (let i = 0; i < WARM_UP_RUNS && performance.now() - began < WARM_UP_MS; i++)
    chain.run([makeEvent()], () => undefined);
  return chain.steps.map(({ counts }) => ({ ...counts }));
}

function printSummary(chain: StageChain, baseline: readonly StageCounts[], lines: number, screen: Screen): void {
  const { bold } = paint(screen.colour);
  const width = Math.max(5, ...chain.steps.map((step) => step.label.length));
  const row = (cells: readonly (string | number)[]): string => cells.map((cell) => String(cell).padStart(10)).join("");
  screen.out(`${bold(`${"stage".padEnd(width)}${row(["in", "out", "dropped", "failed", "µs/event"])}`)}\n`);
  chain.steps.forEach(({ label, counts }, index) => {
    const before = baseline[index]!;
    const count = counts.in - before.in;
    const micros = count === 0 ? "" : (((counts.milliseconds - before.milliseconds) * 1000) / count).toFixed(1);
    const cells = [
      count,
      counts.out - before.out,
      counts.dropped - before.dropped,
      counts.failed - before.failed,
      micros,
    ];
    screen.out(`${label.padEnd(width)}${row(cells)}\n`);
  });
  screen.out(`${plural(lines, "line")}\n`);
}

function parseLimit(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError("expected a whole number, 0 for all");
  return Number(text);
}

export function tryCommand(): Command {
  const command = new Command("try")
    .summary("show what a pipeline makes of lines")
    .description(
      "Runs lines through a pipeline and shows every event before and after each stage, with the fields that changed and the time it took.",
    )
    .argument("<pipeline>", "the name of a shipped pipeline, or the path of a pipeline file")
    .argument("[file]", "a file of lines, or a list of JSON objects printed over many; - or nothing is standard input")
    .option(
      "--limit <lines>",
      `stop after so many lines, 0 for all (default: ${DEFAULT_LIMIT}, with --json all)`,
      parseLimit,
    )
    .option("--json", "print the resulting events, one nested JSON object a line", false)
    .addHelpText(
      "after",
      `
Examples:
  wiretail try nginx-access /var/log/nginx/access.log
  tail -n 100 app.log | wiretail try ./my-pipeline.json --json

Exit codes: 0 done, 1 the pipeline has errors, 2 wrong use.`,
    );
  return command.action(async (pipeline: string, file: string | undefined, options: TryOptions) => {
    const fromStdin = file === undefined || file === "-";
    if (file === undefined && process.stdin.isTTY)
      command.error("error: no FILE, and standard input is a terminal", { exitCode: 2 });
    const path = fromStdin ? undefined : resolve(file);
    const open = (): Readable => (path === undefined ? process.stdin : createReadStream(path));
    const [{ components }, { processScreen }] = await Promise.all([import("../components.ts"), import("../screen.ts")]);
    process.exitCode = await runTry(pipeline, { open, path }, options, components.stages, processScreen());
  });
}
