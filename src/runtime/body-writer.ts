import { Buffer } from "node:buffer";
import type { EncodedBody, Encoding } from "../core/batch.ts";
import type { BufferPool } from "../core/buffer-pool.ts";

/** Text gathered before it is written: enough to make the call cheap, little enough to die young in the heap. */
export const CHUNK_CHARACTERS = 4 * 1024;

/**
 * Writes the documents of one batch, as text, into one pooled buffer as UTF-8, and notes where each ends in bytes.
 *
 * The caller gathers documents in a string of its own, says `end` after each with the string's length so far, and
 * hands the string over with `write` when it is longer than CHUNK_CHARACTERS and at the very end.
 */
export class BodyWriter {
  readonly #pool: BufferPool;
  /** Newlines in every document, or 0 where that differs (plain text). */
  readonly #newlines: number;
  #ends: Uint32Array;
  #buffer: Buffer;
  #bytes = 0;
  /** Documents that `end` was called for, and the first of them that is not written yet. */
  #ended = 0;
  #first = 0;

  /** `ends` is where it notes the ends of documents, from the second entry on, while they fit. */
  constructor(pool: BufferPool, encoding: Encoding, ends: Uint32Array, estimatedBytes: number) {
    this.#pool = pool;
    this.#newlines = encoding.kind === "json" ? (encoding.before + (encoding.after ?? "")).split("\n").length : 0;
    this.#ends = ends;
    ends[0] = 0;
    this.#buffer = pool.take(estimatedBytes);
  }

  /** A document ends here: `characters` of text were gathered since the last `write`. */
  end(characters: number): void {
    if (++this.#ended >= this.#ends.length) this.#makeRoom(this.#ended);
    this.#ends[this.#ended] = this.#bytes + characters;
  }

  write(text: string): void {
    if (this.#bytes + text.length * 3 > this.#buffer.length) this.#grow(text.length * 3);
    const written = this.#buffer.write(text, this.#bytes);
    // As many bytes as characters: every character took one, and the ends noted in characters are right.
    if (written !== text.length) this.#correct(text, this.#bytes + written);
    this.#bytes += written;
    this.#first = this.#ended;
  }

  /** Bytes written so far. */
  get byteLength(): number {
    return this.#bytes;
  }

  /** Documents that are bytes already, behind what was written. `ends` counts from the beginning of the body. */
  append(bytes: Uint8Array, ends: Int32Array): void {
    if (this.#bytes + bytes.length > this.#buffer.length) this.#grow(bytes.length);
    this.#buffer.set(bytes, this.#bytes);
    if (this.#ended + ends.length >= this.#ends.length) this.#makeRoom(this.#ended + ends.length);
    this.#ends.set(ends, this.#ended + 1);
    this.#bytes += bytes.length;
    this.#ended += ends.length;
    this.#first = this.#ended;
  }

  finish(): EncodedBody {
    return { bytes: this.#buffer.subarray(0, this.#bytes), offsets: this.#ends.subarray(0, this.#ended + 1) };
  }

  /** The whole buffer behind `finish().bytes`, to give back. */
  get buffer(): Buffer {
    return this.#buffer;
  }

  #correct(text: string, endBytes: number): void {
    if (this.#newlines > 0) {
      // JSON has no newlines inside, so each document has the same number: they are found in the bytes.
      const bytes = this.#buffer.subarray(0, endBytes);
      let at = this.#bytes;
      for (let i = this.#first + 1; i <= this.#ended; i++) {
        for (let k = 0; k < this.#newlines; k++) at = bytes.indexOf(10, at) + 1;
        this.#ends[i] = at;
      }
      return;
    }
    let from = 0;
    let at = this.#bytes;
    const base = this.#bytes;
    for (let i = this.#first + 1; i <= this.#ended; i++) {
      const to = this.#ends[i]! - base;
      at += Buffer.byteLength(text.slice(from, to));
      this.#ends[i] = at;
      from = to;
    }
  }

  #makeRoom(count: number): void {
    const larger = new Uint32Array(count * 2 + 1);
    larger.set(this.#ends);
    this.#ends = larger;
  }

  #grow(moreBytes: number): void {
    const larger = this.#pool.take(Math.max(this.#bytes + moreBytes, this.#buffer.length * 2));
    this.#buffer.copy(larger, 0, 0, this.#bytes);
    this.#pool.give(this.#buffer);
    this.#buffer = larger;
  }
}
