import assert from "node:assert/strict";
import { test } from "node:test";
import { crc32 } from "node:zlib";
import fc from "fast-check";
import { encodingKey, JSON_ENCODING } from "../../src/core/batch.ts";
import {
  decodeRecord,
  encodeRecord,
  readHeader,
  recordHeader,
  RECORD_HEADER_BYTES,
} from "../../src/disk/journal/record.ts";
import { scanSegment, segmentHeader } from "../../src/disk/journal/segment.ts";
import { makeBatch } from "../support/batches.ts";
import { FUZZ_MS } from "../support/fuzz.ts";

const KEY = encodingKey(JSON_ENCODING);
const timeBox = { interruptAfterTimeLimit: FUZZ_MS, numRuns: Infinity, markInterruptAsFailure: false };

function recordBytes(lines: readonly string[], sequence: number): Buffer {
  const reader = { sink: "a", ranges: [0, lines.length], start: { position: 0, resume: null }, sentBefore: false };
  const record = encodeRecord(makeBatch({ lines }), [reader], new Set([KEY]));
  return Buffer.concat([recordHeader(record, sequence), ...record.pieces]);
}

const lines = fc.array(fc.string({ maxLength: 30 }), { minLength: 1, maxLength: 5 });
const damage = fc.oneof(
  fc.record({ do: fc.constant("flip" as const), at: fc.nat(), bit: fc.nat({ max: 7 }) }),
  fc.record({ do: fc.constant("cut" as const), at: fc.nat() }),
  fc.record({ do: fc.constant("zero" as const), at: fc.nat(), length: fc.integer({ min: 1, max: 64 }) }),
  fc.record({
    do: fc.constant("insert" as const),
    at: fc.nat(),
    bytes: fc.uint8Array({ minLength: 1, maxLength: 40 }),
  }),
);

type Damage = typeof damage extends fc.Arbitrary<infer T> ? T : never;

function harmAll(bytes: Buffer, changes: readonly Damage[]): Buffer {
  let harmed = bytes;
  for (const change of changes) if (harmed.length > 0) harmed = harm(harmed, change);
  return harmed;
}

function harm(bytes: Buffer, change: Damage): Buffer {
  const at = change.at % bytes.length;
  if (change.do === "cut") return bytes.subarray(0, at);
  if (change.do === "insert") return Buffer.concat([bytes.subarray(0, at), change.bytes, bytes.subarray(at)]);
  const harmed = Buffer.from(bytes);
  if (change.do === "flip") harmed[at]! ^= 1 << change.bit;
  else harmed.fill(0, at, Math.min(bytes.length, at + change.length));
  return harmed;
}

test("a record that was changed in any way is never accepted, and never makes the decoder throw", () => {
  fc.assert(
    fc.property(lines, fc.nat(1000), fc.array(damage, { minLength: 1, maxLength: 3 }), (texts, sequence, changes) => {
      const good = recordBytes(texts, sequence);
      const bad = harmAll(good, changes);
      const decoded = decodeRecord(bad);
      // What stands behind a record is not part of it.
      const isSame = bad.length >= good.length && bad.subarray(0, good.length).equals(good);
      assert.equal(decoded !== undefined, isSame);
    }),
    timeBox,
  );
});

test("arbitrary bytes behind checksums that are right decode or do not, and never throw or read out of bounds", () => {
  fc.assert(
    fc.property(
      fc.json(),
      fc.uint8Array({ maxLength: 200 }),
      fc.nat(5000),
      fc.boolean(),
      (json, columns, extra, fits) => {
        const head = Buffer.from(json);
        const bytes = Buffer.alloc(RECORD_HEADER_BYTES + head.length + columns.length);
        bytes.write("WJR1");
        bytes.writeUInt32LE(fits ? bytes.length : extra, 4);
        bytes.writeDoubleLE(extra, 8);
        bytes.writeUInt32LE(head.length, 16);
        bytes.writeUInt32LE(crc32(head), 20);
        bytes.writeUInt32LE(crc32(columns), 24);
        bytes.writeUInt32LE(crc32(bytes.subarray(0, 28)), 28);
        head.copy(bytes, RECORD_HEADER_BYTES);
        bytes.set(columns, RECORD_HEADER_BYTES + head.length);
        decodeRecord(bytes);
      },
    ),
    timeBox,
  );
});

test("whatever happens to a segment, every record that is whole and in its place is found, and no other", () => {
  fc.assert(
    fc.property(
      fc.array(lines, { minLength: 1, maxLength: 6 }),
      fc.array(damage, { maxLength: 3 }),
      (batches, changes) => {
        const records = batches.map((texts, i) => recordBytes(texts, 100 + i));
        const good = Buffer.concat([segmentHeader(100), ...records]);
        const bad = harmAll(good, changes);
        const { records: found, end, tornBytes, damagedBytes } = scanSegment(bad, 100);
        assert.equal(end + tornBytes, bad.length);
        assert.ok(damagedBytes <= end);
        let last = 99;
        for (const { sequence, at, length } of found) {
          assert.ok(sequence > last);
          last = sequence;
          assert.ok(bad.subarray(at, at + length).equals(records[sequence - 100]!));
          assert.equal(readHeader(bad, at)!.length, length);
        }
        records.forEach((bytes, i) => {
          if (bad.includes(bytes) && changes.length <= 1) assert.ok(found.some(({ sequence }) => sequence === 100 + i));
        });
        if (changes.length === 0) assert.equal(found.length, records.length);
      },
    ),
    timeBox,
  );
});
