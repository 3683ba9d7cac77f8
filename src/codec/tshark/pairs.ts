import { WiretailError } from "../../core/error.ts";

/** A JSON value as tshark writes it: numbers as the text that they are. */
export type PairValue = string | boolean | null | Pairs | readonly PairValue[];

/** An object with all of its members in order: tshark repeats keys, and `JSON.parse` keeps the last of them only. */
export interface Pairs {
  readonly names: readonly string[];
  readonly values: readonly PairValue[];
}

export function isPairs(value: PairValue | undefined): value is Pairs {
  return typeof value === "object" && value !== null && "names" in value;
}

/** Objects and lists in each other, at most: tshark's own limit on layers is 500, and its trees are flat. */
const MAX_DEPTH = 200;

/** Reads one JSON object (RFC 8259) from its first `{`; returns it, and where it ends. Throws WT_FORMAT_INVALID. */
export function readPairs(text: string, at: number): { readonly pairs: Pairs; readonly end: number } {
  const reader = new PairReader(text, at);
  const pairs = reader.object(0);
  return { pairs, end: reader.at };
}

class PairReader {
  at: number;
  readonly #text: string;

  constructor(text: string, at: number) {
    this.#text = text;
    this.at = at;
  }

  object(depth: number): Pairs {
    if (depth > MAX_DEPTH) throw this.#invalid(`more than ${MAX_DEPTH} objects in each other`);
    this.#expect(BRACE_OPEN);
    const names: string[] = [];
    const values: PairValue[] = [];
    if (this.#next() === BRACE_CLOSE) this.at++;
    else {
      for (;;) {
        if (this.#next() !== QUOTE) throw this.#invalid("expected a name in quotes");
        names.push(this.#string());
        this.#expect(COLON);
        values.push(this.#value(depth + 1));
        if (this.#more(BRACE_CLOSE)) continue;
        break;
      }
    }
    return { names, values };
  }

  #list(depth: number): PairValue[] {
    if (depth > MAX_DEPTH) throw this.#invalid(`more than ${MAX_DEPTH} lists in each other`);
    this.at++;
    const items: PairValue[] = [];
    if (this.#next() === BRACKET_CLOSE) {
      this.at++;
      return items;
    }
    do items.push(this.#value(depth + 1));
    while (this.#more(BRACKET_CLOSE));
    return items;
  }

  #value(depth: number): PairValue {
    switch (this.#next()) {
      case QUOTE:
        return this.#string();
      case BRACE_OPEN:
        return this.object(depth);
      case BRACKET_OPEN:
        return this.#list(depth);
      default: {
        BARE.lastIndex = this.at;
        const found = BARE.exec(this.#text)?.[0];
        if (found === undefined) throw this.#invalid("expected a value");
        this.at += found.length;
        return found === "true" ? true : found === "false" ? false : found === "null" ? null : found;
      }
    }
  }

  #string(): string {
    const text = this.#text;
    const from = this.at + 1;
    let end = text.indexOf('"', from);
    while (end > 0 && text.charCodeAt(end - 1) === BACKSLASH) {
      let backslashes = 1;
      while (text.charCodeAt(end - 1 - backslashes) === BACKSLASH) backslashes++;
      if (backslashes % 2 === 0) break;
      end = text.indexOf('"', end + 1);
    }
    if (end < 0) throw this.#invalid("a text without an end");
    this.at = end + 1;
    const raw = text.slice(from, end);
    if (!raw.includes("\\")) return raw;
    try {
      return JSON.parse(`"${raw}"`) as string;
    } catch {
      // tshark 2 wrote \x.. for bytes that are no text: what it is cannot be told, but the record is good.
      return raw;
    }
  }

  /** After a value: whether there is another one; `close` ends them. */
  #more(close: number): boolean {
    const code = this.#next();
    if (code !== COMMA && code !== close) throw this.#invalid('expected "," or the end');
    this.at++;
    return code === COMMA;
  }

  #expect(code: number): void {
    if (this.#next() !== code) throw this.#invalid(`expected ${JSON.stringify(String.fromCharCode(code))}`);
    this.at++;
  }

  /** The code of the next character that is no space; NaN at the end. */
  #next(): number {
    for (;;) {
      const code = this.#text.charCodeAt(this.at);
      if (code !== 32 && code !== 10 && code !== 13 && code !== 9) return code;
      this.at++;
    }
  }

  #invalid(what: string): WiretailError {
    return new WiretailError("WT_FORMAT_INVALID", `is not JSON: ${what} at character ${this.at + 1}`);
  }
}

const BARE = /true|false|null|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const QUOTE = 34;
const COMMA = 44;
const COLON = 58;
const BRACKET_OPEN = 91;
const BACKSLASH = 92;
const BRACKET_CLOSE = 93;
const BRACE_OPEN = 123;
const BRACE_CLOSE = 125;
