/**
 * How much of the agent's time all taps together may take: 2 %, and never more than a few milliseconds at once. What
 * does not fit is not looked at, and counted.
 */
export class TapBudget {
  readonly #nowMs: () => number;
  #atMs: number;
  #leftMs = BURST_MS;

  /** `nowMs`: a clock that is never set, in milliseconds. */
  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
    this.#atMs = nowMs();
  }

  /** Of `count` pieces of work that take `costMs` each: how many fit now. */
  share(count: number, costMs: number): number {
    const now = this.#nowMs();
    this.#leftMs = Math.min(BURST_MS, this.#leftMs + (now - this.#atMs) * SHARE);
    this.#atMs = now;
    if (this.#leftMs <= 0) return 0;
    // The first one may take longer than what is left: that is paid back later.
    return Math.min(count, Math.max(1, Math.floor(this.#leftMs / costMs)));
  }

  spent(milliseconds: number): void {
    this.#leftMs -= milliseconds;
  }
}

const SHARE = 0.02;
const BURST_MS = 10;

/** Looks at some of many, evenly spread, as far as the budget goes; knows from before what one costs. */
export class Spread {
  readonly #budget: TapBudget;
  readonly #nowMs: () => number;
  readonly #random: () => number;
  readonly #failed: (error: unknown) => void;
  #costMs = FIRST_COST_MS;

  /** `failed` is told what a look threw: nobody else is, what is looked at must not suffer from it. */
  constructor(budget: TapBudget, nowMs: () => number, random: () => number, failed: (error: unknown) => void) {
    this.#budget = budget;
    this.#nowMs = nowMs;
    this.#random = random;
    this.#failed = failed;
  }

  /** Calls `look` once with the indexes, of 0 … count - 1, that fit; returns how many do not. */
  look(count: number, look: (indexes: readonly number[]) => void): number {
    const taken = this.#budget.share(count, this.#costMs);
    if (taken === 0) return count;
    const began = this.#nowMs();
    const step = count / taken;
    const first = this.#random() * step;
    try {
      look(Array.from({ length: taken }, (_, i) => Math.min(count - 1, Math.floor(first + i * step))));
    } catch (error) {
      this.#failed(error);
    }
    const ms = this.#nowMs() - began;
    this.#budget.spent(ms);
    this.#costMs = Math.max(MIN_COST_MS, this.#costMs * 0.8 + (ms / taken) * 0.2);
    return count - taken;
  }
}

const FIRST_COST_MS = 0.05;
const MIN_COST_MS = 0.0005;
