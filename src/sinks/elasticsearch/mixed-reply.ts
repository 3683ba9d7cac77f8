import { Buffer } from "node:buffer";
import type { BulkItem } from "./verdict.ts";

/** Items of a bulk reply that say more than that a document was taken. */
export interface OtherItems {
  /** Items of the reply, those among them that say nothing more. */
  readonly count: number;
  /** Places of the others in the reply, ascending. */
  readonly indexes: readonly number[];
  /** What each of them says: its place in `items`. Empty where all say the same. */
  readonly kinds: readonly number[];
  readonly items: readonly Readonly<Record<string, BulkItem>>[];
}

/** A bulk reply in which some items failed, and those alone. */
export interface MixedReply {
  readonly errors: true;
  readonly others: OtherItems;
}

const TAKEN = '{"create":{"status":201}}';
/** Such an item and its comma, as three numbers of 8 bytes and one of 2, in the order of little-endian machines. */
const STRIDE = TAKEN.length + 1;
const [W0, W8, W16, W24] = wordsOf(`${TAKEN},`);
const HEAD = /^\{(?:"took":\d+,)?"errors":true,(?:"took":\d+,)?"items":\[/;
const HEAD_BYTES = 96;

/**
 * Reads a bulk reply of the usual form in which some items failed: of thousands of items most are
 * `{"create":{"status":201}}`, which nobody needs as text or as objects, and many others are equal word for word.
 * Undefined when all of the reply has to be parsed.
 */
export function mixedReply(reply: Buffer): MixedReply | undefined {
  const from = HEAD.exec(reply.toString("latin1", 0, HEAD_BYTES))?.[0].length;
  if (from === undefined) return undefined;
  const indexes: number[] = [];
  const kinds: number[] = [];
  const texts: string[] = [];
  const view = new DataView(reply.buffer, reply.byteOffset, reply.length);
  const lastStart = reply.length - STRIDE;
  let count = 0;
  /** The last of the others. */
  let last: DataView | undefined;
  for (let at = from; ; at++) {
    for (; at <= lastStart && isTaken(view, at); at += STRIDE) count++;
    if (last !== undefined && isAt(last, view, at)) at += last.byteLength;
    else {
      const end = objectEnd(reply, at);
      if (end < 0) return undefined;
      const text = reply.toString("utf8", at, end);
      // Only the last of all has no comma.
      if (text === TAKEN) last = undefined;
      else {
        last = new DataView(reply.buffer, reply.byteOffset + at, end - at);
        texts.push(text);
      }
      at = end;
    }
    if (last !== undefined) {
      indexes.push(count);
      const kind = texts.length - 1;
      // All of them said the same until now.
      if (kind > 0 && kinds.length === 0) for (let i = 1; i < indexes.length; i++) kinds.push(0);
      if (kind > 0) kinds.push(kind);
    }
    count++;
    const next = reply[at];
    if (next === COMMA) continue;
    const isWhole = next === BRACKET_CLOSE && reply[at + 1] === BRACE_CLOSE && reply.length === at + 2;
    if (!isWhole) return undefined;
    const items = parsed(texts);
    return items === undefined ? undefined : { errors: true, others: { count, indexes, kinds, items } };
  }
}

/**
 * Whether the item at `at`, where STRIDE bytes are, says that its document was taken, with its comma. By words in place (floating-point numbers: of
 * text none is NaN): calls to compare bytes, or to find the next fault, took several times as long.
 */
function isTaken(view: DataView, at: number): boolean {
  return (
    view.getFloat64(at, true) === W0 &&
    view.getFloat64(at + 8, true) === W8 &&
    view.getFloat64(at + 16, true) === W16 &&
    view.getInt16(at + 24, true) === W24
  );
}

function wordsOf(text: string): readonly number[] {
  const bytes = Buffer.from(text);
  return [...[0, 8, 16].map((at) => bytes.readDoubleLE(at)), bytes.readInt16LE(24)];
}

/** Undefined when it is no JSON: whoever parses the whole says so better. */
function parsed(texts: readonly string[]): OtherItems["items"] | undefined {
  try {
    return JSON.parse(`[${texts.join()}]`) as OtherItems["items"];
  } catch {
    return undefined;
  }
}

/** Whether these bytes are at `at`. */
function isAt(bytes: DataView, view: DataView, at: number): boolean {
  // Asking a view for its length is a call, which the loop below is not.
  const { byteLength } = bytes;
  if (at + byteLength > view.byteLength) return false;
  let i = 0;
  for (; i + 4 <= byteLength; i += 4) if (bytes.getInt32(i, true) !== view.getInt32(at + i, true)) return false;
  for (; i < byteLength; i++) if (bytes.getUint8(i) !== view.getUint8(at + i)) return false;
  return true;
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

const QUOTE = 34;
const COMMA = 44;
const BACKSLASH = 92;
const BRACKET_CLOSE = 93;
const BRACE_OPEN = 123;
const BRACE_CLOSE = 125;
