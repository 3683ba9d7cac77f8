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

export interface OutboxOptions {
  /** The most that may be held. */
  readonly maxBytes: number;
  /** Told when somebody has to wait for room: sinks then send what they have instead of waiting for more. */
  readonly onFull: () => void;
  /**
   * Whether what is held is on its way mostly, and more could be: with little in memory calls to a server that is far
   * wait for each other. Never, by default.
   */
  readonly isShort?: () => boolean;
  /** Of the clock that is never set. */
  readonly nowMs?: () => number;
}

/** Up to this all of it is the budget from the beginning. */
const LEAST_BUDGET_BYTES = 32 << 20;
const BUDGET_STEPS = 16;
/** Nobody was short of memory for so long: the budget goes back by a step. */
const CALM_MS = 10_000;

/**
 * The encoded batches that wait for sinks, under one budget in bytes. Each batch is held once, however many sinks
 * want it; each sink has its own place in it (SinkQueue). Full means: sources wait (they read no further).
 *
 * Sources are faster than servers and fill whatever they are given, so at first the budget is half of the most, and it grows
 * when that is what holds up sinks (`isShort`), or for a source that cannot wait.
 *
 * The last eighth is for sinks that work while others, that are behind, hold the rest and cannot let go of it. So no more
 * than the budget is held, and one batch of each source beyond, whose size is known only when it is there.
 */
export class Outbox {
  readonly #options: OutboxOptions;
  readonly #leastBytes: number;
  #budgetBytes: number;
  /** When the budget was changed last. */
  #changedAtMs = -Infinity;
  #heldBytes = 0;
  readonly #entries = new Set<OutboxEntry>();
  readonly #waiters = new Waiters();
  /** Bytes held by sinks that are behind and cannot be let go of: the others get an eighth of the budget all the same. */
  pinnedBytes: () => number = () => 0;
  /** Bytes kept free of what sources read, for what is read back from the journal. */
  reservedBytes: () => number = () => 0;

  constructor(options: OutboxOptions) {
    this.#options = options;
    const { maxBytes } = options;
    this.#leastBytes = Math.min(maxBytes, Math.max(maxBytes / 2, LEAST_BUDGET_BYTES));
    this.#budgetBytes = this.#leastBytes;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }
  get isFull(): boolean {
    const eighth = this.#budgetBytes / 8;
    if (this.#heldBytes + this.reservedBytes() < 7 * eighth) return false;
    return this.#heldBytes >= this.pinnedBytes() + eighth;
  }
  /** The budget as it is now. */
  get budgetBytes(): number {
    return this.#budgetBytes;
  }
  get maxBytes(): number {
    return this.#options.maxBytes;
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

  /** Undefined when there is room for more; otherwise resolves when there is. Who cannot wait gets all that there is. */
  room(canWait = true): Promise<void> | undefined {
    if (!this.isFull) return undefined;
    this.#options.onFull();
    if (!this.isFull) return undefined;
    if (canWait) this.adjust();
    else this.#change(this.#options.maxBytes);
    return this.isFull ? this.#waiters.wait() : undefined;
  }

  /** To be called when it is full: a larger budget where that helps, a smaller one where it did not for a while. */
  adjust(): void {
    const { maxBytes, isShort } = this.#options;
    const stepBytes = maxBytes / BUDGET_STEPS;
    if (isShort?.() === true) this.#change(Math.min(maxBytes, this.#budgetBytes + stepBytes));
    else if (this.#nowMs() - this.#changedAtMs >= CALM_MS)
      this.#change(Math.max(this.#leastBytes, this.#budgetBytes - stepBytes));
  }

  #change(budgetBytes: number): void {
    this.#budgetBytes = budgetBytes;
    this.#changedAtMs = this.#nowMs();
  }

  #nowMs(): number {
    return this.#options.nowMs?.() ?? 0;
  }

  /** Lets everyone go on who waits for room, room or not: the agent stops. */
  wakeAll(): void {
    this.#waiters.wake();
  }

  /** Lets those go on who wait, if there is room now. */
  wake(): void {
    if (this.#waiters.isEmpty) return;
    if (this.isFull) this.adjust();
    if (!this.isFull) this.wakeAll();
  }
}
