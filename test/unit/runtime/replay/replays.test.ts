import assert from "node:assert/strict";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { DELIVERED, defineStage, StageFailure, type WriteResult } from "../../../../src/core/component.ts";
import { t as schema } from "../../../../src/core/schema.ts";
import type { DeadLetter } from "../../../../src/disk/dead-letters/letter.ts";
import { readLetters } from "../../../../src/disk/dead-letters/segments.ts";
import { Agent } from "../../../../src/runtime/agent.ts";
import { systemClock } from "../../../../src/runtime/clock.ts";
import type { HostConfig, StageConfig } from "../../../../src/runtime/config/types.ts";
import { split } from "../../../../src/stages/split/index.ts";
import { makeContext, TEST_PLACEHOLDERS } from "../../../support/context.ts";
import { temporaryFolder } from "../../../support/folders.ts";
import { makeHost, sinkDefinition, type HostParts } from "../../../support/host.ts";
import { MemoryInput } from "../../../support/memory-source.ts";
import { ScriptedSink } from "../../../support/scripted-sink.ts";

const QUICK = { maxAgeMs: 5 };
const NEVER = new AbortController().signal;

/** Refuses documents whose message holds a word, for good. */
const refusing =
  (word: string) =>
  (messages: readonly string[]): WriteResult => {
    const verdicts = new Map(
      messages.flatMap((message, i) =>
        message.includes(word) ? [[i, { outcome: "rejected", reason: `it says ${word}` } as const]] : [],
      ),
    );
    return verdicts.size === 0 ? DELIVERED : { outcome: "mixed", verdicts };
  };

const failing = (word: string): StageConfig => ({
  definition: defineStage({
    type: "refuse",
    summary: "Refuses lines",
    stability: "stable",
    schema: schema.object({}),
    examples: [],
    create: () => ({ apply: (event) => (event.line.includes(word) ? new StageFailure(`${word} again`) : undefined) }),
  }),
  ...{ options: {}, when: undefined, onError: "dead_letter", baseDir: "." },
  location: { file: "", line: 1, column: 1, pointer: "" },
});

async function start(t: TestContext, config: HostConfig) {
  const context = makeContext();
  const agent = await Agent.start({
    ...{ config, clock: systemClock, once: true, log: () => context.log },
    ...{ placeholders: TEST_PLACEHOLDERS, version: "0.0.0" },
  });
  let isStopped = false;
  const stop = async (timeoutMs = 2000): Promise<void> => {
    isStopped = true;
    await agent.stop(timeoutMs);
  };
  t.after(async () => {
    if (!isStopped) await stop(50);
  });
  await agent.sourcesEnded();
  await agent.drain(AbortSignal.timeout(5000));
  return { agent, stop };
}

async function lettersIn(stateDir: string): Promise<DeadLetter[]> {
  const letters: DeadLetter[] = [];
  for await (const letter of readLetters(join(stateDir, "dead-letters"))) letters.push(letter);
  return letters;
}

test("a sink's letter goes to that sink alone, and stays, with the new reason, when it is refused again", async (t) => {
  const stateDir = await temporaryFolder(t);
  const input = new MemoryInput();
  input.push("good", "bad 1", "bad 2");
  const [picky, other] = [new ScriptedSink(refusing("bad"), QUICK), new ScriptedSink([], QUICK)];
  const host: HostParts = {
    ...{ stateDir, sources: { memory: input.definition } },
    sinks: { picky: { definition: sinkDefinition(picky) }, other: { definition: sinkDefinition(other) } },
    pipelines: { main: { from: ["memory"], to: ["picky", "other"] } },
  };
  const { agent, stop } = await start(t, makeHost(host));
  assert.deepEqual(
    (await lettersIn(stateDir)).map(({ sink, reason }) => [sink, reason]),
    [
      ["picky", "it says bad"],
      ["picky", "it says bad"],
    ],
  );
  const ids = (await lettersIn(stateDir)).map(({ id }) => id);
  picky.answer = refusing("2");
  await agent.replayDeadLetters("", false, NEVER);
  const { state, delivered, failed, reasons } = agent.replayStatus;
  assert.deepEqual(
    { state, delivered, failed, reasons },
    { state: "finished", delivered: 1, failed: 1, reasons: { "it says 2": 1 } },
  );
  assert.deepEqual(picky.delivered, ["good", "bad 1"]);
  assert.deepEqual(other.delivered, ["good", "bad 1", "bad 2"], "it has them already");
  const [left, ...none] = await lettersIn(stateDir);
  assert.deepEqual(none, []);
  assert.equal(left!.id, ids[1]);
  assert.deepEqual([left!.reason, left!.replays], ["it says 2", 1]);
  await stop();
});

test("a stage's letter goes to all sinks of the pipeline, and becomes a letter of the one that refuses it", async (t) => {
  const stateDir = await temporaryFolder(t);
  const input = new MemoryInput();
  input.push("good", "bad 1", "bad 2");
  const sinks = [0, 1, 2].map(() => new ScriptedSink([], QUICK));
  const [a, b] = [new ScriptedSink([], QUICK), new ScriptedSink(refusing("2"), QUICK)];
  const parts = (definitions: readonly [ScriptedSink, ScriptedSink], word: string): HostParts => ({
    ...{ stateDir, sources: { memory: input.definition } },
    sinks: { a: { definition: sinkDefinition(definitions[0]) }, b: { definition: sinkDefinition(definitions[1]) } },
    pipelines: { main: { from: ["memory"], to: ["a", "b"], stages: [failing(word)] } },
  });
  const first = await start(t, makeHost(parts([sinks[0]!, sinks[1]!], "bad")));
  await first.agent.replayDeadLetters("", false, NEVER);
  assert.equal(first.agent.replayStatus.failed, 2, "the stage refuses them still");
  await first.stop();
  assert.deepEqual(
    (await lettersIn(stateDir)).map(({ stage, reason, replays }) => [stage, reason, replays]),
    [
      ["1 refuse", "refuse: bad again", 1],
      ["1 refuse", "refuse: bad again", 1],
    ],
  );
  const second = await start(t, makeHost(parts([a, b], "nothing")));
  await second.agent.replayDeadLetters("", false, NEVER);
  assert.deepEqual(a.delivered, ["bad 1", "bad 2"]);
  assert.deepEqual(b.delivered, ["bad 1"]);
  const letters = await lettersIn(stateDir);
  assert.deepEqual(
    letters.map(({ sink, stage, to, reason, original }) => [sink, stage, to, reason, original]),
    [["b", undefined, undefined, "it says 2", "bad 2"]],
  );
  b.answer = () => DELIVERED;
  await second.agent.replayDeadLetters("sink: b", false, NEVER);
  assert.deepEqual(a.delivered, ["bad 1", "bad 2"], "once");
  assert.deepEqual(b.delivered, ["bad 1", "bad 2"]);
  assert.deepEqual(await lettersIn(stateDir), []);
  await second.stop();
});

test("a replay that waits for a sink goes on after a restart, and none of it is lost", async (t) => {
  const stateDir = await temporaryFolder(t);
  const input = new MemoryInput();
  input.push("good", "bad 1", "bad 2");
  const hanging = (_messages: readonly string[], signal: AbortSignal): Promise<WriteResult> =>
    new Promise((resolve) => {
      signal.addEventListener("abort", () => resolve({ outcome: "retry", reason: "aborted" }), { once: true });
    });
  const [one, two] = [new ScriptedSink(refusing("bad"), QUICK), new ScriptedSink([], QUICK)];
  const parts = (sink: ScriptedSink): HostParts => ({
    ...{ stateDir, sources: { memory: input.definition }, sinks: { out: { definition: sinkDefinition(sink) } } },
    pipelines: { main: { from: ["memory"], to: ["out"] } },
  });
  const first = await start(t, makeHost(parts(one)));
  one.answer = hanging;
  const given = new AbortController();
  const waiting = first.agent.replayDeadLetters("", false, given.signal);
  for (const deadline = Date.now() + 5000; first.agent.status().sinks[0]!.queued_events < 2;) {
    assert.ok(Date.now() < deadline);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  given.abort();
  await waiting;
  await first.stop(20);
  assert.equal((await lettersIn(stateDir)).length, 2);
  const second = await start(t, makeHost(parts(two)));
  await second.agent.replayDeadLetters("", false, NEVER);
  assert.deepEqual(two.delivered, ["bad 1", "bad 2"]);
  assert.deepEqual(await lettersIn(stateDir), []);
  await second.stop();
});

test("what is not possible any more is said, and stays", async (t) => {
  const stateDir = await temporaryFolder(t);
  const input = new MemoryInput();
  input.push("bad");
  const sink = new ScriptedSink(refusing("bad"), QUICK);
  const first = await start(
    t,
    makeHost({
      ...{ stateDir, sources: { memory: input.definition }, sinks: { gone: { definition: sinkDefinition(sink) } } },
      pipelines: { main: { from: ["memory"], to: ["gone"] } },
    }),
  );
  await first.stop();
  const second = await start(
    t,
    makeHost({
      ...{ stateDir, sources: {}, sinks: { new: { definition: sinkDefinition(new ScriptedSink([], QUICK)) } } },
      pipelines: { main: { from: [], to: ["new"] } },
    }),
  );
  await second.agent.replayDeadLetters("", false, NEVER);
  assert.equal(second.agent.replayStatus.impossible, 1);
  assert.deepEqual(second.agent.replayStatus.reasons, { "none of its sinks (gone) is there any more": 1 });
  assert.equal((await lettersIn(stateDir)).length, 1);
  await second.stop();
});

test("of the events made of one line only those are sent again that the sink refused", async (t) => {
  const stateDir = await temporaryFolder(t);
  const input = new MemoryInput();
  input.push("good;bad 1;good too;bad 2");
  const picky = new ScriptedSink(refusing("bad"), QUICK);
  const splitting: StageConfig = {
    ...{ definition: split, options: { field: "message", delimiter: ";", merge: false }, when: undefined },
    ...{ onError: "keep", baseDir: ".", location: { file: "", line: 1, column: 1, pointer: "" } },
  };
  const host: HostParts = {
    ...{ stateDir, sources: { memory: input.definition } },
    sinks: { picky: { definition: sinkDefinition(picky) } },
    pipelines: { main: { from: ["memory"], to: ["picky"], stages: [splitting] } },
  };
  const { agent, stop } = await start(t, makeHost(host));
  const numbers = async (): Promise<(string | undefined)[]> =>
    (await lettersIn(stateDir)).map(({ id }) => id.split(".")[3]);
  assert.deepEqual(await numbers(), ["2", "4"]);
  picky.answer = refusing("2");
  await agent.replayDeadLetters("", false, NEVER);
  assert.deepEqual(await numbers(), ["4"]);
  assert.deepEqual(picky.delivered, ["good", "good too", "bad 1"]);
  await stop();
});

test("a document that a source made is given to the stages as one when its letter is replayed", async (t) => {
  const stateDir = await temporaryFolder(t);
  const input = new MemoryInput();
  input.areDocuments = true;
  input.push('{"@timestamp":"2026-01-02T03:04:05Z","message":"bad 1","frame":{"len":60}}', '{"message":"good"}');
  const [first, second] = [new ScriptedSink([], QUICK), new ScriptedSink([], QUICK)];
  const parts = (sink: ScriptedSink, word: string): HostParts => ({
    ...{ stateDir, sources: { memory: input.definition }, sinks: { a: { definition: sinkDefinition(sink) } } },
    pipelines: { main: { from: ["memory"], to: ["a"], stages: [failing(word)] } },
  });
  const before = await start(t, makeHost(parts(first, "bad")));
  await before.stop();
  assert.deepEqual(first.delivered, ["good"]);
  const [letter] = await lettersIn(stateDir);
  assert.deepEqual([letter!.is_document, letter!.time], [true, "2026-01-02T03:04:05.000Z"]);
  const { agent } = await start(t, makeHost(parts(second, "nothing")));
  await agent.replayDeadLetters("", false, NEVER);
  assert.deepEqual(second.delivered, ["bad 1"]);
});
