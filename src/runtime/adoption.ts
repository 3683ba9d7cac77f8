import type { CheckpointData, PartitionCheckpoint } from "../disk/checkpoint-file.ts";
import { fingerprintOf } from "./config/fingerprint.ts";
import type { HostConfig, PipelineConfig } from "./config/types.ts";

/** A configuration as checkpoints see it: what its sources and pipelines are, whatever they are called. */
export interface Identities {
  readonly sources: readonly { readonly name: string; readonly identity: string }[];
  readonly pipelines: readonly { readonly name: string; readonly identity: string }[];
}

export function identitiesOf(config: HostConfig): Identities {
  return {
    sources: config.sources.map(({ name, identity }) => ({ name, identity })),
    pipelines: config.pipelines.map((pipeline) => ({
      name: pipeline.name,
      identity: pipelineIdentity(config, pipeline),
    })),
  };
}

/** What a pipeline is: the sources that feed it and what its stages do. */
function pipelineIdentity(config: HostConfig, { from, when, stages }: PipelineConfig): string {
  const sources = from.map((name) => config.sources.find((source) => source.name === name)?.identity ?? name);
  const steps = stages.map((stage) => [stage.definition.type, stage.options, stage.when, stage.onError]);
  return fingerprintOf([sources.sort(), when, steps]).slice(0, 16);
}

/** What had another name before, and what nobody claims. */
export interface Adoption {
  /** Partition id to the present name of its source, where that is another one. */
  readonly sources: ReadonlyMap<string, string>;
  /** Former to present names of pipelines. */
  readonly pipelines: ReadonlyMap<string, string>;
  /** Partitions of sources that are not in the configuration, by former name: how many. */
  readonly orphans: ReadonlyMap<string, number>;
  /** Former names of sources that could be any of several present ones. */
  readonly ambiguous: ReadonlyMap<string, readonly string[]>;
}

/**
 * Finds the sources and pipelines of a checkpoint again in a configuration in which they may be called differently.
 *
 * A partition belongs to the source whose identity it was read with. Where several have that identity, the one with the
 * same name; where none has (its options changed), the one with the same name, too. A pipeline that is not there any more
 * was renamed when exactly one that the checkpoint does not know has the same sources and stages. (Pipelines that swap their
 * names are two changed ones: their names are part of event ids, which must never mean two events.)
 */
export function adopt(
  partitions: Readonly<Record<string, Pick<PartitionCheckpoint, "source" | "source_identity">>>,
  knownPipelines: CheckpointData["pipelines"],
  { sources, pipelines }: Identities,
): Adoption {
  const renamed = new Map<string, string>();
  const orphans = new Map<string, number>();
  const ambiguous = new Map<string, readonly string[]>();
  for (const [id, { source: former, source_identity: identity }] of Object.entries(partitions)) {
    const equal = identity === undefined ? [] : sources.filter((source) => source.identity === identity);
    const named = sources.find((source) => source.name === former);
    // A name that now stands for what another partition was read with is not this one's.
    const owner =
      equal.length === 1
        ? equal[0]
        : (equal.find((source) => source.name === former) ?? (equal.length > 1 ? undefined : named));
    if (owner === undefined) {
      if (equal.length > 1)
        ambiguous.set(
          former,
          equal.map((source) => source.name),
        );
      else orphans.set(former, (orphans.get(former) ?? 0) + 1);
    } else if (owner.name !== former) renamed.set(id, owner.name);
  }
  const present = new Set(pipelines.map((pipeline) => pipeline.name));
  const isNew = pipelines.filter((pipeline) => !Object.hasOwn(knownPipelines ?? {}, pipeline.name));
  const moved = new Map<string, string>();
  for (const [former, identity] of Object.entries(knownPipelines ?? {})) {
    if (present.has(former)) continue;
    const candidates = isNew.filter((pipeline) => pipeline.identity === identity);
    const rivals = Object.entries(knownPipelines ?? {}).filter(
      ([name, each]) => each === identity && !present.has(name),
    );
    if (candidates.length === 1 && rivals.length === 1) moved.set(former, candidates[0]!.name);
  }
  return { sources: renamed, pipelines: moved, orphans, ambiguous };
}
