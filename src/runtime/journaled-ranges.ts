import type { ResumePoint } from "../core/component.ts";

/** A stretch of input: from where (and how to go on reading there) to which position. */
export interface JournaledRange {
  readonly from: ResumePoint;
  readonly to: number;
}

/** What of a route is in the journal and not settled there: ranges that neither touch nor overlap, in order. */
export class JournaledRanges {
  #ranges: { from: ResumePoint; to: number }[];

  constructor(ranges: readonly JournaledRange[] = []) {
    this.#ranges = ranges.map(({ from, to }) => ({ from, to })).sort((a, b) => a.from.position - b.from.position);
  }

  get isEmpty(): boolean {
    return this.#ranges.length === 0;
  }
  /** Where the first one begins. */
  get first(): ResumePoint | undefined {
    return this.#ranges[0]?.from;
  }

  list(): JournaledRange[] {
    return this.#ranges.map(({ from, to }) => ({ from, to }));
  }

  clear(): void {
    this.#ranges = [];
  }

  add(from: ResumePoint, to: number): void {
    if (to <= from.position) return;
    const last = this.#ranges.at(-1);
    // Nearly always what is added comes last.
    if (last !== undefined && last.to === from.position) last.to = to;
    else if (last === undefined || last.to < from.position) this.#ranges.push({ from, to });
    else this.#insert(from, to);
  }

  /** Takes out what lies between; reading could go on at `to`. */
  remove(from: number, to: ResumePoint): void {
    const first = this.#ranges[0];
    if (first === undefined) return;
    // Nearly always the beginning of the first.
    if (first.from.position >= from && first.from.position < to.position && first.to > to.position) {
      first.from = to;
      return;
    }
    this.#ranges = this.#ranges.flatMap((range) => {
      if (range.to <= from || range.from.position >= to.position) return [range];
      const left = range.from.position < from ? [{ from: range.from, to: from }] : [];
      return range.to > to.position ? [...left, { from: to, to: range.to }] : left;
    });
  }

  includes(from: number, to: number): boolean {
    return this.#ranges.some((range) => range.from.position <= from && range.to >= to);
  }

  /** What of these is in none of the batches, which do not overlap: where that begins, and how much it is. */
  without(batches: readonly { readonly start: ResumePoint; readonly end: ResumePoint }[]): {
    hole: ResumePoint | undefined;
    missing: number;
  } {
    const left = new JournaledRanges(this.#ranges);
    for (const { start, end } of batches) left.remove(start.position, end);
    const missing = left.#ranges.reduce((sum, { from, to }) => sum + to - from.position, 0);
    return { hole: left.first, missing };
  }

  #insert(from: ResumePoint, to: number): void {
    const touching = this.#ranges.filter((range) => range.from.position <= to && range.to >= from.position);
    const begin = touching.find((range) => range.from.position <= from.position)?.from ?? from;
    const end = Math.max(to, ...touching.map((range) => range.to));
    this.#ranges = this.#ranges.filter((range) => !touching.includes(range));
    this.#ranges.push({ from: begin, to: end });
    this.#ranges.sort((a, b) => a.from.position - b.from.position);
  }
}
