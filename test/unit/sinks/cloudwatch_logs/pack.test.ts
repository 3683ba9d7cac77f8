import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  Documents,
  encodeRequest,
  Packer,
  TRUNCATED_MARK,
  type Oversized,
  type PackedRequest,
} from "../../../../src/sinks/cloudwatch_logs/pack.ts";
import { makeBatch, makeSinkBatch } from "../../../support/batches.ts";

const DAY_MS = 86_400_000;
const NOW = Date.UTC(2026, 10, 21);

interface SentEvent {
  readonly timestamp: number;
  readonly message: string;
}

function documentsOf(lines: readonly string[], timesMs: number | readonly number[] = NOW): Documents {
  const batch = makeBatch({ lines, timesMs, encoding: { kind: "text" } });
  return new Documents(makeSinkBatch(batch, { kind: "text" }), "text");
}

/** All requests of some lines, decoded; every one is checked against the published limits. */
function packAll(
  lines: readonly string[],
  timesMs: number | readonly number[],
  maxMessageBytes: number,
  oversized: Oversized,
): SentEvent[][] {
  const documents = documentsOf(lines, timesMs);
  const packer = new Packer(documents, { oversized, maxMessageBytes });
  const all: SentEvent[][] = [];
  for (let request = packer.next(); request !== undefined; request = packer.next())
    all.push(decode(documents, request, oversized));
  for (const events of all) {
    const total = events.reduce((sum, event) => sum + Buffer.byteLength(event.message) + 26, 0);
    assert.ok(
      total <= 1_048_576 && events.length <= 10_000 && events.length > 0,
      `${total} bytes, ${events.length} events`,
    );
    assert.ok(events.at(-1)!.timestamp - events[0]!.timestamp <= DAY_MS);
    events.forEach((event, i) => {
      assert.ok(i === 0 || event.timestamp >= events[i - 1]!.timestamp, "in order of time");
      assert.ok(Buffer.byteLength(event.message) <= maxMessageBytes && event.message.length > 0);
      assert.ok(!event.message.includes("\ufffd"), "cut inside a character");
    });
  }
  return all;
}

function decode(documents: Documents, request: PackedRequest, oversized: Oversized): SentEvent[] {
  const body = encodeRequest(documents, request, 0, request.documents.length, { group: 'g"', stream: "s" }, oversized);
  const parsed = JSON.parse(body.toString()) as { logGroupName: string; logEvents: SentEvent[] };
  assert.equal(parsed.logGroupName, 'g"');
  return parsed.logEvents;
}

const character = fc.constantFrom("a", "é", "日", "😀", '"', "\\", "\u0001", " ");
const line = fc.oneof(
  fc.string({ unit: character, maxLength: 60 }),
  fc.string({ unit: character, minLength: 2_000, maxLength: 6_000 }),
);

test("any documents are packed within every limit, and splitting loses and doubles nothing", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(line, fc.integer({ min: 0, max: 4 * DAY_MS })), { maxLength: 60 }),
      fc.integer({ min: 1_024, max: 4_096 }),
      (items, max) => {
        const lines = items.map(([text]) => text);
        const times = items.map(([, offset]) => NOW + offset);
        const sent = packAll(lines, times, max, "split").flat();
        const order = items.map((_, i) => i).sort((a, b) => times[a]! - times[b]! || a - b);
        assert.equal(sent.map((event) => event.message).join(""), order.map((i) => lines[i]! || " ").join(""));
      },
    ),
    { numRuns: 200 },
  );
});

test("any documents are cut to the limit when truncation was chosen, one event each", () => {
  fc.assert(
    fc.property(fc.array(line, { maxLength: 30 }), fc.integer({ min: 1_024, max: 4_096 }), (lines, max) => {
      const sent = packAll(lines, NOW, max, "truncate").flat();
      assert.equal(sent.length, lines.length);
      sent.forEach(({ message }, i) => {
        if (Buffer.byteLength(lines[i]!) <= max) assert.equal(message, lines[i]! || " ");
        else {
          assert.ok(message.endsWith(TRUNCATED_MARK) && lines[i]!.startsWith(message.slice(0, -TRUNCATED_MARK.length)));
          assert.ok(Buffer.byteLength(message) > max - 4);
        }
      });
    }),
    { numRuns: 100 },
  );
});

test("a request is filled to the last byte and not beyond", () => {
  const exact = ["x".repeat(524_288 - 26), "y".repeat(524_288 - 26)];
  assert.equal(packAll(exact, NOW, 1_048_550, "split").length, 1);
  assert.equal(packAll([exact[0]!, exact[1]! + "z"], NOW, 1_048_550, "split").length, 2);
});

test("10,000 events fill a request, one more begins the next", () => {
  const lines = Array.from({ length: 10_001 }, () => "x");
  assert.deepEqual(
    packAll(lines, NOW, 1_048_550, "split").map((events) => events.length),
    [10_000, 1],
  );
});

test("events exactly 24 hours apart share a request, a millisecond more parts them", () => {
  assert.equal(packAll(["a", "b"], [NOW, NOW + DAY_MS], 1_000, "split").length, 1);
  assert.equal(packAll(["a", "b"], [NOW, NOW + DAY_MS + 1], 1_000, "split").length, 2);
});

test("fractions of milliseconds are cut off, so order is kept", () => {
  const [events] = packAll(["a", "b"], [NOW + 0.285, NOW + 0.9], 1_000, "split");
  assert.deepEqual(
    events!.map((event) => event.timestamp),
    [NOW, NOW],
  );
});

test("packing anew from an event repeats none before it and leaves none out", () => {
  const documents = documentsOf(["first", "é".repeat(1_500), "last"]);
  const packer = new Packer(documents, { oversized: "split", maxMessageBytes: 2_000 });
  const request = packer.next()!;
  assert.deepEqual(request.documents, [0, 1, 1, 2]);
  packer.repack(request, 2, 300);
  const rest = decode(documents, packer.next()!, "split");
  assert.equal(rest.map((event) => event.message).join(""), "é".repeat(500) + "last");
  assert.deepEqual(
    rest.map((event) => Buffer.byteLength(event.message)),
    [300, 300, 300, 100, 4],
  );
});

test("what was delivered of a document before is not packed again", () => {
  const documents = documentsOf(["0123456789"]);
  const packer = new Packer(documents, { oversized: "split", maxMessageBytes: 4, resumeAt: () => 4 });
  assert.deepEqual(
    decode(documents, packer.next()!, "split").map((event) => event.message),
    ["4567", "89"],
  );
});

test("the id of each document is that of its place in its own batch", () => {
  const a = makeBatch({ lines: ["a", "b", "c"], encoding: { kind: "text" } });
  const b = makeBatch({ lines: ["d", "e"], encoding: { kind: "text" }, partition: "partition-000002" });
  const documents = new Documents(makeSinkBatch([{ batch: a, from: 1, to: 3 }, b], { kind: "text" }), "text");
  assert.deepEqual(
    [0, 1, 2, 3].map((i) => documents.idOf(i)),
    [`${a.idPrefix}100`, `${a.idPrefix}200`, `${b.idPrefix}0`, `${b.idPrefix}100`],
  );
});
