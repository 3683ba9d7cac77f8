import { isIp } from "../../codec/ip.ts";

export const KEY_KINDS = ["text", "ignore_case", "mac", "ip", "number"] as const;
/** How keys are compared. */
export type KeyKind = (typeof KEY_KINDS)[number];

/** Finds rows by key. */
export interface KeyIndex<R> {
  /** Rows whose key is the value, in the order of the table; undefined when there are none. */
  find(value: string): readonly R[] | undefined;
  /** Rows whose key is none of this kind. */
  readonly skipped: number;
}

/** Makes an index of rows and their keys. */
export function indexOf<R>(kind: KeyKind, rows: readonly (readonly [key: string, row: R])[]): KeyIndex<R> {
  if (kind === "ip") return new Intervals(rows, addressRange, addressOf);
  if (kind === "number") return new Intervals(rows, numberRange, numberOf);
  const normalise = kind === "mac" ? macOf : kind === "ignore_case" ? lowerCase : (text: string) => text;
  const byKey = new Map<string, R[]>();
  let skipped = 0;
  for (const [text, row] of rows) {
    const key = normalise(text);
    if (key === undefined) {
      skipped++;
      continue;
    }
    const group = byKey.get(key);
    if (group === undefined) byKey.set(key, [row]);
    else group.push(row);
  }
  return {
    skipped,
    find: (value) => {
      const key = normalise(value);
      return key === undefined ? undefined : byKey.get(key);
    },
  };
}

function lowerCase(text: string): string {
  return text.toLowerCase();
}

/** The twelve digits of a MAC address, however it is written: `00:1A:2b…`, `00-1a…`, `001a.2b3c.4d5e`, `0:1a:…`. */
export function macOf(text: string): string | undefined {
  const parts = text.trim().toLowerCase().split(/[:.-]/);
  const width = parts.length === 6 ? 2 : parts.length === 3 ? 4 : parts.length === 1 ? 12 : 0;
  const digits = parts.map((part) => part.padStart(width, "0")).join("");
  const isWhole = parts.length > 1 || parts[0]!.length === 12;
  return isWhole && parts.every((part) => part !== "") && /^[0-9a-f]{12}$/.test(digits) ? digits : undefined;
}

/** An address as text that sorts as addresses do: 4 and 8 digits of IPv4, 6 and 32 of IPv6; undefined for none. */
export function addressOf(text: string): string | undefined {
  const trimmed = text.trim();
  if (!isIp(trimmed)) return undefined;
  if (!trimmed.includes(":")) return "4" + fourBytes(trimmed);
  const dots = trimmed.includes(".") ? trimmed.lastIndexOf(":") + 1 : -1;
  const tail = dots < 0 ? "" : fourBytes(trimmed.slice(dots));
  const plain = dots < 0 ? trimmed : `${trimmed.slice(0, dots)}${tail.slice(0, 4)}:${tail.slice(4)}`;
  const [head = "", rest] = plain.split("::");
  const groups = (part: string): string[] =>
    part === "" ? [] : part.split(":").map((group) => group.padStart(4, "0"));
  const [first, last] = [groups(head), groups(rest ?? "")];
  const digits = [...first, ...Array<string>(8 - first.length - last.length).fill("0000"), ...last]
    .join("")
    .toLowerCase();
  // IPv4 in IPv6 (RFC 4291 section 2.5.5.2) is the same address.
  return digits.startsWith("00000000000000000000ffff") ? "4" + digits.slice(24) : "6" + digits;
}

function fourBytes(text: string): string {
  return text
    .split(".")
    .map((byte) => Number(byte).toString(16).padStart(2, "0"))
    .join("");
}

type Range<K> = readonly [low: K, high: K];

/** An address, a network as `10.0.0.0/8`, or a range as `10.0.0.1-10.0.0.9`. */
export function addressRange(text: string): Range<string> | undefined {
  const [network, prefix, ...more] = text.split("/");
  if (prefix !== undefined) {
    const address = addressOf(network!);
    const bits = address === undefined ? 0 : (address.length - 1) * 4;
    if (address === undefined || more.length > 0 || !/^\s*\d{1,3}\s*$/.test(prefix) || Number(prefix) > bits)
      return undefined;
    return networkRange(address, Number(prefix));
  }
  const [from, to, ...rest] = text.split("-");
  const low = addressOf(from!);
  const high = to === undefined ? low : addressOf(to);
  if (low === undefined || high === undefined || rest.length > 0) return undefined;
  return low[0] === high[0] && low <= high ? [low, high] : undefined;
}

function networkRange(address: string, prefix: number): Range<string> {
  let [low, high] = [address[0]!, address[0]!];
  for (let i = 1; i < address.length; i++) {
    const bits = Math.min(4, Math.max(0, prefix - (i - 1) * 4));
    const mask = 15 >> bits;
    const digit = parseInt(address[i]!, 16);
    low += (digit & ~mask).toString(16);
    high += (digit | mask).toString(16);
  }
  return [low, high];
}

const NUMBER = "[+-]?(?:\\d+\\.?\\d*|\\.\\d+)";
const ONE_NUMBER = new RegExp(`^\\s*${NUMBER}\\s*$`);
const TWO_NUMBERS = new RegExp(`^\\s*(${NUMBER})\\s*(?:-|\\.\\.)\\s*(${NUMBER})\\s*$`);

function numberOf(text: string): number | undefined {
  return ONE_NUMBER.test(text) ? Number(text) : undefined;
}

/** A number, or a range as `100-199` or `-5..5`, both ends included. */
export function numberRange(text: string): Range<number> | undefined {
  const one = numberOf(text);
  if (one !== undefined) return [one, one];
  const [, low, high] = TWO_NUMBERS.exec(text) ?? [];
  if (low === undefined || high === undefined || Number(low) > Number(high)) return undefined;
  return [Number(low), Number(high)];
}

/**
 * Rows by ranges of keys. Where ranges lie in or over one another the one that begins last is taken, and of those the
 * shortest: for networks the one with the longest prefix.
 */
class Intervals<K extends string | number, R> implements KeyIndex<R> {
  readonly skipped: number;
  readonly #lows: K[] = [];
  readonly #highs: K[] = [];
  readonly #rows: R[][] = [];
  /** The nearest range before each that reaches further; -1 for none. */
  readonly #outer: number[] = [];
  readonly #read: (text: string) => K | undefined;

  constructor(
    rows: readonly (readonly [key: string, row: R])[],
    range: (text: string) => Range<K> | undefined,
    read: (text: string) => K | undefined,
  ) {
    this.#read = read;
    const found = rows.flatMap(([key, row]) => {
      const interval = range(key);
      return interval === undefined ? [] : [{ low: interval[0], high: interval[1], row }];
    });
    this.skipped = rows.length - found.length;
    // Stable: rows of one range stay in the order of the table.
    found.sort((a, b) =>
      a.low !== b.low ? (a.low < b.low ? -1 : 1) : a.high !== b.high ? (a.high > b.high ? -1 : 1) : 0,
    );
    for (const { low, high, row } of found) {
      const last = this.#lows.length - 1;
      if (last >= 0 && this.#lows[last] === low && this.#highs[last] === high) {
        this.#rows[last]!.push(row);
        continue;
      }
      let outer = last;
      while (outer >= 0 && this.#highs[outer]! <= high) outer = this.#outer[outer]!;
      this.#lows.push(low);
      this.#highs.push(high);
      this.#rows.push([row]);
      this.#outer.push(outer);
    }
  }

  find(value: string): readonly R[] | undefined {
    const key = this.#read(value);
    if (key === undefined) return undefined;
    const lows = this.#lows;
    let from = 0;
    let to = lows.length;
    while (from < to) {
      const middle = (from + to) >>> 1;
      if (lows[middle]! <= key) from = middle + 1;
      else to = middle;
    }
    let at = from - 1;
    while (at >= 0 && this.#highs[at]! < key) at = this.#outer[at]!;
    return at < 0 ? undefined : this.#rows[at];
  }
}
