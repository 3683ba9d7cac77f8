/** Latest time that four-digit years can hold, in milliseconds. */
const MAX_MS = 253_402_300_799_999;
const MIN_MS = -62_167_219_200_000;

/**
 * A parser of decimal numbers counted since 1970-01-01 UTC in units of `unitMs` milliseconds, with an optional sign and
 * fraction. Microseconds are kept, finer digits are rounded. Times outside the years 0 to 9999 are refused, so that in
 * a list of formats `epoch_s` leaves milliseconds to `epoch_ms`.
 */
export function epochParser(unitMs: number): (text: string) => number {
  return (text) => {
    if (!isDecimal(text)) return NaN;
    const ms = Math.round(Number(text) * unitMs * 1000) / 1000;
    return ms <= MAX_MS && ms >= MIN_MS ? ms : NaN;
  };
}

/** Whether the text is an optional sign, digits, and perhaps a point and more digits. */
function isDecimal(text: string): boolean {
  let digits = 0;
  let points = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code >= 48 && code <= 57) digits++;
    else if (code === 46 && digits > 0 && points === 0) points = 1;
    else if (i > 0 || (code !== 45 && code !== 43)) return false;
  }
  return digits > 0 && text.charCodeAt(text.length - 1) !== 46;
}
