// What a condition says of the event, as flags. Each function reads its operands behind the instruction at `pc` and gives
// the line up where only the plain way knows.

import * as op from "./opcodes";
import { giveUp } from "./memory";
import {
  ARRAY,
  FALSE,
  isNumber,
  NONE,
  NULL,
  NUMBER,
  OBJECT,
  parseNumber,
  readSlot,
  STRING,
  textBegin,
  textEnd,
  TRUE,
} from "./slots";
import { same } from "./text";

export function exists(pc: usize): bool {
  const kind = readSlot(load<i32>(pc + 4));
  if (kind == ARRAY) giveUp();
  return kind != NONE && kind != NULL && !(kind == OBJECT && textEnd - textBegin == 2);
}

export function equals(pc: usize): bool {
  const kind = readSlot(load<i32>(pc + 4));
  if (kind == ARRAY) giveUp();
  if (kind == STRING) {
    const length = load<i32>(pc + 12);
    return textEnd - textBegin == length && same(textBegin, load<i32>(pc + 8), length);
  }
  if (kind != NUMBER || load<i32>(pc + 20) == 0) return false;
  const value = parseNumber(textBegin, textEnd);
  if (!isNumber) giveUp();
  return value == load<f64>(load<i32>(pc + 16));
}

export function compares(pc: usize): bool {
  const kind = readSlot(load<i32>(pc + 4));
  if (kind == ARRAY) giveUp();
  if (kind != STRING && kind != NUMBER) return false;
  const value = parseNumber(textBegin, textEnd);
  if (kind == NUMBER && !isNumber) giveUp();
  return isNumber && compare(load<i32>(pc + 8), value, load<f64>(load<i32>(pc + 12)));
}

export function isBoolean(pc: usize): bool {
  const kind = readSlot(load<i32>(pc + 4));
  if (kind == ARRAY) giveUp();
  const wanted = load<i32>(pc + 8) != 0;
  if (kind != STRING) return kind == (wanted ? TRUE : FALSE);
  return wanted
    ? textEnd - textBegin == 4 && load<u32>(textBegin) == 0x65757274
    : textEnd - textBegin == 5 && load<u8>(textBegin) == 102 && load<u32>(textBegin + 1) == 0x65736c61;
}

export function isLike(pc: usize): bool {
  const kind = readSlot(load<i32>(pc + 4));
  // Numbers and booleans match wildcards by their digits and letters.
  if (kind == ARRAY || kind == NUMBER || kind == TRUE || kind == FALSE) giveUp();
  return kind == STRING && like(load<i32>(pc + 8), load<i32>(pc + 12), load<i32>(pc + 16));
}

function compare(operator: i32, a: f64, b: f64): bool {
  if (operator == op.LESS) return a < b;
  if (operator == op.LESS_OR_EQUAL) return a <= b;
  return operator == op.GREATER ? a > b : a >= b;
}

/** Whether the text that was read begins with, ends with or has in it `length` bytes. */
function like(wanted: i32, length: i32, mode: i32): bool {
  const size = <i32>(textEnd - textBegin);
  if (size < length) return false;
  if (mode == op.LIKE_PREFIX) return same(textBegin, wanted, length);
  if (mode == op.LIKE_SUFFIX) return same(textEnd - length, wanted, length);
  if (length == 0) return true;
  const last = textEnd - length;
  if (mode == op.LIKE_INSIDE) {
    const first = i8x16.splat(load<i8>(wanted));
    for (let at = textBegin; at <= last; at += 16) {
      let found = i8x16.bitmask(i8x16.eq(v128.load(at), first));
      while (found != 0) {
        const place = at + ctz(found);
        found &= found - 1;
        if (place <= last && same(place, wanted, length)) return true;
      }
    }
    return false;
  }
  for (let at = textBegin; at <= last; at++) {
    let i = 0;
    for (; i < length; i++) {
      const byte = load<u8>(at + i);
      const lower = <u32>byte - 65 <= 25 ? byte | 32 : byte;
      if (lower != load<u8>(wanted + i)) break;
    }
    if (i == length) return true;
  }
  return false;
}
