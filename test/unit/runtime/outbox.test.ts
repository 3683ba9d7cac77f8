import assert from "node:assert/strict";
import { test } from "node:test";
import { Outbox, type OutboxEntry } from "../../../src/runtime/outbox.ts";
import { makeBatch } from "../../support/batches.ts";

const MIB = 1 << 20;

/** An outbox that is filled until somebody has to wait. */
class Filling {
  nowMs = 0;
  isShort = false;
  flushes = 0;
  readonly outbox: Outbox;
  readonly #entries: OutboxEntry[] = [];

  constructor(maxBytes: number) {
    this.outbox = new Outbox({
      maxBytes,
      onFull: () => this.flushes++,
      isShort: () => this.isShort,
      nowMs: () => this.nowMs,
    });
  }

  /** Adds until there is no room; resolves never, so the wait itself is given. */
  fill(canWait = true): Promise<void> {
    for (;;) {
      const batch = { ...makeBatch({ lines: ["x"] }), byteLength: MIB };
      this.#entries.push(this.outbox.add(batch, 1, () => undefined));
      const room = this.outbox.room(canWait);
      if (room !== undefined) return room;
    }
  }

  letGo(): void {
    this.#entries.shift()!.letGo();
  }

  get heldMebibytes(): number {
    return this.outbox.heldBytes / MIB;
  }
}

test("half of a large budget is used while more would not help, all of a small one", () => {
  for (const [maxBytes, held] of [
    [128 * MIB, 56],
    [64 * MIB, 28],
    [40 * MIB, 28],
    [16 * MIB, 14],
  ] as const) {
    const filling = new Filling(maxBytes);
    void filling.fill();
    assert.equal(filling.heldMebibytes, held, `${maxBytes}`);
  }
});

test("the budget grows to all of it when sinks are short of what could be under way, and goes back when they are not", () => {
  const filling = new Filling(64 * MIB);
  filling.isShort = true;
  void filling.fill();
  assert.equal(filling.heldMebibytes, 56);
  assert.equal(filling.outbox.budgetBytes, 64 * MIB);
  filling.isShort = false;
  const budgets: number[] = [];
  for (let second = 0; second < 100; second += 5) {
    filling.nowMs = second * 1_000;
    void filling.outbox.room();
    budgets.push(filling.outbox.budgetBytes / MIB);
  }
  assert.deepEqual(budgets.slice(0, 7), [64, 64, 60, 60, 56, 56, 52]);
  assert.equal(budgets.at(-1), 32);
});

test("who waits goes on when the budget grows, not only when something is let go of", async () => {
  const filling = new Filling(64 * MIB);
  const room = filling.fill();
  filling.isShort = true;
  // Still full by the budget as it was: 28 of 32 MiB.
  const held = filling.heldMebibytes;
  void filling.outbox.add({ ...makeBatch({ lines: ["x"] }), byteLength: MIB }, 1, () => undefined);
  filling.letGo();
  assert.equal(filling.heldMebibytes, held);
  await room;
  assert.equal(filling.outbox.budgetBytes, 36 * MIB);
});

test("a source that cannot wait gets all of the budget, and sinks are told first", () => {
  const filling = new Filling(64 * MIB);
  void filling.fill(false);
  assert.equal(filling.heldMebibytes, 56);
  assert.equal(filling.flushes, 2);
});
