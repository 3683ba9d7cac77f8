import assert from "node:assert/strict";
import { test } from "node:test";
import { LagMeter } from "../../../src/runtime/lag-meter.ts";

test("the ETA follows from how fast the backlog shrank lately, growth of the input included", () => {
  const meter = new LagMeter(0);
  // 1,000 bytes a second are delivered, 200 are added.
  for (let s = 0; s <= 60; s++) meter.observe(s * 1000, s * 1000, 100_000 + s * 200);
  const [delivered, size] = [60_000, 112_000];
  assert.deepEqual(meter.rates(60_000, delivered, size), {
    ...{ deliveredBytesPerSecond: 1000, grownBytesPerSecond: 200 },
  });
  const eta = meter.etaSeconds(60_000, delivered, size)!;
  const real = (size - delivered) / 800;
  assert.ok(Math.abs(eta - real) <= real / 10, `${eta} is about ${real}`);
  assert.equal(meter.lagMs(60_000), 60_000);
});

test("a change of the rate shows within the window, and a backlog that does not shrink has no ETA", () => {
  const meter = new LagMeter(0);
  for (let s = 0; s <= 30; s++) meter.observe(s * 1000, s * 1000, 1_000_000);
  for (let s = 31; s <= 60; s++) meter.observe(s * 1000, 30_000 + (s - 30) * 5000, 1_000_000);
  const delivered = 180_000;
  const eta = meter.etaSeconds(60_000, delivered, 1_000_000)!;
  assert.ok(Math.abs(eta - 164) < 17, `${eta}`);
  for (let s = 61; s <= 90; s++) meter.observe(s * 1000, delivered, 1_000_000);
  assert.equal(meter.etaSeconds(90_000, delivered, 1_000_000), undefined);
  assert.equal(meter.etaSeconds(90_000, 1_000_000, 1_000_000), 0);
});

test("nothing is said before there is something to go by", () => {
  const meter = new LagMeter(0);
  meter.observe(0, 0, 1000);
  assert.equal(meter.rates(100, 10, 1000), undefined);
  assert.equal(meter.etaSeconds(100, 10, 1000), undefined);
});

test("looking often does not shorten what the rate is made of", () => {
  const meter = new LagMeter(0);
  for (let ms = 0; ms <= 60_000; ms += 10) meter.observe(ms, ms, 1_000_000);
  const { deliveredBytesPerSecond } = meter.rates(60_000, 60_000, 1_000_000)!;
  assert.ok(Math.abs(deliveredBytesPerSecond - 1000) < 1, `${deliveredBytesPerSecond}`);
});
