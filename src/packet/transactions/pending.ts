/**
 * What was asked and is not answered yet, by a key that the answer has too. Bounded: the oldest question is given up for
 * one too many, and after a time of the capture. Questions are kept in the order in which they came.
 */
export class Pending<T extends { readonly start: { readonly ms: number } }> {
  readonly #waiting = new Map<string, T>();
  /** When those were answered that may be answered again. */
  readonly #answered = new Map<string, number>();
  readonly #most: number;
  readonly #timeoutMs: number;
  readonly #giveUp: (question: T, why: string) => void;
  evicted = 0;

  /** `giveUp` is called once for every question that `take` did not get. */
  constructor(most: number, timeoutMs: number, giveUp: (question: T, why: string) => void) {
    this.#most = most;
    this.#timeoutMs = timeoutMs;
    this.#giveUp = giveUp;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** The question with that key, or undefined. */
  get(key: string): T | undefined {
    return this.#waiting.get(key);
  }

  /** Removes the question with that key, for it was answered at that time, and returns it. */
  take(key: string, timeMs: number): T | undefined {
    const question = this.#waiting.get(key);
    if (question === undefined) return undefined;
    this.#waiting.delete(key);
    this.#answered.set(key, timeMs);
    return question;
  }

  /** Whether the question with that key was answered lately: this is the answer again, or that of another. */
  wasAnswered(key: string): boolean {
    return this.#answered.has(key);
  }

  /** A question that was not there before. */
  add(key: string, question: T): void {
    this.#answered.delete(key);
    this.#waiting.set(key, question);
    if (this.#waiting.size <= this.#most) return;
    for (const [oldKey, old] of this.#waiting) {
      this.#waiting.delete(oldKey);
      this.evicted++;
      this.#giveUp(old, "the answer was not waited for: too many open questions");
      return;
    }
  }

  /** Gives up what has waited too long by then. */
  expire(timeMs: number): void {
    for (const [key, answeredMs] of this.#answered) {
      if (timeMs - answeredMs <= this.#timeoutMs && this.#answered.size <= this.#most) break;
      this.#answered.delete(key);
    }
    for (const [key, question] of this.#waiting) {
      if (timeMs - question.start.ms <= this.#timeoutMs) return;
      this.#waiting.delete(key);
      this.#giveUp(question, `no answer within ${this.#timeoutMs / 1000} s`);
    }
  }

  /** The capture is over. */
  finish(): void {
    for (const question of this.#waiting.values()) this.#giveUp(question, "no answer before the capture ended");
    this.#waiting.clear();
  }
}
