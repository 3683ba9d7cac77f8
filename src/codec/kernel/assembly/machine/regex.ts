import { captures, giveUp, gaveUp } from "./memory";
import { same } from "./text";
import {
  CLASS_NO,
  CLASS_UNSURE,
  MODE_ALL,
  MODE_LAZY,
  R_DOT,
  R_END,
  R_EOS,
  R_JUMP,
  R_LITERAL,
  R_NOT,
  R_ONE,
  R_RUN,
  R_SAVE,
  R_SPLIT,
} from "./opcodes";

// A backtracking matcher over UTF-8 bytes that gives what JavaScript's regular expressions give over the same text, or
// gives the line up: where a class cannot be told from a byte, where half of a surrogate pair could be matched, and
// where it takes too many steps (V8 then has its linear-time engine: codec/pattern.ts).

const MAX_STEPS: i32 = 5000;
const MAX_DEPTH: i32 = 400;
const FOUR_BYTES: u8 = 0xf0;

let textEnd: usize = 0;
let steps: i32 = 0;
let depth: i32 = 0;

/**
 * Matches a text against a table: number of groups, whether it is anchored, then operations. True: `captures` holds
 * begin and end of each group (from 1), 0 where it took no part.
 */
export function matches(table: usize, from: usize, end: usize): bool {
  const groups = load<i32>(table);
  const isAnchored = load<i32>(table + 4);
  textEnd = end;
  steps = MAX_STEPS;
  depth = 0;
  memory.fill(captures, 0, (groups + 1) << 3);
  if (isAnchored) return at(table + 8, from) != 0;
  for (let start = from; start <= end; start++) {
    if (start < end && isInside(load<u8>(start))) continue;
    if (at(table + 8, start) != 0) return true;
    if (gaveUp) return false;
  }
  return false;
}

function isInside(byte: u8): bool {
  return (byte & 0xc0) == 0x80;
}

function isInsideFour(p: usize): bool {
  return load<u8>(p - 1) >= FOUR_BYTES || load<u8>(p - 2) >= FOUR_BYTES || load<u8>(p - 3) >= FOUR_BYTES;
}

/** Where a match ends that begins at `p`, or 0. */
function at(pc: usize, p: usize): usize {
  if (gaveUp || --steps < 0 || depth > MAX_DEPTH) {
    giveUp();
    return 0;
  }
  while (true) {
    switch (load<i32>(pc)) {
      case R_END:
        return p;
      case R_EOS:
        if (p != textEnd) return 0;
        pc += 4;
        break;
      case R_LITERAL: {
        const length = load<i32>(pc + 8);
        if (p + length > textEnd || !same(p, load<i32>(pc + 4), length)) return 0;
        p += length;
        pc += 12;
        break;
      }
      case R_ONE:
        p = one(load<i32>(pc + 4), p);
        if (p == 0) return 0;
        pc += 8;
        break;
      case R_SAVE: {
        const place = captures + (load<i32>(pc + 4) << 2);
        const before = load<i32>(place);
        store<i32>(place, <i32>p);
        depth++;
        const end = at(pc + 8, p);
        depth--;
        if (end == 0) store<i32>(place, before);
        return end;
      }
      case R_SPLIT: {
        depth++;
        const end = at(load<i32>(pc + 4), p);
        depth--;
        if (end != 0) return end;
        if (gaveUp) return 0;
        pc = load<i32>(pc + 8);
        break;
      }
      case R_JUMP:
        pc = load<i32>(pc + 4);
        break;
      case R_NOT: {
        const min = load<i32>(pc + 16);
        const mode = load<i32>(pc + 20);
        const next = load<i32>(pc + 24);
        const first = p;
        if (mode == MODE_LAZY) return lazy(pc, p, min, next);
        p = skip(pc, p);
        if (<i32>(p - first) < min) return 0;
        pc += 28;
        if (mode == MODE_ALL) break;
        return giveBack(pc, first + min, p, next);
      }
      case R_RUN: {
        const table = load<i32>(pc + 4);
        const min = load<i32>(pc + 8);
        const max = load<i32>(pc + 12);
        const mode = load<i32>(pc + 16);
        const next = load<i32>(pc + 20);
        pc += 24;
        const first = p;
        let least = p;
        let count = 0;
        while (p < textEnd && count != max) {
          const kind = load<u8>(table + load<u8>(p));
          if (kind == CLASS_NO) break;
          if (kind == CLASS_UNSURE) {
            giveUp();
            return 0;
          }
          p++;
          if (++count == min) least = p;
        }
        if (count < min) return 0;
        if (mode == MODE_ALL) break;
        return giveBack(pc, min == 0 ? first : least, p, next);
      }
      default:
        giveUp();
        return 0;
    }
  }
}

/** Behind one character of a class, or 0. */
function one(table: usize, p: usize): usize {
  if (p >= textEnd) return 0;
  const byte = load<u8>(p);
  const kind = load<u8>(table + byte);
  if (kind == CLASS_NO) return 0;
  if (kind == CLASS_UNSURE || byte >= FOUR_BYTES) {
    giveUp();
    return 0;
  }
  return p + (byte < 0x80 ? 1 : byte < 0xe0 ? 2 : 3);
}

/** The first of three bytes at or behind `p`, or the text's end. */
function skip(pc: usize, p: usize): usize {
  const third = load<i32>(pc + 12);
  const a = i8x16.splat(<i8>load<i32>(pc + 4));
  const b = i8x16.splat(<i8>load<i32>(pc + 8));
  const c = i8x16.splat(<i8>third);
  while (p < textEnd) {
    const bytes = v128.load(p);
    const found = i8x16.bitmask(v128.or(v128.or(i8x16.eq(bytes, a), i8x16.eq(bytes, b)), i8x16.eq(bytes, c)));
    if (found == 0) {
      p += 16;
      continue;
    }
    p += ctz(found);
    if (third == R_DOT && p < textEnd && load<u8>(p) == <u8>R_DOT && !isSeparator(p)) {
      p += 3;
      continue;
    }
    break;
  }
  return p < textEnd ? p : textEnd;
}

function isSeparator(p: usize): bool {
  return load<u8>(p + 1) == 0x80 && (load<u8>(p + 2) & 0xfe) == 0xa8;
}

/** Tries what follows a run at its end, and then with fewer and fewer of its characters. */
function giveBack(pc: usize, least: usize, most: usize, next: i32): usize {
  depth++;
  for (let p = most; p >= least; p--) {
    if (p < most) {
      const byte = load<u8>(p);
      // JavaScript would stop between the two halves of such a character, too.
      if (byte >= FOUR_BYTES || (isInside(byte) && isInsideFour(p))) {
        giveUp();
        break;
      }
      if (isInside(byte)) continue;
    }
    if (next >= 0 && (p >= textEnd || <i32>load<u8>(p) != next)) continue;
    const end = at(pc, p);
    if (end != 0 || gaveUp) {
      depth--;
      return end;
    }
  }
  depth--;
  return 0;
}

/** Tries what follows a run with as few of its characters as will do. */
function lazy(pc: usize, from: usize, min: i32, next: i32): usize {
  const most = skip(pc, from);
  depth++;
  for (let p = from + min; p <= most; p++) {
    if (p > from && load<u8>(p - 1) >= FOUR_BYTES) {
      giveUp();
      break;
    }
    if (p < most && isInside(load<u8>(p))) continue;
    if (next >= 0 && (p >= textEnd || <i32>load<u8>(p) != next)) continue;
    const end = at(pc + 28, p);
    if (end != 0 || gaveUp) {
      depth--;
      return end;
    }
  }
  depth--;
  return 0;
}
