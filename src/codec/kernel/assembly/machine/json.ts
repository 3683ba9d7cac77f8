import { gaveUp, giveUp, scratchFits, scratchTop, setScratchTop, slots } from "./memory";
import { JSON_VALUE } from "./opcodes";
import { escapable, hashOf, same } from "./text";

// JSON (RFC 8259), read once: checked as strictly as JSON.parse does and written compactly at the same time. What
// JSON.parse would not give back in the same meaning gives the line up: equal names in one object (also names with
// escapes, which are not compared), numbers too large, nesting too deep.

const MAX_DEPTH: i32 = 100;
const MAX_NAMES: i32 = 4096;
/** Hashes of the names of all open objects. */
const names: usize = memory.data(4 * MAX_NAMES, 16);

let from: usize = 0;
let end: usize = 0;
let to: usize = 0;
let nameTop: i32 = 0;

/** Before the first name of an object, also of one that is no JSON yet. */
export function beginNames(): void {
  nameTop = 0;
}

/** Where the members that were not asked for end, after `readObject`. */
export let restEnd: usize = 0;

/**
 * Reads an object. Members whose names are among `count` keys at `keys` (four words each: address, length, hash, and a
 * slot or -1 to give the line up) go to their slots, the others to `out` with a comma behind each. False: no object.
 */
export function readObject(text: usize, textEnd: usize, keys: usize, count: i32, out: usize): bool {
  from = text;
  end = textEnd;
  to = out;
  beginNames();
  space();
  if (!take(123)) return false;
  space();
  if (!take(125)) {
    let seen: u64 = 0;
    do {
      space();
      const name = from + 1;
      const before = to;
      const hash = readName();
      if (gaveUp) return false;
      const length = <usize>(<i32>(from - 1 - name));
      seen = addName(hash, 0, seen);
      space();
      if (!take(58)) return false;
      space();
      const slot = find(name, length, hash, keys, count);
      if (slot == -2) {
        store<u8>(to++, 58);
        if (!value(0)) return false;
        store<u8>(to++, 44);
      } else if (slot == -1) {
        giveUp();
        return false;
      } else {
        to = scratchTop;
        const begin = to;
        if (!scratchFits(end - from) || !value(0)) return false;
        const place = slots + (slot << 4);
        store<i32>(place, <i32>begin);
        store<i32>(place + 4, <i32>to);
        store<i32>(place + 8, JSON_VALUE);
        setScratchTop(to + 16);
        to = before;
      }
      space();
    } while (take(44));
    if (!take(125)) return false;
  }
  space();
  restEnd = to;
  return from == end && !gaveUp;
}

/** The slot of a known key, -1 for one that gives the line up, or -2. */
export function find(name: usize, length: usize, hash: u32, keys: usize, count: i32): i32 {
  for (let i = 0; i < count; i++) {
    const key = keys + (i << 4);
    if (load<u32>(key + 8) == hash && load<u32>(key + 4) == <u32>length && same(name, load<u32>(key), length))
      return load<i32>(key + 12);
  }
  return -2;
}

function space(): void {
  while (from < end) {
    const byte = load<u8>(from);
    if (byte != 32 && byte != 9 && byte != 10 && byte != 13) break;
    from++;
  }
}

function take(byte: u8): bool {
  if (from >= end || load<u8>(from) != byte) return false;
  from++;
  return true;
}

/** Notes the hash of a name of an object whose names begin at `base`; equal ones give the line up. */
export function addName(hash: u32, base: i32, seen: u64): u64 {
  const one: u64 = 1;
  const place: u64 = hash & 63;
  const bit = one << place;
  if ((seen & bit) != 0) {
    for (let i = base; i < nameTop; i++) if (load<u32>(names + (i << 2)) == hash) giveUp();
  }
  if (nameTop >= MAX_NAMES) giveUp();
  else store<u32>(names + (nameTop++ << 2), hash);
  return seen | bit;
}

/** A name, copied with its quotes. */
function readName(): u32 {
  const begin = from + 1;
  if (from >= end || load<u8>(from) != 34 || string()) {
    giveUp();
    return 0;
  }
  return hashOf(begin, from - 1 - begin);
}

/** Whether the last string had an escape, or was none. */
function string(): bool {
  let escaped = false;
  store<u8>(to++, 34);
  from++;
  while (true) {
    const bytes = v128.load(from);
    v128.store(to, bytes);
    const found = escapable(from);
    if (found == 0) {
      from += 16;
      to += 16;
      if (from >= end) {
        giveUp();
        return true;
      }
      continue;
    }
    const clean = ctz(found);
    from += clean;
    to += clean;
    const byte = load<u8>(from);
    if (from >= end || byte < 32) {
      giveUp();
      return true;
    }
    if (byte == 34) {
      from++;
      to++;
      return escaped;
    }
    escaped = true;
    if (!escape()) {
      giveUp();
      return true;
    }
  }
}

function escape(): bool {
  if (from + 2 > end) return false;
  const letter = load<u8>(from + 1);
  store<u16>(to, load<u16>(from));
  from += 2;
  to += 2;
  if (letter == 117) {
    if (from + 4 > end) return false;
    for (let i = 0; i < 4; i++) {
      const digit = load<u8>(from + i);
      if (<u32>digit - 48 > 9 && ((<u32>digit) | 32) - 97 > 5) return false;
    }
    store<u32>(to, load<u32>(from));
    from += 4;
    to += 4;
    return true;
  }
  return (
    letter == 34 ||
    letter == 92 ||
    letter == 47 ||
    letter == 98 ||
    letter == 102 ||
    letter == 110 ||
    letter == 114 ||
    letter == 116
  );
}

function value(depth: i32): bool {
  if (from >= end) return false;
  const byte = load<u8>(from);
  if (byte == 34) {
    string();
    return !gaveUp;
  }
  if (byte == 123) return object(depth + 1);
  if (byte == 91) return array(depth + 1);
  if (byte == 116) return literal(0x65757274, 4);
  if (byte == 110) return literal(0x6c6c756e, 4);
  if (byte == 102) {
    if (from + 5 > end || load<u32>(from + 1) != 0x65736c61) return false;
    store<u8>(to++, 102);
    from++;
    return literal(0x65736c61, 4);
  }
  return number();
}

function literal(bytes: u32, length: usize): bool {
  if (from + length > end || load<u32>(from) != bytes) return false;
  store<u32>(to, bytes);
  from += length;
  to += length;
  return true;
}

function digits(): i32 {
  let count = 0;
  while (from < end) {
    const byte = load<u8>(from);
    if (<u32>byte - 48 > 9) break;
    store<u8>(to++, byte);
    from++;
    count++;
  }
  return count;
}

function number(): bool {
  if (load<u8>(from) == 45) {
    store<u8>(to++, 45);
    from++;
  }
  if (from >= end) return false;
  if (load<u8>(from) == 48) {
    store<u8>(to++, 48);
    from++;
  } else {
    const count = digits();
    if (count == 0) return false;
    if (count > 300) giveUp();
  }
  if (from < end && load<u8>(from) == 46) {
    store<u8>(to++, 46);
    from++;
    if (digits() == 0) return false;
  }
  if (from < end && (load<u8>(from) | 32) == 101) {
    store<u8>(to++, load<u8>(from++));
    if (from < end && (load<u8>(from) == 43 || load<u8>(from) == 45)) store<u8>(to++, load<u8>(from++));
    const count = digits();
    if (count == 0) return false;
    // Beyond the largest number JSON.parse gives Infinity, which is written as null.
    if (count > 2) giveUp();
  }
  return true;
}

function array(depth: i32): bool {
  if (depth > MAX_DEPTH) {
    giveUp();
    return false;
  }
  store<u8>(to++, 91);
  from++;
  space();
  if (take(93)) {
    store<u8>(to++, 93);
    return true;
  }
  while (true) {
    space();
    if (!value(depth)) return false;
    space();
    if (take(93)) break;
    if (!take(44)) return false;
    store<u8>(to++, 44);
  }
  store<u8>(to++, 93);
  return true;
}

function object(depth: i32): bool {
  if (depth > MAX_DEPTH) {
    giveUp();
    return false;
  }
  store<u8>(to++, 123);
  from++;
  space();
  if (take(125)) {
    store<u8>(to++, 125);
    return true;
  }
  const base = nameTop;
  let seen: u64 = 0;
  while (true) {
    space();
    const hash = readName();
    if (gaveUp) return false;
    seen = addName(hash, base, seen);
    space();
    if (!take(58)) return false;
    store<u8>(to++, 58);
    space();
    if (!value(depth)) return false;
    space();
    if (take(125)) break;
    if (!take(44)) return false;
    store<u8>(to++, 44);
  }
  nameTop = base;
  store<u8>(to++, 125);
  return true;
}

/**
 * Finds a member of a compact object that was read already. Returns where its value begins, or 0; `memberEnd` is its
 * end. A name with a dot may hold what a path through objects means: then, unless the member is there, it gives up.
 */
export let memberEnd: usize = 0;
export function findMember(at: usize, name: usize, length: usize): usize {
  let hasDots = false;
  let p = at + 1;
  if (load<u8>(p) == 125) return 0;
  while (true) {
    const begin = p + 1;
    p = stringEnd(p);
    const isIt = p - 1 - begin == length && same(begin, name, length);
    for (let q = begin; q < p - 1; q++) if (load<u8>(q) == 46) hasDots = true;
    const first = p + 1;
    p = valueEnd(first);
    if (isIt) {
      memberEnd = p;
      return first;
    }
    if (load<u8>(p) != 44) break;
    p++;
  }
  if (hasDots) giveUp();
  return 0;
}

/** Behind a string of checked JSON. */
function stringEnd(p: usize): usize {
  p++;
  while (true) {
    const found = escapable(p);
    if (found == 0) {
      p += 16;
      continue;
    }
    p += ctz(found);
    if (load<u8>(p) == 34) return p + 1;
    p += 2;
  }
}

/** Behind a value of checked, compact JSON. */
function valueEnd(p: usize): usize {
  let depth = 0;
  while (true) {
    const byte = load<u8>(p);
    if (byte == 34) {
      p = stringEnd(p);
      if (depth == 0) return p;
      continue;
    }
    if (byte == 123 || byte == 91) depth++;
    else if (byte == 125 || byte == 93) {
      if (depth == 0) return p;
      if (--depth == 0) return p + 1;
    } else if (byte == 44 && depth == 0) return p;
    p++;
  }
}
