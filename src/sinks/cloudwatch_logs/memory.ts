/**
 * What a sink has to remember of documents between two attempts. Bounded: it holds documents of failed calls only, and
 * gives up the oldest beyond `MAX_REMEMBERED`.
 */
export class DeliveryMemory {
  /** How many bytes of an oversized document were delivered, by event id: those are not sent again. */
  readonly #deliveredBytes = new Map<string, number>();
  readonly #unanswered = new Set<string>();

  deliveredBytes(id: string): number {
    return this.#deliveredBytes.size === 0 ? 0 : (this.#deliveredBytes.get(id) ?? 0);
  }

  setDeliveredBytes(id: string, bytes: number): void {
    this.#deliveredBytes.delete(id);
    this.#deliveredBytes.set(id, bytes);
    if (this.#deliveredBytes.size > MAX_REMEMBERED) this.#deliveredBytes.delete(firstOf(this.#deliveredBytes.keys()));
  }

  /** The document has its verdict: nothing of it will be sent again. */
  forget(id: string): void {
    this.#deliveredBytes.delete(id);
  }

  get hasPartial(): boolean {
    return this.#deliveredBytes.size > 0;
  }

  get hasUnanswered(): boolean {
    return this.#unanswered.size > 0;
  }

  /** The call with this document got no answer. */
  addUnanswered(id: string): void {
    this.#unanswered.add(id);
    if (this.#unanswered.size > MAX_REMEMBERED) this.#unanswered.delete(firstOf(this.#unanswered));
  }

  /** Whether the document was in a call without an answer; it is counted once. */
  takeUnanswered(id: string): boolean {
    return this.#unanswered.delete(id);
  }
}

const MAX_REMEMBERED = 100_000;

function firstOf(keys: Iterable<string>): string {
  for (const key of keys) return key;
  return "";
}
