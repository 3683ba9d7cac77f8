import assert from "node:assert/strict";
import { test } from "node:test";
import { selectFields } from "../../../../src/packet/packets/field-selection.ts";

const DOCUMENT = {
  "@timestamp": "2026-01-01T00:00:00Z",
  frame: { len: 60, number: 1 },
  source: { ip: "10.0.0.1", port: undefined, mac: "02" },
  dns: { id: 7, answers: [{ name: "a", ttl: 1 }, { name: "b" }, "odd"] },
};

test("only the chosen fields are kept, whole objects by their name, and the time in any case", () => {
  assert.deepEqual(selectFields(["frame", "source.ip"])(DOCUMENT), {
    "@timestamp": DOCUMENT["@timestamp"],
    frame: DOCUMENT.frame,
    source: { ip: "10.0.0.1" },
  });
});

test("a field of a list's objects is kept of each of them", () => {
  const { dns } = selectFields(["dns.answers.name"])(DOCUMENT);
  assert.deepEqual(dns, { answers: [{ name: "a" }, { name: "b" }] });
});

test("an object of which nothing is left is left out, and a wider name wins over a narrower one", () => {
  assert.deepEqual(Object.keys(selectFields(["source.port", "nothing.here"])(DOCUMENT)), ["@timestamp"]);
  assert.deepEqual(selectFields(["frame", "frame.len"])(DOCUMENT)["frame"], DOCUMENT.frame);
  assert.deepEqual(selectFields(["frame.len", "frame"])(DOCUMENT)["frame"], DOCUMENT.frame);
});
