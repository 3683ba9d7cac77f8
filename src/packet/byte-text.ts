import { Buffer } from "node:buffer";

const FIRST_BYTES = 64 * 1024;
const DIGIT_0 = 48;

/** UTF-8 text that is put together from bytes: no string is made of it unless somebody asks. */
export class ByteText {
  #bytes = Buffer.allocUnsafeSlow(FIRST_BYTES);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** What was written; good until more is. */
  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  /** What was written, as a string. `isAscii` where that is known. */
  text(isAscii: boolean): string {
    return this.#bytes.toString(isAscii ? "latin1" : "utf8", 0, this.#length);
  }

  clear(): void {
    this.#length = 0;
  }

  /** Makes room for so many bytes: the methods below, but `add`, need it and do not look. */
  reserve(bytes: number): void {
    const needed = this.#length + bytes;
    if (needed <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.#bytes.length));
    larger.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = larger;
  }

  /** Any text. */
  add(text: string): void {
    this.reserve(3 * text.length);
    this.#length += this.#bytes.write(text, this.#length, "utf8");
  }

  /** Bytes of UTF-8. */
  put(piece: Uint8Array): void {
    this.#bytes.set(piece, this.#length);
    this.#length += piece.length;
  }

  putByte(byte: number): void {
    this.#bytes[this.#length++] = byte;
  }

  /** A whole number from 0 to 2^32 - 1; at most 10 bytes. */
  putNumber(value: number): void {
    let digits = 1;
    for (let limit = 10; digits < 10 && value >= limit; limit *= 10) digits++;
    this.putDigits(value, digits);
  }

  /** The last so many digits of a number from 0 to 2^32 - 1. */
  putDigits(value: number, digits: number): void {
    const bytes = this.#bytes;
    const end = this.#length + digits;
    let left = value >>> 0;
    for (let at = end - 1; at >= this.#length; at--) {
      const rest = (left / 10) >>> 0;
      bytes[at] = DIGIT_0 + left - rest * 10;
      left = rest;
    }
    this.#length = end;
  }
}
