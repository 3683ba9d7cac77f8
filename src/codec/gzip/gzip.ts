import { Buffer } from "node:buffer";
import { createGzip } from "node:zlib";
import { DeflateThreads, type Slot } from "./threads.ts";

/** Less is compressed by zlib in the thread pool: who sends little needs no thread for it. So is what comes while one starts. */
const LEAST_BYTES = 64 * 1024;
/** After a thread failed. */
const RETRY_MS = 60_000;

/** RFC 1952, section 2.3: deflate, no name, no time, of Unix. */
const HEADER = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]);
const TRAILER_BYTES = 8;

/** Zlib's pieces of output. Logs shrink to an eighth or so, and each piece costs a trip from the thread pool and back. */
const PLAIN_PIECES = 8;
const PLAIN_LEAST_PIECE_BYTES = 16 * 1024;

/** The process's threads. */
const threads = new DeflateThreads((error) => {
  notBeforeMs = error instanceof WebAssembly.CompileError ? Infinity : performance.now() + RETRY_MS;
  failure = error;
});
let notBeforeMs = 0;
/** Of a thread, not told yet. */
let failure: Error | undefined;

/**
 * The pieces, one behind the other, as gzip makes of them (RFC 1952). `level`: 1, quickest, to 9, smallest. Other threads do
 * the work, and the pieces must stay as they are until it is done. Where a thread could not be started or failed, zlib does it,
 * which takes twice as long; `failed` hears why, and after a minute it is tried again.
 */
export async function gzip(
  pieces: readonly Buffer[],
  level: number,
  failed: (error: Error) => void = () => undefined,
): Promise<Buffer> {
  const byteLength = pieces.reduce((sum, { length }) => sum + length, 0);
  const mayUse = byteLength >= LEAST_BYTES && performance.now() >= notBeforeMs;
  const slot = mayUse ? await threads.take()?.catch(() => undefined) : undefined;
  try {
    if (slot !== undefined) return await gzipIn(slot, pieces, byteLength, level);
  } catch (error) {
    failure ??= error as Error;
  } finally {
    if (slot !== undefined) threads.give(slot);
  }
  if (failure !== undefined) {
    failed(failure);
    failure = undefined;
  }
  return gzipPlain(pieces, byteLength, level);
}

/** What does not fit into the slot at once goes through it in parts. */
async function gzipIn(slot: Slot, pieces: readonly Buffer[], byteLength: number, level: number): Promise<Buffer> {
  const parts: Buffer[] = [HEADER];
  const reader = new PieceReader(pieces);
  let crc = 0;
  for (let left = byteLength; left > 0;) {
    const length = reader.fill(slot.input);
    left -= length;
    const result = await slot.deflate({ length, level, isLast: left === 0, crc });
    crc = result.crc;
    // The slot's memory is used again for the next.
    parts.push(left === 0 ? result.bytes : Buffer.from(result.bytes));
  }
  const trailer = Buffer.allocUnsafe(TRAILER_BYTES);
  trailer.writeUInt32LE(crc, 0);
  trailer.writeUInt32LE(byteLength % 2 ** 32, 4);
  return Buffer.concat([...parts, trailer]);
}

/** Bytes of pieces in turn. */
class PieceReader {
  readonly #pieces: readonly Buffer[];
  #piece = 0;
  #at = 0;

  constructor(pieces: readonly Buffer[]) {
    this.#pieces = pieces;
  }

  /** Copies the next bytes, as many as fit. Returns how many. */
  fill(target: Buffer): number {
    let filled = 0;
    while (this.#piece < this.#pieces.length && filled < target.length) {
      const piece = this.#pieces[this.#piece]!;
      const copied = piece.copy(target, filled, this.#at);
      filled += copied;
      this.#at += copied;
      if (this.#at < piece.length) break;
      this.#piece++;
      this.#at = 0;
    }
    return filled;
  }
}

async function gzipPlain(pieces: readonly Buffer[], byteLength: number, level: number): Promise<Buffer> {
  const chunkSize = Math.max(PLAIN_LEAST_PIECE_BYTES, Math.ceil(byteLength / PLAIN_PIECES));
  const stream = createGzip({ level, chunkSize });
  for (const piece of pieces) stream.write(piece);
  stream.end();
  return Buffer.concat((await stream.toArray()) as Buffer[]);
}
