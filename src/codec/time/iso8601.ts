import { daysFromEpoch, daysInMonth } from "./calendar.ts";
import { digitRun, digitsAt, fractionMs, scanAbbreviation, scanned, scanOffset, twoDigits } from "./scan.ts";
import type { Zone } from "./zone.ts";

const PREFIX = 19; // YYYY-MM-DDTHH:MM:SS

/**
 * A parser of ISO 8601 extended times as RFC 3339 profiles them, a little wider: `T`, `t` or a space between date and
 * time; seconds, a fraction (1 to 9 digits after `.` or `,`) and the zone are optional; a date alone is its midnight;
 * the zone is `Z`, `UTC`, `GMT`, `±HH`, `±HHMM` or `±HH:MM`, after a space too. Without one the time is of `zone`.
 * Milliseconds since the epoch, NaN when the text is none of these. The last date and second are remembered.
 */
export function isoParser(zone: Zone): (text: string) => number {
  let lastPrefix = "\u0000";
  let lastLocalMs = NaN;
  let lastZonedMs = NaN;
  return (text) => {
    let localMs: number;
    let at: number;
    if (text.slice(0, PREFIX) === lastPrefix) {
      localMs = lastLocalMs;
      at = PREFIX;
    } else {
      localMs = dateMs(text);
      if (localMs !== localMs) return NaN;
      if (text.length === 10) return zone.toUtcMs(localMs);
      const between = text.charCodeAt(10);
      const hour = twoDigits(text, 11);
      const minute = twoDigits(text, 14);
      if ((between !== 84 && between !== 32 && between !== 116) || hour < 0 || minute < 0) return NaN;
      if (minute > 59 || text.charCodeAt(13) !== 58) return NaN;
      let second = 0;
      at = 16;
      if (text.charCodeAt(16) === 58) {
        second = twoDigits(text, 17);
        if (second < 0 || second > 60) return NaN;
        at = PREFIX;
      }
      if (hour > 24 || (hour === 24 && (minute > 0 || second > 0))) return NaN;
      localMs += ((hour * 60 + minute) * 60 + second) * 1000;
      if (at === PREFIX && hour < 24) {
        lastPrefix = text.slice(0, PREFIX);
        lastLocalMs = localMs;
        lastZonedMs = zone.toUtcMs(localMs);
      }
    }
    let ms = 0;
    const mark = text.charCodeAt(at);
    if (at === PREFIX && (mark === 46 || mark === 44)) {
      const count = digitRun(text, at + 1, 9);
      if (count === 0) return NaN;
      ms = fractionMs(digitsAt(text, at + 1, count), count);
      at += 1 + count;
    }
    if (at === text.length) return (at >= PREFIX && localMs === lastLocalMs ? lastZonedMs : zone.toUtcMs(localMs)) + ms;
    if (text.charCodeAt(at) === 32) at++;
    if (!scanOffset(text, at) && !(isUtcName(text, at) && scanAbbreviation(text, at))) return NaN;
    return scanned.end === text.length ? localMs + ms - scanned.minutes * 60_000 : NaN;
  };
}

function isUtcName(text: string, at: number): boolean {
  return text.startsWith("UTC", at) || text.startsWith("GMT", at);
}

/** Midnight of the `YYYY-MM-DD` at the start of the text, as if UTC. */
function dateMs(text: string): number {
  const high = twoDigits(text, 0);
  const low = twoDigits(text, 2);
  const month = twoDigits(text, 5);
  const day = twoDigits(text, 8);
  if (high < 0 || low < 0 || month < 1 || month > 12 || day < 1) return NaN;
  if (text.charCodeAt(4) !== 45 || text.charCodeAt(7) !== 45) return NaN;
  const year = high * 100 + low;
  return day <= daysInMonth(year, month) ? daysFromEpoch(year, month, day) * 86_400_000 : NaN;
}
