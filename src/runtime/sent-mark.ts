/** The least and the most that a mark runs ahead of what was sent, in positions of the partition (bytes of a file). */
const MIN_STEP = 8 << 20;
const MAX_STEP = 256 << 20;

/**
 * Up to where the documents of one route may have been sent: a lease. A mark is on disk before anything beyond it is
 * sent, so that after a crash everything behind it is known never to have been sent, and everything before it that is
 * not settled can be looked up before it is sent once more.
 *
 * Whoever queues documents after a restart, from a source or from a journal, does so by `SinkRunner.enqueue`, which
 * compares with `inherited`. The partition must stay in the checkpoint as long as documents of it wait anywhere.
 *
 * So that this costs no write to disk a call, the mark runs ahead of what is sent, by about four times of what was sent
 * since it was last written: `Checkpoints` writes it along with the positions, and `isShort` asks for a write early.
 */
export class SentMark {
  /**
   * Documents at positions before this may have been sent by an earlier process, or through a sink object that is
   * gone. What this process sent since is known to the sink itself.
   */
  inherited: number;
  /** On disk: nothing at or behind this position may be sent. */
  #synced: number;
  #sentTo: number;
  /** `#sentTo` when the mark was written last. */
  #sentToAtWrite: number;
  #step = MIN_STEP;

  /** `mark` is what an earlier process left on disk; `begin` where this one begins to read, if it left nothing. */
  constructor(mark: number | undefined, begin: number) {
    this.inherited = mark ?? 0;
    this.#synced = mark ?? 0;
    this.#sentTo = this.#sentToAtWrite = begin;
  }

  /** Documents before `to` are about to be sent. When it returns false, the mark has to be written first. */
  sending(to: number): boolean {
    if (to > this.#sentTo) this.#sentTo = to;
    return to <= this.#synced;
  }

  /** The rest of the lease is small: a write now spares a wait later. */
  get isShort(): boolean {
    return this.#sentTo > this.#synced - this.#step / 2;
  }

  /** What to write. Once that is on disk, call `wrote` with it. Never less than before: calls are made meanwhile. */
  next(): number {
    const used = this.#sentTo - this.#sentToAtWrite;
    this.#sentToAtWrite = this.#sentTo;
    this.#step = Math.min(MAX_STEP, Math.max(MIN_STEP, 4 * used));
    return Math.max(this.#synced, this.inherited, this.#sentTo + this.#step);
  }

  wrote(mark: number): void {
    this.#synced = mark;
  }

  /** What to write when nothing is sent any more: exactly what may have been sent. */
  last(): number {
    return Math.max(this.inherited, this.#sentTo);
  }

  /** The sink object is gone: its successor knows nothing of what was sent through it. */
  inherit(): void {
    this.inherited = Math.max(this.inherited, this.#sentTo);
  }
}

/** The first index from `from` on, below `to`, whose offset is not before `position`; `to` when there is none. */
export function firstAtOrAfter(offsets: Float64Array, position: number, from: number, to: number): number {
  let low = from;
  let high = to;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (offsets[middle]! < position) low = middle + 1;
    else high = middle;
  }
  return low;
}
