/** How values stand in a line of separated values. */
export interface CsvOptions {
  /** Text between values; not empty. */
  readonly delimiter: string;
  /** The character around values that hold delimiters; doubled inside it stands for itself. Empty for none. */
  readonly quote: string;
  /** A character that makes the next one plain, inside and outside quotes. Empty for none. */
  readonly escape: string;
  /** Take spaces off both ends of values that are not quoted, and around quoted ones. */
  readonly trims: boolean;
}

/** Reads lines of separated values (RFC 4180, and what programs write in its manner). Time is linear in the text. */
export class CsvParser {
  readonly #options: CsvOptions;
  readonly #isPlain: boolean;

  constructor(options: CsvOptions) {
    // A doubled quote stands for itself in any case.
    this.#options = options.escape === options.quote ? { ...options, escape: "" } : options;
    this.#isPlain = this.#options.escape === "" && !options.trims;
  }

  /**
   * Puts the values of a line into `values`, which is emptied first. Returns undefined, or why it is not well formed.
   * A value in quotes may hold line breaks.
   */
  parse(text: string, values: string[]): string | undefined {
    values.length = 0;
    const { delimiter, quote } = this.#options;
    let at = 0;
    for (;;) {
      const begin = this.#options.trims ? skipSpaces(text, at, delimiter) : at;
      if (quote !== "" && text.startsWith(quote, begin)) {
        const end = this.#quoted(text, begin, values);
        if (typeof end === "string") return end;
        at = this.#options.trims ? skipSpaces(text, end, delimiter) : end;
        if (at >= text.length) return undefined;
        if (!text.startsWith(delimiter, at))
          return `has text behind the closing quote of value ${values.length} at character ${at + 1}`;
      } else {
        at = this.#bare(text, at, values);
        if (at >= text.length) return undefined;
      }
      at += delimiter.length;
    }
  }

  /** Reads a value without quotes; returns where it ends: at a delimiter, or at the end of the text. */
  #bare(text: string, from: number, values: string[]): number {
    const { delimiter, escape, trims } = this.#options;
    if (this.#isPlain) {
      let end = text.indexOf(delimiter, from);
      if (end < 0) end = text.length;
      values.push(text.slice(from, end));
      return end;
    }
    let value = "";
    let begin = from;
    let at = from;
    while (at < text.length && !text.startsWith(delimiter, at)) {
      if (text[at] === escape && at + 1 < text.length) {
        value += text.slice(begin, at);
        begin = at + 1;
        at++;
      }
      at++;
    }
    value += text.slice(begin, at);
    values.push(trims ? value.trim() : value);
    return at;
  }

  /** Reads a value in quotes that begins at `from`; returns where what follows begins, or a fault. */
  #quoted(text: string, from: number, values: string[]): number | string {
    const { quote, escape } = this.#options;
    let value = "";
    let begin = from + 1;
    for (let at = begin; at < text.length; at++) {
      const char = text[at];
      if (char === quote) {
        value += text.slice(begin, at);
        if (text[at + 1] !== quote) {
          values.push(value);
          return at + 1;
        }
        begin = ++at;
      } else if (char === escape) {
        value += text.slice(begin, at);
        begin = ++at;
      }
    }
    return `the quote of value ${values.length + 1} at character ${from + 1} is not closed`;
  }
}

function skipSpaces(text: string, from: number, delimiter: string): number {
  let at = from;
  while ((text[at] === " " || text[at] === "\t") && !text.startsWith(delimiter, at)) at++;
  return at;
}
