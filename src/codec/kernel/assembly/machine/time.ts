import { caches, giveUp } from "./memory";
import { same } from "./text";

// Times are read by JavaScript, whatever their format (codec/time), and most lines share all but their last digits
// with the line before. So each place of use remembers one text, cut in three: what stands before some digits, the
// digits, and what stands behind; and how the time grows with the number that the digits are. JavaScript finds that
// out by reading a few such texts (../../time-cache.ts), and fills the cache.
//
//   0 f64 time of the text with digits 0, in ms    8 i32 microseconds for each step of the number
//  12 i32 the number's limit                      16 i32 bytes before   20 digits   24 bytes behind
//  32 what stands before, 128 bytes              160 what stands behind, 64 bytes

/** Reads the text as a time by reader `index`, fills its cache, and returns milliseconds since the epoch, or NaN. */
declare function readTime(index: i32, from: usize, length: i32): f64;

/** Milliseconds since the epoch; gives the line up where it is no time. */
export function parseTime(index: i32, from: usize, end: usize): f64 {
  const cache = caches + (index << 8);
  const before = load<i32>(cache + 16);
  const digits = load<i32>(cache + 20);
  const behind = load<i32>(cache + 24);
  const length = <i32>(end - from);
  if (
    length == before + digits + behind &&
    length > 0 &&
    same(from, cache + 32, before) &&
    (behind == 0 || same(end - behind, cache + 160, behind))
  ) {
    let number = 0;
    let at = from + before;
    const last = at + digits;
    for (; at < last; at++) {
      const digit = <i32>load<u8>(at) - 48;
      if (<u32>digit > 9) break;
      number = number * 10 + digit;
    }
    if (at == last && number < load<i32>(cache + 12)) {
      const base = load<f64>(cache);
      const micros = number * load<i32>(cache + 8);
      return micros % 1000 == 0 ? base + <f64>(micros / 1000) : (base * 1000 + <f64>micros) / 1000;
    }
  }
  const time = readTime(index, from, length);
  if (time != time) giveUp();
  return time;
}

/** The last second that was written, and its text up to the point. */
let lastSecond: f64 = NaN;
const lastText: usize = memory.data(32, 16);

/** Writes `2026-11-21T09:56:26.285Z`, or six digits of the second where there are microseconds, as core/time.ts does. */
export function writeIsoTime(to: usize, timeMs: f64): usize {
  const second = Math.floor(timeMs / 1000);
  if (second != lastSecond) {
    if (!(second >= -62167219200 && second <= 253402300799)) {
      giveUp();
      return to;
    }
    lastSecond = second;
    writeSecond(<i64>second);
  }
  v128.store(to, v128.load(lastText));
  store<u32>(to + 16, load<u32>(lastText + 16));
  const ms = timeMs - second * 1000;
  const whole = <i32>ms;
  if (<f64>whole == ms) {
    store<u8>(to + 20, <u8>(48 + whole / 100));
    store<u8>(to + 21, <u8>(48 + ((whole / 10) % 10)));
    store<u8>(to + 22, <u8>(48 + (whole % 10)));
    store<u8>(to + 23, 90);
    return to + 24;
  }
  let micros = min(<i32>Math.floor(ms * 1000 + 0.5), 999_999);
  for (let i = 5; i >= 0; i--) {
    store<u8>(to + 20 + i, <u8>(48 + (micros % 10)));
    micros /= 10;
  }
  store<u8>(to + 26, 90);
  return to + 27;
}

function writeSecond(second: i64): void {
  let days = second / 86400;
  let rest = <i32>(second % 86400);
  if (rest < 0) {
    rest += 86400;
    days--;
  }
  // Howard Hinnant, chrono-compatible low-level date algorithms: civil_from_days.
  const shifted = days + 719468;
  const era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
  const dayOfEra = <i32>(shifted - era * 146097);
  const yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146096) / 365;
  const dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100);
  const shiftedMonth = (5 * dayOfYear + 2) / 153;
  const day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1;
  const month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9;
  const year = yearOfEra + <i32>era * 400 + (month <= 2 ? 1 : 0);
  twoDigits(lastText, year / 100);
  twoDigits(lastText + 2, year % 100);
  store<u8>(lastText + 4, 45);
  twoDigits(lastText + 5, month);
  store<u8>(lastText + 7, 45);
  twoDigits(lastText + 8, day);
  store<u8>(lastText + 10, 84);
  twoDigits(lastText + 11, rest / 3600);
  store<u8>(lastText + 13, 58);
  twoDigits(lastText + 14, (rest / 60) % 60);
  store<u8>(lastText + 16, 58);
  twoDigits(lastText + 17, rest % 60);
  store<u8>(lastText + 19, 46);
}

function twoDigits(to: usize, value: i32): void {
  store<u8>(to, <u8>(48 + value / 10));
  store<u8>(to + 1, <u8>(48 + (value % 10)));
}
