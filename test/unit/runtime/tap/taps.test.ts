import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { components } from "../../../../src/cli/components.ts";
import { Agent } from "../../../../src/runtime/agent.ts";
import { systemClock } from "../../../../src/runtime/clock.ts";
import type { HostConfig, StageConfig } from "../../../../src/runtime/config/types.ts";
import { askAgent, followAgent } from "../../../../src/runtime/control.ts";
import {
  TAP_PATH,
  TAP_POINTS_PATH,
  type TapCounts,
  type TapLine,
  type TappedEvent,
  type TapPoint,
  type TapRequest,
} from "../../../../src/runtime/tap/protocol.ts";
import { makeContext, TEST_PLACEHOLDERS } from "../../../support/context.ts";
import { folderInUse } from "../../../support/folders.ts";
import { makeHost, sinkDefinition } from "../../../support/host.ts";
import { MemoryInput } from "../../../support/memory-source.ts";
import { ScriptedSink } from "../../../support/scripted-sink.ts";

function stage(type: string, options: unknown, onError: StageConfig["onError"] = "keep"): StageConfig {
  return {
    ...{ definition: components.stages.find((each) => each.type === type)!, options, when: undefined, onError },
    ...{ baseDir: ".", location: { file: "host.json", line: 1, column: 1, pointer: "" } },
  };
}

const PARSE = stage("parse_json", { field: "message", keep_original: false, on_conflict: "replace" }, "dead_letter");
const FILTER = stage("filter", { drop: "level: debug" });

async function start(t: TestContext, stages: readonly StageConfig[], settings: Partial<HostConfig> = {}) {
  let end = async (): Promise<unknown> => undefined;
  const stateDir = await folderInUse(t, () => end());
  const input = new MemoryInput();
  const sink = new ScriptedSink([], { maxAgeMs: 5 });
  const config = makeHost({
    ...{ stateDir, sources: { memory: input.definition }, sinks: { out: { definition: sinkDefinition(sink) } } },
    pipelines: { main: { from: ["memory"], to: ["out"], stages } },
    settings,
  });
  const context = makeContext();
  // Stands still while an event is looked at: on a busy machine that takes longer than a tap may, and the rest is left out.
  let nowMs = 0;
  const ticking = setInterval(() => (nowMs = performance.now()), 1);
  const agent = await Agent.start({
    ...{ config, clock: { ...systemClock, monotonicMs: () => nowMs }, once: false, log: () => context.log },
    ...{ placeholders: TEST_PLACEHOLDERS, version: "0.0.0" },
  });
  end = () => agent.stop(50).finally(() => clearInterval(ticking));
  return { agent, config, input, sink, stateDir };
}

/** Opens a tap, pushes lines, and gives what was shown when the limit is reached. */
async function tap(
  rig: { readonly stateDir: string; readonly input: MemoryInput },
  request: TapRequest,
  lines: readonly string[],
): Promise<{ events: TappedEvent[]; counts: TapCounts }> {
  const events: TappedEvent[] = [];
  let counts: TapCounts | undefined;
  const signal = AbortSignal.timeout(10_000);
  for await (const text of followAgent(rig.stateDir, TAP_PATH, request, signal)) {
    const line = JSON.parse(text) as TapLine;
    if (line.type === "start") rig.input.push(...lines);
    else {
      events.push(...line.events);
      counts = line.counts;
      assert.equal(counts.matched, counts.shown + counts.sampled + counts.lost);
    }
  }
  assert.equal(signal.aborted, false, `shown: ${JSON.stringify(events)}, ${JSON.stringify(counts)}`);
  return { events, counts: counts! };
}

const line = (n: number, level = "info"): string => JSON.stringify({ message: `m${n}`, n, level });
const LINES = [line(1), line(2, "debug"), "broken", line(3), line(4, "debug")];

test("a tap shows what a source reads, what enters and leaves a stage, and what it leaves out", async (t) => {
  const rig = await start(t, [PARSE, FILTER]);
  const read = await tap(rig, { points: ["memory"], limit: 5 }, LINES);
  assert.deepEqual(
    read.events.map(({ point, event }) => [point, event["message"]]),
    LINES.map((text) => ["memory", text]),
  );
  const entered = await tap(rig, { points: ["main/1"], at: "in", limit: 5 }, LINES);
  assert.deepEqual(
    entered.events.map(({ event }) => event["message"]),
    LINES,
  );
  const dropped = await tap(rig, { points: ["filter"], at: "dropped", limit: 2 }, LINES);
  assert.deepEqual(
    dropped.events.map(({ event }) => event["n"]),
    [2, 4],
  );
  const refused = await tap(rig, { points: ["main/parse_json"], at: "dropped", limit: 1 }, LINES);
  assert.equal(refused.events[0]!.event["message"], "broken");
  const left = await tap(rig, { limit: 2 }, LINES);
  assert.deepEqual(
    left.events.map(({ point, event }) => [point, event["n"]]),
    [
      ["pipeline:main", 1],
      ["pipeline:main", 3],
    ],
  );
});

test("the id that a tap shows is the one that the sink is given", async (t) => {
  const rig = await start(t, [PARSE]);
  const ids: unknown[] = [];
  const inPipeline = await tap(rig, { points: ["main/1"], limit: 2 }, [line(1), line(2)]);
  ids.push(...inPipeline.events.map(({ id }) => id));
  const atSink = await tap(rig, { points: ["out"], limit: 2 }, [line(3), line(4)]);
  assert.deepEqual(
    atSink.events.map(({ outcome, id }) => [outcome, typeof id]),
    [
      ["delivered", "string"],
      ["delivered", "string"],
    ],
  );
  const numbers = [...ids, ...atSink.events.map(({ id }) => id)].map((id) => Number(String(id).split(".")[2]));
  assert.deepEqual(numbers, [0, 1, 2, 3]);
});

test("a tap on a sink says what became of each document", async (t) => {
  const rig = await start(t, []);
  rig.sink.answer = (messages) =>
    Promise.resolve({
      outcome: "mixed",
      verdicts: new Map(
        messages.flatMap((message, i) =>
          message === "bad" ? [[i, { outcome: "rejected", reason: "no such field" }] as const] : [],
        ),
      ),
    });
  const { events } = await tap(rig, { points: ["sink:out"], limit: 3 }, ["good", "bad", "fine"]);
  assert.deepEqual(
    events.map(({ outcome, event }) => [event["message"], outcome]),
    [
      ["good", "delivered"],
      ["bad", "rejected: no such field"],
      ["fine", "delivered"],
    ],
  );
});

test("only what matches is shown, and the rest is counted as looked at", async (t) => {
  const rig = await start(t, [PARSE]);
  const { events, counts } = await tap(rig, { points: ["main"], where: "n >= 3 and level: info", limit: 1 }, LINES);
  assert.equal(events[0]!.event["n"], 3);
  assert.equal(counts.matched, 1);
  assert.ok(counts.passed >= 3, JSON.stringify(counts));
});

test("looking at stages that remember events changes nothing of what they decide", async (t) => {
  const dedupe = stage("dedupe", { fields: ["n"], window_seconds: 60, max_keys: 100 });
  const rig = await start(t, [PARSE, dedupe]);
  const lines = [line(1), line(1), line(2), line(2)];
  const left = await tap(rig, { points: ["dedupe"], limit: 2 }, lines);
  assert.deepEqual(
    left.events.map(({ event }) => event["n"]),
    [1, 2],
  );
  const doubled = await tap(rig, { points: ["dedupe"], at: "dropped", limit: 2 }, [line(2), line(1)]);
  assert.deepEqual(
    doubled.events.map(({ event }) => event["n"]),
    [2, 1],
  );
  await rig.agent.drain(AbortSignal.timeout(10_000));
  assert.deepEqual(rig.sink.delivered.length, 2);
});

test("looking twice at a stage counts its events once", async (t) => {
  const rig = await start(t, [PARSE, FILTER]);
  await tap(rig, { points: ["main"], limit: 2 }, LINES);
  await rig.agent.drain(AbortSignal.timeout(10_000));
  const status = rig.agent.status();
  assert.deepEqual(
    status.pipelines[0]!.stages.map((each) => each.in_events),
    [5, 4],
  );
  assert.ok(status.equations.every(({ holds }) => holds));
  assert.equal(status.dead_letters.letters, 1);
});

test("a tap goes on over a reload, at what took the place of what it was opened on", async (t) => {
  const rig = await start(t, [PARSE]);
  const signal = AbortSignal.timeout(10_000);
  const seen: unknown[] = [];
  let pushing: NodeJS.Timeout | undefined;
  t.after(() => clearInterval(pushing));
  for await (const text of followAgent(rig.stateDir, TAP_PATH, { points: ["main"], limit: 2 }, signal)) {
    const frame = JSON.parse(text) as TapLine;
    if (frame.type === "start") rig.input.push(line(1));
    else seen.push(...frame.events.map(({ event }) => event["n"]));
    if (seen.length === 1) {
      const { pipelines } = rig.config;
      await rig.agent.reload(
        { ...rig.config, pipelines: pipelines.map((each) => ({ ...each, fingerprint: "other" })) },
        TEST_PLACEHOLDERS,
      );
      // It is attached anew at some moment: what is shown is the first one after that.
      pushing = setInterval(() => rig.input.push(line(2)), 50);
    }
  }
  clearInterval(pushing);
  assert.deepEqual(seen, [1, 2]);
});

test("nothing is attached any more when the last reader has gone", async (t) => {
  const rig = await start(t, [PARSE]);
  const { events } = await tap(rig, { points: ["memory", "main/1", "out"], limit: 1 }, [line(1)]);
  assert.equal(events.length, 1);
  const stop = new AbortController();
  for await (const text of followAgent(rig.stateDir, TAP_PATH, { points: ["main"] }, stop.signal)) {
    assert.equal((JSON.parse(text) as TapLine).type, "start");
    stop.abort();
  }
  // The agent still answers, and a new tap can be opened many times over.
  for (let i = 0; i < 20; i++) await tap(rig, { points: ["main"], limit: 1 }, [line(i)]);
});

test("secrets of the configuration are not shown, wherever they stand in an event", async (t) => {
  const rig = await start(t, []);
  const withSecret = {
    ...rig.config,
    sinks: rig.config.sinks.map((sink) => ({
      ...sink,
      options: { version: 1, headers: { key: 'hush"hush' } },
      secretPointers: ["/headers/key"],
    })),
  };
  await rig.agent.reload(withSecret, TEST_PLACEHOLDERS);
  const { events } = await tap(rig, { points: ["main"], limit: 1 }, ['the key is hush"hush, see']);
  assert.equal(events[0]!.event["message"], "the key is ***, see");
});

test("unknown points, queries that do not parse and wrong numbers are refused with the remedy", async (t) => {
  const rig = await start(t, [PARSE]);
  const open = async (request: unknown): Promise<void> => {
    for await (const text of followAgent(rig.stateDir, TAP_PATH, request, AbortSignal.timeout(5000))) void text;
  };
  await assert.rejects(open({ points: ["mian"] }), { code: "WT_USAGE", message: /did you mean "main"/ });
  await assert.rejects(open({ where: "a : : b" }), { code: "WT_KQL_SYNTAX" });
  await assert.rejects(open({ max_per_second: 5000 }), { code: "WT_USAGE", message: /from 1 to 1000/ });
  for (const request of [{ points: "main" }, { points: [1] }, { at: "behind" }, { limit: 0 }, { limit: "x" }])
    await assert.rejects(open(request), { code: "WT_USAGE" });
  const points = JSON.parse(await askAgent(rig.stateDir, TAP_POINTS_PATH, { body: {} })) as TapPoint[];
  assert.deepEqual(
    points.map(({ kind, name }) => `${kind} ${name}`),
    ["source memory", "stage main/1 parse_json", "pipeline pipeline:main", "sink out"],
  );
});
