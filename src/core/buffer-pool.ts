/**
 * Large buffers used again and again. Fresh ones cost more than what is done with them: the kernel zeroes every page
 * on first touch (bench/README.md). Sizes are multiples of SIZE_STEP; what is given back beyond `maxFreeBytes` is let
 * go, the least fitting first.
 */
export class BufferPool {
  /** Smallest first. */
  readonly #free: Buffer[] = [];
  readonly #maxFreeBytes: () => number;
  #freeBytes = 0;

  /** `maxFreeBytes` may change. */
  constructor(maxFreeBytes: number | (() => number)) {
    this.#maxFreeBytes = typeof maxFreeBytes === "number" ? () => maxFreeBytes : maxFreeBytes;
  }

  /** A buffer of at least `minBytes`, with arbitrary contents. */
  take(minBytes: number): Buffer {
    // One that is much too large would make the memory budget seem full.
    const index = this.#free.findIndex((buffer) => buffer.length >= minBytes);
    const found = index < 0 ? undefined : this.#free[index]!;
    if (found === undefined || found.length > minBytes * 2 + SIZE_STEP) {
      return Buffer.allocUnsafeSlow(Math.ceil(minBytes / SIZE_STEP) * SIZE_STEP);
    }
    this.#free.splice(index, 1);
    this.#freeBytes -= found.length;
    return found;
  }

  /** Gives back a buffer that came from `take`, whole (not a part of it). Nobody may use it any more. */
  give(buffer: Buffer): void {
    const at = this.#free.findIndex((other) => other.length >= buffer.length);
    this.#free.splice(at < 0 ? this.#free.length : at, 0, buffer);
    this.#freeBytes += buffer.length;
    const maxFreeBytes = this.#maxFreeBytes();
    while (this.#freeBytes > maxFreeBytes) this.#freeBytes -= this.#free.shift()!.length;
  }
}

const SIZE_STEP = 64 * 1024;
