const QUOTE: u8 = 34;
const BACKSLASH: u8 = 92;

/** Copies in steps of 16 bytes, so up to 15 bytes behind the end are overwritten. Returns the end. */
export function copy(to: usize, from: usize, length: usize): usize {
  v128.store(to, v128.load(from));
  for (let at: usize = 16; at < length; at += 16) v128.store(to + at, v128.load(from + at));
  return to + length;
}

/** Which of 16 bytes JSON escapes in a string, as bits: quote, backslash, controls. */
export function escapable(from: usize): i32 {
  const bytes = v128.load(from);
  const quotes = i8x16.eq(bytes, i8x16.splat(QUOTE));
  const slashes = i8x16.eq(bytes, i8x16.splat(BACKSLASH));
  const controls = i8x16.lt_u(bytes, i8x16.splat(32));
  return i8x16.bitmask(v128.or(v128.or(quotes, slashes), controls));
}

/** Writes text as the inside of a JSON string, as JSON.stringify does. Returns the end. */
export function writeEscaped(to: usize, from: usize, end: usize): usize {
  while (from < end) {
    const bytes = v128.load(from);
    v128.store(to, bytes);
    const found = escapable(from);
    const rest = end - from;
    const clean: usize = found == 0 ? 16 : ctz(found);
    if (clean >= rest) return to + rest;
    to += clean;
    from += clean;
    if (found != 0) to = writeEscape(to, load<u8>(from++));
  }
  return to;
}

function writeEscape(to: usize, byte: u8): usize {
  store<u8>(to, BACKSLASH);
  let short: u8 = 0;
  if (byte == QUOTE || byte == BACKSLASH) short = byte;
  else if (byte == 8) short = 98;
  else if (byte == 9) short = 116;
  else if (byte == 10) short = 110;
  else if (byte == 12) short = 102;
  else if (byte == 13) short = 114;
  if (short != 0) {
    store<u8>(to + 1, short);
    return to + 2;
  }
  store<u32>(to + 1, 0x30303075); // u000
  const low = byte & 15;
  store<u8>(to + 4, 48 + (byte >> 4));
  store<u8>(to + 5, low < 10 ? 48 + low : 87 + low);
  return to + 6;
}

/** Writes an integer below 10^16 as decimal digits. Returns their end. */
export function writeInteger(to: usize, value: u64): usize {
  let length: usize = 1;
  for (let rest = value; rest >= 10; rest /= 10) length++;
  for (let at = to + length - 1; at >= to; at--) {
    const rest = value / 10;
    store<u8>(at, <u8>(48 + (value - rest * 10)));
    value = rest;
  }
  return to + length;
}

export function same(a: usize, b: usize, length: usize): bool {
  for (let at: usize = 0; at < length; at += 16) {
    const equal = i8x16.bitmask(i8x16.eq(v128.load(a + at), v128.load(b + at)));
    const rest = <i32>(length - at);
    const wanted = rest >= 16 ? 0xffff : (1 << rest) - 1;
    if ((equal & wanted) != wanted) return false;
  }
  return true;
}

/** Whether there is such a byte between. */
export function has(byte: u8, from: usize, end: usize): bool {
  for (; from < end; from += 16) {
    const found = i8x16.bitmask(i8x16.eq(v128.load(from), i8x16.splat(byte)));
    if (found != 0) return from + ctz(found) < end;
  }
  return false;
}

/** The first place of a byte, or the end. */
export function placeOf(byte: u8, from: usize, end: usize): usize {
  for (; from < end; from += 16) {
    const found = i8x16.bitmask(i8x16.eq(v128.load(from), i8x16.splat(byte)));
    if (found != 0) return min(from + ctz(found), end);
  }
  return end;
}

/** White space of ASCII. */
export function isSpace(byte: u8): bool {
  return byte == 32 || (byte >= 9 && byte <= 13);
}

/** Hash of a key, good enough to tell the keys of one object apart; equal keys have equal hashes. */
export function hashOf(key: usize, length: usize): u32 {
  let low: u64;
  let high: u64 = 0;
  if (length >= 8) {
    low = load<u64>(key);
    high = load<u64>(key + length - 8);
    for (let at: usize = 8; at + 8 < length; at += 8) low = (low ^ load<u64>(key + at)) * 0x9e3779b97f4a7c15;
  } else {
    const bits: u64 = length * 8;
    const one: u64 = 1;
    low = load<u64>(key) & ((one << bits) - 1);
  }
  const mixed = (low ^ (high * 0xc2b2ae3d27d4eb4f) ^ (<u64>length)) * 0x9e3779b97f4a7c15;
  return <u32>(mixed >> 32);
}

/** codec/ip.ts isIpv4. */
export function isIpv4(from: usize, end: usize): bool {
  const length = end - from;
  if (length < 7 || length > 15) return false;
  let dots = 0;
  let value: u32 = 0;
  let digits = 0;
  for (let at = from; at < end; at++) {
    const byte = load<u8>(at);
    if (byte == 46) {
      if (digits == 0 || ++dots > 3) return false;
      value = 0;
      digits = 0;
    } else {
      const digit = <u32>byte - 48;
      if (digit > 9 || (digits > 0 && value == 0)) return false;
      value = value * 10 + digit;
      digits++;
      if (value > 255) return false;
    }
  }
  return dots == 3 && digits > 0;
}

/** codec/ip.ts isIpv6. */
export function isIpv6(from: usize, end: usize): bool {
  const length = end - from;
  if (length < 2 || length > 45) return false;
  let groups = 0;
  let digits = 0;
  let isShortened = false;
  for (let at = from; at < end; at++) {
    const byte = load<u8>(at);
    if (byte == 58) {
      const isDouble = at + 1 < end && load<u8>(at + 1) == 58;
      if (isDouble) {
        if (isShortened) return false;
        isShortened = true;
        at++;
      } else if (digits == 0 || at + 1 == end) return false;
      digits = 0;
    } else if (<u32>byte - 48 <= 9 || ((<u32>byte) | 32) - 97 <= 5) {
      if (digits == 0) groups++;
      if (++digits > 4) return false;
    } else if (byte == 46 && digits > 0) {
      if (!isIpv4(at - digits, end)) return false;
      groups++;
      break;
    } else return false;
  }
  return isShortened ? groups <= 7 : groups == 8;
}
