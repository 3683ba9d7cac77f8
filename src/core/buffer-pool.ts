/**
 * Large buffers used again and again. Fresh ones cost more than what is done with them: the kernel zeroes every page
 * on first touch (bench/README.md). Sizes are powers of two; what is given back beyond `maxFreeBytes` is let go.
 */
export class BufferPool {
  readonly #free = new Map<number, Buffer[]>();
  readonly #maxFreeBytes: number;
  #freeBytes = 0;

  constructor(maxFreeBytes: number) {
    this.#maxFreeBytes = maxFreeBytes;
  }

  /** A buffer of at least `minBytes`, with arbitrary contents. */
  take(minBytes: number): Buffer {
    let size = MIN_SIZE;
    while (size < minBytes) size *= 2;
    const buffer = this.#free.get(size)?.pop();
    if (buffer === undefined) return Buffer.allocUnsafeSlow(size);
    this.#freeBytes -= size;
    return buffer;
  }

  /** Gives back a buffer that came from `take`, whole (not a part of it). Nobody may use it any more. */
  give(buffer: Buffer): void {
    const size = buffer.length;
    if (this.#freeBytes + size > this.#maxFreeBytes) return;
    const list = this.#free.get(size);
    if (list === undefined) this.#free.set(size, [buffer]);
    else list.push(buffer);
    this.#freeBytes += size;
  }
}

const MIN_SIZE = 16 * 1024;
