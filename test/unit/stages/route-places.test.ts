import assert from "node:assert/strict";
import { test } from "node:test";
import { LogEvent } from "../../../src/core/event.ts";
import { Path } from "../../../src/core/path.ts";
import { longestPlace, MAX_VALUE_CHARACTERS, Places, type Way } from "../../../src/stages/route/places.ts";

const NO_ENVELOPE = { paths: [], values: [], offsetPath: undefined };

function eventOf(fields: Readonly<Record<string, unknown>>): LogEvent {
  const event = new LogEvent("", 0, 0, NO_ENVELOPE);
  for (const [name, value] of Object.entries(fields)) event.set(new Path(name), value);
  return event;
}

/** The places of one sink for values of `service.name`. */
function placesOf(place: Readonly<Record<string, unknown>>, maxTargets = 50) {
  let full = 0;
  const places = new Places({ defaultValue: "other", maxTargets }, () => full++);
  const way: Way = places.way([{ sink: "a", place }]);
  const at = (value: unknown): unknown => {
    const named = way.destinationsFor(eventOf(value === undefined ? {} : { "service.name": value }))!["a"]!;
    return JSON.parse(named);
  };
  return { places, way, at, fullCalls: () => full };
}

test("a value becomes part of an index's or data stream's name: lower case, and _ for what such a name cannot have", () => {
  const index = placesOf({ index: "${service.name}-{date}" });
  assert.deepEqual(index.at("Shop Front"), { index: "shop_front-{date}" });
  assert.deepEqual(index.at("-_.x/y*z"), { index: "x_y_z-{date}" });
  assert.deepEqual(index.at("a{date}b"), { index: "a_date_b-{date}" });
  const stream = placesOf({ data_stream: { dataset: "${service.name}", namespace: "x" } });
  assert.deepEqual(stream.at("my-app.2"), { data_stream: { dataset: "my_app.2", namespace: "x" } });
  assert.deepEqual(stream.at(7), { data_stream: { dataset: "7", namespace: "x" } });
});

test("a value becomes part of a log group's or log stream's name", () => {
  const group = placesOf({ log_group_name: "/app/${service.name}", log_stream_name: "{hostname} ${service.name}" });
  assert.deepEqual(group.at("Shop Front/é"), {
    log_group_name: "/app/Shop_Front/_",
    log_stream_name: "{hostname} Shop Front/é",
  });
  assert.deepEqual(group.at("a:{b}*\u0007"), { log_group_name: "/app/a__b___", log_stream_name: "{hostname} a__b___" });
});

test("what is missing, no scalar, or leaves nothing of a name is the default value; long values are cut off", () => {
  const { at } = placesOf({ index: "logs-${service.name}" });
  for (const value of [undefined, null, ["a"], { x: 1 }, "", "   ", "日本", "---", "..", "/"])
    assert.deepEqual(at(value), { index: "logs-other" }, JSON.stringify(value));
  const { index } = at("x".repeat(500)) as { index: string };
  assert.equal(index.length, "logs-".length + MAX_VALUE_CHARACTERS);
  const half = placesOf({ log_stream_name: "${service.name}" }).at("x".repeat(59) + "😀");
  assert.deepEqual(half, { log_stream_name: "x".repeat(59) });
  assert.deepEqual(longestPlace({ index: "logs-${a}-${b}" }), {
    index: `logs-${"x".repeat(MAX_VALUE_CHARACTERS)}-${"x".repeat(MAX_VALUE_CHARACTERS)}`,
  });
});

test("events of the same values share one object, and beyond max_targets new values go to the default place, counted", () => {
  const { way, at, places, fullCalls } = placesOf({ index: "logs-${service.name}" }, 3);
  const of = (name: string): unknown => way.destinationsFor(eventOf({ "service.name": name }));
  assert.equal(of("a"), of("A"));
  assert.equal(at(undefined) === undefined, false);
  for (const name of ["b", "c", "d", "e", "d"]) of(name);
  assert.deepEqual([places.made, places.beyond, fullCalls()], [3, 3, 1]);
  assert.deepEqual(at("d"), { index: "logs-other" });
  assert.deepEqual(at("b"), { index: "logs-b" }, "those that have a place keep it");
  assert.deepEqual(at("other"), { index: "logs-other" });
});

test("a rule without fields has one object for all its events, and none where it names sinks alone", () => {
  const places = new Places({ defaultValue: "other", maxTargets: 1 }, () => assert.fail());
  const constant = places.way([{ sink: "a", place: { index: "audit" } }]);
  assert.equal(constant.destinationsFor(eventOf({})), constant.destinationsFor(eventOf({ x: 1 })));
  const plain = places.way([{ sink: "a", place: undefined }]);
  assert.equal(plain.destinationsFor(eventOf({})), undefined);
});
