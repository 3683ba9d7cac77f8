import { Buffer } from "node:buffer";
import type { BulkItem } from "./verdict.ts";

/** Items of a bulk reply that say more than that a document was taken. */
export interface OtherItems {
  /** Items of the reply, those among them that say nothing more. */
  readonly count: number;
  /** Places of the others in the reply, ascending. */
  readonly indexes: readonly number[];
  /** What each of them says: its place in `items`. */
  readonly kinds: readonly number[];
  readonly items: readonly Readonly<Record<string, BulkItem>>[];
}

const TAKEN = '{"create":{"status":201}}';
const STRIDE = TAKEN.length + 1;
const TAKEN_AT_ONCE = 4096;
/** Compared as bytes: comparing so much text took longer than all else that a reply needs. */
const TAKEN_RUN = Buffer.from(`${TAKEN},`.repeat(TAKEN_AT_ONCE));
const FAULT = Buffer.from('"error":{');
const HEAD = /^\{(?:"took":\d+,)?"errors":true,(?:"took":\d+,)?"items":\[/;
const HEAD_BYTES = 96;

/**
 * Takes a bulk reply of the usual form in which some items failed, and gives it back as JSON in which only these are left,
 * as `others` (OtherItems): of thousands of items most are `{"create":{"status":201}}`, which nobody needs as text or as
 * objects, and many others are equal word for word. Undefined when all of the reply has to be parsed.
 */
export function mixedReply(reply: Buffer): string | undefined {
  const from = HEAD.exec(reply.toString("latin1", 0, HEAD_BYTES))?.[0].length;
  if (from === undefined) return undefined;
  const indexes: number[] = [];
  const kinds: number[] = [];
  const texts: string[] = [];
  let count = 0;
  /** The last of the others. */
  let last: Buffer | undefined;
  let fault = reply.indexOf(FAULT, from);
  for (let at = from; ; at++) {
    if (fault >= 0 && fault < at) fault = reply.indexOf(FAULT, at);
    const taken = takenAt(reply, at, fault < 0 ? reply.length : fault);
    count += taken;
    at += taken * STRIDE;
    let end = last === undefined ? -1 : at + last.length;
    if (last === undefined || end > reply.length || reply.compare(last, 0, last.length, at, end) !== 0) {
      end = objectEnd(reply, at);
      if (end < 0) return undefined;
      if (isTaken(reply, at, end)) last = undefined;
      else {
        last = reply.subarray(at, end);
        texts.push(last.toString());
      }
    }
    if (last !== undefined) {
      indexes.push(count);
      kinds.push(texts.length - 1);
    }
    count++;
    at = end;
    const next = reply[at];
    if (next === COMMA) continue;
    const isWhole = next === BRACKET_CLOSE && reply[at + 1] === BRACE_CLOSE && reply.length === at + 2;
    if (!isWhole) return undefined;
    const lists = `"indexes":[${indexes.join()}],"kinds":[${kinds.join()}],"items":[${texts.join()}]`;
    return `{"errors":true,"others":{"count":${count},${lists}}}`;
  }
}

/** How many items from `at` on say that their document was taken, each with its comma; no fault is before `end`. */
function takenAt(reply: Buffer, at: number, end: number): number {
  let count = 0;
  // The item that has the fault begins a little before it, and where it begins differs: an index may be named in it.
  for (let most = Math.floor((end - at) / STRIDE), tries = 0; most > 0; tries++) {
    const run = Math.min(most, TAKEN_AT_ONCE);
    if (reply.compare(TAKEN_RUN, 0, run * STRIDE, at, at + run * STRIDE) === 0) {
      count += run;
      at += run * STRIDE;
      most = Math.floor((end - at) / STRIDE);
    } else most = tries < FEW ? run - 1 : run >> 1;
  }
  return count;
}

function isTaken(reply: Buffer, at: number, end: number): boolean {
  return end - at === TAKEN.length && reply.compare(TAKEN_RUN, 0, TAKEN.length, at, end) === 0;
}

/** Where the object that begins at `from` ends, if it is well-formed; -1 when there is none. */
function objectEnd(bytes: Buffer, from: number): number {
  if (bytes[from] !== BRACE_OPEN) return -1;
  let depth = 0;
  for (let at = from; at < bytes.length; at++) {
    switch (bytes[at]!) {
      case BRACE_OPEN:
        depth++;
        break;
      case BRACE_CLOSE:
        if (--depth === 0) return at + 1;
        break;
      case QUOTE:
        for (at++; at < bytes.length && bytes[at] !== QUOTE; at++) {
          if (bytes[at] === BACKSLASH) at++;
        }
    }
  }
  return -1;
}

const FEW = 4;
const QUOTE = 34;
const COMMA = 44;
const BACKSLASH = 92;
const BRACKET_CLOSE = 93;
const BRACE_OPEN = 123;
const BRACE_CLOSE = 125;
