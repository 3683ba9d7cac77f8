import { LogEvent, type Envelope } from "../core/event.ts";
import { parseKql } from "../codec/kql/parse.ts";
import { compilePredicate } from "../codec/kql/predicate.ts";
import { Path } from "../core/path.ts";
import type { HostConfig, PipelineConfig } from "./config/types.ts";
import { StageChain } from "./stage-chain.ts";

/** An event as a source read it, to try configurations with. */
export interface SampleEvent {
  readonly source: string;
  readonly text: string;
  readonly offset: number;
  readonly flags: readonly string[] | undefined;
  /** `log.file.path`, where it is from a file. */
  readonly path: string | undefined;
}

/** What a pipeline makes of one event. */
export type Fate =
  /** Sorted names of sinks, each with the place in it where that is not its own, with one document for each event that was made of it. */
  | { readonly kind: "sent"; readonly sinks: readonly string[]; readonly documents: readonly Document[] }
  | { readonly kind: "left_out"; readonly by: string }
  | { readonly kind: "dead_letter"; readonly by: string; readonly reason: string };
type Document = Readonly<Record<string, unknown>>;

/** What two configurations make of one event in the pipeline of one name; `undefined`: no such pipeline takes it. */
export interface EventOutcome {
  readonly sample: SampleEvent;
  readonly pipeline: string;
  readonly before: Fate | undefined;
  readonly after: Fate | undefined;
}

/** Takes events through the pipelines of two configurations, as two agents would; `now` is the same for both. */
export function* compareConfigs(
  before: HostConfig,
  after: HostConfig,
  samples: Iterable<SampleEvent>,
  nowMs: number,
): Generator<EventOutcome, void> {
  const [old, changed] = [new Tried(before, nowMs), new Tried(after, nowMs)];
  try {
    for (const sample of samples) {
      const [was, is] = [old.fates(sample), changed.fates(sample)];
      for (const pipeline of new Set([...was.keys(), ...is.keys()]))
        yield { sample, pipeline, before: was.get(pipeline), after: is.get(pipeline) };
    }
  } finally {
    old.close();
    changed.close();
  }
}

interface TriedPipeline {
  readonly config: PipelineConfig;
  readonly chain: StageChain;
  readonly when: ((event: LogEvent) => boolean) | undefined;
}

/** The pipelines of one configuration, with stages of their own. */
class Tried {
  readonly #pipelines: readonly TriedPipeline[];
  readonly #nowMs: number;
  readonly #envelopes = new Map<string, Envelope>();

  constructor({ pipelines }: HostConfig, nowMs: number) {
    this.#nowMs = nowMs;
    this.#pipelines = pipelines.map((config) => ({
      config,
      chain: new StageChain(config.stages, () => nowMs),
      when: config.when === undefined ? undefined : compilePredicate(parseKql(config.when), { now: () => nowMs }),
    }));
  }

  fates(sample: SampleEvent): Map<string, Fate> {
    const fates = new Map<string, Fate>();
    for (const pipeline of this.#pipelines)
      if (pipeline.config.from.includes(sample.source)) fates.set(pipeline.config.name, this.#fate(pipeline, sample));
    return fates;
  }

  close(): void {
    for (const { chain } of this.#pipelines) chain.close();
  }

  #fate({ config, chain, when }: TriedPipeline, sample: SampleEvent): Fate {
    const event = new LogEvent(sample.text, this.#nowMs, sample.offset, this.#envelope(sample.path ?? ""));
    if (sample.flags !== undefined) event.set(FLAGS, sample.flags);
    if (when !== undefined && !when(event)) return { kind: "left_out", by: "the pipeline's own condition" };
    chain.enter(sample.path ?? sample.source);
    const dropped = chain.steps.map(({ counts }) => counts.dropped);
    let refused: Fate | undefined;
    const left = chain.run([event], (_event, { label }, reason) => {
      refused ??= { kind: "dead_letter", by: label, reason };
    });
    // Of several made of one, those that are left say what became of it.
    if (left.length === 0) {
      if (refused !== undefined) return refused;
      return { kind: "left_out", by: chain.steps.find(({ counts }, i) => counts.dropped > dropped[i]!)?.label ?? "?" };
    }
    const sinks = new Set(
      left.flatMap(({ sinks: routed, destinations }) =>
        config.to
          .filter((sink) => routed?.includes(sink) !== false)
          .map((sink) => (destinations?.[sink] === undefined ? sink : `${sink} ${destinations[sink]}`)),
      ),
    );
    if (sinks.size === 0) return { kind: "left_out", by: "a route to no sink" };
    return { kind: "sent", sinks: [...sinks].sort(), documents: left.map((each) => each.toObject()) };
  }

  #envelope(path: string): Envelope {
    let envelope = this.#envelopes.get(path);
    if (envelope === undefined) {
      envelope =
        path === ""
          ? { paths: [], values: [], offsetPath: undefined }
          : { paths: [new Path("log.file.path")], values: [path], offsetPath: new Path("log.offset") };
      this.#envelopes.set(path, envelope);
    }
    return envelope;
  }
}

const FLAGS = new Path("log.flags");

/** A source, pipeline or sink that is in one configuration only, or is written differently. */
export interface ComponentChange {
  readonly kind: "source" | "pipeline" | "sink";
  readonly name: string;
  readonly how: "added" | "removed" | "changed";
}

/** What is written differently, whatever that does. Files that pipelines use are part of them. */
export function componentChanges(before: HostConfig, after: HostConfig): ComponentChange[] {
  const changes: ComponentChange[] = [];
  for (const [kind, was, is] of [
    ["source", before.sources, after.sources],
    ["pipeline", before.pipelines, after.pipelines],
    ["sink", before.sinks, after.sinks],
  ] as const) {
    const old = new Map(was.map(({ name, fingerprint }) => [name, fingerprint]));
    for (const { name, fingerprint } of is) {
      if (!old.has(name)) changes.push({ kind, name, how: "added" });
      else if (old.get(name) !== fingerprint) changes.push({ kind, name, how: "changed" });
      old.delete(name);
    }
    for (const name of old.keys()) changes.push({ kind, name, how: "removed" });
  }
  return changes;
}
