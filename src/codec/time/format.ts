import { WiretailError } from "../../core/error.ts";
import { OP, parseTimeFormat } from "./directives.ts";
import { isoParser } from "./iso8601.ts";
import { epochParser } from "./number.ts";
import { StrptimeParser } from "./strptime.ts";
import { compileZone } from "./zone.ts";

/** Milliseconds since the epoch (float64, whole microseconds), or NaN when the text is not such a time. */
export type TimeParser = (text: string) => number;

export interface TimeFormatOptions {
  /** Zone of times that name none: an IANA name, `+02:00`, `UTC` or `local`. UTC when absent. */
  readonly zone?: string | undefined;
  /** The clock, in milliseconds: only for formats without a year or without a date. */
  readonly now: () => number;
}

/** Formats that have a name instead of directives. */
export const NAMED_TIME_FORMATS = ["iso8601", "epoch_s", "epoch_ms", "epoch_us", "epoch_ns"] as const;

/**
 * Compiles a time format: a name of NAMED_TIME_FORMATS or strptime directives. Throws WT_FORMAT_INVALID with the
 * position of what is wrong. The whole text must fit the format.
 *
 * Directives: `%Y %y %m %b %B %d %e %j %a %A %H %k %I %l %M %S %p %s %z %Z %n %t %T %F %D %R %r %%`; `%f` is a fraction
 * of 1 to 9 digits and `%3f` one of exactly 3; `%L` is exactly three digits of milliseconds and `%4L` milliseconds
 * padded to four digits (`0285` = 285 ms; 1000 and above is no time). Numbers may lack leading zeros where POSIX says
 * so; a space stands for one or more; names are English, in any case; `%a` is not checked against the date.
 *
 * Without a year: this year, or last year when that is more than 30 days ahead of the clock, or next year when that
 * is less than a day ahead (a clock that is late on New Year's Eve). Without a date: today, or yesterday when that is
 * more than an hour ahead. A leap second (:60) is the second after it.
 */
export function compileTimeFormat(format: string, options: TimeFormatOptions): TimeParser {
  const zone = compileZone(options.zone);
  switch (format) {
    case "iso8601":
      return isoParser(zone);
    case "epoch_s":
      return epochParser(1000);
    case "epoch_ms":
      return epochParser(1);
    case "epoch_us":
      return epochParser(1e-3);
    case "epoch_ns":
      return epochParser(1e-6);
  }
  if (!format.includes("%")) {
    throw new WiretailError(
      "WT_FORMAT_INVALID",
      `time format "${format}" has no directive at position 1 and is not a named format`,
      {
        hint: `Named formats are ${NAMED_TIME_FORMATS.join(", ")}; directives begin with %, as in "%Y-%m-%d %H:%M:%S".`,
      },
    );
  }
  const parser = new StrptimeParser(parseTimeFormat(format), zone, options.now);
  return (text) => parser.parse(text);
}

/** Whether times of a format that compiles depend on the clock: it has no year, or no date. */
export function dependsOnClock(format: string): boolean {
  if (!format.includes("%")) return false;
  const kinds = new Set(parseTimeFormat(format).map(({ kind }) => kind));
  return !kinds.has(OP.year) && !kinds.has(OP.shortYear) && !kinds.has(OP.epochSeconds);
}

/** A parser that tries several formats in order; the first that fits wins. */
export function compileTimeFormats(formats: readonly string[], options: TimeFormatOptions): TimeParser {
  const parsers = formats.map((format) => compileTimeFormat(format, options));
  if (parsers.length === 1) return parsers[0]!;
  return (text) => {
    for (let i = 0; i < parsers.length; i++) {
      const ms = parsers[i]!(text);
      if (ms === ms) return ms;
    }
    return NaN;
  };
}
