import { join } from "node:path";
import type { FileHandle } from "node:fs/promises";
import { BufferPool } from "../core/buffer-pool.ts";
import type { Log, Placeholders } from "../core/component.ts";
import { errorMessage, WiretailError } from "../core/error.ts";
import { DeadLetterStore } from "../disk/dead-letters/store.ts";
import { Checkpoints } from "./checkpoints.ts";
import { sleep, type Clock } from "./clock.ts";
import type { HostConfig } from "./config/types.ts";
import { serveControl, serveHttp, type CommandHandler, type Handler } from "./control.ts";
import { deadLetterCommand } from "./replay/commands.ts";
import { Replays, type ReplaysOptions, type ReplayStatus } from "./replay/replays.ts";
import { Graph } from "./graph.ts";
import { ComponentMetrics } from "./metrics.ts";
import { openJournal } from "./open-journal.ts";
import { Outbox } from "./outbox.ts";
import { Spooler } from "./spooler.ts";
import { lockStateDir, makeStateDir } from "./state-lock.ts";
import type { AgentStatus } from "./status.ts";
import { statusHandler } from "./status-handler.ts";
import { collectStatus } from "./status-collect.ts";
import { TAP_PATH, TAP_POINTS_PATH, type TapRequest } from "./tap/protocol.ts";
import { Taps } from "./tap/taps.ts";
import { hostMonotonicMs, TAKEOVER_PATH, takeOver, type TakeoverRequest } from "./takeover.ts";

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
  /** Take the state directory from the agent that runs with it, waiting so long for it to end. */
  readonly takeoverTimeoutMs?: number;
  /** Another process wants the state directory: the agent has to be stopped within so many milliseconds. */
  readonly onTakeover?: (timeoutMs: number) => void;
}

/** What is kept to be used again, and what is held, are not more than the budget together, or an eighth more. */
function freeBytesAllowed({ budgetBytes, heldBytes }: Outbox): number {
  return Math.max(budgetBytes / 8, budgetBytes - heldBytes);
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
  #deadLetters!: DeadLetterStore;
  readonly #deadLettersDropped = { budget: 0, age: 0 };
  #graph!: Graph;
  #replays!: Replays;
  #taps!: Taps;
  #spooler: Spooler | undefined;
  #closers: (() => Promise<void>)[] = [];
  readonly #stopped = new AbortController();
  #changing: Promise<unknown> = Promise.resolve();

  private constructor(options: AgentOptions) {
    this.#options = options;
    this.#config = options.config;
    this.#placeholders = options.placeholders;
    this.#log = options.log();
    this.#startedAtMs = options.clock.now();
    const { config, clock } = options;
    this.#outbox = new Outbox({
      maxBytes: config.memoryBudgetBytes,
      onFull: () => {
        for (const { runner } of this.#graph.sinks.values()) runner.flush();
        this.#spooler?.relieve();
      },
      isShort: () => {
        for (const { runner } of this.#graph.sinks.values()) if (runner.isShortOf(this.#outbox.heldBytes)) return true;
        return false;
      },
      nowMs: () => clock.monotonicMs(),
    });
    this.#pool = new BufferPool(() => freeBytesAllowed(this.#outbox));
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
    const { clock, log, once, random = Math.random } = this.#options;
    await makeStateDir(stateDir);
    const { takeoverTimeoutMs } = this.#options;
    this.#lock =
      takeoverTimeoutMs === undefined
        ? await lockStateDir(stateDir)
        : await takeOver(stateDir, takeoverTimeoutMs, this.#log);
    this.#checkpoints = await Checkpoints.open(join(stateDir, "checkpoints.json"), clock, this.#log);
    this.#deadLetters = new DeadLetterStore({
      ...{ folder: join(stateDir, "dead-letters"), ...deadLetters, now: () => clock.now() },
      onDropped: (letters, why) => {
        this.#deadLettersDropped[why] += letters;
        if (why === "budget") this.#log.error("dead letters were removed because their budget is full", { letters });
        else this.#log.warn("dead letters were removed because they were too old", { letters });
      },
    });
    // Nobody waits for it here: what needs it does.
    void this.#deadLetters.open().catch((error: unknown) => {
      this.#log.error(`cannot read the dead letters: ${errorMessage(error)}`);
    });
    const refusals: ReplaysOptions["refusals"] = new WeakMap();
    const journal = await openJournal(this.#config, this.#checkpoints, this.#log);
    if (journal !== undefined) {
      this.#spooler = new Spooler({
        ...{
          journal,
          outbox: this.#outbox,
          pool: this.#pool,
          checkpoints: this.#checkpoints,
          clock,
          log: this.#log,
          random,
        },
        readAgain: (sinkName, between) => this.#graph.readAgain(sinkName, between),
      });
    }
    this.#graph = new Graph({
      ...{ stateDir, clock, log, once, random, metrics: this.#metrics, pool: this.#pool, outbox: this.#outbox },
      ...{ checkpoints: this.#checkpoints, deadLetters: this.#deadLetters, refusals, spooler: this.#spooler },
    });
    this.#replays = new Replays({
      ...{ stateDir, store: this.#deadLetters, clock, log: this.#log, refusals, config: () => this.#config },
      sink: (name) => this.#graph.sinks.get(name)?.runner,
    });
    this.#taps = new Taps({
      ...{ graph: () => this.#graph, config: () => this.#config, clock, random, log: this.#log },
    });
    const control = await serveControl(stateDir, this.#handler(), this.#commands(), (path, body) =>
      path === TAP_PATH ? this.#taps.open(body as TapRequest) : undefined,
    );
    this.#closers.push(() => {
      this.#taps.close();
      return control.close();
    });
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
    await this.#graph.apply(this.#config, this.#placeholders);
    await this.#replays.resume();
    void this.#observe();
  }

  /** Resolves when every source has ended for good: the end of `--once`. */
  sourcesEnded(): Promise<void> {
    return this.#graph.sourcesEnded();
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
      await this.#graph.apply(config, placeholders);
      this.#placeholders = placeholders;
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
  drain(signal: AbortSignal): Promise<void> {
    return this.#graph.drain(signal, false);
  }

  /**
   * Stops sources, delivers what was read within the limit, closes everything. Returns how many events were read and
   * not delivered: they will be read again where their source allows it.
   */
  async stop(timeoutMs: number): Promise<{ undelivered: number }> {
    await this.#changing;
    this.#stopped.abort();
    this.#replays.pause();
    const limit = AbortSignal.timeout(Math.max(1, timeoutMs));
    await this.#graph.stopSources();
    await this.#graph.drain(limit, true);
    const undelivered = await this.#graph.stop();
    await this.#release();
    return { undelivered };
  }

  /** Replays dead letters (after what an earlier process could not end) and waits for it, or until the signal aborts. */
  async replayDeadLetters(query: string, asItWas: boolean, signal: AbortSignal): Promise<void> {
    const aborted = new Promise<void>((resolve) => {
      signal.addEventListener("abort", () => resolve(), { once: true });
    });
    await Promise.race([this.#replays.finished(), aborted]);
    if (signal.aborted) return;
    await this.#replays.start(query, asItWas);
    await Promise.race([this.#replays.finished(), aborted]);
  }

  get replayStatus(): ReplayStatus {
    return this.#replays.status;
  }

  /**
   * Whether anything that was not left out on purpose was dropped or dead-lettered so far: the exit code of `--once`.
   * What a filter leaves out is on purpose; what `on_error: "drop"` drops is not.
   */
  get lostAnything(): boolean {
    return this.#graph.lostAnything;
  }

  status(): AgentStatus {
    return collectStatus({
      version: this.#options.version,
      hostname: this.#placeholders.hostname,
      config: this.#config,
      nowMs: this.#options.clock.now(),
      startedAtMs: this.#startedAtMs,
      outbox: this.#outbox,
      spooler: this.#spooler,
      checkpointError: this.#checkpoints.failure,
      deadLetters: {
        ...this.#deadLetters.stats,
        ...{ maxBytes: this.#config.deadLetters.maxBytes, dropped: this.#deadLettersDropped },
      },
      sources: [...this.#graph.sources.values()],
      pipelines: this.#graph.pipelines,
      sinks: [...this.#graph.sinks.values()],
      fromPipelines: (runner) => this.#graph.fromPipelines(runner),
      replayedTo: (runner) => this.#replays.replayedTo(runner),
    });
  }

  /** Once a second: what `status` can only say when it was watched. */
  async #observe(): Promise<void> {
    for (let seconds = 0; !this.#stopped.signal.aborted; seconds++) {
      this.#graph.observe();
      await this.#spooler?.maintain();
      if (seconds % 60 === 0) {
        await this.#deadLetters.removeOld().catch((error: unknown) => {
          this.#log.warn(`old dead letters cannot be removed: ${errorMessage(error)}`);
        });
      }
      await sleep(this.#options.clock, 1000, this.#stopped.signal);
    }
  }

  #handler(): Handler {
    return statusHandler(
      () => this.status(),
      () => this.#metrics.samples(),
    );
  }

  /** What may be asked of the agent on its control socket beside questions. */
  #commands(): CommandHandler {
    return (path, body) => {
      if (path === TAP_POINTS_PATH) return Promise.resolve(this.#taps.points);
      if (path === TAKEOVER_PATH) return this.#giveUp(body as TakeoverRequest);
      const parts = { config: this.#config, store: this.#deadLetters, replays: this.#replays };
      return deadLetterCommand(parts, path, body, () => this.#options.clock.now());
    };
  }

  /** Another process takes over: answers at once, and ends as after SIGTERM. */
  #giveUp({ pid, until_ms }: TakeoverRequest): Promise<{ pid: number }> {
    const { onTakeover } = this.#options;
    const leftMs = until_ms - hostMonotonicMs();
    if (onTakeover === undefined || !(leftMs > 0))
      throw new WiretailError("WT_TAKEOVER_FAILED", "this process cannot be taken over from, or was asked too late");
    this.#log.warn("another process takes over: delivering what was read, then ending", { pid });
    setImmediate(() => {
      onTakeover(leftMs);
    });
    return Promise.resolve({ pid: process.pid });
  }

  async #release(): Promise<void> {
    for (const close of this.#closers.splice(0)) await close();
    await (this.#replays as Replays | undefined)?.close();
    await (this.#deadLetters as DeadLetterStore | undefined)?.close();
    // Positions first: a record must not be gone before those behind it are on disk.
    const isSaved = await (this.#checkpoints as Checkpoints | undefined)?.sync().then(
      () => true,
      () => false,
    );
    await this.#spooler?.journal.close(isSaved).catch((error: unknown) => {
      this.#log.warn(`cannot write the journal's cursors: ${errorMessage(error)}`);
    });
    // A failure was logged when it happened.
    await (this.#checkpoints as Checkpoints | undefined)?.close().catch(() => undefined);
    await this.#lock?.close();
    this.#lock = undefined;
  }
}

/** Settings that a reload does not apply. */
const RESTART_SETTINGS: readonly (readonly [name: string, read: (config: HostConfig) => unknown])[] = [
  ["memory_budget_bytes", (config) => config.memoryBudgetBytes],
  ["log", (config) => config.log],
  ["http", (config) => config.http],
  ["dead_letters", (config) => config.deadLetters],
  ["journal", (config) => config.journal],
];
