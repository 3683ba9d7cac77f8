import { setOwn } from "./own-key.ts";

/** How pairs of keys and values stand in a text. */
export interface KeyValueOptions {
  /** Text between a key and its value; not empty. */
  readonly keyValueDelimiter: string;
  /** Text between pairs; not empty. Spaces around pairs never count. */
  readonly pairDelimiter: string;
  /** Characters that values, and keys, may be quoted with. */
  readonly quotes: string;
  /** What a word without a value is: the key of `true`, nothing, or a reason to refuse the text. */
  readonly bareWords: "true" | "skip" | "fail";
  /** What becomes of a key that is there again. */
  readonly duplicates: "list" | "first" | "last";
  /** What a key without a text behind the delimiter gives: the empty text, or nothing. */
  readonly emptyValues: "keep" | "skip";
}

const ESCAPES: Readonly<Record<string, string>> = { n: "\n", t: "\t", r: "\r", b: "\b", f: "\f" };

/**
 * Reads `key=value` pairs, such as logfmt (https://brandur.org/logfmt): values may be quoted, and a backslash in quotes
 * escapes the next character (`\n`, `\t`, `\u00e9` as in JSON). A quote that is not closed, or not followed by a
 * delimiter, is text. Time is linear in the text.
 */
export class KeyValueParser {
  readonly #options: KeyValueOptions;
  readonly #isSpaced: boolean;
  /** The code of the one character between key and value, where pairs stand between spaces; otherwise -1. */
  readonly #between: number;
  #text = "";
  #at = 0;
  /** Where the search for a closing quote found none: it is not made again from further on. */
  #unclosed = new Map<string, number>();

  constructor(options: KeyValueOptions) {
    this.#options = options;
    this.#isSpaced = options.pairDelimiter.trim() === "";
    const { keyValueDelimiter: between } = options;
    const isSimple = options.pairDelimiter === " " && between.length === 1 && between.trim() !== "";
    this.#between = isSimple ? between.charCodeAt(0) : -1;
  }

  /** The pairs of a text, or why it has none that can be taken. Values are text, `true`, or lists of both. */
  parse(text: string): Record<string, unknown> | string {
    const { keyValueDelimiter: between, bareWords } = this.#options;
    const found: Record<string, unknown> = {};
    this.#text = text;
    this.#at = 0;
    if (this.#unclosed.size > 0) this.#unclosed.clear();
    let pairs = 0;
    let nextBetween = text.indexOf(between);
    for (;;) {
      this.#skipBetweenPairs();
      const begin = this.#at;
      if (begin >= text.length) break;
      if (this.#between >= 0 && this.#plainPair(found)) {
        pairs++;
        continue;
      }
      const quoted = this.#quoted(between);
      if (quoted === undefined) {
        if (nextBetween >= 0 && nextBetween < begin) nextBetween = text.indexOf(between, begin);
        const end = this.#endOfBare(begin);
        if (nextBetween < 0 || nextBetween >= end) {
          const word = text.slice(begin, end).trimEnd();
          this.#at = end;
          if (word === "") continue;
          if (bareWords === "fail") return `${shown(word)} at character ${begin + 1} has no value`;
          if (bareWords === "true") this.#add(found, word, true);
          continue;
        }
        this.#at = nextBetween;
      } else if (!text.startsWith(between, this.#at)) {
        if (bareWords === "fail") return `${shown(quoted)} at character ${begin + 1} has no value`;
        if (bareWords === "true" && quoted !== "") this.#add(found, quoted, true);
        continue;
      }
      const key = quoted ?? text.slice(begin, this.#at).trimEnd();
      if (key === "") return `there is no key before ${shown(between)} at character ${this.#at + 1}`;
      this.#at += between.length;
      const value = this.#value();
      pairs++;
      if (value !== "" || this.#options.emptyValues === "keep") this.#add(found, key, value);
    }
    return pairs > 0 ? found : `has no pair with ${shown(between)} between key and value`;
  }

  /** Takes the pair at the present place, if its key is not quoted: what `parse` does, in one pass. */
  #plainPair(found: Record<string, unknown>): boolean {
    const text = this.#text;
    const begin = this.#at;
    if (this.#options.quotes.includes(text[begin]!)) return false;
    const between = this.#between;
    let end = begin;
    let code = text.charCodeAt(end);
    while (code !== between && !isSpace(code)) {
      if (++end >= text.length) return false;
      code = text.charCodeAt(end);
    }
    if (code !== between || end === begin) return false;
    this.#at = end + 1;
    const value = this.#value();
    if (value !== "" || this.#options.emptyValues === "keep") this.#add(found, text.slice(begin, end), value);
    return true;
  }

  #skipBetweenPairs(): void {
    const text = this.#text;
    const delimiter = this.#options.pairDelimiter;
    for (;;) {
      if (isSpace(text.charCodeAt(this.#at))) this.#at++;
      else if (!this.#isSpaced && text.startsWith(delimiter, this.#at)) this.#at += delimiter.length;
      else return;
    }
  }

  #value(): string {
    const text = this.#text;
    // With other delimiters than spaces a space may stand before the value: `a = 1, b = 2`.
    if (!this.#isSpaced) while (isSpace(text.charCodeAt(this.#at))) this.#at++;
    const quoted = this.#quoted(undefined);
    if (quoted !== undefined) return quoted;
    const begin = this.#at;
    this.#at = this.#endOfBare(begin);
    const value = text.slice(begin, this.#at);
    return this.#isSpaced ? value : value.trimEnd();
  }

  /** Where a pair without quotes ends that begins at `from` or before. */
  #endOfBare(from: number): number {
    const text = this.#text;
    const delimiter = this.#options.pairDelimiter;
    if (this.#isSpaced && delimiter.length === 1) {
      let end = from;
      if (delimiter !== " ") while (end < text.length && text[end] !== delimiter) end++;
      else while (end < text.length && !isSpace(text.charCodeAt(end))) end++;
      return end;
    }
    const end = text.indexOf(delimiter, from);
    return end < 0 ? text.length : end;
  }

  /** What is in quotes at the present place; undefined, moving nothing, where there is no quoted text. */
  #quoted(before: string | undefined): string | undefined {
    const text = this.#text;
    const quote = text[this.#at];
    if (quote === undefined || !this.#options.quotes.includes(quote)) return undefined;
    const unclosedFrom = this.#unclosed.get(quote);
    if (unclosedFrom !== undefined && this.#at >= unclosedFrom) return undefined;
    let end = this.#at + 1;
    let hasEscapes = false;
    while (end < text.length && text[end] !== quote) {
      if (text[end] === "\\") {
        hasEscapes = true;
        end++;
      }
      end++;
    }
    if (end >= text.length) {
      this.#unclosed.set(quote, this.#at);
      return undefined;
    }
    const after = end + 1;
    const isEnd =
      after === text.length ||
      isSpace(text.charCodeAt(after)) ||
      text.startsWith(this.#options.pairDelimiter, after) ||
      (before !== undefined && text.startsWith(before, after));
    if (!isEnd) return undefined;
    const inside = text.slice(this.#at + 1, end);
    this.#at = after;
    return hasEscapes ? unescape(inside) : inside;
  }

  #add(found: Record<string, unknown>, key: string, value: string | true): void {
    const earlier = Object.hasOwn(found, key) ? found[key] : undefined;
    if (earlier === undefined || this.#options.duplicates === "last") setOwn(found, key, value);
    else if (this.#options.duplicates === "list") {
      if (Array.isArray(earlier)) earlier.push(value);
      else setOwn(found, key, [earlier, value]);
    }
  }
}

function isSpace(code: number): boolean {
  return code === 32 || (code >= 9 && code <= 13);
}

function unescape(text: string): string {
  return text.replace(/\\(?:u([0-9A-Fa-f]{4})|([^]))/g, (_, hex: string | undefined, char: string) =>
    hex !== undefined ? String.fromCharCode(parseInt(hex, 16)) : (ESCAPES[char] ?? char),
  );
}

function shown(text: string): string {
  return JSON.stringify(text.length > 30 ? text.slice(0, 30) + "…" : text);
}
