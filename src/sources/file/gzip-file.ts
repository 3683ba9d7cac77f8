import type { FileHandle } from "node:fs/promises";
import { createGunzip, type Gunzip } from "node:zlib";
import { errorMessage, systemErrorCode } from "../../core/error.ts";

/** What readers need of an open file. A FileHandle is one. */
export interface OpenFile {
  readonly fd: number;
  /** Reads at a position; fewer bytes than asked for may come, and none at the end. */
  read(buffer: Buffer, offset: number, length: number, position: number): Promise<{ bytesRead: number }>;
  /** Of the file on disk: for a compressed one, not of what it unpacks to. */
  stat(): Promise<{ readonly size: number; readonly nlink: number }>;
  close(): Promise<void>;
}

/** RFC 1952: the two bytes of its magic, and the only method there is (deflate). */
const MAGIC = Buffer.from([0x1f, 0x8b, 8]);
/**
 * Compressed bytes that are given to the decoder at a time. What it made of a piece in which it then meets damage it keeps
 * to itself: so that is given again in smaller pieces.
 */
const STEPS_BYTES = [64 << 10, 256, 1] as const;
const CHUNK_BYTES = 128 << 10;
/** Deflate cannot make more of a byte (zlib's "maximum compression factor"). */
const MAX_RATIO = 1032;

/** Whether these are the first bytes of a gzip file. */
export function isGzip(first: Buffer): boolean {
  return first.length >= MAGIC.length && first.subarray(0, MAGIC.length).equals(MAGIC);
}

/** Whether it has so few bytes that nobody can say yet: gzip makes its file before it writes to it. */
export function mayBecomeGzip(first: Buffer): boolean {
  return first.length < MAGIC.length && MAGIC.subarray(0, first.length).equals(first);
}

/**
 * What a gzip file (RFC 1952, of any number of members) unpacks to, read by position as if it were a plain file. It is
 * unpacked as a stream: going on where the last read began costs nothing again, going back unpacks from the beginning.
 * In memory is what the last read gave, and some 200 KiB.
 *
 * Damage is an end: reads give what is whole before it, and then nothing; `damage` says what is wrong. Errors of the
 * disk are thrown. Takes over the file and closes it.
 */
export class GzipFile implements OpenFile {
  readonly #file: FileHandle;
  readonly #compressedBytes: number;
  #gunzip: Gunzip | undefined;
  #inputAt = 0;
  /** Where each size of step begins to be used: where the decoder failed in a larger one. */
  #fineFrom = [0, Infinity, Infinity];
  /** Unpacked and perhaps still needed: chunks that follow each other, from `#start` up to `#end`. */
  #chunks: Buffer[] = [];
  #start = 0;
  #end = 0;
  #isAtEnd = false;
  #sizeFromTrailer = 0;
  #damage: string | undefined;
  /** Reads come one after another. */
  #queue: Promise<unknown> = Promise.resolve();

  private constructor(file: FileHandle, compressedBytes: number) {
    this.#file = file;
    this.#compressedBytes = compressedBytes;
  }

  static async open(file: FileHandle): Promise<GzipFile> {
    const { size } = await file.stat();
    const gzip = new GzipFile(file, size);
    const trailer = Buffer.alloc(4);
    if (size >= 18 && (await file.read(trailer, 0, 4, size - 4)).bytesRead === 4) {
      const length = trailer.readUInt32LE(0);
      if (length <= size * MAX_RATIO) gzip.#sizeFromTrailer = length;
    }
    return gzip;
  }

  get fd(): number {
    return this.#file.fd;
  }

  /** What is wrong with the file, once that was met: everything before it was read. */
  get damage(): string | undefined {
    return this.#damage;
  }

  /** How many bytes it unpacks to: exact after a read came to the end, before that what the file itself says. */
  get unpackedBytes(): number {
    return this.#isAtEnd ? this.#end : Math.max(this.#end, this.#sizeFromTrailer);
  }

  read(buffer: Buffer, offset: number, length: number, position: number): Promise<{ bytesRead: number }> {
    const reading = this.#queue.then(() => this.#read(buffer, offset, length, position));
    this.#queue = reading.catch(() => undefined);
    return reading;
  }

  stat(): Promise<{ readonly size: number; readonly nlink: number }> {
    return this.#file.stat();
  }

  async close(): Promise<void> {
    await this.#queue;
    this.#gunzip?.destroy();
    await this.#file.close();
  }

  async #read(buffer: Buffer, offset: number, length: number, position: number): Promise<{ bytesRead: number }> {
    if (position < this.#start) this.#rewind();
    this.#forget(position);
    while (this.#end < position + length && !this.#isAtEnd) {
      await this.#unpack();
      this.#forget(position);
    }
    let bytesRead = 0;
    let at = this.#start;
    for (const chunk of this.#chunks) {
      const from = Math.max(0, position - at);
      if (from < chunk.length && bytesRead < length)
        bytesRead += chunk.copy(buffer, offset + bytesRead, from, Math.min(chunk.length, from + length - bytesRead));
      at += chunk.length;
    }
    return { bytesRead };
  }

  #rewind(): void {
    this.#gunzip?.destroy();
    this.#gunzip = undefined;
    this.#inputAt = 0;
    this.#chunks = [];
    this.#start = this.#end = 0;
    this.#isAtEnd = false;
  }

  /** Lets go of what lies before a position. */
  #forget(position: number): void {
    while (this.#chunks.length > 0 && this.#start + this.#chunks[0]!.length <= position)
      this.#start += this.#chunks.shift()!.length;
  }

  /** Unpacks the next stretch. */
  async #unpack(): Promise<void> {
    const gunzip = (this.#gunzip ??= newDecoder());
    let level = 2;
    while (this.#inputAt < this.#fineFrom[level]!) level--;
    const step = Math.min(STEPS_BYTES[level]!, (this.#fineFrom[level + 1] ?? Infinity) - this.#inputAt);
    // Of its own for each step: the decoder works on it in another thread.
    const input = Buffer.allocUnsafe(step);
    const { bytesRead } = await this.#file.read(input, 0, step, this.#inputAt);
    try {
      if (bytesRead > 0) await this.#give(gunzip, input.subarray(0, bytesRead));
      else await this.#give(gunzip, undefined);
      this.#inputAt += bytesRead;
      // Padding after the last member ends it too.
      if (gunzip.readableEnded) this.#isAtEnd = true;
    } catch (error) {
      if (!isDamage(error)) throw error;
      gunzip.destroy();
      if (level === 2 || bytesRead === 0) {
        this.#damage = `${errorMessage(error)} at byte ${this.#inputAt} of ${this.#compressedBytes}`;
        this.#isAtEnd = true;
        return;
      }
      this.#fineFrom[level + 1] = this.#inputAt;
      this.#rewind();
    }
  }

  /** Gives the decoder a piece, or tells it that there is none, and takes all that it makes of it. */
  #give(gunzip: Gunzip, input: Buffer | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const take = (): void => {
        for (let chunk: Buffer | null; (chunk = gunzip.read() as Buffer | null) !== null;) {
          this.#chunks.push(chunk);
          this.#end += chunk.length;
        }
      };
      const finish = (error?: Error | null): void => {
        gunzip.off("readable", take);
        gunzip.off("error", finish);
        gunzip.off("end", finish);
        if (error instanceof Error) return reject(error);
        take();
        resolve();
      };
      gunzip.on("readable", take);
      gunzip.on("error", finish);
      gunzip.on("end", finish);
      if (input === undefined) {
        gunzip.end();
        take();
      } else gunzip.write(input, finish);
    });
  }
}

function newDecoder(): Gunzip {
  const gunzip = createGunzip({ chunkSize: CHUNK_BYTES });
  // Who waits is told too; without this an error that comes when nobody waits would end the process.
  gunzip.on("error", () => undefined);
  return gunzip;
}

/** Whether the decoder says that its input is none, rather than the system that it cannot be read. */
function isDamage(error: unknown): boolean {
  return systemErrorCode(error)?.startsWith("Z_") ?? false;
}
