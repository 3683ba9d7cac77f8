import assert from "node:assert/strict";
import { test } from "node:test";
import { defineStage } from "../../../src/core/component.ts";
import { Path } from "../../../src/core/path.ts";
import { t as schema } from "../../../src/core/schema.ts";
import type { StageConfig } from "../../../src/runtime/config/types.ts";
import { readCheckpoint } from "../../../src/disk/checkpoint-file.ts";
import { dedupe } from "../../../src/stages/dedupe/index.ts";
import { rollup } from "../../../src/stages/rollup/index.ts";
import { Agent } from "../../../src/runtime/agent.ts";
import { systemClock } from "../../../src/runtime/clock.ts";
import type { Checkpoints } from "../../../src/runtime/checkpoints.ts";
import type { HostConfig } from "../../../src/runtime/config/types.ts";
import { KeptStages } from "../../../src/runtime/kept-stages.ts";
import type { ChainStage } from "../../../src/runtime/stage-chain.ts";
import { makeContext, TEST_PLACEHOLDERS } from "../../support/context.ts";
import { temporaryFolder } from "../../support/folders.ts";
import { makeHost, sinkDefinition } from "../../support/host.ts";
import { MemoryInput } from "../../support/memory-source.ts";
import { ScriptedSink } from "../../support/scripted-sink.ts";
import { until } from "../../support/until.ts";

const QUICK = { maxAgeMs: 5 };
const location = { file: "host.json", line: 1, column: 1, pointer: "" };
const stage = (definition: StageConfig["definition"], options: unknown): StageConfig => ({
  ...{ definition, options, when: undefined, onError: "keep", baseDir: ".", location },
});
const counting = (lateness = 0): StageConfig =>
  stage(rollup, {
    ...{ interval_seconds: 86400, by: [], documents: "group", keep_events: false, late_events: "own_event" },
    ...{ allowed_lateness_seconds: lateness, max_groups: 10 },
    metrics: { lines: { type: "count", percentiles: [50], accuracy: 0.01 } },
  });

/** The sinks of these tests look at messages only. */
const asMessage = stage(
  defineStage({
    type: "as_message",
    summary: "For tests",
    stability: "stable",
    schema: schema.object({}),
    examples: [],
    create: () => ({
      apply: (event) => {
        event.set(new Path("message"), JSON.stringify([event.get(new Path("metrics")), event.get(new Path("host"))]));
        return undefined;
      },
    }),
  }),
  {},
);

async function run(config: HostConfig, isOnce = false): Promise<Agent> {
  return Agent.start({
    ...{ config, clock: systemClock, once: isOnce, log: () => makeContext().log },
    ...{ placeholders: TEST_PLACEHOLDERS, version: "0.0.0" },
  });
}

test("what stages remember is written with the positions, and is there after a restart", async (t) => {
  const stateDir = await temporaryFolder(t);
  const input = new MemoryInput();
  const sinks = [new ScriptedSink([], QUICK), new ScriptedSink([], QUICK), new ScriptedSink([], QUICK)];
  const definition = sinkDefinition(...sinks);
  const host = (stages: StageConfig[]): HostConfig =>
    makeHost({
      ...{ stateDir, sources: { memory: input.definition }, sinks: { out: { definition } } },
      pipelines: { main: { from: ["memory"], to: ["out"], stages } },
    });
  const once = stage(dedupe, { fields: ["message"], window_seconds: 1e6, max_keys: 100 });
  input.push("a", "b", "a");
  const one = await run(host([once, counting(), asMessage]));
  await until("three lines", () => one.status().pipelines[0]!.in_events === 3);
  await one.stop(2000);
  const { data } = await readCheckpoint(`${stateDir}/checkpoints.json`);
  assert.deepEqual(
    data.stages?.["main"]?.map(({ type }) => type),
    ["dedupe", "rollup"],
  );
  input.push("b", "c", "a");
  const two = await run(host([once, counting(), asMessage]));
  await until("six lines", () => two.status().pipelines[0]!.in_events === 3);
  assert.equal(two.status().pipelines[0]!.stages[0]!.dropped_events, 2);
  for (const { text, holds } of two.status().equations) assert.ok(holds, text);
  await two.stop(2000);
  assert.deepEqual([...sinks[0]!.delivered, ...sinks[1]!.delivered], []);
  // Changed, it gives what it had; the end of all input gives the rest.
  input.push("d");
  const three = await run(host([once, counting(5), asMessage]), true);
  await three.sourcesEnded();
  await three.drain(AbortSignal.timeout(4000));
  for (const { text, holds } of three.status().equations) assert.ok(holds, text);
  await three.stop(2000);
  const made = { name: TEST_PLACEHOLDERS.hostname };
  assert.deepEqual(
    sinks[2]!.delivered.map((text) => JSON.parse(text) as unknown),
    [
      [{ lines: 3 }, made],
      [{ lines: 1 }, made],
    ],
  );
});

test("what was made and not delivered goes out after a restart, the same and once", async (t) => {
  const stateDir = await temporaryFolder(t);
  const input = new MemoryInput();
  const down = new ScriptedSink(() => ({ outcome: "retry", reason: "down" }), QUICK);
  const [good, up, later] = [new ScriptedSink([], QUICK), new ScriptedSink([], QUICK), new ScriptedSink([], QUICK)];
  const slow = sinkDefinition(down, up);
  const fine = sinkDefinition(good, later);
  const config = makeHost({
    ...{ stateDir, sources: { memory: input.definition } },
    sinks: { slow: { definition: slow }, fine: { definition: fine } },
    pipelines: { main: { from: ["memory"], to: ["slow", "fine"], stages: [counting(), asMessage] } },
    settings: { journal: { maxBytes: 0 } },
  });
  input.push("a", "b");
  const one = await run(config, true);
  await one.sourcesEnded();
  await one.drain(AbortSignal.timeout(500));
  assert.equal(good.delivered.length, 1);
  await one.stop(50);
  assert.deepEqual(down.delivered, []);
  const two = await run(config);
  await until("it goes out", () => up.delivered.length === 1);
  assert.deepEqual(up.delivered, good.delivered);
  assert.match(good.delivered[0]!, /"lines":2/);
  await two.stop(2000);
  assert.deepEqual(later.delivered, []);
  const { data } = await readCheckpoint(`${stateDir}/checkpoints.json`);
  assert.deepEqual(data.stages?.["main"]?.[0]?.made?.waiting, []);
});

test("what a stage made is handed on only when it is on disk", async () => {
  const syncs: (() => void)[] = [];
  const checkpoints = {
    ...{ keptStages: () => [], partitionsOfStages: () => [], keepStages: () => undefined, open: () => 0 },
    sync: () => new Promise<void>((resolve) => syncs.push(resolve)),
  } as unknown as Checkpoints;
  const config = counting();
  const made = config.definition.create(config.options, { now: () => 0, baseDir: ".", log: makeContext().log });
  let finished = [{ timeMs: 1, fields: [] }];
  const handed: number[] = [];
  const kept = KeptStages.of({
    ...{ pipeline: "main", configs: [config], routes: [], envelope: { paths: [], values: [] }, checkpoints },
    steps: [{ stage: { ...made, kept: made.kept, finish: () => finished.splice(0) } }] as unknown as ChainStage[],
    ...{ clock: systemClock, log: makeContext().log, room: () => undefined },
    process: ({ events }) => handed.push(events.length),
  })!;
  kept.begin();
  kept.tick();
  await until("the sync", () => syncs.length === 1);
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(handed, []);
  syncs[0]!();
  await until("the event", () => handed.length === 1);
  finished = [];
  kept.tick();
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual([handed, syncs.length], [[1], 1], "nothing new, nothing to sync");
});
