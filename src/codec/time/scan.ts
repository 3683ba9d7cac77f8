import { ZONE_ABBREVIATIONS } from "./zone.ts";

/** 10^n for n from 0 to 9. */
export const POWERS_OF_TEN: readonly number[] = Array.from({ length: 10 }, (_, n) => 10 ** n);

/** The two digits at `at`, or -1. */
export function twoDigits(text: string, at: number): number {
  const tens = text.charCodeAt(at) - 48;
  const ones = text.charCodeAt(at + 1) - 48;
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : -1;
}

/** How many digits stand at `at`, at most `limit`. */
export function digitRun(text: string, at: number, limit: number): number {
  let n = 0;
  while (n < limit) {
    const digit = text.charCodeAt(at + n) - 48;
    if (!(digit >= 0 && digit <= 9)) break;
    n++;
  }
  return n;
}

/** The value of `count` digits at `at`. */
export function digitsAt(text: string, at: number, count: number): number {
  let value = 0;
  for (let i = at; i < at + count; i++) value = value * 10 + (text.charCodeAt(i) - 48);
  return value;
}

/** Milliseconds of a fraction of a second with `count` digits; below a microsecond is rounded. */
export function fractionMs(value: number, count: number): number {
  if (count === 3) return value;
  if (count < 3) return value * POWERS_OF_TEN[3 - count]!;
  return Math.round((value / POWERS_OF_TEN[count]!) * 1e6) / 1e3;
}

/** What the last zone scan found: minutes east of UTC, and where the text goes on. */
export const scanned = { minutes: 0, end: 0 };

/** Reads `Z`, `+02`, `+0200`, `+02:00` at `at` into `scanned`; false when there is none. */
export function scanOffset(text: string, at: number): boolean {
  const sign = text.charCodeAt(at);
  if (sign === 90 || sign === 122) {
    scanned.minutes = 0;
    scanned.end = at + 1;
    return true;
  }
  if (sign !== 43 && sign !== 45) return false;
  const hours = twoDigits(text, at + 1);
  if (hours < 0 || hours > 18) return false;
  let minutes = 0;
  let end = at + 3;
  const colon = text.charCodeAt(end) === 58 ? 1 : 0;
  const after = twoDigits(text, end + colon);
  if (after >= 0) {
    if (after > 59) return false;
    minutes = after;
    end += colon + 2;
  }
  scanned.minutes = sign === 45 ? -(hours * 60 + minutes) : hours * 60 + minutes;
  scanned.end = end;
  return true;
}

/** Reads an abbreviation such as `UTC` or `CEST` (capitals) at `at` into `scanned`; false when it is unknown. */
export function scanAbbreviation(text: string, at: number): boolean {
  let end = at;
  while (end - at < 5 && text.charCodeAt(end) >= 65 && text.charCodeAt(end) <= 90) end++;
  if (end - at === 3 && text.startsWith("UTC", at)) {
    scanned.minutes = 0;
    scanned.end = end;
    return true;
  }
  const minutes = ZONE_ABBREVIATIONS.get(text.slice(at, end));
  if (minutes === undefined) return false;
  scanned.minutes = minutes;
  scanned.end = end;
  return true;
}
