import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Ajv } from "ajv";
import { documentMembers } from "../../src/codec/document.ts";
import { DROP, StageFailure, type AnyStage, type Stage, type StageOutcome } from "../../src/core/component.ts";
import type { LogEvent } from "../../src/core/event.ts";
import { Path } from "../../src/core/path.ts";
import type { JsonSchema } from "../../src/core/schema.ts";
import { convert } from "../../src/stages/convert/index.ts";
import { copy } from "../../src/stages/copy/index.ts";
import { dedupe } from "../../src/stages/dedupe/index.ts";
import { dropFields } from "../../src/stages/drop_fields/index.ts";
import { filter } from "../../src/stages/filter/index.ts";
import { parseCef } from "../../src/stages/parse_cef/index.ts";
import { parseCsv } from "../../src/stages/parse_csv/index.ts";
import { parseDissect } from "../../src/stages/parse_dissect/index.ts";
import { parseGrok } from "../../src/stages/parse_grok/index.ts";
import { flatten } from "../../src/stages/flatten/index.ts";
import { keepFields } from "../../src/stages/keep_fields/index.ts";
import { lookup } from "../../src/stages/lookup/index.ts";
import { parseJson } from "../../src/stages/parse_json/index.ts";
import { parseKv } from "../../src/stages/parse_kv/index.ts";
import { parseNginx } from "../../src/stages/parse_nginx/index.ts";
import { parseRegex } from "../../src/stages/parse_regex/index.ts";
import { parseSyslog } from "../../src/stages/parse_syslog/index.ts";
import { parseTimestamp } from "../../src/stages/parse_timestamp/index.ts";
import { redact } from "../../src/stages/redact/index.ts";
import { parseW3c } from "../../src/stages/parse_w3c/index.ts";
import { parseUrl } from "../../src/stages/parse_url/index.ts";
import { parseUserAgent } from "../../src/stages/parse_user_agent/index.ts";
import { remove } from "../../src/stages/remove/index.ts";
import { rename } from "../../src/stages/rename/index.ts";
import { rollup } from "../../src/stages/rollup/index.ts";
import { route } from "../../src/stages/route/index.ts";
import { sample } from "../../src/stages/sample/index.ts";
import { set } from "../../src/stages/set/index.ts";
import { split } from "../../src/stages/split/index.ts";
import { throttle } from "../../src/stages/throttle/index.ts";
import { madeEvent } from "../../src/runtime/sample-events.ts";
import { eventOf, stageOf, TEST_ENVELOPE, TEST_NOW_MS } from "../support/stages.ts";

const STAGES: readonly AnyStage[] = [
  parseRegex,
  parseJson,
  parseKv,
  parseCsv,
  parseDissect,
  parseSyslog,
  parseGrok,
  parseCef,
  parseW3c,
  parseUrl,
  parseUserAgent,
  parseNginx,
  parseTimestamp,
  set,
  rename,
  remove,
  convert,
  filter,
  split,
  copy,
  dropFields,
  keepFields,
  flatten,
  redact,
  sample,
  throttle,
  dedupe,
  route,
  lookup,
  rollup,
];

/** Events of every awkward kind: what a stage cannot process it must refuse and leave alone. */
const AWKWARD: readonly (string | Record<string, unknown>)[] = [
  "",
  "plain text",
  "\u0000\ud800 broken \uffff",
  "[1,2]",
  '{"__proto__":{"x":1},"message":{"a":1},"@timestamp":"nonsense","host":"text"}',
  '{"a.b":1,"a":{"b":2},"a.b.c":3}',
  {},
  { message: 7 },
  {
    message: null,
    time: true,
    ts: [1],
    status: {},
    log: "text",
    event: "text",
    service: ["x"],
    http: 1,
    lvl: "x",
    nginx: 0,
    source: "s",
  },
  {
    message: "user ada",
    "a.b": 1,
    user: "text",
    labels: 1,
    req: 1,
    url: [],
    app: 2,
    time: "2019",
    ts: "x",
    took: "x",
    ok: 2,
    addr: "1.2.3",
  },
];

/** What a stage made of an event: itself, or several. */
function eventsOf(event: LogEvent, outcome: StageOutcome): readonly LogEvent[] {
  return Array.isArray(outcome) ? (outcome as readonly LogEvent[]) : [event];
}

for (const definition of STAGES) {
  describe(`stage ${definition.type}`, () => {
    it("has a closed schema, every option of which is described", () => {
      new Ajv({ strict: false }).compile(definition.schema);
      const schema: JsonSchema = definition.schema;
      assert.equal(schema.additionalProperties, false);
      for (const [name, property] of Object.entries(schema.properties ?? {})) {
        assert.match(name, /^[a-z][a-z0-9_]*$/);
        assert.ok((property.description ?? "").length > 15, `${name} lacks a description`);
        if (schema.required?.includes(name) === false && property.default !== undefined) {
          assert.ok(
            new Ajv({ strict: false }).validate(property, property.default),
            `${name}: its default is not valid`,
          );
        }
      }
    });

    it("is called as its folder, with a summary of one line", () => {
      assert.match(definition.type, /^[a-z][a-z0-9_]*$/);
      assert.match(definition.summary, /^[A-Z][^\n]*[^.\n]$/);
    });

    it("has examples that do what they say", () => {
      assert.ok(definition.examples.length > 0);
      for (const example of definition.examples) {
        const stage = stageOf(definition, example.options);
        const results = (example.input ?? []).flatMap((input) => {
          const event = eventOf(input);
          const outcome = stage.apply(event);
          assert.ok(
            !(outcome instanceof StageFailure),
            `${example.title}: ${String((outcome as StageFailure | undefined)?.message)}`,
          );
          return outcome === DROP ? [] : eventsOf(event, outcome);
        });
        for (const made of stage.finish?.(TEST_NOW_MS, true) ?? []) results.push(madeEvent(made, 0, TEST_ENVELOPE));
        assert.equal(results.length, example.output?.length, example.title);
        example.output?.forEach((expected, i) => {
          for (const [name, value] of Object.entries(expected)) {
            assert.deepEqual(results[i]!.get(new Path(name)) ?? null, value, `${example.title}: ${name}`);
          }
        });
      }
    });

    it("leaves an event that it cannot process as it was, and gives a short reason", () => {
      for (const example of definition.examples) {
        const stage = stageOf(definition, example.options);
        for (const input of AWKWARD) {
          const event = eventOf(input);
          const outcome = stage.apply(event);
          if (outcome instanceof StageFailure) {
            assert.deepEqual(event.toObject(), eventOf(input).toObject());
            assert.equal(event.timeMs, eventOf(input).timeMs);
            assert.ok(outcome.message.length > 5 && outcome.message.length < 300, outcome.message);
          }
        }
      }
    });

    it("makes events that encode as the JSON of what they hold", () => {
      for (const example of definition.examples) {
        const stage = stageOf(definition, example.options);
        for (const input of [...(example.input ?? []), ...AWKWARD]) {
          const event = eventOf(input);
          const outcome = stage.apply(event);
          if (outcome === DROP) continue;
          for (const each of eventsOf(event, outcome)) {
            const encoded = JSON.parse("{" + documentMembers(each)) as unknown;
            assert.deepEqual(encoded, each.toObject());
          }
        }
      }
    });

    it("is what it was when it takes up what it kept, and knows the events that come again", () => {
      for (const example of definition.examples) {
        const [first, second] = [stageOf(definition, example.options), stageOf(definition, example.options)];
        if (first.kept === undefined) continue;
        const inputs = [...AWKWARD, ...(example.input ?? []), ...(example.input ?? [])];
        const give = (stage: Stage, from: number, to: number): StageOutcome[] => {
          stage.enter?.("partition");
          return inputs.slice(from, to).map((input, i) => stage.apply(eventOf(input, (from + i) * 10)));
        };
        const half = inputs.length >> 1;
        const decided = give(first, 0, half);
        second.kept!.load(JSON.parse(JSON.stringify(first.kept.save(() => true))));
        // The input comes again from an earlier place.
        assert.deepEqual(give(second, half - 4, half), decided.slice(-4));
        assert.deepEqual(give(second, half, inputs.length), give(first, half, inputs.length));
        assert.deepEqual(second.finish?.(TEST_NOW_MS, true), first.finish?.(TEST_NOW_MS, true));
        const empty = stageOf(definition, example.options);
        empty.kept!.load(JSON.parse(JSON.stringify(first.kept.save(() => false))));
        for (const broken of [null, {}, [], { positions: 1 }]) {
          const stage = stageOf(definition, example.options);
          assert.throws(() => {
            stage.kept!.load(broken);
          });
        }
      }
    });

    it("treats every event alike, whatever came before it, or decides on it as before when it comes again", () => {
      for (const example of definition.examples) {
        const remembering = stageOf(definition, example.options);
        if (remembering.enter !== undefined) {
          const inputs = [...AWKWARD, ...(example.input ?? []), ...(example.input ?? []), ...AWKWARD];
          const outcomes = [0, 1].map(() => {
            remembering.enter?.("partition");
            return inputs.map((input, i) => remembering.apply(eventOf(input, i * 10)));
          });
          assert.deepEqual(outcomes[1], outcomes[0]);
          continue;
        }
        const inputs = [...AWKWARD, ...(example.input ?? []), ...AWKWARD, ...(example.input ?? [])];
        const shared = stageOf(definition, example.options);
        for (const input of inputs) {
          const [one, other] = [eventOf(input), eventOf(input)];
          const outcome = shared.apply(one);
          const fresh = stageOf(definition, example.options).apply(other);
          const [events, freshEvents] = [eventsOf(one, outcome), eventsOf(other, fresh)];
          if (!Array.isArray(outcome)) assert.deepEqual(outcome, fresh);
          assert.deepEqual(
            events.map((event) => [event.subIndex, event.toObject()]),
            freshEvents.map((event) => [event.subIndex, event.toObject()]),
          );
        }
      }
    });
  });
}
