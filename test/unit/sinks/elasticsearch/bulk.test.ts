import assert from "node:assert/strict";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { encodingKey } from "../../../../src/core/batch.ts";
import {
  BodyBuffers,
  BULK_ENCODING,
  bulkBody,
  bulkOutcome,
  gzipBody,
} from "../../../../src/sinks/elasticsearch/bulk.ts";
import { makeBatch, makeSinkBatch } from "../../../support/batches.ts";

const KEY = encodingKey(BULK_ENCODING);
const buffers = new BodyBuffers(1 << 16, 2);
const a = makeBatch({ lines: ["a0", "a1", "a2"], encoding: BULK_ENCODING, partition: "partition-aaaaaa" });
const b = makeBatch({ lines: ["b0", "b1"], encoding: BULK_ENCODING, partition: "partition-bbbbbb" });

const idsIn = (body: Buffer) =>
  body
    .toString()
    .split("\n")
    .filter((_, i) => i % 2 === 0)
    .filter((line) => line !== "")
    .map((line) => (JSON.parse(line) as { create: { _id: string } }).create._id);

test("a bulk body is the encoded documents one after the other, each with its action line", () => {
  const body = bulkBody(makeSinkBatch([{ batch: a, from: 1, to: 3 }, b], BULK_ENCODING), KEY, buffers).bytes;
  assert.deepEqual(idsIn(body), [
    "partition-aaaaaa-test-100",
    "partition-aaaaaa-test-200",
    "partition-bbbbbb-test-0",
    "partition-bbbbbb-test-100",
  ]);
  assert.ok(body.toString().endsWith("}\n"));
});

test("the body of one slice is not copied", () => {
  const body = bulkBody(makeSinkBatch(a, BULK_ENCODING), KEY, buffers).bytes;
  assert.equal(body.buffer, a.bodies.get(KEY)!.bytes.buffer);
});

test("documents that are known to be there are left out, and later verdicts keep their places", () => {
  const leaveOut = new Set([0, 3]);
  const body = bulkBody(makeSinkBatch([a, b], BULK_ENCODING), KEY, buffers, leaveOut).bytes;
  assert.deepEqual(idsIn(body), [
    "partition-aaaaaa-test-100",
    "partition-aaaaaa-test-200",
    "partition-bbbbbb-test-100",
  ]);
  const bad = { create: { status: 400, error: { type: "document_parsing_exception", reason: "r" } } };
  const { result } = bulkOutcome({ errors: true, items: [{ create: { status: 201 } }, bad, bad] }, 3, leaveOut);
  assert.deepEqual(result.outcome === "mixed" && [...result.verdicts.keys()], [2, 4]);
});

test("a compressed body unpacks to the same bytes", async () => {
  const body = bulkBody(makeSinkBatch(a, BULK_ENCODING), KEY, buffers).bytes;
  assert.deepEqual(gunzipSync(await gzipBody(body)), body);
});

test("409 alone makes everything delivered, and is counted", () => {
  const conflict = { create: { status: 409, error: { type: "version_conflict_engine_exception", reason: "r" } } };
  const outcome = bulkOutcome({ errors: true, items: [conflict, { create: { status: 201 } }, conflict] }, 3);
  assert.deepEqual(outcome.result, { outcome: "delivered" });
  assert.equal(outcome.duplicates, 2);
});

test("a reply with too few or too many items claims nothing delivered", () => {
  for (const count of [0, 2]) {
    assert.equal(bulkOutcome({ errors: true, items: [{ create: { status: 201 } }] }, count).result.outcome, "hold");
  }
});

test("a body's buffer is used again once it was given back, and not before", () => {
  const pool = new BodyBuffers(1000, 1);
  const [first, second] = [pool.take(10), pool.take(10)];
  assert.notEqual(first, second);
  pool.give(first);
  pool.give(second);
  assert.equal(pool.take(1000), first);
  assert.notEqual(pool.take(10), second, "only as many are kept as were asked for");
  assert.equal(pool.take(5000).length, 5000);
});
