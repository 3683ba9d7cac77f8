// Runs the program over one line.

import * as op from "./opcodes";
import { capture, captureConverted, captureInteger, capturePresent, change, copyIp } from "./captures";
import { readCef } from "./cef";
import { compares, equals, exists, isBoolean, isLike } from "./conditions";
import { cut } from "./cut";
import { findMember, memberEnd, readObject, restEnd } from "./json";
import {
  beginLine,
  captures,
  drops,
  gaveUp,
  giveUp,
  marks,
  output,
  outputCapacity,
  program,
  scratchFits,
  scratchTop,
  setScratchTop,
  slots,
  variables,
} from "./memory";
import { readPairs } from "./pairs";
import { matches } from "./regex";
import {
  ARRAY,
  beginOf,
  convert,
  endOf,
  isPlainNumber,
  kindOf,
  NONE,
  NUMBER,
  OBJECT,
  readSlot,
  setSlot,
  STRING,
  textBegin,
  textEnd,
  unescapeHex,
} from "./slots";
import { copy, has, writeEscaped, writeInteger } from "./text";
import { parseTime, writeIsoTime } from "./time";

/** Of the last line: its time, and where the members of its document begin. */
export let timeMs: f64 = 0;
export let memberStart: usize = 0;
/** Some line since `beginRun` was given up because its document may not fit. */
export let isFull: bool = false;
export function beginRun(): void {
  isFull = false;
}

/** Constants that do not depend on the event. */
let slotCount: i32 = 0;
export let constantBytes: i32 = 0;
let readAtMs: f64 = 0;
/** Before a batch: slots that the program uses, bytes of constants in a document at most, and the batch's own time. */
export function prepare(slotsUsed: i32, bytes: i32, timeMs: f64): void {
  slotCount = slotsUsed;
  constantBytes = bytes;
  readAtMs = timeMs;
}

/** Whether a value fits whatever has to be escaped, and all constants behind it; if not, the line is given up. */
function fits(out: usize, bytes: usize): bool {
  if (out + 6 * bytes + constantBytes <= output + outputCapacity) return true;
  isFull = true;
  giveUp();
  return false;
}

function writeVariable(out: usize, index: i32): usize {
  const entry = variables + (index << 3);
  return copy(out, load<i32>(entry), load<i32>(entry + 4));
}

/** Writes what stands before the members of a document: variables 2 * encoding, its offset, 2 * encoding + 1. */
export function writeHead(out: usize, encoding: i32, offset: f64): usize {
  out = writeVariable(out, 2 * encoding);
  const after = variables + ((2 * encoding + 1) << 3);
  // Length -1: the encoding has no id.
  if (load<i32>(after + 4) < 0) return out;
  out = writeInteger(out, <u64>offset);
  return copy(out, load<i32>(after), load<i32>(after + 4));
}

/** Runs the program over a line and writes its document to `out`. Its end, or 0 where it was left out or given up. */
export function runLine(lineBegin: usize, lineEnd: usize, offset: f64, out: usize): usize {
  beginLine();
  timeMs = readAtMs;
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
      case op.CUT_SEPARATED:
      case op.CUT_URL:
        pc = cut(pc);
        if (gaveUp) return 0;
        break;
      case op.PAIRS: {
        const slot = load<i32>(pc + 4);
        if (!fits(out, endOf(slot) - beginOf(slot))) return 0;
        out = readPairs(pc, out);
        if (gaveUp) return 0;
        pc += 36;
        break;
      }
      case op.CEF:
        readCef(pc);
        if (gaveUp) return 0;
        pc += 20;
        break;
      case op.CAPTURE_SPAN:
      case op.CONVERT_WITH:
      case op.LOWER:
      case op.DIGITS:
        pc = change(pc);
        if (gaveUp) return 0;
        break;
      case op.CAPTURE:
        capture(pc);
        pc += 12;
        break;
      case op.CAPTURE_PRESENT:
        capturePresent(pc);
        pc += 16;
        break;
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
      case op.CAPTURE_CONVERTED:
        captureConverted(pc);
        if (gaveUp) return 0;
        pc += 20;
        break;
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
      case op.CAPTURE_INTEGER:
        captureInteger(pc);
        pc += 16;
        break;
      case op.COPY_IP:
        copyIp(pc);
        pc += 12;
        break;
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
      case op.EXISTS:
        flag = exists(pc);
        if (gaveUp) return 0;
        pc += 8;
        break;
      case op.EQUALS:
        flag = equals(pc);
        if (gaveUp) return 0;
        pc += 24;
        break;
      case op.COMPARE:
        flag = compares(pc);
        if (gaveUp) return 0;
        pc += 16;
        break;
      case op.IS_BOOLEAN:
        flag = isBoolean(pc);
        if (gaveUp) return 0;
        pc += 12;
        break;
      case op.LIKE:
        flag = isLike(pc);
        if (gaveUp) return 0;
        pc += 20;
        break;
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
        out = writeHead(out, 0, offset);
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
        out = writeInteger(out, <u64>offset);
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
