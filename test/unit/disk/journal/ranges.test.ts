import assert from "node:assert/strict";
import { test } from "node:test";
import { countRanges, joinRanges, rangesFrom } from "../../../../src/disk/journal/ranges.ts";

test("ranges are joined where they touch or overlap, in whatever order they come", () => {
  assert.deepEqual(joinRanges([]), []);
  assert.deepEqual(joinRanges([5, 8, 0, 2]), [0, 2, 5, 8]);
  assert.deepEqual(joinRanges([2, 5, 0, 2, 7, 9]), [0, 5, 7, 9]);
  assert.deepEqual(joinRanges([0, 9, 3, 4, 8, 12]), [0, 12]);
});

test("documents in ranges are counted without their ends", () => {
  assert.equal(countRanges([]), 0);
  assert.equal(countRanges([0, 2, 5, 8]), 5);
});

test("of ranges, what begins before a position is left out, in the middle of a range, too", () => {
  const offsets = Float64Array.of(0, 10, 20, 20, 30, 40);
  assert.deepEqual(rangesFrom([0, 2, 3, 6], offsets, 0), [0, 2, 3, 6]);
  assert.deepEqual(rangesFrom([0, 2, 3, 6], offsets, 25), [4, 6]);
  assert.deepEqual(rangesFrom([0, 2, 3, 6], offsets, 20), [3, 6]);
  assert.deepEqual(rangesFrom([0, 2], offsets, 41), []);
});
