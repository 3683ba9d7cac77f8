import type { Clock } from "../../src/runtime/clock.ts";

/** Time that stands still until `advance`. */
export class FakeClock implements Clock {
  #nowMs: number;
  #offsetMs = 0;
  #timers: { atMs: number; run: () => void }[] = [];

  constructor(startMs = Date.UTC(2026, 10, 21, 10)) {
    this.#nowMs = startMs;
  }

  now(): number {
    return this.#nowMs + this.#offsetMs;
  }

  /** What the clock on the wall shows less this one never changes, but by `set`. */
  monotonicMs(): number {
    return this.#nowMs;
  }

  /** Somebody sets the clock on the wall; no time passes. */
  set(nowMs: number): void {
    this.#offsetMs = nowMs - this.#nowMs;
  }

  after(ms: number, run: () => void): () => void {
    const timer = { atMs: this.#nowMs + Math.max(0, ms), run };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((each) => each !== timer);
    };
  }

  /** Timers that wait. */
  get pending(): number {
    return this.#timers.length;
  }

  /** Runs every timer due within `ms`, in order, letting promises settle after each. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms;
    for (;;) {
      await settled();
      const next = this.#timers.reduce<{ atMs: number; run: () => void } | undefined>(
        (first, each) => (each.atMs <= untilMs && (first === undefined || each.atMs < first.atMs) ? each : first),
        undefined,
      );
      if (next === undefined) break;
      this.#timers = this.#timers.filter((each) => each !== next);
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.run();
    }
    this.#nowMs = untilMs;
    await settled();
  }
}

/** Resolves when promise reactions that need no I/O have run. */
export async function settled(): Promise<void> {
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
}
