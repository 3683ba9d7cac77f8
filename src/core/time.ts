/**
 * Times as ISO 8601 text and back. Times inside the agent are float64 milliseconds since the epoch, which hold
 * microseconds exactly enough to write them back (2^53 / 1e3 µs is past the year 2255).
 */

let lastTimeMs = NaN;
let lastText = "";
let lastSecond = NaN;
let lastPrefix = "";
const MS_TEXT: readonly string[] = Array.from({ length: 1000 }, (_, ms) => String(ms).padStart(3, "0") + "Z");

/** `2026-11-21T09:56:26.285Z`; with six digits when there are microseconds. Consecutive calls share the second's text. */
export function formatIsoTime(timeMs: number): string {
  if (timeMs === lastTimeMs) return lastText;
  const second = Math.floor(timeMs / 1000);
  if (second !== lastSecond) {
    lastPrefix = new Date(second * 1000).toISOString().slice(0, -4);
    lastSecond = second;
  }
  lastTimeMs = timeMs;
  lastText = lastPrefix + fractionText(timeMs - second * 1000);
  return lastText;
}

function fractionText(ms: number): string {
  const whole = ms | 0;
  if (whole === ms) return MS_TEXT[whole]!;
  const micros = Math.min(999_999, Math.round(ms * 1000));
  return String(micros).padStart(6, "0") + "Z";
}

const ISO =
  /^([+-]\d{6}|\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?\s?(Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)?)?$/;

/** Milliseconds of an ISO 8601 / RFC 3339 time; a time without a zone is UTC. NaN when it is none. */
export function parseIsoTime(text: string): number {
  const m = ISO.exec(text);
  if (m === null) return NaN;
  const [year, month, day, hour, minute, second] = [m[1], m[2], m[3], m[4] ?? "0", m[5] ?? "0", m[6] ?? "0"].map(
    Number,
  ) as [number, number, number, number, number, number];
  if (month < 1 || month > 12 || day < 1 || day > daysIn(year, month) || hour > 24 || minute > 59 || second > 60)
    return NaN;
  const fraction = m[7] === undefined ? 0 : Math.round(Number("0." + m[7]) * 1e6) / 1e3;
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  return date.getTime() + ((hour * 60 + minute) * 60 + second) * 1000 + fraction - zoneMinutes(m[8]) * 60_000;
}

function daysIn(year: number, month: number): number {
  return new Date(Date.UTC(2000 + (((year % 400) + 400) % 400), month, 0)).getUTCDate();
}

function zoneMinutes(zone: string | undefined): number {
  if (zone === undefined || zone === "Z" || zone === "UTC" || zone === "GMT") return 0;
  const digits = zone.slice(1).replace(":", "");
  const minutes = Number(digits.slice(0, 2)) * 60 + Number(digits.slice(2, 4) || "0");
  return zone.startsWith("-") ? -minutes : minutes;
}
