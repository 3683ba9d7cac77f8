import { FIRST_SECOND, type InputKind } from "./input.ts";

/**
 * Counts the documents of bulk bodies and which input lines they are, by the key that every line carries: one bit a
 * line. It scans text once with `indexOf` and parses no JSON, so that it costs little beside the HTTP around it.
 */
export class Arrivals {
  documents = 0;
  /** Lines that arrived at least once. */
  distinct = 0;
  /** Documents whose line had arrived before. */
  doubled = 0;
  /** Documents without a key. */
  unknown = 0;
  readonly #expected: number;
  readonly #keyOf: (text: string, from: number, to: number) => number;
  #seen = new Uint8Array(1 << 20);

  constructor(kind: InputKind, expected: number) {
    this.#expected = expected;
    this.#keyOf = kind === "connections" ? new ConnectionKeys().keyOf : kind === "short" ? shortKey : requestKey;
  }

  get missing(): number {
    return this.#expected - this.distinct;
  }

  /**
   * Takes a bulk body of `{"create":…}\n{document}\n` pairs, as Latin-1 text, but for the documents that were refused,
   * by their place in it. Returns how many documents it held.
   */
  add(body: string, refused?: ReadonlySet<number>): number {
    let count = 0;
    for (let at = 0; at < body.length;) {
      const document = body.indexOf("\n", at) + 1;
      if (document === 0) break;
      let end = body.indexOf("\n", document);
      if (end < 0) end = body.length;
      if (end === document) break;
      if (refused?.has(count) !== true) this.#see(this.#keyOf(body, document, end));
      count++;
      at = end + 1;
    }
    this.documents += count - (refused?.size ?? 0);
    return count;
  }

  #see(key: number): void {
    if (key < 0) {
      this.unknown++;
      return;
    }
    const index = key >>> 3;
    if (index >= this.#seen.length) {
      const larger = new Uint8Array(Math.max(index + 1, this.#seen.length * 2));
      larger.set(this.#seen);
      this.#seen = larger;
    }
    const bit = 1 << (key & 7);
    if ((this.#seen[index]! & bit) !== 0) {
      this.doubled++;
      return;
    }
    this.#seen[index]! |= bit;
    this.distinct++;
  }
}

/** The hexadecimal line number after `rid=`, or in a field `rid` that a pipeline made of it; or -1. */
function requestKey(text: string, from: number, to: number): number {
  let at = -1;
  for (let name = text.indexOf("rid", from); name >= 0 && name < to && at < 0; name = text.indexOf("rid", name + 3)) {
    if (text[name + 3] === "=") at = name + 4;
    else if (text.startsWith('":"', name + 3)) at = name + 6;
  }
  if (at < 0 || at + 8 > to) return -1;
  let key = 0;
  for (let i = at; i < at + 8; i++) {
    const c = text.charCodeAt(i);
    const digit = c < 58 ? c - 48 : c - 87;
    if (digit < 0 || digit > 15) return -1;
    key = key * 16 + digit;
  }
  return key;
}

/** The line number in base 36 that is the whole message, or -1. */
function shortKey(text: string, from: number, to: number): number {
  const at = text.indexOf('"message":"', from) + 11;
  const end = text.indexOf('"', at);
  // Six characters after 60 million lines.
  if (at < 11 || end > to || end < at + 5 || end > at + 6) return -1;
  const key = parseInt(text.slice(at, end), 36);
  return Number.isNaN(key) ? -1 : key;
}

/** Milliseconds since the first second, from `2019.12.11, 20:47:14.0285 UTC -> …`. */
class ConnectionKeys {
  #second = "";
  #secondKey = 0;

  readonly keyOf = (text: string, from: number, to: number): number => {
    const zone = text.indexOf(" UTC -", from);
    if (zone < from + 25 || zone >= to) return -1;
    const start = zone - 25;
    // Neighbouring lines share their second: its 20 characters are compared, not parsed.
    if (!text.startsWith(this.#second, start) || this.#second === "") {
      this.#second = text.slice(start, start + 20);
      const iso = `${this.#second.slice(0, 10).replaceAll(".", "-")}T${this.#second.slice(12, 20)}Z`;
      this.#secondKey = Date.parse(iso) - FIRST_SECOND * 1000;
    }
    const key = this.#secondKey + Number(text.slice(zone - 4, zone));
    return key >= 0 ? key : -1;
  };
}
