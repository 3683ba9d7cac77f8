import assert from "node:assert/strict";
import { test } from "node:test";
import { t } from "../../../../src/core/schema.ts";
import { describeSchema, describeValue } from "../../../../src/runtime/config/validate.ts";

test("values are described in a few words, long texts cut", () => {
  assert.equal(describeValue("10"), 'the string "10"');
  assert.equal(describeValue(""), "an empty string");
  assert.equal(describeValue([]), "an empty list");
  assert.equal(describeValue(null), "null");
  assert.ok(describeValue("x".repeat(1000)).length < 80);
});

test("what an option takes is said with its limits", () => {
  assert.equal(describeSchema(t.integer({ minimum: 1, maximum: 9 })), "a whole number from 1 to 9");
  assert.equal(describeSchema(t.number({ minimum: 0 })), "a number, 0 or more");
  assert.equal(describeSchema(t.enum(["a", "b", "c"])), '"a", "b" or "c"');
  assert.equal(describeSchema(t.anyOf([t.string(), t.array(t.string())])), "a string or a list of strings");
  assert.match(describeSchema(t.secret()), /\$env/);
});
