import { createHmac } from "node:crypto";
import { isObject } from "../../core/leaves.ts";
import type { Finder } from "./named-patterns.ts";

/** What stands in the place of a text, found by the pattern of that name. */
export type Replacer = (found: string, name: string) => string;

/** A constant text; `{name}` in it is the name of what found it. */
export function replacing(text: string): Replacer {
  return text.includes("{name}") ? (_found, name) => text.replaceAll("{name}", name) : () => text;
}

/**
 * Letters and digits become `character`, but the first and last so many; never more than half of them stay. What is
 * between them (spaces, dashes, @) stays.
 */
export function masking(character: string, keepFirst: number, keepLast: number): Replacer {
  return (found) => {
    const characters = [...found];
    const hidden = characters.filter(isLetterOrDigit).length;
    const last = Math.min(keepLast, Math.floor(hidden / 2));
    const first = Math.min(keepFirst, Math.floor(hidden / 2) - last);
    let seen = 0;
    return characters
      .map((each) => {
        if (!isLetterOrDigit(each)) return each;
        seen++;
        return seen <= first || seen > hidden - last ? each : character;
      })
      .join("");
  };
}

function isLetterOrDigit(character: string): boolean {
  return /[A-Za-z0-9]/.test(character) || character.charCodeAt(0) > 127;
}

/** HMAC-SHA-256 with a key, in hexadecimal, cut to `length` digits: equal texts stay equal, and cannot be guessed without the key. */
export function hashing(key: string, length: number): Replacer {
  return (found) => createHmac("sha256", key).update(found).digest("hex").slice(0, length);
}

/** Makes values unreadable: all of them, or what finders find in them. */
export class Redactor {
  readonly #finders: readonly Finder[] | undefined;
  readonly #replace: Replacer;

  /** Without finders a value is replaced as a whole. */
  constructor(finders: readonly Finder[] | undefined, replace: Replacer) {
    this.#finders = finders;
    this.#replace = replace;
  }

  /** The value, or another one in its place; items of arrays and members of objects one by one. Null stays. */
  value(value: unknown): unknown {
    if (typeof value === "string") return this.text(value);
    if (typeof value === "number") {
      const text = String(value);
      const redacted = this.text(text);
      return redacted === text ? value : redacted;
    }
    if (typeof value === "boolean") return this.#finders === undefined ? this.text(String(value)) : value;
    if (Array.isArray(value)) return this.#items(value);
    return isObject(value) ? this.#members(value) : value;
  }

  text(text: string): string {
    const finders = this.#finders;
    if (finders === undefined) return this.#replace(text, "field");
    for (let i = 0; i < finders.length; i++) text = this.#find(finders[i]!, text);
    return text;
  }

  #find({ name, regex, hasGroup, needs, skips, check }: Finder, text: string): string {
    if (needs !== undefined && !text.includes(needs)) return text;
    let out = "";
    let at = 0;
    regex.lastIndex = 0;
    for (let match = regex.exec(text); match !== null; match = regex.exec(text)) {
      let from = match.index;
      let to = from + match[0].length;
      if (to === from) {
        regex.lastIndex++;
        continue;
      }
      if (hasGroup) {
        const [, before, inside] = match;
        if (inside === undefined || inside === "") continue;
        from += before!.length;
        to = from + inside.length;
      }
      if (check !== undefined) {
        const found = check(text, from, to);
        if (found === undefined) {
          // What begins inside it may be what was looked for.
          if (!hasGroup && skips !== true) regex.lastIndex = nextStart(text, match.index);
          continue;
        }
        [from, to] = found;
        regex.lastIndex = to;
      }
      out += text.slice(at, from) + this.#replace(text.slice(from, to), name);
      at = to;
    }
    return at === 0 ? text : out + text.slice(at);
  }

  #items(items: readonly unknown[]): unknown {
    let copy: unknown[] | undefined;
    for (let i = 0; i < items.length; i++) {
      const redacted = this.value(items[i]);
      if (redacted !== items[i]) (copy ??= [...items])[i] = redacted;
    }
    return copy ?? items;
  }

  #members(object: Record<string, unknown>): unknown {
    let copy: Record<string, unknown> | undefined;
    for (const key of Object.keys(object)) {
      const redacted = this.value(object[key]);
      if (redacted === object[key]) continue;
      copy ??= { ...object };
      Object.defineProperty(copy, key, { value: redacted, enumerable: true, writable: true, configurable: true });
    }
    return copy ?? object;
  }
}

/** Behind the digits or letters at `from`: what begins in the middle of them is no match either. */
function nextStart(text: string, from: number): number {
  let at = from + 1;
  while (at < text.length && /[A-Za-z0-9]/.test(text[at]!) && /[A-Za-z0-9]/.test(text[at - 1]!)) at++;
  return at;
}
