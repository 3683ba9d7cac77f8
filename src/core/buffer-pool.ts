/**
 * Buffers used again and again. Fresh large ones cost more than what is done with them: the kernel zeroes every page
 * on first touch (bench/README.md); small ones keep the collector busy, which looks for those that nobody needs. Sizes are
 * powers of two from 4 to 32 KiB, and sixteen to each doubling beyond. Of what is given back beyond `maxFreeBytes` the large one is
 * let go that nobody took for the longest time: the sizes that are asked for change, and others would fill the pool.
 */
export class BufferPool {
  /** Buffers of the small sizes: of SMALLEST_BYTES in the first list, of twice as much in each of the next. */
  readonly #small: Buffer[][] = [];
  /** The others, smallest first, and when each was given back, in the same order. */
  readonly #large: Buffer[] = [];
  readonly #givenAt: number[] = [];
  #gives = 0;
  readonly #maxFreeBytes: () => number;
  #freeBytes = 0;

  /** `maxFreeBytes` may change. */
  constructor(maxFreeBytes: number | (() => number)) {
    this.#maxFreeBytes = typeof maxFreeBytes === "number" ? () => maxFreeBytes : maxFreeBytes;
    for (let i = 0; i < SMALL_SIZES; i++) this.#small.push([]);
  }

  /** A buffer of at least `minBytes`, with arbitrary contents. */
  take(minBytes: number): Buffer {
    const found = this.#find(minBytes);
    if (found === undefined) return Buffer.allocUnsafeSlow(sizeFor(minBytes));
    this.#freeBytes -= found.length;
    return found;
  }

  #find(minBytes: number): Buffer | undefined {
    const small = this.#small[smallIndex(minBytes)];
    if (small !== undefined) return small.pop();
    const index = this.#large.findIndex((buffer) => buffer.length >= minBytes);
    // One that is much too large would make the memory budget seem full.
    if (index < 0 || this.#large[index]!.length > minBytes * 2 + FITTING_BYTES) return undefined;
    return this.#remove(index);
  }

  #remove(index: number): Buffer {
    this.#givenAt.splice(index, 1);
    return this.#large.splice(index, 1)[0]!;
  }

  /** Gives back a buffer that came from `take`, whole (not a part of it). Nobody may use it any more. */
  give(buffer: Buffer): void {
    const small = this.#small[smallIndex(buffer.length)];
    if (small !== undefined) small.push(buffer);
    else {
      const found = this.#large.findIndex((other) => other.length >= buffer.length);
      const at = found < 0 ? this.#large.length : found;
      this.#large.splice(at, 0, buffer);
      this.#givenAt.splice(at, 0, this.#gives++);
    }
    this.#freeBytes += buffer.length;
    const maxFreeBytes = this.#maxFreeBytes();
    while (this.#freeBytes > maxFreeBytes) this.#freeBytes -= this.#letGo();
  }

  /** Lets go of one; returns its size. */
  #letGo(): number {
    if (this.#large.length > 0) return this.#remove(this.#givenAt.indexOf(Math.min(...this.#givenAt))).length;
    return this.#small.find((list) => list.length > 0)!.pop()!.length;
  }
}

/** Few lines: where they are rare each read is a batch of its own, and hundreds of them may wait. */
const SMALLEST_BYTES = 4 * 1024;
const SMALL_SIZES = 4;
/** One that is larger than asked by no more than that is not too large. */
const FITTING_BYTES = 64 * 1024;

function sizeFor(minBytes: number): number {
  const index = smallIndex(minBytes);
  if (index < SMALL_SIZES) return SMALLEST_BYTES << index;
  const stepBytes = 2 ** Math.floor(Math.log2(minBytes)) / 16;
  return Math.ceil(minBytes / stepBytes) * stepBytes;
}

/** Which of the small sizes is the least that holds so much; SMALL_SIZES or more where none does. */
function smallIndex(minBytes: number): number {
  return 32 - Math.clz32((Math.max(minBytes, 1) - 1) / SMALLEST_BYTES);
}
