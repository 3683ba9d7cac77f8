import type { LineRules, Split, SplitEnd, Splitter } from "./lines.ts";

/** A line that says what the lines after it are, and where it begins. */
export interface HeaderLine {
  readonly text: string;
  readonly offset: number;
}

/** A header line is remembered up to so many characters. */
export const MAX_HEADER_BYTES = 16_384;

/**
 * Remembers header lines, such as `#Fields: …` of W3C logs: those that begin with a text. They are events like all
 * others; `header` is the one in force for the events of the last split, which are all under the same.
 */
export class HeaderSplitter implements Splitter {
  readonly #inner: Splitter;
  readonly #prefix: Buffer;
  readonly #newline: Buffer;
  header: HeaderLine | undefined = undefined;
  /** A header line is so long that its end is still looked for. */
  #isHeld = false;

  /** `prefix` is ASCII. */
  constructor(inner: Splitter, prefix: string, encoding: LineRules["encoding"]) {
    this.#inner = inner;
    const encode = (text: string): Buffer => {
      if (encoding?.unit !== 2) return Buffer.from(text);
      const bytes = Buffer.from(text, "utf16le");
      return encoding.name === "utf-16be" ? bytes.swap16() : bytes;
    };
    this.#prefix = encode(prefix);
    this.#newline = encode("\n");
  }

  get maxEventBytes(): number {
    return this.#inner.maxEventBytes;
  }
  get holding(): boolean {
    return this.#inner.holding;
  }
  get skipping(): boolean {
    return this.#inner.skipping;
  }
  set skipping(value: boolean) {
    this.#inner.skipping = value;
  }
  get midLine(): boolean {
    return this.#inner.midLine;
  }
  set midLine(value: boolean) {
    this.#inner.midLine = value;
  }

  endsLine(bytes: Buffer): boolean {
    return this.#inner.endsLine(bytes);
  }

  split(bytes: Buffer, position: number, end: SplitEnd): Split {
    if (this.#isHeld) {
      const split = this.#inner.split(bytes, position, end);
      this.#take(split);
      return split;
    }
    const at = this.#find(bytes, position);
    if (at === -1) return this.#inner.split(bytes, position, end);
    // What comes before it is whole, and under the header before.
    if (at > 0) return this.#inner.split(bytes.subarray(0, at), position, end === "open" ? "lines" : end);
    const newline = this.#lineEnd(bytes, 0);
    if (newline === -1) {
      const split = this.#inner.split(bytes, position, end);
      this.#take(split);
      return split;
    }
    const split = this.#inner.split(bytes.subarray(0, newline), position, end === "open" ? "lines" : end);
    this.#take(split);
    return split;
  }

  #take(split: Split): void {
    this.#isHeld = split.count === 0 && this.#inner.holding;
    if (split.count === 0) return;
    const text = split.text.slice(split.starts[0], split.ends[0]);
    // A slice would keep the whole chunk.
    this.header = { text: Buffer.from(text.slice(0, MAX_HEADER_BYTES)).toString(), offset: split.offsets[0]! };
  }

  /** Where the first header line begins, or -1. */
  #find(bytes: Buffer, position: number): number {
    const isLineStart = !this.#inner.skipping && !this.#inner.midLine && !this.#inner.holding;
    // Behind a byte order mark, at the beginning of a file.
    const mark = position === 0 ? markLength(bytes) : 0;
    if (isLineStart && bytes.subarray(mark, mark + this.#prefix.length).equals(this.#prefix)) return 0;
    for (let from = 0; ;) {
      const newline = this.#lineEnd(bytes, from);
      if (newline === -1) return -1;
      const found = bytes.indexOf(this.#prefix, newline);
      if (found === -1) return -1;
      const unit = this.#newline.length;
      if (found % unit === 0 && bytes.subarray(found - unit, found).equals(this.#newline)) return found;
      from = found;
    }
  }

  /** Behind the first line end at or after `from`, or -1. */
  #lineEnd(bytes: Buffer, from: number): number {
    const unit = this.#newline.length;
    for (let at = bytes.indexOf(this.#newline, from); at !== -1; at = bytes.indexOf(this.#newline, at + 1))
      if (at % unit === 0) return at + unit;
    return -1;
  }
}

function markLength(bytes: Buffer): number {
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) return 3;
  return (bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff) ? 2 : 0;
}
