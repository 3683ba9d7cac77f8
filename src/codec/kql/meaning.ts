import { compileTime, type TimeExpression, type TimeSpan } from "../time-range.ts";
import type { KqlValue } from "./ast.ts";

/**
 * What a query's values mean: the one place that the predicate (predicate.ts) and the SQL (sql.ts) both take it from.
 * docs/kql.md says the same in prose.
 */

/** A decimal number as people and programs write it. The same pattern goes to SQL: no JavaScript-only syntax in it. */
export const NUMBER_PATTERN = "^[+-]?([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][+-]?[0-9]{1,3})?$";
const NUMBER = new RegExp(NUMBER_PATTERN);

/** The number that a text is, or undefined. Texts over 64 characters are none. */
export function numberIn(text: string): number | undefined {
  if (text.length > 64 || !NUMBER.test(text)) return undefined;
  const number = Number(text);
  return Number.isFinite(number) ? number : undefined;
}

/** Text times inside documents take part in comparisons when they look like this: what our encoders write. Years 0001 to 9999. */
export const TIME_PATTERN =
  "^(000[1-9]|00[1-9][0-9]|0[1-9][0-9]{2}|[1-9][0-9]{3})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,6})?Z$";

/**
 * The time that a query's value is. Zones default to UTC, so that a query means the same on every host. Bare numbers
 * are times only for `@timestamp`: elsewhere `bytes > 1795255200` is about numbers.
 */
export function timeIn(text: string, field: string): TimeExpression | undefined {
  return field !== "@timestamp" && numberIn(text) !== undefined ? undefined : compileTime(text, "utc");
}

export type Operator = "<" | "<=" | ">" | ">=";

/**
 * Which times a comparison takes: from ≤ t < to, in whole microseconds since the epoch, perhaps infinite. A time that
 * was written to the day, minute or second stands for all of it, as in Elasticsearch: `<= 2026-11-21` takes in the
 * whole day, `> 2026-11-21` begins with the next one.
 */
export function timeBounds(operator: Operator | "=", span: TimeSpan): { readonly from: number; readonly to: number } {
  const begin = Math.round(span.fromMs * 1000);
  const end = Math.max(begin + 1, Math.round(span.toMs * 1000));
  switch (operator) {
    case ">=":
      return { from: begin, to: Infinity };
    case "<":
      return { from: -Infinity, to: begin };
    case ">":
      return { from: end, to: Infinity };
    case "<=":
      return { from: -Infinity, to: end };
    case "=":
      return { from: begin, to: end };
  }
}

/** Integers show as digits to wildcards (`status: 4*`); beyond 2^53 they are not exact, so they do not. */
export const MAX_WILDCARD_INTEGER = Number.MAX_SAFE_INTEGER;

const OCTET = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])";
const CIDR4 = new RegExp(`^${OCTET}[.]${OCTET}[.]${OCTET}[.]${OCTET}/(3[0-2]|[12]?[0-9])$`);
const CIDR6 = /^([0-9a-fA-F:]{2,39})\/(12[0-8]|1[01][0-9]|[1-9]?[0-9])$/;

/** An IP network in a query, as a test that JavaScript and SQL do alike. */
export type Network =
  /** Dotted quads that match the pattern (whole) are in it. */
  | { readonly version: 4; readonly pattern: string }
  /** IPv6 addresses whose 32 hexadecimal digits (ipv6Digits) match the pattern (whole) are in it. */
  | { readonly version: 6; readonly pattern: string };

/** The network that a text such as `10.0.0.0/8` or `2001:db8::/32` names, or undefined. Host bits are ignored. */
export function networkIn(text: string): Network | undefined {
  const four = CIDR4.exec(text);
  if (four !== null) {
    const bits = Number(four[5]);
    const octets = four
      .slice(1, 5)
      .map((octet, i) => octetPattern(Number(octet), Math.min(8, Math.max(0, bits - 8 * i))));
    return { version: 4, pattern: `^${octets.join("[.]")}$` };
  }
  const six = CIDR6.exec(text);
  const digits = six === null ? undefined : ipv6Digits(six[1]!);
  if (digits === undefined) return undefined;
  const bits = Number(six![2]);
  const whole = bits >> 2;
  const rest = bits & 3;
  let pattern = `^${digits.slice(0, whole)}`;
  if (rest > 0) {
    const size = 16 >> rest;
    const first = parseInt(digits[whole]!, 16) & ~(size - 1);
    pattern += `[${Array.from({ length: size }, (_, i) => (first + i).toString(16)).join("")}]`;
  }
  return { version: 6, pattern: `${pattern}[0-9a-f]*$` };
}

/** A pattern for the octets that begin with the given octet's first `bits` bits. */
function octetPattern(octet: number, bits: number): string {
  if (bits === 0) return OCTET;
  const size = 256 >> bits;
  const first = octet & ~(size - 1);
  return `(${Array.from({ length: size }, (_, i) => first + i).join("|")})`;
}

/** The 32 lower-case hexadecimal digits of an IPv6 address without an embedded IPv4 part, or undefined. */
export function ipv6Digits(text: string): string | undefined {
  if (!/^[0-9a-fA-F:]{2,39}$/.test(text)) return undefined;
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const head = halves[0] === "" ? [] : halves[0]!.split(":");
  const tail = halves.length < 2 || halves[1] === "" ? [] : halves[1]!.split(":");
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const groups = [...head, ...Array<string>(missing).fill("0"), ...tail];
  if (groups.some((group) => group.length < 1 || group.length > 4)) return undefined;
  return groups.map((group) => group.toLowerCase().padStart(4, "0")).join("");
}

/** The literal pieces that a value has in order: one for a plain value, several around wildcards. */
export function piecesOf(value: KqlValue): readonly string[] {
  return value.pieces ?? [value.text];
}

/**
 * A pattern source, without flags, that matches `text` in any case. Which letters are equal is Unicode's simple case
 * folding (CaseFolding.txt, C and S) as this runtime knows it, spelled out as classes: JavaScript and RE2 then agree
 * whatever Unicode version each has. `ß` is not `ss`, and `i` is not `ı`.
 */
export function caseInsensitivePattern(text: string): string {
  let pattern = "";
  for (const char of text) {
    const variants = caseVariants(char);
    pattern += variants.length === 1 ? escapeChar(char) : `[${variants.map(escapeChar).join("")}]`;
  }
  return pattern;
}

/** All characters that are equal to `char` in any case, itself first. */
export function caseVariants(char: string): readonly string[] {
  const known = variantCache.get(char);
  if (known !== undefined) return known;
  const point = char.codePointAt(0)!;
  let variants = [char];
  if (point < 0x80) {
    // ASCII has two letters with a third form: U+212A (Kelvin sign) and U+017F (long s).
    const lower = char.toLowerCase();
    const upper = char.toUpperCase();
    if (lower !== upper) variants = [char, char === lower ? upper : lower];
    if (lower === "k") variants.push("\u212a");
    if (lower === "s") variants.push("\u017f");
  } else if (point < 0xd800 || point > 0xdfff) {
    const equal = new RegExp(escapeChar(char), "iu");
    variants = [char, ...foldable().filter((other) => other !== char && equal.test(other))];
  }
  if (variantCache.size > 10_000) variantCache.clear();
  variantCache.set(char, variants);
  return variants;
}

const variantCache = new Map<string, readonly string[]>();
let foldableCharacters: readonly string[] | undefined;

/** Every character that has another case (about 2,900): found once, when a query first holds a letter beyond ASCII. */
function foldable(): readonly string[] {
  if (foldableCharacters !== undefined) return foldableCharacters;
  const found: string[] = [];
  const changes = /[\p{Changes_When_Casefolded}\p{Changes_When_Casemapped}]/u;
  for (let point = 0x41; point <= 0x1ffff; point++) {
    if (point >= 0xd800 && point <= 0xf8ff) continue;
    const char = String.fromCodePoint(point);
    if (changes.test(char)) found.push(char);
  }
  return (foldableCharacters = found);
}

/** A character as a literal in a pattern, inside or outside a class, for JavaScript (`u` or not) and RE2 alike. */
function escapeChar(char: string): string {
  return /[\\^$.*+?()[\]{}|/-]/.test(char) ? (char === "-" || char === "/" ? hexEscape(char) : `\\${char}`) : char;
}

function hexEscape(char: string): string {
  return `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`;
}

/** -1, 0 or 1 by code points, as UTF-8 bytes sort. JavaScript's own `<` sorts surrogates before U+E000. */
export function compareText(a: string, b: string): number {
  const end = Math.min(a.length, b.length);
  for (let i = 0; i < end; i++) {
    let x = a.charCodeAt(i);
    let y = b.charCodeAt(i);
    if (x === y) continue;
    if (x >= 0xd800 && y >= 0xd800) {
      // Surrogates stand for code points above all of the basic plane.
      x = x <= 0xdfff ? x + 0x10000 : x;
      y = y <= 0xdfff ? y + 0x10000 : y;
    }
    return x < y ? -1 : 1;
  }
  return a.length === b.length ? 0 : a.length < b.length ? -1 : 1;
}
