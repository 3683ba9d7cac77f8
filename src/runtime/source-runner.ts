import type { LineBatch } from "../core/batch.ts";
import type { InputStatus, KnownPartition, Log, OpenPartition, Source, SourceOutput } from "../core/component.ts";
import { errorMessage } from "../core/error.ts";
import { backoffMs } from "./backoff.ts";
import type { Checkpoints } from "./checkpoints.ts";
import { sleep, type Clock } from "./clock.ts";
import type { Outbox } from "./outbox.ts";
import type { BatchOutcome, PipelineRunner } from "./pipeline-runner.ts";

/** Totals since the start. `read = into pipelines + dropped`. */
export interface SourceCounts {
  events: number;
  bytes: number;
  /** By reason. */
  readonly dropped: Map<string, number>;
}

export interface SourceRunnerOptions {
  readonly name: string;
  readonly create: () => Source | Promise<Source>;
  readonly pipelines: readonly PipelineRunner[];
  readonly checkpoints: Checkpoints;
  readonly outbox: Outbox;
  readonly clock: Clock;
  readonly log: Log;
  /** Do not start it again when it fails or ends. */
  readonly once: boolean;
}

export type SourceState = "starting" | "running" | "waiting" | "ended" | "failed";

/** Runs one source: hands its batches to its pipelines, holds it back while the outbox is full, restarts it. */
export class SourceRunner {
  readonly counts: SourceCounts = { events: 0, bytes: 0, dropped: new Map() };
  readonly routes: readonly string[];
  readonly name: string;
  readonly #options: SourceRunnerOptions;
  readonly #stop = new AbortController();
  #source: Source | undefined;
  #state: SourceState = "starting";
  #waitingSinceMs: number | undefined;
  #error: string | undefined;
  #finished: Promise<void> = Promise.resolve();
  /** It did not end when it was told to: nothing that it still does counts. */
  #isAbandoned = false;
  /** When each partition was last seen with everything delivered. */
  readonly #caughtUpAtMs = new Map<string, number>();

  constructor(options: SourceRunnerOptions) {
    this.#options = options;
    this.name = options.name;
    this.routes = options.pipelines.flatMap((pipeline) => pipeline.routes.map((route) => route.key));
  }

  get state(): SourceState {
    return this.#waitingSinceMs !== undefined ? "waiting" : this.#state;
  }
  get waitingSinceMs(): number | undefined {
    return this.#waitingSinceMs;
  }
  get error(): string | undefined {
    return this.#error;
  }
  /** Resolves when the source has ended for good. */
  get finished(): Promise<void> {
    return this.#finished;
  }

  start(): void {
    this.#finished = this.#run();
  }

  /**
   * Ends reading; resolves when the source has let go of its input. What it emitted stays on its way. A source that does
   * not end within STOP_TIMEOUT_MS is left behind: it must not keep the agent from ending, or a new configuration out.
   */
  async stop(): Promise<void> {
    this.#stop.abort();
    this.#options.outbox.wakeAll();
    const { clock, log } = this.#options;
    const waited = new AbortController();
    const late = sleep(clock, STOP_TIMEOUT_MS, waited.signal).then(() => {
      if (waited.signal.aborted) return;
      this.#isAbandoned = true;
      this.#state = "failed";
      this.#error = "it did not end when it was stopped";
      const what = `source "${this.name}" has not ended ${STOP_TIMEOUT_MS / 1000} s after it was stopped and is left behind`;
      log.error(`${what}; what it read and nobody has yet is read again at the next start`);
    });
    await Promise.race([this.#finished, late]);
    waited.abort();
  }

  inputs(): readonly InputStatus[] {
    return this.#source?.inputs() ?? [];
  }

  /** Bytes of an input that no route has settled yet, and for how long there have been any. */
  lag(input: InputStatus): {
    deliveredBytes: number | undefined;
    lagBytes: number | undefined;
    lagSeconds: number | undefined;
  } {
    const now = this.#options.clock.now();
    if (input.partition === undefined || input.sizeBytes === undefined)
      return { deliveredBytes: undefined, lagBytes: undefined, lagSeconds: undefined };
    const settled = this.#options.checkpoints.settled(input.partition, this.routes) ?? 0;
    const deliveredBytes = Math.min(settled, input.sizeBytes);
    const lagBytes = input.sizeBytes - deliveredBytes;
    if (lagBytes === 0 || !this.#caughtUpAtMs.has(input.partition)) this.#caughtUpAtMs.set(input.partition, now);
    return { deliveredBytes, lagBytes, lagSeconds: (now - this.#caughtUpAtMs.get(input.partition)!) / 1000 };
  }

  /** Notes which inputs have no lag at this moment; called every second. */
  observeLag(): void {
    for (const input of this.inputs()) this.lag(input);
  }

  async #run(): Promise<void> {
    const { create, clock, log, once } = this.#options;
    for (let failures = 0; ;) {
      const began = clock.now();
      try {
        this.#source = await create();
        this.#state = "running";
        this.#error = undefined;
        await this.#source.run(this.#output(), this.#stop.signal);
        if (!this.#isAbandoned) this.#state = "ended";
        return;
      } catch (error) {
        this.#error = errorMessage(error);
        if (this.#isAbandoned) return;
        if (this.#stop.signal.aborted || once) {
          this.#state = "failed";
          log.error(`source "${this.name}" failed: ${this.#error}`);
          return;
        }
        failures = clock.now() - began > 60_000 ? 1 : failures + 1;
        const pauseMs = backoffMs(failures, Math.random);
        this.#state = "failed";
        log.error(`source "${this.name}" failed and starts again: ${this.#error}`, { in_ms: pauseMs });
        await sleep(clock, pauseMs, this.#stop.signal);
        if (this.#stop.signal.aborted) return;
      }
    }
  }

  #output(): SourceOutput {
    const { checkpoints, pipelines } = this.#options;
    const known: readonly KnownPartition[] = checkpoints.known(this.name, this.routes);
    const routes = pipelines.flatMap((pipeline) => pipeline.routes);
    const asking = routes.filter((route) => route.runner.sink.asksWhatArrived === true);
    const asksWhatArrived = new Set(asking.map((route) => route.key));
    return {
      known,
      open: async (partition: OpenPartition) => {
        if (this.#isAbandoned) return never();
        const position = checkpoints.open(
          this.name,
          partition.id,
          partition.identity,
          partition.startPosition,
          this.routes,
          (route) => {
            for (const pipeline of pipelines) {
              const found = pipeline.routes.find((each) => each.key === route);
              if (found !== undefined) return found.runner.sink.position?.(partition.id, pipeline.name);
            }
            return undefined;
          },
          (route) => asksWhatArrived.has(route),
        );
        await checkpoints.sync();
        return position;
      },
      update: (id, identity) => {
        if (!this.#isAbandoned) checkpoints.update(id, identity);
      },
      forget: (id) => {
        if (this.#isAbandoned) return;
        checkpoints.forget(id);
        this.#caughtUpAtMs.delete(id);
      },
      emit: (batch) => (this.#isAbandoned ? never() : this.#emit(batch)),
      dropped: (count, reason) => {
        if (this.#isAbandoned) return;
        this.counts.dropped.set(reason, (this.counts.dropped.get(reason) ?? 0) + count);
      },
    };
  }

  #emit(batch: LineBatch): Promise<void> | undefined {
    const { pipelines, outbox, clock } = this.#options;
    this.counts.events += batch.count;
    this.counts.bytes += batch.byteLength;
    const done = settleWhenAll(pipelines.length, batch.ack);
    for (const pipeline of pipelines) pipeline.process(batch, done);
    const room = this.#stop.signal.aborted ? undefined : outbox.room();
    if (room === undefined) return undefined;
    this.#waitingSinceMs ??= clock.now();
    return this.#waitForRoom(room);
  }

  async #waitForRoom(first: Promise<void>): Promise<void> {
    for (
      let room: Promise<void> | undefined = first;
      room !== undefined && !this.#stop.signal.aborted;
      room = this.#options.outbox.room()
    ) {
      await room;
    }
    this.#waitingSinceMs = undefined;
  }
}

/** A source that was left behind waits here. */
function never(): Promise<never> {
  return new Promise(() => undefined);
}

const STOP_TIMEOUT_MS = 10_000;

/**
 * Calls `ack` once, after as many outcomes as there are pipelines, with the worst of them. A function of its own so
 * that nothing that waits for sinks keeps the batch, and with it the text that was read, in memory.
 */
function settleWhenAll(pipelines: number, ack: LineBatch["ack"]): (outcome: BatchOutcome) => void {
  let open = pipelines;
  let worst: BatchOutcome = "delivered";
  return (outcome) => {
    if (outcome === "retry" || worst === "delivered") worst = outcome;
    if (--open === 0) ack?.(worst);
  };
}
