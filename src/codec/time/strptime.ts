import { daysFromEpoch, daysInMonth, isLeapYear } from "./calendar.ts";
import { OP, type TimeOp } from "./directives.ts";
import { digitRun, digitsAt, fractionMs, scanAbbreviation, scanned, scanOffset } from "./scan.ts";
import type { Zone } from "./zone.ts";

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
const MONTHS = [
  "january",
  "february",
  "march",
  "april",
  "may",
  "june",
  "july",
  "august",
  "september",
  "october",
  "november",
  "december",
];
const WEEKDAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
const UNSET = -1;

/**
 * Runs the steps of a format over texts. Consecutive lines mostly share their second, so the text up to the fraction
 * is remembered with its time, and for formats without a fraction the whole text. Comparing a slice takes half the time of
 * startsWith (bench/micro/stages.ts).
 */
export class StrptimeParser {
  readonly #ops: readonly TimeOp[];
  readonly #zone: Zone;
  readonly #now: () => number;
  /** Steps before this one make the remembered prefix; the number of steps when the whole text is remembered. */
  readonly #split: number;
  readonly #hasZoneAfterSplit: boolean;
  readonly #needsNow: boolean;
  readonly #hasDate: boolean;

  #prefix = "\u0000";
  #prefixLocalMs = NaN;
  #prefixUtcMs = NaN;
  #prefixMinute = NaN;
  /** Before 1970 the fraction of `%s.%f` counts backwards: -1.5 is a second and a half before. */
  #prefixSign = 1;

  #at = 0;
  #year = UNSET;
  #month = UNSET;
  #day = UNSET;
  #dayOfYear = UNSET;
  #hour = 0;
  #minute = 0;
  #second = 0;
  #isPm = false;
  #epochMs = NaN;
  #fractionMs = 0;
  #offsetMs = NaN;

  constructor(ops: readonly TimeOp[], zone: Zone, now: () => number) {
    this.#ops = ops;
    this.#zone = zone;
    this.#now = now;
    const has = (...kinds: number[]): boolean => ops.some((op) => kinds.includes(op.kind));
    this.#hasDate = has(OP.month, OP.monthName, OP.dayOfYear, OP.epochSeconds, OP.year, OP.shortYear);
    this.#needsNow = !has(OP.year, OP.shortYear, OP.epochSeconds);
    const fraction = ops.findIndex((op) => op.kind === OP.fraction || op.kind === OP.milliseconds);
    const rest = fraction < 0 ? [] : ops.slice(fraction + 1);
    const before = ops[fraction - 1];
    const canSplit =
      before !== undefined &&
      before.kind === OP.literal &&
      !isDigit(before.arg) &&
      rest.every((op) => op.kind <= OP.whitespace || op.kind === OP.offset || op.kind === OP.abbreviation);
    this.#hasZoneAfterSplit = canSplit && rest.some((op) => op.kind === OP.offset || op.kind === OP.abbreviation);
    this.#split = canSplit && !(this.#needsNow && this.#hasZoneAfterSplit) ? fraction : ops.length;
  }

  /** Milliseconds since the epoch, or NaN when the text does not fit the format wholly. */
  parse(text: string): number {
    const split = this.#split;
    if (split < this.#ops.length) {
      if (text.slice(0, this.#prefix.length) === this.#prefix && this.#isFresh()) {
        this.#at = this.#prefix.length;
        if (this.#run(text, split, this.#ops.length) && this.#at === text.length) return this.#finishSplit();
      }
    } else if (text === this.#prefix && this.#isFresh()) return this.#prefixUtcMs;

    this.#clear();
    if (!this.#run(text, 0, split)) return NaN;
    const prefixEnd = this.#at;
    if (!this.#run(text, split, this.#ops.length) || this.#at !== text.length) return NaN;
    const localMs = this.#localMs(this.#now);
    if (localMs !== localMs) return NaN;
    const utcMs = this.#toUtc(localMs);
    this.#prefix = prefixEnd === text.length ? text : text.slice(0, prefixEnd);
    this.#prefixLocalMs = localMs;
    this.#prefixSign = this.#epochMs < 0 ? -1 : 1;
    if (split === this.#ops.length) return (this.#prefixUtcMs = utcMs + this.#fractionMs * this.#prefixSign);
    this.#prefixUtcMs = utcMs;
    return this.#finishSplit();
  }

  #finishSplit(): number {
    const baseMs = this.#hasZoneAfterSplit ? this.#prefixLocalMs - this.#offsetMs : this.#prefixUtcMs;
    return baseMs + this.#fractionMs * this.#prefixSign;
  }

  /** Whether what is remembered still holds: a text without a year or date means something else on another day. */
  #isFresh(): boolean {
    if (!this.#needsNow) return true;
    const minute = Math.floor(this.#now() / 60_000);
    if (minute === this.#prefixMinute) return true;
    this.#prefixMinute = minute;
    this.#prefix = "\u0000";
    return false;
  }

  #clear(): void {
    this.#at = 0;
    this.#year = this.#month = this.#day = this.#dayOfYear = UNSET;
    this.#hour = this.#minute = this.#second = 0;
    this.#isPm = false;
    this.#epochMs = this.#offsetMs = NaN;
    this.#fractionMs = 0;
  }

  #toUtc(localMs: number): number {
    if (this.#epochMs === this.#epochMs) return localMs;
    return this.#offsetMs === this.#offsetMs ? localMs - this.#offsetMs : this.#zone.toUtcMs(localMs);
  }

  /** The wall clock's reading without its fraction, as if UTC; a missing year or date is taken from the clock. */
  #localMs(now: () => number): number {
    if (this.#epochMs === this.#epochMs) return this.#epochMs;
    const timeMs = ((this.#hour * 60 + this.#minute) * 60 + this.#second) * 1000;
    if (!this.#needsNow) return this.#inYear(this.#year) + timeMs;
    const nowMs = now();
    const localNowMs = this.#offsetMs === this.#offsetMs ? nowMs + this.#offsetMs : this.#zone.toLocalMs(nowMs);
    if (!this.#hasDate) {
      const today = Math.floor(localNowMs / DAY_MS) * DAY_MS + timeMs;
      return today > localNowMs + HOUR_MS ? today - DAY_MS : today;
    }
    const year = new Date(localNowMs).getUTCFullYear();
    const next = this.#inYear(year + 1) + timeMs;
    if (next <= localNowMs + DAY_MS) return next;
    const present = this.#inYear(year) + timeMs;
    return present <= localNowMs + 30 * DAY_MS ? present : this.#inYear(year - 1) + timeMs;
  }

  /** Midnight of the date in a year; NaN when that year has no such day. */
  #inYear(year: number): number {
    if (this.#dayOfYear !== UNSET) {
      return this.#dayOfYear <= (isLeapYear(year) ? 366 : 365) ? daysFromEpoch(year, 1, this.#dayOfYear) * DAY_MS : NaN;
    }
    const month = this.#month === UNSET ? 1 : this.#month;
    const day = this.#day === UNSET ? 1 : this.#day;
    return day <= daysInMonth(year, month) ? daysFromEpoch(year, month, day) * DAY_MS : NaN;
  }

  #run(text: string, from: number, to: number): boolean {
    const ops = this.#ops;
    for (let i = from; i < to; i++) {
      const op = ops[i]!;
      switch (op.kind) {
        case OP.literal:
          if (text.charCodeAt(this.#at) !== op.arg) return false;
          this.#at++;
          break;
        case OP.spaces:
          if (text.charCodeAt(this.#at) !== 32) return false;
          do this.#at++;
          while (text.charCodeAt(this.#at) === 32);
          break;
        case OP.whitespace:
          if (!isWhitespace(text.charCodeAt(this.#at))) return false;
          do this.#at++;
          while (isWhitespace(text.charCodeAt(this.#at)));
          break;
        case OP.milliseconds:
          if (digitRun(text, this.#at, op.arg) < op.arg) return false;
          this.#fractionMs = digitsAt(text, this.#at, op.arg);
          if (this.#fractionMs >= 1000) return false;
          this.#at += op.arg;
          break;
        case OP.fraction: {
          const count = digitRun(text, this.#at, op.arg === 0 ? 9 : op.arg);
          if (count < (op.arg === 0 ? 1 : op.arg)) return false;
          this.#fractionMs = fractionMs(digitsAt(text, this.#at, count), count);
          this.#at += count;
          break;
        }
        case OP.offset:
          if (!scanOffset(text, this.#at)) return false;
          this.#offsetMs = scanned.minutes * 60_000;
          this.#at = scanned.end;
          break;
        case OP.abbreviation:
          if (!scanAbbreviation(text, this.#at)) return false;
          this.#offsetMs = scanned.minutes * 60_000;
          this.#at = scanned.end;
          break;
        default:
          if (!this.#runDate(text, op)) return false;
      }
    }
    return true;
  }

  #runDate(text: string, op: TimeOp): boolean {
    switch (op.kind) {
      case OP.year:
        return (this.#year = this.#number(text, 4, 4, 0, 9999)) >= 0;
      case OP.shortYear: {
        const year = this.#number(text, 2, 2, 0, 99);
        // POSIX strptime: 69–99 are 1969–1999, 00–68 are 2000–2068.
        this.#year = year < 69 ? 2000 + year : 1900 + year;
        return year >= 0;
      }
      case OP.month:
        return (this.#month = this.#number(text, 1, 2, 1, 12)) >= 0;
      case OP.day:
        this.#skipSpace(text);
        return (this.#day = this.#number(text, 1, 2, 1, 31)) >= 0;
      case OP.dayOfYear:
        return (this.#dayOfYear = this.#number(text, 1, 3, 1, 366)) >= 0;
      case OP.hour:
        this.#skipSpace(text);
        return (this.#hour = this.#number(text, 1, 2, 0, 23)) >= 0;
      case OP.hour12: {
        this.#skipSpace(text);
        const hour = this.#number(text, 1, 2, 1, 12);
        this.#hour = (hour % 12) + (this.#isPm ? 12 : 0);
        return hour >= 0;
      }
      case OP.minute:
        return (this.#minute = this.#number(text, 1, 2, 0, 59)) >= 0;
      case OP.second:
        return (this.#second = this.#number(text, 1, 2, 0, 60)) >= 0;
      case OP.meridiem: {
        const letter = text.charCodeAt(this.#at) | 32;
        if ((letter !== 97 && letter !== 112) || (text.charCodeAt(this.#at + 1) | 32) !== 109) return false;
        this.#isPm = letter === 112;
        if (this.#isPm && this.#hour < 12) this.#hour += 12;
        this.#at += 2;
        return true;
      }
      case OP.monthName:
        return (this.#month = this.#name(text, MONTHS) + 1) > 0;
      case OP.weekday:
        return this.#name(text, WEEKDAYS) >= 0;
      default:
        return this.#epochSeconds(text);
    }
  }

  #epochSeconds(text: string): boolean {
    const sign = text.charCodeAt(this.#at);
    if (sign === 45 || sign === 43) this.#at++;
    const count = digitRun(text, this.#at, 13);
    const ms = digitsAt(text, this.#at, count) * 1000;
    if (count === 0 || ms > 253_402_300_799_000) return false;
    // -0 for "-0.5" keeps its sign only as a number below zero.
    this.#epochMs = sign === 45 ? Math.min(-ms, -Number.MIN_VALUE) : ms;
    this.#at += count;
    return true;
  }

  /** A number of min to max digits within a range, or -1. */
  #number(text: string, min: number, max: number, low: number, high: number): number {
    const count = digitRun(text, this.#at, max);
    if (count < min) return -1;
    const value = digitsAt(text, this.#at, count);
    this.#at += count;
    return value >= low && value <= high ? value : -1;
  }

  #skipSpace(text: string): void {
    if (text.charCodeAt(this.#at) === 32) this.#at++;
  }

  /** The index of the full or three-letter English name at the present place, in any case, or -1. */
  #name(text: string, names: readonly string[]): number {
    const at = this.#at;
    const a = text.charCodeAt(at) | 32;
    const b = text.charCodeAt(at + 1) | 32;
    const c = text.charCodeAt(at + 2) | 32;
    for (let i = 0; i < names.length; i++) {
      const name = names[i]!;
      if (name.charCodeAt(0) !== a || name.charCodeAt(1) !== b || name.charCodeAt(2) !== c) continue;
      let end = 3;
      while (end < name.length && name.charCodeAt(end) === (text.charCodeAt(at + end) | 32)) end++;
      this.#at += end === name.length ? end : 3;
      return i;
    }
    return -1;
  }
}

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57;
}

function isWhitespace(code: number): boolean {
  return code === 32 || (code >= 9 && code <= 13);
}
