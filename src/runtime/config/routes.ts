import { basename } from "node:path";
import picomatch from "picomatch";
import { isExclusion } from "./component-config.ts";
import { shortLocation, type MergedHost } from "./merge.ts";
import { suggestion } from "./nearest.ts";
import type { ProblemList } from "./problems.ts";
import type { Place } from "./document.ts";
import {
  isRereadable,
  type ComponentConfig,
  type HostConfig,
  type PipelineConfig,
  type SinkConfig,
  type SourceConfig,
} from "./types.ts";
import { walkSchema } from "./walk-schema.ts";

/** Reports names in `from` and `to` that are not defined, and sources and sinks that no pipeline names. */
export function checkNames(pipeline: Place, host: MergedHost, used: Set<string>, problems: ProblemList): void {
  for (const [key, section, kind] of [
    ["from", "sources", "source"],
    ["to", "sinks", "sink"],
  ] as const) {
    const said = pipeline.members().get(key);
    // A name that is not in a list was reported already; it still says what is used.
    for (const item of said?.node.type === "string" ? [said] : (said?.items() ?? [])) {
      const name: unknown = item.node.value;
      if (typeof name !== "string") continue;
      used.add(`${kind} ${name}`);
      // A file that could not be read may define it.
      if (host.sections[section].has(name) || !host.complete) continue;
      const other = kind === "source" ? "sink" : "source";
      const isOther = host.sections[kind === "source" ? "sinks" : "sources"].has(name);
      const known = [...host.sections[section].keys()];
      problems.error(
        item.location,
        `no ${kind} is called "${name}"${isOther ? `; it is a ${other}` : suggestion(name, known)}`,
      );
    }
  }
}

/** Places in one sink, beside its own, that the stages of all pipelines may name: each has calls of its own. */
const MAX_DESTINATIONS = 100;

/**
 * Reports sinks that stages name and that are not among those of their pipeline (nothing would ever reach them), and
 * places in them that there cannot be.
 */
export function checkRoutedSinks(
  pipelines: readonly PipelineConfig[],
  sinks: readonly SinkConfig[],
  problems: ProblemList,
): void {
  const named = new Map<string, Set<string>>();
  for (const { name, to, stages } of pipelines) {
    for (const { definition, options, location } of stages) {
      for (const [pointer, sinkName, destination] of definition.sinksOf?.(options) ?? []) {
        const at = { ...location, pointer: location.pointer + pointer };
        if (!to.includes(sinkName)) {
          const near = suggestion(sinkName, to);
          problems.error(at, `the pipeline "${name}" has no sink "${sinkName}" in its "to"${near}`);
          continue;
        }
        // A sink with a fault of its own was reported already.
        const sink = sinks.find((each) => each.name === sinkName);
        if (destination === undefined || sink === undefined) continue;
        const { definition: sinkType } = sink;
        if (sinkType.destinationFaults === undefined) {
          problems.error(at, `the sink "${sinkName}" (${sinkType.type}) has one place only: name the sink alone`);
          continue;
        }
        for (const [inside, message] of sinkType.destinationFaults(sink.options, destination))
          problems.error({ ...at, pointer: at.pointer + inside }, message);
        const places = named.get(sinkName) ?? new Set();
        named.set(sinkName, places.add(JSON.stringify(destination)));
        if (places.size === MAX_DESTINATIONS + 1)
          problems.error(at, `more than ${MAX_DESTINATIONS} places in the sink "${sinkName}": make it several sinks`);
      }
    }
  }
}

/** Defined but never used: a warning, for it does no harm, and is often on purpose while somebody tries things out. */
export function warnOfUnused(host: MergedHost, used: ReadonlySet<string>, problems: ProblemList): void {
  for (const [section, kind, key] of [
    ["sources", "source", "from"],
    ["sinks", "sink", "to"],
  ] as const) {
    for (const [name, place] of host.sections[section]) {
      if (!used.has(`${kind} ${name}`))
        problems.warning(
          place.nameLocation,
          `no pipeline uses the ${kind} "${name}"; name it in a pipeline's "${key}"`,
        );
    }
  }
}

/** Two sinks that write to the same destination would share one checkpoint, and each would skip what the other has. */
export function checkIdentities(sinks: readonly SinkConfig[], problems: ProblemList): void {
  const byIdentity = new Map<string, SinkConfig>();
  for (const sink of sinks) {
    const earlier = byIdentity.get(sink.identity);
    if (earlier === undefined) byIdentity.set(sink.identity, sink);
    else {
      const message = `"${sink.name}" writes to the same destination as "${earlier.name}" (${shortLocation(earlier.location)}); name one of them in all pipelines instead`;
      problems.error(sink.location, message);
    }
  }
}

/** Two sources that read the same: events come twice, and after a rename checkpoints cannot be told apart. */
export function warnOfEqualSources(sources: readonly SourceConfig[], problems: ProblemList): void {
  const byIdentity = new Map<string, SourceConfig>();
  for (const source of sources) {
    const earlier = byIdentity.get(source.identity);
    if (earlier === undefined) byIdentity.set(source.identity, source);
    else {
      const message = `"${source.name}" reads the same as "${earlier.name}" (${shortLocation(earlier.location)}): every event comes twice, and if both are renamed their checkpoints cannot be told apart; name one of them in all pipelines instead`;
      problems.warning(source.location, message);
    }
  }
}

type Routes = Pick<HostConfig, "sources" | "pipelines" | "sinks">;

/** A sink whose file a source of the same route reads: every event would come back for ever. */
export function checkCycles(config: Routes, problems: ProblemList): void {
  const { sources } = config;
  const reached = reachability(config);
  for (const source of sources) {
    for (const sink of reached.get(source.name) ?? []) {
      for (const path of texts(sink, "path", false)) {
        if (!path.startsWith("/") || texts(source, "glob", true).some((pattern) => takesOut(pattern, path))) continue;
        for (const pattern of texts(source, "glob", false)) {
          if (!mayMatch(pattern, path)) continue;
          const message = `a circle: the source "${source.name}" reads ${pattern}, where the sink "${sink.name}" (${shortLocation(sink.location)}) writes ${path}`;
          problems.error(source.location, message, `exclude ${path} from the source, or write elsewhere`);
        }
      }
    }
  }
}

/** A sink can only catch up from inputs that can be read again. */
export function checkReread(config: Routes, problems: ProblemList): void {
  const { sources, pipelines, sinks } = config;
  const reached = reachability(config);
  for (const sink of sinks) {
    if (sink.whenFull !== "reread") continue;
    for (const source of sources) {
      if (isRereadable(source) || reached.get(source.name)?.has(sink) !== true) continue;
      problems.error(
        sink.location,
        `"when_full": "reread" is impossible: the source "${source.name}" (${source.definition.type}) feeds it and cannot be read again`,
        'say "block" or "drop_oldest"',
      );
    }
    for (const { name, to, stages } of pipelines) {
      const gathering = stages.find(({ definition }) => definition.gathers === true);
      if (gathering === undefined || !to.includes(sink.name)) continue;
      problems.error(
        sink.location,
        `"when_full": "reread" is impossible: what the stage ${gathering.definition.type} of the pipeline "${name}" makes cannot be read again`,
        'say "block" or "drop_oldest"',
      );
    }
  }
}

/** The sinks that each source's events may get to. */
function reachability({ sources, pipelines, sinks }: Routes): Map<string, Set<SinkConfig>> {
  const reached = new Map<string, Set<SinkConfig>>();
  for (const source of sources) {
    const names = pipelines
      .filter((pipeline) => pipeline.from.includes(source.name))
      .flatMap((pipeline) => pipeline.to);
    reached.set(source.name, new Set(sinks.filter((sink) => names.includes(sink.name))));
  }
  return reached;
}

/** The strings of one syntax among a component's options: those that take files out, or the others. */
function texts(
  component: ComponentConfig<SourceConfig["definition"] | SinkConfig["definition"]>,
  syntax: "path" | "glob",
  exclusions: boolean,
): string[] {
  const found: string[] = [];
  walkSchema(component.definition.schema, component.options, ({ schema, value, pointer }) => {
    if (schema["x-syntax"] === syntax && typeof value === "string" && isExclusion(pointer) === exclusions)
      found.push(value);
  });
  return found;
}

function takesOut(pattern: string, path: string): boolean {
  return mayMatch(pattern, pattern.includes("/") ? path : basename(path));
}

function mayMatch(pattern: string, path: string): boolean {
  return path === pattern || picomatch.isMatch(path, pattern, { dot: true });
}
