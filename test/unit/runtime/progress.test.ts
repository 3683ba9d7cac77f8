import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { RouteProgress, type PendingBatch } from "../../../src/runtime/progress.ts";

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
  assert.equal(progress.isSettled, true);
  progress.settle(lost, 2);
  assert.equal(progress.position, 10);
  progress.settle(progress.begin(3, 30, "at 30"), 3);
  assert.equal(progress.position, 30);
});
