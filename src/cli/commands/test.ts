import { Command } from "commander";
import type { AnyStage } from "../../core/component.ts";
import { WiretailError } from "../../core/error.ts";
import { loadPipelineFile, shippedPipelines } from "../../runtime/config/pipeline-file.ts";
import { formatProblem } from "../../runtime/config/problems.ts";
import { runPipelineTests, type EventDifference, type PipelineTestResult } from "../../runtime/pipeline-test.ts";
import { paint, visible, type Screen } from "../screen.ts";
import { plural } from "./check.ts";

export interface TestOptions {
  readonly json: boolean;
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
    const results = runPipelineTests(pipeline);
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
  }
  if (!options.json)
    screen.out(`${failed === 0 ? green("✓") : red("✗")} ${plural(passed, "test")} passed, ${failed} failed\n`);
  return failed === 0 ? 0 : 1;
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
      "Runs the tests that pipeline files carry and shows how the outcome differs. Without names: all shipped pipelines.",
    )
    .argument("[pipeline...]", "names of shipped pipelines, or paths of pipeline files")
    .option("--json", "print one JSON object a test", false)
    .addHelpText(
      "after",
      `
Examples:
  wiretail test
  wiretail test nginx-access ./my-pipeline.json

Exit codes: 0 all passed, 1 a test failed or a file has errors, 2 wrong use.`,
    )
    .action(async (names: string[], options: TestOptions) => {
      const [{ components }, { processScreen }] = await Promise.all([
        import("../components.ts"),
        import("../screen.ts"),
      ]);
      process.exitCode = await runTest(names, options, components.stages, processScreen());
    });
}
