import { setGroup } from "./cut";
import { addName, beginNames, find } from "./json";
import { gaveUp, giveUp, scratchFits, scratchTop, setScratchTop } from "./memory";
import { JSON_VALUE, TEXT } from "./opcodes";
import { beginOf, endOf, kindOf, setSlot } from "./slots";
import { copy, has, hashOf, isSpace, placeOf, writeEscaped } from "./text";

// codec/cef/parse.ts. Escapes in the header, keys that are there again, and values that end in anything beyond ASCII (it
// might be white space) give the line up.

const HEADER_PARTS: i32 = 7;
const BAR: u8 = 124;

/** CEF. */
export function readCef(pc: usize): void {
  if (kindOf(load<i32>(pc + 4)) != TEXT || !readMessage(pc)) giveUp();
}

/** False: the line is to be given up. */
function readMessage(pc: usize): bool {
  const slot = load<i32>(pc + 4);
  const end = endOf(slot);
  let at = beginOf(slot);
  while (true) {
    at = placeOf(67, at, end);
    if (at + 4 > end) return false;
    if (load<u32>(at) == 0x3a464543) break;
    at++;
  }
  at += 4;
  for (let part = 1; part <= HEADER_PARTS; part++) {
    const partEnd = placeOf(BAR, at, end);
    if (partEnd == end && part < HEADER_PARTS) return false;
    if (has(92, at, partEnd) || !trim(at, partEnd)) return false;
    setGroup(part, trimmedBegin, trimmedEnd);
    if (part == 1 && !isVersion(trimmedBegin, trimmedEnd)) return false;
    if (part == HEADER_PARTS) setSeverity(trimmedBegin, trimmedEnd);
    at = min(partEnd + 1, end);
  }
  if (!trim(at, end)) return false;
  return readExtensions(pc, trimmedBegin, trimmedEnd);
}

function isVersion(at: usize, end: usize): bool {
  let points = 0;
  const begin = at;
  for (; at < end; at++) {
    const byte = load<u8>(at);
    if (byte == 46 && points == 0 && at > begin && at + 1 < end) points++;
    else if (<u32>byte - 48 > 9) return false;
  }
  return end > begin;
}

function setSeverity(begin: usize, end: usize): void {
  let isNumber = end > begin && end - begin <= 2;
  for (let p = begin; p < end; p++) if (<u32>load<u8>(p) - 48 > 9) isNumber = false;
  setGroup(8, isNumber ? begin : 0, isNumber ? end : 0);
  setGroup(9, isNumber ? 0 : begin, isNumber ? 0 : end);
}

let trimmedBegin: usize = 0;
let trimmedEnd: usize = 0;
/** Takes white space off both ends; false where there may be some beyond ASCII. */
function trim(begin: usize, end: usize): bool {
  while (begin < end && isSpace(load<u8>(begin))) begin++;
  while (end > begin && isSpace(load<u8>(end - 1))) end--;
  trimmedBegin = begin;
  trimmedEnd = end;
  return begin == end || (load<u8>(begin) < 0x80 && load<u8>(end - 1) < 0x80);
}

function isKeyByte(byte: u8): bool {
  return <u32>byte - 48 <= 9 || ((<u32>byte) | 32) - 97 <= 25 || byte == 95 || byte == 46 || byte == 91 || byte == 93;
}

/** The next key at or behind `at`: where it begins and where its `=` is, or the end. `from` is where it may begin at first. */
let keyBegin: usize = 0;
let keyEnd: usize = 0;
function nextKey(first: usize, from: usize, end: usize): void {
  let at = from;
  while (true) {
    at = placeOf(61, at, end);
    keyBegin = at;
    keyEnd = at;
    if (at == end) return;
    let begin = at;
    while (begin > from && isKeyByte(load<u8>(begin - 1))) begin--;
    const isFree = begin == first || (begin > from && (load<u8>(begin - 1) == 32 || load<u8>(begin - 1) == 9));
    if (begin < at && isFree) {
      keyBegin = begin;
      return;
    }
    at++;
  }
}

function readExtensions(pc: usize, first: usize, end: usize): bool {
  const keys = load<i32>(pc + 8);
  const count = load<i32>(pc + 12);
  const room = (end - first) * 6 + 64;
  if (!scratchFits(room)) return false;
  const rest = scratchTop;
  let to = rest;
  store<u8>(to++, 123);
  setScratchTop(scratchTop + room);
  let seen: u64 = 0;
  beginNames();
  nextKey(first, first, end);
  while (keyEnd < end) {
    const key = keyBegin;
    const length = keyEnd - keyBegin;
    let begin = keyEnd + 1;
    nextKey(first, begin, end);
    let valueEnd = keyBegin < end ? keyBegin : end;
    while (valueEnd > begin && isSpace(load<u8>(valueEnd - 1))) valueEnd--;
    const hash = hashOf(key, length);
    seen = addName(hash, 0, seen);
    if (gaveUp) return false;
    if (begin == valueEnd) continue;
    if (load<u8>(valueEnd - 1) > 127) return false;
    if (has(92, begin, valueEnd)) {
      const from = begin;
      begin = scratchTop;
      valueEnd = unescape(from, valueEnd);
      if (valueEnd == 0) return false;
    }
    const target = find(key, length, hash, keys, count);
    if (target >= 0) {
      setSlot(target, begin, valueEnd, TEXT);
      continue;
    }
    store<u8>(to, 34);
    to = copy(to + 1, key, length);
    store<u32>(to, 0x223a22);
    to = writeEscaped(to + 3, begin, valueEnd);
    store<u16>(to, 0x2c22);
    to += 2;
  }
  if (to > rest + 1) {
    store<u8>(to - 1, 125);
    setSlot(load<i32>(pc + 16), rest, to, JSON_VALUE);
  }
  return true;
}

/** Undoes escapes, to the scratch area; returns the end there, or 0. */
function unescape(at: usize, end: usize): usize {
  if (!scratchFits(end - at)) return 0;
  let to = scratchTop;
  while (at < end) {
    const byte = load<u8>(at++);
    if (byte != 92 || at == end) {
      store<u8>(to++, byte);
      continue;
    }
    const next = load<u8>(at);
    if (next == 110) store<u8>(to++, 10);
    else if (next == 114) store<u8>(to++, 13);
    else {
      if (next != 61 && next != 92 && next != 124) store<u8>(to++, 92);
      store<u8>(to++, next);
    }
    at++;
  }
  setScratchTop(to + 16);
  return to;
}
