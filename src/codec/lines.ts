import { isAscii } from "node:buffer";
import type { LineBytes } from "../core/batch.ts";
import { lineKernel, type FoundLines, type LineKernel } from "./kernel/line-kernel.ts";
import { groupLines, type MultilineRules } from "./multiline.ts";

/** How input is cut into events. */
export interface LineRules {
  /** A line's bytes beyond this are given up, and the event is flagged "truncated". */
  readonly maxLineBytes: number;
  readonly multiline?: MultilineRules | undefined;
}

/**
 * What to do with what may not be whole yet: `open` leaves a half line and an open multiline event for the next call,
 * `lines` takes an open multiline event but no half line, `idle` takes everything but half a character, `all` everything.
 */
export type SplitEnd = "open" | "lines" | "idle" | "all";

/**
 * Events found in a stretch of bytes; the arrays are the receiver's. `text`, `starts` and `ends` may be worked out on
 * first use, from the bytes that were given: before these are overwritten.
 */
export interface Split {
  readonly count: number;
  /** The same events as bytes, unless they need the plain way; the bytes are those that were given. */
  readonly lines?: LineBytes | undefined;
  readonly text: string;
  /** Event i is text.slice(starts[i], ends[i]). */
  readonly starts: Int32Array;
  readonly ends: Int32Array;
  /** `position` + the byte in the stretch at which event i begins. */
  readonly offsets: Float64Array;
  readonly flags: ReadonlyMap<number, readonly string[]> | undefined;
  /** Bytes that need not be given again; the next call's bytes begin after them. */
  readonly consumed: number;
  /** Bytes, of those consumed, that are in no event because their line was too long. */
  readonly dropped: number;
}

export const TRUNCATED: readonly string[] = ["truncated"];
const NEWLINE = 10;
const RETURN = 13;

// Shared by all splitters: split() is synchronous, and what it hands out is copied from here.
let starts = new Int32Array(8192);
let ends = new Int32Array(8192);
let offsets = new Float64Array(8192);

function growScratch(): void {
  const larger = starts.length * 2;
  const [s, e, o] = [new Int32Array(larger), new Int32Array(larger), new Float64Array(larger)];
  s.set(starts);
  e.set(ends);
  o.set(offsets);
  [starts, ends, offsets] = [s, e, o];
}

/**
 * Cuts UTF-8 bytes into lines, or into events of several lines. Lines end with LF or CRLF, which belongs to no event;
 * a byte order mark at position 0 neither. Invalid bytes become U+FFFD. Offsets are exact in bytes.
 *
 * It keeps no bytes between calls: whoever reads gives what was not consumed again, with more behind it. Only of a line
 * above `maxLineBytes` the first part is kept until its end is found. Figures: bench/micro/lines.ts.
 */
export class LineSplitter {
  readonly #rules: LineRules;
  /** The first part of a line that was too long, until its end is found. */
  #long: { readonly text: string; readonly offset: number } | undefined;
  /** In the middle of a line of which the rest is given up. A reader that resumes there sets it. */
  skipping = false;
  /**
   * The last event was taken without its line end, so a line end that comes first is that one and no empty line.
   * A reader that resumes in the middle of a line sets it.
   */
  midLine = false;

  readonly #kernel: LineKernel | null;

  /** Without a kernel, or where it refuses, lines are found in strings. */
  constructor(rules: LineRules, kernel: LineKernel | null = lineKernel()) {
    this.#rules = rules;
    this.#kernel = rules.multiline === undefined ? kernel : null;
  }

  /** The longest stretch that can be needed to find the end of one event. */
  get maxEventBytes(): number {
    const { maxLineBytes, multiline } = this.#rules;
    // An event of several lines ends where the next line is known, and its first line may be longer than `maxBytes`.
    return multiline === undefined ? maxLineBytes + 4 : 2 * (maxLineBytes + 2) + multiline.maxBytes + 4;
  }

  /** Whether bytes were consumed whose event was not handed out yet (the beginning of a line that is too long). */
  get holding(): boolean {
    return this.#long !== undefined;
  }

  /** `bytes` is not kept. `position` is where it begins in the input. */
  split(bytes: Buffer, position: number, end: SplitEnd): Split {
    const force = end === "idle" || end === "all";
    if (this.skipping) return this.#skip(bytes, force);
    let from = 0;
    if (this.midLine && bytes.length > 0) {
      if (bytes[0] === NEWLINE) from = 1;
      else if (bytes[0] === RETURN && bytes[1] === NEWLINE) from = 2;
      else if (bytes[0] === RETURN && bytes.length === 1 && !force) return nothing(0, 0);
      this.midLine = false;
    }
    const whole = Math.max(bytes.lastIndexOf(NEWLINE) + 1, from);
    // One byte more than allowed may be the CR of a line end.
    const tooLong = bytes.length - whole > this.#rules.maxLineBytes + 1;
    if (tooLong && !force && whole === from) return this.#begin(bytes, from, position);
    const until = end === "all" ? bytes.length : force ? wholeCharacters(bytes, whole) : whole;
    if (until === from) return nothing(from, 0);
    const split = this.#lines(bytes, from, until, position + from, tooLong && end === "open" ? "lines" : end);
    if (until > whole) {
      this.skipping = until - whole > this.#rules.maxLineBytes;
      this.midLine = !this.skipping;
    }
    return split;
  }

  /** The beginning of a line that is longer than allowed and whose end is not in sight. */
  #begin(bytes: Buffer, from: number, position: number): Split {
    const max = this.#rules.maxLineBytes;
    const cut = characterBoundary(bytes, from + max, from);
    this.#long = { text: withoutMark(bytes.toString("utf8", from, cut), position + from), offset: position + from };
    this.skipping = true;
    const returned = bytes[bytes.length - 1] === RETURN ? 1 : 0;
    // A CR at the very end may be half of the line end: it is looked at again with what follows.
    const consumed = Math.max(cut, bytes.length - returned);
    return nothing(consumed, consumed - cut);
  }

  #skip(bytes: Buffer, force: boolean): Split {
    const newline = bytes.indexOf(NEWLINE);
    if (newline === -1 && !force) {
      const keep = bytes[bytes.length - 1] === RETURN ? 1 : 0;
      return nothing(bytes.length - keep, bytes.length - keep);
    }
    const consumed = newline === -1 ? bytes.length : newline + 1;
    const lineEnd = newline === -1 ? consumed : newline > 0 && bytes[newline - 1] === RETURN ? newline - 1 : newline;
    this.skipping = newline === -1;
    const long = this.#long;
    if (long === undefined) return nothing(consumed, lineEnd);
    this.#long = undefined;
    return {
      count: 1,
      text: long.text,
      starts: Int32Array.of(0),
      ends: Int32Array.of(long.text.length),
      offsets: Float64Array.of(long.offset),
      flags: new Map([[0, TRUNCATED]]),
      consumed,
      dropped: lineEnd,
    };
  }

  /** The events in bytes[from … until), which begin at `position`; the bytes before `from` are consumed with them. */
  #lines(bytes: Buffer, from: number, until: number, position: number, end: SplitEnd): Split {
    const region = bytes.subarray(from, until);
    const max = this.#rules.maxLineBytes;
    const found = this.#kernel?.findLines(region, position, max);
    if (found !== undefined) return new FoundSplit(found, max, until);
    const split = this.#plainLines(region, position, end);
    return from === 0 ? split : { ...split, consumed: from + split.consumed };
  }

  #plainLines(region: Buffer, position: number, end: SplitEnd): Split {
    const ascii = isAscii(region);
    // As latin1 one character is one byte, so newlines are found by a native scan and their indexes are byte offsets.
    const bytes = region.toString("latin1");
    const text = ascii ? bytes : region.toString("utf8");
    const max = this.#rules.maxLineBytes;
    let flags: Map<number, readonly string[]> | undefined;
    let dropped = 0;
    let count = 0;
    let byte = 0;
    let at = 0;
    const length = bytes.length;
    while (byte < length) {
      if (count === starts.length) growScratch();
      let nextByte = bytes.indexOf("\n", byte);
      if (nextByte === -1) nextByte = length;
      let next = ascii ? nextByte : text.indexOf("\n", at);
      if (next === -1) next = text.length;
      starts[count] = at;
      offsets[count] = position + byte;
      const lineEnd = nextByte < length && next > at && text.charCodeAt(next - 1) === RETURN ? next - 1 : next;
      ends[count] = lineEnd;
      if (nextByte - byte > max) {
        const lineBytes = nextByte - byte - (next - lineEnd);
        if (lineBytes > max) {
          const cut = ascii ? byte + max : characterBoundary(region, byte + max, byte);
          ends[count] = ascii ? cut : at + region.toString("utf8", byte, cut).length;
          dropped += byte + lineBytes - cut;
          (flags ??= new Map()).set(count, TRUNCATED);
        }
      }
      count++;
      byte = nextByte + 1;
      at = next + 1;
    }
    if (position === 0 && count > 0 && text.charCodeAt(0) === 0xfeff && ends[0]! > 0) starts[0] = 1;
    let consumed = region.length;
    const multiline = this.#rules.multiline;
    if (multiline !== undefined) {
      const lines = { count, text, starts, ends, offsets, flags };
      const events = groupLines(lines, position + region.length, multiline, end === "open");
      count = events.count;
      flags = events.flags;
      consumed = events.endPosition - position;
    }
    return {
      count,
      text,
      starts: starts.slice(0, count),
      ends: ends.slice(0, count),
      offsets: offsets.slice(0, count),
      flags,
      consumed,
      dropped,
    };
  }
}

/** Lines that the kernel found; made into text only for whom needs text. */
class FoundSplit implements Split {
  readonly count: number;
  readonly lines: FoundLines;
  readonly offsets: Float64Array;
  readonly flags = undefined;
  readonly consumed: number;
  readonly dropped = 0;
  readonly #maxLineBytes: number;
  #decoded: Pick<Split, "text" | "starts" | "ends"> | undefined;

  constructor(lines: FoundLines, maxLineBytes: number, consumed: number) {
    this.count = lines.count;
    this.lines = lines;
    this.offsets = lines.offsets;
    this.consumed = consumed;
    this.#maxLineBytes = maxLineBytes;
  }

  get text(): string {
    return this.#text.text;
  }
  get starts(): Int32Array {
    return this.#text.starts;
  }
  get ends(): Int32Array {
    return this.#text.ends;
  }

  get #text(): Pick<Split, "text" | "starts" | "ends"> {
    const { bytes, isAscii, starts, ends, offsets } = this.lines;
    // A character is a byte, or the lines have to be found again between characters.
    this.#decoded ??= isAscii
      ? { text: bytes.toString("latin1"), starts, ends }
      : new LineSplitter({ maxLineBytes: this.#maxLineBytes }, null).split(bytes, offsets[0] ?? 0, "all");
    return this.#decoded;
  }
}

function nothing(consumed: number, dropped: number): Split {
  return {
    count: 0,
    text: "",
    starts: new Int32Array(0),
    ends: new Int32Array(0),
    offsets: new Float64Array(0),
    flags: undefined,
    consumed,
    dropped,
  };
}

function withoutMark(text: string, position: number): string {
  return position === 0 && text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
}

/** The last place at or before `at` where a character begins; `at` itself where the bytes are not UTF-8. */
function characterBoundary(bytes: Buffer, at: number, floor: number): number {
  let cut = at;
  while (cut > floor && at - cut < 4 && (bytes[cut]! & 0xc0) === 0x80) cut--;
  return at - cut < 4 ? cut : at;
}

/** Where a character begins at the very end whose last bytes are still to come, unless it is all there is after `floor`. */
function wholeCharacters(bytes: Buffer, floor: number): number {
  const length = bytes.length;
  for (let back = 1; back <= 3 && length - back > floor; back++) {
    const byte = bytes[length - back]!;
    if ((byte & 0xc0) === 0x80) continue;
    const needed = byte >= 0xf0 && byte < 0xf5 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc2 ? 2 : 1;
    return byte < 0xf5 && needed > back ? length - back : length;
  }
  return length;
}
