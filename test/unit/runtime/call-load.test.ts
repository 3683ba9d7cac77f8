import assert from "node:assert/strict";
import { test } from "node:test";
import { DELIVERED, type Verdict } from "../../../src/core/component.ts";
import { loadSaidBy } from "../../../src/runtime/call-load.ts";

const RETRY: Verdict = { outcome: "retry", reason: "busy" };

/** What is said of a call of `count` documents of which the first `putOff` are to be tried again. */
function ofMixed(count: number, putOff: number, isLeftover = false): string {
  const verdicts = new Map(Array.from({ length: putOff }, (_, i) => [i, RETRY]));
  return loadSaidBy({ outcome: "mixed", verdicts }, { count, isLeftover });
}

test("what an answer to a whole call says of the server's load goes by its outcome", () => {
  const call = { count: 10, isLeftover: false };
  assert.equal(loadSaidBy(DELIVERED, call), "taken");
  assert.equal(loadSaidBy(RETRY, call), "overloaded");
  assert.equal(loadSaidBy({ outcome: "hold", reason: "no such index" }, call), "failed");
  assert.equal(loadSaidBy({ outcome: "too_large", reason: "413" }, call), "too_large");
});

test("a server that puts off more than a tenth of a call is overloaded, one that puts off less is not", () => {
  assert.equal(ofMixed(1000, 100), "taken");
  assert.equal(ofMixed(1000, 101), "overloaded");
});

test("a few documents that are put off say nothing, unless they are all of a call that was not refused before", () => {
  assert.equal(ofMixed(100, 49), "taken");
  assert.equal(ofMixed(100, 50), "overloaded");
  assert.equal(ofMixed(40, 40), "overloaded");
  assert.equal(ofMixed(40, 40, true), "taken");
});
