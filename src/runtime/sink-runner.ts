import { encodingKey } from "../core/batch.ts";
import type { BatchLimits, Log, Sink, WriteResult } from "../core/component.ts";
import { errorMessage, isDefect } from "../core/error.ts";
import type { Clock } from "./clock.ts";
import type { OutboxEntry } from "./outbox.ts";
import type { PendingBatch, RouteProgress } from "./progress.ts";
import { SinkHealth } from "./sink-health.ts";
import type { Shipment } from "./sink-queue.ts";
import { SinkSchedule } from "./sink-schedule.ts";
import { SinkSettlement, type SinkCounts, type StoreRejected } from "./sink-settlement.ts";

export interface SinkRunnerOptions {
  readonly name: string;
  readonly sink: Sink;
  readonly limits: BatchLimits;
  readonly log: Log;
  readonly clock: Clock;
  readonly random: () => number;
  readonly storeRejected: StoreRejected;
  /** Some documents were settled: checkpoints have something to write. */
  readonly onSettled: () => void;
  /** Writes the marks of what may have been sent (`SentMark`) to disk. */
  readonly syncMarks: () => Promise<void>;
  /** The sink's code, or what follows from its answers, has a defect: the process must not go on. */
  readonly onDefect: (error: unknown) => void;
  /** One call may take this long before it is given up and made again. */
  readonly writeTimeoutMs: number;
}

/**
 * Brings a sink its documents: cuts what is queued into calls (SinkSchedule says which is next), makes several at a time,
 * and has each answer settled (SinkSettlement). The sink itself only makes one call and says how it went.
 */
export class SinkRunner {
  readonly counts: SinkCounts = { routed: 0, delivered: 0, deadLettered: 0, retried: 0, requests: 0, bytes: 0 };
  readonly encoding: string;
  readonly health: SinkHealth;
  readonly #options: SinkRunnerOptions;
  readonly #schedule: SinkSchedule;
  readonly #settlement: SinkSettlement;
  readonly #inFlight = new Set<Shipment>();
  #sequence = 0;
  readonly #stop = new AbortController();
  #idleWaiters: (() => void)[] = [];

  constructor(options: SinkRunnerOptions) {
    const { sink, limits, clock, random, storeRejected, onSettled } = options;
    this.#options = options;
    this.health = new SinkHealth(options);
    this.encoding = encodingKey(sink.encoding);
    const wake = (): void => {
      this.#dispatch();
    };
    this.#schedule = new SinkSchedule({ sink, limits, clock, random, wake }, this.encoding);
    this.#settlement = new SinkSettlement({
      ...{ counts: this.counts, health: this.health, schedule: this.#schedule, encoding: this.encoding },
      ...{ storeRejected, onSettled, nowMs: () => clock.monotonicMs(), stopped: this.#stop.signal },
      unknownErrorTimeoutMs: sink.unknownErrorTimeoutMs ?? Infinity,
    });
  }

  get sink(): Sink {
    return this.#options.sink;
  }
  get queued(): number {
    return this.counts.routed - this.counts.delivered - this.counts.deadLettered;
  }
  /** When the next call will be made after failed ones, in milliseconds since the epoch. */
  get nextAttemptMs(): number | undefined {
    if (this.#schedule.failures === 0 || this.#inFlight.size > 0) return undefined;
    return this.#wallMs(this.#schedule.blockedUntilMs);
  }
  get inFlight(): number {
    return this.#inFlight.size;
  }
  /** When the oldest document that is not settled was queued, in milliseconds since the epoch. */
  get oldestQueuedMs(): number | undefined {
    let oldest = this.#schedule.oldestQueuedMs;
    for (const shipment of this.#inFlight) oldest = Math.min(oldest, shipment.slices[0]!.enqueuedAtMs);
    return oldest === Infinity ? undefined : this.#wallMs(oldest);
  }

  /** A time of the clock that is never set, by the clock on the wall as it is now. */
  #wallMs(ms: number): number {
    const { clock } = this.#options;
    return clock.now() + (ms - clock.monotonicMs());
  }

  /** Queues documents from … to - 1 of an entry. Each will be settled exactly once, unless the runner stops before. */
  enqueue(entry: OutboxEntry, progress: RouteProgress, pending: PendingBatch, from: number, to: number): void {
    const { sink, clock } = this.#options;
    const { batch } = entry;
    const enqueuedAtMs = clock.monotonicMs();
    this.counts.routed += to - from;
    const append = (destination: string, start: number, end: number, maybeSent: boolean): void => {
      const sequence = this.#sequence++;
      this.#schedule.push(destination, {
        ...{ batch, from: start, to: end, entry, progress, pending, sequence, enqueuedAtMs, maybeSent },
      });
    };
    const mark = progress.sentMark?.inherited ?? 0;
    const push = (destination: string, start: number, end: number): void => {
      const fresh = mark > batch.offsets[start]! ? firstAtOrAfter(batch.offsets, mark, start, end) : start;
      if (fresh > start) append(destination, start, fresh, true);
      if (fresh < end) append(destination, fresh, end, false);
    };
    if (sink.destinationOf === undefined) push("", from, to);
    else {
      let start = from;
      let destination = sink.destinationOf(batch.timesMs[from]!);
      for (let i = from + 1; i < to; i++) {
        const next = sink.destinationOf(batch.timesMs[i]!);
        if (next === destination) continue;
        push(destination, start, i);
        destination = next;
        start = i;
      }
      push(destination, start, to);
    }
    this.#dispatch();
  }

  /** Sends what is queued now without waiting for full calls. */
  flush(): void {
    this.#schedule.flush();
    this.#dispatch();
  }

  /** From now on nothing waits for a full call. Resolves when all is settled, or the signal aborts. */
  async drain(signal: AbortSignal): Promise<void> {
    this.#schedule.isUrgent = true;
    this.#dispatch();
    while (this.queued > 0 && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const done = (): void => {
          signal.removeEventListener("abort", done);
          resolve();
        };
        signal.addEventListener("abort", done);
        this.#idleWaiters.push(done);
      });
    }
    this.#schedule.isUrgent = false;
  }

  /** Gives up calls under way and closes the sink. What is not settled then has to be read again. */
  async stop(): Promise<void> {
    this.#stop.abort();
    while (this.#inFlight.size > 0) await new Promise<void>((resolve) => this.#idleWaiters.push(resolve));
    this.#abandon();
    await this.#options.sink.close();
  }

  /** Lets go of all that is not settled. */
  #abandon(): void {
    const seen = new Set<PendingBatch>();
    for (const { pending, progress, entry } of this.#schedule.close()) {
      if (seen.has(pending)) continue;
      seen.add(pending);
      progress.restart();
      entry.abandon();
    }
  }

  #dispatch(): void {
    while (!this.#stop.signal.aborted && this.#inFlight.size < this.#schedule.concurrency) {
      const shipment = this.#schedule.next();
      if (shipment === undefined) break;
      this.#inFlight.add(shipment);
      void this.#send(shipment);
    }
    this.#schedule.endFlush();
  }

  /**
   * Notes what is about to be sent. Returns undefined when the marks on disk allow it already (nearly always), otherwise
   * resolves when they do.
   */
  #markSent(shipment: Shipment): Promise<void> | undefined {
    let isCovered = true;
    let isShort = false;
    for (const { progress, batch, to } of shipment.slices) {
      const { sentMark } = progress;
      if (sentMark === undefined) continue;
      if (!sentMark.sending(batch.offsets[to - 1]! + 1)) isCovered = false;
      if (sentMark.isShort) isShort = true;
    }
    if (!isCovered) return this.#options.syncMarks();
    // A failure shows when the lease is used up.
    if (isShort) this.#options.syncMarks().catch(() => undefined);
    return undefined;
  }

  async #send(shipment: Shipment): Promise<void> {
    const { sink, clock, writeTimeoutMs } = this.#options;
    const failuresBefore = this.#schedule.failures;
    try {
      const marking = this.#markSent(shipment);
      if (marking !== undefined) await marking;
    } catch (error) {
      const reason = `the mark of what may have been sent cannot be written: ${errorMessage(error)}`;
      this.#settlement.fail(shipment, { outcome: "hold", reason }, failuresBefore);
      this.#end(shipment);
      return;
    }
    shipment.attempts++;
    this.counts.requests++;
    if (shipment.attempts > 1) this.counts.retried += shipment.count;
    const call = new AbortController();
    const stop = (): void => {
      call.abort();
    };
    if (this.#stop.signal.aborted) stop();
    this.#stop.signal.addEventListener("abort", stop);
    let timedOut = false;
    const cancel = clock.after(writeTimeoutMs, () => {
      timedOut = true;
      call.abort();
    });
    try {
      let result: WriteResult;
      try {
        result = await sink.write(shipment, call.signal, shipment.attempts);
      } catch (error) {
        if (isDefect(error)) throw error;
        result = { outcome: "retry", reason: errorMessage(error) };
      }
      if (timedOut && result.outcome === "retry")
        result = { outcome: "retry", reason: `no answer within ${writeTimeoutMs / 1000} s` };
      await this.#settlement.settle(shipment, result, failuresBefore);
    } catch (error) {
      const reason = `a defect in Wiretail: ${errorMessage(error)}`;
      this.#settlement.fail(shipment, { outcome: "hold", reason }, failuresBefore);
      this.#options.onDefect(error);
    } finally {
      cancel();
      this.#stop.signal.removeEventListener("abort", stop);
      this.#end(shipment);
    }
  }

  /** A call is over, whatever came of it. */
  #end(shipment: Shipment): void {
    this.#inFlight.delete(shipment);
    this.#noteRecovery();
    this.#wakeIdle();
    this.#dispatch();
  }

  /** Nothing that failed is left: all of it went well in the end. */
  #noteRecovery(): void {
    if (this.health.state === "working" || this.#schedule.hasParked) return;
    for (const shipment of this.#inFlight) if (shipment.attempts > 1) return;
    this.health.recovered();
  }

  #wakeIdle(): void {
    if (this.queued > 0 && this.#inFlight.size > 0) return;
    const waiters = this.#idleWaiters;
    this.#idleWaiters = [];
    for (const wake of waiters) wake();
  }
}

/** The first index from `from` on, below `to`, whose offset is not before `position`; `to` when there is none. */
function firstAtOrAfter(offsets: Float64Array, position: number, from: number, to: number): number {
  let low = from;
  let high = to;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (offsets[middle]! < position) low = middle + 1;
    else high = middle;
  }
  return low;
}
