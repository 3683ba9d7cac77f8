import assert from "node:assert/strict";
import { cp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import type { AnySink, AnySource, Log, WriteResult } from "../../../src/core/component.ts";
import { DELIVERED } from "../../../src/core/component.ts";
import { parseSegmentName, scanSegment } from "../../../src/disk/journal/segment.ts";
import { Agent } from "../../../src/runtime/agent.ts";
import { systemClock } from "../../../src/runtime/clock.ts";
import type { HostConfig, SinkConfig } from "../../../src/runtime/config/types.ts";
import { makeContext, TEST_PLACEHOLDERS } from "../../support/context.ts";
import { temporaryFolder } from "../../support/folders.ts";
import { makeHost, sinkDefinition, type HostParts } from "../../support/host.ts";
import { numbered } from "../../support/lines.ts";
import { MemoryInput } from "../../support/memory-source.ts";
import { Gate, messagesOf, ScriptedSink } from "../../support/scripted-sink.ts";
import { until } from "../../support/until.ts";

const QUICK = { maxAgeMs: 5 };
/** What a batch takes of memory at least, however small it is: 4 KiB for its documents, 4 for what is kept of each. */
const BATCH_BYTES = 8 * 1024;
/** Room for a few. */
const SMALL = { memoryBudgetBytes: 4.5 * BATCH_BYTES };
const failing = (): WriteResult => ({ outcome: "retry", reason: "it is down" });

const running = new Map<TestContext, (() => Promise<void>)[]>();

/** A folder that is removed after the agents that use it were stopped: hooks run in this order. */
function stateFolder(test: TestContext): Promise<string> {
  running.set(test, []);
  test.after(async () => {
    for (const stop of running.get(test)!) await stop();
  });
  return temporaryFolder(test);
}

async function start(test: TestContext, config: HostConfig, onInfo?: (message: string) => void) {
  const context = makeContext();
  const log: Log = {
    ...context.log,
    info: (message, fields) => {
      context.log.info(message, fields);
      onInfo?.(message);
    },
  };
  const agent = await Agent.start({
    ...{ config, clock: systemClock, once: false, log: () => log },
    ...{ placeholders: TEST_PLACEHOLDERS, version: "0.0.0", random: () => 0 },
  });
  let isStopped = false;
  const stop = async (timeoutMs = 2000): Promise<{ undelivered: number }> => {
    isStopped = true;
    return agent.stop(timeoutMs);
  };
  running.get(test)!.push(async () => {
    if (!isStopped) await stop(50);
  });
  return { agent, context, stop };
}

/** For every sink: routed = delivered + queued + dead-lettered + dropped. */
function assertEquations(agent: Agent): void {
  for (const sink of agent.status().sinks) {
    const dropped = Object.values(sink.dropped_events).reduce((sum, count) => sum + count, 0);
    const { routed_events, delivered_events, queued_events, dead_lettered_events } = sink;
    assert.equal(routed_events, delivered_events + queued_events + dead_lettered_events + dropped, sink.name);
    assert.ok(queued_events >= 0 && sink.queued_in_journal_events >= 0 && sink.queued_in_memory_events >= 0);
  }
}

/** Changes a byte of a document in one of the records of the journal's last segment. Returns what is damaged. */
async function damageRecord(
  stateDir: string,
  which: (records: number) => number,
): Promise<{ start: number; length: number }> {
  const folder = join(stateDir, "journal");
  const name = (await readdir(folder)).filter((each) => parseSegmentName(each) !== undefined).at(-1)!;
  const bytes = await readFile(join(folder, name));
  const { records } = scanSegment(bytes, parseSegmentName(name)!);
  const { at, length, head } = records[which(records.length)]!;
  bytes[at + length - 3]! ^= 1;
  await writeFile(join(folder, name), bytes);
  return { start: head.readers[0]!.start.position, length };
}

function withTwo(
  stateDir: string,
  input: MemoryInput,
  good: ScriptedSink[],
  bad: ScriptedSink[],
  settings: Partial<HostConfig> = {},
): HostParts {
  return {
    ...{ stateDir, sources: { memory: input.definition } },
    sinks: { good: { definition: sinkDefinition(...good) }, bad: { definition: sinkDefinition(...bad) } },
    pipelines: { main: { from: ["memory"], to: ["good", "bad"] } },
    settings: { ...SMALL, ...settings },
  };
}

/** One sink, and a source that cannot be read again. */
function ofPrecious(stateDir: string, input: MemoryInput, ...sinks: ScriptedSink[]): HostParts {
  const precious: AnySource = { ...input.definition, rereadable: false };
  return {
    ...{ stateDir, sources: { memory: precious }, sinks: { out: { definition: sinkDefinition(...sinks) } } },
    pipelines: { main: { from: ["memory"], to: ["out"] } },
  };
}

/** A host whose sink "bad" was down until all of 200 lines were in the journal for it, and that was stopped then. */
async function afterOutage(t: TestContext, input: MemoryInput, good: ScriptedSink[], bad: ScriptedSink[]) {
  const stateDir = await stateFolder(t);
  const host = withTwo(stateDir, input, good, bad);
  input.batchLines = 8;
  const { agent, stop } = await start(t, makeHost(host));
  input.push(...numbered(0, 200));
  await until("the good sink has all", () => good[0]!.delivered.length === 200);
  await until("all is in the journal", () => agent.status().sinks[1]!.queued_in_journal_events > 100);
  assert.deepEqual(await stop(), { undelivered: 0 });
  return { stateDir, host };
}

test("a sink that is down holds up no other when memory is full, and gets everything once and in order when it is back", async (t) => {
  const stateDir = await stateFolder(t);
  const input = new MemoryInput();
  // A sync of the disk each: on a busy machine they take their time.
  input.batchLines = 10;
  const [good, bad] = [new ScriptedSink([], QUICK), new ScriptedSink(failing, QUICK)];
  const { agent, stop } = await start(t, makeHost(withTwo(stateDir, input, [good], [bad])));
  input.push(...numbered(0, 300));
  await until("the good sink has all", () => good.delivered.length === 300);
  const status = agent.status();
  assert.ok(status.journal!.used_bytes > 0);
  assert.ok(
    status.memory.queued_bytes <= SMALL.memoryBudgetBytes + 2 * BATCH_BYTES,
    `${status.memory.queued_bytes} bytes`,
  );
  assert.equal(status.sinks[1]!.queued_events, 300);
  assertEquations(agent);
  bad.answer = () => DELIVERED;
  await until(
    "the other has all",
    () => bad.delivered.length === 300,
    () => [
      bad.delivered.length,
      bad.calls.length,
      agent.status().sinks[1],
      agent.status().journal,
      agent.status().memory,
    ],
  );
  assert.deepEqual(bad.delivered, numbered(0, 300));
  assert.deepEqual(good.delivered, numbered(0, 300));
  input.push(...numbered(300, 310));
  await until("new lines come from memory", () => bad.delivered.length === 310 && good.delivered.length === 310);
  await until("the journal is empty", () => agent.status().journal!.used_bytes === 0);
  assertEquations(agent);
  assert.deepEqual(await stop(), { undelivered: 0 });
  assert.deepEqual(new Set(input.acks), new Set(["delivered"]));
});

test("after a restart in the middle of an outage a sink goes on from the journal, and nothing of it is read again", async (t) => {
  const input = new MemoryInput();
  const good = [new ScriptedSink([], QUICK), new ScriptedSink([], QUICK)];
  const bad = [new ScriptedSink(failing, QUICK), new ScriptedSink([], QUICK)];
  const { host } = await afterOutage(t, input, good, bad);
  const two = await start(t, makeHost(host));
  await until("the rest", () => bad[1]!.delivered.length === 200);
  input.push(...numbered(200, 220));
  await until("and what is new", () => bad[1]!.delivered.length === 220 && good[1]!.delivered.length === 20);
  assertEquations(two.agent);
  await two.stop();
  assert.deepEqual(bad[1]!.delivered, numbered(0, 220));
  assert.deepEqual(good[1]!.delivered, numbered(200, 220));
  assert.deepEqual(input.starts, [0, 200]);
});

for (const [where, which] of [
  ["in the middle", (records: number) => records >> 1],
  ["at the end", (records: number) => records - 1],
] as const) {
  test(`a damaged record ${where} of the journal is read again from the input, with what came after it: once and in order`, async (t) => {
    const input = new MemoryInput();
    const good = [new ScriptedSink([], QUICK), new ScriptedSink([], QUICK), new ScriptedSink([], QUICK)];
    const bad = [new ScriptedSink(failing, QUICK), new ScriptedSink(failing, QUICK), new ScriptedSink([], QUICK)];
    const { stateDir, host } = await afterOutage(t, input, good, bad);
    const damaged = await damageRecord(stateDir, which);
    const two = await start(t, makeHost(host));
    await until("it is read from there", () => input.starts[1] === damaged.start);
    await until("it is queued again", () => two.agent.status().sinks[1]!.queued_events === 200);
    assertEquations(two.agent);
    // Again: what was damaged then does not count any more. Time enough to write what was read again last.
    assert.deepEqual(await two.stop(), { undelivered: 0 });
    const three = await start(t, makeHost(host));
    input.push(...numbered(200, 220));
    await until("all of it", () => bad[2]!.delivered.length >= 220 && good[2]!.delivered.length >= 20);
    assertEquations(three.agent);
    await three.stop();
    assert.deepEqual(bad[2]!.delivered, numbered(0, 220));
    assert.deepEqual([...good[1]!.delivered, ...good[2]!.delivered], numbered(200, 220));
  });
}

test("a journal that is gone is made up for from the inputs", async (t) => {
  const input = new MemoryInput();
  const good = [new ScriptedSink([], QUICK), new ScriptedSink([], QUICK)];
  const bad = [new ScriptedSink(failing, QUICK), new ScriptedSink([], QUICK)];
  const { stateDir, host } = await afterOutage(t, input, good, bad);
  await rm(join(stateDir, "journal"), { recursive: true });
  const two = await start(t, makeHost(host));
  await until("all of it", () => bad[1]!.delivered.length === 200);
  assertEquations(two.agent);
  await two.stop();
  assert.deepEqual(bad[1]!.delivered, numbered(0, 200));
  assert.deepEqual(good[1]!.delivered, []);
});

test("a damaged record of what cannot be read again costs its events only, counted in bytes and records", async (t) => {
  const stateDir = await stateFolder(t);
  const input = new MemoryInput();
  const sinks = [new ScriptedSink(failing, QUICK), new ScriptedSink([], QUICK)];
  const host = ofPrecious(stateDir, input, ...sinks);
  const one = await start(t, makeHost(host));
  input.push(...numbered(0, 30));
  await until("it is written", () => one.agent.status().journal!.records === 10);
  assert.deepEqual(await one.stop(20), { undelivered: 0 });
  const damaged = await damageRecord(stateDir, () => 4);
  const two = await start(t, makeHost({ ...host, sources: ofPrecious(stateDir, new MemoryInput()).sources }));
  await until("the rest", () => sinks[1]!.delivered.length === 27);
  assert.deepEqual(sinks[1]!.delivered, [...numbered(0, 12), ...numbered(15, 30)]);
  assertEquations(two.agent);
  const said = two.context.logged.find(({ message }) => message.startsWith("the journal is damaged"));
  assert.deepEqual(said?.fields, { bytes: damaged.length, records: 1 });
});

test("batches that share a sync go once to a sink that keeps up, though they lie in the journal, too", async (t) => {
  const input = new MemoryInput();
  const sink = new ScriptedSink([], QUICK);
  const { agent, stop } = await start(t, makeHost(ofPrecious(await stateFolder(t), input, sink)));
  input.push(...numbered(0, 1000));
  await until("all of it", () => sink.delivered.length >= 1000 && agent.status().journal!.used_bytes === 0);
  assert.deepEqual(sink.delivered, numbered(0, 1000));
  assertEquations(agent);
  assert.deepEqual(await stop(), { undelivered: 0 });
});

test("what cannot be read again is in the journal before it is delivered, and comes from there after a restart", async (t) => {
  const stateDir = await stateFolder(t);
  const input = new MemoryInput();
  const sinks = [new ScriptedSink(failing, QUICK), new ScriptedSink([], QUICK)];
  const host = ofPrecious(stateDir, input, ...sinks);
  const one = await start(t, makeHost(host));
  input.push(...numbered(0, 10));
  await until("it is queued", () => one.agent.status().sinks[0]!.queued_events === 10);
  await until("it is tried", () => sinks[0]!.calls.length > 0);
  await until("it is written", () => one.agent.status().journal!.records === 4);
  assert.deepEqual(await one.stop(20), { undelivered: 0 });
  const two = await start(t, makeHost({ ...host, sources: ofPrecious(stateDir, new MemoryInput()).sources }));
  await until("all of it", () => sinks[1]!.delivered.length === 10);
  assert.deepEqual(sinks[1]!.delivered, numbered(0, 10));
  assertEquations(two.agent);
});

test("a sink that knows its position is not given again what it has, and gets the rest in order", async (t) => {
  const stateDir = await stateFolder(t);
  const input = new MemoryInput();
  const good = [new ScriptedSink([], QUICK), new ScriptedSink([], QUICK)];
  const bad = [new ScriptedSink(failing, { ...QUICK, maxEvents: 7 }), new ScriptedSink([], QUICK)];
  // What a crash leaves behind: the sink has 50 lines, and nobody wrote that down elsewhere.
  bad[0]!.position = () => undefined;
  bad[1]!.position = () => ({ position: 50, resume: { line: 50 } });
  const host = withTwo(stateDir, input, good, bad);
  const one = await start(t, makeHost(host));
  input.push(...numbered(0, 100));
  await until("the good sink has all", () => good[0]!.delivered.length === 100);
  await one.stop(20);
  const two = await start(t, makeHost(host));
  await until("the rest", () => bad[1]!.delivered.length === 50);
  assert.deepEqual(bad[1]!.delivered, numbered(50, 100));
  assertEquations(two.agent);
});

test("a sink that is replaced while it is behind leaves its successor what it has not settled", async (t) => {
  const stateDir = await stateFolder(t);
  const input = new MemoryInput();
  const good = new ScriptedSink([], QUICK);
  const bad = [new ScriptedSink(failing, QUICK), new ScriptedSink([], QUICK)];
  const definition = sinkDefinition(...bad);
  const parts = withTwo(stateDir, input, [good], []);
  const host = (version: number): HostConfig =>
    makeHost({ ...parts, sinks: { ...parts.sinks, bad: { definition, version } } });
  const { agent } = await start(t, host(1));
  input.push(...numbered(0, 150));
  await until("the good sink has all", () => good.delivered.length === 150);
  await agent.reload(host(2), TEST_PLACEHOLDERS);
  await until("the successor has all", () => bad[1]!.delivered.length >= 150);
  input.push(...numbered(150, 160));
  await until("and what is new", () => bad[1]!.delivered.length >= 160 && good.delivered.length === 160);
  assert.deepEqual(bad[1]!.delivered, numbered(0, 160));
  assert.deepEqual(good.delivered, numbered(0, 160));
  assertEquations(agent);
});

test("what a sink that is replaced still settles counts, when it goes into the journal at the same moment", async (t) => {
  const stateDir = await stateFolder(t);
  const input = new MemoryInput();
  const gate = new Gate();
  const good = new ScriptedSink([], QUICK);
  const bad = [new ScriptedSink(gate.answer, QUICK), new ScriptedSink([], QUICK)];
  const definition = sinkDefinition(...bad);
  const parts = withTwo(stateDir, input, [good], []);
  const host = (version: number): HostConfig =>
    makeHost({ ...parts, sinks: { ...parts.sinks, bad: { definition, version } } });
  let reloaded: Promise<void> | undefined;
  const { agent } = await start(t, host(1), (message) => {
    // In the same turn: what is under way is not in the journal yet, and will be while the sink is drained.
    if (message.includes("is behind")) reloaded = agent.reload(host(2), TEST_PLACEHOLDERS);
  });
  input.push(...numbered(0, 150));
  await until("it is in the journal", () => reloaded !== undefined && agent.status().journal!.records > 0);
  gate.open({ outcome: "mixed", verdicts: new Map([[1, { outcome: "rejected", reason: "no" }]]) });
  await reloaded;
  // One was rejected, and its batch may be read again as a whole.
  const settled = (): Set<string> => new Set(["line 1", ...bad[0]!.delivered, ...bad[1]!.delivered]);
  await until("the successor has the rest", () => settled().size === 150);
  assert.deepEqual([...settled()].sort(), numbered(0, 150).sort());
  assertEquations(agent);
});

test("a successor that can look up what arrived is told of all that its predecessor may have sent", async (t) => {
  const stateDir = await stateFolder(t);
  const input = new MemoryInput();
  input.batchLines = 8;
  const gate = new Gate();
  const good = new ScriptedSink([], QUICK);
  // Of each batch one half is under way while the other waits.
  const bad = [new ScriptedSink([], { ...QUICK, maxEvents: 4 }), new ScriptedSink([], QUICK)] as const;
  // It fails, so that nothing is read ahead from the journal.
  bad[0].answer = () => (bad[0].calls.length === 1 ? failing() : gate.answer());
  for (const sink of bad) sink.asksWhatArrived = true;
  const maybeSent = new Set<string>();
  const write = bad[1].write.bind(bad[1]);
  bad[1].write = (batch, signal, attempt) => {
    if (batch.slices.some((slice) => slice.maybeSent === true))
      messagesOf(batch).forEach((each) => maybeSent.add(each));
    return write(batch, signal, attempt);
  };
  const definition = sinkDefinition(...bad);
  const parts = withTwo(stateDir, input, [good], []);
  const host = (version: number): HostConfig =>
    makeHost({ ...parts, sinks: { ...parts.sinks, bad: { definition, version } } });
  const { agent } = await start(t, host(1));
  input.push(...numbered(0, 150));
  await until("the rest is in the journal", () => agent.status().sinks[1]!.queued_in_journal_events === 150 - 4);
  await until("it is tried again", () => gate.size === 1);
  const reloaded = agent.reload(host(2), TEST_PLACEHOLDERS);
  gate.open();
  await reloaded;
  await until("the successor has the rest", () => bad[1].delivered.length >= 146);
  assert.deepEqual(bad[0].delivered, numbered(0, 4));
  assert.deepEqual(new Set([...bad[0].delivered, ...bad[1].delivered]), new Set(numbered(0, 150)));
  const twice = bad[1].delivered.filter((message) => bad[0].delivered.includes(message));
  assert.deepEqual(
    twice.filter((message) => !maybeSent.has(message)),
    [],
  );
  assert.deepEqual(
    numbered(8, 150).filter((message) => maybeSent.has(message)),
    [],
  );
});

test("what the journal still holds of an input that was delivered and forgotten is looked up", async (t) => {
  const input = new MemoryInput();
  const [failed, working, last] = [
    new ScriptedSink(failing, QUICK),
    new ScriptedSink([], QUICK),
    new ScriptedSink([], QUICK),
  ];
  for (const sink of [failed, working, last]) sink.asksWhatArrived = true;
  const good = [0, 1, 2].map(() => new ScriptedSink([], QUICK));
  const { stateDir, host } = await afterOutage(t, input, good, [failed, working, last]);
  const journal = join(stateDir, "journal");
  await cp(journal, `${journal}-before`, { recursive: true });
  const { agent, stop } = await start(t, makeHost(host));
  await until("it is back and gets all", () => working.delivered.length === 200);
  await until("nothing waits", () => agent.status().sinks[1]!.queued_events === 0);
  await stop();
  // A crash: the input was forgotten, and the cursor that was to be written after that was not.
  await rm(journal, { recursive: true });
  await cp(`${journal}-before`, journal, { recursive: true });
  const checkpoints = join(stateDir, "checkpoints.json");
  const saved = JSON.parse(await readFile(checkpoints, "utf8")) as { partitions: object };
  assert.ok(Object.keys(saved.partitions).length > 0);
  await writeFile(checkpoints, JSON.stringify({ ...saved, partitions: {} }));
  const maybeSent: (boolean | undefined)[] = [];
  const write = last.write.bind(last);
  last.write = (batch, signal, attempt) => {
    maybeSent.push(...batch.slices.map((slice) => slice.maybeSent));
    return write(batch, signal, attempt);
  };
  await start(t, makeHost({ ...host, sources: { memory: new MemoryInput("another").definition } }));
  await until("it gets what the journal holds", () => last.delivered.length > 100);
  assert.ok(maybeSent.length > 0 && maybeSent.every((each) => each === true), JSON.stringify(maybeSent));
});

test("what a sink that is replaced has in a full journal is its successor's, though room is looked for in between", async (t) => {
  const stateDir = await stateFolder(t);
  const [input, precious] = [new MemoryInput(), new MemoryInput()];
  const good = new ScriptedSink([], QUICK);
  const bad = [new ScriptedSink(failing, QUICK), new ScriptedSink([], QUICK)];
  let open = (): void => undefined;
  const ready = new Promise<void>((resolve) => (open = resolve));
  const definition = sinkDefinition(...bad);
  const late: AnySink = {
    ...definition,
    create: async (options, context) => {
      if (good.delivered.length > 0) await ready;
      return definition.create(options, context);
    },
  };
  const parts = withTwo(stateDir, input, [good], [], { journal: { maxBytes: 20_000 } });
  const host = (version: number): HostConfig =>
    makeHost({
      ...parts,
      sources: { ...parts.sources, precious: { ...precious.definition, rereadable: false } },
      sinks: { ...parts.sinks, bad: { definition: late, version } },
      pipelines: { ...parts.pipelines, other: { from: ["precious"], to: ["good"] } },
    });
  const { agent, context } = await start(t, host(1));
  const isFull = (): boolean => context.logged.some(({ message }) => message.includes("journal is full"));
  input.push(...numbered(0, 600));
  await until("the journal is full", isFull);
  const reloaded = agent.reload(host(2), TEST_PLACEHOLDERS);
  await until("there is no such sink", () => bad[0]!.isClosed);
  // Goes to the journal first, and finds no room.
  precious.push("more");
  await new Promise((resolve) => setTimeout(resolve, 100));
  open();
  await reloaded;
  await until("the successor has all", () => bad[1]!.delivered.length >= 600);
  input.push("last");
  await until("and what is new", () => bad[1]!.delivered.includes("last") && good.delivered.includes("more"));
  assert.deepEqual(bad[1]!.delivered, [...numbered(0, 600), "last"]);
  assertEquations(agent);
});

/** Pushes 600 lines through an agent whose journal is too small for those of its sink "bad", which is down. */
async function fillJournal(t: TestContext, whenFull: SinkConfig["whenFull"]) {
  const stateDir = await stateFolder(t);
  const input = new MemoryInput();
  const [good, bad] = [new ScriptedSink([], QUICK), new ScriptedSink(failing, QUICK)];
  const parts = withTwo(stateDir, input, [good], [bad], { journal: { maxBytes: 20_000 } });
  const sinks = { ...parts.sinks, bad: { ...parts.sinks["bad"]!, whenFull } };
  const { agent, context } = await start(t, makeHost({ ...parts, sinks }));
  input.push(...numbered(0, 600));
  return { input, good, bad, agent, context };
}

test("when the journal is full, a sink with block makes sources wait, and nothing is lost", async (t) => {
  const { good, bad, agent, context } = await fillJournal(t, "block");
  await until("the source waits", () => context.logged.some(({ message }) => message.includes("journal is full")));
  assert.ok(good.delivered.length > 50 && good.delivered.length < 600);
  assert.ok(agent.status().journal!.used_bytes <= 20_000);
  bad.answer = () => DELIVERED;
  await until("both have all", () => bad.delivered.length === 600 && good.delivered.length === 600);
  assert.deepEqual(bad.delivered, numbered(0, 600));
  assertEquations(agent);
});

test("when the journal is full, a sink with drop_oldest loses its oldest events, counted and said, and holds up nobody", async (t) => {
  const { good, bad, agent, context } = await fillJournal(t, "drop_oldest");
  await until("the good sink has all", () => good.delivered.length === 600);
  assertEquations(agent);
  bad.answer = () => DELIVERED;
  await until("nothing is queued", () => agent.status().sinks[1]!.queued_events === 0);
  const dropped = agent.status().sinks[1]!.dropped_events["journal_full"]!;
  assert.ok(dropped > 100);
  assert.equal(bad.delivered.length, 600 - dropped);
  assert.equal(new Set(bad.delivered).size, bad.delivered.length, "each once");
  assert.ok(context.logged.some(({ message }) => message.includes("loses its oldest events")));
  assertEquations(agent);
});

test("when the journal is full, a sink with reread gives up its share and catches up from the inputs themselves", async (t) => {
  const { input, good, bad, agent, context } = await fillJournal(t, "reread");
  await until("the good sink has all", () => good.delivered.length === 600);
  assert.ok(context.logged.some(({ message }) => message.includes("gives up its share")));
  await until("its share is gone", () => agent.status().journal!.used_bytes < 1000);
  bad.answer = () => DELIVERED;
  await until("it has all", () => new Set(bad.delivered).size === 600);
  input.push(...numbered(600, 610));
  await until("and what is new", () => bad.delivered.at(-1) === "line 609" && good.delivered.length === 610);
  assert.deepEqual(good.delivered, numbered(0, 610));
  assert.deepEqual(bad.delivered, numbered(0, 610));
  assertEquations(agent);
});

test("what waits for a sink that is not configured any more is kept while there is room, and given up loudly when there is not", async (t) => {
  const stateDir = await stateFolder(t);
  const input = new MemoryInput();
  const good = [new ScriptedSink([], QUICK), new ScriptedSink([], QUICK)];
  const bad = [new ScriptedSink(failing, QUICK), new ScriptedSink(failing, QUICK)];
  const host = withTwo(stateDir, input, good, [bad[0]!], { journal: { maxBytes: 40_000 } });
  const one = await start(t, makeHost(host));
  input.push(...numbered(0, 100));
  await until("the good sink has all", () => good[0]!.delivered.length === 100);
  // All of it is in the journal then.
  assert.deepEqual(await one.stop(), { undelivered: 0 });
  const other = { definition: sinkDefinition(bad[1]!) };
  const two = await start(t, makeHost({ ...host, sinks: { ...host.sinks, bad: { ...other, identity: "another" } } }));
  const orphans = two.agent.status().journal!.orphans;
  assert.deepEqual([orphans.length, orphans[0]!.sink_identity, orphans[0]!.events], [1, "bad", 100]);
  input.push(...numbered(100, 600));
  await until("the orphan's share is given up", () =>
    two.context.logged.some(({ message }) => message.includes("not configured any more")),
  );
  assert.deepEqual(two.agent.status().journal!.orphans, []);
});
