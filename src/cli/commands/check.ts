import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Command, InvalidArgumentError } from "commander";
import type { Context, ProbeResult } from "../../core/component.ts";
import { errorMessage, WiretailError } from "../../core/error.ts";
import { checkEnvironment } from "../../runtime/config/environment.ts";
import { loadConfig, type ComponentLists } from "../../runtime/config/load.ts";
import { formatProblem } from "../../runtime/config/problems.ts";
import type { ConfigProblem, HostConfig, SinkConfig } from "../../runtime/config/types.ts";
import { resolvePlaceholders } from "../../runtime/placeholders.ts";
import { paint, type Screen } from "../screen.ts";

/** How long all probes of one sink may take together, in milliseconds. */
const PROBE_TIMEOUT_MS = 20_000;

export interface CheckOptions {
  readonly connect: boolean;
  readonly json: boolean;
}

interface SinkProbe extends ProbeResult {
  readonly sink: string;
}

/** `wiretail check`: resolves with the exit code, 0 or 1. */
export async function runCheck(
  file: string,
  options: CheckOptions,
  components: ComponentLists,
  screen: Screen,
): Promise<number> {
  const { config, problems } = await loadConfig(file, { components });
  const all = config === undefined ? problems : [...problems, ...checkEnvironment(config)];
  const probes = config !== undefined && options.connect ? await probeSinks(config) : [];
  const errors = all.filter((problem) => problem.severity === "error").length;
  const ok = errors === 0 && probes.every((probe) => probe.ok);
  if (options.json) screen.out(JSON.stringify(asJson(file, ok, all, probes)) + "\n");
  else print(file, config, all, probes, screen);
  return ok ? 0 : 1;
}

function asJson(file: string, ok: boolean, problems: readonly ConfigProblem[], probes: readonly SinkProbe[]): object {
  const flat = problems.map(({ severity, location, message, hint }) => ({
    severity,
    ...location,
    message,
    ...(hint === undefined ? {} : { hint }),
  }));
  return { file, ok, problems: flat, probes };
}

function print(
  file: string,
  config: HostConfig | undefined,
  problems: readonly ConfigProblem[],
  probes: readonly SinkProbe[],
  screen: Screen,
): void {
  const { bold, red, green, yellow, dim } = paint(screen.colour);
  for (const problem of problems) {
    const [where = "", ...rest] = formatProblem(problem).split(": ");
    const text = rest.join(": ");
    screen.out(`${bold(where)}: ${problem.severity === "error" ? text : yellow(text)}\n`);
  }
  for (const { sink, check, ok, detail, hint } of probes) {
    screen.out(`${ok ? green("✓") : red("✗")} ${bold(sink)} ${check}: ${detail}\n`);
    if (!ok && hint !== undefined) screen.out(`  ${dim("hint:")} ${hint}\n`);
  }
  const errors = problems.filter((problem) => problem.severity === "error").length;
  const warnings = problems.length - errors;
  const failed = probes.filter((probe) => !probe.ok).length;
  const found = [
    ...(errors > 0 ? [plural(errors, "error")] : []),
    ...(warnings > 0 ? [plural(warnings, "warning")] : []),
    ...(failed > 0 ? [plural(failed, "failed probe")] : []),
  ].join(", ");
  if (errors > 0 || failed > 0 || config === undefined) screen.out(`${red("✗")} ${file}: ${found}\n`);
  else {
    const { sources, pipelines, sinks } = config;
    const parts = [
      plural(sources.length, "source"),
      plural(pipelines.length, "pipeline"),
      plural(sinks.length, "sink"),
    ].join(", ");
    screen.out(`${green("✓")} ${file} is valid: ${parts}${found === "" ? "" : `; ${found}`}\n`);
  }
}

export function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

async function probeSinks(config: HostConfig): Promise<SinkProbe[]> {
  const found: SinkProbe[] = [];
  const warn = (detail: string): void => void found.push({ sink: "placeholders", check: "metadata", ok: true, detail });
  const placeholders = await resolvePlaceholders(config, { warn });
  const results = await Promise.all(config.sinks.map((sink) => probeSink(sink, placeholders)));
  return [...found, ...results.flat()];
}

async function probeSink(config: SinkConfig, placeholders: Context["placeholders"]): Promise<SinkProbe[]> {
  const folder = mkdtempSync(join(tmpdir(), "wiretail-check-"));
  const signal = AbortSignal.timeout(PROBE_TIMEOUT_MS);
  try {
    const sink = await config.definition.create(config.options, probeContext(config.name, folder, placeholders));
    try {
      if (sink.probe === undefined)
        return [{ sink: config.name, check: "create", ok: true, detail: "nothing to connect to" }];
      return (await sink.probe(signal)).map((result) => ({ sink: config.name, ...result }));
    } finally {
      await sink.close();
    }
  } catch (error) {
    const hint = error instanceof WiretailError ? error.hint : undefined;
    const detail = signal.aborted ? `no answer within ${PROBE_TIMEOUT_MS / 1000} s` : errorMessage(error);
    return [{ sink: config.name, check: "connect", ok: false, detail, ...(hint === undefined ? {} : { hint }) }];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A context whose state is thrown away: a probe must leave nothing behind. */
function probeContext(id: string, stateDir: string, placeholders: Context["placeholders"]): Context {
  const nothing = (): void => undefined;
  return {
    id,
    log: { debug: nothing, info: nothing, warn: nothing, error: nothing },
    metrics: { counter: () => ({ add: nothing }), gauge: () => ({ set: nothing }) },
    stateDir,
    now: () => Date.now(),
    monotonicMs: () => performance.now(),
    sleep: async (ms, signal) => {
      await sleep(ms, undefined, signal === undefined ? {} : { signal }).catch(nothing);
    },
    placeholders,
    probing: true,
  };
}

interface CheckCommandOptions extends CheckOptions {
  readonly diff: boolean;
  readonly sample?: string;
  readonly source?: string;
  readonly limit?: number;
}

export function checkCommand(): Command {
  return new Command("check")
    .summary("check a configuration file, or compare two")
    .description(
      "Checks a host file and everything it names, and lists all errors at once with file, line and column. With --diff it takes two, and shows what the second would make of the last events that an agent with the first has read: fields, events left out, dead letters, sinks. Nothing is sent.",
    )
    .argument("<file>", "the host file, as given to run --config")
    .argument("[new-file]", "with --diff: the host file as it would be")
    .option("--connect", "also ask every sink's server: reachable, credentials, privileges", false)
    .option("--diff", "compare what two host files make of real events", false)
    .option("--sample <file>", "with --diff: take the last lines of this file instead of the last real events")
    .option("--source <name>", "with --sample: the source that the lines are from")
    .option("--limit <n>", "with --diff: compare so many events (default: 1000)", eventCount)
    .option("--json", "print one JSON object", false)
    .addHelpText(
      "after",
      `
Examples:
  wiretail check /etc/wiretail/host.json
  wiretail check --connect /etc/wiretail/host.json
  wiretail check --diff /etc/wiretail/host.json new.json
  wiretail check --diff old.json new.json --sample access.log --source web

Exit codes: 0 valid (warnings allowed), 1 errors or a failed probe, 2 wrong use. With --diff, as diff has it: 0 nothing changes, 1 something does, 2 wrong use, a file with errors, or no events to compare.`,
    )
    .action(async (file: string, newFile: string | undefined, options: CheckCommandOptions) => {
      const [{ components }, { processScreen }] = await Promise.all([
        import("../components.ts"),
        import("../screen.ts"),
      ]);
      if (options.diff !== (newFile !== undefined))
        throw new WiretailError("WT_USAGE", options.diff ? "--diff needs two files" : "one file is checked at a time", {
          hint: "wiretail check --diff OLD NEW",
        });
      if (newFile === undefined) process.exitCode = await runCheck(file, options, components, processScreen());
      else {
        const { runCheckDiff } = await import("./check-diff.ts");
        process.exitCode = await runCheckDiff([file, newFile], options, components, processScreen());
      }
    });
}

function eventCount(text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new InvalidArgumentError("expected a whole number from 1 to 999999");
  return Number(text);
}
