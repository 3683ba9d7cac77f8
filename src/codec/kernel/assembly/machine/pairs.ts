import { addName, beginNames, find } from "./json";
import { gaveUp, giveUp, scratchFits, scratchTop, setScratchTop } from "./memory";
import { BARE_FAIL, BARE_TRUE, JSON_VALUE, TEXT } from "./opcodes";
import { beginOf, endOf, kindOf, setSlot } from "./slots";
import { copy, hashOf, isSpace, writeEscaped } from "./text";

// codec/key-value.ts, for pairs between white space. Keys in quotes or with characters that JSON escapes, keys that are
// there again, and quotes that are not closed give the line up.

const literal: usize = memory.data<u8>([116, 114, 117, 101], 16);

/** PAIRS. There must be room for six times the text behind `out`. Returns where the pairs end that were not asked for. */
export function readPairs(pc: usize, out: usize): usize {
  const end = kindOf(load<i32>(pc + 4)) == TEXT ? writePairs(pc, out) : 0;
  if (end == 0) giveUp();
  return end;
}

/** 0: the line is to be given up. */
function writePairs(pc: usize, out: usize): usize {
  const slot = load<i32>(pc + 4);
  const end = endOf(slot);
  const between: u8 = load<u8>(pc + 16);
  const first: u8 = load<u8>(pc + 20);
  const second: u8 = load<u8>(pc + 24);
  const bareWords = load<i32>(pc + 28);
  const keepsEmpty = load<i32>(pc + 32) != 0;
  let at = beginOf(slot);
  let to = out;
  let seen: u64 = 0;
  let isAny = false;
  beginNames();
  while (true) {
    while (at < end && isSpace(load<u8>(at))) at++;
    if (at >= end) break;
    const key = at;
    const begins = load<u8>(at);
    if (begins == between || begins == first || begins == second) return 0;
    let bits: u8 = 0;
    for (; at < end; at++) {
      const byte = load<u8>(at);
      if (byte == between || isSpace(byte)) break;
      if (byte < 32 || byte == 34 || byte == 92) return 0;
      bits |= byte;
    }
    const length = at - key;
    let begin: usize = 0;
    let valueEnd: usize = 0;
    if (at >= end || load<u8>(at) != between) {
      // What white space beyond ASCII is, is not known here.
      if (bareWords == BARE_FAIL || bits > 127) return 0;
      if (bareWords != BARE_TRUE) continue;
    } else {
      isAny = true;
      begin = ++at;
      const quote: u8 = at < end ? load<u8>(at) : 0;
      if (quote != 0 && (quote == first || quote == second)) {
        begin++;
        at = quoteEnd(quote, begin, end);
        if (at == 0) return 0;
        valueEnd = at++;
        if (at < end && !isSpace(load<u8>(at))) return 0;
        if (hasEscapes) {
          begin = unescaped(begin, valueEnd);
          if (begin == 0) return 0;
          valueEnd = unescapedEnd;
        }
      } else {
        at = spaceFrom(at, end);
        valueEnd = at;
      }
      if (begin == valueEnd && !keepsEmpty) continue;
    }
    const hash = hashOf(key, length);
    seen = addName(hash, 0, seen);
    const target = find(key, length, hash, load<i32>(pc + 8), load<i32>(pc + 12));
    if (target == -1 || gaveUp) return 0;
    if (target >= 0) {
      if (begin == 0) setSlot(target, literal, literal + 4, JSON_VALUE);
      else setSlot(target, begin, valueEnd, TEXT);
      continue;
    }
    store<u8>(to, 34);
    to = copy(to + 1, key, length);
    if (begin == 0) {
      store<u64>(to, 0x2c657572743a22); // ":true,
      to += 7;
      continue;
    }
    store<u32>(to, 0x223a22);
    to = writeEscaped(to + 3, begin, valueEnd);
    store<u16>(to, 0x2c22);
    to += 2;
  }
  return isAny ? to : 0;
}

/** The first white space, or the end. */
function spaceFrom(at: usize, end: usize): usize {
  while (at < end) {
    let found = i8x16.bitmask(i8x16.lt_u(v128.load(at), i8x16.splat(33)));
    for (; found != 0; found &= found - 1) {
      const place = at + ctz(found);
      if (place >= end) return end;
      if (isSpace(load<u8>(place))) return place;
    }
    at += 16;
  }
  return end;
}

let hasEscapes: bool = false;
/** Where a quoted text is closed, or 0. */
function quoteEnd(quote: u8, at: usize, end: usize): usize {
  hasEscapes = false;
  while (at < end) {
    const bytes = v128.load(at);
    const found = i8x16.bitmask(v128.or(i8x16.eq(bytes, i8x16.splat(quote)), i8x16.eq(bytes, i8x16.splat(92))));
    if (found == 0) {
      at += 16;
      continue;
    }
    at += ctz(found);
    if (at >= end) return 0;
    if (load<u8>(at) == quote) return at;
    hasEscapes = true;
    at += 2;
  }
  return 0;
}

let unescapedEnd: usize = 0;
/** Undoes escapes, in the scratch area; 0 where that is left to JavaScript. */
function unescaped(at: usize, end: usize): usize {
  if (!scratchFits(end - at)) return 0;
  const begin = scratchTop;
  let to = begin;
  while (at < end) {
    let byte = load<u8>(at++);
    if (byte == 92 && at < end) {
      byte = load<u8>(at++);
      if (byte == 117) return 0;
      if (byte == 110) byte = 10;
      else if (byte == 116) byte = 9;
      else if (byte == 114) byte = 13;
      else if (byte == 98) byte = 8;
      else if (byte == 102) byte = 12;
    }
    store<u8>(to++, byte);
  }
  unescapedEnd = to;
  setScratchTop(to + 16);
  return begin;
}
