import type { BatchLimits, Sink } from "../core/component.ts";
import { backoffMs } from "./backoff.ts";
import { CallPace } from "./call-pace.ts";
import type { Clock } from "./clock.ts";
import { halve, Lane, makeShipment, type QueuedSlice, type QueueLimits, type Shipment } from "./sink-queue.ts";

export interface SinkScheduleOptions {
  readonly sink: Sink;
  readonly limits: BatchLimits;
  /** Bytes of calls that may be under way together, more or less. */
  readonly windowBytes: number;
  readonly clock: Clock;
  readonly random: () => number;
  /** Something may be due now that was not when `next` was asked last. */
  readonly wake: () => void;
}

/**
 * What waits for a full call goes out when nothing has come for so long: at the end of a burst, and where lines are rare,
 * waiting longer only makes them late. At most one such call in `maxAgeMs`, or after each full one, so there are not many
 * more calls than without.
 */
const QUIET_MS = 20;

/**
 * What one sink is sent next, and when: documents that were not sent yet, in a lane for each destination, and calls
 * that failed (parked) with the pauses before they are made again.
 *
 * Documents that the server refuses one by one wait by themselves while others go on. When a whole call fails, all wait
 * (every further one would fail too), and the next call is made alone; where there are several destinations, calls to
 * the failing one and to others take turns, so that one that is broken does not hold up the rest for ever.
 */
export class SinkSchedule {
  readonly #options: SinkScheduleOptions;
  readonly #encoding: string;
  readonly #queueLimits: QueueLimits;
  /** How many calls at a time, and how large. */
  readonly pace: CallPace;
  readonly #lanes = new Map<string, Lane>();
  /** Refused, waiting to be sent again; in order. */
  #parked: Shipment[] = [];
  #failures = 0;
  #underWay = 0;
  #blockedUntilMs = 0;
  #isUrgent = false;
  #flushNow = false;
  #cancelTimer: (() => void) | undefined;
  #timerAtMs = Infinity;

  /** `encoding` is the key of the sink's encoding. */
  constructor(options: SinkScheduleOptions, encoding: string) {
    this.#options = options;
    this.#encoding = encoding;
    const { limits, windowBytes, clock } = options;
    this.pace = new CallPace({ limits, windowBytes, nowMs: () => clock.monotonicMs() });
    this.#queueLimits = {
      maxBytes: this.pace.maxBytes,
      maxEvents: options.limits.maxEvents,
      maxTimeSpanMs: options.sink.maxTimeSpanMs,
      overheadBytesPerEvent: options.sink.overheadBytesPerEvent ?? 0,
    };
  }

  /** Whole calls that failed one after the other; 0 after one that went well. */
  get failures(): number {
    return this.#failures;
  }
  /** Nothing is sent before this time (of the clock that is never set), in milliseconds. */
  get blockedUntilMs(): number {
    return this.#blockedUntilMs;
  }
  get hasParked(): boolean {
    return this.#parked.length > 0;
  }
  /** Calls that may be made at the same time. After a failed one, one at a time finds out whether the server is back. */
  get concurrency(): number {
    return this.#failures > 0 ? 1 : this.pace.concurrency;
  }
  /** When the oldest document that waits was queued; Infinity when none does. */
  get oldestQueuedMs(): number {
    let oldest = Infinity;
    for (const lane of this.#lanes.values()) if (!lane.isEmpty) oldest = Math.min(oldest, lane.first.enqueuedAtMs);
    for (const shipment of this.#parked) oldest = Math.min(oldest, shipment.slices[0]!.enqueuedAtMs);
    return oldest;
  }
  /** While set, nothing waits for a full call. */
  set isUrgent(value: boolean) {
    this.#isUrgent = value;
  }

  push(destination: string, slice: QueuedSlice): void {
    let lane = this.#lanes.get(destination);
    if (lane === undefined) {
      this.#dropEmptyLanes();
      this.#lanes.set(destination, (lane = new Lane(destination, this.#encoding, this.#queueLimits)));
    }
    lane.push(slice);
  }

  /** What waits now goes out without waiting for full calls. */
  flush(): void {
    this.#flushNow = true;
  }

  /** Call when `next` has nothing more to give: a flush ends when all lanes are empty. */
  endFlush(): void {
    if (this.#flushNow && [...this.#lanes.values()].every((lane) => lane.isEmpty)) this.#flushNow = false;
  }

  /** There is enough for a call, as far as can be said without looking at times. */
  get hasFullCall(): boolean {
    this.#queueLimits.maxBytes = this.pace.maxBytes;
    for (const lane of this.#lanes.values()) if (lane.isFull || (this.#flushNow && !lane.isEmpty)) return true;
    return false;
  }

  /**
   * What is to be sent now, if anything, with so many calls under way; `wake` is called when there may be something
   * later.
   */
  next(underWay: number): Shipment | undefined {
    this.#underWay = underWay;
    const now = this.#options.clock.monotonicMs();
    this.#queueLimits.maxBytes = this.pace.maxBytes;
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
    let { byteLength, count, attempts, putOff } = shipment;
    this.#parked = this.#parked.filter((other) => {
      const fits =
        other.isLeftover &&
        other.joinsAtMs <= now &&
        other.destination === shipment.destination &&
        byteLength + other.byteLength <= maxBytes &&
        count + other.count <= maxEvents;
      if (!fits) return true;
      slices.push(...other.slices);
      byteLength += other.byteLength;
      count += other.count;
      attempts = Math.max(attempts, other.attempts);
      putOff = Math.max(putOff, other.putOff);
      return false;
    });
    return { ...makeShipment(slices, this.#encoding, shipment.destination), attempts, putOff, isLeftover: true };
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
    // In order: as far as the next document of another destination; that one waiting is reason enough to send.
    if (isOrdered && !this.#isReady(best, now) && others === Infinity) return undefined;
    // Under pressure such calls are many, and say nothing of how rare lines are.
    if (best.isFull) best.lastPartialMs = -Infinity;
    else if (!this.#isUrgent && !this.#flushNow) best.lastPartialMs = now;
    return isOrdered ? best.take(others) : best.take();
  }

  /** A whole call to the lane's destination failed and has to be made first. */
  #isBlocked(lane: Lane): boolean {
    return this.#parked.some((shipment) => !shipment.isLeftover && shipment.destination === lane.destination);
  }

  #isReady(lane: Lane, now: number): boolean {
    if (lane.isFull || this.#isUrgent || this.#flushNow) return true;
    const { maxAgeMs } = this.#options.limits;
    // With calls under way there is a burst, and their end is soon enough.
    const quietAtMs =
      this.#underWay > 0 ? Infinity : Math.max(lane.last.enqueuedAtMs + QUIET_MS, lane.lastPartialMs + maxAgeMs);
    const dueAtMs = Math.min(lane.first.enqueuedAtMs + maxAgeMs, quietAtMs);
    if (dueAtMs <= now) return true;
    this.#wakeAt(dueAtMs);
    return false;
  }

  /** Gives a call that was too large for the server back in two halves, to be sent at once. */
  parkHalves(shipment: Shipment): void {
    this.#parked.unshift(...halve(shipment, this.#encoding));
  }

  /**
   * Single documents of a call that was answered, to be sent again after a pause: at least `askedMs`. `mayPassSoon`: the
   * server put them off, it did not say that somebody has to act; while it takes most of the others the pause is short.
   */
  parkLeftover(slices: readonly QueuedSlice[], of: Shipment, askedMs: number, mayPassSoon: boolean): void {
    const { clock, random } = this.#options;
    this.#failures = 0;
    const parked = makeShipment(slices, this.#encoding, of.destination);
    parked.attempts = of.attempts;
    parked.isLeftover = true;
    const now = clock.monotonicMs();
    parked.putOff = parked.count * 2 > of.count ? of.putOff + 1 : 1;
    const pauseMs = mayPassSoon ? backoffMs(parked.putOff, random, SOON_MS) : backoffMs(of.attempts, random);
    parked.dueAtMs = now + Math.max(askedMs, pauseMs);
    // Those of many calls go together rather than each when its own pause is over.
    parked.joinsAtMs = Math.max(now + askedMs, parked.dueAtMs - LEFTOVERS_JOIN_MS);
    this.#parked.push(parked);
  }

  /**
   * A whole call failed: nothing is sent for a while, and this not before a pause that grows with its own attempts.
   * Calls that were under way at the same time (`failuresBefore` is equal) count as one failure.
   */
  failed(shipment: Shipment, askedMs: number, failuresBefore: number): void {
    const { clock, random } = this.#options;
    this.#failures = Math.max(this.#failures, failuresBefore + 1);
    const pauseMs = Math.max(askedMs, backoffMs(this.#failures, random));
    const now = clock.monotonicMs();
    this.#blockedUntilMs = Math.max(this.#blockedUntilMs, now + pauseMs);
    const ownPauseMs = shipment.attempts > this.#failures ? backoffMs(shipment.attempts, random) : pauseMs;
    shipment.dueAtMs = this.#isOrdered ? this.#blockedUntilMs : now + Math.max(askedMs, ownPauseMs);
    this.#parked.unshift(shipment);
  }

  /** A whole call went well: others to the same destination need not wait any longer. */
  succeeded(shipment: Shipment): void {
    if (this.#failures === 0) return;
    this.#failures = 0;
    for (const other of this.#parked) {
      if (!other.isLeftover && other.destination === shipment.destination) other.dueAtMs = 0;
    }
  }

  /** What was never sent. */
  get unsent(): QueuedSlice[] {
    return [...this.#lanes.values()].flatMap((lane) => lane.all);
  }

  /** Takes back all that was never sent, in order of arrival. */
  takeUnsent(): QueuedSlice[] {
    const slices = [...this.#lanes.values()].flatMap((lane) => lane.takeAll());
    return slices.sort((a, b) => a.sequence - b.sequence);
  }

  /** What was sent and has to be sent again. */
  get parked(): readonly Shipment[] {
    return this.#parked;
  }

  /** Stops waiting and gives back all that is not settled. */
  close(): QueuedSlice[] {
    this.#cancelTimer?.();
    const slices = this.#parked.flatMap((shipment) => shipment.slices);
    this.#parked = [];
    return [...slices, ...this.takeUnsent()];
  }

  #dropEmptyLanes(): void {
    if (this.#lanes.size < 64) return;
    for (const [destination, lane] of this.#lanes) if (lane.isEmpty) this.#lanes.delete(destination);
  }

  #wakeAt(atMs: number): void {
    if (atMs >= this.#timerAtMs) return;
    this.#cancelTimer?.();
    this.#timerAtMs = atMs;
    this.#cancelTimer = this.#options.clock.after(atMs - this.#options.clock.monotonicMs(), () => {
      this.#timerAtMs = Infinity;
      this.#cancelTimer = undefined;
      this.#options.wake();
    });
  }
}

/** The first pause of single documents that a server put off while it took others. */
const SOON_MS = 20;
/** Single documents that were refused may be sent again so much before their pause is over, with others. */
const LEFTOVERS_JOIN_MS = 10;
