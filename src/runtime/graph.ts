import { setMaxListeners } from "node:events";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { EncodedBatch } from "../core/batch.ts";
import type { BufferPool } from "../core/buffer-pool.ts";
import type { AnySource, Context, Log, Placeholders } from "../core/component.ts";
import { errorMessage } from "../core/error.ts";
import { Path } from "../core/path.ts";
import type { DeadLetterStore } from "../disk/dead-letters/store.ts";
import { identitiesOf } from "./adoption.ts";
import type { Checkpoints } from "./checkpoints.ts";
import { sleep, type Clock } from "./clock.ts";
import { sinkFolder, sourceFolder } from "./component-folder.ts";
import {
  isRereadable,
  type ComponentConfig,
  type HostConfig,
  type PipelineConfig,
  type SinkConfig,
  type SourceConfig,
} from "./config/types.ts";
import { secretValues } from "./config/redact.ts";
import type { ComponentMetrics } from "./metrics.ts";
import type { Outbox } from "./outbox.ts";
import type { JournalFeed } from "./journal-feed.ts";
import { PipelineRunner, type Route } from "./pipeline-runner.ts";
import { refusedBySink } from "./refused.ts";
import { routeKey } from "./route-key.ts";
import { SinkRunner } from "./sink-runner.ts";
import { SourceRunner } from "./source-runner.ts";
import type { Spooler } from "./spooler.ts";

export const ECS_VERSION = "8.17.0";

export interface RunningSink {
  readonly config: SinkConfig;
  readonly runner: SinkRunner;
  /** Its place in the journal, when there is one. */
  readonly feed: JournalFeed | undefined;
}
export interface RunningSource {
  readonly config: SourceConfig;
  readonly runner: SourceRunner;
}

/** What all components of an agent share. */
export interface GraphOptions {
  readonly stateDir: string;
  readonly clock: Clock;
  readonly log: (component?: string) => Log;
  readonly once: boolean;
  readonly random: () => number;
  readonly metrics: ComponentMetrics;
  readonly pool: BufferPool;
  readonly outbox: Outbox;
  readonly checkpoints: Checkpoints;
  readonly deadLetters: DeadLetterStore;
  /** Told what sinks refuse of a replayed batch, instead of a new dead letter being written. */
  readonly refusals: WeakMap<EncodedBatch, (index: number, reason: string) => void>;
  /** Undefined without a journal. */
  readonly spooler: Spooler | undefined;
}

/** The sources, pipelines and sinks that run, as a configuration says; `apply` brings them into line with another one. */
export class Graph {
  readonly sinks = new Map<string, RunningSink>();
  readonly sources = new Map<string, RunningSource>();
  readonly #options: GraphOptions;
  #config: HostConfig | undefined;
  #placeholders: Placeholders | undefined;
  #pipelines = new Map<string, PipelineRunner>();
  /** Replaced by `apply`; they may still be writing dead letters. */
  readonly #retired = new Set<PipelineRunner>();
  /** Events that replaced pipelines queued for a sink. */
  readonly #routedBefore = new WeakMap<SinkRunner, number>();

  #changing: Promise<unknown> = Promise.resolve();
  #isStopping = false;

  constructor(options: GraphOptions) {
    this.#options = options;
  }

  get pipelines(): readonly PipelineRunner[] {
    return [...this.#pipelines.values()];
  }

  /** Pipelines that may still have something to do: those in use, and replaced ones that write dead letters. */
  get #busyPipelines(): PipelineRunner[] {
    return [...this.#pipelines.values(), ...this.#retired];
  }

  #forgetIdleRetired(): void {
    for (const pipeline of this.#retired) if (pipeline.isIdle) this.#retired.delete(pipeline);
  }

  /**
   * Brings what runs into line with a configuration: sinks first, then pipelines, then the sources that feed them.
   * Where a sink cannot be made, everything is as before, and it throws.
   */
  apply(config: HostConfig, placeholders: Placeholders): Promise<void> {
    const change = this.#changing.then(() => this.#apply(config, placeholders));
    this.#changing = change.catch(() => undefined);
    return change;
  }

  async #apply(config: HostConfig, placeholders: Placeholders): Promise<void> {
    const before = this.#config;
    const oldPlaceholders = this.#placeholders;
    this.#placeholders = placeholders;
    this.#options.spooler?.expect(config.sinks.map(({ identity }) => identity));
    const isCurrent = (sink: SinkConfig): boolean => this.sinks.get(sink.name)?.config.fingerprint === sink.fingerprint;
    const staying = new Set(config.sinks.filter(isCurrent).map((sink) => sink.name));
    const going = [...this.sinks.values()].filter((sink) => !staying.has(sink.config.name));
    const coming = config.sinks.filter((sink) => !staying.has(sink.name));
    // Two sinks must not write to one place at a time: a successor is made when its predecessor is closed.
    const isSuccessor = (sink: SinkConfig): boolean => going.some((old) => old.config.identity === sink.identity);
    const made = await this.#makeSinks(coming.filter((sink) => !isSuccessor(sink))).catch((error: unknown) => {
      this.#placeholders = oldPlaceholders;
      this.#options.spooler?.expect(before?.sinks.map(({ identity }) => identity) ?? []);
      throw error;
    });

    const kept = new Map<string, PipelineRunner>();
    for (const pipeline of config.pipelines) {
      const old = this.#pipelines.get(pipeline.name);
      const written = before?.pipelines.find((each) => each.name === pipeline.name);
      const isSame =
        old !== undefined &&
        written?.fingerprint === pipeline.fingerprint &&
        old.routes.length === pipeline.to.length &&
        old.routes.every(
          ({ sinkName, runner }, i) =>
            sinkName === pipeline.to[i] && staying.has(sinkName) && this.sinks.get(sinkName)?.runner === runner,
        );
      if (isSame) kept.set(pipeline.name, old);
    }
    for (const [name, source] of [...this.sources]) {
      const next = config.sources.find((each) => each.name === name);
      const after = pipelinesFrom(config, name);
      const isSame =
        next?.fingerprint === source.config.fingerprint &&
        before !== undefined &&
        pipelinesFrom(before, name).join("\n") === after.join("\n") &&
        after.every((pipeline) => kept.has(pipeline));
      if (isSame) continue;
      await source.runner.stop();
      this.sources.delete(name);
    }
    // What sinks were given goes out first; what does not within the limit is read again for their successors.
    const limit = AbortSignal.timeout(Math.max(1, config.shutdownTimeoutMs));
    for (const sink of going) {
      sink.feed?.stop();
      await sink.runner.drain(limit);
      await this.#unmake(sink);
      this.sinks.delete(sink.config.name);
    }
    try {
      for (const [name, sink] of await this.#makeSinks(coming.filter(isSuccessor))) made.set(name, sink);
    } catch (error) {
      for (const sink of made.values()) await this.#unmake(sink);
      if (before !== undefined) await this.#apply(before, oldPlaceholders!);
      throw error;
    }
    for (const [name, sink] of made) this.sinks.set(name, sink);
    for (const [name, pipeline] of this.#pipelines) {
      if (kept.get(name) === pipeline) continue;
      this.#retired.add(pipeline);
      for (const { runner, counts } of pipeline.routes)
        this.#routedBefore.set(runner, (this.#routedBefore.get(runner) ?? 0) + counts.routed);
    }
    for (const [name, old] of this.#pipelines) if (kept.get(name) !== old) old.retire();
    this.#pipelines = new Map(
      config.pipelines.map((pipeline) => [pipeline.name, kept.get(pipeline.name) ?? this.#makePipeline(pipeline)]),
    );
    this.#options.checkpoints.adopt(identitiesOf(config));
    for (const [name, pipeline] of this.#pipelines) if (kept.get(name) !== pipeline) pipeline.begin();
    for (const source of config.sources) {
      if (this.sources.has(source.name)) continue;
      this.#startSource(source, config);
    }
    this.#config = config;
  }

  #startSource(source: SourceConfig, config: HostConfig): void {
    const feeds = pipelinesFrom(config, source.name).map((name) => this.#pipelines.get(name)!);
    const runner = this.#makeSource(source, feeds);
    this.sources.set(source.name, { config: source, runner });
    runner.start();
  }

  /** Resolves when every source has ended for good: the end of `--once`. */
  async sourcesEnded(): Promise<void> {
    await Promise.all([...this.sources.values()].map(({ runner }) => runner.finished));
  }

  /** Events that pipelines, present and replaced ones, queued for a sink. */
  fromPipelines(runner: SinkRunner): number {
    let events = this.#routedBefore.get(runner) ?? 0;
    for (const { routes } of this.#pipelines.values())
      for (const route of routes) if (route.runner === runner) events += route.counts.routed;
    return events;
  }

  /**
   * Called once a second: notes which inputs have nothing left to deliver, for lag in seconds; what stages gathered and
   * is finished goes on its way.
   */
  observe(): void {
    for (const { runner } of this.sources.values()) runner.observeLag();
    for (const pipeline of this.#pipelines.values()) pipeline.tick();
    this.#forgetIdleRetired();
  }

  async stopSources(): Promise<void> {
    this.#isStopping = true;
    await this.#changing;
    await Promise.all([...this.sources.values()].map(({ runner }) => runner.stop()));
  }

  /** Delivers what is queued, as far as the signal allows; where the agent stops, not what is safe in the journal. */
  async drain(signal: AbortSignal, isStopping: boolean): Promise<void> {
    // Every pipeline and sink waits for it; Node warns of more than 10 listeners.
    setMaxListeners(0, signal);
    if (isStopping) for (const { feed } of this.sinks.values()) feed?.stop();
    else await Promise.all([...this.#pipelines.values()].map((pipeline) => pipeline.finish(signal)));
    await Promise.all(this.#busyPipelines.map((pipeline) => pipeline.drain(signal)));
    await this.#options.spooler?.drain(signal);
    await Promise.all([...this.sinks.values()].map(({ runner }) => runner.drain(signal, !isStopping)));
  }

  /** Starts the sources anew that feed a sink, so that it gets what it is missing. `between` runs while they stand. */
  readAgain(sinkName: string, between: () => void): Promise<void> {
    const change = this.#changing.then(async () => {
      const config = this.#config;
      if (config === undefined || this.#isStopping) return;
      const feeding = config.pipelines.filter((pipeline) => pipeline.to.includes(sinkName));
      const names = new Set(feeding.flatMap((pipeline) => pipeline.from));
      const standing = [...this.sources.values()].filter(({ config: { name } }) => names.has(name));
      await Promise.all(standing.map(({ runner }) => runner.stop()));
      between();
      for (const { config: source } of standing) {
        if (this.#isStopping) return;
        this.#startSource(source, config);
      }
    });
    this.#changing = change.catch(() => undefined);
    return change;
  }

  /** Ends pipelines and sinks; sources must have ended. Returns how many events were not delivered. */
  async stop(): Promise<number> {
    let undelivered = 0;
    for (const { runner } of this.sinks.values()) undelivered += runner.unprotected;
    undelivered += this.#options.spooler?.unwritten ?? 0;
    this.#options.spooler?.stop();
    await Promise.all(this.#busyPipelines.map((pipeline) => pipeline.stop()));
    await Promise.all([...this.sinks.values()].map(({ runner }) => runner.stop()));
    return undelivered;
  }

  /** Whether anything was lost that was not left out on purpose. */
  get lostAnything(): boolean {
    const sources = [...this.sources.values()].map(({ runner }) => runner);
    const stages = this.pipelines.flatMap((pipeline) => pipeline.chain.steps);
    return (
      sources.some((source) => source.state === "failed" || source.counts.dropped.size > 0) ||
      stages.some(({ counts }) => counts.deadLettered > 0 || counts.droppedOnError > 0) ||
      [...this.sinks.values()].some(
        ({ runner: { counts } }) =>
          counts.deadLettered > 0 || counts.dropped > (counts.droppedBy.get("read_again") ?? 0),
      )
    );
  }

  /** All of them, or none and it throws. */
  async #makeSinks(configs: readonly SinkConfig[]): Promise<Map<string, RunningSink>> {
    const made = new Map<string, RunningSink>();
    try {
      for (const config of configs) made.set(config.name, await this.#makeSink(config));
    } catch (error) {
      for (const sink of made.values()) await this.#unmake(sink);
      throw error;
    }
    return made;
  }

  /** Its place in the journal is its own until it has ended: what it still settles counts there. */
  async #unmake({ config, runner, feed }: RunningSink): Promise<void> {
    feed?.stop();
    await runner.stop();
    // Of a batch in the journal some may be delivered: its successor gets all of it, and has to look.
    this.#options.checkpoints.sinkEnded(config.identity);
    if (feed !== undefined) this.#options.spooler?.detach(feed);
  }

  async #makeSink(config: SinkConfig): Promise<RunningSink> {
    const { clock, log, random, deadLetters, refusals, checkpoints, spooler } = this.#options;
    const secrets = secretValues(config);
    // A server, or a proxy, may repeat in its answer what it was sent.
    const clean = (text: string): string => secrets.reduce((left, secret) => left.replaceAll(secret, "***"), text);
    const sink = await config.definition.create(config.options, this.#context(config, "sinks"));
    const runner = new SinkRunner({
      ...{ name: config.name, sink, clock, random, log: log(config.name) },
      // A sink that keeps its place with its data sees documents in order, whatever a user sets.
      limits: { ...sink.limits, ...config.batch, ...(sink.position === undefined ? {} : { concurrency: 1 }) },
      windowBytes: (this.#options.outbox.maxBytes * 7) / 8,
      pool: this.#options.pool,
      storeRejected: async (documents) => {
        const others = documents.filter((each) => !refusals.has(each.batch));
        if (others.length > 0) {
          const letters = others.map((each) => refusedBySink(config, sink.encoding, each, clock.now()));
          await deadLetters.append(letters.map((letter) => ({ ...letter, reason: clean(letter.reason) })));
        }
        for (const { batch, index, reason } of documents) refusals.get(batch)?.(index, clean(reason));
      },
      onSettled: () => {
        checkpoints.touch();
      },
      syncMarks: () => checkpoints.sync(),
      onDefect: (error) => {
        log(config.name).error(
          `sink "${config.name}" met a defect in Wiretail and the agent ends at once, to be started again; nothing is lost. Please report: ${errorMessage(error)}`,
        );
        // The process ends with the stack trace and exit code 1. Going on would repeat the fault for ever.
        setImmediate(() => {
          throw error;
        });
      },
      writeTimeoutMs: WRITE_TIMEOUT_MS,
    });
    return { config, runner, feed: await spooler?.feed(config, runner, log(config.name)) };
  }

  #makePipeline(config: PipelineConfig): PipelineRunner {
    const { clock, log, outbox, pool, checkpoints, deadLetters, spooler } = this.#options;
    const routes = config.to.map((sinkName): Route => {
      const { config: sink, runner, feed } = this.sinks.get(sinkName)!;
      return {
        ...{ key: routeKey(config.name, sink.identity), sinkName, sinkIdentity: sink.identity, runner, feed },
        counts: { routed: 0, had: 0, elsewhere: 0 },
      };
    });
    return new PipelineRunner({
      ...{ config, routes, clock, outbox, pool, checkpoints, deadLetters, spooler, log: log(config.name) },
      envelope: this.#envelope(),
    });
  }

  #makeSource(config: SourceConfig, pipelines: readonly PipelineRunner[]): SourceRunner {
    const { clock, log, once, checkpoints, outbox } = this.#options;
    const definition: AnySource = config.definition;
    const envelope = this.#envelope();
    return new SourceRunner({
      ...{ name: config.name, pipelines, clock, once, checkpoints, outbox, isPrecious: !isRereadable(config) },
      log: log(config.name),
      create: () =>
        definition.create(config.options, Object.assign(this.#context(config, "sources"), { once, envelope })),
    });
  }

  /** The fields that every event begins with. */
  #envelope(): { paths: Path[]; values: string[] } {
    return {
      paths: [new Path("host.name"), new Path("ecs.version")],
      values: [this.#placeholders!.hostname, ECS_VERSION],
    };
  }

  #context(
    config: ComponentConfig<SinkConfig["definition"] | SourceConfig["definition"]>,
    kind: "sources" | "sinks",
  ): Context {
    const { clock, log } = this.#options;
    const labels = kind === "sinks" ? { sink: config.name } : { source: config.name };
    const stateDir = join(
      this.#options.stateDir,
      kind,
      kind === "sinks" ? sinkFolder(config) : sourceFolder(config.name),
    );
    return {
      ...{ id: config.name, log: log(config.name), placeholders: this.#placeholders! },
      metrics: this.#options.metrics.scope(labels, config.definition.metrics ?? []),
      get stateDir() {
        mkdirSync(stateDir, { recursive: true, mode: 0o700 });
        return stateDir;
      },
      now: () => clock.now(),
      monotonicMs: () => performance.now(),
      sleep: (ms, signal) => sleep(clock, ms, signal),
    };
  }
}

const WRITE_TIMEOUT_MS = 120_000;

/** Names of the pipelines that a source feeds, in the order of the configuration. */
function pipelinesFrom(config: HostConfig, source: string): string[] {
  return config.pipelines.filter((pipeline) => pipeline.from.includes(source)).map((pipeline) => pipeline.name);
}
