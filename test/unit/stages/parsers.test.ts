import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { StageFailure, type AnyStage } from "../../../src/core/component.ts";
import { Path } from "../../../src/core/path.ts";
import { parseJson } from "../../../src/stages/parse_json/index.ts";
import { parseNginx } from "../../../src/stages/parse_nginx/index.ts";
import { parseRegex } from "../../../src/stages/parse_regex/index.ts";
import { parseTimestamp } from "../../../src/stages/parse_timestamp/index.ts";
import { eventOf, stageOf, TEST_NOW_MS } from "../../support/stages.ts";

function get(
  definition: AnyStage,
  options: Record<string, unknown>,
  input: string | Record<string, unknown>,
  ...fields: string[]
): unknown {
  const event = eventOf(input);
  const outcome = stageOf(definition, options).apply(event);
  return outcome instanceof StageFailure ? outcome.message : fields.map((name) => event.get(new Path(name)));
}

describe("parse_regex", () => {
  it("gives message anew where a group is called so, and removes it otherwise", () => {
    assert.deepEqual(get(parseRegex, { pattern: "^a (?<message>.*)$" }, "a b", "message"), ["b"]);
    assert.deepEqual(get(parseRegex, { pattern: "^a (?<rest>.*)$" }, "a b", "message", "rest"), [undefined, "b"]);
  });

  it("a group that took no part leaves a field that was there, and the envelope's, as they were", () => {
    const event = eventOf({ message: "a", x: "old" });
    stageOf(parseRegex, { pattern: "^a(?: (?<x>\\w+) (?<host.name>\\w+))?" }).apply(event);
    assert.equal(event.get(new Path("x")), "old");
    assert.equal(event.get(new Path("host.name")), "test-host");
  });

  it("parses other fields than message, and keeps the line as it was read", () => {
    assert.deepEqual(
      get(
        parseRegex,
        { pattern: "(?<a>\\d+)", field: "in.text", keep_original: true },
        { in: { text: "x7" } },
        "a",
        "in",
        "event.original",
      ),
      ["7", undefined, ""],
    );
    assert.deepEqual(
      get(parseRegex, { pattern: "(?<event.original>\\d+)", keep_original: true }, "x7", "event.original"),
      ["7"],
    );
  });

  it("sets the event's time where a group is called @timestamp", () => {
    const event = eventOf("2019-12-11T20:47:14.285Z x");
    const stage = stageOf(parseRegex, { pattern: "^(?<@timestamp>\\S+) (?<message>.*)$" });
    assert.equal(stage.apply(event), undefined);
    assert.equal(event.timeMs, Date.parse("2019-12-11T20:47:14.285Z"));
    assert.match((stage.apply(eventOf("never x")) as StageFailure).message, /^cannot set @timestamp/);
  });

  it("refuses fields that lie inside each other, and dangerous patterns unless they are allowed", () => {
    assert.throws(() => stageOf(parseRegex, { pattern: "(?<a>x)(?<a.b>y)" }), /a and a\.b overlap/);
    assert.throws(() => stageOf(parseRegex, { pattern: "(?=x)(?<a>x)" }), /look-around/);
    assert.deepEqual(get(parseRegex, { pattern: "(?=x)(?<a>x)", allow_backtracking: true }, "x", "a"), ["x"]);
  });

  it("a catastrophic pattern cannot stall it", () => {
    const stage = stageOf(parseRegex, { pattern: "^(?<a>(a+)+)$" });
    const began = performance.now();
    assert.ok(stage.apply(eventOf("a".repeat(40) + "b")) instanceof StageFailure);
    assert.ok(performance.now() - began < 2000);
  });
});

describe("parse_json", () => {
  it("says what is wrong with a line that is no object", () => {
    assert.match(String(get(parseJson, {}, '{"a":')), /^is not JSON: /);
    assert.equal(get(parseJson, {}, "3"), "is JSON, but a number and no object");
    assert.equal(get(parseJson, {}, { a: 1 }), "there is no field message");
  });

  it("takes keys as they are, whatever they are called", () => {
    const event = eventOf('{"a.b":1,"a":{"c":2},"__proto__":{"x":1},"@timestamp":"2019-12-11T20:47:14Z"}');
    assert.equal(stageOf(parseJson, {}).apply(event), undefined);
    const object = event.toObject();
    assert.equal(object["a.b"], 1);
    assert.deepEqual(object["a"], { c: 2 });
    assert.ok(Object.hasOwn(object, "__proto__"));
    assert.equal(event.timeMs, Date.parse("2019-12-11T20:47:14Z"));
  });

  it("may put the object in the place of the text", () => {
    assert.deepEqual(get(parseJson, { target: "message" }, '{"a":1}', "message.a"), [1]);
    assert.deepEqual(get(parseJson, { target: "message.body" }, '{"a":1}', "message.body.a"), [1]);
  });
});

describe("parse_timestamp", () => {
  it("sets another field to ISO text, and keeps the source where it is told to", () => {
    const options = { field: "t", formats: ["epoch_s"], target: "event.created", remove_field: false };
    assert.deepEqual(get(parseTimestamp, options, { t: "1576097234.5" }, "event.created", "t", "@timestamp"), [
      "2019-12-11T20:47:14.500Z",
      "1576097234.5",
      new Date(TEST_NOW_MS).toISOString(),
    ]);
    assert.deepEqual(get(parseTimestamp, { field: "t", formats: ["epoch_s"], target: "t" }, { t: 0 }, "t"), [
      "1970-01-01T00:00:00.000Z",
    ]);
  });

  it("says what does not fit which formats", () => {
    assert.equal(
      get(parseTimestamp, { field: "t", formats: ["%F", "epoch_s"] }, { t: "soon" }),
      't "soon" does not fit %F, epoch_s',
    );
    assert.equal(get(parseTimestamp, { field: "t", formats: ["%F"] }, {}), "there is no field t");
    assert.equal(get(parseTimestamp, { field: "t", formats: ["%F"] }, { t: [1] }), "field t is no text or number");
  });

  it("takes the year from the clock of the agent", () => {
    assert.deepEqual(
      get(
        parseTimestamp,
        { field: "t", formats: ["%b %e %T"], zone: "Europe/Madrid" },
        { t: "Nov 21 10:59:00" },
        "@timestamp",
      ),
      ["2026-11-21T09:59:00.000Z"],
    );
  });
});

describe("parse_nginx", () => {
  it("an absent value leaves a field that was there before", () => {
    const input = {
      message: '1.2.3.4 - - [11/Dec/2019:20:47:14 +0000] "GET / HTTP/1.1" 200 1 "-" "-"',
      user: { name: "kept" },
    };
    assert.deepEqual(get(parseNginx, {}, input, "user.name", "source.ip", "message"), ["kept", "1.2.3.4", undefined]);
  });

  it("leaves the time of the event alone when the format has none", () => {
    assert.deepEqual(get(parseNginx, { format: "$status $host" }, "200 a", "@timestamp", "http.response.status_code"), [
      new Date(TEST_NOW_MS).toISOString(),
      200,
    ]);
  });

  it("refuses a definition that does not compile", () => {
    assert.throws(() => stageOf(parseNginx, { format: "$request$status" }), /stand side by side/);
  });
});
