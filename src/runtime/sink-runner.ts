import { setMaxListeners } from "node:events";
import { encodingKey, type SinkBatch } from "../core/batch.ts";
import type { BufferPool } from "../core/buffer-pool.ts";
import type { BatchLimits, Log, Sink, WriteResult } from "../core/component.ts";
import { errorMessage, isDefect } from "../core/error.ts";
import { loadSaidBy } from "./call-load.ts";
import type { Clock } from "./clock.ts";
import type { OutboxEntry } from "./outbox.ts";
import type { PendingBatch, RouteProgress } from "./progress.ts";
import { firstAtOrAfter } from "./sent-mark.ts";
import { SinkHealth } from "./sink-health.ts";
import type { QueuedSlice, Shipment } from "./sink-queue.ts";
import { SinkSchedule } from "./sink-schedule.ts";
import { queuedOf, SinkSettlement, type SinkCounts, type StoreRejected } from "./sink-settlement.ts";
import { Waiters } from "./waiters.ts";

export interface SinkRunnerOptions {
  readonly name: string;
  readonly sink: Sink;
  readonly limits: BatchLimits;
  /** Bytes of calls that may be under way together, more or less. */
  readonly windowBytes: number;
  /** For copies of what is to be sent again. */
  readonly pool: BufferPool;
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
  readonly counts: SinkCounts = {
    routed: 0,
    found: 0,
    delivered: 0,
    deadLettered: 0,
    dropped: 0,
    droppedBy: new Map(),
    retried: 0,
    requests: 0,
    bytes: 0,
  };
  /** Documents that wait for this sink outside of memory: in the journal, or to be written there. */
  away = 0;
  /** Looks at what was sent and what came of it; undefined while nobody taps. */
  tap: ((batch: SinkBatch, result: WriteResult) => void) | undefined;
  readonly encoding: string;
  readonly health: SinkHealth;
  readonly #options: SinkRunnerOptions;
  readonly #schedule: SinkSchedule;
  readonly #settlement: SinkSettlement;
  readonly #inFlight = new Set<Shipment>();
  #sequence = 0;
  readonly #stop = new AbortController();
  readonly #idle = new Waiters();

  constructor(options: SinkRunnerOptions) {
    const { sink, limits, windowBytes, pool, clock, random, storeRejected, onSettled } = options;
    this.#options = options;
    // One for each call under way; Node warns of more than 10.
    setMaxListeners(0, this.#stop.signal);
    this.health = new SinkHealth(options);
    this.encoding = encodingKey(sink.encoding);
    const wake = (): void => {
      this.#dispatch();
    };
    this.#schedule = new SinkSchedule({ sink, limits, windowBytes, clock, random, wake }, this.encoding);
    this.#settlement = new SinkSettlement({
      ...{ counts: this.counts, health: this.health, schedule: this.#schedule, encoding: this.encoding },
      ...{ pool, storeRejected, onSettled, nowMs: () => clock.monotonicMs(), stopped: this.#stop.signal },
      unknownErrorTimeoutMs: sink.unknownErrorTimeoutMs ?? Infinity,
    });
  }

  get sink(): Sink {
    return this.#options.sink;
  }
  get queued(): number {
    return queuedOf(this.counts);
  }
  /** Documents that wait in memory or are under way. */
  get queuedInMemory(): number {
    return this.queued - this.away;
  }
  /** Bytes of the batches in memory that this sink needs, whoever else does. */
  get heldBytes(): number {
    const entries = new Set([...this.sent, ...this.#schedule.unsent].map(({ entry }) => entry));
    let bytes = 0;
    for (const { batch } of entries) bytes += batch.byteLength;
    return bytes;
  }
  /** Documents in memory that are not in the journal: they are lost to the agent when it ends now. */
  get unprotected(): number {
    let count = 0;
    for (const { pending, from, to } of [...this.sent, ...this.#schedule.unsent]) {
      if (pending.journaled === undefined) count += to - from;
    }
    return count;
  }
  /** How long the oldest document in memory has waited, in milliseconds; undefined when there is none. */
  get queuedForMs(): number | undefined {
    const oldest = this.#oldestQueued;
    return oldest === Infinity ? undefined : this.#options.clock.monotonicMs() - oldest;
  }
  /** Calls fail at present. */
  get isFailing(): boolean {
    return this.#schedule.failures > 0;
  }
  /** When the next call will be made after failed ones, in milliseconds since the epoch. */
  get nextAttemptMs(): number | undefined {
    if (this.#schedule.failures === 0 || this.#inFlight.size > 0) return undefined;
    return this.#wallMs(this.#schedule.blockedUntilMs);
  }
  get inFlight(): number {
    return this.#inFlight.size;
  }
  /**
   * Nothing waits for a call while most of what is held, `heldBytes`, is under way, and calls do not wait for each other:
   * with more in memory more could be under way.
   */
  isShortOf(heldBytes: number): boolean {
    const { concurrency, pace, hasFullCall } = this.#schedule;
    if (this.isFailing || hasFullCall || pace.isQueueing) return false;
    if (this.#inFlight.size >= concurrency && concurrency >= this.#options.limits.concurrency) return false;
    let underWayBytes = 0;
    for (const { byteLength } of this.#inFlight) underWayBytes += byteLength;
    return underWayBytes * 2 > heldBytes;
  }
  /** Calls that may be under way at this moment, bytes of one, and how long they take. */
  get pace(): { readonly concurrency: number; readonly maxBytes: number; readonly callMs: number } {
    const { pace, concurrency } = this.#schedule;
    return { concurrency, maxBytes: pace.maxBytes, callMs: pace.callMs };
  }
  /** When the oldest document that is not settled was queued, in milliseconds since the epoch. */
  get oldestQueuedMs(): number | undefined {
    const oldest = this.#oldestQueued;
    return oldest === Infinity ? undefined : this.#wallMs(oldest);
  }

  get #oldestQueued(): number {
    let oldest = this.#schedule.oldestQueuedMs;
    for (const shipment of this.#inFlight) oldest = Math.min(oldest, shipment.slices[0]!.enqueuedAtMs);
    return oldest;
  }

  /** A time of the clock that is never set, by the clock on the wall as it is now. */
  #wallMs(ms: number): number {
    const { clock } = this.#options;
    return clock.now() + (ms - clock.monotonicMs());
  }

  /** Queues documents from … to - 1 of an entry. Each will be settled exactly once, unless the runner stops before. */
  enqueue(entry: OutboxEntry, progress: RouteProgress, pending: PendingBatch, from: number, to: number): void {
    this.counts.routed += to - from;
    this.#queue(entry, progress, pending, from, to);
    this.#dispatch();
  }

  /** Documents for the sink were found in the journal. */
  find(count: number): void {
    this.counts.found += count;
    this.route(count);
  }

  /** Documents are on their way to the sink by the journal: they are away. */
  route(count: number): void {
    this.counts.routed += count;
    this.away += count;
  }

  /** Queues documents that were away: these ranges (from, to, from, to, …) of an entry. */
  bringBack(entry: OutboxEntry, progress: RouteProgress, pending: PendingBatch, ranges: readonly number[]): void {
    for (let i = 0; i < ranges.length; i += 2) {
      this.away -= ranges[i + 1]! - ranges[i]!;
      this.#queue(entry, progress, pending, ranges[i]!, ranges[i + 1]!);
    }
    this.#dispatch();
  }

  /** Takes back what was never sent, in order of arrival; it is away from now on. */
  takeUnsent(): QueuedSlice[] {
    const slices = this.#schedule.takeUnsent();
    for (const slice of slices) this.away += slice.to - slice.from;
    return slices;
  }

  /** What was sent and is not settled: under way, on its way to the dead letters, or waiting to be sent again. */
  get sent(): QueuedSlice[] {
    return [...this.#inFlight, ...this.#schedule.parked].flatMap(({ unsettled, slices }) => unsettled ?? slices);
  }

  /** Documents that were away are given up. */
  dropAway(count: number, reason: string): void {
    const { counts } = this;
    this.away -= count;
    counts.dropped += count;
    counts.droppedBy.set(reason, (counts.droppedBy.get(reason) ?? 0) + count);
    this.#wakeIdle();
  }

  #queue(entry: OutboxEntry, progress: RouteProgress, pending: PendingBatch, from: number, to: number): void {
    const { sink, clock, name } = this.#options;
    const { batch } = entry;
    const enqueuedAtMs = clock.monotonicMs();
    const append = (destination: string, start: number, end: number, maybeSent: boolean): void => {
      const sequence = this.#sequence++;
      this.#schedule.push(destination, {
        batch,
        from: start,
        to: end,
        entry,
        progress,
        pending,
        sequence,
        enqueuedAtMs,
        maybeSent,
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
      const { timesMs, destinations } = batch;
      let destination = sink.destinationOf(timesMs[from]!, destinations?.[from]?.[name]);
      for (let i = from + 1; i < to; i++) {
        const next = sink.destinationOf(timesMs[i]!, destinations?.[i]?.[name]);
        if (next === destination) continue;
        push(destination, start, i);
        destination = next;
        start = i;
      }
      push(destination, start, to);
    }
  }

  /** Sends what is queued now without waiting for full calls. */
  flush(): void {
    this.#schedule.flush();
    this.#dispatch();
  }

  /**
   * From now on nothing waits for a full call. Resolves when all in memory is settled (with `away`, all that is away as
   * well), or the signal aborts.
   */
  async drain(signal: AbortSignal, away = false): Promise<void> {
    this.#schedule.isUrgent = true;
    this.#dispatch();
    while ((away ? this.queued : this.queuedInMemory) > 0 && !signal.aborted) {
      await this.#idle.wait(signal);
    }
    this.#schedule.isUrgent = false;
  }

  /** Gives up calls under way and closes the sink. What is not settled then has to be read again. */
  async stop(): Promise<void> {
    this.#stop.abort();
    while (this.#inFlight.size > 0) await this.#idle.wait();
    this.#abandon();
    await this.#options.sink.close();
  }

  /** Lets go of all that is not settled. */
  #abandon(): void {
    const seen = new Set<PendingBatch>();
    for (const { pending, progress, entry } of this.#schedule.close()) {
      if (seen.has(pending)) continue;
      seen.add(pending);
      if (pending.journaled !== undefined || pending.isSpooling) {
        progress.sentMark?.inherit();
        entry.letGo();
      } else {
        progress.restart();
        entry.abandon();
      }
    }
  }

  #dispatch(): void {
    while (!this.#stop.signal.aborted && this.#inFlight.size < this.#schedule.concurrency) {
      const shipment = this.#schedule.next(this.#inFlight.size);
      if (shipment === undefined) break;
      this.#inFlight.add(shipment);
      void this.#send(shipment);
    }
    const { pace } = this.#schedule;
    if (this.#inFlight.size < pace.concurrency) pace.idle();
    else if (this.#schedule.hasFullCall) pace.hungry();
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
    const beganAtMs = clock.monotonicMs();
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
      this.#schedule.pace.ended({
        ...{ bytes: shipment.byteLength, beganAtMs },
        kind: timedOut ? "timed_out" : loadSaidBy(result, shipment),
      });
      if (this.tap !== undefined) this.tap(shipment, result);
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
    if (this.queuedInMemory > 0 && this.#inFlight.size > 0) return;
    this.#idle.wake();
  }
}
