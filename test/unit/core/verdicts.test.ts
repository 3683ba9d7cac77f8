import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Verdict } from "../../../src/core/component.ts";
import { SparseVerdicts } from "../../../src/core/verdicts.ts";

const VERDICTS: readonly Verdict[] = [
  { outcome: "retry", reason: "busy" },
  { outcome: "rejected", reason: "bad" },
  { outcome: "hold", reason: "blocked" },
];

test("it reads like a map of the same verdicts", () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.nat(60), { maxLength: 30 }),
      fc.array(fc.nat(2), { minLength: 30, maxLength: 30 }),
      fc.boolean(),
      (places, drawn, areSame) => {
        const indexes = places.sort((a, b) => a - b);
        const kinds = areSame ? [] : indexes.map((_, i) => drawn[i]!);
        const map = new Map(indexes.map((index, i) => [index, VERDICTS[kinds[i] ?? 0]!]));
        const sparse = new SparseVerdicts(indexes, kinds, VERDICTS);
        assert.equal(sparse.size, map.size);
        for (let index = -1; index <= 61; index++) {
          assert.equal(sparse.get(index), map.get(index));
          assert.equal(sparse.has(index), map.has(index));
        }
        assert.deepEqual([...sparse], [...map]);
        assert.deepEqual([...sparse.entries()], [...map.entries()]);
        assert.deepEqual([...sparse.keys()], [...map.keys()]);
        assert.deepEqual([...sparse.values()], [...map.values()]);
        const seen: [number, Verdict][] = [];
        sparse.forEach((verdict, index) => seen.push([index, verdict]));
        assert.deepEqual(seen, [...map]);
        if (areSame) assert.equal(sparse.same, VERDICTS[0]);
      },
    ),
  );
});

test("verdicts that may differ are not the same", () => {
  assert.equal(new SparseVerdicts([1, 2], [0, 1], VERDICTS).same, undefined);
});
