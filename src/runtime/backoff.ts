/**
 * Growing pauses between attempts: 0.5 s (or another first one) doubling to 30 s, each drawn from its upper half so that
 * agents spread out.
 */
export function backoffMs(failures: number, random: () => number, firstMs = BASE_MS): number {
  const ceiling = Math.min(MAX_MS, firstMs * 2 ** Math.min(failures - 1, 16));
  return Math.round(ceiling * (0.5 + random() * 0.5));
}

const BASE_MS = 500;
const MAX_MS = 30_000;
