import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { StageFailure } from "../../../src/core/component.ts";
import { Path } from "../../../src/core/path.ts";
import { convert } from "../../../src/stages/convert/index.ts";
import { filter } from "../../../src/stages/filter/index.ts";
import { remove } from "../../../src/stages/remove/index.ts";
import { rename } from "../../../src/stages/rename/index.ts";
import { set } from "../../../src/stages/set/index.ts";
import { eventOf, outcomeOf, ownFields, stageOf } from "../../support/stages.ts";

describe("set", () => {
  it("works all values out before it sets any", () => {
    assert.deepEqual(outcomeOf(set, { fields: { a: "{b}", b: "{a}" } }, { a: 1, b: 2 }), { a: 2, b: 1 });
  });

  it("writes numbers, objects and braces into text", () => {
    const options = { fields: { text: "{{{n}}} {o} {t}" } };
    assert.deepEqual(outcomeOf(set, options, { n: 1.5, o: { x: [1] }, t: "t" }), {
      text: '{1.5} {"x":[1]} t',
      n: 1.5,
      o: { x: [1] },
      t: "t",
    });
  });

  it("fails, setting nothing, when a field of a text is absent", () => {
    assert.equal(
      outcomeOf(set, { fields: { a: 1, b: "{none} {x}" } }, { x: 1 }),
      "b: the event lacks one of the fields none, x",
    );
  });

  it("never lets a change inside one event's object reach another event or field", () => {
    const stage = stageOf(set, { fields: { made: { list: ["x"] }, copy: "{o}" } });
    const [one, other] = [eventOf({ o: { k: 1 } }), eventOf({ o: { k: 1 } })];
    stage.apply(one);
    stage.apply(other);
    one.set(new Path("made.more"), "y");
    one.set(new Path("moved"), one.get(new Path("made")));
    one.set(new Path("moved.again"), "z");
    one.set(new Path("copy.k"), 2);
    assert.deepEqual(ownFields(other), { o: { k: 1 }, made: { list: ["x"] }, copy: { k: 1 } });
    assert.deepEqual(ownFields(one), {
      o: { k: 1 },
      made: { list: ["x"], more: "y" },
      copy: { k: 2 },
      moved: { list: ["x"], more: "y", again: "z" },
    });
    const third = eventOf({ o: { k: 1 } });
    stage.apply(third);
    third.set(new Path("inner.moved"), third.get(new Path("made")));
    third.set(new Path("inner.moved.more"), "y");
    assert.deepEqual(ownFields(third), {
      o: { k: 1 },
      made: { list: ["x"] },
      copy: { k: 1 },
      inner: { moved: { list: ["x"], more: "y" } },
    });
  });

  it("sets the event's time, fields of the envelope, and fields inside each other in the order written", () => {
    const event = eventOf("line");
    const stage = stageOf(set, {
      fields: { "@timestamp": "2019-12-11T20:47:14.285Z", "host.name": "other", a: { b: 1 }, "a.c": 2, nothing: null },
    });
    assert.equal(stage.apply(event), undefined);
    assert.equal(event.timeMs, Date.parse("2019-12-11T20:47:14.285Z"));
    assert.equal(event.get(new Path("host.name")), "other");
    assert.deepEqual(ownFields(event), { message: "line", a: { b: 1, c: 2 }, nothing: null });
  });

  it("refuses templates that do not close", () => {
    for (const bad of ["{a", "a}", "{}"])
      assert.throws(() => stageOf(set, { fields: { x: bad } }), /WT_FORMAT|position/);
  });
});

describe("rename", () => {
  it("swaps names, moves objects, and moves a field inside itself", () => {
    assert.deepEqual(outcomeOf(rename, { fields: { a: "b", b: "a" } }, { a: 1, b: 2 }), { a: 2, b: 1 });
    assert.deepEqual(outcomeOf(rename, { fields: { message: "message.text" } }, "x"), { message: { text: "x" } });
    assert.deepEqual(outcomeOf(rename, { fields: { "o.p": "q" } }, { o: { p: { r: 1 } } }), { q: { r: 1 } });
  });

  it("passes over what is missing, unless it is told not to", () => {
    assert.deepEqual(outcomeOf(rename, { fields: { x: "y" } }, { a: 1 }), { a: 1 });
    assert.equal(
      outcomeOf(rename, { fields: { a: "b", x: "y" }, ignore_missing: false }, { a: 1 }),
      "there is no field x",
    );
  });

  it("refuses what cannot be", () => {
    assert.throws(() => stageOf(rename, { fields: { "@timestamp": "t" } }), /@timestamp/);
    assert.throws(() => stageOf(rename, { fields: { a: "a" } }), /the new name is the old one/);
    assert.match(String(outcomeOf(rename, { fields: { a: "b.c" } }, { a: 1, b: "text" })), /^cannot set b\.c/);
  });
});

describe("remove", () => {
  it("removes fields, objects and literal dotted keys, and fields of the envelope", () => {
    const event = eventOf({ a: { b: 1, c: 2 }, "x.y": 1, z: 1 });
    stageOf(remove, { fields: ["a.b", "x.y", "none", "host.name"] }).apply(event);
    assert.deepEqual(ownFields(event), { a: { c: 2 }, z: 1 });
    assert.equal(event.get(new Path("host.name")), undefined);
  });
});

describe("convert", () => {
  it("takes what is of the type and refuses the rest", () => {
    const rows: [type: string, value: unknown, expected: unknown][] = [
      ["integer", "42", 42],
      ["integer", "-7", -7],
      ["integer", 42, 42],
      ["integer", "4.2", undefined],
      ["integer", 4.2, undefined],
      ["integer", "9007199254740993", undefined],
      ["integer", "", undefined],
      ["integer", " 1", undefined],
      ["integer", "0x10", undefined],
      ["integer", ["1", 2, null], [1, 2, null]],
      ["integer", ["1", "x"], undefined],
      ["float", "1e3", 1000],
      ["float", ".5", 0.5],
      ["float", "5.", 5],
      ["float", "NaN", undefined],
      ["float", "1e999", undefined],
      ["boolean", "Yes", true],
      ["boolean", "OFF", false],
      ["boolean", 1, true],
      ["boolean", "maybe", undefined],
      ["boolean", "constructor", undefined],
      ["string", 1.5, "1.5"],
      ["string", { a: 1 }, '{"a":1}'],
      ["ip", "10.0.0.1", "10.0.0.1"],
      ["ip", "10.0.0.256", undefined],
      ["ip", 1, undefined],
    ];
    for (const [type, value, expected] of rows) {
      const result = outcomeOf(convert, { fields: { v: type } }, { v: value });
      const shown = `${JSON.stringify(value)} as ${type}`;
      if (expected === undefined) assert.equal(result, `v: ${JSON.stringify(value)} is not of type ${type}`, shown);
      else assert.deepEqual(result, { v: expected }, shown);
    }
  });

  it("changes no field when one of them is not of its type", () => {
    const event = eventOf({ a: "1", b: "x" });
    assert.ok(stageOf(convert, { fields: { a: "integer", b: "integer" } }).apply(event) instanceof StageFailure);
    assert.deepEqual(ownFields(event), { a: "1", b: "x" });
  });
});

describe("filter", () => {
  it("wants one of keep and drop", () => {
    assert.throws(() => stageOf(filter, {}), /give one of keep and drop/);
    assert.throws(() => stageOf(filter, { keep: "a: 1", drop: "b: 1" }), /give one of keep and drop/);
    assert.throws(() => stageOf(filter, { keep: "a: (" }));
  });
});
