import { WiretailError } from "../../../core/error.ts";

/*
 * What the capture service sends over its socket: frames, the numbers little-endian.
 *
 *      0 kind u8 | 1 length u32 | 5 payload…
 *
 * kind 0: bytes of the capture; 1: a line that the capturing program wrote to standard error; 2: how it ended, as JSON
 * (nothing follows). The agent sends one line of JSON first, the request, and then a byte `c` to have the counts told;
 * it ends the capture by ending its side.
 */
export const FRAME = { capture: 0, line: 1, end: 2 } as const;
const HEADER_BYTES = 5;
/** More than a service ever sends at a time: what it reads from a pipe at once. */
const MAX_FRAME_BYTES = 1024 * 1024;

/** The header that goes before a payload. */
export function frameHeader(kind: number, length: number): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header[0] = kind;
  header.writeUInt32LE(length, 1);
  return header;
}

/** Frames out of chunks of any size. Payloads are parts of the chunks where they are whole in one. */
export class FrameReader {
  /** Bytes of a frame that is not whole yet. */
  #parts: Buffer[] = [];
  #length = 0;
  #wanted = HEADER_BYTES;

  /** Chunks must not be changed afterwards. Throws WT_SOURCE_FAILED where what comes are no frames. */
  *read(chunk: Buffer): Generator<{ readonly kind: number; readonly payload: Buffer }, void, undefined> {
    this.#parts.push(chunk);
    this.#length += chunk.length;
    if (this.#length < this.#wanted) return;
    let bytes = this.#parts.length === 1 ? chunk : Buffer.concat(this.#parts);
    this.#wanted = HEADER_BYTES;
    while (bytes.length >= HEADER_BYTES) {
      const length = bytes.readUInt32LE(1);
      if (length > MAX_FRAME_BYTES || bytes[0]! > FRAME.end)
        throw new WiretailError("WT_SOURCE_FAILED", "what the capture service sends is not understood");
      this.#wanted = HEADER_BYTES + length;
      if (bytes.length < this.#wanted) break;
      yield { kind: bytes[0]!, payload: bytes.subarray(HEADER_BYTES, this.#wanted) };
      bytes = bytes.subarray(this.#wanted);
      this.#wanted = HEADER_BYTES;
    }
    this.#parts = bytes.length === 0 ? [] : [bytes];
    this.#length = bytes.length;
  }
}
