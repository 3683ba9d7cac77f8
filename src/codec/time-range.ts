import { parseIsoTime } from "../core/time.ts";

/**
 * The one grammar for points in time that people type: `--since`, `--until`, times in KQL.
 *
 * - `15m`, `2h`, `1h30m`: that long ago. Units: ms s m h d w.
 * - `now`, `now-15m`, `now-1d/d` (rounded down to the day), as in Elasticsearch date math.
 * - `2026-11-21`, `2026-11-21T10:15`, `2026-11-21T10:15:00.250+01:00`: ISO 8601; without a zone in the given zone.
 * - `10:15`, `10:15:30`: today. `today`, `yesterday`. `boot`: when the machine started.
 * - `1795255200`, `1795255200000`: seconds or milliseconds since the epoch.
 */
export interface TimeSpan {
  /** Milliseconds since the epoch: where what was written begins (`2026-11-21`: that day's midnight). */
  readonly fromMs: number;
  /** Where it ends, exclusive (the next midnight); equal to `fromMs` for an exact instant such as `now-15m`. */
  readonly toMs: number;
}

export type TimeZone = "utc" | "local";

/** A time expression whose value may depend on the present. */
export type TimeExpression = (nowMs: number) => TimeSpan;

/** What every message about a bad time shows. */
export const TIME_EXAMPLES = "15m, 2026-11-21T10:00 or now-1d/d";

const UNIT_MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const;
type Unit = keyof typeof UNIT_MS;

const AGO = /^-?((?:\d+(?:ms|[smhdw]))+)$/;
const MATH = /^now((?:[+-]\d+(?:ms|[smhdw]))*)(?:\/([smhdw]))?$/;
const CLOCK = /^([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?$/;
const LOCAL_ISO = /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})([.,]\d{1,9})?)?)?$/;

/**
 * Compiles a time expression, or returns undefined when the text is none. `zone` says what times without a zone mean
 * and where days begin. `bootMs` is the machine's start, for `boot`.
 */
export function compileTime(text: string, zone: TimeZone, bootMs?: number): TimeExpression | undefined {
  const ago = AGO.exec(text);
  if (ago !== null) {
    const distance = sum(ago[1]!);
    return (nowMs) => instant(nowMs - distance);
  }
  const math = MATH.exec(text);
  if (math !== null) {
    const distance = sum(math[1]!);
    const unit = math[2] as Unit | undefined;
    return unit === undefined ? (nowMs) => instant(nowMs + distance) : (nowMs) => rounded(nowMs + distance, unit, zone);
  }
  if (text === "today") return (nowMs) => rounded(nowMs, "d", zone);
  if (text === "yesterday") return (nowMs) => rounded(rounded(nowMs, "d", zone).fromMs - 1, "d", zone);
  if (text === "boot") return bootMs === undefined ? undefined : () => instant(bootMs);
  const clock = CLOCK.exec(text);
  if (clock !== null) {
    const seconds = clock[3] === undefined ? undefined : Number(clock[3]);
    return (nowMs) => clockToday(nowMs, Number(clock[1]), Number(clock[2]), seconds, zone);
  }
  const fixed = absolute(text, zone);
  return fixed === undefined ? undefined : () => fixed;
}

function absolute(text: string, zone: TimeZone): TimeSpan | undefined {
  if (/^\d{9,10}$/.test(text)) return span(Number(text) * 1000, 1000);
  if (/^\d{12,14}$/.test(text)) return span(Number(text), 1);
  const plain = LOCAL_ISO.exec(text);
  let fromMs = parseIsoTime(text);
  if (Number.isNaN(fromMs)) return undefined;
  if (plain !== null && zone === "local") fromMs = toLocal(fromMs);
  if (plain !== null && plain[4] === undefined) return rounded(fromMs, "d", zone);
  if (/[.,]\d+/.test(text)) return instant(fromMs);
  return span(fromMs, /T?\d{2}:\d{2}:\d{2}/.test(text) ? 1000 : 60_000);
}

function instant(ms: number): TimeSpan {
  return { fromMs: ms, toMs: ms };
}

function span(fromMs: number, lengthMs: number): TimeSpan {
  return { fromMs, toMs: fromMs + lengthMs };
}

/** `-1d+2h` or `1h30m` in milliseconds. */
function sum(text: string): number {
  let total = 0;
  for (const [, sign, amount, unit] of text.matchAll(/([+-]?)(\d+)(ms|[smhdw])/g)) {
    total += (sign === "-" ? -1 : 1) * Number(amount) * UNIT_MS[unit as Unit];
  }
  return total;
}

/** The time that the clock on the wall shows at what `utcMs` shows in UTC. */
function toLocal(utcMs: number): number {
  const d = new Date(utcMs);
  const local = new Date(2000, 0, 1);
  local.setFullYear(d.getUTCFullYear(), d.getUTCMonth(), d.getUTCDate());
  local.setHours(d.getUTCHours(), d.getUTCMinutes(), d.getUTCSeconds(), d.getUTCMilliseconds());
  return local.getTime() + (utcMs - Math.floor(utcMs));
}

function rounded(ms: number, unit: Unit, zone: TimeZone): TimeSpan {
  if (unit === "d" || unit === "w") {
    const days = unit === "d" ? 1 : 7;
    const d = new Date(ms);
    if (zone === "utc") {
      const day = Math.floor(ms / UNIT_MS.d);
      // The epoch was a Thursday; weeks begin on Monday.
      return span((unit === "d" ? day : day - ((((day + 3) % 7) + 7) % 7)) * UNIT_MS.d, days * UNIT_MS.d);
    }
    d.setHours(0, 0, 0, 0);
    if (unit === "w") d.setDate(d.getDate() - ((d.getDay() + 6) % 7));
    const fromMs = d.getTime();
    d.setDate(d.getDate() + days);
    return { fromMs, toMs: d.getTime() };
  }
  const offsetMs = zone === "utc" ? 0 : new Date(ms).getTimezoneOffset() * 60_000;
  return span(Math.floor((ms - offsetMs) / UNIT_MS[unit]) * UNIT_MS[unit] + offsetMs, UNIT_MS[unit]);
}

function clockToday(nowMs: number, hour: number, minute: number, second: number | undefined, zone: TimeZone): TimeSpan {
  const d = new Date(nowMs);
  if (zone === "utc") d.setUTCHours(hour, minute, second ?? 0, 0);
  else d.setHours(hour, minute, second ?? 0, 0);
  return span(d.getTime(), second === undefined ? 60_000 : 1000);
}
