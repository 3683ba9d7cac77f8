import { parseKql } from "../../codec/kql/parse.ts";
import { compilePredicate } from "../../codec/kql/predicate.ts";
import type { LogEvent } from "../../core/event.ts";
import { Path } from "../../core/path.ts";
import { DistinctCount, type SavedDistinct } from "./distinct-count.ts";
import { QuantileSketch, type SavedSketch } from "./quantile-sketch.ts";

export const METRIC_TYPES = ["count", "sum", "min", "max", "average", "distinct", "percentiles"] as const;
export type MetricType = (typeof METRIC_TYPES)[number];

/** One number, or several percentiles, that is worked out for each group. */
export interface Metric {
  readonly name: string;
  readonly type: MetricType;
  readonly field: Path | undefined;
  readonly matches: ((event: LogEvent) => boolean) | undefined;
  readonly unit: string | undefined;
  readonly percentiles: readonly number[];
  readonly accuracy: number;
}

export interface MetricConfig {
  readonly type: MetricType;
  readonly field?: string;
  readonly where?: string;
  readonly unit?: string;
  readonly percentiles: readonly number[];
  readonly accuracy: number;
}

export function metricOf(name: string, config: MetricConfig): Metric {
  const { type, field, where, unit, percentiles, accuracy } = config;
  return {
    ...{ name, type, unit, percentiles, accuracy },
    field: field === undefined ? undefined : new Path(field),
    matches: where === undefined ? undefined : compilePredicate(parseKql(where)),
  };
}

/** What is known of a metric in one group. Sums are exact for whole numbers up to 2^53, and compensated otherwise. */
export class Cell {
  #count = 0;
  #sum = 0;
  /** What the sum lost to rounding (Neumaier). */
  #lost = 0;
  #least = Infinity;
  #most = -Infinity;
  readonly #distinct: DistinctCount | undefined;
  readonly #sketch: QuantileSketch | undefined;

  constructor({ type, accuracy }: Metric, saved?: SavedCell) {
    if (saved !== undefined) {
      [this.#count, this.#sum, this.#lost] = saved;
      this.#least = saved[3] ?? Infinity;
      this.#most = saved[4] ?? -Infinity;
    }
    const more = saved?.[5];
    if (type === "distinct") this.#distinct = new DistinctCount(more as SavedDistinct | undefined);
    if (type === "percentiles") this.#sketch = new QuantileSketch(accuracy, more as SavedSketch | undefined);
  }

  countOne(): void {
    this.#count++;
  }

  addText(text: string): void {
    this.#count++;
    this.#distinct!.add(text);
  }

  addNumber(value: number): void {
    this.#count++;
    if (value < this.#least) this.#least = value;
    if (value > this.#most) this.#most = value;
    if (this.#sketch !== undefined) {
      this.#sketch.add(value);
      return;
    }
    const sum = this.#sum + value;
    this.#lost += Math.abs(this.#sum) >= Math.abs(value) ? this.#sum - sum + value : value - sum + this.#sum;
    this.#sum = sum;
  }

  /** Names and values for the metric's event; none where nothing had a value. */
  results({ name, type, percentiles }: Metric): (readonly [name: string, value: number])[] {
    if (type === "count") return [[name, this.#count]];
    if (type === "distinct") return [[name, this.#distinct!.value]];
    // Beyond what numbers can hold there is no compensation.
    const total = this.#sum + this.#lost;
    const sum = Number.isFinite(total) ? total : this.#sum;
    if (type === "sum") return Number.isFinite(sum) ? [[name, sum]] : [];
    if (this.#count === 0) return [];
    if (type === "min") return [[name, this.#least]];
    if (type === "max") return [[name, this.#most]];
    if (type === "average") return Number.isFinite(sum) ? [[name, sum / this.#count]] : [];
    return percentiles.map((each) => {
      const value = this.#sketch!.quantile(each / 100);
      return [`${name}_p${String(each).replace(".", "_")}`, Math.min(this.#most, Math.max(this.#least, value))];
    });
  }

  save(): SavedCell {
    const [least, most] = [this.#least, this.#most].map((each) => (Number.isFinite(each) ? each : null));
    return [this.#count, this.#sum, this.#lost, least!, most!, this.#distinct?.save() ?? this.#sketch?.save() ?? null];
  }
}

export type SavedCell = readonly [
  count: number,
  sum: number,
  lost: number,
  least: number | null,
  most: number | null,
  more: SavedDistinct | SavedSketch | null,
];

/** A number, or a text that is one; NaN otherwise. */
export function numberOf(value: unknown): number {
  if (typeof value === "number") return value;
  return typeof value === "string" && NUMBER.test(value) ? Number(value) : NaN;
}

const NUMBER = /^[+-]?(?:\d{1,300}(?:\.\d{0,300})?|\.\d{1,300})(?:[eE][+-]?\d{1,3})?$/;
