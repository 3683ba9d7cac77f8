// Puts groups of a match into slots. Each function reads its operands behind the instruction at `pc`.

import * as op from "./opcodes";
import { captures, gaveUp, giveUp, scratchFits, scratchTop, setScratchTop } from "./memory";
import { beginOf, digits, endOf, kindOf, lower, setSlot } from "./slots";
import { has, isIpv4, isIpv6 } from "./text";

/** Writes what converter `index` makes of a text as JSON. Returns its bytes, 0 for no value, -1 where it has no room. */
declare function convertText(index: i32, from: usize, length: i32, to: usize): i32;

export function capture(pc: usize): void {
  const place = captures + (load<i32>(pc + 4) << 3);
  const begin = load<i32>(place);
  if (begin != 0) setSlot(load<i32>(pc + 8), begin, load<i32>(place + 4), op.TEXT);
}

export function capturePresent(pc: usize): void {
  const place = captures + (load<i32>(pc + 4) << 3);
  const begin: usize = load<i32>(place);
  const end: usize = load<i32>(place + 4);
  if (begin != 0 && !isAbsent(begin, end, load<i32>(pc + 12))) setSlot(load<i32>(pc + 8), begin, end, op.TEXT);
}

/** May give the line up. */
export function captureConverted(pc: usize): void {
  const place = captures + (load<i32>(pc + 4) << 3);
  const begin: usize = load<i32>(place);
  const length = load<i32>(place + 4) - load<i32>(place);
  if (begin == 0 || isAbsent(begin, begin + length, load<i32>(pc + 12))) return;
  if (!scratchFits(16 * length + 64)) return;
  const size = convertText(load<i32>(pc + 16), begin, length, scratchTop);
  if (size < 0) giveUp();
  if (gaveUp) return;
  if (size > 0) setSlot(load<i32>(pc + 8), scratchTop, scratchTop + size, op.JSON_VALUE);
  setScratchTop(scratchTop + size + 16);
}

/** Operations on single texts. Returns where the next operation is. */
export function change(pc: usize): usize {
  const slot = load<i32>(pc + 4);
  switch (load<i32>(pc)) {
    case op.CAPTURE_SPAN:
      captureSpan(pc);
      return pc + 16;
    case op.CONVERT_WITH:
      convertWith(slot, load<i32>(pc + 8));
      return pc + 12;
    case op.LOWER:
      lower(slot);
      return pc + 8;
    default:
      digits(slot);
      return pc + 8;
  }
}

function captureSpan(pc: usize): void {
  const begin = load<i32>(captures + (load<i32>(pc + 4) << 3));
  const end = load<i32>(captures + (load<i32>(pc + 8) << 3) + 4);
  setSlot(load<i32>(pc + 12), begin, end, op.TEXT);
}

function convertWith(slot: i32, converter: i32): void {
  const begin = beginOf(slot);
  const length = <i32>(endOf(slot) - begin);
  if (kindOf(slot) != op.TEXT) return giveUp();
  if (!scratchFits(16 * length + 64)) return;
  const size = convertText(converter, begin, length, scratchTop);
  if (size <= 0) return giveUp();
  setSlot(slot, scratchTop, scratchTop + size, op.JSON_VALUE);
  setScratchTop(scratchTop + size + 16);
}

export function captureInteger(pc: usize): void {
  const place = captures + (load<i32>(pc + 4) << 3);
  let begin: usize = load<i32>(place);
  const end: usize = load<i32>(place + 4);
  if (begin == 0 || isAbsent(begin, end, load<i32>(pc + 12)) || end - begin > 15) return;
  while (begin + 1 < end && load<u8>(begin) == 48) begin++;
  let at = begin;
  while (at < end && <u32>load<u8>(at) - 48 <= 9) at++;
  if (at == end) setSlot(load<i32>(pc + 8), begin, end, op.JSON_VALUE);
}

export function copyIp(pc: usize): void {
  const from = load<i32>(pc + 4);
  if (kindOf(from) == op.ABSENT) return;
  const begin = beginOf(from);
  const end = endOf(from);
  if (isIpv4(begin, end) || (has(58, begin, end) && isIpv6(begin, end)))
    setSlot(load<i32>(pc + 8), begin, end, op.TEXT);
}

function isAbsent(begin: usize, end: usize, absent: i32): bool {
  return begin == end || (end - begin == 1 && <i32>load<u8>(begin) == absent);
}
