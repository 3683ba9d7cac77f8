// Writes tokens as blocks of a deflate stream (RFC 1951), each in the shortest of the three ways.
import { assignCodes, chooseLengths } from "./huffman";
import * as m from "./memory";

const END: i32 = 256;
const FIRST_MATCH: i32 = 257;
/** In `tokens`: a literal is its byte; a match is this, its length - 3 << 20, its distance's symbol << 15, its distance - 1. */
const IS_MATCH: u32 = 1 << 31;
const LENGTH_SHIFT: i32 = 20;
const DISTANCE_SYMBOL_SHIFT: i32 = 15;
const DISTANCE_MASK: u32 = 0x7fff;

const STORED: u64 = 0;
const FIXED: u64 = 1;
const DYNAMIC: u64 = 2;
const MOST_STORED: i32 = 65_535;
/** In which order a block's head says the lengths of the code for lengths. */
const CODE_LENGTH_ORDER: usize = memory.data<u8>([16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]);
const COPY_LENGTH: i32 = 16;
const FEW_ZEROS: i32 = 17;
const MANY_ZEROS: i32 = 18;

let tokenCount: i32 = 0;
let out: usize = 0;
let buffer: u64 = 0;
let buffered: i32 = 0;

function makeTables(): void {
  let base = 0;
  for (let symbol = 0; symbol < 28; symbol++) {
    const extra = symbol < 8 ? 0 : (symbol >> 2) - 1;
    store<u8>(m.lengthBases + symbol, <u8>base);
    store<u8>(m.lengthExtras + symbol, <u8>extra);
    for (let i = 0; i < 1 << extra && base < 256; i++) store<u8>(m.lengthSymbols + base++, <u8>symbol);
  }
  // 258 has a symbol of its own.
  store<u8>(m.lengthSymbols + 255, 28);
  store<u8>(m.lengthBases + 28, 255);
  for (let i = 0; i < 288; i++) store<u8>(m.fixedLiteralLengths + i, i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8);
  memory.fill(m.fixedDistanceLengths, 5, 32);
}
makeTables();

/** Begins to write at `to`. */
export function beginStream(to: usize): void {
  out = to;
  buffer = 0;
  buffered = 0;
  beginBlock();
}

function beginBlock(): void {
  tokenCount = 0;
  memory.fill(m.literalCounts, 0, 4 * 288);
  memory.fill(m.distanceCounts, 0, 4 * 32);
}

@inline
export function isFull(): bool {
  return tokenCount >= m.BLOCK_TOKENS;
}

@inline
function count(at: usize): void {
  store<u32>(at, load<u32>(at) + 1);
}

@inline
export function addLiteral(byte: u32): void {
  store<u32>(m.tokens + (tokenCount++ << 2), byte);
  count(m.literalCounts + (byte << 2));
}

@inline
export function addMatch(length: i32, distance: i32): void {
  const far = distance - 1;
  // As many codes have as many extra bits, in pairs.
  const bits = 31 - clz(far | 1);
  const symbol = far < 2 ? far : (bits << 1) + ((far >> (bits - 1)) & 1);
  const lengthSymbol = <i32>load<u8>(m.lengthSymbols + length - 3);
  const token = IS_MATCH | ((length - 3) << LENGTH_SHIFT) | (symbol << DISTANCE_SYMBOL_SHIFT) | far;
  store<u32>(m.tokens + (tokenCount++ << 2), token);
  count(m.literalCounts + ((FIRST_MATCH + lengthSymbol) << 2));
  count(m.distanceCounts + (symbol << 2));
}

/** Writes the block of the tokens since the last one, which stand for the bytes from … to - 1. */
export function writeBlock(from: usize, to: usize, isLast: bool): void {
  store<u32>(m.literalCounts + (END << 2), 1);
  let extra = 0;
  for (let symbol = 0; symbol < 29; symbol++)
    extra += <i32>load<u8>(m.lengthExtras + symbol) * <i32>load<u32>(m.literalCounts + ((FIRST_MATCH + symbol) << 2));
  for (let symbol = 4; symbol < m.DISTANCES; symbol++)
    extra += ((symbol >> 1) - 1) * <i32>load<u32>(m.distanceCounts + (symbol << 2));
  const fixed =
    3 +
    extra +
    bitsOf(m.literalCounts, m.fixedLiteralLengths, m.LITERALS) +
    bitsOf(m.distanceCounts, m.fixedDistanceLengths, m.DISTANCES);
  twoAtLeast(m.distanceCounts);
  chooseLengths(m.literalCounts, m.LITERALS, 15, m.literalLengths);
  chooseLengths(m.distanceCounts, m.DISTANCES, 15, m.distanceLengths);
  const literals = lastUsed(m.literalLengths, m.LITERALS, FIRST_MATCH);
  const distances = lastUsed(m.distanceLengths, m.DISTANCES, 1);
  const head = planHead(literals, distances);
  const dynamic =
    head +
    extra +
    bitsOf(m.literalCounts, m.literalLengths, m.LITERALS) +
    bitsOf(m.distanceCounts, m.distanceLengths, m.DISTANCES);
  const length = <i32>(to - from);
  const stored = 8 * length + (3 + 7 + 32) * (length / MOST_STORED + 1);
  if (stored < min(fixed, dynamic)) writeStored(from, length, isLast);
  else {
    const isFixed = fixed <= dynamic;
    put((isLast ? 1 : 0) | ((isFixed ? FIXED : DYNAMIC) << 1), 3);
    if (isFixed) {
      memory.copy(m.literalLengths, m.fixedLiteralLengths, 288);
      memory.copy(m.distanceLengths, m.fixedDistanceLengths, 32);
    } else writeHead(literals, distances);
    writeTokens(isFixed ? 288 : m.LITERALS);
  }
  beginBlock();
}

/** A code of one symbol is not complete, and not every reader takes it. That of literals has the end, and what ends there. */
function twoAtLeast(counts: usize): void {
  let used = 0;
  for (let symbol = 0; symbol < m.DISTANCES; symbol++) if (load<u32>(counts + (symbol << 2)) != 0) used++;
  for (let symbol = 0; used < 2; symbol++) {
    if (load<u32>(counts + (symbol << 2)) != 0) continue;
    store<u32>(counts + (symbol << 2), 1);
    used++;
  }
}

function bitsOf(counts: usize, lengths: usize, size: i32): i32 {
  let sum = 0;
  for (let i = 0; i < size; i++) sum += load<i32>(counts + (i << 2)) * <i32>load<u8>(lengths + i);
  return sum;
}

function lastUsed(lengths: usize, size: i32, least: i32): i32 {
  let last = size;
  while (last > least && load<u8>(lengths + last - 1) == 0) last--;
  return last;
}

let runCount: i32 = 0;
let headLengths: i32 = 0;

/** Plans how a dynamic block's head says both codes (section 3.2.7). Returns its size in bits, the block's first three with it. */
function planHead(literals: i32, distances: i32): i32 {
  memory.copy(m.allLengths, m.literalLengths, literals);
  memory.copy(m.allLengths + literals, m.distanceLengths, distances);
  memory.fill(m.codeLengthCounts, 0, 4 * 20);
  runCount = 0;
  let extra = 0;
  const size = literals + distances;
  for (let at = 0; at < size;) {
    const bits = <i32>load<u8>(m.allLengths + at);
    let run = 1;
    while (at + run < size && <i32>load<u8>(m.allLengths + at + run) == bits) run++;
    at += run;
    if (bits != 0) {
      addRun(bits, 0);
      run--;
    }
    while (run >= 3) {
      const most = bits != 0 ? 6 : 138;
      const taken = min(run, most);
      const symbol = bits != 0 ? COPY_LENGTH : taken < 11 ? FEW_ZEROS : MANY_ZEROS;
      addRun(symbol, symbol == MANY_ZEROS ? taken - 11 : taken - 3);
      extra += extraBitsOf(symbol);
      run -= taken;
    }
    for (; run > 0; run--) addRun(bits, 0);
  }
  chooseLengths(m.codeLengthCounts, m.CODE_LENGTHS, 7, m.codeLengthLengths);
  headLengths = m.CODE_LENGTHS;
  while (headLengths > 4 && load<u8>(m.codeLengthLengths + load<u8>(CODE_LENGTH_ORDER + headLengths - 1)) == 0)
    headLengths--;
  return 17 + 3 * headLengths + extra + bitsOf(m.codeLengthCounts, m.codeLengthLengths, m.CODE_LENGTHS);
}

function addRun(symbol: i32, extra: i32): void {
  store<u16>(m.runs + (runCount++ << 1), <u16>(symbol | (extra << 8)));
  count(m.codeLengthCounts + (symbol << 2));
}

@inline
function extraBitsOf(symbol: i32): i32 {
  return symbol == COPY_LENGTH ? 2 : symbol == FEW_ZEROS ? 3 : symbol == MANY_ZEROS ? 7 : 0;
}

function writeHead(literals: i32, distances: i32): void {
  put(<u64>(literals - 257), 5);
  put(<u64>(distances - 1), 5);
  put(<u64>(headLengths - 4), 4);
  for (let i = 0; i < headLengths; i++) put(load<u8>(m.codeLengthLengths + load<u8>(CODE_LENGTH_ORDER + i)), 3);
  assignCodes(m.codeLengthLengths, m.CODE_LENGTHS, m.codeLengthCodes);
  for (let i = 0; i < runCount; i++) {
    const run = <i32>load<u16>(m.runs + (i << 1));
    const code = load<u32>(m.codeLengthCodes + ((run & 255) << 2));
    put(code & 0xffffff, code >> 24);
    put(<u64>(run >> 8), extraBitsOf(run & 255));
  }
}

function writeTokens(literals: i32): void {
  assignCodes(m.literalLengths, literals, m.literalCodes);
  assignCodes(m.distanceLengths, m.DISTANCES, m.distanceCodes);
  for (let length = 0; length < 256; length++) {
    const symbol = <i32>load<u8>(m.lengthSymbols + length);
    const code = load<u32>(m.literalCodes + ((FIRST_MATCH + symbol) << 2));
    const bits = code >> 24;
    const extra = <u32>(length - <i32>load<u8>(m.lengthBases + symbol));
    const all = bits + <u32>load<u8>(m.lengthExtras + symbol);
    store<u32>(m.matchCodes + (length << 2), (code & 0xffffff) | (extra << bits) | (all << 24));
  }
  let to = out;
  let waiting = buffer;
  let size = <u64>buffered;
  const end = m.tokens + (tokenCount << 2);
  for (let at = m.tokens; at < end; at += 4) {
    const token = load<u32>(at);
    if (token < IS_MATCH) {
      const code = load<u32>(m.literalCodes + (token << 2));
      waiting |= (<u64>(code & 0xffffff)) << size;
      size += code >> 24;
    } else {
      const length = load<u32>(m.matchCodes + (((token >> LENGTH_SHIFT) & 255) << 2));
      waiting |= (<u64>(length & 0xffffff)) << size;
      size += length >> 24;
      const symbol = (token >> DISTANCE_SYMBOL_SHIFT) & 31;
      const code = load<u32>(m.distanceCodes + (symbol << 2));
      waiting |= (<u64>(code & 0xffffff)) << size;
      size += code >> 24;
      const extra = symbol < 4 ? 0 : (symbol >> 1) - 1;
      waiting |= (<u64>(token & DISTANCE_MASK & ((1 << extra) - 1))) << size;
      size += extra;
    }
    // At most 7 bits are left over, and a token has at most 48.
    store<u64>(to, waiting);
    to += <usize>(size >> 3);
    waiting >>= size & ~7;
    size &= 7;
  }
  out = to;
  buffer = waiting;
  buffered = <i32>size;
  const code = load<u32>(m.literalCodes + (END << 2));
  put(code & 0xffffff, code >> 24);
}

@inline
function put(bits: u64, size: i32): void {
  buffer |= bits << buffered;
  buffered += size;
  store<u64>(out, buffer);
  out += buffered >> 3;
  buffer >>= buffered & ~7;
  buffered &= 7;
}

function writeStored(from: usize, length: i32, isLast: bool): void {
  let left = length;
  do {
    const size = min(left, MOST_STORED);
    put((isLast && left == size ? 1 : 0) | (STORED << 1), 3);
    align();
    store<u16>(out, <u16>size);
    store<u16>(out + 2, <u16>~size);
    memory.copy(out + 4, from, size);
    out += 4 + size;
    from += size;
    left -= size;
  } while (left > 0);
}

@inline
function align(): void {
  if (buffered > 0) put(0, 8 - buffered);
}

/** Ends at a whole byte: after the last block as it is, else behind an empty stored one. Returns the end. */
export function endStream(isLast: bool): usize {
  if (!isLast) writeStored(0, 0, false);
  align();
  return out;
}
