import { hash } from "node:crypto";
import type { LogEvent } from "../core/event.ts";
import { Path } from "../core/path.ts";

/** Tells events apart by the values of some fields. */
export class EventKey {
  readonly #paths: readonly Path[];

  constructor(fields: readonly string[]) {
    this.#paths = fields.map((name) => new Path(name));
  }

  /** The values as one text, equal for equal values; undefined when the event has none of the fields. */
  of(event: LogEvent): string | undefined {
    const paths = this.#paths;
    if (paths.length === 1) {
      const value = event.get(paths[0]!);
      return value === undefined ? undefined : textOf(value);
    }
    let text = "";
    let isAny = false;
    for (let i = 0; i < paths.length; i++) {
      const value = event.get(paths[i]!);
      if (value !== undefined) {
        isAny = true;
        text += textOf(value);
      }
      text += "\u0000";
    }
    return isAny ? text : undefined;
  }
}

/** Text and other values never give the same. */
function textOf(value: unknown): string {
  return typeof value === "string" ? "s" + value : JSON.stringify(value);
}

/** The text itself, or 128 bits of its SHA-256 when it is long: for tables that must not grow with it. */
export function shortened(text: string): string {
  return text.length <= MAX_WHOLE ? text : "#" + hash("sha256", text, "base64").slice(0, 22);
}

/** A hash costs several microseconds: what most lines are shorter than is kept as it is. */
const MAX_WHOLE = 256;

/** The same text in memory of its own: a part of a text, or a sum of parts, keeps all of what it was made of alive. */
export function owned(text: string): string {
  const encoding = /[^\0-\xff]/.test(text) ? "utf16le" : "latin1";
  return Buffer.from(text, encoding).toString(encoding);
}

/** 32 well mixed bits of a text (FNV-1a, then the finaliser of MurmurHash3): the same in every process. */
export function hash32(text: string, seed: number): number {
  let h = (0x811c9dc5 ^ seed) | 0;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
