import assert from "node:assert/strict";
import { test } from "node:test";
import { Spread, TapBudget } from "../../../../src/runtime/tap/budget.ts";
import { randomOf } from "../../../support/traffic.ts";

function makeSpread(costMs: number) {
  let nowMs = 0;
  let workMs = 0;
  const failures: unknown[] = [];
  const budget = new TapBudget(() => nowMs);
  const spread = new Spread(
    budget,
    () => nowMs,
    randomOf(3),
    (error) => failures.push(error),
  );
  const look = (count: number): { seen: readonly number[]; skipped: number } => {
    let seen: readonly number[] = [];
    const skipped = spread.look(count, (indexes) => {
      seen = indexes;
      nowMs += costMs * indexes.length;
      workMs += costMs * indexes.length;
    });
    return { seen, skipped };
  };
  return { spread, look, failures, wait: (ms: number) => (nowMs += ms), share: () => workMs / nowMs };
}

test("everything is looked at while that takes little time", () => {
  const { look, wait } = makeSpread(0.01);
  for (let i = 0; i < 100; i++) {
    const { seen, skipped } = look(20);
    assert.equal(skipped, 0);
    assert.deepEqual(
      seen,
      Array.from({ length: 20 }, (_, n) => n),
    );
    wait(100);
  }
});

test("a busy agent gives its taps 2 % of its time, and the rest is skipped and counted", () => {
  const { look, wait, share } = makeSpread(0.05);
  let looked = 0;
  let skippedAll = 0;
  for (let i = 0; i < 20_000; i++) {
    const { seen, skipped } = look(1000);
    looked += seen.length;
    skippedAll += skipped;
    wait(1);
  }
  assert.equal(looked + skippedAll, 20_000_000);
  assert.ok(share() > 0.015 && share() < 0.022, String(share()));
});

test("one piece of work that takes long is paid back before the next", () => {
  const { look, wait } = makeSpread(50);
  assert.equal(look(5).seen.length > 0, true);
  wait(500);
  assert.equal(look(5).seen.length, 0);
  wait(20_000);
  assert.equal(look(5).seen.length, 1);
});

test("what is chosen is spread over all that came", () => {
  const { look, wait } = makeSpread(0.5);
  const chosen: number[] = [];
  for (let i = 0; i < 400; i++) {
    chosen.push(...look(1000).seen);
    wait(100);
  }
  const halves = chosen.filter((n) => n < 500).length / chosen.length;
  assert.ok(halves > 0.4 && halves < 0.6, String(halves));
  assert.ok(Math.max(...chosen) < 1000);
});

test("a tap that throws is reported and harms nobody", () => {
  const { spread, failures } = makeSpread(0);
  spread.look(3, () => {
    throw new TypeError("x");
  });
  assert.equal(failures.length, 1);
});
