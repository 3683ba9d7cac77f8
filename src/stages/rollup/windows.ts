import type { LogEvent } from "../../core/event.ts";
import { getIn, type Path, setIn } from "../../core/path.ts";
import { Cell, numberOf, type Metric, type SavedCell } from "./metrics.ts";

/** What is known of the events of a window with the same dimensions. */
export class Group {
  /** By dimension; undefined where events have none. */
  readonly dimensions: readonly unknown[];
  /** It stands for all groups for which there was no room. */
  readonly isOverflow: boolean;
  readonly #metrics: readonly Metric[];
  readonly #cells: readonly Cell[];

  constructor(metrics: readonly Metric[], dimensions: readonly unknown[], isOverflow: boolean, saved?: SavedCell[]) {
    this.#metrics = metrics;
    this.dimensions = dimensions;
    this.isOverflow = isOverflow;
    this.#cells = metrics.map((metric, i) => new Cell(metric, saved?.[i]));
  }

  /** Returns how many metrics found something in their field that is no number. */
  add(event: LogEvent): number {
    let unfit = 0;
    for (let i = 0; i < this.#metrics.length; i++) {
      const { type, field, matches } = this.#metrics[i]!;
      if (matches?.(event) === false) continue;
      const cell = this.#cells[i]!;
      const value = field === undefined ? undefined : event.get(field);
      if (type === "count") {
        if (field === undefined || value !== undefined) cell.countOne();
      } else if (value === undefined || value === null) continue;
      else if (type === "distinct") {
        const texts: readonly unknown[] = Array.isArray(value) ? value : [value];
        for (const each of texts) cell.addText(typeof each === "string" ? "s" + each : JSON.stringify(each));
      } else {
        const number = numberOf(value);
        if (Number.isFinite(number)) cell.addNumber(number);
        else unfit++;
      }
    }
    return unfit;
  }

  /** Name, value and unit of each result. */
  results(): (readonly [name: string, value: number, unit: string | undefined])[] {
    return this.#metrics.flatMap((metric, i) =>
      this.#cells[i]!.results(metric).map(([name, value]) => [name, value, metric.unit] as const),
    );
  }

  save(): SavedGroup {
    const dimensions = this.dimensions.map((value) => value ?? null);
    const present = this.dimensions.map((value) => (value === undefined ? 0 : 1));
    return [dimensions, present, this.isOverflow ? 1 : 0, this.#cells.map((cell) => cell.save())];
  }
}

export type SavedGroup = readonly [
  dimensions: readonly unknown[],
  present: readonly number[],
  isOverflow: number,
  cells: readonly SavedCell[],
];

export function loadGroup(metrics: readonly Metric[], saved: SavedGroup): Group {
  const [dimensions, present, isOverflow, cells] = saved;
  const values = dimensions.map((value, i) => (present[i] === 1 ? value : undefined));
  return new Group(metrics, values, isOverflow === 1, [...cells]);
}

/** The groups of one interval. */
export class Window {
  readonly startMs: number;
  /** Made of events that came when the interval was finished; it is finished itself when the inputs are at `dueMs`. */
  readonly dueMs: number | undefined;
  /** When its last event came, by the clock of the host. */
  touchedMs: number;
  readonly groups = new Map<string, Group>();

  constructor(startMs: number, dueMs: number | undefined, nowMs: number) {
    this.startMs = startMs;
    this.dueMs = dueMs;
    this.touchedMs = nowMs;
  }
}

/** The fields by which groups are told apart, put into a document. */
export function putDimensions(
  document: Record<string, unknown>,
  paths: readonly Path[],
  values: readonly unknown[],
): void {
  for (const [i, path] of paths.entries()) {
    const value = values[i];
    if (value !== undefined && getIn(document, path.parts, 0) === undefined) setIn(document, path.parts, 0, value);
  }
}
