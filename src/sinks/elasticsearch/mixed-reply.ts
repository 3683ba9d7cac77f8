import type { BulkReply } from "./bulk.ts";
import type { BulkItem } from "./verdict.ts";

/** An item of a document that was taken: shared by all of a reply. */
export const TAKEN_ITEM: Readonly<Record<string, BulkItem>> = { create: { status: 201 } };
const TAKEN_TEXT = '{"create":{"status":201}}';
/** As many as may stand before one that failed are compared at a time: one by one they cost 0.25 µs each. */
const TAKEN_RUN = (TAKEN_TEXT + ",").repeat(256);
const STRIDE = TAKEN_TEXT.length + 1;
const FAULT = '"error":{';
const HEAD = /^\{(?:"took":\d+,)?"errors":true,(?:"took":\d+,)?"items":\[/;

/**
 * Reads a bulk reply of the usual form in which some items failed, and parses those alone: of thousands of items most are
 * `{"create":{"status":201}}`. Undefined when all of it has to be parsed.
 */
export function mixedReply(text: string): BulkReply | undefined {
  const from = HEAD.exec(text)?.[0].length;
  if (from === undefined) return undefined;
  const items: Readonly<Record<string, BulkItem>>[] = [];
  // Neighbours are often refused for the same reason, word for word.
  let lastText = "";
  let last = TAKEN_ITEM;
  let fault = text.indexOf(FAULT, from);
  for (let at = from; ; at++) {
    if (fault >= 0 && fault < at) fault = text.indexOf(FAULT, at);
    // Of those that were taken only; the last one has no comma.
    for (let end = fault < 0 ? text.length - STRIDE : fault; end - at >= STRIDE;) {
      const length = Math.min(TAKEN_RUN.length, end - at - ((end - at) % STRIDE));
      if (text.slice(at, at + length) !== TAKEN_RUN.slice(0, length)) break;
      for (let count = length / STRIDE; count > 0; count--) items.push(TAKEN_ITEM);
      at += length;
    }
    if (text.slice(at, at + TAKEN_TEXT.length) === TAKEN_TEXT) {
      items.push(TAKEN_ITEM);
      at += TAKEN_TEXT.length;
    } else {
      if (lastText === "" || text.slice(at, at + lastText.length) !== lastText) {
        const end = objectEnd(text, at);
        if (end < 0) return undefined;
        lastText = text.slice(at, end);
        try {
          last = JSON.parse(lastText) as Readonly<Record<string, BulkItem>>;
        } catch {
          return undefined;
        }
      }
      items.push(last);
      at += lastText.length;
    }
    const next = text.charCodeAt(at);
    if (next === COMMA) continue;
    return next === BRACKET_CLOSE && text.slice(at + 1) === "}" ? { errors: true, items } : undefined;
  }
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
