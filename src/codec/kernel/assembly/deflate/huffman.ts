// Codes of least redundancy with lengths that are limited (RFC 1951, section 3.2.2).
import { buckets, lengthCounts, nextCodes, sorted, spare } from "./memory";

const MOST_BITS: i32 = 15;

/** The lengths of the codes of `count` symbols, u8, none above `limit`. A symbol that is not used gets 0. */
export function chooseLengths(counts: usize, count: i32, limit: i32, lengths: usize): void {
  let used = 0;
  memory.fill(lengths, 0, count);
  for (let symbol = 0; symbol < count; symbol++) {
    const times = load<u32>(counts + (symbol << 2));
    if (times != 0) store<u32>(sorted + (used++ << 2), (times << 16) | symbol);
  }
  if (used < 2) {
    if (used == 1) store<u8>(lengths + (load<u32>(sorted) & 0xffff), 1);
    return;
  }
  sort(used, 16);
  sort(used, 24);
  memory.copy(spare, sorted, used << 2);
  depths(used);
  memory.fill(lengthCounts, 0, 128);
  for (let i = 0; i < used; i++) {
    const bits = min(<i32>load<u32>(spare + (i << 2)), limit);
    store<u16>(lengthCounts + (bits << 1), load<u16>(lengthCounts + (bits << 1)) + 1);
  }
  makeComplete(limit);
  // The rarest symbols have the longest codes.
  let at = 0;
  for (let bits = limit; bits > 0; bits--)
    for (let left = <i32>load<u16>(lengthCounts + (bits << 1)); left > 0; left--)
      store<u8>(lengths + (load<u32>(sorted + (at++ << 2)) & 0xffff), <u8>bits);
}

/** Orders `sorted` by the eight bits from `shift` on, and keeps the order of equal ones. */
function sort(count: i32, shift: i32): void {
  memory.fill(buckets, 0, 4 * 256);
  for (let i = 0; i < count; i++) {
    const at = buckets + (((load<u32>(sorted + (i << 2)) >> shift) & 255) << 2);
    store<u32>(at, load<u32>(at) + 1);
  }
  let sum: u32 = 0;
  for (let at = buckets; at < buckets + 4 * 256; at += 4) {
    const size = load<u32>(at);
    store<u32>(at, sum);
    sum += size;
  }
  for (let i = 0; i < count; i++) {
    const value = load<u32>(sorted + (i << 2));
    const at = buckets + (((value >> shift) & 255) << 2);
    const place = load<u32>(at);
    store<u32>(at, place + 1);
    store<u32>(spare + (place << 2), value);
  }
  memory.copy(sorted, spare, count << 2);
}

@inline
function get(i: i32): i32 {
  return load<i32>(spare + (i << 2));
}
@inline
function set(i: i32, value: i32): void {
  store<i32>(spare + (i << 2), value);
}

/**
 * Huffman's tree in place (A. Moffat, J. Katajainen, "In-place calculation of minimum-redundancy codes", 1995): `spare`
 * has counts << 16 in ascending order, and then how deep each leaf lies.
 */
function depths(count: i32): void {
  for (let i = 0; i < count; i++) set(i, load<i32>(spare + (i << 2)) >>> 16);
  let leaf = 2;
  let root = 0;
  set(0, get(0) + get(1));
  for (let next = 1; next < count - 1; next++) {
    let sum = 0;
    for (let half = 0; half < 2; half++) {
      if (leaf >= count || (root < next && get(root) < get(leaf))) {
        sum += get(root);
        set(root++, next);
      } else sum += get(leaf++);
    }
    set(next, sum);
  }
  set(count - 2, 0);
  for (let next = count - 3; next >= 0; next--) set(next, get(get(next)) + 1);
  let available = 1;
  let depth = 0;
  let node = count - 2;
  let next = count - 1;
  while (available > 0) {
    let internal = 0;
    while (node >= 0 && get(node) == depth) {
      internal++;
      node--;
    }
    for (; available > internal; available--) set(next--, depth);
    available = 2 * internal;
    depth++;
  }
}

/** Makes codes of `limit` bits shorter ones' neighbours until all together fill the tree again. */
function makeComplete(limit: i32): void {
  let total = 0;
  for (let bits = 1; bits <= limit; bits++) total += (<i32>load<u16>(lengthCounts + (bits << 1))) << (limit - bits);
  for (; total > 1 << limit; total--) {
    add(limit, -1);
    for (let bits = limit - 1; bits > 0; bits--) {
      if (load<u16>(lengthCounts + (bits << 1)) == 0) continue;
      add(bits, -1);
      add(bits + 1, 2);
      break;
    }
  }
}

@inline
function add(bits: i32, more: i32): void {
  const at = lengthCounts + (bits << 1);
  store<u16>(at, load<u16>(at) + <u16>more);
}

/** The codes that go with lengths: first bit lowest, and the length << 24. */
export function assignCodes(lengths: usize, count: i32, codes: usize): void {
  memory.fill(lengthCounts, 0, 128);
  for (let symbol = 0; symbol < count; symbol++) add(load<u8>(lengths + symbol), 1);
  let code: i32 = 0;
  store<u16>(lengthCounts, 0);
  for (let bits = 1; bits <= MOST_BITS; bits++) {
    code = (code + <i32>load<u16>(lengthCounts + ((bits - 1) << 1))) << 1;
    store<u16>(nextCodes + (bits << 1), <u16>code);
  }
  for (let symbol = 0; symbol < count; symbol++) {
    const bits = <i32>load<u8>(lengths + symbol);
    if (bits == 0) {
      store<u32>(codes + (symbol << 2), 0);
      continue;
    }
    const at = nextCodes + (bits << 1);
    const next = <i32>load<u16>(at);
    store<u16>(at, <u16>(next + 1));
    store<u32>(codes + (symbol << 2), reversed(next, bits) | (bits << 24));
  }
}

@inline
function reversed(code: i32, bits: i32): i32 {
  let value = ((code & 0x5555) << 1) | ((code >> 1) & 0x5555);
  value = ((value & 0x3333) << 2) | ((value >> 2) & 0x3333);
  value = ((value & 0x0f0f) << 4) | ((value >> 4) & 0x0f0f);
  value = ((value & 0x00ff) << 8) | ((value >> 8) & 0x00ff);
  return value >> (16 - bits);
}
