export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/**
 * By how much `now` is above `before`, pair by pair, as a part of it (0.05: 5 % more), and the one-sided upper 95 %
 * bound of that by Student's t, both of the logarithms of the ratios. The bound is NaN for fewer than two pairs.
 */
export function pairedSlowdown(now: readonly number[], before: readonly number[]): { mean: number; upper95: number } {
  const logs = now.map((value, i) => Math.log(value / before[i]!));
  const mean = logs.reduce((sum, value) => sum + value, 0) / logs.length;
  const freedom = logs.length - 1;
  const deviation = Math.sqrt(logs.reduce((sum, value) => sum + (value - mean) ** 2, 0) / freedom);
  const bound = mean + (student95(freedom) * deviation) / Math.sqrt(logs.length);
  return { mean: Math.exp(mean) - 1, upper95: Math.exp(bound) - 1 };
}

/** The 95 % quantile of Student's t (Abramowitz and Stegun 26.7.5); within 0.3 % from four degrees of freedom on. */
function student95(freedom: number): number {
  const z = 1.6448536;
  const first = (z ** 3 + z) / 4;
  const second = (5 * z ** 5 + 16 * z ** 3 + 3 * z) / 96;
  const third = (3 * z ** 7 + 19 * z ** 5 + 17 * z ** 3 - 15 * z) / 384;
  return z + first / freedom + second / freedom ** 2 + third / freedom ** 3;
}
