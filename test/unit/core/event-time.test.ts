import assert from "node:assert/strict";
import { test } from "node:test";
import { documentMembers } from "../../../src/codec/document.ts";
import { LogEvent } from "../../../src/core/event.ts";
import { Path } from "../../../src/core/path.ts";

const TIME = new Path("@timestamp");
const make = (): LogEvent => new LogEvent("x", 0, 0, { paths: [], values: [], offsetPath: undefined });
const document = (event: LogEvent): string => "{" + documentMembers(event).trimEnd();

test("a document has one @timestamp, which is the event's time, whatever the input says", () => {
  const event = make();
  event.setTopLevel("@timestamp", "garbage");
  assert.match(event.set(new Path("@timestamp.part"), 1) ?? "", /cannot set/);
  assert.match(event.refusal(new Path("@timestamp.part"), 1) ?? "", /cannot set/);
  assert.equal(event.get(new Path("@timestamp.part")), undefined);
  assert.equal(document(event), '{"@timestamp":"1970-01-01T00:00:00.000Z","message":"x"}');
});

test("the time is read and set in whole documents, too", () => {
  const event = make();
  event.set(new Path("c.d"), 1);
  event.set(new Path("c"), 5); // no layout can say this
  assert.equal(event.get(TIME), "1970-01-01T00:00:00.000Z");
  assert.equal(event.set(TIME, 5000), undefined);
  assert.equal(event.timeMs, 5000);
  assert.deepEqual(JSON.parse(document(event)), { "@timestamp": "1970-01-01T00:00:05.000Z", message: "x", c: 5 });
});
