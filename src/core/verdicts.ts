import type { Verdict } from "./component.ts";

/**
 * Verdicts for some documents, most of which are the same: lists instead of a map's entries, which are most of the garbage
 * where a server refuses many documents.
 */
export class SparseVerdicts implements ReadonlyMap<number, Verdict> {
  readonly indexes: readonly number[];
  readonly #kinds: readonly number[];
  readonly #verdicts: readonly Verdict[];

  /**
   * `indexes` are ascending places in the sink batch; `kinds` says for each which of `verdicts` is its own, and is empty
   * where all have the first. Nobody may change them any more.
   */
  constructor(indexes: readonly number[], kinds: readonly number[], verdicts: readonly Verdict[]) {
    this.indexes = indexes;
    this.#kinds = kinds;
    this.#verdicts = verdicts;
  }

  get size(): number {
    return this.indexes.length;
  }

  /** The verdict of all, where it is one and the same. */
  get same(): Verdict | undefined {
    return this.#kinds.length === 0 ? this.#verdicts[0] : undefined;
  }

  has(index: number): boolean {
    return this.#find(index) >= 0;
  }

  get(index: number): Verdict | undefined {
    const at = this.#find(index);
    return at < 0 ? undefined : this.#at(at);
  }

  forEach(callback: (verdict: Verdict, index: number, map: ReadonlyMap<number, Verdict>) => void): void {
    for (let i = 0; i < this.indexes.length; i++) callback(this.#at(i), this.indexes[i]!, this);
  }

  *entries(): MapIterator<[number, Verdict]> {
    for (let i = 0; i < this.indexes.length; i++) yield [this.indexes[i]!, this.#at(i)];
  }

  *keys(): MapIterator<number> {
    yield* this.indexes;
  }

  *values(): MapIterator<Verdict> {
    for (let i = 0; i < this.indexes.length; i++) yield this.#at(i);
  }

  [Symbol.iterator](): MapIterator<[number, Verdict]> {
    return this.entries();
  }

  #at(i: number): Verdict {
    return this.#verdicts[this.#kinds[i] ?? 0]!;
  }

  #find(index: number): number {
    let low = 0;
    let high = this.indexes.length - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      const there = this.indexes[middle]!;
      if (there === index) return middle;
      if (there < index) low = middle + 1;
      else high = middle - 1;
    }
    return -1;
  }
}
