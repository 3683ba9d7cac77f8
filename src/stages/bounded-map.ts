import { owned } from "./event-key.ts";

/** A map of texts that holds no more than `max`: then the one that was set first goes. */
export class BoundedMap<V> {
  readonly #max: number;
  readonly #entries = new Map<string, V>();
  /** Stands before the oldest: one made anew each time would go over all that were deleted since the map was resized. */
  #oldest = this.#entries.keys();

  constructor(max: number) {
    this.#max = max;
  }

  get(key: string): V | undefined {
    return this.#entries.get(key);
  }

  /** Sets what is not there, or sets it anew: it is then the newest. */
  set(key: string, value: V): void {
    if (!this.#entries.delete(key) && this.#entries.size >= this.#max) this.#drop();
    this.#entries.set(owned(key), value);
  }

  /** All of it, the oldest first. */
  entries(): [string, V][] {
    return [...this.#entries];
  }

  #drop(): void {
    let next = this.#oldest.next();
    if (next.done === true) {
      this.#oldest = this.#entries.keys();
      next = this.#oldest.next();
    }
    if (next.done !== true) this.#entries.delete(next.value);
  }
}
