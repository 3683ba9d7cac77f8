import assert from "node:assert/strict";
import { test } from "node:test";
import { BothWays, readBatch, stageConfig } from "../../../support/pipelines.ts";
import { TimeCache } from "../../../../src/codec/kernel/time-cache.ts";

/** How often JavaScript read a time while the machine ran over the lines. */
function readsFor(formats: readonly string[], times: readonly string[]): number {
  const config = stageConfig({ type: "parse_timestamp", options: { field: "message", formats } });
  let reads = 0;
  const { definition } = config;
  const counted = {
    ...definition,
    create: (...given: Parameters<typeof definition.create>) => {
      const stage = definition.create(...given);
      const plan = stage.plan;
      if (plan?.kind !== "parse_time") throw new Error("no plan");
      const read = (text: string): number => {
        reads++;
        return plan.reader.read(text);
      };
      return { apply: stage.apply.bind(stage), plan: { ...plan, reader: { ...plan.reader, read } } };
    },
  };
  const both = new BothWays([{ ...config, definition: counted }]);
  const batch = readBatch(Buffer.from(times.join("\n") + "\n"));
  const compiled = both.run("compiled", batch);
  assert.equal(compiled.plainLines, 0);
  assert.deepEqual(compiled.encoded.timesMs, both.run("plain", batch).encoded.timesMs);
  return reads;
}

const each = (text: (n: string) => string, width: number): string[] =>
  Array.from({ length: 900 }, (_, i) => text(String(i).padStart(width, "0")));

test("times that share their second are read by the machine, whatever the format", () => {
  assert.ok(
    readsFor(
      ["iso8601"],
      each((n) => `2019-12-11T20:47:14.${n}Z`, 3),
    ) < 20,
  );
  assert.ok(
    readsFor(
      ["iso8601"],
      each((n) => `2019-12-11T20:47:14,${n}123+05:30`, 3),
    ) < 20,
  );
  assert.ok(
    readsFor(
      ["%Y.%m.%d, %H:%M:%S.%4L UTC"],
      each((n) => `2019.12.11, 20:47:14.${n} UTC`, 4),
    ) < 20,
  );
  assert.ok(
    readsFor(
      ["epoch_s", "epoch_ms"],
      each((n) => `1576097234${n}`, 3),
    ) < 20,
  );
  assert.ok(
    readsFor(
      ["epoch_s"],
      each((n) => `1576097234.${n}`, 6),
    ) < 20,
  );
});

test("digits that are no fraction of a second are read by JavaScript", () => {
  assert.equal(
    readsFor(
      ["%d.%m.%Y"],
      each((n) => `11.12.1${n}`, 3),
    ) >= 900,
    true,
  );
});

test("a time that depends on the clock is not remembered for the next batch", () => {
  const area = Buffer.alloc(256);
  const cache = new TimeCache({ read: () => 5000, dependsOnClock: true }, area);
  cache.read("20:47:14");
  assert.notDeepEqual(area.subarray(0, 32), Buffer.alloc(32));
  cache.refresh();
  assert.deepEqual(area.subarray(0, 32), Buffer.alloc(32));
});
