import { test } from "node:test";
import fc from "fast-check";
import { assertDeflates } from "../support/deflate.ts";
import { FUZZ_MS } from "../support/fuzz.ts";

/** Pieces that come again, whole or in part, between others that do not: what matches are made of. */
const input = fc
  .record({
    words: fc.array(fc.uint8Array({ minLength: 1, maxLength: 400 }), { minLength: 1, maxLength: 8 }),
    order: fc.array(fc.record({ word: fc.nat(), from: fc.nat(40), times: fc.integer({ min: 1, max: 40 }) }), {
      maxLength: 120,
    }),
    noise: fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 6 }),
  })
  .map(({ words, order, noise }) =>
    Buffer.concat(
      order.flatMap(({ word, from, times }, i) => [
        ...Array.from({ length: times }, () => words[word % words.length]!.subarray(from)),
        noise[i % Math.max(1, noise.length)] ?? Buffer.alloc(0),
      ]),
    ),
  );

test("zlib reads from deflate what went in, at every level, in every slot", () => {
  fc.assert(
    fc.property(input, fc.integer({ min: 1, max: 9 }), fc.nat(1), (bytes, level, slot) => {
      assertDeflates(bytes, level, slot);
    }),
    { numRuns: Infinity, interruptAfterTimeLimit: FUZZ_MS, markInterruptAsFailure: false },
  );
});
