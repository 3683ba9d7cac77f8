import type { ChaosLine } from "./lines.ts";
import { tokenIn } from "./lines.ts";

/** An event as a sink has it, in the sink's own order. */
export interface FoundEvent {
  /** The text that has to be the line's. */
  readonly message: string;
  /** Where the sink keeps events in order only within a part (a backing index), the part. */
  readonly part: string;
  /** The stretch of input that it says it is from, and its position there; none where the sink does not keep them. */
  readonly origin?: { readonly partition: string; readonly offset: number };
}

/** What became of the lines at one sink. Tokens. */
export interface Verdict {
  readonly found: number;
  /** Neither there, nor accounted for. */
  readonly missing: readonly string[];
  /** Not there, and listed as destroyed before it was read. */
  readonly unreadable: readonly string[];
  readonly deadLettered: readonly string[];
  /** There too often; as many times as it is too often. */
  readonly doubled: readonly string[];
  /** There, with another text than was written. */
  readonly mangled: readonly string[];
  /** Texts that nobody wrote. */
  readonly unknown: readonly string[];
  /** After a later line of the same log. Sinks that send calls at the same time, or again, do not promise an order. */
  readonly outOfOrder: readonly string[];
  /** Their positions are not in the order of their lines. */
  readonly misplaced: readonly string[];
}

export interface CheckOptions {
  readonly lines: Iterable<ChaosLine>;
  readonly found: readonly FoundEvent[];
  readonly unreadable: ReadonlySet<string>;
  readonly deadLetters: ReadonlySet<string>;
}

/** Compares what was written with what is there. */
export function check(options: CheckOptions): Verdict {
  const { unreadable, deadLetters } = options;
  const expected = new Map<string, { readonly message: string; times: number }>();
  for (const { token, message } of options.lines) expected.set(token, { message, times: 0 });
  const doubled: string[] = [];
  const mangled: string[] = [];
  const unknown: string[] = [];
  const outOfOrder: string[] = [];
  const last = new Map<string, number>();
  const places = new Map<string, { token: string; number: number; offset: number }[]>();
  for (const { message, part, origin } of options.found) {
    const token = tokenIn(message);
    const line = token === undefined ? undefined : expected.get(token);
    if (token === undefined || line === undefined) {
      unknown.push(message.slice(0, 200));
      continue;
    }
    if (line.message !== message) mangled.push(token);
    if (++line.times > 1) {
      doubled.push(token);
      continue;
    }
    const [file, number] = split(token);
    const key = `${part} ${file}`;
    if (number < (last.get(key) ?? -1)) outOfOrder.push(token);
    else last.set(key, number);
    if (origin === undefined) continue;
    const partition = `${origin.partition} ${file}`;
    const list = places.get(partition);
    const place = { token, number, offset: origin.offset };
    if (list === undefined) places.set(partition, [place]);
    else list.push(place);
  }
  const verdict = { missing: [] as string[], unreadable: [] as string[], deadLettered: [] as string[] };
  for (const [token, { times }] of expected) {
    if (deadLetters.has(token)) verdict.deadLettered.push(token);
    if (times > 0 || deadLetters.has(token)) continue;
    (unreadable.has(token) ? verdict.unreadable : verdict.missing).push(token);
  }
  return {
    ...{ found: options.found.length, ...verdict, doubled, mangled, unknown, outOfOrder },
    misplaced: [...places.values()].flatMap(misplacedOf),
  };
}

function misplacedOf(places: { token: string; number: number; offset: number }[]): string[] {
  places.sort((a, b) => a.number - b.number);
  return places.filter((place, i) => i > 0 && place.offset <= places[i - 1]!.offset).map(({ token }) => token);
}

function split(token: string): [file: string, number: number] {
  const dash = token.lastIndexOf("-");
  return [token.slice(0, dash), Number(token.slice(dash + 1))];
}
