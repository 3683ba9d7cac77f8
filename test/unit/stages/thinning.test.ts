import assert from "node:assert/strict";
import { describe, it } from "node:test";
import v8 from "node:v8";
import { runInNewContext } from "node:vm";
import { DROP, type AnyStage, type Stage } from "../../../src/core/component.ts";
import { LogEvent } from "../../../src/core/event.ts";
import { Path } from "../../../src/core/path.ts";
import { dedupe } from "../../../src/stages/dedupe/index.ts";
import { sample } from "../../../src/stages/sample/index.ts";
import { throttle } from "../../../src/stages/throttle/index.ts";
import { eventOf, stageOf, TEST_ENVELOPE, TEST_NOW_MS } from "../../support/stages.ts";

interface Input {
  readonly text: string;
  readonly atMs?: number;
  readonly offset: number;
  readonly sub?: number;
}
const KEY = new Path("key");

/** Which of the events pass, as a text of 1 and 0. */
function passed(stage: Stage, partition: string, inputs: readonly Input[]): string {
  stage.enter?.(partition);
  return inputs
    .map(({ text, atMs = 0, offset, sub = 0 }) => {
      const event = new LogEvent(text, TEST_NOW_MS + atMs, offset, TEST_ENVELOPE, sub);
      event.set(KEY, text);
      return stage.apply(event) === DROP ? "0" : "1";
    })
    .join("");
}
function lines(texts: string, from = 0, atMs = 0): Input[] {
  return [...texts].map((text, i) => ({ text, offset: from + i, atMs }));
}
const make = (definition: AnyStage, options: Record<string, unknown>): Stage => stageOf(definition, options);

describe("sample", () => {
  it("keeps about the share it was told, and the same events each time", () => {
    const inputs = Array.from({ length: 20_000 }, (_, i) => ({ text: `line ${i % 50}`, offset: i * 100 }));
    for (const [options, share] of [
      [{ rate: 10 }, 0.1],
      [{ ratio: 0.5 }, 0.5],
      [{ ratio: 0 }, 0],
      [{ rate: 1 }, 1],
    ] as const) {
      const kept = passed(make(sample, options), "p", inputs);
      const count = kept.split("1").length - 1;
      assert.ok(Math.abs(count / inputs.length - share) < 0.02, `${JSON.stringify(options)}: ${count}`);
      assert.equal(passed(make(sample, options), "another", inputs), kept);
    }
  });

  it("decides by the key alone when there is one, and one by one without", () => {
    const stage = make(sample, { ratio: 0.5, key: ["key"] });
    const inputs = Array.from({ length: 2_000 }, (_, i) => ({ text: `user ${i % 400}`, offset: i }));
    const kept = passed(stage, "p", inputs);
    for (let i = 400; i < 2_000; i++) assert.equal(kept[i], kept[i % 400]);
    const share = kept.slice(0, 400).split("1").length - 1;
    assert.ok(share > 140 && share < 260, String(share));
    const without = Array.from({ length: 200 }, (_, i) => stage.apply(eventOf({ n: i }, i)) === DROP);
    assert.ok(without.includes(true) && without.includes(false));
  });

  it("chooses otherwise with another seed", () => {
    const inputs = lines("abcdefghijklmnopqrstuvwxyz0123456789");
    assert.notEqual(
      passed(make(sample, { ratio: 0.5 }), "p", inputs),
      passed(make(sample, { ratio: 0.5, seed: "2" }), "p", inputs),
    );
  });

  it("keeps what it must, and says how many events each stands for", () => {
    const stage = make(sample, { ratio: 0, keep: "level: error", rate_field: "rate" });
    const event = eventOf({ level: "error" });
    assert.equal(stage.apply(event), undefined);
    assert.equal(event.get(new Path("rate")), 1);
    const other = eventOf({ n: 1 });
    make(sample, { rate: 1, rate_field: "rate" }).apply(other);
    assert.equal(other.get(new Path("rate")), 1);
  });

  it("wants one of rate and ratio", () => {
    assert.throws(() => make(sample, {}), /one of rate and ratio/);
    assert.throws(() => make(sample, { rate: 2, ratio: 0.5 }), /one of rate and ratio/);
  });
});

describe("throttle", () => {
  it("lets the first of each window pass, for each key by itself", () => {
    const stage = make(throttle, { limit: 2, window_seconds: 10, key: ["key"] });
    assert.equal(passed(stage, "p", [...lines("aaabab"), ...lines("aaab", 100, 10_000)]), "1101011101");
  });

  it("goes by the events' times, whatever their order", () => {
    const stage = make(throttle, { limit: 1, window_seconds: 10 });
    const times = [0, 9_999, 10_000, 5, 20_000, 19_999, 3_600_000, 1];
    const inputs = times.map((atMs, offset) => ({ text: "x", atMs, offset }));
    assert.equal(passed(stage, "p", inputs), "10101010");
  });

  it("decides as before on events that come again, and goes on counting behind them", () => {
    const stage = make(throttle, { limit: 3, window_seconds: 10, key: ["key"] });
    const inputs = lines("abaabaab");
    const first = passed(stage, "p", inputs);
    assert.equal(first, "11111001");
    assert.equal(passed(stage, "p", inputs.slice(2)), first.slice(2));
    assert.equal(passed(stage, "p", inputs), first);
    assert.equal(passed(stage, "p", lines("ab", 100)), "00");
  });

  it("shares a limit among partitions, and decides as before in each", () => {
    const stage = make(throttle, { limit: 3, window_seconds: 10 });
    const [one, two] = [lines("xx"), lines("xxx")];
    assert.deepEqual([passed(stage, "1", one), passed(stage, "2", two)], ["11", "100"]);
    assert.deepEqual([passed(stage, "1", one), passed(stage, "2", two)], ["11", "100"]);
  });

  it("tells events of one line apart", () => {
    const stage = make(throttle, { limit: 2, window_seconds: 10 });
    const inputs = [0, 1, 2].map((sub) => ({ text: "x", offset: 5, sub }));
    assert.equal(passed(stage, "p", inputs), "110");
    assert.equal(passed(stage, "p", inputs), "110");
  });

  it("forgets the oldest when there are too many keys, and then lets more pass", () => {
    const stage = make(throttle, { limit: 1, window_seconds: 10, key: ["key"], max_keys: 2 });
    assert.equal(passed(stage, "p", lines("aabbaccaa")), "101001010");
  });

  it("does not count what it must keep", () => {
    const stage = make(throttle, { limit: 1, window_seconds: 10, keep: "key: e" });
    assert.equal(passed(stage, "p", lines("eeaeea")), "111110");
  });
});

describe("dedupe", () => {
  it("lets one of equal events pass until the window is over", () => {
    const stage = make(dedupe, { fields: ["key"], window_seconds: 10 });
    const inputs = [0, 1_000, 9_999, 10_000, 15_000, 20_000].map((atMs, offset) => ({ text: "a", atMs, offset }));
    assert.equal(passed(stage, "p", inputs), "100101");
  });

  it("goes by the text as it was read when no fields are named", () => {
    assert.equal(passed(make(dedupe, {}), "p", lines("abab")), "1100");
    const long = "x".repeat(5_000);
    const inputs = [long, long + "y", long].map((text, offset) => ({ text, offset }));
    assert.equal(passed(make(dedupe, {}), "p", inputs), "110");
  });

  it("never takes an event for a repeat of itself, and decides as before", () => {
    const stage = make(dedupe, { fields: ["key"], window_seconds: 10 });
    const inputs = [...lines("abab"), ...lines("ab", 10, 12_000), ...lines("a", 20, 13_000)];
    const first = passed(stage, "p", inputs);
    assert.equal(first, "1100110");
    assert.equal(passed(stage, "p", inputs), first);
    assert.equal(passed(stage, "p", inputs.slice(4)), first.slice(4));
    assert.equal(passed(stage, "other", lines("a", 0, 13_500)), "0");
  });

  it("keeps no more alive of what it read than the texts that it compares", () => {
    v8.setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as () => void;
    const stage = make(dedupe, { max_keys: 100 });
    collect();
    const before = process.memoryUsage().heapUsed;
    for (let i = 0; i < 100; i++) {
      const chunk = `${"x".repeat(1 << 20)}line number ${i} of a chunk`;
      stage.apply(eventOf(chunk.slice(1 << 20), i));
    }
    collect();
    assert.ok(process.memoryUsage().heapUsed - before < 20 << 20);
  });

  it("lets events pass that have none of the fields, and tells types apart", () => {
    const stage = make(dedupe, { fields: ["a", "b"] });
    const inputs = [
      { x: 1 },
      { x: 1 },
      { a: 1 },
      { a: "1" },
      { a: 1 },
      { b: 1 },
      { a: null },
      { a: { k: [1] } },
      { a: { k: [1] } },
    ];
    const outcomes = inputs.map((input, i) => (stage.apply(eventOf(input, i)) === DROP ? "0" : "1")).join("");
    assert.equal(outcomes, "111101110");
  });

  it("forgets the oldest when there are too many, and lets a repeat of it pass", () => {
    const stage = make(dedupe, { fields: ["key"], max_keys: 2 });
    assert.equal(passed(stage, "p", lines("abcba")), "11101");
  });

  it("remembers the newest so many, however many there were", () => {
    const stage = make(dedupe, { fields: ["key"], max_keys: 50 });
    const inputs = Array.from({ length: 5_000 }, (_, i) => ({ text: `k${i}`, offset: i }));
    assert.equal(passed(stage, "p", inputs).includes("0"), false);
    const again = Array.from({ length: 51 }, (_, i) => ({ text: `k${4_999 - i}`, offset: 5_000 + i }));
    assert.equal(passed(stage, "p", again), "0".repeat(50) + "1");
  });

  it("is not confused by an input that is behind", () => {
    const stage = make(dedupe, { fields: ["key"], window_seconds: 10 });
    assert.equal(passed(stage, "live", [{ text: "a", atMs: 100_000, offset: 0 }]), "1");
    assert.equal(passed(stage, "old", [{ text: "a", atMs: 0, offset: 0 }]), "1");
    assert.equal(passed(stage, "live", [{ text: "a", atMs: 101_000, offset: 1 }]), "0");
  });
});
