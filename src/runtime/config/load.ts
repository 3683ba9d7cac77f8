import { resolve } from "node:path";
import type { AnySink, AnySource, AnyStage } from "../../core/component.ts";
import { shippedPipelinesFolder } from "../package-root.ts";
import { checkName, readSink, readSource } from "./component-config.ts";
import type { Place } from "./document.ts";
import { fingerprintOf, hasIdentity } from "./fingerprint.ts";
import { PIPELINE } from "./host-schema.ts";
import { readHost } from "./merge.ts";
import { readStages, readUsed, realWorld, type ReadStages, type StageReader } from "./pipeline-file.ts";
import { ProblemList } from "./problems.ts";
import {
  checkCycles,
  checkIdentities,
  checkNames,
  checkReread,
  checkRoutedSinks,
  warnOfEqualSources,
  warnOfUnused,
} from "./routes.ts";
import { resolveValue, type ConfigWorld } from "./secrets.ts";
import { readSettings } from "./settings.ts";
import { kqlFault } from "./syntax.ts";
import type { ConfigProblem, HostConfig, PipelineConfig, SinkConfig, SourceConfig } from "./types.ts";
import { validateValue } from "./validate.ts";

/** Every component that a configuration may name. */
export interface ComponentLists {
  readonly sources: readonly AnySource[];
  readonly stages: readonly AnyStage[];
  readonly sinks: readonly AnySink[];
}

export interface LoadOptions extends Partial<ConfigWorld> {
  readonly components: ComponentLists;
  /** Folder of the pipelines that bare names in `use` stand for; the package's own by default. */
  readonly shippedFolder?: string;
}

export interface LoadedConfig {
  /** There when `problems` holds no error. */
  readonly config?: HostConfig;
  /** All faults, by file, line and column. */
  readonly problems: ConfigProblem[];
}

/**
 * Reads, merges and validates a host file, the files of `conf.d` beside it, and the pipeline files that they use.
 * Never throws because of what files hold or lack.
 */
export async function loadConfig(file: string, options: LoadOptions): Promise<LoadedConfig> {
  const world: ConfigWorld = { ...realWorld(), ...onlyDefined(options) };
  const problems = new ProblemList();
  const { components } = options;
  const host = readHost(file, world, problems);
  const settings = readSettings(host, world, problems);
  const sources: SourceConfig[] = [];
  for (const [name, place] of host.sections.sources) {
    const source = readSource(name, place, components.sources, world, problems);
    if (source !== undefined) sources.push(source);
  }
  const sinks: SinkConfig[] = [];
  for (const [name, place] of host.sections.sinks) {
    const sink = readSink(name, place, components.sinks, world, problems);
    if (sink !== undefined) sinks.push(sink);
  }
  const shippedFolder = options.shippedFolder ?? shippedPipelinesFolder();
  const reader: StageReader = { definitions: components.stages, world, problems, shippedFolder };
  const used = new Set<string>();
  const pipelines: PipelineConfig[] = [];
  for (const [name, place] of host.sections.pipelines) {
    checkNames(place, host, used, problems);
    const pipeline = readPipeline(name, place, reader);
    if (pipeline !== undefined) pipelines.push(pipeline);
  }
  if (host.complete) {
    if (host.sections.pipelines.size === 0)
      problems.error(host.start, 'there is no pipeline; "pipelines" says which sources feed which sinks');
    warnOfUnused(host, used, problems);
  }
  checkIdentities(
    sinks.filter((sink) => hasIdentity(sink.definition.schema)),
    problems,
  );
  warnOfEqualSources(
    sources.filter((source) => hasIdentity(source.definition.schema)),
    problems,
  );
  checkCycles({ sources, pipelines, sinks }, problems);
  checkRoutedSinks(pipelines, sinks, problems);
  checkReread({ sources, pipelines, sinks }, problems);
  if (problems.hasErrors || settings === undefined) return { problems: problems.sorted() };
  return { config: { file: resolve(file), ...settings, sources, pipelines, sinks }, problems: problems.sorted() };
}

function readPipeline(name: string, place: Place, reader: StageReader): PipelineConfig | undefined {
  const { problems, world } = reader;
  const before = problems.errorCount;
  checkName("pipeline", name, place, problems);
  const { value } = resolveValue(place, world, problems);
  const isValid = validateValue(PIPELINE, value, place, problems);
  const members = place.members();
  const list = members.get("stages");
  const use = members.get("use");
  if (list !== undefined && use !== undefined) {
    problems.error(
      use.nameLocation,
      'a pipeline has "stages" or "use", not both; { "use": … } may also stand as one of the stages',
    );
  }
  const read: ReadStages =
    list !== undefined
      ? readStages(list, reader, [])
      : use?.node.type === "string"
        ? readUsed(use, reader, [])
        : { stages: [], written: [] };
  if (!isValid) return undefined;
  const { from, to, when } = value as { from: string[]; to: string[]; when?: string };
  const fault = when === undefined ? undefined : kqlFault(when);
  if (fault !== undefined) problems.error(place.descend("/when").location, fault);
  if (problems.errorCount > before) return undefined;
  const { stages, written } = read;
  return {
    name,
    from,
    to,
    stages,
    when,
    location: place.nameLocation,
    fingerprint: fingerprintOf({ from, to, when, stages: written }),
  };
}

function onlyDefined(options: LoadOptions): Partial<ConfigWorld> {
  const { env, readFile, readDir } = options;
  return { ...(env && { env }), ...(readFile && { readFile }), ...(readDir && { readDir }) };
}
