import type { LineBatch } from "../core/batch.ts";
import type { InputStatus, KnownPartition, Log, OpenPartition, Source, SourceOutput } from "../core/component.ts";
import { errorMessage } from "../core/error.ts";
import { backoffMs } from "./backoff.ts";
import type { Checkpoints } from "./checkpoints.ts";
import { sleep, type Clock } from "./clock.ts";
import { LagMeter, type Rates } from "./lag-meter.ts";
import type { Outbox } from "./outbox.ts";
import type { BatchOutcome, PipelineRunner } from "./pipeline-runner.ts";

/** Totals since the start. `read = into pipelines + dropped`. */
export interface SourceCounts {
  events: number;
  bytes: number;
  /** By reason. */
  readonly dropped: Map<string, number>;
  /** Events that each pipeline took. */
  readonly intoPipelines: Map<string, number>;
}

/** What a source waits for before it reads on. */
export interface SourceWait {
  /**
   * `memory_budget`: sinks are behind and memory is used up. `checkpoint`: a new file's place has to be on disk first.
   * `file_descriptors`: too many files are open.
   */
  readonly reason: "memory_budget" | "checkpoint" | "file_descriptors";
  readonly sinceMs: number;
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
  /** What it gives cannot be read again. */
  readonly isPrecious: boolean;
}

/** How far behind an input is. */
export interface InputLag {
  readonly deliveredBytes: number;
  readonly lagBytes: number;
  readonly lagSeconds: number;
  readonly rates: Rates | undefined;
  readonly etaSeconds: number | undefined;
  /** The sink that is furthest behind. */
  readonly behind: string | undefined;
}

export type SourceState = "starting" | "running" | "waiting" | "ended" | "failed";

/** Runs one source: hands its batches to its pipelines, holds it back while the outbox is full, restarts it. */
export class SourceRunner {
  readonly counts: SourceCounts = { events: 0, bytes: 0, dropped: new Map(), intoPipelines: new Map() };
  readonly routes: readonly string[];
  readonly name: string;
  /** Looks at what is read; undefined while nobody taps. */
  tap: ((batch: LineBatch) => void) | undefined;
  readonly #options: SourceRunnerOptions;
  readonly #stop = new AbortController();
  #source: Source | undefined;
  #state: SourceState = "starting";
  #waitingSinceMs: number | undefined;
  #error: string | undefined;
  #finished: Promise<void> = Promise.resolve();
  /** It did not end when it was told to: nothing that it still does counts. */
  #isAbandoned = false;
  /** By partition. */
  readonly #meters = new Map<string, LagMeter>();
  /** Opens whose checkpoint is not on disk yet, and since when there are any. */
  #opening = 0;
  #openingSinceMs = 0;
  #shortOfFilesSinceMs: number | undefined;
  /** Bytes read when all inputs were at their ends and delivered; -1 when they were not. */
  #still = { bytes: -1, looksSaved: 0 };

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
  /** What it waits for at the moment, if anything. Times are milliseconds since the epoch. */
  get waitsFor(): SourceWait | undefined {
    if (this.#waitingSinceMs !== undefined) return { reason: "memory_budget", sinceMs: this.#waitingSinceMs };
    if (this.#opening > 0 && this.#options.checkpoints.failure !== undefined)
      return { reason: "checkpoint", sinceMs: this.#openingSinceMs };
    if (this.#shortOfFilesSinceMs !== undefined)
      return { reason: "file_descriptors", sinceMs: this.#shortOfFilesSinceMs };
    return undefined;
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

  /** What the source counts itself; undefined where it does not. */
  counters(): Readonly<Record<string, number>> | undefined {
    return this.#source?.counters?.();
  }

  /** Bytes of an input that some route has not settled yet, for how long there have been any, and until when about. */
  lag(input: InputStatus): InputLag | undefined {
    const { checkpoints, clock, pipelines } = this.#options;
    const { partition, sizeBytes } = input;
    if (partition === undefined || sizeBytes === undefined) return undefined;
    const now = clock.monotonicMs();
    const deliveredBytes = this.#delivered(partition, sizeBytes);
    const meter = this.#observe(partition, sizeBytes, deliveredBytes, now);
    const lagBytes = sizeBytes - deliveredBytes;
    const behind =
      lagBytes === 0
        ? undefined
        : pipelines
            .flatMap((pipeline) => pipeline.routes)
            .find(({ key }) => (checkpoints.progress(partition, key)?.position ?? 0) <= deliveredBytes)?.sinkName;
    return {
      ...{ deliveredBytes, lagBytes, behind, lagSeconds: meter.lagMs(now) / 1000 },
      ...{
        rates: meter.rates(now, deliveredBytes, sizeBytes),
        etaSeconds: meter.etaSeconds(now, deliveredBytes, sizeBytes),
      },
    };
  }

  #delivered(partition: string, sizeBytes: number): number {
    return Math.min(this.#options.checkpoints.settled(partition, this.routes) ?? 0, sizeBytes);
  }

  #observe(partition: string, sizeBytes: number, deliveredBytes: number, now: number): LagMeter {
    let meter = this.#meters.get(partition);
    if (meter === undefined) this.#meters.set(partition, (meter = new LagMeter(now)));
    meter.observe(now, deliveredBytes, sizeBytes);
    return meter;
  }

  /** Notes how far inputs are at this moment; called every second. Where nothing happens it looks only now and then. */
  observeLag(): void {
    const { bytes } = this.counts;
    const isStill = bytes === this.#still.bytes && this.#waitingSinceMs === undefined;
    if (isStill && ++this.#still.looksSaved < LOOK_AT_STILL_EVERY) return;
    let isBehind = false;
    let isShort = false;
    const seen = new Set<string | undefined>();
    const now = this.#options.clock.monotonicMs();
    for (const input of this.inputs()) {
      const { partition, sizeBytes } = input;
      if (partition !== undefined && sizeBytes !== undefined) {
        const deliveredBytes = this.#delivered(partition, sizeBytes);
        this.#observe(partition, sizeBytes, deliveredBytes, now);
        if (deliveredBytes < sizeBytes) isBehind = true;
      }
      if (input.error !== undefined) isBehind = true;
      seen.add(partition);
      if (input.error !== undefined && /EMFILE|ENFILE|too many (open )?files/i.test(input.error)) isShort = true;
    }
    this.#still = { bytes: isBehind ? -1 : bytes, looksSaved: 0 };
    for (const partition of this.#meters.keys()) if (!seen.has(partition)) this.#meters.delete(partition);
    if (!isShort) this.#shortOfFilesSinceMs = undefined;
    else this.#shortOfFilesSinceMs ??= this.#options.clock.now();
  }

  async #run(): Promise<void> {
    const { create, clock, log, once } = this.#options;
    for (let failures = 0; ;) {
      const began = clock.monotonicMs();
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
        failures = clock.monotonicMs() - began > 60_000 ? 1 : failures + 1;
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
        if (this.#opening++ === 0) this.#openingSinceMs = this.#options.clock.now();
        try {
          await checkpoints.sync();
        } finally {
          this.#opening--;
        }
        return position;
      },
      update: (id, identity) => {
        if (!this.#isAbandoned) checkpoints.update(id, identity);
      },
      forget: (id) => {
        if (this.#isAbandoned) return;
        checkpoints.forget(id);
        this.#meters.delete(id);
      },
      delivered: (id) => (this.#isAbandoned ? undefined : checkpoints.settled(id, this.routes)),
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
    if (this.tap !== undefined) this.tap(batch);
    const done = settleWhenAll(pipelines.length, batch.ack);
    const { intoPipelines } = this.counts;
    for (const pipeline of pipelines) {
      const before = pipeline.counts.in;
      pipeline.process(batch, done, this.#options.isPrecious);
      intoPipelines.set(pipeline.name, (intoPipelines.get(pipeline.name) ?? 0) + pipeline.counts.in - before);
    }
    const room = this.#stop.signal.aborted ? undefined : outbox.room(!this.#options.isPrecious);
    if (room === undefined) return undefined;
    this.#waitingSinceMs ??= clock.now();
    return this.#waitForRoom(room);
  }

  async #waitForRoom(first: Promise<void>): Promise<void> {
    for (
      let room: Promise<void> | undefined = first;
      room !== undefined && !this.#stop.signal.aborted;
      room = this.#options.outbox.room(!this.#options.isPrecious)
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
/** Inputs in which nothing happens are looked at each so many seconds: there may be hundreds, each a system call. */
const LOOK_AT_STILL_EVERY = 5;

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
