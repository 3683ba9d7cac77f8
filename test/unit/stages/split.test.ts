import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { StageFailure } from "../../../src/core/component.ts";
import type { LogEvent } from "../../../src/core/event.ts";
import { Path } from "../../../src/core/path.ts";
import { split } from "../../../src/stages/split/index.ts";
import { BothWays, readBatch, stageConfig } from "../../support/pipelines.ts";
import { eventOf, stageOf } from "../../support/stages.ts";

/** What an event becomes: the numbers and fields of each, or why it fails. */
function splitUp(options: Record<string, unknown>, input: string | Record<string, unknown>): unknown {
  const event = eventOf(input);
  const outcome = stageOf(split, options).apply(event);
  if (outcome instanceof StageFailure) return outcome.message;
  const events = Array.isArray(outcome) ? (outcome as readonly LogEvent[]) : [event];
  return events.map((each) => {
    const { "@timestamp": _time, host: _host, ecs: _ecs, log: _log, ...own } = each.toObject();
    return [each.subIndex, own];
  });
}

describe("split", () => {
  it("makes an event of each item, with all that the event has beside the list", () => {
    assert.deepEqual(splitUp({ field: "a" }, { a: [1, "x", { y: [2] }], b: { c: 3 } }), [
      [1, { a: 1, b: { c: 3 } }],
      [2, { a: "x", b: { c: 3 } }],
      [3, { a: { y: [2] }, b: { c: 3 } }],
    ]);
    assert.deepEqual(splitUp({ field: "a.list", target: "a.item" }, { a: { list: [1, 2], z: 1 } }), [
      [1, { a: { z: 1, item: 1 } }],
      [2, { a: { z: 1, item: 2 } }],
    ]);
  });

  it("gives an item's keys to its event", () => {
    assert.deepEqual(
      splitUp(
        { field: "r", merge: true },
        {
          r: [
            { id: 1, b: 2 },
            { id: 2, r: 7 },
          ],
          id: 0,
        },
      ),
      [
        [1, { id: 1, b: 2 }],
        [2, { id: 2, r: 7 }],
      ],
    );
    assert.equal(
      splitUp({ field: "r", merge: true }, { r: [{}, 7] }),
      "item 2 of r is not an object, so that it has no keys to merge",
    );
  });

  it("cuts text, and leaves empty parts out", () => {
    assert.deepEqual(splitUp({ delimiter: "," }, " a, b ,,c"), [
      [1, { message: "a" }],
      [2, { message: "b" }],
      [3, { message: "c" }],
    ]);
    assert.equal(splitUp({}, "a,b"), "field message is text, and there is no delimiter to cut it at");
    assert.equal(splitUp({ field: "x" }, "a"), "there is no field x");
  });

  it("leaves an event of one item one event, and one of none as it is", () => {
    assert.deepEqual(splitUp({ field: "a" }, { a: [7] }), [[0, { a: 7 }]]);
    assert.deepEqual(splitUp({ field: "a" }, { a: [], b: 1 }), [[0, { a: [], b: 1 }]]);
  });

  it("refuses more items than numbers, and targets that cannot be set, and changes nothing then", () => {
    assert.match(String(splitUp({ field: "a" }, { a: new Array(65_536).fill(0) })), /65536 items; at most 65535/);
    assert.match(String(splitUp({ field: "a", target: "b.c" }, { a: [1, 2], b: 1 })), /^cannot set b\.c/);
  });

  it("gives events that do not change with each other", () => {
    const event = eventOf({ a: [1, 2], shared: { x: { y: 1 } } });
    const [first, second] = stageOf(split, { field: "a" }).apply(event) as LogEvent[];
    first!.set(new Path("shared.x.y"), "changed");
    assert.equal(second!.get(new Path("shared.x.y")), 1);
  });
});

describe("a pipeline that makes several events of one", () => {
  it("gives each an id of its own, at its line's offset, in order, and counts what was created", () => {
    const both = new BothWays([
      stageConfig({ type: "split", options: { delimiter: ";" }, when: "not message: whole*" }),
      stageConfig({ type: "filter", options: { drop: "message: b" } }),
    ]);
    const many = Array.from({ length: 300 }, (_, i) => `m${i}`).join(";");
    const { encoded, counts } = both.run("plain", readBatch(Buffer.from(`whole;x\na;b;c\n${many}\nlast\n`)));
    assert.equal(encoded.count, 304);
    assert.deepEqual([...encoded.offsets.subarray(0, 4)], [0, 8, 8, 14]);
    assert.equal(encoded.offsets[303], 14 + many.length + 1);
    assert.deepEqual([...encoded.subIndexes!.subarray(0, 4)], [0, 1, 3, 1]);
    assert.equal(encoded.subIndexes![302], 300);
    assert.equal(encoded.subIndexes![303], 0);
    const [body] = [...encoded.bodies.values()];
    const lines = body!.bytes.toString().trimEnd().split("\n");
    const ids = lines.filter((_, i) => i % 2 === 0).map((line) => /"_id":"([^"]+)"/.exec(line)![1]!);
    assert.deepEqual(ids.slice(0, 3), [
      "partition-compile.abcd.0",
      "partition-compile.abcd.8.1",
      "partition-compile.abcd.8.3",
    ]);
    assert.equal(new Set(ids).size, 304);
    assert.deepEqual(
      lines
        .filter((_, i) => i % 2 === 1)
        .slice(0, 4)
        .map((line) => (JSON.parse(line) as { message: string }).message),
      ["whole;x", "a", "c", "m0"],
    );
    assert.equal(body!.offsets.length, 305);
    const [splitting, filtering] = counts;
    assert.deepEqual([splitting!.in, splitting!.created, splitting!.out], [4, 301, 305]);
    assert.deepEqual([filtering!.in, filtering!.dropped, filtering!.out], [305, 1, 304]);
  });
});
