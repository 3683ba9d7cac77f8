import { isAscii } from "node:buffer";
import type { LineBytes } from "../core/batch.ts";
import { lineKernel, type FoundLines, type LineKernel } from "./kernel/line-kernel.ts";
import { groupLines, type MultilineRules } from "./multiline.ts";
import { decodeLines, type TextEncoding } from "./text-encoding.ts";

/** How input is cut into events. */
export interface LineRules {
  /** A line's bytes beyond this are given up, and the event is flagged "truncated". */
  readonly maxLineBytes: number;
  readonly multiline?: MultilineRules | undefined;
  /** UTF-8 if not given. A byte order mark is looked at by whoever reads the beginning (`encodingOf`). */
  readonly encoding?: TextEncoding | undefined;
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

/** What cuts a stretch of input into events; see LineSplitter for what its members mean. */
export interface Splitter {
  readonly maxEventBytes: number;
  readonly holding: boolean;
  skipping: boolean;
  midLine: boolean;
  endsLine(bytes: Buffer): boolean;
  split(bytes: Buffer, position: number, end: SplitEnd): Split;
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
 * Cuts bytes into lines, or into events of several lines. Lines end with LF or CRLF, which belongs to no event;
 * a byte order mark at position 0 neither. Invalid bytes become U+FFFD. Offsets are exact in bytes.
 *
 * It keeps no bytes between calls: whoever reads gives what was not consumed again, with more behind it. Only of a line
 * above `maxLineBytes` the first part is kept until its end is found. Figures: bench/micro/lines.ts.
 */
export class LineSplitter implements Splitter {
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
  readonly #encoding: TextEncoding | undefined;
  /** Bytes of a line end's characters. */
  readonly #unit: 1 | 2;

  /** Without a kernel, or where it refuses, lines are found in strings. */
  constructor(rules: LineRules, kernel: LineKernel | null = lineKernel()) {
    this.#rules = rules;
    this.#encoding = rules.encoding;
    this.#unit = rules.encoding?.unit ?? 1;
    this.#kernel = rules.multiline === undefined && rules.encoding === undefined ? kernel : null;
  }

  /** The longest stretch that can be needed to find the end of one event. */
  get maxEventBytes(): number {
    const { maxLineBytes, multiline } = this.#rules;
    // An event of several lines ends where the next line is known, and its first line may be longer than `maxBytes`.
    const most = multiline === undefined ? maxLineBytes + 4 : 2 * (maxLineBytes + 2) + multiline.maxBytes + 4;
    return this.#unit * most;
  }

  /** Whether bytes were consumed whose event was not handed out yet (the beginning of a line that is too long). */
  get holding(): boolean {
    return this.#long !== undefined;
  }

  /** Whether the bytes, if there are any, end with a line end. They begin where a character begins. */
  endsLine(bytes: Buffer): boolean {
    const { length } = bytes;
    return length === 0 || ((length & (this.#unit - 1)) === 0 && this.#is(bytes, length - this.#unit, NEWLINE));
  }

  /** `bytes` is not kept. `position` is where it begins in the input. */
  split(bytes: Buffer, position: number, end: SplitEnd): Split {
    const force = end === "idle" || end === "all";
    const unit = this.#unit;
    // An older version did not know that it is UTF-16, and stopped in the middle of a line end.
    if (unit === 2 && position % 2 === 1) return nothing(Math.min(1, bytes.length), 0);
    if (this.skipping) return this.#skip(bytes, end);
    let from = 0;
    if (this.midLine && bytes.length >= unit) {
      if (this.#is(bytes, 0, NEWLINE)) from = unit;
      else if (this.#is(bytes, 0, RETURN)) {
        if (bytes.length >= 2 * unit ? this.#is(bytes, unit, NEWLINE) : false) from = 2 * unit;
        else if (bytes.length < 2 * unit && !force) return nothing(0, 0);
      }
      this.midLine = false;
    }
    const whole = Math.max(this.#afterLastNewline(bytes), from);
    // One character more than allowed may be the CR of a line end.
    const tooLong = bytes.length - whole > this.#rules.maxLineBytes + unit;
    if (tooLong && !force && whole === from) return this.#begin(bytes, from, position);
    const until = end === "all" ? bytes.length : force ? this.#wholeCharacters(bytes, whole) : whole;
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
    const cut = this.#boundary(bytes, from, from + max);
    const text = this.#decode(bytes, from, cut);
    this.#long = { text: withoutMark(text, position + from), offset: position + from };
    this.skipping = true;
    const consumed = Math.max(cut, this.#withoutReturn(bytes));
    return nothing(consumed, consumed - cut);
  }

  #skip(bytes: Buffer, end: SplitEnd): Split {
    const unit = this.#unit;
    const force = end === "idle" || end === "all";
    const newline = this.#newline(bytes);
    if (newline === -1 && !force) {
      const consumed = this.#withoutReturn(bytes);
      return nothing(consumed, consumed);
    }
    const consumed =
      newline !== -1 ? newline + unit : end === "all" ? bytes.length : bytes.length - (bytes.length % unit);
    const hasReturn = newline >= unit && this.#is(bytes, newline - unit, RETURN);
    const lineEnd = newline === -1 ? consumed : hasReturn ? newline - unit : newline;
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

  #is(bytes: Buffer, at: number, character: number): boolean {
    if (this.#unit === 1) return bytes[at] === character;
    const low = this.#encoding!.name === "utf-16le" ? 0 : 1;
    return bytes[at + low] === character && bytes[at + 1 - low] === 0;
  }

  #newline(bytes: Buffer): number {
    let at = bytes.indexOf(NEWLINE);
    if (this.#unit === 1) return at;
    for (; at !== -1; at = bytes.indexOf(NEWLINE, at + 1)) if (this.#is(bytes, at & ~1, NEWLINE)) return at & ~1;
    return -1;
  }

  #afterLastNewline(bytes: Buffer): number {
    let at = bytes.lastIndexOf(NEWLINE);
    if (this.#unit === 1) return at + 1;
    for (; at !== -1; at = at === 0 ? -1 : bytes.lastIndexOf(NEWLINE, at - 1))
      if (this.#is(bytes, at & ~1, NEWLINE)) return (at & ~1) + 2;
    return 0;
  }

  /** Where whole characters end, without a CR at the very end: that may be half of a line end and is looked at again. */
  #withoutReturn(bytes: Buffer): number {
    const unit = this.#unit;
    const length = bytes.length - (bytes.length % unit);
    return length >= unit && this.#is(bytes, length - unit, RETURN) ? length - unit : length;
  }

  #decode(bytes: Buffer, from: number, to: number): string {
    return this.#encoding === undefined
      ? bytes.toString("utf8", from, to)
      : this.#encoding.decode(bytes.subarray(from, to));
  }

  /** The last place at or before `at` where a character begins, in a line that begins at `floor`. */
  #boundary(bytes: Buffer, floor: number, at: number): number {
    return this.#encoding === undefined
      ? characterBoundary(bytes, at, floor)
      : this.#encoding.boundary(bytes, floor, at);
  }

  #wholeCharacters(bytes: Buffer, floor: number): number {
    return this.#encoding === undefined
      ? wholeCharacters(bytes, floor)
      : this.#encoding.boundary(bytes, floor, bytes.length);
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
    const encoding = this.#encoding;
    const unit = this.#unit;
    // Each character, or unit, of the text is a unit of bytes: a place in it, times `unit`, is one in the bytes.
    const fixed = encoding?.isFixed === true || (unit === 1 && isAscii(region));
    // As latin1 one character is one byte, so newlines are found by a native scan and their indexes are byte offsets.
    const bytes = encoding?.isFixed === true ? encoding.decode(region) : region.toString("latin1");
    const text = fixed ? bytes : encoding === undefined ? region.toString("utf8") : decodeLines(encoding, region);
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
      let next = fixed ? nextByte : text.indexOf("\n", at);
      if (next === -1) next = text.length;
      starts[count] = at;
      offsets[count] = position + byte * unit;
      const lineEnd = nextByte < length && next > at && text.charCodeAt(next - 1) === RETURN ? next - 1 : next;
      ends[count] = lineEnd;
      if ((nextByte - byte) * unit > max) {
        const lineBytes = Math.min(nextByte * unit, region.length) - byte * unit - (next - lineEnd) * unit;
        if (lineBytes > max) {
          const cut = this.#boundary(region, byte * unit, byte * unit + max);
          ends[count] = fixed ? cut / unit : at + this.#decode(region, byte, cut).length;
          dropped += byte * unit + lineBytes - cut;
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
