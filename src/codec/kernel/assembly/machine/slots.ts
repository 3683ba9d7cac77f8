import { giveUp, scratchFits, scratchTop, setScratchTop, slots } from "./memory";
import { ABSENT, CONVERT_BOOLEAN, CONVERT_FLOAT, CONVERT_INTEGER, CONVERT_IP, JSON_VALUE, TEXT } from "./opcodes";
import { has, isIpv4, isIpv6 } from "./text";

// What a field holds: begin, end and kind, 16 bytes a slot.

export function kindOf(slot: i32): i32 {
  return load<i32>(slots + (slot << 4) + 8);
}
export function beginOf(slot: i32): usize {
  return load<i32>(slots + (slot << 4));
}
export function endOf(slot: i32): usize {
  return load<i32>(slots + (slot << 4) + 4);
}
export function setSlot(slot: i32, begin: usize, end: usize, kind: i32): void {
  const place = slots + (slot << 4);
  store<i32>(place, <i32>begin);
  store<i32>(place + 4, <i32>end);
  store<i32>(place + 8, kind);
}

export const NONE: i32 = 0;
export const STRING: i32 = 1;
export const NUMBER: i32 = 2;
export const TRUE: i32 = 3;
export const FALSE: i32 = 4;
export const NULL: i32 = 5;
export const OBJECT: i32 = 6;
export const ARRAY: i32 = 7;

/** The text of the value that `readSlot` was asked for: without quotes. */
export let textBegin: usize = 0;
export let textEnd: usize = 0;

/** What a slot holds; strings with escapes give the line up. */
export function readSlot(slot: i32): i32 {
  const kind = kindOf(slot);
  if (kind == ABSENT) return NONE;
  textBegin = beginOf(slot);
  textEnd = endOf(slot);
  if (kind == TEXT) return STRING;
  const first = load<u8>(textBegin);
  if (first == 34) {
    textBegin++;
    textEnd--;
    if (has(92, textBegin, textEnd)) giveUp();
    return STRING;
  }
  if (first == 123) return OBJECT;
  if (first == 91) return ARRAY;
  if (first == 116) return TRUE;
  if (first == 102) return FALSE;
  if (first == 110) return NULL;
  return NUMBER;
}

/** Whether `parseNumber` found a number. */
export let isNumber: bool = false;
const powers: usize = memory.data<f64>([
  1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
]);

/**
 * The value of a decimal number of at most 15 digits, exactly as JavaScript reads it. What might be a number in a way
 * that this does not read gives the line up; other text is none.
 */
export function parseNumber(from: usize, end: usize): f64 {
  isNumber = false;
  let at = from;
  const sign = at < end ? load<u8>(at) : 0;
  if (sign == 45 || sign == 43) at++;
  let mantissa: i64 = 0;
  let digits = 0;
  let fraction = 0;
  let points = 0;
  for (; at < end; at++) {
    const byte = load<u8>(at);
    if (byte == 46 && points == 0) {
      points = 1;
      continue;
    }
    const digit = <i32>byte - 48;
    if (<u32>digit > 9) {
      if (digits > 0 && (byte | 32) == 101) giveUp();
      return 0;
    }
    mantissa = mantissa * 10 + digit;
    digits++;
    fraction += points;
  }
  if (digits == 0) return 0;
  if (digits > 15) {
    giveUp();
    return 0;
  }
  isNumber = true;
  const value = <f64>mantissa / load<f64>(powers + (fraction << 3));
  return sign == 45 ? -value : value;
}

/** Whether a number's JSON is what JavaScript would write: then it can stand in text. */
export function isPlainNumber(from: usize, end: usize): bool {
  let at = from;
  if (load<u8>(at) == 45) {
    at++;
    if (load<u8>(at) == 48 && end - at == 1) return false;
  }
  if (end - at > 15) return false;
  let points = 0;
  for (let p = at; p < end; p++) {
    const byte = load<u8>(p);
    if (byte == 46) points = 1;
    else if (<u32>byte - 48 > 9) return false;
  }
  if (points == 0) return true;
  // Small numbers are written with an exponent, and final zeros are not.
  return load<u8>(end - 1) != 48 && !(load<u8>(at) == 48 && end - at > 7 && load<u32>(at + 2) == 0x30303030);
}

/** `convert` of one field, where the value is plainly of the type; otherwise the line is given up. */
export function convert(slot: i32, type: i32): void {
  const kind = readSlot(slot);
  if (kind == NONE || kind == NULL) return;
  const from = textBegin;
  const end = textEnd;
  if (type == CONVERT_INTEGER || type == CONVERT_FLOAT) {
    if (kind != STRING && kind != NUMBER) return giveUp();
    let at = from;
    let points = 0;
    if (at < end && load<u8>(at) == 45) at++;
    const first = at;
    for (; at < end; at++) {
      const byte = load<u8>(at);
      if (byte == 46 && points == 0 && type == CONVERT_FLOAT) points = 1;
      else if (<u32>byte - 48 > 9) return giveUp();
    }
    const length = <i32>(end - first) - points;
    if (length == 0 || length > 15) return giveUp();
    if (load<u8>(first) == 48 && end - first > 1 && load<u8>(first + 1) != 46) return giveUp();
    if (load<u8>(first) == 46 || load<u8>(end - 1) == 46) return giveUp();
    if (first != from && load<u8>(first) == 48) return giveUp();
    setSlot(slot, from, end, JSON_VALUE);
  } else if (type == CONVERT_BOOLEAN) {
    if (kind == TRUE || kind == FALSE) return;
    const isTrue = kind == STRING && end - from == 4 && load<u32>(from) == 0x65757274;
    const isFalse = kind == STRING && end - from == 5 && load<u32>(from + 1) == 0x65736c61 && load<u8>(from) == 102;
    if (!isTrue && !isFalse) return giveUp();
    setSlot(slot, from, end, JSON_VALUE);
  } else if (type == CONVERT_IP) {
    if (kind != STRING || !(isIpv4(from, end) || (has(58, from, end) && isIpv6(from, end)))) giveUp();
  } else if (kind != STRING) {
    if (kind == OBJECT || kind == ARRAY || (kind == NUMBER && !isPlainNumber(from, end))) return giveUp();
    setSlot(slot, from, end, TEXT);
  }
}

/** LOWER: text in small letters. */
export function lower(slot: i32): void {
  const from = beginOf(slot);
  const end = endOf(slot);
  if (kindOf(slot) != TEXT) return giveUp();
  if (!scratchFits(end - from)) return;
  let to = scratchTop;
  for (let at = from; at < end; at++) {
    const byte = load<u8>(at);
    if (byte > 127) return giveUp();
    store<u8>(to++, <u32>byte - 65 <= 25 ? byte | 32 : byte);
  }
  setSlot(slot, scratchTop, to, TEXT);
  setScratchTop(to + 16);
}

/** DIGITS. */
export function digits(slot: i32): void {
  let from = beginOf(slot);
  const end = endOf(slot);
  if (kindOf(slot) != TEXT || from == end || end - from > 15) return giveUp();
  for (let at = from; at < end; at++) if (<u32>load<u8>(at) - 48 > 9) return giveUp();
  while (from + 1 < end && load<u8>(from) == 48) from++;
  setSlot(slot, from, end, JSON_VALUE);
}

/** Undoes nginx's `\xHH` in a slot's text. Bytes that are no UTF-8 give the line up. */
export function unescapeHex(slot: i32): void {
  const from = beginOf(slot);
  const end = endOf(slot);
  if (!scratchFits(end - from)) return;
  let to = scratchTop;
  for (let at = from; at < end;) {
    const byte = load<u8>(at);
    if (byte == 92 && at + 4 <= end && load<u8>(at + 1) == 120) {
      const high = hexDigit(load<u8>(at + 2));
      const low = hexDigit(load<u8>(at + 3));
      if (high >= 0 && low >= 0) {
        store<u8>(to++, <u8>((high << 4) | low));
        at += 4;
        continue;
      }
    }
    store<u8>(to++, byte);
    at++;
  }
  if (!isUtf8(scratchTop, to)) giveUp();
  setSlot(slot, scratchTop, to, TEXT);
  setScratchTop(to + 16);
}

function hexDigit(byte: u8): i32 {
  if (<u32>byte - 48 <= 9) return <i32>byte - 48;
  const letter = (<u32>byte) | 32;
  return letter - 97 <= 5 ? <i32>letter - 87 : -1;
}

/** RFC 3629, section 4. */
function isUtf8(from: usize, end: usize): bool {
  store<u32>(end, 0);
  for (let at = from; at < end;) {
    const byte = load<u8>(at);
    if (byte < 0x80) {
      at++;
      continue;
    }
    const second = load<u8>(at + 1);
    let length = 2;
    let low: u8 = 0x80;
    let high: u8 = 0xbf;
    if (byte >= 0xc2 && byte <= 0xdf) length = 2;
    else if (byte >= 0xe0 && byte <= 0xef) {
      length = 3;
      if (byte == 0xe0) low = 0xa0;
      else if (byte == 0xed) high = 0x9f;
    } else if (byte >= 0xf0 && byte <= 0xf4) {
      length = 4;
      if (byte == 0xf0) low = 0x90;
      else if (byte == 0xf4) high = 0x8f;
    } else return false;
    if (second < low || second > high) return false;
    for (let i = 2; i < length; i++) if ((load<u8>(at + i) & 0xc0) != 0x80) return false;
    at += length;
    if (at > end) return false;
  }
  return true;
}
