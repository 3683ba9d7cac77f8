import { WiretailError } from "../../core/error.ts";

/** One step of a parsed time format. `arg` is the literal's character code, or a number of digits. */
export interface TimeOp {
  readonly kind: TimeOpKind;
  readonly arg: number;
}

export type TimeOpKind = (typeof OP)[keyof typeof OP];
/** Small integers, so that the parser's loop compiles to a jump table. */
export const OP = {
  literal: 0,
  spaces: 1,
  whitespace: 2,
  year: 3,
  shortYear: 4,
  month: 5,
  monthName: 6,
  day: 7,
  weekday: 8,
  hour: 9,
  hour12: 10,
  minute: 11,
  second: 12,
  meridiem: 13,
  fraction: 14,
  milliseconds: 15,
  epochSeconds: 16,
  dayOfYear: 17,
  offset: 18,
  abbreviation: 19,
} as const;

const SINGLE: Readonly<Record<string, TimeOpKind>> = {
  Y: OP.year,
  y: OP.shortYear,
  m: OP.month,
  b: OP.monthName,
  B: OP.monthName,
  h: OP.monthName,
  d: OP.day,
  e: OP.day,
  a: OP.weekday,
  A: OP.weekday,
  H: OP.hour,
  k: OP.hour,
  I: OP.hour12,
  l: OP.hour12,
  M: OP.minute,
  S: OP.second,
  p: OP.meridiem,
  P: OP.meridiem,
  f: OP.fraction,
  s: OP.epochSeconds,
  j: OP.dayOfYear,
  z: OP.offset,
  Z: OP.abbreviation,
  n: OP.whitespace,
  t: OP.whitespace,
};
const COMPOUND: Readonly<Record<string, string>> = {
  T: "%H:%M:%S",
  F: "%Y-%m-%d",
  D: "%m/%d/%y",
  R: "%H:%M",
  r: "%I:%M:%S %p",
};
const KNOWN =
  "%Y %y %m %d %e %b %B %a %A %j %H %k %I %l %M %S %p %z %Z %f %L %s %n %t %T %F %D %R %r %%, and %3f or %4L with a number of digits";
const DIGITS_FIRST = new Set<TimeOpKind>([
  OP.year,
  OP.shortYear,
  OP.month,
  OP.day,
  OP.hour,
  OP.hour12,
  OP.minute,
  OP.second,
  OP.fraction,
  OP.milliseconds,
  OP.epochSeconds,
  OP.dayOfYear,
]);

/**
 * Parses a strptime-like format into steps and checks that they make a time. Throws WT_FORMAT_INVALID with the
 * position (from 1) of the fault.
 */
export function parseTimeFormat(format: string): TimeOp[] {
  const fail = (position: number, message: string): never => {
    throw new WiretailError("WT_FORMAT_INVALID", `time format "${format}": ${message} at position ${position + 1}`);
  };
  const ops: TimeOp[] = [];
  const positions: number[] = [];
  const add = (position: number, kind: TimeOpKind, arg = 0): void => {
    ops.push({ kind, arg });
    positions.push(position);
  };
  const walk = (text: string, base: number | undefined): void => {
    for (let i = 0; i < text.length; i++) {
      const start = base ?? i;
      const char = text[i]!;
      if (char === " ") {
        while (text[i + 1] === " ") i++;
        add(start, OP.spaces);
      } else if (char !== "%") {
        add(start, OP.literal, text.charCodeAt(i));
      } else {
        let directive = text[++i];
        let width = 0;
        if (directive !== undefined && directive >= "1" && directive <= "9") {
          width = Number(directive);
          directive = text[++i];
          if (directive !== "f" && directive !== "L")
            fail(start, "a number of digits goes only with f and L, as in %6f and %4L");
        }
        if (directive === undefined)
          return fail(start, `"%" begins a directive, but the format ends there; write %% for a percent sign`);
        const compound = COMPOUND[directive];
        const single = SINGLE[directive];
        if (directive === "%") add(start, OP.literal, 37);
        else if (directive === "L") add(start, OP.milliseconds, width || 3);
        else if (compound !== undefined) walk(compound, start);
        else if (single !== undefined) add(start, single, width);
        else fail(start, `unknown directive %${directive} (known are ${KNOWN})`);
      }
    }
  };
  walk(format, undefined);
  const find = (...kinds: TimeOpKind[]): number => ops.findIndex((op) => kinds.includes(op.kind));
  const needs = (what: number, other: number, message: string): void => {
    if (what >= 0 && other < 0) fail(positions[what]!, message);
  };
  for (const [i, op] of ops.entries()) {
    const group = [op.kind, ...(SAME.find((kinds) => kinds.includes(op.kind)) ?? [])];
    const earlier =
      op.kind <= OP.whitespace || op.kind === OP.weekday ? -1 : ops.findIndex((o) => group.includes(o.kind));
    if (earlier >= 0 && earlier < i)
      fail(positions[i]!, "this part of the time was already given; it stands here a second time");
    const next = ops[i + 1];
    const greedy = op.kind === OP.epochSeconds || (op.kind === OP.fraction && op.arg === 0);
    if (greedy && next !== undefined && DIGITS_FIRST.has(next.kind)) {
      fail(positions[i]!, "this directive takes all digits that follow, so none are left for the next one");
    }
  }
  needs(find(OP.hour12), find(OP.meridiem), "%I needs %p as well; use %H for a 24-hour clock");
  needs(find(OP.meridiem), find(OP.hour12), "%p goes with %I; %H is a 24-hour clock");
  needs(find(OP.minute), find(OP.hour, OP.hour12), "%M needs an hour (%H) as well; %m is the month");
  needs(find(OP.second), find(OP.minute), "%S needs minutes (%M) as well; %s is seconds since 1970");
  needs(
    find(OP.fraction, OP.milliseconds),
    find(OP.second, OP.epochSeconds),
    "a fraction needs seconds (%S or %s) as well",
  );
  needs(find(OP.day), find(OP.month, OP.monthName), "a day of the month needs a month (%m or %b) as well");
  if (find(OP.epochSeconds, OP.hour, OP.hour12, OP.year, OP.shortYear, OP.month, OP.monthName, OP.dayOfYear) < 0) {
    fail(0, "the format has neither a date nor a time of day");
  }
  return ops;
}

const SAME: readonly (readonly TimeOpKind[])[] = [
  [OP.year, OP.shortYear],
  [OP.month, OP.monthName, OP.dayOfYear],
  [OP.hour, OP.hour12],
  [OP.fraction, OP.milliseconds],
  [OP.offset, OP.abbreviation],
];
