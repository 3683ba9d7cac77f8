import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { DROP, type GatheredEvent, type Stage } from "../../../src/core/component.ts";
import { join } from "../../../src/stages/join/index.ts";
import { eventOf, stageOf, TEST_NOW_MS } from "../../support/stages.ts";

const OPTIONS = {
  events: "kind: line",
  partners: "kind: flow",
  keys: { port: "port" },
  partner_id: "id",
  partner_time: "start",
  fields: { ip: "peer.ip" },
  candidates: "candidates",
  max_wait_seconds: 30,
};

/** A stage that is given lines and flows, by their seconds after the test's now. */
class Joining {
  readonly stage: Stage;
  nowMs = TEST_NOW_MS;
  #offset = 0;

  constructor(options: Readonly<Record<string, unknown>> = {}) {
    // Validates; what the clock says is in the test's hand.
    stageOf(join, { ...OPTIONS, ...options });
    const defaults = Object.entries(join.schema.properties!).flatMap(([name, { default: value }]) =>
      value === undefined ? [] : [[name, value] as const],
    );
    const filled = { ...Object.fromEntries(defaults), ...OPTIONS, ...options } as never;
    this.stage = join.create(filled, { now: () => this.nowMs, baseDir: "." });
    this.stage.enter?.("partition");
  }

  line(seconds: number, port: unknown = 8080, offset = this.#offset++): unknown {
    return this.stage.apply(eventOf({ "@timestamp": TEST_NOW_MS + seconds * 1000, kind: "line", port }, offset));
  }

  flow(id: string, seconds: number, port = 8080, offset = this.#offset++): unknown {
    const start = new Date(TEST_NOW_MS + seconds * 1000).toISOString();
    return this.stage.apply(eventOf({ kind: "flow", id, start, port, ip: `10.0.0.${id}` }, offset));
  }

  /** Seconds, address and candidates of what is decided so many seconds later. */
  after(seconds: number, isEnd = false): unknown[] {
    return this.stage.finish!((this.nowMs += seconds * 1000), isEnd).map(shown);
  }
}

const shown = ({ timeMs, fields }: GatheredEvent): unknown[] => [
  (timeMs - TEST_NOW_MS) / 1000,
  (fields["peer"] as { ip: string } | undefined)?.ip,
  fields["candidates"],
];

describe("stage join", () => {
  it("gives an event the fields of the partner with its keys in the time before it, whichever comes first", () => {
    for (const isFlowFirst of [true, false]) {
      const joining = new Joining();
      if (isFlowFirst) joining.flow("1", 4.5);
      assert.equal(joining.line(5), DROP);
      joining.flow("2", 4.6, 443);
      joining.flow("3", 3.9);
      joining.flow("4", 5.001);
      if (!isFlowFirst) joining.flow("1", 4.5);
      assert.deepEqual(joining.after(29), []);
      assert.deepEqual(joining.after(1), [[5, "10.0.0.1", 1]]);
      assert.deepEqual(joining.after(100, true), []);
    }
  });

  it("lets an event without a partner go on as it is when it has waited, and one without a key at once", () => {
    const joining = new Joining();
    joining.line(5);
    assert.equal(joining.line(5, null), undefined);
    assert.deepEqual(joining.after(30), [[5, undefined, undefined]]);
    assert.deepEqual(joining.stage.counters!()["alone_events"], 1);
  });

  it("takes what comes at the last moment, and no partner that came when an event was decided on", () => {
    const joining = new Joining();
    joining.line(5);
    joining.after(29);
    joining.flow("1", 4.5);
    assert.deepEqual(joining.after(1), [[5, "10.0.0.1", 1]]);
    joining.flow("2", 5.2);
    assert.deepEqual(joining.after(300), []);
    assert.equal(joining.stage.counters!()["waiting_partners"], 0);
  });

  it("gives each partner away once, however often it tells of itself, in the order of the times", () => {
    const joining = new Joining();
    for (const id of ["2", "1", "2", "1"]) joining.flow(id, id === "1" ? 4.1 : 4.2);
    joining.line(4.3);
    joining.line(4.2);
    joining.line(4.4);
    assert.deepEqual(joining.after(0, true), [
      [4.2, "10.0.0.1", 2],
      [4.3, "10.0.0.2", 2],
      [4.4, undefined, undefined],
    ]);
  });

  it("keeps the partner of an earlier event for that one while both wait", () => {
    const joining = new Joining();
    joining.nowMs += 10_000;
    joining.line(5.1);
    joining.nowMs += 10_000;
    joining.line(5);
    joining.flow("1", 4.9);
    assert.deepEqual(joining.after(20), [[5.1, undefined, undefined]]);
    assert.deepEqual(joining.after(10), [[5, "10.0.0.1", 1]]);
  });

  it("decides the same in whatever order lines and flows come", () => {
    const items = fc.array(
      fc.record({ isLine: fc.boolean(), at: fc.integer({ min: 0, max: 40 }), port: fc.constantFrom(80, 8080) }),
      { maxLength: 30 },
    );
    fc.assert(
      fc.property(items, fc.infiniteStream(fc.nat()), (all, random) => {
        const decided = (order: readonly number[]): unknown => {
          const joining = new Joining();
          for (const i of order) {
            const { isLine, at, port } = all[i]!;
            if (isLine) joining.line(at / 4, port);
            else joining.flow(String(i), at / 4, port);
          }
          return joining
            .after(0, true)
            .map((each) => JSON.stringify(each))
            .sort();
        };
        const order = all.map((_, i) => i);
        const mixed = order.map((i) => [random.next().value, i] as const).sort((a, b) => a[0] - b[0]);
        assert.deepEqual(decided(mixed.map(([, i]) => i)), decided(order));
      }),
      { numRuns: 200 },
    );
  });

  it("holds so many events and partners at most; one more event goes on at once", () => {
    const joining = new Joining({ max_events: 2, max_partners: 2 });
    assert.deepEqual([joining.line(1), joining.line(1), joining.line(1)], [DROP, DROP, undefined]);
    for (const id of ["1", "2", "3"]) joining.flow(id, 0.5);
    const { hurried_events, forgotten_partners, waiting_partners } = joining.stage.counters!();
    assert.deepEqual([hurried_events, forgotten_partners, waiting_partners], [1, 1, 2]);
    assert.deepEqual(
      joining.after(0, true).map((each) => (each as unknown[])[1]),
      ["10.0.0.2", "10.0.0.3"],
    );
  });

  it("knows after a restart what waited, and what came again", () => {
    const before = new Joining();
    before.flow("1", 4.5, 8080, 0);
    before.line(5, 8080, 1);
    before.line(6, 8080, 2);
    const after = new Joining();
    after.stage.kept!.load(JSON.parse(JSON.stringify(before.stage.kept!.save(() => true))));
    after.stage.enter!("partition");
    assert.deepEqual(
      [after.flow("1", 4.5, 8080, 0), after.line(5, 8080, 1), after.line(6, 8080, 2)],
      [DROP, DROP, DROP],
    );
    after.flow("2", 5.5, 8080, 3);
    assert.deepEqual(after.after(30), [
      [5, "10.0.0.1", 1],
      [6, "10.0.0.2", 1],
    ]);
  });

  it("lets partners go on where that is wanted, and everything else in any case", () => {
    assert.equal(new Joining().flow("1", 0), DROP);
    assert.equal(new Joining({ keep_partners: true }).flow("1", 0), undefined);
    assert.equal(new Joining().stage.apply(eventOf({ kind: "other" })), undefined);
  });

  it("keeps all fields of the event, those of its source too", () => {
    const joining = new Joining();
    joining.line(1);
    const [made] = joining.stage.finish!(joining.nowMs, true);
    assert.deepEqual((made!.fields["log"] as { file: unknown }).file, { path: "/var/log/test.log" });
    assert.equal(made!.fields["kind"], "line");
  });
});
