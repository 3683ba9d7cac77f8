import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { agentOf, MAX_CHARACTERS, PARTS } from "../../src/stages/parse_user_agent/agent.ts";
import { FUZZ_MS } from "../support/fuzz.ts";

const limits = { interruptAfterTimeLimit: FUZZ_MS, markInterruptAsFailure: false, numRuns: 1_000_000 };

test("any text about a client is read, soon, into texts that are not empty", () => {
  const words =
    "Mozilla/5.0|(|)|; |Windows NT 10.0|iPhone|Android 13|Version/17|Safari/|Chrome/1.|bot|/|opera mini/| |\n";
  const piece = fc.oneof(fc.constantFrom(...words.split("|")), fc.string({ maxLength: 6 }));
  const text = fc.array(piece, { maxLength: 60 }).map((pieces) => pieces.join("").slice(0, MAX_CHARACTERS));
  const property = fc.property(text, (each) => {
    const parts = agentOf(each);
    assert.equal(parts.length, PARTS.length);
    for (const part of parts) assert.ok(part === undefined || (typeof part === "string" && part !== ""));
  });
  fc.assert(property, limits);
  for (const each of ["a", "(", "/", "1.", " ", "; ", "Mozilla/5.0 (", "opera mini/", "bot"]) {
    const began = performance.now();
    agentOf(each.repeat(MAX_CHARACTERS).slice(0, MAX_CHARACTERS));
    assert.ok(performance.now() - began < 500, `${each} takes too long`);
  }
});
