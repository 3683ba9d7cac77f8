import { Command, InvalidArgumentError } from "commander";
import type { AnyStage } from "../../core/component.ts";
import { WiretailError } from "../../core/error.ts";
import { loadPipelineFile, shippedPipelines } from "../../runtime/config/pipeline-file.ts";
import { formatProblem } from "../../runtime/config/problems.ts";
import { PipelineCoverage } from "../../runtime/pipeline-coverage.ts";
import { runPipelineTests, type EventDifference, type PipelineTestResult } from "../../runtime/pipeline-test.ts";
import { paint, visible, type Screen } from "../screen.ts";
import { plural } from "./check.ts";

export interface TestOptions {
  readonly json: boolean;
  /** Percent of the ways through each pipeline that its tests have to take. */
  readonly minCoverage?: number | undefined;
}

/** `wiretail test`: resolves with the exit code, 0 or 1. */
export async function runTest(
  names: readonly string[],
  options: TestOptions,
  stages: readonly AnyStage[],
  screen: Screen,
): Promise<number> {
  const { red, green, dim, bold } = paint(screen.colour);
  const pipelines = names.length > 0 ? names : shippedPipelines();
  if (pipelines.length === 0)
    throw new WiretailError("WT_CONFIG_UNREADABLE", "the pipelines folder of this installation is missing or empty");
  let passed = 0;
  let failed = 0;
  let poorlyCovered = 0;
  for (const name of pipelines) {
    const { pipeline, problems } = await loadPipelineFile(name, ".", { stages });
    if (pipeline === undefined) {
      failed++;
      const lines = problems.map(formatProblem);
      screen.out(
        options.json
          ? JSON.stringify({ pipeline: name, ok: false, problems: lines }) + "\n"
          : `${bold(name)}\n${lines.join("\n")}\n`,
      );
      continue;
    }
    const coverage = new PipelineCoverage(pipeline.stages);
    const results = runPipelineTests(pipeline, coverage);
    if (!options.json) screen.out(`${bold(name)}${results.length === 0 ? dim("  has no tests") : ""}\n`);
    for (const result of results) {
      if (result.ok) passed++;
      else failed++;
      if (options.json) screen.out(JSON.stringify({ pipeline: name, ...result }) + "\n");
      else {
        screen.out(`  ${result.ok ? green("✓") : red("✗")} ${result.name}\n`);
        if (!result.ok) screen.out(explain(result, screen.colour));
      }
    }
    const isPoor = percentOf(coverage) < (options.minCoverage ?? 0);
    if (isPoor) poorlyCovered++;
    if (options.json) screen.out(JSON.stringify({ pipeline: name, coverage: coverageJson(coverage) }) + "\n");
    else if (results.length > 0) screen.out(explainCoverage(coverage, isPoor, screen.colour));
  }
  if (!options.json)
    screen.out(
      `${failed === 0 && poorlyCovered === 0 ? green("✓") : red("✗")} ${plural(passed, "test")} passed, ${failed} failed${
        poorlyCovered === 0 ? "" : `, ${plural(poorlyCovered, "pipeline")} below ${options.minCoverage!} % coverage`
      }\n`,
    );
  return failed === 0 && poorlyCovered === 0 ? 0 : 1;
}

/** 100 where there is nothing to take. */
function percentOf({ branches }: PipelineCoverage): number {
  const taken = branches.filter(({ events }) => events > 0).length;
  return branches.length === 0 ? 100 : (100 * taken) / branches.length;
}

function coverageJson(coverage: PipelineCoverage): object {
  const { branches, missing } = coverage;
  return {
    branches: branches.length,
    taken: branches.filter(({ events }) => events > 0).length,
    missing: missing.map(({ stage, branch, location: { file, line, column } }) => ({
      ...{ stage, branch, file, line, column },
    })),
  };
}

/** Which ways through the pipeline no test takes, with where the stage is written. */
function explainCoverage(coverage: PipelineCoverage, isPoor: boolean, colour: boolean): string {
  const { dim, yellow, red } = paint(colour);
  const { branches, missing } = coverage;
  if (branches.length === 0) return "";
  const taken = branches.filter(({ events }) => events > 0).length;
  const text = `  coverage: ${taken} of ${branches.length} ways through the stages (${Math.floor(percentOf(coverage))} %)`;
  const lines = [isPoor ? red(text) : missing.length > 0 ? yellow(text) : dim(text)];
  for (const { stage, branch, location } of missing)
    lines.push(yellow(`    no test in which ${branch}: ${stage}`) + dim(`  ${location.file}:${location.line}`));
  return lines.map((line) => `${line}\n`).join("");
}

function explain(result: PipelineTestResult, colour: boolean): string {
  const { red, dim } = paint(colour);
  const lines = result.error === undefined ? [] : [red(`    ${visible(result.error)}`)];
  for (const difference of result.differences) lines.push(...explainEvent(difference, colour));
  for (const reason of result.deadLetters) lines.push(dim(`    dead-lettered: ${visible(reason)}`));
  return lines.map((line) => `${line}\n`).join("");
}

function explainEvent({ index, expected, actual, fields }: EventDifference, colour: boolean): string[] {
  const { red, green, dim } = paint(colour);
  const show = (value: unknown): string => (value === undefined ? "absent" : visible(JSON.stringify(value)));
  if (expected === undefined) return [dim(`    event ${index}: one too many`), red(`    + ${show(actual)}`)];
  if (actual === undefined) return [dim(`    event ${index}: missing`), green(`    - ${show(expected)}`)];
  const lines = [dim(`    event ${index}:  `) + green("- expected") + "  " + red("+ actual")];
  for (const { path, expected: wanted, actual: found } of fields) {
    lines.push(green(`    - ${path}: ${show(wanted)}`), red(`    + ${path}: ${show(found)}`));
  }
  return lines;
}

export function testCommand(): Command {
  return new Command("test")
    .summary("run the tests of pipelines")
    .description(
      "Runs the tests of pipeline files (those in NAME.json and in NAME.tests.json beside it), shows how the outcome differs, and which stages, conditions, filters and on_error ways no test takes. Without names: all shipped pipelines.",
    )
    .argument("[pipeline...]", "names of shipped pipelines, or paths of pipeline files")
    .option("--min-coverage <percent>", "fail where tests take less of the ways through a pipeline", percent)
    .option("--json", "print one JSON object a test, and one a pipeline for its coverage", false)
    .addHelpText(
      "after",
      `
Examples:
  wiretail test
  wiretail test nginx-access ./my-pipeline.json
  wiretail test ./my-pipeline.json --min-coverage 100

Exit codes: 0 all passed, 1 a test failed, a file has errors, or coverage is too low, 2 wrong use.`,
    )
    .action(async (names: string[], options: TestOptions) => {
      const [{ components }, { processScreen }] = await Promise.all([
        import("../components.ts"),
        import("../screen.ts"),
      ]);
      process.exitCode = await runTest(names, options, components.stages, processScreen());
    });
}

function percent(text: string): number {
  if (!/^\d{1,3}$/.test(text) || Number(text) > 100)
    throw new InvalidArgumentError("expected a whole number up to 100");
  return Number(text);
}
