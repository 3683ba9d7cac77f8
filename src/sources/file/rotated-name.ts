import { extname } from "node:path";

/** Endings of compressed files; of these only gzip can be read. */
const COMPRESSED = /\.(gz|z|Z|bz2|xz|zst|zstd|lz4|zip)$/;
/** What logrotate and loggers put into names: .1, -20261121, -20261121-1030, .2026-11-21, .2026-11-21_10. */
const NUMBERS = /^[-._]?\d+(?:[-._:T]\d+)*$/;
/** With more digits it is a date or a time, and the larger one is the newer. */
const INDEX_DIGITS = 4;

/** A rotated name, read for its place in the order. */
export interface RotatedName {
  /** `index`: the larger is older (.2 before .1). `date`: the larger is newer. */
  readonly order: "index" | "date";
  readonly numbers: readonly number[];
  readonly compressed: boolean;
}

/** Whether a name ends like that of a compressed file. */
export function isCompressedName(name: string): boolean {
  return COMPRESSED.test(name);
}

/** Whether `name` looks like a rotated `original`: app.log.1, app.log-20261121, app-20261121.log, each also with .gz. */
export function isRotatedName(name: string, original: string): boolean {
  if (name === original) return false;
  if (name.startsWith(original)) return true;
  const extension = extname(original);
  const stem = original.slice(0, original.length - extension.length);
  const plain = name.replace(COMPRESSED, "");
  return (
    extension !== "" &&
    plain.startsWith(stem) &&
    plain.endsWith(extension) &&
    /^[^\p{L}\p{N}]/u.test(plain.slice(stem.length))
  );
}

/** Reads a rotated name; undefined when it is none, or one without an order (app.log.old, app.log~). */
export function parseRotatedName(name: string, original: string): RotatedName | undefined {
  if (!isRotatedName(name, original)) return undefined;
  const compressed = isCompressedName(name);
  const plain = name.replace(COMPRESSED, "");
  if (plain === original) return { order: "index", numbers: [0], compressed };
  const extension = extname(original);
  const stem = original.slice(0, original.length - extension.length);
  const between = plain.startsWith(original)
    ? plain.slice(original.length)
    : plain.slice(stem.length, plain.length - extension.length);
  if (!NUMBERS.test(between)) return undefined;
  const digits = between.match(/\d+/g)!;
  const order = digits.length === 1 && digits[0].length <= INDEX_DIGITS ? "index" : "date";
  return { order, numbers: digits.map(Number), compressed };
}

/** A rotated file, for ordering. */
export interface RotatedFile {
  readonly name: RotatedName;
  /** When it was last written to, milliseconds since the epoch. */
  readonly mtimeMs: number;
}

/** Negative when `a` was rotated before `b`. Names that cannot be compared go by the time of the last write. */
export function compareRotated(a: RotatedFile, b: RotatedFile): number {
  if (a.name.order !== b.name.order) return a.mtimeMs - b.mtimeMs;
  const sign = a.name.order === "index" ? -1 : 1;
  const length = Math.max(a.name.numbers.length, b.name.numbers.length);
  for (let i = 0; i < length; i++) {
    const difference = (a.name.numbers[i] ?? -1) - (b.name.numbers[i] ?? -1);
    if (difference !== 0) return sign * difference;
  }
  return 0;
}
