/** How fast an input grows and is delivered, from samples a second apart: what an ETA is made of. */
export interface Rates {
  readonly deliveredBytesPerSecond: number;
  readonly grownBytesPerSecond: number;
}

interface Sample {
  atMs: number;
  readonly deliveredBytes: number;
  readonly sizeBytes: number;
}

/** Looks back over this long: long enough for calls of a sink that come in bursts. */
const WINDOW_MS = 15_000;

/** What is known of the backlog of one input over time. */
export class LagMeter {
  /** Oldest first; all but the first within the window. */
  #samples: Sample[] = [];
  #caughtUpAtMs: number;

  constructor(nowMs: number) {
    this.#caughtUpAtMs = nowMs;
  }

  /** To be called about once a second, and whenever somebody asks. Times are of a clock that is never set. */
  observe(nowMs: number, deliveredBytes: number, sizeBytes: number): void {
    if (deliveredBytes >= sizeBytes) this.#caughtUpAtMs = nowMs;
    const last = this.#samples.at(-1);
    // A look in between must not push older ones out of a bounded list.
    if (last !== undefined && nowMs - last.atMs < 500) return;
    const [first] = this.#samples;
    // Nothing happens, and that for hundreds of files at once: two samples say it as well as fifteen.
    if (this.#samples.length === 2 && isSame(first!, last!) && isSame(last!, { deliveredBytes, sizeBytes })) {
      last!.atMs = nowMs;
      first!.atMs = Math.max(first!.atMs, nowMs - WINDOW_MS);
      return;
    }
    this.#samples.push({ atMs: nowMs, deliveredBytes, sizeBytes });
    while (this.#samples.length > 2 && nowMs - this.#samples[1]!.atMs > WINDOW_MS) this.#samples.shift();
  }

  /** How long there has been something to deliver, in milliseconds. */
  lagMs(nowMs: number): number {
    return nowMs - this.#caughtUpAtMs;
  }

  rates(nowMs: number, deliveredBytes: number, sizeBytes: number): Rates | undefined {
    const [first] = this.#samples;
    if (first === undefined || nowMs - first.atMs < 500) return undefined;
    const seconds = (nowMs - first.atMs) / 1000;
    return {
      deliveredBytesPerSecond: Math.max(0, deliveredBytes - first.deliveredBytes) / seconds,
      grownBytesPerSecond: Math.max(0, sizeBytes - first.sizeBytes) / seconds,
    };
  }

  /** Seconds until everything is delivered if it goes on as lately; undefined when it does not catch up, or nobody knows yet. */
  etaSeconds(nowMs: number, deliveredBytes: number, sizeBytes: number): number | undefined {
    const lagBytes = sizeBytes - deliveredBytes;
    if (lagBytes <= 0) return 0;
    const rates = this.rates(nowMs, deliveredBytes, sizeBytes);
    if (rates === undefined) return undefined;
    const gain = rates.deliveredBytesPerSecond - rates.grownBytesPerSecond;
    return gain > 0 ? lagBytes / gain : undefined;
  }
}

function isSame(a: Omit<Sample, "atMs">, b: Omit<Sample, "atMs">): boolean {
  return a.deliveredBytes === b.deliveredBytes && a.sizeBytes === b.sizeBytes;
}
