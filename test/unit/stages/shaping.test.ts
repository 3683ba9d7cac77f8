import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { StageFailure, type AnyStage } from "../../../src/core/component.ts";
import type { LogEvent } from "../../../src/core/event.ts";
import { Path } from "../../../src/core/path.ts";
import { copy } from "../../../src/stages/copy/index.ts";
import { dropFields } from "../../../src/stages/drop_fields/index.ts";
import { flatten } from "../../../src/stages/flatten/index.ts";
import { keepFields } from "../../../src/stages/keep_fields/index.ts";
import { eventOf, stageOf } from "../../support/stages.ts";

const ENVELOPE = ["@timestamp", "host", "ecs", "log"];
type Options = Record<string, unknown>;

function after(definition: AnyStage, options: Options, input: string | Options): unknown {
  const event = eventOf(input);
  const outcome = stageOf(definition, options).apply(event);
  return outcome instanceof StageFailure ? outcome.message : own(event);
}
function own(event: LogEvent): unknown {
  return Object.fromEntries(Object.entries(event.toObject()).filter(([key]) => !ENVELOPE.includes(key)));
}

describe("copy", () => {
  it("reads all before it sets any, so fields can swap values", () => {
    assert.deepEqual(after(copy, { fields: { a: "b", b: "a" } }, { a: 1, b: 2 }), { a: 2, b: 1 });
  });

  it("copies objects, so that a change of one is none of the other", () => {
    const event = eventOf({ a: { x: 1 } });
    stageOf(copy, { fields: { a: ["b", "c.d"] } }).apply(event);
    event.set(new Path("b.x"), 2);
    assert.deepEqual(own(event), { a: { x: 1 }, b: { x: 2 }, c: { d: { x: 1 } } });
  });

  it("fails, changing nothing, for what is missing or cannot be set", () => {
    assert.equal(after(copy, { fields: { a: "c", b: "d" }, ignore_missing: false }, { a: 1 }), "there is no field b");
    assert.match(String(after(copy, { fields: { a: "b.c" } }, { a: 1, b: "text" })), /^cannot set b\.c/);
    assert.match(String(after(copy, { fields: { a: "@timestamp" } }, { a: "never" })), /@timestamp/);
  });

  it("refuses copies to itself and to places that overlap", () => {
    assert.throws(() => stageOf(copy, { fields: { a: "a" } }), /the new name is the old one/);
    assert.throws(() => stageOf(copy, { fields: { a: ["x", "x.y"] } }), /overlap/);
    assert.throws(() => stageOf(copy, { fields: { a: "x", b: "x" } }), /overlap/);
  });
});

describe("drop_fields", () => {
  it("drops by name, by pattern at any depth, fields of the source too, and makes exceptions", () => {
    const event = eventOf({ a: { b: 1, c: { password: 2, user: 3 } }, "x.y": 1, tmp_1: 1, tmp_2: 2, t: "tmp_" });
    stageOf(dropFields, { fields: ["a.b", "*.password", "tmp_*", "x.*", "log.*"], except: ["tmp_2"] }).apply(event);
    assert.deepEqual(own(event), { a: { c: { user: 3 } }, tmp_2: 2, t: "tmp_" });
    assert.equal(event.get(new Path("log.file.path")), undefined);
    assert.equal(event.get(new Path("host.name")), "test-host");
  });

  it("drops what holds nothing, but neither 0 nor false", () => {
    const input = { a: null, b: "", c: [], d: {}, e: 0, f: false, g: { h: "" }, i: [null], keep: "" };
    assert.deepEqual(after(dropFields, { empty: true, except: ["keep"] }, input), {
      e: 0,
      f: false,
      i: [null],
      keep: "",
    });
  });

  it("takes characters of regular expressions in names as they are", () => {
    const input = { "a+b": 1, aab: 2, "c(1)": 3 };
    assert.deepEqual(after(dropFields, { fields: ["a+*", "c(*"] }, input), { aab: 2 });
  });

  it("wants something to drop, and keeps @timestamp", () => {
    assert.throws(() => stageOf(dropFields, {}), /name fields/);
    assert.throws(() => stageOf(dropFields, { fields: ["@timestamp"] }), /@timestamp/);
    const event = eventOf({ a: 1 });
    stageOf(dropFields, { fields: ["*"] }).apply(event);
    assert.deepEqual(Object.keys(event.toObject()), ["@timestamp"]);
  });
});

describe("keep_fields", () => {
  it("keeps objects whole and parts of them, and what the source gave and what failed", () => {
    const input = {
      a: { b: 1, c: { d: 2 } },
      e: { f: 1, g: 2 },
      "x.y": 1,
      list: [1],
      error: { message: "m", type: "t" },
    };
    const event = eventOf(input);
    event.set(new Path("host.name"), "changed");
    stageOf(keepFields, { fields: ["a", "e.f", "x.y"] }).apply(event);
    assert.deepEqual(own(event), { a: { b: 1, c: { d: 2 } }, e: { f: 1 }, "x.y": 1, error: { message: "m" } });
    assert.deepEqual(event.toObject()["host"], { name: "changed" });
    assert.equal(event.get(new Path("log.file.path")), "/var/log/test.log");
  });

  it("keeps by pattern", () => {
    assert.deepEqual(after(keepFields, { fields: ["*.id", "http.*"] }, { id: 1, a: { id: 2, x: 3 }, http: { y: 4 } }), {
      a: { id: 2 },
      http: { y: 4 },
    });
  });
});

describe("flatten", () => {
  it("makes one field of each value, and finds it by its name as before", () => {
    const event = eventOf({ a: { b: 1, c: { d: [1], e: {} } }, f: "x" });
    stageOf(flatten, {}).apply(event);
    assert.deepEqual(own(event), { "a.b": 1, "a.c.d": [1], "a.c.e": {}, f: "x" });
    assert.equal(event.get(new Path("a.b")), 1);
    event.set(new Path("a.b"), 2);
    assert.deepEqual(own(event), { "a.b": 2, "a.c.d": [1], "a.c.e": {}, f: "x" });
  });

  it("goes so deep and no deeper, into items of arrays if told to", () => {
    const input = { a: { b: { c: 1 } }, l: [{ x: 1 }, 2, []] };
    const options = { separator: "_", max_depth: 2, arrays: "index" };
    assert.deepEqual(after(flatten, options, input), { a_b: { c: 1 }, l_0: { x: 1 }, l_1: 2, l_2: [] });
  });

  it("flattens the named fields only, wherever they lie", () => {
    const input = { app: { req: { m: { n: 1 } }, id: 7 }, other: { x: 1 } };
    assert.deepEqual(after(flatten, { fields: ["app.req"], separator: "_" }, input), {
      app_req_m_n: 1,
      app: { id: 7 },
      other: { x: 1 },
    });
    assert.deepEqual(after(flatten, { fields: ["app.req"], prefix: "r_", separator: "_" }, input), {
      r_m_n: 1,
      app: { id: 7 },
      other: { x: 1 },
    });
  });

  it("fails, changing nothing, where two fields would get one name", () => {
    const input = { a: { b: 1 }, a_b: 2 };
    const event = eventOf(input);
    const outcome = stageOf(flatten, { separator: "_" }).apply(event);
    assert.deepEqual(outcome, new StageFailure("two fields would be called a_b"));
    assert.deepEqual(own(event), input);
  });

  it("leaves fields of the source as they are: hidden, changed or its own", () => {
    const event = eventOf({ message: "m" });
    event.delete(new Path("log.offset"));
    event.delete(new Path("ecs"));
    event.set(new Path("host.name"), "mine");
    stageOf(flatten, {}).apply(event);
    const { "@timestamp": _, ...rest } = event.toObject();
    assert.deepEqual(rest, { message: "m", "host.name": "mine", log: { file: { path: "/var/log/test.log" } } });
  });

  it("keeps a member called __proto__ a member", () => {
    const result = after(flatten, {}, JSON.parse('{"a":{"__proto__":{"b":1}}}') as Options);
    assert.equal(JSON.stringify(result), '{"a.__proto__.b":1}');
  });
});
