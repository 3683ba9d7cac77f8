import { parseTree } from "jsonc-parser";
import type { Node, ParseError } from "jsonc-parser";
import { dirname } from "node:path";
import type { ProblemList } from "./problems.ts";
import type { Location } from "./types.ts";

/** Deeper nesting than any configuration has; bounds the recursion of everything that walks a file. */
const MAX_DEPTH = 64;

/** One configuration file: JSON with comments and trailing commas. */
export interface ConfigDocument {
  /** As messages show it. */
  readonly file: string;
  /** Its folder: relative paths inside the file start there. */
  readonly folder: string;
  readonly lineStarts: readonly number[];
}

/** A value in a configuration file: what was written, and where. */
export class Place {
  readonly document: ConfigDocument;
  readonly node: Node;
  /** The node of the key that names this value, where there is one. */
  readonly key: Node | undefined;
  /** JSON pointer inside the file; "" is the root. */
  readonly pointer: string;

  constructor(document: ConfigDocument, node: Node, key: Node | undefined, pointer: string) {
    this.document = document;
    this.node = node;
    this.key = key;
    this.pointer = pointer;
  }

  /** Where the value begins. */
  get location(): Location {
    return this.#at(this.node.offset);
  }

  /** Where the value's name begins; for items of lists, where the value does. */
  get nameLocation(): Location {
    return this.#at((this.key ?? this.node).offset);
  }

  /** The members of an object, in order; the last of equal keys wins (the others were reported on parsing). */
  members(): Map<string, Place> {
    const members = new Map<string, Place>();
    if (this.node.type !== "object") return members;
    for (const property of this.node.children ?? []) {
      const [key, value] = property.children ?? [];
      if (key === undefined || value === undefined) continue;
      const name = String(key.value);
      members.set(name, new Place(this.document, value, key, `${this.pointer}/${escapePointer(name)}`));
    }
    return members;
  }

  items(): Place[] {
    if (this.node.type !== "array") return [];
    return (this.node.children ?? []).map(
      (node, index) => new Place(this.document, node, undefined, `${this.pointer}/${index}`),
    );
  }

  /** The value at a JSON pointer below this one, or the nearest value above it that exists. */
  descend(pointer: string): Place {
    const [, token, ...rest] = pointer.split("/");
    if (token === undefined) return this;
    const name = unescapePointer(token);
    const next = this.node.type === "array" ? this.items()[Number(name)] : this.members().get(name);
    return next === undefined ? this : next.descend(rest.map((each) => `/${each}`).join(""));
  }

  /** The plain value. Objects have no prototype surprises: `__proto__` is an ordinary key. */
  toValue(): unknown {
    if (this.node.type === "array") return this.items().map((item) => item.toValue());
    if (this.node.type !== "object") return this.node.value as unknown;
    const object: Record<string, unknown> = {};
    for (const [name, member] of this.members()) defineOwn(object, name, member.toValue());
    return object;
  }

  #at(offset: number): Location {
    return locationOf(this.document, offset, this.pointer);
  }
}

export function escapePointer(token: string): string {
  return token.replaceAll("~", "~0").replaceAll("/", "~1");
}

export function unescapePointer(token: string): string {
  return token.replaceAll("~1", "/").replaceAll("~0", "~");
}

/** Assigns as an own property even for `__proto__`. */
export function defineOwn(object: Record<string, unknown>, key: string, value: unknown): void {
  Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
}

/** Parses a file. Undefined when it has syntax errors, which are then in `problems`. Never throws. */
export function parseDocument(file: string, source: string, problems: ProblemList): Place | undefined {
  problems.mentionFile(file);
  const text = source.startsWith("\uFEFF") ? " " + source.slice(1) : source;
  const document: ConfigDocument = { file, folder: dirname(file), lineStarts: lineStartsOf(text) };
  const errors: ParseError[] = [];
  let root: Node | undefined;
  try {
    root = parseTree(text, errors, { allowTrailingComma: true, disallowComments: false });
  } catch {
    problems.error(locationOf(document, 0, ""), "this file is nested too deeply to be a configuration");
    return undefined;
  }
  const first = errors[0];
  if (first !== undefined) {
    problems.error(locationOf(document, first.offset, ""), syntaxMessage(first, text));
    return undefined;
  }
  if (root === undefined) {
    problems.error(locationOf(document, 0, ""), "the file is empty; expected a JSON object");
    return undefined;
  }
  const place = new Place(document, root, undefined, "");
  return checkTree(place, problems) ? place : undefined;
}

/** Reports duplicate keys and too deep nesting. */
function checkTree(root: Place, problems: ProblemList): boolean {
  const waiting: { place: Place; depth: number }[] = [{ place: root, depth: 0 }];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { place, depth } = next;
    if (depth > MAX_DEPTH) {
      problems.error(place.location, `nested more than ${MAX_DEPTH} levels deep`);
      return false;
    }
    const seen = new Map<string, Node>();
    for (const property of place.node.type === "object" ? (place.node.children ?? []) : []) {
      const key = property.children?.[0];
      if (key === undefined) continue;
      const name = String(key.value);
      const earlier = seen.get(name);
      if (earlier !== undefined) {
        const here = locationOf(place.document, key.offset, `${place.pointer}/${escapePointer(name)}`);
        const there = locationOf(place.document, earlier.offset, "");
        problems.error(here, `"${name}" is said twice; the first is at ${there.file}:${there.line}:${there.column}`);
      }
      seen.set(name, key);
    }
    for (const child of [...place.members().values(), ...place.items()])
      waiting.push({ place: child, depth: depth + 1 });
  }
  return true;
}

function lineStartsOf(text: string): number[] {
  const starts = [0];
  for (let i = text.indexOf("\n"); i >= 0; i = text.indexOf("\n", i + 1)) starts.push(i + 1);
  return starts;
}

function locationOf(document: ConfigDocument, offset: number, pointer: string): Location {
  let low = 0;
  let high = document.lineStarts.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (document.lineStarts[middle]! <= offset) low = middle;
    else high = middle - 1;
  }
  return { file: document.file, line: low + 1, column: offset - document.lineStarts[low]! + 1, pointer };
}

// By jsonc-parser's ParseErrorCode, which is a const enum and so has no names at run time.
const SYNTAX_WORDS: Readonly<Record<number, string>> = {
  1: "this is not JSON",
  2: "this is not a number",
  3: "expected a name in double quotes",
  4: "expected a value",
  5: 'expected ":" after the name',
  6: 'expected "," before this',
  7: 'expected "}"',
  8: 'expected "]"',
  9: "the JSON value has ended, but more text follows",
  10: "comments are not allowed here",
  11: "a comment begun with /* is not closed",
  12: "this string is not closed",
  13: "this number is cut short",
  14: "an escape \\u needs four hexadecimal digits",
  15: "unknown escape in a string; a backslash is written \\\\",
  16: "a control character in a string; write it as an escape such as \\n",
};

function syntaxMessage(error: ParseError, text: string): string {
  const words = SYNTAX_WORDS[error.error as number] ?? "this is not JSON";
  if (error.offset >= text.length) return `${words}, found the end of the file`;
  const found = text.slice(error.offset, error.offset + Math.min(Math.max(error.length, 1), 20));
  if (found.startsWith("'")) return "found a single quote, expected a double quote: JSON strings are in double quotes";
  return `${words}, found ${JSON.stringify(found)}`;
}
