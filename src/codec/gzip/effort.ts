/** How hard to look for what was there before: what assembly/deflate/deflate.ts calls these, in this order. */
export type Effort = readonly [
  places: number,
  enough: number,
  delay: number,
  longFrom: number,
  goodFrom: number,
  edge: number,
  step: number,
];

/**
 * For levels 1 to 9. Chosen on bulk bodies (bench/micro/gzip.ts), so that each level means what it means for zlib: 1 to 3 take as
 * long as zlib's, for bodies a tenth smaller; 4 to 7 half as long or less, for bodies about as small; 8 and 9 make the smallest.
 */
const EFFORTS: readonly Effort[] = [
  [4, 64, 0, 16, 8, 8, 2],
  [6, 128, 0, 16, 8, 16, 2],
  [8, 258, 0, 32, 8, 16, 2],
  [8, 258, 1, 32, 8, 16, 2],
  [8, 258, 1, 64, 16, 16, 2],
  [16, 258, 1, 64, 16, 24, 2],
  [24, 258, 2, 64, 32, 32, 2],
  [64, 258, 2, 128, 64, 32, 1],
  [128, 258, 2, 258, 258, 258, 1],
];

export function effortOf(level: number): Effort {
  return EFFORTS[level - 1]!;
}
