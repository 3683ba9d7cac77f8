/** RFC 1035 section 2.3.4. */
const MAX_NAME_BYTES = 255;
/** A name of 255 bytes has at most 127 labels; more pointers than labels serve only to take time. */
const MAX_POINTERS = 128;

/**
 * Reads names of a DNS message (RFC 1035 section 4.1.4): labels, and pointers to names further ahead in the message. A
 * pointer must point before the name it is in, so every name ends. Results are in the fields.
 */
export class NameReader {
  /** Without a dot at its end; the root is `.`. Bytes that are no printable ASCII, dots and backslashes are escaped as in zone files. */
  name = "";
  /** Where the name's own bytes end. */
  end = 0;

  /** `from` to `to` is the message; the name begins at `at`. False: it is malformed. */
  read(bytes: Uint8Array, from: number, to: number, at: number): boolean {
    let name = "";
    let length = 0;
    let lowest = at;
    let pointers = 0;
    this.end = -1;
    for (;;) {
      if (at >= to) return false;
      const size = bytes[at]!;
      if (size >= 0xc0) {
        if (at + 1 >= to) return false;
        if (this.end < 0) this.end = at + 2;
        at = from + (((size & 0x3f) << 8) | bytes[at + 1]!);
        if (at >= lowest || ++pointers > MAX_POINTERS) return false;
        lowest = at;
        continue;
      }
      if (size > 63 || at + 1 + size > to) return false;
      if (size === 0) break;
      length += size + 1;
      if (length > MAX_NAME_BYTES) return false;
      if (name !== "") name += ".";
      name += label(bytes, at + 1, at + 1 + size);
      at += 1 + size;
    }
    if (this.end < 0) this.end = at + 1;
    this.name = name === "" ? "." : name;
    return true;
  }
}

/** RFC 4343 section 2.1. */
function label(bytes: Uint8Array, at: number, end: number): string {
  let text = "";
  for (; at < end; at++) {
    const byte = bytes[at]!;
    if (byte === 0x2e || byte === 0x5c) text += `\\${String.fromCharCode(byte)}`;
    else if (byte > 0x20 && byte < 0x7f) text += String.fromCharCode(byte);
    else text += `\\${String(byte).padStart(3, "0")}`;
  }
  return text;
}
