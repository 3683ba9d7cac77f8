// AssemblyScript (TypeScript's syntax, WebAssembly's types; `npm run build` compiles it with asc). Deflate (RFC 1951) for
// bulk bodies: documents of one shape with long stretches that are the same in each.
// ../../../gzip/kernel.ts says what it is for and calls it; nothing here checks what it is given.
import { addLiteral, addMatch, beginStream, endStream, isFull, writeBlock } from "./block";
import * as m from "./memory";
import { befores, heads, WINDOW } from "./memory";

export { inputCapacity, inputs, inputStride, outputs, outputStride, slots } from "./memory";

const MIN_MATCH: i32 = 4;
const MAX_MATCH: i32 = 258;
/** A match in one number: its length | its distance << 9. */
const LENGTH_MASK: i32 = 511;
const DISTANCE_SHIFT: i32 = 9;
/** Nothing begins to be searched for this close to the end. */
const TAIL_BYTES: i32 = 8;
/** A match of four bytes from farther away is hardly shorter than four literals. */
const FAR: i32 = 4096;

/** Places that are looked at for one match. */
let places: i32 = 16;
/** A match as long is taken at once. */
let enough: i32 = 258;
/** Bytes by which a match may be put off for a better one, unless it is of `longFrom` bytes. */
let delay: i32 = 1;
let longFrom: i32 = 64;
/** With a match as long a better one is looked for in a quarter of the places only. */
let goodFrom: i32 = 16;
/** Of a longer match only so many bytes at either end can be found later, and of these and others one in `step`. */
let edge: i32 = 24;
let step: i32 = 2;

/** Place 0: others are i16 counted from here, and -32,768 is one that cannot be reached. */
let base: usize = 0;
/** The end of what may be read. */
let end: usize = 0;

/** How hard `deflate` tries from now on: as the variables above say. */
export function setEffort(
  newPlaces: i32,
  newEnough: i32,
  newDelay: i32,
  newLongFrom: i32,
  newGoodFrom: i32,
  newEdge: i32,
  newStep: i32,
): void {
  places = newPlaces;
  enough = newEnough;
  delay = newDelay;
  longFrom = newLongFrom;
  goodFrom = newGoodFrom;
  edge = newEdge;
  step = newStep;
}

/**
 * Compresses `length` bytes of a slot's input into its output, for itself: nothing of what was compressed before is
 * referred to. Unless `isLast` more may follow in the same stream. Returns how many bytes there are.
 */
export function deflate(slot: i32, length: i32, isLast: bool): i32 {
  const input = m.inputs + slot * m.inputStride;
  const output = m.outputs + slot * m.outputStride;
  base = input;
  end = input + length;
  for (let at: usize = 0; at < m.HEADS_BYTES; at += 16) v128.store(m.heads + at, i16x8.splat(-32768));
  beginStream(output);
  const searchEnd = length > TAIL_BYTES ? end - TAIL_BYTES : input;
  let from = input;
  let blockFrom = input;
  while (from < searchEnd) {
    if (isFull()) {
      writeBlock(blockFrom, from, false);
      blockFrom = from;
    }
    const found = longest(from, insert(from), MIN_MATCH - 1, places);
    let length = found & LENGTH_MASK;
    let distance = found >>> DISTANCE_SHIFT;
    if (distance == 0 || (length == MIN_MATCH && distance > FAR)) {
      addLiteral(load<u8>(from++));
      continue;
    }
    // A longer match may begin some bytes later.
    let at = from;
    let gain = gainOf(length, distance);
    while (length < longFrom && <i32>(at - from) < delay && at + 1 < searchEnd) {
      const before = insert(++at);
      const later = <i32>(at - from);
      const least = max(MIN_MATCH - 1, length - later);
      const other = longest(at, before, least, length >= goodFrom ? max(places >> 2, 1) : places);
      const otherDistance = other >>> DISTANCE_SHIFT;
      if (otherDistance == 0) continue;
      const otherGain = gainOf(other & LENGTH_MASK, otherDistance);
      if (otherGain <= gain + 2 * later) continue;
      for (; from < at; from++) addLiteral(load<u8>(from));
      length = other & LENGTH_MASK;
      distance = otherDistance;
      gain = otherGain;
    }
    addMatch(length, distance);
    const next = from + length;
    const insertEnd = min(next, searchEnd);
    at++;
    if (length > 2 * edge) {
      for (const frontEnd = min(from + edge, insertEnd); at < frontEnd; at += step) insert(at);
      at = max(at, next - edge);
    }
    for (; at < insertEnd; at += step) insert(at);
    from = next;
  }
  for (; from < end; from++) addLiteral(load<u8>(from));
  writeBlock(blockFrom, end, isLast);
  return <i32>(endStream(isLast) - output);
}

/** What a match spares, in quarters of a byte or so: far ones take more bits. */
@inline
function gainOf(length: i32, distance: i32): i32 {
  return 4 * length + clz(distance);
}

/** Makes the bytes at `at` known. Returns the last place before that may begin as they do. */
@inline
function insert(at: usize): i32 {
  if (<i32>(at - base) >= WINDOW) slide();
  const place = <i32>(at - base);
  const head = heads + (((load<u32>(at) * 0x9e3779b1) >>> (32 - m.HASH_BITS)) << 1);
  const before = <i32>load<i16>(head);
  store<i16>(head, <i16>place);
  store<i16>(befores + ((place & (WINDOW - 1)) << 1), <i16>before);
  return before;
}

/** Counts all places from a window later on. */
function slide(): void {
  base += WINDOW;
  const window = i16x8.splat(-32768);
  for (let at: usize = 0; at < m.HEADS_BYTES; at += 16)
    v128.store(heads + at, i16x8.add_sat_s(v128.load(heads + at), window));
  for (let at: usize = 0; at < m.BEFORES_BYTES; at += 16)
    v128.store(befores + at, i16x8.add_sat_s(v128.load(befores + at), window));
}

/** The longest match for `at` that is longer than `least`, among those from `place` on backwards. Distance 0: there is none. */
function longest(at: usize, place: i32, least: i32, placesLeft: i32): i32 {
  const most = min(MAX_MATCH, <i32>(end - at));
  const unreachable = <i32>(at - base) - WINDOW;
  const first = load<u32>(at);
  let best = least;
  let distance = 0;
  if (best >= most) return best;
  let tail = load<u32>(at + best - 3);
  while (place > unreachable) {
    const other = base + place;
    if (load<u32>(other + best - 3) == tail && load<u32>(other) == first) {
      let length = MIN_MATCH;
      do {
        const differs = i8x16.bitmask(i8x16.ne(v128.load(other + length), v128.load(at + length)));
        if (differs != 0) {
          length += ctz(differs);
          break;
        }
        length += 16;
      } while (length < most);
      if (length > most) length = most;
      if (length > best) {
        best = length;
        distance = <i32>(at - other);
        if (length >= enough || length == most) break;
        tail = load<u32>(at + best - 3);
      }
    }
    if (--placesLeft == 0) break;
    place = <i32>load<i16>(befores + ((place & (WINDOW - 1)) << 1));
  }
  return best | (distance << DISTANCE_SHIFT);
}
