import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { GatheredEvent, Log, Stage } from "../../../src/core/component.ts";
import { DistinctCount, type SavedDistinct } from "../../../src/stages/rollup/distinct-count.ts";
import { rollup } from "../../../src/stages/rollup/index.ts";
import { numberOf } from "../../../src/stages/rollup/metrics.ts";
import { QuantileSketch, type SavedSketch } from "../../../src/stages/rollup/quantile-sketch.ts";
import { eventOf, stageOf } from "../../support/stages.ts";

const BEGIN = Date.parse("2026-11-21T10:00:00Z");
const COUNT = {
  metrics: { events: { type: "count", percentiles: [50], accuracy: 0.01 } },
  documents: "group",
};

/** A rollup whose clock is in the test's hand. */
function make(options: Record<string, unknown>, nowMs = BEGIN) {
  const world = { nowMs, logged: [] as string[] };
  stageOf(rollup, options);
  const validated = { ...DEFAULTS, ...options } as never;
  const say = (message: string): void => void world.logged.push(message);
  const log: Log = { debug: say, info: say, warn: say, error: say };
  const stage = rollup.create(validated, { now: () => world.nowMs, baseDir: ".", log });
  let offset = 0;
  const give = (partition: string, seconds: number, fields: Record<string, unknown> = {}): void => {
    stage.enter?.(partition);
    stage.apply(eventOf({ "@timestamp": BEGIN + seconds * 1000, ...fields }, offset++));
  };
  const after = (seconds: number): readonly GatheredEvent[] => {
    world.nowMs = BEGIN + seconds * 1000;
    return stage.finish!(world.nowMs, false);
  };
  return { stage, world, give, after };
}

const DEFAULTS = {
  ...{ interval_seconds: 60, by: [], documents: "metric", keep_events: false, allowed_lateness_seconds: 10 },
  ...{ late_events: "own_event", max_groups: 10_000 },
};
const counts = (made: readonly GatheredEvent[]): unknown[] =>
  made.map(({ timeMs, fields }) => [
    (timeMs - BEGIN) / 1000,
    (fields["metrics"] as { events: number }).events,
    ...Object.keys((fields["metric"] as object | undefined) ?? {}),
  ]);
const total = (stage: Stage): number =>
  stage.finish!(Date.now(), true).reduce(
    (sum, { fields }) => sum + (fields["metrics"] as { events: number }).events,
    0,
  );

describe("stage rollup", () => {
  it("finishes an interval when all inputs that give events are past its end", () => {
    const { give, after, world } = make(COUNT);
    give("a", 1);
    give("b", 2);
    world.nowMs = BEGIN + 75_000;
    give("a", 75);
    give("b", 58);
    assert.deepEqual(counts(after(76)), []);
    give("b", 71);
    assert.deepEqual(counts(after(77)), [[0, 3]]);
  });

  it("does not wait for an input that is silent, and finishes by the clock when all are", () => {
    const { give, after, world } = make(COUNT);
    give("a", 1);
    give("b", 2);
    world.nowMs = BEGIN + 71_000;
    give("a", 71);
    assert.deepEqual(counts(after(71)), [[0, 2]]);
    assert.deepEqual(counts(after(131)), [[60, 1]]);
  });

  it("finishes no interval before it can know how far behind inputs are", () => {
    const { give, after } = make(COUNT);
    give("a", -3600);
    give("a", 0);
    assert.deepEqual(counts(after(9)), []);
    assert.deepEqual(counts(after(11)), [[-3600, 1]]);
  });

  it("counts late events in an event of their own, or leaves them out and says so", () => {
    for (const late_events of ["own_event", "drop"]) {
      const { give, after, stage, world } = make({ ...COUNT, late_events });
      give("a", 1);
      world.nowMs = BEGIN + 80_000;
      give("a", 80);
      assert.deepEqual(counts(after(80)), [[0, 1]]);
      give("a", 5);
      give("a", 6);
      assert.deepEqual(counts(after(81)), []);
      assert.deepEqual(
        counts(after(141)),
        late_events === "drop"
          ? [[60, 1]]
          : [
              [0, 2, "late"],
              [60, 1],
            ],
      );
      assert.equal(stage.counters!()["late_events"], 2);
      assert.equal(stage.counters!()["late_dropped_events"], late_events === "drop" ? 2 : 0);
      assert.equal(world.logged.length, late_events === "drop" ? 2 : 0);
    }
  });

  it("holds no more groups than it may, counts the rest in one and says so once an interval", () => {
    const { give, stage, world } = make({ ...COUNT, by: ["user.id"], max_groups: 3 });
    for (let i = 0; i < 10; i++) give("a", 1, { user: { id: i % 5 } });
    assert.equal(stage.counters!()["open_groups"], 4);
    assert.equal(stage.counters!()["overflow_events"], 4);
    const made = stage.finish!(BEGIN, true);
    assert.deepEqual(
      made.map(({ fields }) => [fields["user"], fields["metric"]]),
      [
        [{ id: 0 }, undefined],
        [{ id: 1 }, undefined],
        [{ id: 2 }, undefined],
        [undefined, { overflow: true }],
      ],
    );
    assert.deepEqual(
      counts(made).map((each) => (each as number[])[1]),
      [2, 2, 2, 4],
    );
    assert.equal(world.logged.length, 1);
    assert.match(world.logged[0]!, /max_groups \(3\)/);
  });

  it("lets a clock that is ahead finish nobody's interval, nor keep its own for ever", () => {
    const { give, after, stage, world } = make(COUNT);
    give("a", 86_400);
    give("a", 1);
    assert.deepEqual(counts(after(50)), []);
    give("a", 2);
    world.nowMs = BEGIN + 200_000;
    give("a", 130);
    assert.deepEqual(counts(after(200)), [
      [0, 2],
      [120, 1],
      [86_400, 1],
    ]);
    assert.equal(stage.counters!()["open_intervals"], 0);
  });

  it("does not count an event that comes again", () => {
    const { stage } = make(COUNT);
    stage.enter!("a");
    for (const offset of [0, 10, 20]) stage.apply(eventOf({ "@timestamp": BEGIN }, offset));
    stage.enter!("b");
    stage.apply(eventOf({ "@timestamp": BEGIN }, 5));
    stage.enter!("a");
    for (const offset of [10, 20, 30]) stage.apply(eventOf({ "@timestamp": BEGIN }, offset));
    assert.equal(total(stage), 5);
  });

  it("works out what the events say, whatever order they come in and wherever it is interrupted", () => {
    const options = {
      ...{ by: ["k"], documents: "group", allowed_lateness_seconds: 1e6 },
      metrics: {
        n: { type: "count" },
        with_v: { type: "count", field: "v" },
        big: { type: "count", where: "v > 50" },
        sum: { type: "sum", field: "v" },
        least: { type: "min", field: "v" },
        most: { type: "max", field: "v" },
        mean: { type: "average", field: "v" },
        kinds: { type: "distinct", field: "v" },
        share: { type: "percentiles", field: "v", percentiles: [0, 50, 100], accuracy: 0.01 },
      },
    };
    const event = fc.record({
      at: fc.integer({ min: 0, max: 300 }),
      k: fc.integer({ min: 0, max: 3 }),
      v: fc.option(fc.integer({ min: -100, max: 100 }), { nil: undefined }),
    });
    fc.assert(
      fc.property(fc.array(event, { maxLength: 60 }), fc.nat(60), (events, cutAt) => {
        let { stage } = make({ ...options, metrics: withDefaults(options.metrics) });
        for (const [i, { at, k, v }] of events.entries()) {
          if (i === cutAt) {
            const state = JSON.stringify(stage.kept!.save(() => true));
            ({ stage } = make({ ...options, metrics: withDefaults(options.metrics) }));
            stage.kept!.load(JSON.parse(state));
          }
          stage.enter!("a");
          stage.apply(eventOf({ "@timestamp": BEGIN + at * 1000, k, ...(v === undefined ? {} : { v }) }, i));
        }
        const made = stage.finish!(BEGIN, true);
        const expected = new Map<string, (number | undefined)[]>();
        for (const { at, k, v } of events) {
          const key = `${Math.floor(at / 60) * 60_000 + BEGIN} ${k}`;
          expected.set(key, [...(expected.get(key) ?? []), v]);
        }
        assert.equal(made.length, expected.size);
        for (const { timeMs, fields } of made) {
          const all = expected.get(`${timeMs} ${String(fields["k"])}`)!;
          const values = all.filter((v) => v !== undefined).sort((a, b) => a - b);
          const sum = values.reduce((total, v) => total + v, 0);
          const { share_p0, share_p50, share_p100, mean, ...rest } = fields["metrics"] as Record<string, number>;
          const some = values.length > 0;
          assert.deepEqual(rest, {
            ...{ n: all.length, with_v: values.length, big: values.filter((v) => v > 50).length, sum },
            ...(some ? { least: values[0], most: values.at(-1) } : {}),
            kinds: new Set(values).size,
          });
          if (!some) continue;
          assert.equal(mean, sum / values.length);
          assert.deepEqual([share_p0, share_p100], [near(share_p0!, values[0]!), near(share_p100!, values.at(-1)!)]);
          near(share_p50!, values[Math.floor((values.length - 1) / 2)]!);
        }
      }),
      { numRuns: 100 },
    );
  });

  it("refuses metrics without a field or with a name that is no field's", () => {
    assert.throws(() => stageOf(rollup, { metrics: { "a.b": { type: "count" } } }), /begins with a letter/);
    assert.throws(() => stageOf(rollup, { metrics: {} }), /at least one/);
    assert.throws(() => stageOf(rollup, { metrics: { a: { type: "sum" } } }), /needs "field"/);
  });
});

function withDefaults(metrics: Record<string, object>): Record<string, object> {
  return Object.fromEntries(
    Object.entries(metrics).map(([name, metric]) => [name, { percentiles: [50, 95, 99], accuracy: 0.01, ...metric }]),
  );
}

/** Within one per cent; returns the value. */
function near(value: number, wanted: number): number {
  assert.ok(Math.abs(value - wanted) <= Math.abs(wanted) * 0.0101, `${value} is not near ${wanted}`);
  return value;
}

describe("QuantileSketch", () => {
  it("gives quantiles within its relative error, whatever the numbers", () => {
    const number = fc.oneof(fc.double({ noNaN: true, min: -1e9, max: 1e9 }), fc.integer(), fc.constant(0));
    fc.assert(
      fc.property(
        fc.array(number, { minLength: 1, maxLength: 300 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (values, share) => {
          let sketch = new QuantileSketch(0.02);
          for (const [i, value] of values.entries()) {
            sketch.add(value);
            if (i === 100) sketch = new QuantileSketch(0.02, JSON.parse(JSON.stringify(sketch.save())) as SavedSketch);
          }
          const wanted = [...values].sort((a, b) => a - b)[Math.floor(share * (values.length - 1))]!;
          const found = sketch.quantile(share);
          assert.ok(Math.abs(found - wanted) <= Math.abs(wanted) * 0.0201 + 1e-11, `${found} for ${wanted}`);
          assert.equal(sketch.count, values.length);
        },
      ),
    );
  });

  it("stays bounded, and exact enough where it matters, over all magnitudes", () => {
    const sketch = new QuantileSketch(0.001);
    for (let i = 0; i < 60_000; i++) sketch.add(10 ** ((i % 30_000) / 1000 - 10));
    assert.ok(sketch.save()[1].length <= 2048);
    assert.equal(sketch.count, 60_000);
    const top = sketch.quantile(1);
    assert.ok(Math.abs(top / 10 ** 19.999 - 1) < 0.0011);
  });

  it("has no quantile of nothing", () => {
    assert.ok(Number.isNaN(new QuantileSketch(0.01).quantile(0.5)));
  });
});

describe("DistinctCount", () => {
  it("is exact for few, and within three standard errors for many, also when it was saved on the way", () => {
    for (const different of [0, 1, 256, 257, 1000, 10_000, 200_000]) {
      let count = new DistinctCount();
      for (let i = 0; i < different; i++) {
        count.add(`user-${i}`);
        count.add(`user-${i}`);
        if (i === 100 || i === 5000)
          count = new DistinctCount(JSON.parse(JSON.stringify(count.save())) as SavedDistinct);
      }
      const error = Math.abs(count.value - different);
      assert.ok(error <= (different <= 256 ? 0 : different * 0.05), `${count.value} for ${different}`);
    }
  });
});

describe("numberOf", () => {
  it("takes numbers and texts that are nothing else", () => {
    for (const [value, wanted] of [
      [1.5, 1.5],
      ["2", 2],
      ["-1.5e3", -1500],
      [".5", 0.5],
      ["+7.", 7],
    ] as const)
      assert.equal(numberOf(value), wanted);
    for (const value of ["", " 1", "1 ms", "0x10", "Infinity", null, true, [1], {}, "e5", "."])
      assert.ok(Number.isNaN(numberOf(value)), JSON.stringify(value));
  });
});
