import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { RouteProgress, type FoundBatch, type PendingBatch } from "../../../src/runtime/progress.ts";

test("the position is always the end of the unbroken run of settled batches, in whatever order they settle", () => {
  const batches = fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 12 });
  fc.assert(
    fc.property(batches, fc.infiniteStream(fc.nat()), (counts, order) => {
      const progress = new RouteProgress({ position: 100, resume: null });
      const begun: { pending: PendingBatch; end: number }[] = [];
      counts.forEach((count, i) => {
        const end = 100 + (i + 1) * 10;
        begun.push({ pending: progress.begin(count, end, { end }), end });
      });
      for (;;) {
        let expected = 100;
        for (const { pending, end } of begun) {
          if (pending.remaining > 0) break;
          expected = end;
        }
        assert.equal(progress.position, expected);
        if (expected > 100) assert.deepEqual(progress.resume, { end: expected });
        const open = begun.filter(({ pending }) => pending.remaining > 0);
        assert.equal(progress.isSettled, open.length === 0);
        if (open.length === 0) return;
        const { pending } = open[order.next().value % open.length]!;
        const whole = progress.settle(pending, 1);
        assert.equal(whole, pending.remaining === 0);
      }
    }),
  );
});

test("input that was read again for another route never takes a position back or holds it up", () => {
  const progress = new RouteProgress({ position: 0, resume: null });
  const first = progress.begin(1, 100, "at 100");
  progress.begin(0, 50, "at 50");
  progress.settle(first, 1);
  assert.equal(progress.position, 100);
  assert.equal(progress.resume, "at 100");
  assert.equal(progress.enqueued, 100);
});

test("after a restart everything behind the position is read again, and late news of old batches changes nothing", () => {
  const progress = new RouteProgress({ position: 10, resume: null });
  const lost = progress.begin(2, 20, "at 20");
  const settled = progress.begin(1, 30, "at 30");
  progress.settle(settled, 1);
  assert.equal(progress.position, 10);
  progress.restart();
  assert.equal(progress.enqueued, 10);
  assert.equal(progress.isSettled, false, "it has to be read again");
  progress.settle(lost, 2);
  assert.equal(progress.position, 10);
  progress.settle(progress.begin(3, 30, "at 30"), 3);
  assert.equal(progress.position, 30);
  assert.equal(progress.isSettled, true);
});

const at = (position: number) => ({ position, resume: `at ${position}` });
const batch = (from: number, to: number): FoundBatch => ({ start: at(from), end: at(to) });
const journaled = (...ranges: [number, number][]) => ranges.map(([from, to]) => ({ from: at(from), to }));
const recovered = (progress: RouteProgress) => [progress.position, progress.resume, progress.enqueued];

test("after a restart a position goes past what was written to the journal since it was kept", () => {
  const progress = new RouteProgress(at(20), journaled([0, 20]));
  const found = [batch(0, 10), batch(10, 20), batch(20, 30)];
  assert.deepEqual(progress.recover(found, true), { released: [], missing: 0 });
  assert.deepEqual(recovered(progress), [30, "at 30", 30]);
  assert.deepEqual(progress.delivered, at(0));
});

test("what was settled between batches of the journal is not missing", () => {
  const progress = new RouteProgress(at(50), journaled([0, 10], [20, 30]));
  assert.deepEqual(progress.recover([batch(0, 10), batch(20, 30)], true), { released: [], missing: 0 });
  assert.deepEqual(recovered(progress), [50, "at 50", 50]);
});

test("a position goes back to the first thing that the journal has no more, and what came after it is read again", () => {
  const progress = new RouteProgress(at(50), journaled([0, 40]));
  const [first, last] = [batch(0, 10), batch(30, 40)];
  assert.deepEqual(progress.recover([first, batch(20, 30), last], true), {
    released: [batch(20, 30), last],
    missing: 10,
  });
  assert.deepEqual(recovered(progress), [10, "at 10", 10]);
  assert.deepEqual(progress.journaled, journaled([0, 10]));
});

test("a batch behind one that was never kept is read again with it, not stepped to", () => {
  const progress = new RouteProgress(at(20), []);
  assert.deepEqual(progress.recover([batch(30, 40)], true), { released: [batch(30, 40)], missing: 0 });
  assert.deepEqual(recovered(progress), [20, "at 20", 20]);
});

test("what was read again counts instead of what lay behind the damage, so that the order stays", () => {
  const progress = new RouteProgress(at(40), journaled([0, 40]));
  const [old, again] = [batch(20, 40), [batch(10, 25), batch(25, 40), batch(40, 50)]];
  assert.deepEqual(progress.recover([batch(0, 10), old, ...again], true), { released: [old], missing: 0 });
  assert.deepEqual(recovered(progress), [50, "at 50", 50]);
});

test("where nothing can be read again, whatever the journal has counts", () => {
  const progress = new RouteProgress(at(40), journaled([0, 40]));
  assert.deepEqual(progress.recover([batch(0, 10), batch(30, 40), batch(60, 70)], false), {
    released: [],
    missing: 20,
  });
  assert.deepEqual(recovered(progress), [70, "at 70", 70]);
});

test("settled batches leave the journal in order, together with what was lost before them", () => {
  const progress = new RouteProgress(at(40), journaled([0, 40]));
  progress.recover([batch(0, 10), batch(10, 20), batch(20, 40)], true);
  progress.leaveJournal(at(10));
  assert.deepEqual(progress.delivered, at(10));
  progress.leaveJournal(at(40));
  assert.equal(progress.isSettled, true);
});

test("what a sink has beyond the position is read again for stages, and not taken; the position follows", () => {
  const progress = new RouteProgress({ position: 100, resume: "a" });
  progress.skipTo({ position: 200, resume: "b" });
  assert.deepEqual([progress.position, progress.readFrom, progress.enqueued], [100, 100, 200]);
  progress.begin(0, 150, "between");
  assert.deepEqual([progress.position, progress.resume, progress.readFrom], [150, "between", 150]);
  const pending = progress.begin(3, 250, "c");
  assert.deepEqual([progress.position, progress.readFrom, progress.enqueued], [150, 250, 250]);
  progress.settle(pending, 3);
  assert.equal(progress.position, 250);
});

test("what the journal has beyond the position is read again for stages, too", () => {
  const progress = new RouteProgress({ position: 100, resume: null });
  const found = { start: { position: 100, resume: null }, end: { position: 180, resume: null } };
  assert.deepEqual(progress.recover([found], true, true), { released: [], missing: 0 });
  assert.deepEqual([progress.position, progress.readFrom, progress.enqueued], [100, 100, 180]);
  assert.equal(progress.delivered.position, 100);
});
