import { createHash } from "node:crypto";

/**
 * A set of texts that keeps 48 bits of a hash of each: 16 bytes an entry, up to `maxEntries`. A text that was never
 * added is taken for one that was with a chance of 1 in 10^8 a million entries; beyond `maxEntries` texts are forgotten.
 */
export class KeySet {
  readonly #maxEntries: number;
  #table = new Float64Array(1024);
  #size = 0;

  constructor(maxEntries = 1 << 20) {
    this.#maxEntries = maxEntries;
  }

  get size(): number {
    return this.#size;
  }

  has(text: string): boolean {
    return this.#table[this.#slot(hashOf(text))] !== 0;
  }

  add(text: string): void {
    if (this.#size >= this.#maxEntries) this.clear();
    if (this.#size * 2 >= this.#table.length) this.#grow();
    const hash = hashOf(text);
    const slot = this.#slot(hash);
    if (this.#table[slot] !== 0) return;
    this.#table[slot] = hash;
    this.#size++;
  }

  clear(): void {
    this.#table = new Float64Array(1024);
    this.#size = 0;
  }

  #slot(hash: number): number {
    const mask = this.#table.length - 1;
    let slot = hash % this.#table.length;
    while (this.#table[slot] !== 0 && this.#table[slot] !== hash) slot = (slot + 1) & mask;
    return slot;
  }

  #grow(): void {
    const old = this.#table;
    this.#table = new Float64Array(old.length * 2);
    for (const hash of old) if (hash !== 0) this.#table[this.#slot(hash)] = hash;
  }
}

/** Never 0: that is an empty place. */
function hashOf(text: string): number {
  return createHash("sha256").update(text).digest().readUIntBE(0, 6) || 1;
}
