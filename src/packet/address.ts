const HEX: readonly string[] = Array.from({ length: 256 }, (_, value) => value.toString(16).padStart(2, "0"));

/** A word of 32 bits as 8 hexadecimal digits. */
export function formatHex(word: number): string {
  return HEX[word >>> 24]! + HEX[(word >>> 16) & 255]! + HEX[(word >>> 8) & 255]! + HEX[word & 255]!;
}

/** Four bytes as `192.0.2.1`. */
export function formatIp4(bytes: Uint8Array, at: number): string {
  return `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`;
}

/** Sixteen bytes as RFC 5952 wants them: lower case, the longest run of zero groups (two at least) as `::`. */
export function formatIp6(bytes: Uint8Array, at: number): string {
  let bestAt = -1;
  let bestLength = 1;
  let runAt = 0;
  for (let group = 0; group <= 8; group++) {
    const isZero = group < 8 && bytes[at + 2 * group] === 0 && bytes[at + 2 * group + 1] === 0;
    if (isZero) continue;
    if (group - runAt > bestLength) {
      bestAt = runAt;
      bestLength = group - runAt;
    }
    runAt = group + 1;
  }
  let text = "";
  for (let group = 0; group < 8; group++) {
    if (group === bestAt) {
      text += "::";
      group += bestLength - 1;
      continue;
    }
    if (text !== "" && !text.endsWith(":")) text += ":";
    text += ((bytes[at + 2 * group]! << 8) | bytes[at + 2 * group + 1]!).toString(16);
  }
  return isMapped(bytes, at) ? `::ffff:${formatIp4(bytes, at + 12)}` : text;
}

/** RFC 5952 section 5: IPv4-mapped addresses end in dotted decimal. */
function isMapped(bytes: Uint8Array, at: number): boolean {
  for (let i = 0; i < 10; i++) if (bytes[at + i] !== 0) return false;
  return bytes[at + 10] === 0xff && bytes[at + 11] === 0xff;
}

const UPPER_HEX: readonly string[] = HEX.map((text) => text.toUpperCase());

/** Six bytes as ECS wants them (RFC 7042): `00-00-5E-00-53-23`. */
export function formatMac(bytes: Uint8Array, at: number): string {
  let text = UPPER_HEX[bytes[at]!]!;
  for (let i = 1; i < 6; i++) text += "-" + UPPER_HEX[bytes[at + i]!]!;
  return text;
}
