import assert from "node:assert/strict";
import { test } from "node:test";
import { encodingKey, sliceBytes } from "../../../../src/core/batch.ts";
import { BufferPool } from "../../../../src/core/buffer-pool.ts";
import {
  BULK_ENCODING,
  bulkBody,
  bulkOutcome,
  type BulkOutcome,
  type BulkBody,
  type BulkReply,
} from "../../../../src/sinks/elasticsearch/bulk.ts";
import { mixedReply } from "../../../../src/sinks/elasticsearch/mixed-reply.ts";
import { makeBatch, makeSinkBatch } from "../../../support/batches.ts";

const KEY = encodingKey(BULK_ENCODING);
const buffers = new BufferPool(1 << 20);
const a = makeBatch({ lines: ["a0", "a1", "a2"], encoding: BULK_ENCODING, partition: "partition-aaaaaa" });
const b = makeBatch({ lines: ["b0", "b1"], encoding: BULK_ENCODING, partition: "partition-bbbbbb" });

const bytesOf = ({ pieces }: BulkBody) => Buffer.concat(pieces);
const idsIn = (body: BulkBody) =>
  bytesOf(body)
    .toString()
    .split("\n")
    .filter((_, i) => i % 2 === 0)
    .filter((line) => line !== "")
    .map((line) => (JSON.parse(line) as { create: { _id: string } }).create._id);

test("a bulk body is the encoded documents one after the other, each with its action line", () => {
  const body = bulkBody(makeSinkBatch([{ batch: a, from: 1, to: 3 }, b], BULK_ENCODING), KEY, buffers);
  assert.deepEqual(idsIn(body), [
    "partition-aaaaaa-test-100",
    "partition-aaaaaa-test-200",
    "partition-bbbbbb-test-0",
    "partition-bbbbbb-test-100",
  ]);
  assert.ok(bytesOf(body).toString().endsWith("}\n"));
  assert.equal(body.byteLength, bytesOf(body).length);
});

test("the body of one slice is not copied", () => {
  const body = bulkBody(makeSinkBatch(a, BULK_ENCODING), KEY, buffers);
  assert.equal(body.pieces[0]!.buffer, a.bodies.get(KEY)!.bytes.buffer);
});

test("large slices are not copied, small ones between them are put together, all in order", () => {
  const large = (name: string) =>
    makeBatch({ lines: [name.repeat(50_000), name.repeat(50_000)], encoding: BULK_ENCODING, partition: name });
  const [c, d] = [large("partition-cccccc"), large("partition-dddddd")];
  const batch = makeSinkBatch([a, b, c, d, { batch: a, from: 2, to: 3 }], BULK_ENCODING);
  const body = bulkBody(batch, KEY, buffers);
  assert.equal(body.pieces.length, 4);
  assert.deepEqual(
    body.pieces.map(({ buffer }) => [a, b, c, d].find(({ bodies }) => bodies.get(KEY)!.bytes.buffer === buffer)),
    [undefined, c, d, undefined],
  );
  const slices = batch.slices.map((slice) => sliceBytes(slice, KEY));
  assert.ok(bytesOf(body).equals(Buffer.concat(slices)));
  assert.equal(body.byteLength, bytesOf(body).length);
});

test("documents that are known to be there are left out, and later verdicts keep their places", () => {
  const leaveOut = new Set([0, 3]);
  const body = bulkBody(makeSinkBatch([a, b], BULK_ENCODING), KEY, buffers, leaveOut);
  assert.deepEqual(idsIn(body), [
    "partition-aaaaaa-test-100",
    "partition-aaaaaa-test-200",
    "partition-bbbbbb-test-100",
  ]);
  const bad = { create: { status: 400, error: { type: "document_parsing_exception", reason: "r" } } };
  const { result } = bulkOutcome({ errors: true, items: [{ create: { status: 201 } }, bad, bad] }, 3, leaveOut);
  assert.deepEqual(result.outcome === "mixed" && [...result.verdicts.keys()], [2, 4]);
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

const verdictsOf = ({ result, ...rest }: BulkOutcome): unknown[] => [
  rest,
  result.outcome === "mixed" ? [...result.verdicts] : result,
];
const mixed = (text: string): BulkReply | undefined => mixedReply(Buffer.from(text));
const TAKEN = '{"create":{"status":201}}';
const REFUSED =
  '{"create":{"status":429,"error":{"type":"es_rejected_execution_exception","reason":"a \\"quote\\", a } and a \\\\"}}}';

const WITH_INDEX = REFUSED.replace('"status"', `"_index":"${"logs".repeat(30)}","status"`);

test("of a reply with refusals only those are parsed, and it reads as if all of it had been", () => {
  for (const items of [
    [TAKEN, REFUSED, TAKEN, TAKEN, REFUSED],
    [REFUSED],
    [...new Array<string>(9_000).fill(TAKEN), REFUSED, REFUSED, ...new Array<string>(5).fill(TAKEN)],
    [TAKEN, WITH_INDEX, WITH_INDEX, ...new Array<string>(3).fill(TAKEN), WITH_INDEX, TAKEN],
    [REFUSED, REFUSED, WITH_INDEX, REFUSED, TAKEN, WITH_INDEX],
    [TAKEN, '{"create":{"status":409,"error":{"type":"version_conflict_engine_exception","reason":"r"}}}'],
    [TAKEN, '{"create":{"status":201,"failure_store":"used"}}', '{"create":{}}'],
  ]) {
    for (const head of ["", '"took":12,']) {
      const text = `{${head}"errors":true,"items":[${items.join(",")}]}`;
      const quick: BulkReply = mixedReply(Buffer.from(text))!;
      const parsed = JSON.parse(text) as { errors: boolean; items: Record<string, object>[] };
      const indexes = items.flatMap((item, i) => (item === TAKEN ? [] : [i]));
      assert.equal(quick.others!.count, items.length);
      assert.deepEqual(quick.others!.indexes, indexes);
      assert.deepEqual(
        indexes.map((_, i) => quick.others!.items[quick.others!.kinds[i] ?? 0]),
        indexes.map((i) => parsed.items[i]),
      );
      const [quickly, plainly] = [quick, parsed].map((reply) => bulkOutcome(reply, items.length));
      assert.deepEqual(verdictsOf(quickly!), verdictsOf(plainly!));
    }
  }
});

test("a reply with refusals that is cut off or has another form is left to the parser", () => {
  const text = `{"errors":true,"items":[${TAKEN},${REFUSED},${TAKEN}]}`;
  for (let end = 0; end < text.length; end++) assert.equal(mixed(text.slice(0, end)), undefined, text.slice(0, end));
  assert.equal(mixed(`${text} `), undefined);
  assert.equal(mixed('{"errors":true,"items":[]}'), undefined);
  assert.equal(mixed('{"errors":true,"items":[1]}'), undefined);
  assert.equal(mixed('{"errors":true,"items":[{"create":{"status":2 01}}]}'), undefined);
  assert.equal(mixed('{"errors":true,"items":[{"create":{"status":429}}],"more":1}'), undefined);
});
