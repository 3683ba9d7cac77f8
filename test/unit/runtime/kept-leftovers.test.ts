import assert from "node:assert/strict";
import { test } from "node:test";
import type { Verdict, WriteResult } from "../../../src/core/component.ts";
import { Outbox } from "../../../src/runtime/outbox.ts";
import { makeBatch } from "../../support/batches.ts";
import { ScriptedSink } from "../../support/scripted-sink.ts";
import { SinkRig } from "../../support/sink-rig.ts";

const BUSY: Verdict = { outcome: "retry", reason: "busy" };
const mixed = (verdicts: Record<number, Verdict>): WriteResult => ({
  outcome: "mixed",
  verdicts: new Map(Object.entries(verdicts).map(([index, verdict]) => [Number(index), verdict])),
});
const LINES = Array.from({ length: 100 }, (_, i) => `${i} ${"x".repeat(1000)}`);

test("documents that are put off one by one keep only their own bytes, and arrive as they were", async () => {
  const sink = new ScriptedSink([mixed({ 0: BUSY, 50: BUSY, 51: BUSY, 99: BUSY }), mixed({ 1: BUSY })], {
    maxEvents: 100,
  });
  const rig = new SinkRig(sink);
  rig.enqueue(LINES);
  const before = rig.outbox.heldBytes;
  await rig.settled();
  assert.equal(sink.calls.length, 1);
  assert.ok(rig.outbox.heldBytes > 0 && rig.outbox.heldBytes < before / 10, `${rig.outbox.heldBytes} of ${before}`);
  assert.equal(rig.done.length, 0);
  await rig.clock.advance(10_000);
  assert.deepEqual(
    sink.calls.map((call) => call.messages),
    [LINES, [LINES[0], LINES[50], LINES[51], LINES[99]], [LINES[50]]],
  );
  assert.deepEqual([rig.done.length, rig.outbox.heldBytes, rig.runner.queued], [1, 0, 0]);
  assert.equal(rig.progress.position, LINES.length * 100);
});

test("copies are byte for byte what was read, whatever the text, and their memory is used again", async () => {
  const texts = ["\u007f", "é\u007f", "日本語", "😀", "\u{10ffff}\u007f\u007f", "", "\u0000\ufeff", "x".repeat(7)];
  const lines = Array.from({ length: 400 }, (_, i) => `${i} ${texts[i % 8]!.repeat(i % 23)} ${"y".repeat(i % 9)}`);
  const again = Object.fromEntries(lines.flatMap((_, i) => (i % 5 === 0 || i % 7 === 1 ? [[i, BUSY]] : [])));
  const sink = new ScriptedSink([mixed(again)], { maxEvents: 400 });
  const rig = new SinkRig(sink);
  rig.enqueue(lines);
  await rig.settled();
  const copyBytes = rig.outbox.heldBytes;
  assert.equal(sink.calls.length, 1);
  await rig.clock.advance(10_000);
  assert.deepEqual(
    sink.calls[1]!.messages,
    lines.filter((_, i) => i in again),
  );
  assert.deepEqual([rig.done.length, rig.outbox.heldBytes], [1, 0]);
  const given = rig.pool.take(copyBytes);
  assert.equal(given.length, copyBytes);
  assert.ok(given.includes("y"), "the memory of the copy");
});

test("a batch of which something else is under way stays whole until that is settled", async () => {
  const sink = new ScriptedSink([mixed({ 3: BUSY })], { maxEvents: 60 });
  const rig = new SinkRig(sink);
  rig.enqueue(LINES);
  const before = rig.outbox.heldBytes;
  await rig.settled();
  assert.equal(rig.outbox.heldBytes, before);
  await rig.clock.advance(10_000);
  assert.deepEqual(sink.delivered.length, 100);
  assert.equal(rig.outbox.heldBytes, 0);
});

test("the memory of a batch is given back once, and not while another sink needs it", () => {
  const outbox = new Outbox({ maxBytes: 1_000_000, onFull: () => undefined });
  const released: string[] = [];
  const whole = { ...makeBatch({ lines: LINES }), release: () => released.push("whole") };
  const less = { ...makeBatch({ lines: ["x"] }), release: () => released.push("less") };
  const entry = outbox.add(whole, 2, () => released.push("settled"));
  assert.equal(entry.isReplaceable, false);
  entry.letGo();
  assert.equal(entry.isReplaceable, true);
  entry.replace(less);
  assert.deepEqual(released, ["whole"]);
  assert.equal(outbox.heldBytes, less.byteLength);
  entry.letGo();
  assert.deepEqual(released, ["whole", "settled", "less"]);
  assert.equal(outbox.heldBytes, 0);
});

test("a batch that everybody let go of cannot be had again: its memory is another's", () => {
  const outbox = new Outbox({ maxBytes: 1_000_000, onFull: () => undefined });
  let released = 0;
  const entry = outbox.add({ ...makeBatch({ lines: LINES }), release: () => released++ }, 1, () => undefined);
  entry.letGo();
  assert.throws(() => entry.hold(), { code: "WT_INTERNAL" });
  assert.throws(() => entry.letGo(), { code: "WT_INTERNAL" });
  assert.equal(released, 1);
});
