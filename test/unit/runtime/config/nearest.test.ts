import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { editDistance, nearestName, suggestion } from "../../../../src/runtime/config/nearest.ts";

test("one slip of any kind, neighbours swapped included, is one step", () => {
  for (const slip of ["endpont", "endpoinnt", "endpoimt", "endopint"]) assert.equal(editDistance(slip, "endpoint"), 1);
  assert.equal(editDistance("", "abc"), 3);
});

test("the nearest name is suggested, and nothing that is far from what was written", () => {
  const known = ["endpoint", "api_key", "index"];
  assert.equal(nearestName("endpont", known), "endpoint");
  assert.equal(nearestName("API-KEY", known), "api_key");
  assert.equal(nearestName("password", known), undefined);
  assert.equal(suggestion("indx", known), '; did you mean "index"?');
  assert.equal(suggestion("password", known), "; known are endpoint, api_key, index");
});

test("distance is symmetrical and 0 only for equal texts", () => {
  const text = fc.string({ maxLength: 12 });
  fc.assert(
    fc.property(text, text, (a, b) => {
      assert.equal(editDistance(a, b), editDistance(b, a));
      assert.equal(editDistance(a, b) === 0, a === b);
    }),
  );
});
