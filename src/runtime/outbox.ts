import type { EncodedBatch } from "../core/batch.ts";
import { WiretailError } from "../core/error.ts";
import { Waiters } from "./waiters.ts";

/** A batch in memory, held until every sink of its pipeline has settled its part. */
export class OutboxEntry {
  #batch: EncodedBatch;
  /** Sinks that still need it. */
  holders: number;
  readonly #settled: (entry: OutboxEntry) => void;
  readonly #replaced: ((before: EncodedBatch, after: EncodedBatch) => void) | undefined;
  /** Whether any of it went to the dead letters. */
  rejected = false;
  /** A sink stopped before everything of it was settled. */
  abandoned = false;

  /** `replaced` is told what is kept instead of the batch; without it a batch is kept as it is. */
  constructor(
    batch: EncodedBatch,
    holders: number,
    settled: (entry: OutboxEntry) => void,
    replaced?: (before: EncodedBatch, after: EncodedBatch) => void,
  ) {
    this.#batch = batch;
    this.holders = holders;
    this.#settled = settled;
    this.#replaced = replaced;
  }

  get batch(): EncodedBatch {
    return this.#batch;
  }
  /** Only one needs it, and may keep less of it. */
  get isReplaceable(): boolean {
    return this.holders === 1 && this.#replaced !== undefined;
  }

  /**
   * Keeps another batch instead, which has all documents that are still needed. Only while `isReplaceable`; nobody may use the bytes of the one before any more.
   */
  replace(batch: EncodedBatch): void {
    const before = this.#batch;
    this.#batch = batch;
    this.#replaced?.(before, batch);
  }

  /** Dead letters of the batch that a stage made are still being written. */
  storing: Promise<void> | undefined;

  /** Somebody else needs its bytes, too, and will let go. Only while somebody has it. */
  hold(): void {
    this.#mustBeHeld();
    this.holders++;
  }

  /** One sink is done with it. */
  letGo(): void {
    this.#mustBeHeld();
    if (--this.holders === 0) this.#settled(this);
  }

  /** Its bytes belong to another batch by now: going on would mix them up. */
  #mustBeHeld(): void {
    if (this.holders <= 0) throw new WiretailError("WT_INTERNAL", "a batch is used that everybody has let go of");
  }

  /** One sink stops, and nobody will send it the rest. */
  abandon(): void {
    this.abandoned = true;
    this.letGo();
  }
}

/**
 * The encoded batches that wait for sinks, under one budget in bytes. Each batch is held once, however many sinks
 * want it; each sink has its own place in it (SinkQueue). Full means: sources wait (they read no further).
 *
 * The last eighth is for sinks that work while others, that are behind, hold the rest and cannot let go of it. So no more
 * than the budget is held, and one batch of each source beyond, whose size is known only when it is there.
 */
export class Outbox {
  readonly #budgetBytes: number;
  #heldBytes = 0;
  readonly #entries = new Set<OutboxEntry>();
  readonly #waiters = new Waiters();
  /** Bytes held by sinks that are behind and cannot be let go of: the others get an eighth of the budget all the same. */
  pinnedBytes: () => number = () => 0;
  /** Bytes kept free of what sources read, for what is read back from the journal. */
  reservedBytes: () => number = () => 0;
  /** Told when somebody has to wait for room: sinks then send what they have instead of waiting for more. */
  readonly #onFull: () => void;

  constructor(budgetBytes: number, onFull: () => void) {
    this.#budgetBytes = budgetBytes;
    this.#onFull = onFull;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }
  get isFull(): boolean {
    const eighth = this.#budgetBytes / 8;
    if (this.#heldBytes + this.reservedBytes() < 7 * eighth) return false;
    return this.#heldBytes >= this.pinnedBytes() + eighth;
  }
  get budgetBytes(): number {
    return this.#budgetBytes;
  }
  get isEmpty(): boolean {
    return this.#entries.size === 0;
  }

  /** Takes a batch for `holders` sinks (at least one). `settled` is called once all have let go. */
  add(batch: EncodedBatch, holders: number, settled: (entry: OutboxEntry) => void): OutboxEntry {
    this.#heldBytes += batch.byteLength;
    const end = (done: OutboxEntry): void => {
      this.#heldBytes -= done.batch.byteLength;
      this.#entries.delete(done);
      settled(done);
      done.batch.release?.();
      this.wake();
    };
    const replaced = (before: EncodedBatch, after: EncodedBatch): void => {
      this.#heldBytes += after.byteLength - before.byteLength;
      before.release?.();
      this.wake();
    };
    const entry = new OutboxEntry(batch, holders, end, replaced);
    this.#entries.add(entry);
    return entry;
  }

  /** Undefined when there is room for more; otherwise resolves when there is. */
  room(): Promise<void> | undefined {
    if (!this.isFull) return undefined;
    this.#onFull();
    if (!this.isFull) return undefined;
    return this.#waiters.wait();
  }

  /** Lets everyone go on who waits for room, room or not: the agent stops. */
  wakeAll(): void {
    this.#waiters.wake();
  }

  /** Lets those go on who wait, if there is room now. */
  wake(): void {
    if (!this.#waiters.isEmpty && !this.isFull) this.wakeAll();
  }
}
