import assert from "node:assert/strict";
import { test } from "node:test";
import { TapFlow, type TapFlowOptions } from "../../../../src/runtime/tap/flow.ts";
import { randomOf } from "../../../support/traffic.ts";

function makeFlow(options: Partial<TapFlowOptions> = {}) {
  let nowMs = 0;
  const flow = new TapFlow({
    ...{ maxPerSecond: 100, limit: Infinity, random: randomOf(7), nowMs: () => nowMs },
    ...options,
  });
  const frame = (from: number, to: number, canTake = true): string[] => {
    flow.pass(to - from);
    for (let i = from; i < to; i++) flow.match(() => String(i));
    nowMs += 100;
    const texts = flow.endFrame({ canTake });
    const { matched, shown, sampled, lost } = flow.counts;
    assert.equal(matched, shown + sampled + lost);
    return texts;
  };
  return { flow, frame };
}

test("what is below the rate is shown in full and in order", () => {
  const { flow, frame } = makeFlow();
  for (let second = 0; second < 5; second++) {
    assert.deepEqual(frame(second * 90, second * 90 + 90).length, 90);
    for (let quiet = 0; quiet < 9; quiet++) assert.deepEqual(frame(0, 0), []);
  }
  assert.deepEqual(flow.counts, { passed: 450, matched: 450, shown: 450, sampled: 0, lost: 0, skipped: 0 });
});

test("what is above the rate is sampled evenly, in order, and counted", () => {
  const { flow, frame } = makeFlow();
  const shown: number[] = [];
  for (let i = 0; i < 300; i++) {
    const texts = frame(0, 1000).map(Number);
    assert.deepEqual(
      texts,
      [...texts].sort((a, b) => a - b),
    );
    shown.push(...texts);
  }
  // 30 s: 100 a second, and what the first moment may have at once.
  assert.ok(shown.length >= 3000 && shown.length <= 3100, String(shown.length));
  assert.equal(flow.counts.matched, 300_000);
  const quarters = [0, 1, 2, 3].map((quarter) => shown.filter((n) => Math.floor(n / 250) === quarter).length);
  for (const quarter of quarters) assert.ok(Math.abs(quarter - shown.length / 4) < shown.length / 20, quarters.join());
});

test("what the reader cannot take is lost, is counted, and costs nothing later", () => {
  const { flow, frame } = makeFlow();
  assert.equal(frame(0, 10).length, 10);
  assert.deepEqual(frame(10, 20, false), []);
  assert.equal(frame(20, 30).length, 10);
  assert.deepEqual(flow.counts, { passed: 30, matched: 30, shown: 20, sampled: 0, lost: 10, skipped: 0 });
});

test("a frame of huge events is bounded, and what it cannot hold is lost", () => {
  const { flow } = makeFlow();
  let made = 0;
  for (let i = 0; i < 50; i++)
    flow.match(() => {
      made++;
      return "x".repeat(400_000);
    });
  const texts = flow.endFrame({ canTake: true });
  assert.equal(texts.length, 2);
  assert.deepEqual(
    { ...flow.counts, passed: 0 },
    { passed: 0, matched: 50, shown: 2, sampled: 0, lost: 48, skipped: 0 },
  );
  assert.ok(made <= 50);
});

test("a limit ends it, and what matched beyond it is sampled", () => {
  const { flow, frame } = makeFlow({ limit: 15 });
  assert.equal(frame(0, 10).length, 10);
  assert.equal(flow.isDone, false);
  assert.equal(frame(10, 20).length, 5);
  assert.equal(flow.isDone, true);
  assert.equal(flow.counts.sampled, 5);
});
