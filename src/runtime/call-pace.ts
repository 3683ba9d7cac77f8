import type { BatchLimits } from "../core/component.ts";

/** How a call went, as far as it says how many more can be made. */
export interface CallOutcome {
  readonly bytes: number;
  readonly beganAtMs: number;
  /**
   * `taken`: most of it was. `overloaded`: the server put it off, all or much of it (429, 503). `timed_out`: no answer
   * in time. `too_large`: refused for its size. `failed`: says nothing of load.
   */
  readonly kind: "taken" | "overloaded" | "timed_out" | "too_large" | "failed";
}

/** More calls at a time are tried: how many there were before, and what they gave. */
interface Trial {
  readonly from: number;
  readonly bytesPerMs: number;
}

export interface CallPaceOptions {
  /** Never more than this. */
  readonly limits: Pick<BatchLimits, "maxBytes" | "concurrency">;
  /** Bytes of calls under way, together: the more of them, the smaller each. */
  readonly windowBytes: number;
  /** Of the clock that is never set. */
  readonly nowMs: () => number;
}

/**
 * How many calls a sink makes at a time, and how large they are: as few and as large as give the full rate.
 *
 * While all that are allowed are under way and more waits, one more is tried. It stays when the rate then was higher by
 * GAIN or nothing waited any more, as when the server is far away or works in parallel; otherwise it is taken back
 * and tried again after pauses that grow. So a server that is busy is not given more to queue. When it says that it is
 * overloaded, or does not answer in time, half as many are made, once for all that were under way together, and one
 * more again after each stretch without that (additive increase, multiplicative decrease). Without need it goes back to
 * FIRST_CONCURRENCY.
 *
 * At first five times as many are tried, and a call or two each are enough to see: a server that is far gives all of them
 * in the time of one. Where it takes them one after another the rate stays, and that ends.
 *
 * A call that was too large, or took too long, halves what later ones hold; after CAP_MS twice that is tried.
 */
export class CallPace {
  readonly #options: CallPaceOptions;
  #concurrency: number;
  /** Up to here it goes without proof: so many went well before the server was overloaded. */
  #proven: number;
  #trial: Trial | undefined;
  /** Nothing is known of the server: many more are tried, instead of one. */
  #isSlowStart = true;
  #pauseMs = FIRST_PAUSE_MS;
  #nextTrialMs = -Infinity;
  /** Since when there are so many calls at a time. */
  #changedAtMs = -Infinity;
  /** NaN: nothing is measured. */
  #windowBeganMs = NaN;
  #windowBytes = 0;
  #windowCalls = 0;
  #hungryAtMs = -Infinity;
  #capBytes = Infinity;
  #capUntilMs = 0;
  #callMs = 0;
  /** How long the shortest large call took, at `#leastSinceMs`. */
  #leastMs = Infinity;
  #leastSinceMs = -Infinity;

  constructor(options: CallPaceOptions) {
    this.#options = options;
    this.#concurrency = Math.min(options.limits.concurrency, FIRST_CONCURRENCY);
    this.#proven = this.#concurrency;
  }

  /** Calls at the same time. */
  get concurrency(): number {
    return this.#concurrency;
  }

  /** Calls take much longer than the shortest lately: they wait for each other somewhere, and more of them would, too. */
  get isQueueing(): boolean {
    return this.#callMs > this.#leastMs * QUEUEING;
  }

  /** Bytes of one call. */
  get maxBytes(): number {
    const { limits, windowBytes, nowMs } = this.#options;
    if (this.#capBytes !== Infinity && nowMs() >= this.#capUntilMs) this.#setCap(this.#capBytes * 2);
    const share = windowBytes / this.#concurrency;
    return Math.floor(Math.min(limits.maxBytes, Math.max(LEAST_BYTES, Math.min(share, this.#capBytes))));
  }

  /** How long calls take, in milliseconds, smoothed; 0 when none was answered yet. */
  get callMs(): number {
    return this.#callMs;
  }

  /** All calls that are allowed are under way, and one more could be made. */
  hungry(): void {
    this.#hungryAtMs = this.#options.nowMs();
  }

  /** Fewer are under way than allowed: there is nothing more to send. */
  idle(): void {
    this.#windowBeganMs = NaN;
    this.#trial = undefined;
    if (this.#concurrency <= FIRST_CONCURRENCY) return;
    const now = this.#options.nowMs();
    if (now - Math.max(this.#hungryAtMs, this.#changedAtMs) > CALM_MS) this.#change(this.#concurrency - 1, now);
  }

  ended(call: CallOutcome): void {
    const now = this.#options.nowMs();
    const { kind, bytes, beganAtMs } = call;
    // Of several that were under way together the first says it for all.
    if ((kind === "too_large" || kind === "timed_out") && bytes <= this.#capBytes) this.#setCap(bytes / 2);
    if (kind === "overloaded" || kind === "timed_out") this.#cut(beganAtMs, now);
    if (kind !== "taken") {
      this.#windowBeganMs = NaN;
      return;
    }
    const callMs = now - beganAtMs;
    this.#callMs = this.#callMs === 0 ? callMs : this.#callMs + (callMs - this.#callMs) / 8;
    // The way to a server changes. Small calls would make large ones seem to wait.
    const isLarge = bytes * 4 >= this.maxBytes;
    if (isLarge && (callMs <= this.#leastMs || now - this.#leastSinceMs > LEAST_MS)) {
      this.#leastMs = Math.max(callMs, 1);
      this.#leastSinceMs = now;
    }
    // What began before a change measures what was before. At first, when calls are few, it counts: what was under way
    // and what was added then end within one round trip.
    if (beganAtMs < this.#changedAtMs && !this.#isSlowStart) return;
    if (Number.isNaN(this.#windowBeganMs)) {
      this.#beginWindow(this.#isSlowStart ? beganAtMs : now);
      if (!this.#isSlowStart) return;
    }
    this.#windowBytes += bytes;
    this.#windowCalls++;
    const elapsedMs = now - this.#windowBeganMs;
    const isLong = this.#isSlowStart
      ? elapsedMs >= FIRST_WINDOW_MS && this.#windowCalls >= this.#concurrency
      : elapsedMs >= Math.max(WINDOW_MS, 3 * this.#callMs) && this.#windowCalls >= 2 * this.#concurrency;
    if (isLong) this.#judge(this.#windowBytes / elapsedMs, now);
  }

  #judge(bytesPerMs: number, now: number): void {
    const isHungry = this.#hungryAtMs >= this.#windowBeganMs;
    const trial = this.#trial;
    this.#trial = undefined;
    this.#beginWindow(now);
    if (trial !== undefined && !this.#isProof(trial, bytesPerMs)) {
      this.#isSlowStart = false;
      this.#change(trial.from, now);
      this.#nextTrialMs = now + this.#pauseMs;
      this.#pauseMs = Math.min(LONGEST_PAUSE_MS, this.#pauseMs * 2);
      return;
    }
    if (trial !== undefined) this.#pauseMs = FIRST_PAUSE_MS;
    this.#proven = Math.max(this.#proven, this.#concurrency);
    if (!isHungry || this.#concurrency >= this.#options.limits.concurrency) return;
    if (this.#concurrency >= this.#proven) {
      if (now < this.#nextTrialMs) return;
      this.#trial = { from: this.#concurrency, bytesPerMs };
    }
    const next = this.#isSlowStart ? SLOW_START_FACTOR * this.#concurrency : this.#concurrency + 1;
    this.#change(Math.min(this.#options.limits.concurrency, next), now);
  }

  #isProof({ from, bytesPerMs: before }: Trial, bytesPerMs: number): boolean {
    if (!this.#isSlowStart) return bytesPerMs >= before * GAIN;
    // Programs warm up, and the rate grows by itself.
    if (this.isQueueing) return false;
    return bytesPerMs >= before * Math.min(FIRST_GAIN, 1 + (this.#concurrency / from - 1) * LEAST_EFFECT);
  }

  #cut(beganAtMs: number, now: number): void {
    if (beganAtMs < this.#changedAtMs && this.#trial === undefined) return;
    // What is refused again and again while a server is away proves nothing of what it takes.
    this.#proven = Math.max(
      Math.min(this.#options.limits.concurrency, FIRST_CONCURRENCY),
      this.#trial?.from ?? this.#concurrency,
    );
    this.#trial = undefined;
    this.#isSlowStart = false;
    this.#change(Math.max(1, this.#concurrency >> 1), now);
  }

  #change(concurrency: number, now: number): void {
    this.#concurrency = concurrency;
    this.#changedAtMs = now;
    this.#windowBeganMs = NaN;
    // Round trips count here, so the time in which the first of them are under way does, too.
    if (this.#isSlowStart) this.#beginWindow(now);
  }

  #beginWindow(now: number): void {
    this.#windowBeganMs = now;
    this.#windowBytes = 0;
    this.#windowCalls = 0;
  }

  #setCap(bytes: number): void {
    const { limits, nowMs } = this.#options;
    this.#capBytes = bytes >= limits.maxBytes ? Infinity : Math.max(bytes, LEAST_BYTES);
    this.#capUntilMs = nowMs() + CAP_MS;
  }
}

/** Some are sent while the next is made. */
const FIRST_CONCURRENCY = 4;
const GAIN = 1.1;
/** So many times as many calls at first: to a server that is far each step costs round trips with too few of them. */
const SLOW_START_FACTOR = 5;
/** Of so many more calls more is asked, because less is measured. */
const FIRST_GAIN = 1.25;
/** Of the calls that a small step adds so much has to be seen in the rate. */
const LEAST_EFFECT = 0.4;
/** A rate is measured for so long at least; the shorter is that of the first steps. */
const WINDOW_MS = 250;
const FIRST_WINDOW_MS = 40;
const FIRST_PAUSE_MS = 2_000;
const LONGEST_PAUSE_MS = 60_000;
/** So many times as long as the shortest: with fewer calls each would take less. */
const QUEUEING = 2;
/** The shortest call counts for so long. */
const LEAST_MS = 30_000;
/** Nothing waited for so long: one call less at a time. */
const CALM_MS = 10_000;
const CAP_MS = 600_000;
/** No call is made smaller than this for the sake of pace. */
const LEAST_BYTES = 64 * 1024;
