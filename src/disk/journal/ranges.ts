/*
 * Ranges of documents of a batch, as a flat list of indices: from, to, from, to, … growing; `to` is not included.
 */

/** Documents in ranges. */
export function countRanges(ranges: readonly number[]): number {
  let count = 0;
  for (let i = 0; i < ranges.length; i += 2) count += ranges[i + 1]! - ranges[i]!;
  return count;
}

/** Ranges in any order, sorted and joined where they touch or overlap. */
export function joinRanges(ranges: readonly number[]): number[] {
  const pairs: [number, number][] = [];
  for (let i = 0; i < ranges.length; i += 2) pairs.push([ranges[i]!, ranges[i + 1]!]);
  pairs.sort((a, b) => a[0] - b[0]);
  const joined: number[] = [];
  for (const [from, to] of pairs) {
    if (joined.length > 0 && from <= joined.at(-1)!) joined[joined.length - 1] = Math.max(joined.at(-1)!, to);
    else joined.push(from, to);
  }
  return joined;
}

/** What of the ranges is at or behind a position; `offsets` are those of the batch's documents. */
export function rangesFrom(ranges: readonly number[], offsets: Float64Array, position: number): number[] {
  const kept: number[] = [];
  for (let i = 0; i < ranges.length; i += 2) {
    let from = ranges[i]!;
    const to = ranges[i + 1]!;
    while (from < to && offsets[from]! < position) from++;
    if (from < to) kept.push(from, to);
  }
  return kept;
}
