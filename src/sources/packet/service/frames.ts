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
/** More than a service ever sends at a time. */
const MAX_FRAME_BYTES = 16 * 1024 * 1024;

/** The header that goes before a payload. */
export function frameHeader(kind: number, length: number): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header[0] = kind;
  header.writeUInt32LE(length, 1);
  return header;
}

/** Frames out of chunks of any size. Payloads are parts of the chunks where they are whole in one. */
export class FrameReader {
  #rest: Buffer = Buffer.alloc(0);

  /** Throws where what comes are no frames. */
  *read(chunk: Buffer): Generator<{ readonly kind: number; readonly payload: Buffer }, void, undefined> {
    let bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    while (bytes.length >= HEADER_BYTES) {
      const length = bytes.readUInt32LE(1);
      if (length > MAX_FRAME_BYTES || bytes[0]! > FRAME.end) throw new Error("what it sends is not understood");
      if (bytes.length < HEADER_BYTES + length) break;
      yield { kind: bytes[0]!, payload: bytes.subarray(HEADER_BYTES, HEADER_BYTES + length) };
      bytes = bytes.subarray(HEADER_BYTES + length);
    }
    this.#rest = Buffer.from(bytes);
  }
}
