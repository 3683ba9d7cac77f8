import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { BufferPool } from "../../../src/core/buffer-pool.ts";

const KIB = 1024;

test("what is taken is large enough, and little larger: a power of two where little is wanted, a sixteenth more at most else", () => {
  const pool = new BufferPool(0);
  assert.deepEqual(
    [0, 1, 4 * KIB, 4 * KIB + 1, 33 * KIB, 64 * KIB, 64 * KIB + 1].map((bytes) => pool.take(bytes).length / KIB),
    [4, 4, 4, 8, 34, 64, 68],
  );
  fc.assert(
    fc.property(fc.integer({ min: 32 * KIB, max: 300 << 20 }), (bytes) => {
      const { length } = pool.take(bytes);
      assert.ok(length >= bytes && length <= (bytes * 17) / 16 + 1, `${length} for ${bytes}`);
    }),
    { numRuns: 30 },
  );
});

test("what is given back is taken again where it fits, not where it is much too large, and by one at a time", () => {
  const pool = new BufferPool(10 << 20);
  const [small, middle, large] = [3 * KIB, 100 * KIB, 1 << 20].map((bytes) => pool.take(bytes)) as [
    Buffer,
    Buffer,
    Buffer,
  ];
  for (const buffer of [large, small, middle]) pool.give(buffer);
  assert.equal(pool.take(90 * KIB), middle);
  assert.notEqual(pool.take(90 * KIB), large);
  assert.equal(pool.take(600 * KIB), large);
  assert.equal(pool.take(1), small);
  assert.notEqual(pool.take(1), small);
});

test("no more than was said is kept free, and what is let go of was not taken for the longest time", () => {
  let most = 300 * KIB;
  const pool = new BufferPool(() => most);
  const [rare, often, other] = [128 * KIB, 96 * KIB, 96 * KIB].map((bytes) => pool.take(bytes));
  pool.give(often!);
  pool.give(rare!);
  assert.equal(pool.take(96 * KIB), often);
  pool.give(often!);
  pool.give(other!);
  const left = [pool.take(96 * KIB), pool.take(96 * KIB)];
  assert.deepEqual(new Set(left), new Set([often, other]));
  assert.notEqual(pool.take(128 * KIB), rare);
  for (const buffer of left) pool.give(buffer);
  most = 100 * KIB;
  pool.give(pool.take(4 * KIB));
  assert.equal(pool.take(96 * KIB), left[1]);
  assert.ok(!left.includes(pool.take(96 * KIB)));
});

test("small ones are let go of when there are no others", () => {
  const pool = new BufferPool(12 * KIB);
  const taken = [8 * KIB, 8 * KIB].map((bytes) => pool.take(bytes));
  for (const buffer of taken) pool.give(buffer);
  const again = [pool.take(8 * KIB), pool.take(8 * KIB)];
  assert.equal(again.filter((buffer) => taken.includes(buffer)).length, 1);
});

test("nothing is handed out twice, whatever is taken and given", () => {
  const step = fc.oneof(
    fc.integer({ min: 0, max: 300 * KIB }).map((bytes) => ({ bytes })),
    fc.nat().map((give) => ({ give })),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const pool = new BufferPool(500 * KIB);
      const mine: Buffer[] = [];
      for (const each of steps) {
        if ("bytes" in each) {
          const buffer = pool.take(each.bytes);
          assert.ok(buffer.length >= each.bytes && !mine.includes(buffer));
          assert.equal(buffer.buffer.byteLength, buffer.length);
          mine.push(buffer);
        } else if (mine.length > 0) pool.give(mine.splice(each.give % mine.length, 1)[0]!);
      }
    }),
  );
});
