import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { DELIVERED, defineStage, StageFailure, type WriteResult } from "../../../src/core/component.ts";
import { t as schema } from "../../../src/core/schema.ts";
import { Agent } from "../../../src/runtime/agent.ts";
import { systemClock } from "../../../src/runtime/clock.ts";
import type { HostConfig, StageConfig } from "../../../src/runtime/config/types.ts";
import { askAgent } from "../../../src/runtime/control.ts";
import type { AgentStatus } from "../../../src/runtime/status.ts";
import { makeContext, TEST_PLACEHOLDERS } from "../../support/context.ts";
import { temporaryFolder } from "../../support/folders.ts";
import { makeHost, sinkDefinition, type HostParts } from "../../support/host.ts";
import { numbered } from "../../support/lines.ts";
import { MemoryInput } from "../../support/memory-source.ts";
import { ScriptedSink } from "../../support/scripted-sink.ts";
import { until } from "../../support/until.ts";
import { recordWarnings } from "../../support/warnings.ts";

const QUICK = { maxAgeMs: 5 };
const hanging = (_messages: readonly string[], signal: AbortSignal): Promise<WriteResult> =>
  new Promise((resolve) => {
    signal.addEventListener("abort", () => resolve({ outcome: "retry", reason: "aborted" }), { once: true });
  });

/** Starts an agent that is stopped when the test ends. */
async function start(test: TestContext, config: HostConfig, isOnce = false) {
  const context = makeContext();
  const agent = await Agent.start({
    ...{ config, clock: systemClock, once: isOnce, log: () => context.log },
    ...{ placeholders: TEST_PLACEHOLDERS, version: "0.0.0" },
  });
  let isStopped = false;
  const stop = async (timeoutMs = 2000): Promise<{ undelivered: number }> => {
    isStopped = true;
    return agent.stop(timeoutMs);
  };
  test.after(async () => {
    if (!isStopped) await stop(50);
  });
  return { agent, context, stop };
}

test("what was delivered is not read again after a restart, and what was not is", async (t) => {
  const stateDir = await temporaryFolder(t);
  const input = new MemoryInput();
  const first = new ScriptedSink([], QUICK);
  const second = new ScriptedSink([], QUICK);
  const host: HostParts = {
    ...{
      stateDir,
      sources: { memory: input.definition },
      sinks: { out: { definition: sinkDefinition(first, second) } },
    },
    pipelines: { main: { from: ["memory"], to: ["out"] } },
  };
  input.push(...numbered(0, 10));
  const one = await start(t, makeHost(host));
  await until("ten lines", () => first.delivered.length === 10);
  first.answer = hanging;
  input.push(...numbered(10, 20));
  await until("ten more are queued", () => one.agent.status().sinks[0]!.queued_events === 10);
  assert.deepEqual(await one.stop(20), { undelivered: 10 });
  assert.deepEqual(new Set(input.acks), new Set(["delivered", "retry"]));
  assert.equal(input.running, 0);
  const two = await start(t, makeHost(host));
  await until("the rest", () => second.delivered.length === 10);
  await two.stop();
  assert.deepEqual(input.starts, [0, 10]);
  assert.deepEqual([...first.delivered, ...second.delivered], numbered(0, 20));
});

test("a slow sink does not make the others get anything twice", async (t) => {
  const stateDir = await temporaryFolder(t);
  const input = new MemoryInput();
  const good = [new ScriptedSink([], QUICK), new ScriptedSink([], QUICK)];
  const slow = [new ScriptedSink(hanging, QUICK), new ScriptedSink([], QUICK)];
  const host: HostParts = {
    ...{ stateDir, sources: { memory: input.definition } },
    sinks: { good: { definition: sinkDefinition(...good) }, slow: { definition: sinkDefinition(...slow) } },
    pipelines: { main: { from: ["memory"], to: ["good", "slow"] } },
  };
  input.push(...numbered(0, 12));
  const one = await start(t, makeHost(host));
  await until("the good sink has all", () => good[0]!.delivered.length === 12);
  await one.stop(20);
  const two = await start(t, makeHost(host));
  await until("the slow sink has all", () => slow[1]!.delivered.length === 12);
  await two.stop();
  assert.deepEqual(good[1]!.calls, []);
});

test("a reload leaves alone what did not change", async (t) => {
  const stateDir = await temporaryFolder(t);
  const [a, b] = [new MemoryInput(), new MemoryInput()];
  const sinks = { a: new ScriptedSink([], QUICK), b: new ScriptedSink([], QUICK) };
  const host: HostParts = {
    ...{ stateDir, sources: { a: a.definition, b: b.definition } },
    sinks: { a: { definition: sinkDefinition(sinks.a) }, b: { definition: sinkDefinition(sinks.b) } },
    pipelines: { a: { from: ["a"], to: ["a"] }, b: { from: ["b"], to: ["b"] } },
  };
  const { agent, context } = await start(t, makeHost(host));
  a.push("one");
  await until("one", () => sinks.a.delivered.length === 1);
  const changed = makeHost({
    ...host,
    pipelines: { ...host.pipelines, b: { from: ["b"], to: ["b"], version: 2 } },
    settings: { memoryBudgetBytes: 2 << 20 },
  });
  await agent.reload(changed, TEST_PLACEHOLDERS);
  await until("b runs again", () => b.starts.length === 2);
  a.push("two");
  await until("two", () => sinks.a.delivered.length === 2);
  assert.equal(a.starts.length, 1);
  assert.deepEqual([sinks.a.isClosed, sinks.b.isClosed], [false, false]);
  assert.ok(context.logged.some(({ message }) => message.includes("memory_budget_bytes")));
});

test("a sink that is replaced while it hangs loses nothing: its successor gets what was not delivered", async (t) => {
  const stateDir = await temporaryFolder(t);
  const input = new MemoryInput();
  const [old, next, other] = [new ScriptedSink([], QUICK), new ScriptedSink([], QUICK), new ScriptedSink([], QUICK)];
  const definition = sinkDefinition(old, next);
  const host = (version: number): HostConfig =>
    makeHost({
      ...{ stateDir, sources: { memory: input.definition } },
      sinks: { out: { definition, version }, other: { definition: sinkDefinition(other) } },
      pipelines: { main: { from: ["memory"], to: ["out", "other"] } },
    });
  const { agent } = await start(t, host(1));
  input.push(...numbered(0, 6));
  await until("six lines", () => old.delivered.length === 6);
  old.answer = hanging;
  input.push(...numbered(6, 20));
  await until("the other sink has all", () => other.delivered.length === 20);
  await agent.reload(host(2), TEST_PLACEHOLDERS);
  await until("the successor has the rest", () => next.delivered.length === 14);
  input.push(...numbered(20, 30));
  await until("and what comes then", () => next.delivered.length === 24 && other.delivered.length === 30);
  assert.deepEqual([...old.delivered, ...next.delivered], numbered(0, 30));
  assert.deepEqual(other.delivered, numbered(0, 30));
  assert.equal(old.isClosed, true);
  await until("its memory is free again", () => agent.status().memory.queued_bytes === 0);
  assert.equal(agent.status().sources[0]!.lag_bytes, 0);
});

test("where a new sink cannot be made, everything runs on as it was", async (t) => {
  const stateDir = await temporaryFolder(t);
  const input = new MemoryInput();
  const [old, again] = [new ScriptedSink([], QUICK), new ScriptedSink([], QUICK)];
  const definition = sinkDefinition(old, new Error("no such index"), again);
  const host = (sinks: HostParts["sinks"], to: string[]): HostConfig =>
    makeHost({ stateDir, sources: { memory: input.definition }, sinks, pipelines: { main: { from: ["memory"], to } } });
  const { agent } = await start(t, host({ out: { definition } }, ["out"]));
  const broken = { definition: sinkDefinition(new Error("no such host")) };
  await assert.rejects(
    agent.reload(host({ out: { definition }, broken }, ["out", "broken"]), TEST_PLACEHOLDERS),
    /no such host/,
  );
  input.push("one");
  await until("one", () => old.delivered.length === 1);
  assert.equal(input.starts.length, 1);
  await assert.rejects(
    agent.reload(host({ out: { definition, version: 2 } }, ["out"]), TEST_PLACEHOLDERS),
    /no such index/,
  );
  input.push("two");
  await until("two", () => again.delivered.length === 1);
  assert.deepEqual(again.delivered, ["two"]);
});

test("a new sink gets everything from the beginning, and the old ones nothing again", async (t) => {
  const stateDir = await temporaryFolder(t);
  const input = new MemoryInput();
  const [old, added] = [new ScriptedSink([], QUICK), new ScriptedSink([], QUICK)];
  const sinks = { old: { definition: sinkDefinition(old) }, added: { definition: sinkDefinition(added) } };
  const host = (names: ("old" | "added")[]): HostConfig =>
    makeHost({
      ...{ stateDir, sources: { memory: input.definition } },
      sinks: Object.fromEntries(names.map((name) => [name, sinks[name]])),
      pipelines: { main: { from: ["memory"], to: names } },
    });
  input.push(...numbered(0, 10));
  const { agent, stop } = await start(t, host(["old"]));
  await until("ten lines", () => old.delivered.length === 10);
  await agent.reload(host(["old", "added"]), TEST_PLACEHOLDERS);
  input.push(...numbered(10, 15));
  await until("all lines", () => added.delivered.length === 15 && old.delivered.length === 15);
  await stop();
  assert.deepEqual(old.delivered, numbered(0, 15));
  assert.deepEqual(added.delivered, numbered(0, 15));
});

const failing = (onError: StageConfig["onError"]): StageConfig => ({
  definition: defineStage({
    type: "refuse",
    summary: "Refuses lines that say bad",
    stability: "stable",
    schema: schema.object({}),
    examples: [],
    create: () => ({ apply: (event) => (event.line.startsWith("bad") ? new StageFailure("it is bad") : undefined) }),
  }),
  ...{ options: {}, when: undefined, onError, baseDir: ".", location: { file: "", line: 1, column: 1, pointer: "" } },
});

test("dead letters of stages are on disk before the position passes them, once, with all that is needed to mend them", async (t) => {
  const stateDir = await temporaryFolder(t);
  const input = new MemoryInput();
  const [sink, added, late] = [0, 1, 2].map(() => new ScriptedSink([], QUICK)) as [
    ScriptedSink,
    ScriptedSink,
    ScriptedSink,
  ];
  const letters = join(stateDir, "dead-letters", "dead-letters.ndjson");
  const host: HostParts = {
    ...{ stateDir, sources: { memory: input.definition } },
    sinks: { out: { definition: sinkDefinition(sink) } },
    pipelines: { main: { from: ["memory"], to: ["out"], stages: [failing("dead_letter")] } },
  };
  // In the way of the file: dead letters cannot be written until it is gone.
  await mkdir(letters, { recursive: true });
  const { agent, context, stop } = await start(t, makeHost(host));
  input.push("good 1", "bad 1", "good 2", "bad 2");
  await until("the good ones are there", () => sink.delivered.length === 2);
  await until("it says so", () =>
    context.logged.some(({ message }) => message.includes("dead letters cannot be written")),
  );
  assert.equal(agent.status().sources[0]!.lag_bytes, 4);
  await rm(letters, { recursive: true });
  await until("all is settled", () => agent.status().sources[0]!.lag_bytes === 0);
  // Another pipeline begins at the beginning: the first must not write its dead letters again.
  await agent.reload(
    makeHost({
      ...host,
      sinks: { ...host.sinks, added: { definition: sinkDefinition(added) } },
      pipelines: { ...host.pipelines, second: { from: ["memory"], to: ["added"] } },
    }),
    TEST_PLACEHOLDERS,
  );
  await until("the added sink has all", () => added.delivered.length === 4);
  // A sink is added to the pipeline: it gets what is good from the beginning, and letters of its own say what it misses.
  await agent.reload(
    makeHost({
      ...host,
      sinks: { ...host.sinks, late: { definition: sinkDefinition(late) } },
      pipelines: { main: { ...host.pipelines["main"]!, to: ["out", "late"] } },
    }),
    TEST_PLACEHOLDERS,
  );
  await until("the late sink has the good ones", () => late.delivered.length === 2);
  assert.deepEqual(await stop(), { undelivered: 0 });
  const written = (await readFile(letters, "utf8"))
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  assert.deepEqual(
    written
      .map(({ original, reason, stage, pipeline, to }) => [
        original,
        reason,
        stage,
        pipeline,
        Object.keys(to as object).join(),
      ])
      .sort(),
    [
      ["bad 1", "refuse: it is bad", "1 refuse", "main", "late"],
      ["bad 1", "refuse: it is bad", "1 refuse", "main", "out"],
      ["bad 2", "refuse: it is bad", "1 refuse", "main", "late"],
      ["bad 2", "refuse: it is bad", "1 refuse", "main", "out"],
    ],
  );
  assert.equal(new Set(written.map(({ id }) => id)).size, 2);
  assert.deepEqual(new Set(input.acks.slice(0, 2)), new Set(["rejected"]));
});

test("batches of which filters leave nothing still move the position", async (t) => {
  const stateDir = await temporaryFolder(t);
  const input = new MemoryInput();
  const sink = new ScriptedSink([], QUICK);
  const { agent } = await start(
    t,
    makeHost({
      ...{ stateDir, sources: { memory: input.definition }, sinks: { out: { definition: sinkDefinition(sink) } } },
      pipelines: { main: { from: ["memory"], to: ["out"], stages: [failing("drop")] } },
    }),
  );
  input.push("bad", "bad", "bad", "bad");
  await until("it is settled", () => agent.status().sources[0]!.lag_bytes === 0);
  assert.deepEqual(sink.calls, []);
  assert.deepEqual(input.acks, ["delivered", "delivered"]);
  const [stage] = agent.status().pipelines[0]!.stages;
  assert.deepEqual([stage!.in_events, stage!.out_events, stage!.dropped_events], [4, 0, 4]);
});

test("sources read no further while the memory budget is used up, and go on when there is room", async (t) => {
  const stateDir = await temporaryFolder(t);
  const input = new MemoryInput();
  input.batchLines = 1;
  let isOpen = false;
  // An hour's patience: only the full outbox makes it send.
  const sink = new ScriptedSink(() => (isOpen ? DELIVERED : { outcome: "retry", reason: "closed" }), {
    maxAgeMs: 3_600_000,
  });
  const { agent, stop } = await start(
    t,
    makeHost({
      ...{ stateDir, sources: { memory: input.definition }, sinks: { out: { definition: sinkDefinition(sink) } } },
      pipelines: { main: { from: ["memory"], to: ["out"] } },
      settings: { memoryBudgetBytes: 100_000 },
    }),
  );
  input.push(...numbered(0, 100));
  await until("it waits", () => agent.status().sources[0]!.state === "waiting");
  const { memory, sources } = agent.status();
  assert.ok(memory.queued_bytes < 110_000, `${memory.queued_bytes} bytes`);
  assert.ok(sources[0]!.read_events < 100);
  isOpen = true;
  await until("all is read", () => agent.status().sources[0]!.read_events === 100);
  await stop();
  assert.deepEqual(sink.delivered, numbered(0, 100));
});

test("an agent without a descriptor left says how it is all the same", async (t) => {
  const input = new MemoryInput();
  const { agent } = await start(
    t,
    makeHost({
      ...{ stateDir: await temporaryFolder(t), sources: { memory: input.definition } },
      sinks: { out: { definition: sinkDefinition(new ScriptedSink([], QUICK)) } },
      pipelines: { main: { from: ["memory"], to: ["out"] } },
    }),
  );
  const real = process.memoryUsage.rss();
  // As libuv fails that cannot open /proc/self/stat.
  const failure = Object.assign(new Error("too many open files, uv_resident_set_memory"), { code: "EMFILE" });
  const rss = t.mock.method(process.memoryUsage, "rss", () => {
    throw failure;
  });
  const { resident_bytes } = agent.status().memory;
  assert.ok(resident_bytes > real / 2 && resident_bytes < real * 4, `${resident_bytes} of ${real} bytes`);
  rss.mock.mockImplementation(() => 123_456);
  assert.equal(agent.status().memory.resident_bytes, 123_456);
  rss.mock.mockImplementation(() => {
    throw failure;
  });
  assert.equal(agent.status().memory.resident_bytes, 123_456);
});

test("with once it ends when the source is at its end and the sink has everything", async (t) => {
  const stateDir = await temporaryFolder(t);
  const input = new MemoryInput();
  const sink = new ScriptedSink([{ outcome: "retry", reason: "first" }], { maxAgeMs: 3_600_000 });
  input.push(...numbered(0, 10));
  const { agent, stop } = await start(
    t,
    makeHost({
      ...{ stateDir, sources: { memory: input.definition }, sinks: { out: { definition: sinkDefinition(sink) } } },
      pipelines: { main: { from: ["memory"], to: ["out"] } },
    }),
    true,
  );
  await agent.sourcesEnded();
  await agent.drain(AbortSignal.timeout(5000));
  assert.deepEqual(sink.delivered, numbered(0, 10));
  assert.equal(agent.lostAnything, false);
  assert.deepEqual(await stop(), { undelivered: 0 });
});

test("however many sinks a stop waits for, Node does not warn of listeners", async (t) => {
  const warnings = recordWarnings(t);
  const input = new MemoryInput();
  const names = Array.from({ length: 12 }, (_, i) => `sink${i}`);
  const sinks = names.map((name) => [name, { definition: sinkDefinition(new ScriptedSink(hanging, QUICK)) }] as const);
  const host = makeHost({
    ...{ stateDir: await temporaryFolder(t), sources: { memory: input.definition }, sinks: Object.fromEntries(sinks) },
    pipelines: { main: { from: ["memory"], to: names } },
  });
  input.push("a line");
  const { agent, stop } = await start(t, host);
  await until("all sinks have it", () => agent.status().sinks.every((sink) => sink.queued_events === 1));
  assert.deepEqual(await stop(20), { undelivered: 12 });
  assert.deepEqual(warnings, []);
});

test("a second agent with the same state directory is refused and told who has it", async (t) => {
  const stateDir = await temporaryFolder(t);
  const empty = (): HostConfig => makeHost({ stateDir, sources: {}, sinks: {}, pipelines: {} });
  const { stop } = await start(t, empty());
  await assert.rejects(start(t, empty()), (error: Error & { code?: string }) => {
    assert.equal(error.code, "WT_STATE_LOCKED");
    assert.match(error.message, new RegExp(`process ${process.pid}`));
    return true;
  });
  assert.equal(
    (JSON.parse(await askAgent(stateDir, "/status")) as AgentStatus).pid,
    process.pid,
    "the first still answers",
  );
  await stop();
  await (await start(t, empty())).stop();
});

test("the lock of a process that was killed is free at once", async (t) => {
  const stateDir = await temporaryFolder(t);
  const lock = new URL("../../../src/runtime/state-lock.js", import.meta.url).href;
  const program = `const { lockStateDir } = await import(${JSON.stringify(lock)}); const held = await lockStateDir(${JSON.stringify(stateDir)}); console.log("held"); setInterval(() => held, 1000);`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(child.stdout, "data");
  await assert.rejects(start(t, makeHost({ stateDir, sources: {}, sinks: {}, pipelines: {} })), {
    code: "WT_STATE_LOCKED",
  });
  child.kill("SIGKILL");
  await once(child, "exit");
  await (await start(t, makeHost({ stateDir, sources: {}, sinks: {}, pipelines: {} }))).stop();
});

test("the control socket works in a folder whose path is too long for a socket, and only its user can open it", async (t) => {
  const short = await temporaryFolder(t);
  const long = join(await temporaryFolder(t), "x".repeat(120));
  for (const stateDir of [short, long]) {
    const { stop } = await start(t, makeHost({ stateDir, sources: {}, sinks: {}, pipelines: {} }));
    const path = (await readFile(join(stateDir, "control.path"), "utf8")).trim();
    assert.ok(Buffer.byteLength(path) <= 107);
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    assert.equal((JSON.parse(await askAgent(stateDir, "/status")) as AgentStatus).state_dir, stateDir);
    await stop();
    await assert.rejects(askAgent(stateDir, "/status"), { code: "WT_NO_AGENT" });
  }
});

test("health turns bad while a sink holds, and metrics can be read by Prometheus", async (t) => {
  const stateDir = await temporaryFolder(t);
  const input = new MemoryInput();
  const sink = new ScriptedSink(() => ({ outcome: "hold", reason: "no privileges" }), QUICK);
  const { agent } = await start(
    t,
    makeHost({
      ...{
        stateDir,
        sources: { memory: input.definition },
        sinks: { 'a "b"\\': { definition: sinkDefinition(sink) } },
      },
      pipelines: { main: { from: ["memory"], to: ['a "b"\\'] } },
    }),
  );
  assert.equal(await askAgent(stateDir, "/healthz"), "ok\n");
  input.push("one");
  await until("it holds", () => agent.status().sinks[0]!.state === "holding");
  await assert.rejects(askAgent(stateDir, "/healthz"), /503/);
  const text = await askAgent(stateDir, "/metrics");
  const typed = new Set<string>();
  for (const line of text.trim().split("\n")) {
    const type = /^# TYPE (\w+) (?:counter|gauge)$/.exec(line);
    if (type !== null) {
      assert.ok(!typed.has(type[1]!), `${type[1]} is declared once`);
      typed.add(type[1]!);
    } else if (!line.startsWith("# HELP ")) {
      const sample = /^(\w+)(?:\{(?:\w+="(?:[^"\\\n]|\\["\\n])*",?)+\})? -?[\d.e+-]+$/.exec(line);
      assert.ok(sample !== null, line);
      assert.ok(typed.has(sample[1]!), `${sample[1]} was declared before`);
    }
  }
  assert.match(text, /wiretail_sink_state\{sink="a \\"b\\"\\\\",state="holding"\} 1/);
});
