import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import type { Verdict, WriteResult } from "../../../src/core/component.ts";
import { Agent } from "../../../src/runtime/agent.ts";
import { systemClock } from "../../../src/runtime/clock.ts";
import type { StageConfig } from "../../../src/runtime/config/types.ts";
import { equationsOf } from "../../../src/runtime/equations.ts";
import { makeContext, TEST_PLACEHOLDERS } from "../../support/context.ts";
import { temporaryFolder } from "../../support/folders.ts";
import { makeHost, sinkDefinition, type HostParts } from "../../support/host.ts";
import { MemoryInput } from "../../support/memory-source.ts";
import { stageConfig } from "../../support/pipelines.ts";
import { ScriptedSink } from "../../support/scripted-sink.ts";
import { until } from "../../support/until.ts";

const QUICK = { maxAgeMs: 5 };
const hanging = (_messages: readonly string[], signal: AbortSignal): Promise<WriteResult> =>
  new Promise((resolve) => {
    signal.addEventListener("abort", () => resolve({ outcome: "retry", reason: "aborted" }), { once: true });
  });

/** Errors to a and b, `none` nowhere, numbers that end in 7 to b alone, all else to a. */
const ROUTE = stageConfig({
  type: "route",
  options: {
    rules: [
      { when: "message: error", to: ["a", "b"] },
      { when: "message: none", to: [] },
      { when: "message: *7", to: ["b"] },
    ],
    otherwise: ["a"],
  },
});

async function start(t: TestContext, host: HostParts) {
  const agent = await Agent.start({
    ...{ config: makeHost(host), clock: systemClock, once: false, log: () => makeContext().log },
    ...{ placeholders: TEST_PLACEHOLDERS, version: "0.0.0" },
  });
  let isStopped = false;
  const stop = async (timeoutMs: number): Promise<void> => {
    isStopped = true;
    await agent.stop(timeoutMs);
  };
  t.after(async () => {
    if (!isStopped) await stop(50);
  });
  return { agent, stop };
}

test("each sink gets the events that are routed to it, in order, and the equations hold", async (t) => {
  const input = new MemoryInput();
  const [a, b] = [new ScriptedSink([], QUICK), new ScriptedSink([], QUICK)];
  const { agent } = await start(t, {
    ...{ stateDir: await temporaryFolder(t), sources: { memory: input.definition } },
    sinks: { a: { definition: sinkDefinition(a) }, b: { definition: sinkDefinition(b) } },
    pipelines: { main: { from: ["memory"], to: ["a", "b"], stages: [ROUTE] } },
  });
  const lines = Array.from({ length: 40 }, (_, i) =>
    i % 9 === 4 ? `error ${i}` : i % 11 === 5 ? `none ${i}` : `line ${i}`,
  );
  input.push(...lines);
  const forB = lines.filter((line) => line.startsWith("error") || (!line.startsWith("none") && line.endsWith("7")));
  const forA = lines.filter((line) => line.startsWith("error") || (!line.startsWith("none") && !line.endsWith("7")));
  await until("all", () => a.delivered.length === forA.length && b.delivered.length === forB.length);
  assert.deepEqual([a.delivered, b.delivered], [forA, forB]);
  await until("all is settled", () => agent.status().memory.queued_bytes === 0);
  const status = agent.status();
  assert.deepEqual(
    equationsOf(status).filter(({ holds }) => !holds),
    [],
  );
  assert.equal(status.pipelines[0]!.routes["b"]!.elsewhere_events, status.pipelines[0]!.out_events - forB.length);
  assert.equal(status.sources[0]!.lag_bytes, 0);
});

test("after a stop in which one sink hung, each gets the rest of what is routed to it and nothing twice", async (t) => {
  const input = new MemoryInput();
  const [a, b] = [
    [new ScriptedSink([], QUICK), new ScriptedSink([], QUICK)],
    [new ScriptedSink(hanging, QUICK), new ScriptedSink([], QUICK)],
  ];
  const host: HostParts = {
    ...{ stateDir: await temporaryFolder(t), sources: { memory: input.definition } },
    sinks: { a: { definition: sinkDefinition(...a) }, b: { definition: sinkDefinition(...b) } },
    pipelines: { main: { from: ["memory"], to: ["a", "b"], stages: [ROUTE] } },
  };
  const lines = Array.from({ length: 30 }, (_, i) => `line ${i}`);
  input.push(...lines);
  const one = await start(t, host);
  await until("a has all of its", () => a[0]!.delivered.length === 27);
  await one.stop(20);
  const two = await start(t, host);
  await until("b has all of its", () => b[1]!.delivered.length === 3);
  await two.stop(1000);
  assert.deepEqual(b[1]!.delivered, ["line 7", "line 17", "line 27"]);
  assert.deepEqual(a[1]!.delivered, []);
});

/** Errors to the place "errors" of `a`, all else to the place of its own. */
const PLACES = stageConfig({
  type: "route",
  options: {
    rules: [{ when: "message: error", to: [{ sink: "a", index: "errors" }] }],
    otherwise: ["a"],
  },
});
const ERRORS = JSON.stringify({ index: "errors" });

function placed(sink: ScriptedSink): ScriptedSink {
  sink.destinationOf = (_timeMs, named) => named ?? "own";
  return sink;
}

/** Messages that were delivered, by where they went. */
function byPlace(...sinks: readonly ScriptedSink[]): Record<string, string[]> {
  const found: Record<string, string[]> = {};
  for (const sink of sinks)
    for (const { destination, messages } of sink.calls)
      (found[destination] ??= []).push(...messages.filter((message) => sink.delivered.includes(message)));
  return found;
}

/** Sends lines through a stage to a sink that is down, until some wait in the journal; returns what its successor has. */
async function overRestart(t: TestContext, stage: StageConfig, lines: readonly string[]): Promise<ScriptedSink> {
  const input = new MemoryInput();
  const down = placed(new ScriptedSink(() => ({ outcome: "retry", reason: "it is down" }), QUICK));
  const back = placed(new ScriptedSink([], QUICK));
  const other = new ScriptedSink([], QUICK);
  const host: HostParts = {
    ...{ stateDir: await temporaryFolder(t), sources: { memory: input.definition } },
    sinks: {
      a: { definition: sinkDefinition(down, back) },
      b: { definition: sinkDefinition(other, new ScriptedSink()) },
    },
    pipelines: {
      main: { from: ["memory"], to: ["a"], stages: [stage] },
      rest: { from: ["memory"], to: ["b"], stages: [] },
    },
    settings: { memoryBudgetBytes: 40_000 },
  };
  input.push(...lines);
  const one = await start(t, host);
  await until("b has all", () => other.delivered.length === lines.length);
  await until("some wait in the journal", () => one.agent.status().sinks[0]!.queued_in_journal_events > 0);
  await one.stop(20);
  const two = await start(t, host);
  await until("a has all", () => back.delivered.length === lines.length);
  await two.stop(1000);
  return back;
}

test("events go to the place in the sink that a rule names, each place in order; what waited in the journal over a restart too", async (t) => {
  const lines = Array.from({ length: 60 }, (_, i) => (i % 4 === 1 ? `error ${i}` : `line ${i}`));
  assert.deepEqual(byPlace(await overRestart(t, PLACES, lines)), {
    own: lines.filter((line) => line.startsWith("line")),
    [ERRORS]: lines.filter((line) => line.startsWith("error")),
  });
});

test("places by values of a field: many at a time, also through the journal and a restart, and no more than max_targets", async (t) => {
  const byService = stageConfig({
    type: "route",
    options: { rules: [{ when: "message: *", to: [{ sink: "a", index: "logs-${message}" }] }], max_targets: 40 },
  });
  const lines = Array.from({ length: 180 }, (_, i) => `service-${i % 60}`);
  const places = byPlace(await overRestart(t, byService, lines));
  assert.equal(Object.keys(places).length, 41);
  assert.equal(places[JSON.stringify({ index: "logs-other" })]!.length, 60);
  assert.deepEqual(places[JSON.stringify({ index: "logs-service-7" })], ["service-7", "service-7", "service-7"]);
});

test("a dead letter remembers the place in the sink, and is sent there again as it was, or where the rules say now", async (t) => {
  const input = new MemoryInput();
  const refuse = (messages: readonly string[]): WriteResult => {
    const refused: Verdict = { outcome: "rejected", reason: "it does not fit" };
    const all = messages.map((message, i) => [i, message] as const).filter(([, message]) => message.includes("bad"));
    return { outcome: "mixed", verdicts: new Map(all.map(([i]) => [i, refused])) };
  };
  const sink = placed(new ScriptedSink(refuse, QUICK));
  const { agent } = await start(t, {
    ...{ stateDir: await temporaryFolder(t), sources: { memory: input.definition } },
    sinks: { a: { definition: sinkDefinition(sink) } },
    pipelines: { main: { from: ["memory"], to: ["a"], stages: [PLACES] } },
  });
  input.push("error bad", "line bad", "line good");
  await until("two are refused", () => agent.status().sinks[0]!.dead_lettered_events === 2);
  const first = sink.calls.length;
  sink.answer = () => ({ outcome: "delivered" });
  await agent.replayDeadLetters("", true, new AbortController().signal);
  const again = sink.calls.slice(first).map(({ destination, messages }) => [destination, ...messages]);
  assert.deepEqual(
    again.sort(),
    [
      ["own", "line bad"],
      [ERRORS, "error bad"],
    ].sort(),
  );
});
