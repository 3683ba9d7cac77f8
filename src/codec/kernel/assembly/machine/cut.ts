// Cuts texts into groups where no regular expression is needed. False: it is not plainly what it should be.

import { captures, gaveUp, giveUp } from "./memory";
import { CUT_URL } from "./opcodes";
import { readSlot, STRING, textBegin, textEnd } from "./slots";
import { has, placeOf } from "./text";

/** CUT_SEPARATED and CUT_URL. Returns where the next operation is. */
export function cut(pc: usize): usize {
  if (readSlot(load<i32>(pc + 4)) != STRING) giveUp();
  if (gaveUp) return pc;
  const isUrl = load<i32>(pc) == CUT_URL;
  const found = isUrl ? cutUrl(textBegin, textEnd) : cutSeparated(pc, textBegin, textEnd);
  const next = pc + (isUrl ? 12 : 36);
  return found ? next : <usize>load<i32>(next - 4);
}

export function setGroup(group: i32, begin: usize, end: usize): void {
  const place = captures + (group << 3);
  store<i32>(place, <i32>begin);
  store<i32>(place + 4, <i32>end);
}

/** codec/csv.ts, without escapes and doubled quotes. */
function cutSeparated(pc: usize, from: usize, end: usize): bool {
  const delimiter: u8 = load<u8>(pc + 8);
  const quote: u8 = load<u8>(pc + 12);
  const columns = load<i32>(pc + 16);
  const beginning: u8 = load<u8>(pc + 20);
  const first: u8 = load<u8>(pc + 24);
  const second: u8 = load<u8>(pc + 28);
  if (beginning != 0 && from < end && load<u8>(from) == beginning) return false;
  if (first != 0 && has(first, from, end)) return false;
  if (second != 0 && has(second, from, end)) return false;
  let at = from;
  for (let column = 1; column <= columns; column++) {
    if (quote != 0 && at < end && load<u8>(at) == quote) {
      const begin = at + 1;
      at = placeOf(quote, begin, end);
      if (at == end) return false;
      setGroup(column, begin, at++);
      if (at < end && load<u8>(at) != delimiter) return false;
    } else {
      const begin = at;
      at = placeOf(delimiter, begin, end);
      setGroup(column, begin, at);
    }
    if (column == columns) return at == end;
    if (at == end) return false;
    at++;
  }
  return false;
}

const COLON: u8 = 58;
const SLASH: u8 = 47;
const QUESTION: u8 = 63;
const HASH: u8 = 35;

/** codec/url.ts, without brackets and users, and schemes in small letters. */
function cutUrl(from: usize, end: usize): bool {
  if (from == end) return false;
  for (let p = from; p < end; p++) {
    const byte = load<u8>(p);
    if (byte <= 32 || byte == 127) return false;
  }
  for (let group = 1; group <= 8; group++) setGroup(group, 0, 0);
  let at = from;
  if (load<u8>(at) != SLASH) {
    while (at < end && <u32>load<u8>(at) - 97 <= 25) at++;
    if (at == from || at + 3 > end || load<u8>(at) != COLON || load<u16>(at + 1) != 0x2f2f) return false;
    setGroup(1, from, at);
    at++;
  }
  if (at + 2 <= end && load<u16>(at) == 0x2f2f) {
    at = cutHost(at + 2, end);
    if (at == 0) return false;
  }
  const path = at;
  let slash = at - 1;
  let dot: usize = 0;
  for (; at < end; at++) {
    const byte = load<u8>(at);
    if (byte == QUESTION || byte == HASH) break;
    if (byte == SLASH) {
      slash = at;
      dot = 0;
    } else if (byte == 46) {
      // A name that begins with a dot has no extension by that.
      dot = at > slash + 1 ? at : 0;
    }
  }
  setGroup(5, path, at);
  if (dot != 0 && dot + 1 < at) setGroup(6, dot + 1, at);
  if (at < end && load<u8>(at) == QUESTION) {
    const query = at + 1;
    at = placeOf(HASH, query, end);
    setGroup(7, query, at);
  }
  if (at < end) setGroup(8, at + 1, end);
  return true;
}

/** Host and port; returns their end, or 0. */
function cutHost(from: usize, end: usize): usize {
  let at = from;
  let colon: usize = 0;
  for (; at < end; at++) {
    const byte = load<u8>(at);
    if (byte == SLASH || byte == QUESTION || byte == HASH) break;
    if (byte == 64 || byte == 91 || byte == 93) return 0;
    if (byte == COLON) {
      if (colon != 0) return 0;
      colon = at;
    } else if (colon != 0 && <u32>byte - 48 > 9) return 0;
  }
  if (colon == 0) {
    setGroup(3, from, at);
    return at;
  }
  setGroup(3, from, colon);
  if (at - colon > 6) return 0;
  let port = 0;
  for (let p = colon + 1; p < at; p++) port = port * 10 + <i32>load<u8>(p) - 48;
  if (port > 65535) return 0;
  setGroup(4, colon + 1, at);
  return at;
}
