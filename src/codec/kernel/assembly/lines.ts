// AssemblyScript (TypeScript's syntax, WebAssembly's types; `npm run build` compiles it with asc). The byte work of the
// path from a file to a sink, 16 bytes at a time: finding lines, and writing them as JSON between constant text.
// ../line-kernel.ts says what it is for, owns this module's memory and calls it; nothing here checks what it is given.
//
// Memory: areas of fixed size, one after the other. Each ends with SLACK bytes that vector loads and stores may touch.

const SLACK: i32 = 64;
/** Bytes of input that fit. */
export const inputCapacity: i32 = 256 * 1024;
/** Lines that may be found in it: one more than bytes, for the last line without an end. */
const maxLines: i32 = inputCapacity + 1;
/** Bytes of all constant text around a line. */
export const frameCapacity: i32 = 32 * 1024;
/** Bytes of documents: the longest line with every byte written as \u00xx, and its frame, always fit. */
export const outputCapacity: i32 = 6 * inputCapacity + 2 * frameCapacity;

export const input: usize = memory.data(inputCapacity + SLACK, 16);
/** Where each line begins and ends in the input, its line end left out: i32. */
export const starts: usize = memory.data(4 * maxLines, 16);
export const ends: usize = memory.data(4 * maxLines, 16);
/** Where each line begins in the file: f64. */
export const offsets: usize = memory.data(8 * maxLines, 16);
/** The constant text: four pieces, one behind the other. */
export const frame: usize = memory.data(frameCapacity + SLACK, 16);
export const output: usize = memory.data(outputCapacity + SLACK, 16);
/** Where each document ends: i32. */
export const documentEnds: usize = memory.data(4 * maxLines, 16);

/** Of the last `findLines`: whether every byte is below 128, and how long the longest line is, its end included. */
export let allAscii: bool = true;
export let longestLine: i32 = 0;
/** Of the last `writeDocuments`: bytes written to `output`. */
export let written: i32 = 0;

const NEWLINE: i32 = 10;
const RETURN: u8 = 13;

/** Finds the lines in `length` bytes of input, which begin at `position` in the file. Returns how many there are. */
export function findLines(length: i32, position: f64): i32 {
  const newline = i8x16.splat(<i8>NEWLINE);
  // The input's end is a line end for the loop below; what stands behind it is overwritten with no newline.
  v128.store(input + length, i8x16.splat(0));
  let all = i8x16.splat(0);
  let count = 0;
  let start = 0;
  longestLine = 0;
  for (let at = 0; at < length; at += 16) {
    const bytes = v128.load(input + at);
    all = v128.or(all, bytes);
    let found = i8x16.bitmask(i8x16.eq(bytes, newline));
    while (found != 0) {
      const end = at + ctz(found);
      found &= found - 1;
      addLine(count++, start, end, position);
      start = end + 1;
    }
  }
  if (start < length) {
    addLine(count, start, length, position);
    // Nothing ends the line, so a CR at its end belongs to it.
    store<i32>(ends + (count << 2), length);
    count++;
  }
  allAscii = i8x16.bitmask(all) == 0;
  return count;
}

function addLine(index: i32, start: i32, end: i32, position: f64): void {
  longestLine = max(longestLine, end - start);
  store<i32>(starts + (index << 2), start);
  store<f64>(offsets + (index << 3), position + <f64>start);
  const returned = end > start && load<u8>(input + end - 1) == RETURN;
  store<i32>(ends + (index << 2), returned ? end - 1 : end);
}

/**
 * Writes lines from … to - 1 to `output`, each as
 *
 *     first [its offset] second line third [its offset fourth]
 *
 * `first` … `fourth` are the lengths of the pieces in `frame`. The offset behind `first` is left out unless
 * `offsetFirst`, and what stands behind `third` unless `offsetLast`. With `escape` the line is written as the inside of
 * a JSON string (RFC 8259, section 7; exactly as JSON.stringify does), else as it is. Document ends count from
 * `outputStart`. Returns the first line that was not written because the output may be full.
 */
export function writeDocuments(
  from: i32,
  to: i32,
  first: i32,
  second: i32,
  third: i32,
  fourth: i32,
  offsetFirst: bool,
  offsetLast: bool,
  escape: bool,
  outputStart: i32,
): i32 {
  const secondAt = frame + first;
  const thirdAt = secondAt + second;
  const fourthAt = thirdAt + third;
  // 2 offsets of at most 16 digits.
  const around = first + second + third + fourth + 32;
  const full = output + outputCapacity;
  let out = output;
  let line = from;
  for (; line < to; line++) {
    const start = load<i32>(starts + (line << 2));
    const end = load<i32>(ends + (line << 2));
    if (out + around + 6 * (end - start) > full) break;
    out = copy(out, frame, first);
    const digitsAt = out;
    out = writeInteger(out, <u64>load<f64>(offsets + (line << 3)));
    const digits = <i32>(out - digitsAt);
    // Written in any case: the copy behind the line is taken from here, or from behind the output.
    if (!offsetFirst) {
      v128.store(output + outputCapacity + 16, v128.load(digitsAt));
      out = digitsAt;
    }
    const digitsFrom = offsetFirst ? digitsAt : output + outputCapacity + 16;
    out = copy(out, secondAt, second);
    out = escape ? writeEscaped(out, input + start, input + end) : copy(out, input + start, end - start);
    out = copy(out, thirdAt, third);
    if (offsetLast) {
      out = copy(out, digitsFrom, digits);
      out = copy(out, fourthAt, fourth);
    }
    store<i32>(documentEnds + (line << 2), outputStart + <i32>(out - output));
  }
  written = <i32>(out - output);
  return line;
}

/** Copies in steps of 16 bytes, so up to 15 bytes behind the end are overwritten. Returns the end. */
function copy(to: usize, from: usize, length: i32): usize {
  for (let at = 0; at < length; at += 16) v128.store(to + at, v128.load(from + at));
  return to + length;
}

/** Writes an integer below 10^16 as decimal digits. Returns their end. */
function writeInteger(to: usize, value: u64): usize {
  let length: usize = 1;
  for (let rest = value; rest >= 10; rest /= 10) length++;
  for (let at = to + length - 1; at >= to; at--) {
    const rest = value / 10;
    store<u8>(at, <u8>(48 + (value - rest * 10)));
    value = rest;
  }
  return to + length;
}

/** Writes bytes as the inside of a JSON string. Returns the end. */
function writeEscaped(to: usize, from: usize, end: usize): usize {
  const quote = i8x16.splat(0x22);
  const backslash = i8x16.splat(0x5c);
  const space = i8x16.splat(0x20);
  while (from < end) {
    const bytes = v128.load(from);
    v128.store(to, bytes);
    const special = v128.or(v128.or(i8x16.eq(bytes, quote), i8x16.eq(bytes, backslash)), i8x16.lt_u(bytes, space));
    // Bit 16 ends the search where nothing is found.
    const clean = min(<usize>ctz(i8x16.bitmask(special) | 0x10000), end - from);
    to += clean;
    from += clean;
    if (clean < 16 && from < end) to = writeEscape(to, load<u8>(from++));
  }
  return to;
}

function writeEscape(to: usize, byte: u8): usize {
  let letter: u8 = 0;
  if (byte == 0x22 || byte == 0x5c) letter = byte;
  else if (byte == 0x08) letter = 0x62;
  else if (byte == 0x09) letter = 0x74;
  else if (byte == 0x0a) letter = 0x6e;
  else if (byte == 0x0c) letter = 0x66;
  else if (byte == 0x0d) letter = 0x72;
  if (letter != 0) {
    store<u16>(to, 0x5c | ((<u16>letter) << 8));
    return to + 2;
  }
  // "\u00" and two digits.
  store<u32>(to, 0x3030755c);
  store<u8>(to + 4, 0x30 + (byte >> 4));
  const low = byte & 15;
  store<u8>(to + 5, low < 10 ? 0x30 + low : 0x57 + low);
  return to + 6;
}
