import { WiretailError } from "../../core/error.ts";
import { loadConfig, type ComponentLists } from "../../runtime/config/load.ts";
import { formatProblem } from "../../runtime/config/problems.ts";
import type { HostConfig } from "../../runtime/config/types.ts";
import { compareConfigs, componentChanges } from "../../runtime/config-diff.ts";
import { DiffCollector, type DiffSummary, type SummedChange } from "../diff-summary.ts";
import { EXIT_CODES } from "../exit-code.ts";
import { lastRealEvents, samplesOfFile, type NewestDocuments, type Samples } from "../samples.ts";
import { paint, visible, type Screen } from "../screen.ts";
import { formatCount } from "../terminal.ts";

export interface DiffOptions {
  readonly sample?: string | undefined;
  readonly source?: string | undefined;
  readonly limit?: number | undefined;
  readonly json: boolean;
}

const DEFAULT_LIMIT = 1000;

/** `wiretail check --diff OLD NEW`: 0 nothing changes, 1 something does, 2 a file has errors or there is no sample. */
export async function runCheckDiff(
  files: readonly [before: string, after: string],
  options: DiffOptions,
  components: ComponentLists,
  screen: Screen,
): Promise<number> {
  const loaded = await Promise.all(files.map((file) => loadConfig(file, { components })));
  for (const { problems } of loaded)
    for (const problem of problems) if (problem.severity === "error") screen.err(`${formatProblem(problem)}\n`);
  const [before, after] = loaded.map(({ config }) => config);
  if (before === undefined || after === undefined) {
    screen.err(`${before === undefined ? files[0] : files[1]} has errors: nothing was compared\n`);
    return EXIT_CODES.usage;
  }
  const samples = await samplesFor(before, after, options);
  const collector = new DiffCollector();
  for (const outcome of compareConfigs(before, after, samples.events, Date.now())) collector.add(outcome);
  const summary = collector.summary(componentChanges(before, after));
  if (options.json) screen.out(`${JSON.stringify({ sample: samples.from, ...summary })}\n`);
  else for (const line of diffLines(summary, samples, screen.colour)) screen.out(`${line}\n`);
  const isSame = summary.changes.length === 0 && summary.components.every(({ kind }) => kind === "pipeline");
  return isSame ? EXIT_CODES.ok : EXIT_CODES.bad;
}

async function samplesFor(before: HostConfig, after: HostConfig, options: DiffOptions): Promise<Samples> {
  const limit = options.limit ?? DEFAULT_LIMIT;
  if (options.sample === undefined) {
    const samples = await lastRealEvents(before, limit, await newestOf(before));
    if (samples.events.length > 0) return samples;
    throw new WiretailError("WT_USAGE", `no agent with ${before.file} has left events to compare with`, {
      hint: "give some lines: --sample FILE",
    });
  }
  const names = [...new Set([...before.sources, ...after.sources].map(({ name }) => name))];
  const source = options.source ?? (names.length === 1 ? names[0]! : undefined);
  if (source === undefined || !names.includes(source))
    throw new WiretailError(
      "WT_USAGE",
      source === undefined ? "which source are the lines of the sample from?" : `there is no source "${source}"`,
      { hint: `say --source NAME: ${names.join(", ")}` },
    );
  const samples = await samplesOfFile(options.sample, source, limit, [before, after]);
  if (samples.events.length === 0) throw new WiretailError("WT_USAGE", `${options.sample} has no whole line`);
  return samples;
}

/** Reads the store of the configuration's sink of type local, if it has one that can be read. */
async function newestOf(config: HostConfig): Promise<NewestDocuments | undefined> {
  const local = config.sinks.find(({ definition }) => definition.type === "local");
  if (local === undefined) return undefined;
  const folder = (local.options as { readonly path: string }).path;
  return async (limit) => {
    const { openStore } = await import("../../store/search.ts");
    const store = await openStore({ folder }).catch(() => undefined);
    if (store === undefined) return [];
    try {
      const everything = { query: { kind: "all" }, fromMs: undefined, toMs: undefined, nowMs: Date.now() } as const;
      return (await store.search(everything, "newest", limit)).documents.map(({ json }) => json);
    } finally {
      await store.close();
    }
  };
}

function diffLines(summary: DiffSummary, samples: Samples, colour: boolean): string[] {
  const { bold, dim, green, yellow } = paint(colour);
  const { events, outcomes, same, components, changes } = summary;
  const twice = outcomes === events ? "" : `, ${formatCount(outcomes)} times through a pipeline`;
  const lines = [`${formatCount(events)} events from ${visible(samples.from)}${twice}`];
  for (const { kind, name, how } of components) {
    const mark = { added: "+", removed: "-", changed: "~" }[how];
    const isQuiet = kind === "pipeline" && how === "changed" && !changes.some(({ pipeline }) => pipeline === name);
    lines.push(
      yellow(`  ${mark} ${kind} ${visible(name)}`) + dim(isQuiet ? "  written differently, with the same outcome" : ""),
    );
  }
  if (changes.length === 0) {
    lines.push(green(`✓ all of them stay as they are`));
    return lines;
  }
  lines.push(`${formatCount(outcomes - same)} change, ${formatCount(same)} stay as they are`);
  let pipeline: string | undefined;
  for (const change of [...changes].sort((a, b) => a.pipeline.localeCompare(b.pipeline))) {
    if (change.pipeline !== pipeline) lines.push("", bold(`pipeline ${visible((pipeline = change.pipeline))}`));
    lines.push(...changeLines(change, colour));
  }
  return lines;
}

function changeLines({ what, count, examples, kind }: SummedChange, colour: boolean): string[] {
  const { dim, green, red, yellow } = paint(colour);
  const style = what.startsWith("+") ? green : what.startsWith("-") ? red : yellow;
  const lines = [`  ${formatCount(count).padStart(7)}  ${style(visible(what))}`];
  const show = (value: unknown): string => cut(visible(JSON.stringify(value) ?? "absent"));
  for (const { path, offset, text, change } of examples) {
    const where = path === null ? "" : `${visible(path)}:${offset}  `;
    if (kind === "field" && change !== null) {
      const { how, before, after } = change;
      lines.push(
        dim(
          `           ${how === "added" ? show(after) : how === "removed" ? show(before) : `${show(before)} → ${show(after)}`}`,
        ),
      );
    } else lines.push(dim(`           ${where}${cut(visible(text))}`));
  }
  return lines;
}

function cut(text: string): string {
  return text.length <= 120 ? text : `${text.slice(0, 119)}…`;
}
