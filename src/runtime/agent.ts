import { join } from "node:path";
import { createHash } from "node:crypto";
import { mkdirSync } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { BufferPool } from "../core/buffer-pool.ts";
import type { AnySource, Context, Log, Placeholders } from "../core/component.ts";
import { errorMessage, WiretailError } from "../core/error.ts";
import { Path } from "../core/path.ts";
import { DeadLetterFile } from "../disk/dead-letters.ts";
import { Checkpoints } from "./checkpoints.ts";
import { sleep, type Clock } from "./clock.ts";
import type { ComponentConfig, HostConfig, PipelineConfig, SinkConfig, SourceConfig } from "./config/types.ts";
import { serveControl, serveHttp, type Handler } from "./control.ts";
import { ComponentMetrics } from "./metrics.ts";
import { Outbox } from "./outbox.ts";
import { PipelineRunner, routeKey, type Route } from "./pipeline-runner.ts";
import { refusedBySink } from "./refused.ts";
import { SinkRunner } from "./sink-runner.ts";
import { SourceRunner } from "./source-runner.ts";
import { lockStateDir, makeStateDir } from "./state-lock.ts";
import type { AgentStatus } from "./status.ts";
import { statusHandler } from "./status-handler.ts";
import { collectStatus } from "./status-collect.ts";

export const ECS_VERSION = "8.17.0";

export interface AgentOptions {
  readonly config: HostConfig;
  readonly placeholders: Placeholders;
  readonly version: string;
  readonly clock: Clock;
  /** Makes the log of a component, or the agent's own. */
  readonly log: (component?: string) => Log;
  /** End when every source is at its end and every sink has everything. */
  readonly once: boolean;
  readonly random?: () => number;
}

interface RunningSink {
  readonly config: SinkConfig;
  readonly runner: SinkRunner;
}
interface RunningSource {
  readonly config: SourceConfig;
  readonly runner: SourceRunner;
}

/** A host's running agent: made from a configuration by `start`, changed by `reload`, ended by `stop`. */
export class Agent {
  readonly #options: AgentOptions;
  #config: HostConfig;
  #placeholders: Placeholders;
  readonly #log: Log;
  readonly #metrics = new ComponentMetrics();
  readonly #pool: BufferPool;
  readonly #outbox: Outbox;
  readonly #startedAtMs: number;
  #lock: FileHandle | undefined;
  #checkpoints!: Checkpoints;
  #deadLetters!: DeadLetterFile;
  #deadLettersDropped = 0;
  readonly #sinks = new Map<string, RunningSink>();
  #pipelines = new Map<string, PipelineRunner>();
  /** Replaced on reload; they may still be writing dead letters. */
  readonly #retired = new Set<PipelineRunner>();
  readonly #sources = new Map<string, RunningSource>();
  #closers: (() => Promise<void>)[] = [];
  readonly #stopped = new AbortController();
  #changing: Promise<unknown> = Promise.resolve();

  private constructor(options: AgentOptions) {
    this.#options = options;
    this.#config = options.config;
    this.#placeholders = options.placeholders;
    this.#log = options.log();
    this.#startedAtMs = options.clock.now();
    this.#pool = new BufferPool(options.config.memoryBudgetBytes / 2);
    this.#outbox = new Outbox(options.config.memoryBudgetBytes, () => {
      for (const { runner } of this.#sinks.values()) runner.flush();
    });
  }

  /** Takes the state directory, opens sinks, then starts sources. Throws WiretailError where that is impossible. */
  static async start(options: AgentOptions): Promise<Agent> {
    const agent = new Agent(options);
    try {
      await agent.#start();
      return agent;
    } catch (error) {
      await agent.#release();
      throw error;
    }
  }

  get config(): HostConfig {
    return this.#config;
  }

  async #start(): Promise<void> {
    const { stateDir, deadLetters, http } = this.#config;
    await makeStateDir(stateDir);
    this.#lock = await lockStateDir(stateDir);
    this.#checkpoints = await Checkpoints.open(join(stateDir, "checkpoints.json"), this.#options.clock, this.#log);
    this.#deadLetters = new DeadLetterFile(
      join(stateDir, "dead-letters", "dead-letters.ndjson"),
      deadLetters.maxBytes,
      (letters) => {
        this.#deadLettersDropped += letters;
        this.#log.error("dead letters were removed because their budget is full", { letters });
      },
    );
    const control = await serveControl(stateDir, this.#handler());
    this.#closers.push(() => control.close());
    if (http !== undefined) {
      const server = await serveHttp(http, this.#handler()).catch((error: unknown) => {
        throw new WiretailError(
          "WT_CONFIG_INVALID",
          `cannot listen on http.address ${http.host}:${http.port}: ${errorMessage(error)}`,
          { cause: error },
        );
      });
      this.#closers.push(() => server.close());
      this.#log.info("metrics are served", { url: `http://${http.host}:${server.port}/metrics` });
    }
    await this.#apply(this.#config);
    void this.#observe();
  }

  /** Resolves when every source has ended for good: the end of `--once`. */
  async sourcesEnded(): Promise<void> {
    await Promise.all([...this.#sources.values()].map(({ runner }) => runner.finished));
  }

  /** Takes a new configuration: what did not change runs on, the rest is stopped, changed, started. */
  reload(config: HostConfig, placeholders: Placeholders): Promise<void> {
    const change = this.#changing.then(async () => {
      if (this.#stopped.signal.aborted) return;
      if (config.stateDir !== this.#config.stateDir) {
        throw new WiretailError(
          "WT_CONFIG_INVALID",
          `state_dir cannot change while the agent runs (it is ${this.#config.stateDir})`,
          { hint: "restart the agent" },
        );
      }
      this.#placeholders = placeholders;
      await this.#apply(config);
      const fixed = RESTART_SETTINGS.filter(
        ([, read]) => JSON.stringify(read(config)) !== JSON.stringify(read(this.#config)),
      );
      if (fixed.length > 0) {
        const settings = fixed.map(([name]) => name).join(", ");
        this.#log.warn(`changes of ${settings} take effect when the agent is restarted`);
      }
      this.#config = config;
      this.#log.info("configuration reloaded", {
        sources: config.sources.length,
        pipelines: config.pipelines.length,
        sinks: config.sinks.length,
      });
    });
    this.#changing = change.catch(() => undefined);
    return change;
  }

  /** Delivers what is queued, as far as the signal allows. Sources must have ended, or go on filling the queues. */
  async drain(signal: AbortSignal): Promise<void> {
    await Promise.all([...this.#pipelines.values(), ...this.#retired].map((pipeline) => pipeline.drain(signal)));
    await Promise.all([...this.#sinks.values()].map(({ runner }) => runner.drain(signal)));
  }

  /**
   * Stops sources, delivers what was read within the limit, closes everything. Returns how many events were read and
   * not delivered: they will be read again where their source allows it.
   */
  async stop(timeoutMs: number): Promise<{ undelivered: number }> {
    await this.#changing;
    this.#stopped.abort();
    const limit = AbortSignal.timeout(Math.max(1, timeoutMs));
    await Promise.all([...this.#sources.values()].map(({ runner }) => runner.stop()));
    await this.drain(limit);
    let undelivered = 0;
    for (const { runner } of this.#sinks.values()) undelivered += runner.queued;
    await Promise.all([...this.#pipelines.values(), ...this.#retired].map((pipeline) => pipeline.stop()));
    await Promise.all([...this.#sinks.values()].map(({ runner }) => runner.stop()));
    await this.#release();
    return { undelivered };
  }

  /**
   * Whether anything that was not left out on purpose was dropped or dead-lettered so far: the exit code of `--once`.
   * What a filter leaves out is on purpose; what `on_error: "drop"` drops is not.
   */
  get lostAnything(): boolean {
    const sources = [...this.#sources.values()].map(({ runner }) => runner);
    const stages = [...this.#pipelines.values()].flatMap((pipeline) => pipeline.chain.steps);
    return (
      sources.some((source) => source.state === "failed" || source.counts.dropped.size > 0) ||
      stages.some(({ counts }) => counts.deadLettered > 0 || counts.droppedOnError > 0) ||
      [...this.#sinks.values()].some(({ runner }) => runner.counts.deadLettered > 0)
    );
  }

  status(): AgentStatus {
    return collectStatus({
      version: this.#options.version,
      hostname: this.#placeholders.hostname,
      config: this.#config,
      nowMs: this.#options.clock.now(),
      startedAtMs: this.#startedAtMs,
      outbox: this.#outbox,
      checkpointError: this.#checkpoints.failure,
      deadLettersDropped: this.#deadLettersDropped,
      sources: [...this.#sources.values()],
      pipelines: [...this.#pipelines.values()],
      sinks: [...this.#sinks.values()],
    });
  }

  /**
   * Brings what runs into line with a configuration: sinks first, then pipelines, then the sources that feed them.
   * Where a sink cannot be made, everything is as before, and it throws.
   */
  async #apply(config: HostConfig): Promise<void> {
    const isCurrent = (sink: SinkConfig): boolean =>
      this.#sinks.get(sink.name)?.config.fingerprint === sink.fingerprint;
    const staying = new Set(config.sinks.filter(isCurrent).map((sink) => sink.name));
    const going = [...this.#sinks.values()].filter((sink) => !staying.has(sink.config.name));
    const coming = config.sinks.filter((sink) => !staying.has(sink.name));
    // Two sinks must not write to one place at a time: a successor is made when its predecessor is closed.
    const isSuccessor = (sink: SinkConfig): boolean => going.some((old) => old.config.identity === sink.identity);
    const made = await this.#makeSinks(coming.filter((sink) => !isSuccessor(sink)));

    const kept = new Map<string, PipelineRunner>();
    for (const pipeline of config.pipelines) {
      const old = this.#pipelines.get(pipeline.name);
      const before = this.#config.pipelines.find((each) => each.name === pipeline.name);
      const isSame =
        old !== undefined &&
        before?.fingerprint === pipeline.fingerprint &&
        old.routes.length === pipeline.to.length &&
        old.routes.every(
          ({ sinkName, runner }, i) =>
            sinkName === pipeline.to[i] && staying.has(sinkName) && this.#sinks.get(sinkName)?.runner === runner,
        );
      if (isSame) kept.set(pipeline.name, old);
    }
    for (const [name, source] of [...this.#sources]) {
      const next = config.sources.find((each) => each.name === name);
      const after = pipelinesFrom(config, name);
      const isSame =
        next?.fingerprint === source.config.fingerprint &&
        pipelinesFrom(this.#config, name).join("\n") === after.join("\n") &&
        after.every((pipeline) => kept.has(pipeline));
      if (isSame) continue;
      await source.runner.stop();
      this.#sources.delete(name);
    }
    // What sinks were given goes out first; what does not within the limit is read again for their successors.
    const limit = AbortSignal.timeout(Math.max(1, config.shutdownTimeoutMs));
    for (const sink of going) {
      await sink.runner.drain(limit);
      await sink.runner.stop();
      this.#sinks.delete(sink.config.name);
    }
    try {
      for (const [name, sink] of await this.#makeSinks(coming.filter(isSuccessor))) made.set(name, sink);
    } catch (error) {
      for (const { runner } of made.values()) await runner.stop();
      await this.#apply(this.#config);
      throw error;
    }
    for (const [name, sink] of made) this.#sinks.set(name, sink);
    for (const [name, pipeline] of this.#pipelines) if (kept.get(name) !== pipeline) this.#retired.add(pipeline);
    this.#pipelines = new Map(
      config.pipelines.map((pipeline) => [pipeline.name, kept.get(pipeline.name) ?? this.#makePipeline(pipeline)]),
    );
    for (const source of config.sources) {
      if (this.#sources.has(source.name)) continue;
      const feeds = pipelinesFrom(config, source.name).map((name) => this.#pipelines.get(name)!);
      const runner = this.#makeSource(source, feeds);
      this.#sources.set(source.name, { config: source, runner });
      runner.start();
    }
  }

  /** All of them, or none and it throws. */
  async #makeSinks(configs: readonly SinkConfig[]): Promise<Map<string, RunningSink>> {
    const made = new Map<string, RunningSink>();
    try {
      for (const config of configs) made.set(config.name, { config, runner: await this.#makeSink(config) });
    } catch (error) {
      for (const { runner } of made.values()) await runner.stop();
      throw error;
    }
    return made;
  }

  async #makeSink(config: SinkConfig): Promise<SinkRunner> {
    const { clock, log, random = Math.random } = this.#options;
    const sink = await config.definition.create(config.options, this.#context(config, "sinks"));
    return new SinkRunner({
      ...{ name: config.name, sink, clock, random, log: log(config.name) },
      // A sink that keeps its place with its data sees documents in order, whatever a user sets.
      limits: { ...sink.limits, ...config.batch, ...(sink.position === undefined ? {} : { concurrency: 1 }) },
      storeRejected: (documents) =>
        this.#deadLetters.append(documents.map((each) => refusedBySink(config.name, sink.encoding, each, clock.now()))),
      onSettled: () => {
        this.#checkpoints.touch();
      },
      writeTimeoutMs: WRITE_TIMEOUT_MS,
    });
  }

  #makePipeline(config: PipelineConfig): PipelineRunner {
    const { clock, log } = this.#options;
    const routes = config.to.map((sinkName): Route => {
      const { config: sink, runner } = this.#sinks.get(sinkName)!;
      return { key: routeKey(config.name, sink.identity), sinkName, runner };
    });
    return new PipelineRunner({
      ...{ config, routes, clock, outbox: this.#outbox, pool: this.#pool },
      ...{ checkpoints: this.#checkpoints, deadLetters: this.#deadLetters, log: log(config.name) },
    });
  }

  #makeSource(config: SourceConfig, pipelines: readonly PipelineRunner[]): SourceRunner {
    const { clock, log, once } = this.#options;
    const definition: AnySource = config.definition;
    const envelope = {
      paths: [new Path("host.name"), new Path("ecs.version")],
      values: [this.#placeholders.hostname, ECS_VERSION],
    };
    return new SourceRunner({
      ...{ name: config.name, pipelines, clock, once, checkpoints: this.#checkpoints, outbox: this.#outbox },
      log: log(config.name),
      create: () =>
        definition.create(config.options, Object.assign(this.#context(config, "sources"), { once, envelope })),
    });
  }

  #context(
    config: ComponentConfig<SinkConfig["definition"] | SourceConfig["definition"]>,
    kind: "sources" | "sinks",
  ): Context {
    const { clock, log } = this.#options;
    const labels = kind === "sinks" ? { sink: config.name } : { source: config.name };
    // Names may hold anything; a folder's name may not.
    const folder = /^[\w-]{1,64}$/.test(config.name)
      ? config.name
      : createHash("sha256").update(config.name).digest("hex").slice(0, 32);
    const stateDir = join(this.#config.stateDir, kind, folder);
    return {
      ...{ id: config.name, log: log(config.name), placeholders: this.#placeholders },
      metrics: this.#metrics.scope(labels, config.definition.metrics ?? []),
      get stateDir() {
        mkdirSync(stateDir, { recursive: true, mode: 0o700 });
        return stateDir;
      },
      now: () => clock.now(),
      sleep: (ms, signal) => sleep(clock, ms, signal),
    };
  }

  /** Once a second: notes which inputs have nothing left to deliver, for lag in seconds. */
  async #observe(): Promise<void> {
    while (!this.#stopped.signal.aborted) {
      for (const { runner } of this.#sources.values()) runner.observeLag();
      await sleep(this.#options.clock, 1000, this.#stopped.signal);
    }
  }

  #handler(): Handler {
    return statusHandler(
      () => this.status(),
      () => this.#metrics.samples(),
    );
  }

  async #release(): Promise<void> {
    for (const close of this.#closers.splice(0)) await close();
    await (this.#deadLetters as DeadLetterFile | undefined)?.close();
    // A failure was logged when it happened.
    await (this.#checkpoints as Checkpoints | undefined)?.close().catch(() => undefined);
    await this.#lock?.close();
    this.#lock = undefined;
  }
}

const WRITE_TIMEOUT_MS = 120_000;

/** Settings that a reload does not apply. */
const RESTART_SETTINGS: readonly (readonly [name: string, read: (config: HostConfig) => unknown])[] = [
  ["memory_budget_bytes", (config) => config.memoryBudgetBytes],
  ["log", (config) => config.log],
  ["http", (config) => config.http],
  ["dead_letters", (config) => config.deadLetters],
];

/** Names of the pipelines that a source feeds, in the order of the configuration. */
function pipelinesFrom(config: HostConfig, source: string): string[] {
  return config.pipelines.filter((pipeline) => pipeline.from.includes(source)).map((pipeline) => pipeline.name);
}
