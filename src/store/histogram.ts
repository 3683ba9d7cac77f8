export interface Bucket {
  /** Milliseconds since the epoch. */
  readonly fromMs: number;
  readonly count: number;
}

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** Widths that people can name; each about double the one before, so that about half of the most bars or more fit one. */
const WIDTHS = [
  ...[1, 2, 5, 10, 20, 50, 100, 200, 500],
  ...[1, 2, 3, 5, 10, 15, 30].map((n) => n * SECOND),
  ...[1, 2, 3, 5, 10, 15, 30].map((n) => n * MINUTE),
  ...[1, 2, 3, 6, 12].map((n) => n * HOUR),
  ...[1, 2, 3, 7, 14, 28, 56, 91, 182, 364].map((n) => n * DAY),
];

/** The smallest round bucket width (milliseconds) with which a stretch of time has at most `maxBuckets` buckets. */
export function bucketWidth(spanMs: number, maxBuckets = 120): number {
  const wide = WIDTHS.find((width) => spanMs / width < maxBuckets);
  return wide ?? Math.ceil(spanMs / maxBuckets / (364 * DAY)) * 364 * DAY;
}

/** `30 s`, `5 min`, `1 h`, `2 d`. */
export function formatWidth(widthMs: number): string {
  if (widthMs % DAY === 0) return `${widthMs / DAY} d`;
  if (widthMs % HOUR === 0) return `${widthMs / HOUR} h`;
  if (widthMs % MINUTE === 0) return `${widthMs / MINUTE} min`;
  return widthMs % SECOND === 0 ? `${widthMs / SECOND} s` : `${widthMs} ms`;
}
