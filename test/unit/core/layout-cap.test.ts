import assert from "node:assert/strict";
import { test } from "node:test";
import { LogEvent } from "../../../src/core/event.ts";
import { Layout } from "../../../src/core/layout.ts";
import { Path } from "../../../src/core/path.ts";

const ENVELOPE = { paths: [new Path("host.name")], values: ["web-1"], offsetPath: undefined };

test("when there are too many layouts events go on without one, and mean the same", () => {
  let generic = 0;
  for (let i = 0; i < 6000; i++) {
    const event = new LogEvent("hello", 0, i, ENVELOPE);
    const name = `fields.key_${i}`;
    assert.equal(event.set(new Path(name), i), undefined);
    event.set(new Path("after"), "that");
    if (event.layout === Layout.generic) generic++;
    assert.equal(event.get(new Path(name)), i);
    assert.equal(event.get(new Path("message")), "hello");
    assert.deepEqual(event.toObject(), {
      ...{ "@timestamp": "1970-01-01T00:00:00.000Z", message: "hello" },
      ...{ fields: { [`key_${i}`]: i }, after: "that", host: { name: "web-1" } },
    });
    assert.equal(event.delete(new Path(name)), true);
    assert.equal(event.get(new Path("fields")), undefined);
  }
  assert.ok(generic > 1000, `${generic} events had no layout`);
  assert.ok(generic < 6000, "the first ones had");
});

test("a layout that is known is still found when there is room for no more", () => {
  const path = new Path("one.more.field");
  const [first, second] = [0, 1].map((offset) => {
    const event = new LogEvent("x", 0, offset, ENVELOPE);
    event.set(path, offset);
    return event;
  });
  assert.equal(first!.layout, second!.layout);
  assert.deepEqual([first!.get(path), second!.get(path)], [0, 1]);
});
