// AssemblyScript (TypeScript's syntax, WebAssembly's types; `npm run build` compiles it with asc). Runs a pipeline's
// program over lines of bytes: parsing, changing, conditions and the document, without an object or a string an event
// (docs/decisions/0006-compiled-pipelines.md). ../../machine.ts owns this module's memory and calls it; programs
// are assembled by ../../program.ts and checked by nobody. Whatever is unusual in a line, the machine gives the line up.

import * as op from "./opcodes";
import {
  beginLine,
  captures,
  documentEnds,
  documentLines,
  documentTimes,
  drops,
  ends,
  gaveUp,
  giveUp,
  input,
  marks,
  maxLineBytes,
  memberStarts,
  offsets,
  otherEnds,
  otherOutput,
  output,
  outputCapacity,
  program,
  scratchFits,
  scratchTop,
  setScratchTop,
  slots,
  starts,
  variables,
} from "./memory";
import { findMember, memberEnd, readObject, restEnd } from "./json";
import { matches } from "./regex";
import {
  ARRAY,
  beginOf,
  convert,
  endOf,
  FALSE,
  isNumber,
  isPlainNumber,
  kindOf,
  NONE,
  NULL,
  NUMBER,
  OBJECT,
  parseNumber,
  readSlot,
  setSlot,
  STRING,
  textBegin,
  textEnd,
  TRUE,
  unescapeHex,
} from "./slots";
import { copy, has, hashOf, isIpv4, isIpv6, same, writeEscaped, writeInteger } from "./text";
import { parseTime, writeIsoTime } from "./time";

export {
  input,
  inputCapacity,
  lineCapacity,
  maxLineBytes,
  starts,
  ends,
  offsets,
  program,
  programCapacity,
  variables,
  variableCapacity,
  slotCapacity,
  cacheCapacity,
  stageCapacity,
  caches,
  drops,
  output,
  documentEnds,
  memberStarts,
  documentLines,
  documentTimes,
  otherOutput,
  otherEnds,
  outputCapacity,
} from "./memory";

/** Of the last `run`: documents, bytes of output, and whether it stopped at a line that needs the plain way: i32. */
export const result: usize = memory.data(12, 16);
let documents: i32 = 0;

/** Constants that do not depend on the event. */
let slotCount: i32 = 0;
let constantBytes: i32 = 0;
let readAtMs: f64 = 0;
/** Before a batch: slots that the program uses, bytes of constants in a document at most, and the batch's own time. */
export function prepare(slotsUsed: i32, bytes: i32, timeMs: f64): void {
  slotCount = slotsUsed;
  constantBytes = bytes;
  readAtMs = timeMs;
}
let isFull: bool = false;
/** Whether a value fits whatever has to be escaped, and all constants behind it; if not, the line is given up. */
function fits(out: usize, bytes: usize): bool {
  if (out + 6 * bytes + constantBytes <= output + outputCapacity) return true;
  isFull = true;
  giveUp();
  return false;
}

/** Writes what converter `index` makes of a text as JSON. Returns its bytes, 0 for no value, -1 where it has no room. */
declare function convertText(index: i32, from: usize, length: i32, to: usize): i32;

/** The hash of a key that lies in the input area: for tables of known keys. */
export function hashKey(length: i32): i32 {
  return <i32>hashOf(input, length);
}

let lineBegin: usize = 0;
let lineEnd: usize = 0;
let lineOffset: f64 = 0;
let timeMs: f64 = 0;
let memberStart: usize = 0;

/**
 * Runs lines from … to - 1. Returns the first line that is not done: `to`, or the line that needs the plain way, or the
 * first one for which there may be no room.
 */
export function run(from: i32, to: i32): i32 {
  let out = output;
  const full = output + outputCapacity;
  isFull = false;
  documents = 0;
  let stoppedAtLine = false;
  let line = from;
  for (; line < to; line++) {
    lineBegin = input + load<i32>(starts + (line << 2));
    lineEnd = input + load<i32>(ends + (line << 2));
    const length = <i32>(lineEnd - lineBegin);
    if (length > maxLineBytes) {
      stoppedAtLine = true;
      break;
    }
    // A JSON object's members are copied as they are; all other values are checked when they are written.
    if (out + constantBytes + 2 * length > full) break;
    lineOffset = load<f64>(offsets + (line << 3));
    timeMs = readAtMs;
    const end = runLine(out);
    if (gaveUp) {
      // The whole output may be room enough.
      stoppedAtLine = !isFull || documents == 0;
      break;
    }
    if (end == 0) continue;
    store<i32>(documentEnds + (documents << 2), <i32>(end - output));
    store<i32>(memberStarts + (documents << 2), <i32>(memberStart - output));
    store<i32>(documentLines + (documents << 2), line);
    store<f64>(documentTimes + (documents << 3), timeMs);
    documents++;
    out = end;
  }
  store<i32>(result, documents);
  store<i32>(result + 4, <i32>(out - output));
  store<i32>(result + 8, stoppedAtLine ? 1 : 0);
  return line;
}

/** Writes the documents of the last `run` again, behind another head: variables 2 * encoding and 2 * encoding + 1. */
export function writeOther(encoding: i32): i32 {
  let out = otherOutput;
  for (let i = 0; i < documents; i++) {
    lineOffset = load<f64>(offsets + (load<i32>(documentLines + (i << 2)) << 3));
    out = writeHead(out, encoding);
    const from = output + load<i32>(memberStarts + (i << 2));
    out = copy(out, from, output + load<i32>(documentEnds + (i << 2)) - from);
    store<i32>(otherEnds + (i << 2), <i32>(out - otherOutput));
  }
  return <i32>(out - otherOutput);
}

function writeVariable(out: usize, index: i32): usize {
  const entry = variables + (index << 3);
  return copy(out, load<i32>(entry), load<i32>(entry + 4));
}

function writeHead(out: usize, encoding: i32): usize {
  out = writeVariable(out, 2 * encoding);
  const after = variables + ((2 * encoding + 1) << 3);
  // Length -1: the encoding has no id.
  if (load<i32>(after + 4) < 0) return out;
  out = writeInteger(out, <u64>lineOffset);
  return copy(out, load<i32>(after), load<i32>(after + 4));
}

/** The end of the line's document, or 0 where it was left out or given up. */
function runLine(out: usize): usize {
  beginLine();
  memory.fill(slots, 0, slotCount << 4);
  let pc = program;
  let flag = false;
  let made: usize = 0;
  while (true) {
    switch (load<i32>(pc)) {
      case op.MATCH: {
        const slot = load<i32>(pc + 8);
        const kind = readSlot(slot);
        if (kind != STRING) giveUp();
        if (gaveUp) return 0;
        const found = matches(load<i32>(pc + 4), textBegin, textEnd);
        if (gaveUp) return 0;
        pc = found ? pc + 16 : <usize>load<i32>(pc + 12);
        break;
      }
      case op.CAPTURE: {
        const place = captures + (load<i32>(pc + 4) << 3);
        const begin = load<i32>(place);
        if (begin != 0) setSlot(load<i32>(pc + 8), begin, load<i32>(place + 4), op.TEXT);
        pc += 12;
        break;
      }
      case op.CAPTURE_PRESENT: {
        const place = captures + (load<i32>(pc + 4) << 3);
        const begin: usize = load<i32>(place);
        const end: usize = load<i32>(place + 4);
        if (begin != 0 && !isAbsent(begin, end, load<i32>(pc + 12))) setSlot(load<i32>(pc + 8), begin, end, op.TEXT);
        pc += 16;
        break;
      }
      case op.UNESCAPE: {
        const slot = load<i32>(pc + 4);
        if (kindOf(slot) == op.TEXT && has(92, beginOf(slot), endOf(slot))) {
          if (load<i32>(pc + 8) == op.UNESCAPE_HEX) unescapeHex(slot);
          else giveUp();
          if (gaveUp) return 0;
        }
        pc += 12;
        break;
      }
      case op.CAPTURE_CONVERTED: {
        const place = captures + (load<i32>(pc + 4) << 3);
        const begin: usize = load<i32>(place);
        const length = load<i32>(place + 4) - load<i32>(place);
        if (begin != 0 && !isAbsent(begin, begin + length, load<i32>(pc + 12))) {
          if (!scratchFits(16 * length + 64)) return 0;
          const size = convertText(load<i32>(pc + 16), begin, length, scratchTop);
          if (size < 0) giveUp();
          if (gaveUp) return 0;
          if (size > 0) setSlot(load<i32>(pc + 8), scratchTop, scratchTop + size, op.JSON_VALUE);
          setScratchTop(scratchTop + size + 16);
        }
        pc += 20;
        break;
      }
      case op.REFUSE_OBJECT: {
        const slot = load<i32>(pc + 4);
        if (kindOf(slot) == op.JSON_VALUE && load<u8>(beginOf(slot)) == 123) {
          giveUp();
          return 0;
        }
        pc += 8;
        break;
      }
      case op.NEED_TEXT:
        readSlot(load<i32>(pc + 4));
        if (kindOf(load<i32>(pc + 4)) == op.JSON_VALUE && load<u8>(beginOf(load<i32>(pc + 4))) != 34) giveUp();
        if (gaveUp) return 0;
        pc += 8;
        break;
      case op.CAPTURE_INTEGER: {
        const place = captures + (load<i32>(pc + 4) << 3);
        let begin: usize = load<i32>(place);
        const end: usize = load<i32>(place + 4);
        if (begin != 0 && !isAbsent(begin, end, load<i32>(pc + 12)) && end - begin <= 15) {
          while (begin + 1 < end && load<u8>(begin) == 48) begin++;
          let at = begin;
          while (at < end && <u32>load<u8>(at) - 48 <= 9) at++;
          if (at == end) setSlot(load<i32>(pc + 8), begin, end, op.JSON_VALUE);
        }
        pc += 16;
        break;
      }
      case op.COPY_IP: {
        const from = load<i32>(pc + 4);
        if (kindOf(from) != op.ABSENT) {
          const begin = beginOf(from);
          const end = endOf(from);
          if (isIpv4(begin, end) || (has(58, begin, end) && isIpv6(begin, end)))
            setSlot(load<i32>(pc + 8), begin, end, op.TEXT);
        }
        pc += 12;
        break;
      }
      case op.NEED_GROUP:
        if (load<i32>(captures + (load<i32>(pc + 4) << 3)) == 0) {
          giveUp();
          return 0;
        }
        pc += 8;
        break;
      case op.LINE:
        setSlot(load<i32>(pc + 4), lineBegin, lineEnd, op.TEXT);
        pc += 8;
        break;
      case op.JSON_OBJECT: {
        if (kindOf(load<i32>(pc + 4)) != op.TEXT) giveUp();
        if (gaveUp) return 0;
        const slot = load<i32>(pc + 4);
        const isObject = readObject(beginOf(slot), endOf(slot), load<i32>(pc + 8), load<i32>(pc + 12), out);
        if (!isObject) {
          giveUp();
          return 0;
        }
        out = restEnd;
        pc += 16;
        break;
      }
      case op.MEMBER: {
        const slot = load<i32>(pc + 4);
        const target = load<i32>(pc + 16);
        setSlot(target, 0, 0, op.ABSENT);
        if (kindOf(slot) == op.JSON_VALUE && load<u8>(beginOf(slot)) == 123) {
          const found = findMember(beginOf(slot), load<i32>(pc + 8), load<i32>(pc + 12));
          if (gaveUp) return 0;
          if (found != 0) setSlot(target, found, memberEnd, op.JSON_VALUE);
        }
        pc += 20;
        break;
      }
      case op.PARSE_TIME:
      case op.PARSE_TIME_TO: {
        const kind = readSlot(load<i32>(pc + 4));
        if (kind != STRING && !(kind == NUMBER && isPlainNumber(textBegin, textEnd))) giveUp();
        if (gaveUp) return 0;
        const time = parseTime(load<i32>(pc + 8), textBegin, textEnd);
        if (gaveUp) return 0;
        if (load<i32>(pc) == op.PARSE_TIME) {
          timeMs = time;
          pc += 12;
          break;
        }
        if (!scratchFits(32)) return 0;
        const end = writeIsoTime(scratchTop, time);
        if (gaveUp) return 0;
        setSlot(load<i32>(pc + 12), scratchTop, end, op.TEXT);
        setScratchTop(end + 16);
        pc += 16;
        break;
      }
      case op.CONSTANT: {
        const begin = load<i32>(pc + 8);
        setSlot(load<i32>(pc + 4), begin, begin + load<i32>(pc + 12), op.JSON_VALUE);
        pc += 16;
        break;
      }
      case op.COPY: {
        const from = load<i32>(pc + 4);
        setSlot(load<i32>(pc + 8), beginOf(from), endOf(from), kindOf(from));
        pc += 12;
        break;
      }
      case op.CLEAR:
        setSlot(load<i32>(pc + 4), 0, 0, op.ABSENT);
        pc += 8;
        break;
      case op.CONVERT:
        convert(load<i32>(pc + 4), load<i32>(pc + 8));
        if (gaveUp) return 0;
        pc += 12;
        break;
      case op.TEXT_BEGIN:
        made = scratchTop;
        pc += 4;
        break;
      case op.TEXT_CONSTANT: {
        const length = load<i32>(pc + 8);
        if (!scratchFits(length)) return 0;
        setScratchTop(copy(scratchTop, load<i32>(pc + 4), length));
        pc += 12;
        break;
      }
      case op.TEXT_SLOT: {
        const kind = readSlot(load<i32>(pc + 4));
        if (kind == NONE || kind == OBJECT || kind == ARRAY || (kind == NUMBER && !isPlainNumber(textBegin, textEnd)))
          giveUp();
        if (gaveUp || !scratchFits(textEnd - textBegin)) return 0;
        setScratchTop(copy(scratchTop, textBegin, textEnd - textBegin));
        pc += 8;
        break;
      }
      case op.TEXT_END:
        setSlot(load<i32>(pc + 4), made, scratchTop, op.TEXT);
        setScratchTop(scratchTop + 16);
        pc += 8;
        break;
      case op.DROP: {
        const counter = drops + (load<i32>(pc + 4) << 2);
        store<i32>(counter, load<i32>(counter) + 1);
        return 0;
      }
      case op.EXISTS: {
        const kind = readSlot(load<i32>(pc + 4));
        if (kind == ARRAY) giveUp();
        if (gaveUp) return 0;
        flag = kind != NONE && kind != NULL && !(kind == OBJECT && textEnd - textBegin == 2);
        pc += 8;
        break;
      }
      case op.EQUALS: {
        const kind = readSlot(load<i32>(pc + 4));
        if (kind == ARRAY) giveUp();
        flag = false;
        if (kind == STRING) {
          const length = load<i32>(pc + 12);
          flag = textEnd - textBegin == length && same(textBegin, load<i32>(pc + 8), length);
        } else if (kind == NUMBER && load<i32>(pc + 20) != 0) {
          const value = parseNumber(textBegin, textEnd);
          if (!isNumber) giveUp();
          flag = value == load<f64>(load<i32>(pc + 16));
        }
        if (gaveUp) return 0;
        pc += 24;
        break;
      }
      case op.COMPARE: {
        const kind = readSlot(load<i32>(pc + 4));
        if (kind == ARRAY) giveUp();
        flag = false;
        if (kind == STRING || kind == NUMBER) {
          const value = parseNumber(textBegin, textEnd);
          if (kind == NUMBER && !isNumber) giveUp();
          if (isNumber) flag = compare(load<i32>(pc + 8), value, load<f64>(load<i32>(pc + 12)));
        }
        if (gaveUp) return 0;
        pc += 16;
        break;
      }
      case op.IS_BOOLEAN: {
        const kind = readSlot(load<i32>(pc + 4));
        if (kind == ARRAY) giveUp();
        if (gaveUp) return 0;
        const wanted = load<i32>(pc + 8) != 0;
        flag = kind == (wanted ? TRUE : FALSE);
        if (kind == STRING) {
          flag = wanted
            ? textEnd - textBegin == 4 && load<u32>(textBegin) == 0x65757274
            : textEnd - textBegin == 5 && load<u8>(textBegin) == 102 && load<u32>(textBegin + 1) == 0x65736c61;
        }
        pc += 12;
        break;
      }
      case op.LIKE: {
        const kind = readSlot(load<i32>(pc + 4));
        // Numbers and booleans match wildcards by their digits and letters.
        if (kind == ARRAY || kind == NUMBER || kind == TRUE || kind == FALSE) giveUp();
        flag = kind == STRING && like(load<i32>(pc + 8), load<i32>(pc + 12), load<i32>(pc + 16));
        if (gaveUp) return 0;
        pc += 20;
        break;
      }
      case op.NOT:
        flag = !flag;
        pc += 4;
        break;
      case op.SET_FLAG:
        flag = load<i32>(pc + 4) != 0;
        pc += 8;
        break;
      case op.JUMP:
        pc = load<i32>(pc + 4);
        break;
      case op.JUMP_IF:
        pc = flag ? <usize>load<i32>(pc + 4) : pc + 8;
        break;
      case op.JUMP_UNLESS:
        pc = flag ? pc + 8 : <usize>load<i32>(pc + 4);
        break;
      case op.JUMP_ABSENT:
        pc = kindOf(load<i32>(pc + 4)) == op.ABSENT ? <usize>load<i32>(pc + 8) : pc + 12;
        break;
      case op.JUMP_PRESENT:
        pc = kindOf(load<i32>(pc + 4)) == op.ABSENT ? pc + 12 : <usize>load<i32>(pc + 8);
        break;
      case op.HEAD:
        out = writeHead(out, 0);
        memberStart = out;
        pc += 4;
        break;
      case op.PUT:
        out = copy(out, load<i32>(pc + 4), load<i32>(pc + 8));
        pc += 12;
        break;
      case op.PUT_VARIABLE:
        out = writeVariable(out, load<i32>(pc + 4));
        pc += 8;
        break;
      case op.PUT_TEXT: {
        const slot = load<i32>(pc + 4);
        if (!fits(out, endOf(slot) - beginOf(slot))) return 0;
        out = writeEscaped(out, beginOf(slot), endOf(slot));
        pc += 8;
        break;
      }
      case op.PUT_VALUE: {
        const slot = load<i32>(pc + 4);
        const begin = beginOf(slot);
        if (!fits(out, endOf(slot) - begin)) return 0;
        if (kindOf(slot) == op.TEXT) {
          store<u8>(out, 34);
          out = writeEscaped(out + 1, begin, endOf(slot));
          store<u8>(out++, 34);
        } else out = copy(out, begin, endOf(slot) - begin);
        pc += 8;
        break;
      }
      case op.PUT_OFFSET:
        out = writeInteger(out, <u64>lineOffset);
        pc += 4;
        break;
      case op.PUT_TIME:
        out = writeIsoTime(out, timeMs);
        if (gaveUp) return 0;
        pc += 4;
        break;
      case op.BACK:
        out--;
        pc += 4;
        break;
      case op.MARK:
        store<i32>(marks + (load<i32>(pc + 4) << 2), <i32>out);
        pc += 8;
        break;
      case op.CLOSE:
        if (load<u8>(out - 1) == 44) {
          store<u16>(out - 1, 0x2c7d);
          out++;
        } else out = load<i32>(marks + (load<i32>(pc + 4) << 2));
        pc += 8;
        break;
      case op.END:
        return out;
      default:
        giveUp();
        return 0;
    }
  }
}

function isAbsent(begin: usize, end: usize, absent: i32): bool {
  return begin == end || (end - begin == 1 && <i32>load<u8>(begin) == absent);
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
