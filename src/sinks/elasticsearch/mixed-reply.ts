import type { BulkReply } from "./bulk.ts";
import type { BulkItem } from "./verdict.ts";

/** Items of a bulk reply that say more than that a document was taken. */
export interface OtherItems {
  /** Items of the reply, those among them that say nothing more. */
  readonly count: number;
  /** Places of the others in the reply, ascending, and what they say. */
  readonly indexes: readonly number[];
  readonly items: readonly Readonly<Record<string, BulkItem>>[];
}

const TAKEN = '{"create":{"status":201}}';
const STRIDE = TAKEN.length + 1;
/** 1, 2, 4, … 256 items of documents that were taken: one by one they cost 0.25 µs each to compare. */
const TAKEN_RUNS = Array.from({ length: 9 }, (_, power) => (TAKEN + ",").repeat(1 << power));
const FAULT = '"error":{';
const HEAD = /^\{(?:"took":\d+,)?"errors":true,(?:"took":\d+,)?"items":\[/;

/**
 * Reads a bulk reply of the usual form in which some items failed, and parses those alone: of thousands of items most are
 * `{"create":{"status":201}}`. Undefined when all of it has to be parsed.
 */
export function mixedReply(text: string): BulkReply | undefined {
  const from = HEAD.exec(text)?.[0].length;
  if (from === undefined) return undefined;
  const indexes: number[] = [];
  const items: Readonly<Record<string, BulkItem>>[] = [];
  let count = 0;
  // Neighbours are often refused for the same reason, word for word.
  let lastText = "";
  let last: Readonly<Record<string, BulkItem>> = {};
  let fault = text.indexOf(FAULT, from);
  for (let at = from; ; at++) {
    if (fault >= 0 && fault < at) fault = text.indexOf(FAULT, at);
    // The last one has no comma.
    const end = fault < 0 ? text.length - STRIDE : fault;
    for (let run = runWithin(end - at); run >= 0;) {
      if (text.startsWith(TAKEN_RUNS[run]!, at)) {
        count += 1 << run;
        at += TAKEN_RUNS[run]!.length;
        run = runWithin(end - at);
      } else run--;
    }
    if (text.startsWith(TAKEN, at)) at += TAKEN.length;
    else {
      if (lastText === "" || !text.startsWith(lastText, at)) {
        const ending = objectEnd(text, at);
        if (ending < 0) return undefined;
        lastText = text.slice(at, ending);
        try {
          last = JSON.parse(lastText) as Readonly<Record<string, BulkItem>>;
        } catch {
          return undefined;
        }
      }
      indexes.push(count);
      items.push(last);
      at += lastText.length;
    }
    count++;
    const next = text.charCodeAt(at);
    if (next === COMMA) continue;
    const isWhole = next === BRACKET_CLOSE && text.slice(at + 1) === "}";
    return isWhole ? { errors: true, others: { count, indexes, items } } : undefined;
  }
}

/** Which of TAKEN_RUNS is the longest within so many characters; -1 when none is. */
function runWithin(length: number): number {
  return length < STRIDE ? -1 : Math.min(TAKEN_RUNS.length - 1, 31 - Math.clz32(Math.floor(length / STRIDE)));
}

/** Where the object that begins at `from` ends, if it is well-formed; -1 when there is none. */
function objectEnd(text: string, from: number): number {
  if (text.charCodeAt(from) !== BRACE_OPEN) return -1;
  let depth = 0;
  for (let at = from; at < text.length; at++) {
    switch (text.charCodeAt(at)) {
      case BRACE_OPEN:
        depth++;
        break;
      case BRACE_CLOSE:
        if (--depth === 0) return at + 1;
        break;
      case QUOTE:
        for (at++; at < text.length && text.charCodeAt(at) !== QUOTE; at++) {
          if (text.charCodeAt(at) === BACKSLASH) at++;
        }
    }
  }
  return -1;
}

const QUOTE = 34;
const COMMA = 44;
const BACKSLASH = 92;
const BRACKET_CLOSE = 93;
const BRACE_OPEN = 123;
const BRACE_CLOSE = 125;
