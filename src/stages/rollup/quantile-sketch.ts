/**
 * Quantiles of numbers in bounded memory, with a relative error: what `quantile` gives is within `accuracy` (a share) of
 * a value of that rank. A DDSketch (Masson, Rim, Lee: "DDSketch: A Fast and Fully-Mergeable Quantile Sketch with
 * Relative-Error Guarantees", VLDB 2019): values are counted in buckets whose bounds grow by a constant factor.
 *
 * At most MAX_BUCKETS buckets for each sign: with an accuracy of 1 % that is room for 17 orders of magnitude. Beyond,
 * those nearest to zero are counted together, and the error is stated only for what is further from zero.
 */
export class QuantileSketch {
  readonly #factor: number;
  readonly #perLog: number;
  readonly #positive: Map<number, number>;
  readonly #negative: Map<number, number>;
  #zeros: number;
  #count: number;

  constructor(accuracy: number, saved: SavedSketch = [0, [], []]) {
    this.#factor = (1 + accuracy) / (1 - accuracy);
    this.#perLog = 1 / Math.log(this.#factor);
    const [zeros, positive, negative] = saved;
    this.#zeros = zeros;
    this.#positive = new Map(positive);
    this.#negative = new Map(negative);
    this.#count = zeros;
    for (const buckets of [positive, negative]) for (const [, count] of buckets) this.#count += count;
  }

  get count(): number {
    return this.#count;
  }

  /** `value` is finite. */
  add(value: number): void {
    this.#count++;
    const size = Math.abs(value);
    if (size < SMALLEST) {
      this.#zeros++;
      return;
    }
    const buckets = value > 0 ? this.#positive : this.#negative;
    const key = Math.ceil(Math.log(size) * this.#perLog);
    const count = buckets.get(key);
    buckets.set(key, (count ?? 0) + 1);
    if (count === undefined && buckets.size > MAX_BUCKETS) collapse(buckets);
  }

  /** The value of rank `share` (0 to 1) of those added; NaN when there is none. */
  quantile(share: number): number {
    if (this.#count === 0) return NaN;
    const rank = share * (this.#count - 1);
    let below = 0;
    for (const [key, count] of sorted(this.#negative).reverse()) if ((below += count) > rank) return -this.#middle(key);
    if ((below += this.#zeros) > rank) return 0;
    const positive = sorted(this.#positive);
    for (const [key, count] of positive) if ((below += count) > rank) return this.#middle(key);
    const last = positive.at(-1);
    return last === undefined ? 0 : this.#middle(last[0]);
  }

  save(): SavedSketch {
    return [this.#zeros, [...this.#positive], [...this.#negative]];
  }

  /** The value of a bucket from which its bounds are equally far, as shares. */
  #middle(key: number): number {
    return (2 * this.#factor ** key) / (this.#factor + 1);
  }
}

/** Zeros, and [bucket, count] of positive and negative values. */
export type SavedSketch = readonly [
  zeros: number,
  positive: readonly (readonly [number, number])[],
  negative: readonly (readonly [number, number])[],
];

const MAX_BUCKETS = 2048;
/** What is nearer to zero counts as zero. */
const SMALLEST = 1e-12;

function sorted(buckets: ReadonlyMap<number, number>): [number, number][] {
  return [...buckets].sort(([a], [b]) => a - b);
}

/** Counts the sixteenth of the buckets that is nearest to zero together. */
function collapse(buckets: Map<number, number>): void {
  const lowest = sorted(buckets).slice(0, MAX_BUCKETS / 16);
  const [last] = lowest.at(-1)!;
  let sum = 0;
  for (const [key, count] of lowest) {
    sum += count;
    buckets.delete(key);
  }
  buckets.set(last, sum);
}
