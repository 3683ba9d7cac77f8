import { encodingKey, type EncodedBatch } from "../core/batch.ts";
import type { BatchLimits, Log, Sink, Verdict, WriteResult } from "../core/component.ts";
import { errorMessage } from "../core/error.ts";
import { backoffMs } from "./backoff.ts";
import type { Clock } from "./clock.ts";
import type { OutboxEntry } from "./outbox.ts";
import type { PendingBatch, RouteProgress } from "./progress.ts";
import { SinkHealth } from "./sink-health.ts";
import { halve, Lane, makeShipment, pick, type QueuedSlice, type QueueLimits, type Shipment } from "./sink-queue.ts";

/** Keeps documents that a sink refused for good. Rejects when they could not be written: they are then held. */
export type StoreRejected = (rejected: readonly RejectedDocument[]) => Promise<void>;

export interface RejectedDocument {
  readonly batch: EncodedBatch;
  readonly index: number;
  readonly reason: string;
}

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
  /** One call may take this long before it is given up and made again. */
  readonly writeTimeoutMs: number;
}

/** Totals since the start. `routed = delivered + deadLettered + queued` at any moment until the runner stops. */
export interface SinkCounts {
  routed: number;
  delivered: number;
  deadLettered: number;
  /** Documents that were sent again at least once more, by attempts. */
  retried: number;
  requests: number;
  bytes: number;
}

/**
 * Brings a sink its documents: fills calls by bytes, count and age for each destination, makes several at a time,
 * repeats what was refused with growing pauses, halves what is too large, and settles what became of each document.
 * The sink itself only makes one call and says how it went.
 *
 * Documents that the server refuses one by one wait by themselves while others go on. When a whole call fails, all wait
 * (every further one would fail too), and the next call is made alone; where there are several destinations, calls to
 * the failing one and to others take turns, so that one that is broken does not hold up the rest for ever.
 */
export class SinkRunner {
  readonly counts: SinkCounts = { routed: 0, delivered: 0, deadLettered: 0, retried: 0, requests: 0, bytes: 0 };
  readonly encoding: string;
  readonly health: SinkHealth;
  readonly #options: SinkRunnerOptions;
  readonly #lanes = new Map<string, Lane>();
  readonly #queueLimits: QueueLimits;
  /** Refused, waiting to be sent again; in order. */
  #parked: Shipment[] = [];
  readonly #inFlight = new Set<Shipment>();
  #sequence = 0;
  #failures = 0;
  #blockedUntilMs = 0;
  #isUrgent = false;
  #flushNow = false;
  #cancelTimer: (() => void) | undefined;
  #timerAtMs = Infinity;
  readonly #stop = new AbortController();
  #idleWaiters: (() => void)[] = [];

  constructor(options: SinkRunnerOptions) {
    this.#options = options;
    this.health = new SinkHealth(options);
    this.encoding = encodingKey(options.sink.encoding);
    this.#queueLimits = {
      maxBytes: options.limits.maxBytes,
      maxEvents: options.limits.maxEvents,
      maxTimeSpanMs: options.sink.maxTimeSpanMs,
      overheadBytesPerEvent: options.sink.overheadBytesPerEvent ?? 0,
    };
  }

  get sink(): Sink {
    return this.#options.sink;
  }
  get queued(): number {
    return this.counts.routed - this.counts.delivered - this.counts.deadLettered;
  }
  get nextAttemptMs(): number | undefined {
    return this.#failures > 0 && this.#inFlight.size === 0 ? this.#blockedUntilMs : undefined;
  }
  get inFlight(): number {
    return this.#inFlight.size;
  }
  /** When the oldest document that is not settled was queued. */
  get oldestQueuedMs(): number | undefined {
    let oldest = Infinity;
    for (const lane of this.#lanes.values()) if (!lane.isEmpty) oldest = Math.min(oldest, lane.first.enqueuedAtMs);
    for (const shipment of this.#parked) oldest = Math.min(oldest, shipment.slices[0]!.enqueuedAtMs);
    for (const shipment of this.#inFlight) oldest = Math.min(oldest, shipment.slices[0]!.enqueuedAtMs);
    return oldest === Infinity ? undefined : oldest;
  }

  /** Queues documents from … to - 1 of an entry. Each will be settled exactly once, unless the runner stops before. */
  enqueue(entry: OutboxEntry, progress: RouteProgress, pending: PendingBatch, from: number, to: number): void {
    const { sink, clock } = this.#options;
    const { batch } = entry;
    const enqueuedAtMs = clock.now();
    this.counts.routed += to - from;
    const push = (destination: string, start: number, end: number): void => {
      let lane = this.#lanes.get(destination);
      if (lane === undefined) {
        this.#dropEmptyLanes();
        this.#lanes.set(destination, (lane = new Lane(destination, this.encoding, this.#queueLimits)));
      }
      lane.push({ batch, from: start, to: end, entry, progress, pending, sequence: this.#sequence++, enqueuedAtMs });
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
    this.#flushNow = true;
    this.#dispatch();
  }

  /** From now on nothing waits for a full call. Resolves when all is settled, or the signal aborts. */
  async drain(signal: AbortSignal): Promise<void> {
    this.#isUrgent = true;
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
    this.#isUrgent = false;
  }

  /** Gives up calls under way and closes the sink. What is not settled then has to be read again. */
  async stop(): Promise<void> {
    this.#stop.abort();
    this.#cancelTimer?.();
    while (this.#inFlight.size > 0) await new Promise<void>((resolve) => this.#idleWaiters.push(resolve));
    this.#abandon();
    await this.#options.sink.close();
  }

  /** Lets go of all that is not settled. */
  #abandon(): void {
    const slices = this.#parked.flatMap((shipment) => shipment.slices);
    for (const lane of this.#lanes.values()) while (!lane.isEmpty) slices.push(...lane.take().slices);
    this.#parked = [];
    const seen = new Set<PendingBatch>();
    for (const { pending, progress, entry } of slices) {
      if (seen.has(pending)) continue;
      seen.add(pending);
      progress.restart();
      entry.abandon();
    }
  }

  #dispatch(): void {
    while (!this.#stop.signal.aborted && this.#inFlight.size < this.#concurrency) {
      const shipment = this.#next();
      if (shipment === undefined) break;
      this.#inFlight.add(shipment);
      void this.#send(shipment);
    }
    if (this.#flushNow && [...this.#lanes.values()].every((lane) => lane.isEmpty)) this.#flushNow = false;
  }

  /** After a failed call one at a time finds out whether the server is back. */
  get #concurrency(): number {
    return this.#failures > 0 ? 1 : this.#options.limits.concurrency;
  }

  #next(): Shipment | undefined {
    const now = this.#options.clock.now();
    if (now < this.#blockedUntilMs) {
      this.#wakeAt(this.#blockedUntilMs);
      return undefined;
    }
    // Nothing overtakes what is parked.
    if (this.#isOrdered) return this.#parked.length > 0 ? this.#takeParked(now) : this.#takeFromLanes(now);
    const othersFirst = this.#failures > 0 && this.#failures % 2 === 0;
    return othersFirst
      ? (this.#takeFromLanes(now) ?? this.#takeParked(now))
      : (this.#takeParked(now) ?? this.#takeFromLanes(now));
  }

  /** A sink that keeps its place with its data must see everything in order. */
  get #isOrdered(): boolean {
    return this.#options.sink.position !== undefined;
  }

  #takeParked(now: number): Shipment | undefined {
    const first = this.#parked.findIndex((shipment) => shipment.dueAtMs <= now);
    if (first < 0) {
      for (const shipment of this.#parked) this.#wakeAt(shipment.dueAtMs);
      return undefined;
    }
    const [shipment] = this.#parked.splice(first, 1) as [Shipment];
    const { maxBytes, maxEvents, maxTimeSpanMs } = this.#queueLimits;
    if (!shipment.isLeftover || maxTimeSpanMs !== undefined || this.#parked.length === 0) return shipment;
    // Many small leftovers of several calls go together.
    const slices = [...shipment.slices];
    let { byteLength, count, attempts } = shipment;
    this.#parked = this.#parked.filter((other) => {
      const fits =
        other.isLeftover &&
        other.dueAtMs <= now &&
        other.destination === shipment.destination &&
        byteLength + other.byteLength <= maxBytes &&
        count + other.count <= maxEvents;
      if (!fits) return true;
      slices.push(...other.slices);
      byteLength += other.byteLength;
      count += other.count;
      attempts = Math.max(attempts, other.attempts);
      return false;
    });
    return { ...makeShipment(slices, this.encoding, shipment.destination), attempts, isLeftover: true };
  }

  #takeFromLanes(now: number): Shipment | undefined {
    const isOrdered = this.#isOrdered;
    let best: Lane | undefined;
    let others = Infinity;
    for (const lane of this.#lanes.values()) {
      if (lane.isEmpty) continue;
      if (!isOrdered && (this.#isBlocked(lane) || !this.#isReady(lane, now))) continue;
      if (best === undefined || lane.first.sequence < best.first.sequence) {
        if (best !== undefined) others = Math.min(others, best.first.sequence);
        best = lane;
      } else others = Math.min(others, lane.first.sequence);
    }
    if (best === undefined) return undefined;
    if (!isOrdered) return best.take();
    // In order: as far as the next document of another destination; that one waiting is reason enough to send.
    return this.#isReady(best, now) || others !== Infinity ? best.take(others) : undefined;
  }

  /** A whole call to the lane's destination failed and has to be made first. */
  #isBlocked(lane: Lane): boolean {
    return this.#parked.some((shipment) => !shipment.isLeftover && shipment.destination === lane.destination);
  }

  #isReady(lane: Lane, now: number): boolean {
    if (lane.isFull || this.#isUrgent || this.#flushNow) return true;
    const dueAtMs = lane.first.enqueuedAtMs + this.#options.limits.maxAgeMs;
    if (dueAtMs <= now) return true;
    this.#wakeAt(dueAtMs);
    return false;
  }

  async #send(shipment: Shipment): Promise<void> {
    const { sink, clock, writeTimeoutMs } = this.#options;
    const failuresBefore = this.#failures;
    shipment.attempts++;
    this.counts.requests++;
    if (shipment.attempts > 1) this.counts.retried += shipment.count;
    const call = new AbortController();
    const stop = (): void => {
      call.abort();
    };
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
        result = { outcome: "retry", reason: errorMessage(error) };
      }
      if (timedOut && result.outcome === "retry")
        result = { outcome: "retry", reason: `no answer within ${writeTimeoutMs / 1000} s` };
      await this.#settleResult(shipment, result, failuresBefore);
    } catch (error) {
      const reason = `defect in the delivery: ${errorMessage(error)}`;
      this.#fail(shipment, { outcome: "hold", reason }, failuresBefore);
    } finally {
      cancel();
      this.#stop.signal.removeEventListener("abort", stop);
      this.#inFlight.delete(shipment);
      this.#noteRecovery();
      this.#wakeIdle();
      this.#dispatch();
    }
  }

  async #settleResult(shipment: Shipment, result: WriteResult, failuresBefore: number): Promise<void> {
    switch (result.outcome) {
      case "delivered":
        this.#succeeded(shipment);
        this.#settle(shipment.slices, "delivered");
        return;
      case "too_large":
        if (shipment.count === 1) {
          this.#succeeded(shipment);
          await this.#reject(
            shipment,
            () => `too large for the server: ${result.reason}`,
            () => true,
          );
        } else this.#parked.unshift(...halve(shipment, this.encoding));
        return;
      case "rejected":
        this.#succeeded(shipment);
        await this.#reject(
          shipment,
          () => result.reason,
          () => true,
        );
        return;
      case "retry":
      case "hold":
        this.#fail(shipment, result, failuresBefore);
        return;
      case "mixed":
        await this.#settleMixed(shipment, result.verdicts, failuresBefore);
    }
  }

  async #settleMixed(
    shipment: Shipment,
    verdicts: ReadonlyMap<number, Verdict>,
    failuresBefore: number,
  ): Promise<void> {
    const waiting: Verdict[] = [];
    let rejected = 0;
    for (const verdict of verdicts.values()) {
      if (verdict.outcome === "rejected") rejected++;
      else if (verdict.outcome !== "delivered") waiting.push(verdict);
    }
    const outcomeOf = (index: number): Verdict["outcome"] => verdicts.get(index)?.outcome ?? "delivered";
    const isWaiting = (index: number): boolean => outcomeOf(index) === "retry" || outcomeOf(index) === "hold";
    // Every single one put off means overload. Held documents, and those that were refused alone before, only wait.
    const puttingOff = waiting.find((verdict) => verdict.outcome === "retry");
    if (waiting.length === shipment.count && puttingOff !== undefined && !shipment.isLeftover) {
      this.#fail(shipment, waiting.find((verdict) => verdict.outcome === "hold") ?? puttingOff, failuresBefore);
      return;
    }
    this.#settle(
      pick(shipment, (index) => outcomeOf(index) === "delivered"),
      "delivered",
    );
    if (waiting.length === 0) this.#succeeded(shipment);
    else {
      this.#failures = 0;
      const worst = waiting.find((verdict) => verdict.outcome === "hold") ?? waiting[0]!;
      const asked = Math.max(
        0,
        ...waiting.map((verdict) => (verdict.outcome === "retry" ? (verdict.retryAfterMs ?? 0) : 0)),
      );
      this.#noteFailure(worst, `${waiting.length} of ${shipment.count} documents refused: `);
      const parked = makeShipment(pick(shipment, isWaiting), this.encoding, shipment.destination);
      parked.attempts = shipment.attempts;
      parked.isLeftover = true;
      parked.dueAtMs = this.#options.clock.now() + Math.max(asked, backoffMs(shipment.attempts, this.#options.random));
      this.#parked.push(parked);
    }
    if (rejected > 0) {
      const reasonOf = (index: number): string => {
        const verdict = verdicts.get(index);
        return verdict?.outcome === "rejected" ? verdict.reason : "";
      };
      await this.#reject(shipment, reasonOf, (index) => outcomeOf(index) === "rejected");
    }
  }

  /** Sends some documents of a shipment to the dead letters. */
  async #reject(
    shipment: Shipment,
    reasonOf: (index: number) => string,
    wanted: (index: number) => boolean,
  ): Promise<void> {
    const documents: RejectedDocument[] = [];
    let index = 0;
    for (const slice of shipment.slices) {
      for (let i = slice.from; i < slice.to; i++, index++) {
        if (wanted(index)) documents.push({ batch: slice.batch, index: i, reason: reasonOf(index) });
      }
    }
    const slices = pick(shipment, wanted);
    try {
      await this.#options.storeRejected(documents);
      this.#settle(slices, "deadLettered");
    } catch (error) {
      const held = makeShipment(slices, this.encoding, shipment.destination);
      held.attempts = shipment.attempts;
      const reason = `dead letters cannot be written: ${errorMessage(error)}`;
      this.#fail(held, { outcome: "hold", reason }, this.#failures);
    }
  }

  #settle(slices: readonly QueuedSlice[], outcome: "delivered" | "deadLettered"): void {
    for (const slice of slices) {
      const count = slice.to - slice.from;
      this.counts[outcome] += count;
      if (outcome === "deadLettered") slice.entry.rejected = true;
      else {
        const { offsets } = slice.batch.bodies.get(this.encoding)!;
        this.counts.bytes += offsets[slice.to]! - offsets[slice.from]!;
      }
      if (slice.progress.settle(slice.pending, count)) slice.entry.letGo();
    }
    this.#options.onSettled();
  }

  /**
   * A whole call failed: nothing is sent for a while, and this not before a pause that grows with its own attempts.
   * Calls that were under way at the same time (`failuresBefore` is equal) count as one failure.
   */
  #fail(shipment: Shipment, verdict: Verdict, failuresBefore: number): void {
    const { clock, random } = this.#options;
    this.#failures = Math.max(this.#failures, failuresBefore + 1);
    const asked = verdict.outcome === "retry" ? (verdict.retryAfterMs ?? 0) : 0;
    const pauseMs = Math.max(asked, backoffMs(this.#failures, random));
    const now = clock.now();
    this.#blockedUntilMs = Math.max(this.#blockedUntilMs, now + pauseMs);
    const ownPauseMs = shipment.attempts > this.#failures ? backoffMs(shipment.attempts, random) : pauseMs;
    shipment.dueAtMs = this.#isOrdered ? this.#blockedUntilMs : now + Math.max(asked, ownPauseMs);
    this.#parked.unshift(shipment);
    this.#noteFailure(verdict, "");
  }

  #noteFailure(verdict: Verdict, prefix: string): void {
    if (verdict.outcome === "delivered" || this.#stop.signal.aborted) return;
    const pauseMs = Math.max(0, this.#blockedUntilMs - this.#options.clock.now());
    this.health.failed(verdict.outcome === "hold", prefix + verdict.reason, this.queued, pauseMs);
  }

  #succeeded(shipment: Shipment): void {
    if (this.#failures > 0) {
      this.#failures = 0;
      for (const other of this.#parked) {
        if (!other.isLeftover && other.destination === shipment.destination) other.dueAtMs = 0;
      }
    }
  }

  /** Nothing that failed is left: all of it went well in the end. */
  #noteRecovery(): void {
    if (this.health.state === "working" || this.#parked.length > 0) return;
    for (const shipment of this.#inFlight) if (shipment.attempts > 1) return;
    this.health.recovered();
  }

  #dropEmptyLanes(): void {
    if (this.#lanes.size < 64) return;
    for (const [destination, lane] of this.#lanes) if (lane.isEmpty) this.#lanes.delete(destination);
  }

  #wakeAt(atMs: number): void {
    if (atMs >= this.#timerAtMs) return;
    this.#cancelTimer?.();
    this.#timerAtMs = atMs;
    this.#cancelTimer = this.#options.clock.after(atMs - this.#options.clock.now(), () => {
      this.#timerAtMs = Infinity;
      this.#cancelTimer = undefined;
      this.#dispatch();
    });
  }

  #wakeIdle(): void {
    if (this.queued > 0 && this.#inFlight.size > 0) return;
    const waiters = this.#idleWaiters;
    this.#idleWaiters = [];
    for (const wake of waiters) wake();
  }
}
