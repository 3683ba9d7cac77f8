import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { LogEvent, type Envelope } from "../../../src/core/event.ts";
import { Extension } from "../../../src/core/extension.ts";
import { Path } from "../../../src/core/path.ts";

const envelope: Envelope = { paths: [new Path("host.name")], values: ["h"], offsetPath: new Path("log.offset") };
const make = (line = "x"): LogEvent => new LogEvent(line, 0, 7, envelope);
const paths = (...names: string[]): Path[] => names.map((name) => new Path(name));

describe("Extension", () => {
  it("gives many events the same layout, with empty places that do not show", () => {
    const extension = new Extension(paths("a.b", "message", "a.c"));
    const events = [make("one"), make("two")];
    for (const event of events) {
      assert.equal(event.extend(extension), true);
      event.values[extension.slots[0]!] = 1;
    }
    assert.equal(events[0]!.layout, events[1]!.layout);
    assert.equal(events[1]!.values.length, 3);
    assert.equal(events[1]!.get(new Path("a.b")), 1);
    assert.equal(events[1]!.get(new Path("a.c")), undefined);
    assert.equal(events[1]!.get(new Path("message")), "two");
  });

  it("declines, changing nothing, where the event's values or its envelope decide", () => {
    for (const name of ["message.inner", "@timestamp", "host.name", "host", "log.offset.x"]) {
      const event = make();
      const before = event.layout;
      assert.equal(event.extend(new Extension(paths("fine", name))), false, name);
      assert.equal(event.layout, before);
    }
  });

  it("refuses fields that overlap", () => {
    assert.throws(() => new Extension(paths("a.b", "a.b")), /overlap/);
    assert.throws(() => new Extension(paths("a", "a.b")), /a and a\.b overlap/);
  });
});

describe("LogEvent.refusal", () => {
  it("says what set would say, without doing it", () => {
    const values: [name: string, value: unknown][] = [
      ["message.inner", 1],
      ["object.text.inner", 1],
      ["object.nothing.inner", 1],
      ["object.list.inner", 1],
      ["object.new.inner", 1],
      ["object.text", 1],
      ["object", 1],
      ["null.inner", 1],
      ["@timestamp", "no time"],
      ["@timestamp", "2019-12-11T20:47:14Z"],
      ["other", 1],
    ];
    for (const [name, value] of values) {
      const build = (): LogEvent => {
        const event = make();
        event.setTopLevel("object", { text: "t", nothing: null, list: [], "dotted.key": 1 });
        event.setTopLevel("null", null);
        return event;
      };
      const event = build();
      const refusal = event.refusal(new Path(name), value);
      assert.deepEqual(event.toObject(), build().toObject());
      assert.equal(refusal, event.set(new Path(name), value), name);
    }
  });
});
