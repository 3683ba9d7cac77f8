/** Those who wait until something may have changed: all are woken together, and look for themselves. */
export class Waiters {
  #wake: (() => void)[] = [];

  get isEmpty(): boolean {
    return this.#wake.length === 0;
  }

  /** Resolves at the next `wake`, or when the signal aborts. */
  async wait(signal?: AbortSignal): Promise<void> {
    if (signal?.aborted === true) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        signal?.removeEventListener("abort", done);
        resolve();
      };
      signal?.addEventListener("abort", done);
      this.#wake.push(done);
    });
  }

  wake(): void {
    const waking = this.#wake;
    this.#wake = [];
    for (const wake of waking) wake();
  }
}
