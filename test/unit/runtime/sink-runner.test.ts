import assert from "node:assert/strict";
import { test } from "node:test";
import { DELIVERED, type Verdict, type WriteResult } from "../../../src/core/component.ts";
import { Gate, ScriptedSink } from "../../support/scripted-sink.ts";
import { SinkRig } from "../../support/sink-rig.ts";
import { recordWarnings } from "../../support/warnings.ts";

const RETRY: WriteResult = { outcome: "retry", reason: "busy" };
const HOLD: WriteResult = { outcome: "hold", reason: "no privileges" };
const REJECTED: Verdict = { outcome: "rejected", reason: "not a date" };
const DAY_MS = 86_400_000;

const numbered = (count: number, prefix = "line"): string[] =>
  Array.from({ length: count }, (_, i) => `${prefix} ${i}`);
const sent = (sink: ScriptedSink): string[][] => sink.calls.map((call) => [...call.messages]);
const mixed = (verdicts: Record<number, Verdict>): WriteResult => ({
  outcome: "mixed",
  verdicts: new Map(Object.entries(verdicts).map(([index, verdict]) => [Number(index), verdict])),
});

test("a call is made when there are enough events for it, and not before", async () => {
  const sink = new ScriptedSink([], { maxEvents: 3 });
  const rig = new SinkRig(sink);
  rig.enqueue(["a", "b"]);
  await rig.settled();
  assert.deepEqual(sent(sink), []);
  rig.enqueue(["c", "d"]);
  await rig.settled();
  assert.deepEqual(sent(sink), [["a", "b", "c"]]);
  await rig.clock.advance(1000);
  assert.deepEqual(sent(sink), [["a", "b", "c"], ["d"]]);
});

test("a call is made when there are enough bytes for it, never with more than allowed", async () => {
  const sink = new ScriptedSink([], { maxBytes: 200 });
  const rig = new SinkRig(sink);
  rig.enqueue(["x".repeat(40), "y".repeat(40), "z".repeat(40)]);
  await rig.settled();
  assert.deepEqual(
    sink.calls.map((call) => call.messages.length),
    [2],
  );
  rig.enqueue(["a document larger than a whole call goes alone".repeat(10)]);
  await rig.clock.advance(1000);
  assert.deepEqual(
    sink.calls.map((call) => call.messages.length),
    [2, 1, 1],
  );
});

test("a call that is nearly full ends with a batch, one that is not is filled up", async () => {
  const sink = new ScriptedSink([], { maxEvents: 10 });
  const rig = new SinkRig(sink);
  for (const count of [4, 4, 4, 5, 7]) rig.enqueue(numbered(count));
  await rig.clock.advance(1000);
  assert.deepEqual(
    sink.calls.map((call) => call.messages.length),
    [8, 9, 7],
  );
  for (const count of [7, 7]) rig.enqueue(numbered(count));
  await rig.clock.advance(1000);
  assert.deepEqual(
    sink.calls.slice(3).map((call) => call.messages.length),
    [10, 4],
  );
});

test("a sink is short of memory when most of what is held is under way and nothing waits", async () => {
  const sink = new ScriptedSink(() => new Promise(() => undefined), { maxEvents: 10, concurrency: 6 });
  const rig = new SinkRig(sink);
  const isShort = (): boolean => rig.runner.isShortOf(rig.outbox.heldBytes);
  assert.equal(isShort(), false);
  for (let i = 0; i < 4; i++) rig.enqueue(numbered(10));
  await rig.settled();
  assert.equal(rig.runner.inFlight, 4);
  assert.equal(isShort(), true);
  // Others hold the most of it.
  assert.equal(rig.runner.isShortOf(rig.outbox.heldBytes * 3), false);
  rig.enqueue(numbered(10));
  await rig.settled();
  assert.equal(isShort(), false, "a call waits for another to end");
});

test("overhead that a service counts for each event counts against the limit", async () => {
  const sink = new ScriptedSink([], { maxBytes: 200 });
  sink.overheadBytesPerEvent = 100;
  const rig = new SinkRig(sink);
  rig.enqueue(["a", "b", "c"]);
  await rig.clock.advance(1000);
  assert.deepEqual(sent(sink), [["a"], ["b"], ["c"]]);
});

test("an event waits for others no longer than max_age_ms, however many keep coming", async () => {
  const sink = new ScriptedSink([], { maxAgeMs: 500 });
  const rig = new SinkRig(sink);
  const lines = numbered(50);
  for (const line of lines) {
    assert.deepEqual(sent(sink), []);
    rig.enqueue([line]);
    await rig.clock.advance(10);
  }
  assert.deepEqual(sent(sink), [lines]);
});

test("what waits goes out when nothing more comes for a moment, at most once in max_age_ms", async () => {
  const sink = new ScriptedSink([], { maxAgeMs: 500 });
  const rig = new SinkRig(sink);
  rig.enqueue(["a"]);
  await rig.clock.advance(10);
  rig.enqueue(["b"]);
  await rig.clock.advance(19);
  assert.deepEqual(sent(sink), []);
  await rig.clock.advance(1);
  assert.deepEqual(sent(sink), [["a", "b"]]);
  rig.enqueue(["c"]);
  await rig.clock.advance(300);
  rig.enqueue(["d"]);
  await rig.clock.advance(199);
  assert.equal(sent(sink).length, 1);
  await rig.clock.advance(1);
  assert.deepEqual(sent(sink), [
    ["a", "b"],
    ["c", "d"],
  ]);
});

test("the end of a burst goes out as soon as nothing more comes, also soon after the end of another", async () => {
  const sink = new ScriptedSink([], { maxEvents: 3, maxAgeMs: 500 });
  const rig = new SinkRig(sink);
  rig.enqueue(["a"]);
  await rig.clock.advance(20);
  rig.enqueue(["b", "c", "d", "e"]);
  await rig.clock.advance(19);
  assert.deepEqual(sent(sink), [["a"], ["b", "c", "d"]]);
  await rig.clock.advance(1);
  assert.deepEqual(sent(sink), [["a"], ["b", "c", "d"], ["e"]]);
});

test("documents of different destinations, or too far apart in time, never share a call", async () => {
  const sink = new ScriptedSink();
  sink.destinationOf = (timeMs) => (timeMs < DAY_MS ? "old" : "new");
  const rig = new SinkRig(sink);
  rig.enqueue(["a", "b", "c", "d"], [0, 2 * DAY_MS, 1, 2 * DAY_MS]);
  await rig.clock.advance(1000);
  assert.deepEqual(
    sink.calls.map(({ destination, messages }) => [destination, ...messages]),
    [
      ["old", "a", "c"],
      ["new", "b", "d"],
    ],
  );
  const narrow = new ScriptedSink();
  narrow.maxTimeSpanMs = DAY_MS;
  const second = new SinkRig(narrow);
  second.enqueue(["a", "b", "c"], [0, DAY_MS - 1, DAY_MS]);
  await second.clock.advance(1000);
  assert.deepEqual(sent(narrow), [["a", "b"], ["c"]]);
});

test("as many calls at a time as the sink allows, and no more", async () => {
  const gate = new Gate();
  const sink = new ScriptedSink(gate.answer, { maxEvents: 1, concurrency: 2 });
  const rig = new SinkRig(sink);
  rig.enqueue(["a", "b", "c"]);
  await rig.settled();
  assert.equal(gate.size, 2);
  gate.open();
  await rig.settled();
  assert.equal(gate.size, 2);
  assert.deepEqual(sent(sink), [["a"], ["b"], ["c"]]);
});

test("however many calls are under way, Node does not warn of listeners", async (t) => {
  const warnings = recordWarnings(t);
  const gate = new Gate();
  const rig = new SinkRig(new ScriptedSink(gate.answer, { maxEvents: 1, concurrency: 14 }));
  // A far server: every call takes 50 ms, and more of them at a time bring more.
  for (let i = 0; i < 20 && gate.size <= 10; i++) {
    rig.enqueue(numbered(30));
    await rig.clock.advance(50);
    for (let open = gate.size; open > 0 && gate.size <= 10; open--) gate.open();
    await rig.settled();
  }
  assert.ok(gate.size > 10, `${gate.size} calls under way`);
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(warnings, []);
});

test("a failed call is made again after growing pauses, and the sink works again at once", async () => {
  const sink = new ScriptedSink([RETRY, RETRY, RETRY, DELIVERED], { maxEvents: 1 });
  const rig = new SinkRig(sink);
  rig.enqueue(["a"]);
  await rig.settled();
  for (const [pauseMs, calls] of [
    [500, 2],
    [1000, 3],
    [2000, 4],
  ] as const) {
    assert.equal(rig.runner.health.state, "retrying");
    assert.equal(rig.runner.health.lastError?.message, "busy");
    assert.equal(rig.runner.nextAttemptMs, rig.clock.now() + pauseMs);
    await rig.clock.advance(pauseMs - 1);
    assert.equal(sink.calls.length, calls - 1);
    await rig.clock.advance(1);
    assert.equal(sink.calls.length, calls);
  }
  assert.equal(rig.runner.health.state, "working");
  assert.deepEqual(
    sink.calls.map((call) => call.attempt),
    [1, 2, 3, 4],
  );
  assert.deepEqual(sink.delivered, ["a"]);
});

test("a server that says how long to wait is left alone for so long", async () => {
  const sink = new ScriptedSink([{ outcome: "retry", reason: "later", retryAfterMs: 60_000 }], { maxEvents: 1 });
  const rig = new SinkRig(sink);
  rig.enqueue(["a"]);
  await rig.clock.advance(59_999);
  assert.equal(sink.calls.length, 1);
  await rig.clock.advance(1);
  assert.equal(sink.calls.length, 2);
});

test("after a failed call nothing is sent until one call alone has found the server well again", async () => {
  const gate = new Gate();
  const sink = new ScriptedSink(gate.answer, { maxEvents: 1, concurrency: 2 });
  const rig = new SinkRig(sink);
  rig.enqueue(["a", "b", "c", "d", "e"]);
  await rig.settled();
  for (let i = 0; i < 2; i++) gate.open(RETRY);
  await rig.settled();
  assert.equal(gate.size, 0);
  // Calls that failed together are one failure: half a second, not two.
  await rig.clock.advance(500);
  assert.equal(gate.size, 1);
  await rig.clock.advance(100_000 - 60_000);
  assert.equal(gate.size, 1);
  gate.open();
  await rig.settled();
  // Others follow at once, one by one at first: the server was overloaded.
  assert.equal(gate.size, 1);
  gate.open();
  await rig.settled();
  assert.equal(gate.size, 1);
});

test("of a mixed answer only the refused documents are sent again, and the others never", async () => {
  const sink = new ScriptedSink([mixed({ 1: { outcome: "retry", reason: "busy" }, 3: REJECTED })], { maxEvents: 5 });
  const rig = new SinkRig(sink);
  rig.enqueue(["a", "b", "c", "d", "e"]);
  await rig.settled();
  assert.deepEqual(rig.deadLetters, [{ message: "d", reason: "not a date" }]);
  assert.deepEqual(rig.runner.counts.delivered, 3);
  assert.equal(rig.runner.queued, 1);
  assert.equal(rig.progress.position, 0);
  rig.enqueue(["f", "g", "h", "i", "j"]);
  await rig.settled();
  assert.deepEqual(sent(sink)[1], ["f", "g", "h", "i", "j"], "others go on meanwhile");
  await rig.clock.advance(500);
  assert.deepEqual(sent(sink)[2], ["b"]);
  assert.equal(rig.progress.position, 1000);
  assert.equal(rig.runner.health.state, "working");
  assert.deepEqual(
    rig.done.map((entry) => entry.rejected),
    [false, true],
  );
});

test("a document that the server will not have until somebody mends something never holds up the others", async () => {
  const sink = new ScriptedSink(
    (messages) => {
      const verdicts = new Map<number, Verdict>();
      messages.forEach(
        (message, i) => message.startsWith("bad") && verdicts.set(i, { outcome: "hold", reason: "index closed" }),
      );
      return { outcome: "mixed", verdicts };
    },
    { maxEvents: 2 },
  );
  const rig = new SinkRig(sink);
  for (let i = 0; i < 20; i++) {
    rig.enqueue(i % 5 === 0 ? ["bad 1", "bad 2"] : ["good", i % 5 === 1 ? "bad" : "good"]);
    await rig.clock.advance(1000);
    assert.equal(
      rig.runner.queued,
      2 * (Math.floor(i / 5) + 1) + Math.floor((i + 4) / 5),
      `all good ones are there after ${i}`,
    );
  }
  assert.equal(rig.runner.health.state, "holding");
  sink.answer = () => DELIVERED;
  await rig.clock.advance(30_000);
  assert.equal(rig.runner.queued, 0);
  assert.equal(rig.runner.health.state, "working");
});

test("a destination that is broken does not hold up the others for ever", async () => {
  const sink = new ScriptedSink([], { maxEvents: 2 });
  sink.destinationOf = (timeMs) => (timeMs === 0 ? "broken" : "whole");
  const rig = new SinkRig(sink);
  sink.answer = (messages) => (messages[0]!.startsWith("broken") ? HOLD : DELIVERED);
  for (let i = 0; i < 30; i++) {
    rig.enqueue([`broken ${i}`, `broken ${i}`], 0);
    rig.enqueue([`whole ${i}`, `whole ${i}`], 1);
    await rig.clock.advance(2000);
  }
  await rig.clock.advance(10_000);
  assert.equal(sink.delivered.length, 60);
  sink.answer = () => DELIVERED;
  await rig.clock.advance(30_000);
  assert.equal(rig.runner.queued, 0);
  assert.deepEqual(
    sink.delivered.filter((message) => message.startsWith("broken")),
    numbered(30, "broken").flatMap((message) => [message, message]),
    "in order within the destination",
  );
});

test("a sink that keeps its place gets everything in order, over destinations and failures", async () => {
  let calls = 0;
  const sink = new ScriptedSink(
    () => (++calls % 3 === 0 ? RETRY : calls % 5 === 0 ? { outcome: "too_large", reason: "big" } : DELIVERED),
    {
      maxEvents: 4,
    },
  );
  sink.position = () => undefined;
  sink.destinationOf = (timeMs) => String(timeMs % 3);
  const rig = new SinkRig(sink);
  const all = numbered(60);
  for (let i = 0; i < 60; i += 6) {
    rig.enqueue(all.slice(i, i + 6), [0, 0, 1, 2, 2, 0]);
    await rig.clock.advance(700);
  }
  await rig.clock.advance(600_000);
  assert.deepEqual([...sink.delivered, ...rig.deadLetters.map(({ message }) => message)].sort(), [...all].sort());
  assert.deepEqual(
    sink.delivered,
    all.filter((line) => sink.delivered.includes(line)),
  );
});

test("a call that is too large is halved, in order, and a single document that is too large is a dead letter", async () => {
  const sink = new ScriptedSink(
    (messages) =>
      messages.length > 2 || messages.includes("huge") ? { outcome: "too_large", reason: "413" } : DELIVERED,
    { maxEvents: 8 },
  );
  const rig = new SinkRig(sink);
  rig.enqueue(["a", "b", "c", "d", "huge", "f", "g", "h"]);
  await rig.settled();
  assert.deepEqual(sink.delivered, ["a", "b", "c", "d", "f", "g", "h"]);
  assert.deepEqual(rig.deadLetters, [{ message: "huge", reason: "too large for the server: 413" }]);
  assert.equal(rig.progress.position, 800);
});

test("a document stays queued while its dead letter cannot be written, and is settled when it can", async () => {
  const sink = new ScriptedSink(
    (messages) => (messages.includes("bad") ? mixed({ [messages.indexOf("bad")]: REJECTED }) : DELIVERED),
    {
      maxEvents: 2,
    },
  );
  const rig = new SinkRig(sink);
  rig.deadLetterFault = new Error("no space left on device");
  rig.enqueue(["good", "bad"]);
  await rig.settled();
  assert.equal(rig.runner.health.state, "holding");
  assert.match(rig.runner.health.lastError!.message, /dead letters cannot be written: no space left/);
  assert.equal(rig.runner.queued, 1);
  assert.equal(rig.progress.position, 0);
  rig.deadLetterFault = undefined;
  await rig.clock.advance(60_000);
  assert.deepEqual(rig.deadLetters, [{ message: "bad", reason: "not a date" }]);
  assert.deepEqual(sink.delivered, ["good"]);
  assert.equal(rig.progress.position, 200);
  assert.equal(rig.runner.health.state, "working");
});

test("while a dead letter is written nothing but its document counts as sent, and the rest is let go of", async () => {
  const sink = new ScriptedSink([mixed({ 2: REJECTED, 3: { outcome: "retry", reason: "busy" } })], { maxEvents: 4 });
  const rig = new SinkRig(sink);
  let stored = (): void => undefined;
  rig.deadLettersWait = new Promise((resolve) => (stored = resolve));
  rig.enqueue(["a"]);
  rig.enqueue(["b", "bad", "later"]);
  await rig.settled();
  assert.equal(rig.done.length, 1, "the first batch is let go of");
  const unsettled = rig.runner.sent.map(({ entry, from, to }) => ({ isDone: rig.done.includes(entry), from, to }));
  assert.deepEqual(unsettled, [
    { isDone: false, from: 1, to: 2 },
    { isDone: false, from: 2, to: 3 },
  ]);
  stored();
  await rig.clock.advance(10_000);
  assert.deepEqual(sink.delivered, ["a", "b", "later"]);
  assert.deepEqual(rig.deadLetters, [{ message: "bad", reason: "not a date" }]);
  assert.equal(rig.done.length, 2);
  assert.equal(rig.progress.position, 400);
});

test("a call without an answer is given up after the time-out and made again", async () => {
  const sink = new ScriptedSink([], { maxEvents: 1 });
  sink.answer = (_messages, signal, attempt) =>
    attempt > 1
      ? DELIVERED
      : new Promise((resolve) => {
          signal.addEventListener("abort", () => resolve({ outcome: "retry", reason: "aborted" }));
        });
  const rig = new SinkRig(sink, { writeTimeoutMs: 5000 });
  rig.enqueue(["a"]);
  await rig.clock.advance(4999);
  assert.equal(sink.calls[0]!.signal.aborted, false);
  assert.notEqual(rig.runner.oldestQueuedMs, undefined, "a document under way still counts as waiting");
  await rig.clock.advance(1);
  assert.equal(rig.runner.health.lastError?.message, "no answer within 5 s");
  await rig.clock.advance(500);
  assert.deepEqual(sink.delivered, ["a"]);
});

test("what a sink throws counts as a failure that may pass", async () => {
  const sink = new ScriptedSink([], { maxEvents: 1 });
  sink.answer = (_messages, _signal, attempt) => {
    if (attempt === 1) throw new Error("socket hang up");
    return DELIVERED;
  };
  const rig = new SinkRig(sink);
  rig.enqueue(["a"]);
  await rig.settled();
  assert.equal(rig.runner.health.lastError?.message, "socket hang up");
  await rig.clock.advance(500);
  assert.deepEqual(sink.delivered, ["a"]);
});

test("drain sends what waits at once and ends when all is settled", async () => {
  const sink = new ScriptedSink([RETRY], { maxAgeMs: 3_600_000 });
  const rig = new SinkRig(sink);
  rig.enqueue(["a", "b"]);
  let isDrained = false;
  const draining = rig.runner.drain(new AbortController().signal).then(() => (isDrained = true));
  await rig.settled();
  assert.deepEqual(sent(sink), [["a", "b"]]);
  assert.equal(isDrained, false);
  await rig.clock.advance(500);
  await draining;
  assert.deepEqual(sink.delivered, ["a", "b"]);
});

test("drain ends when it is told to, whatever the sink does", async () => {
  const rig = new SinkRig(new ScriptedSink(new Gate().answer));
  rig.enqueue(["a"]);
  const abort = new AbortController();
  const draining = rig.runner.drain(abort.signal);
  await rig.settled();
  abort.abort();
  await draining;
  assert.equal(rig.runner.queued, 1);
});

test("stop gives up calls under way, closes the sink, and leaves what is not settled to be read again", async () => {
  const sink = new ScriptedSink(
    (_messages, signal) =>
      new Promise((resolve) => {
        signal.addEventListener("abort", () => resolve(RETRY));
      }),
    { maxEvents: 2 },
  );
  const rig = new SinkRig(sink);
  rig.enqueue(["a", "b", "c"]);
  rig.enqueue(["d"]);
  await rig.settled();
  await rig.runner.stop();
  assert.equal(sink.isClosed, true);
  assert.deepEqual(
    rig.done.map((entry) => entry.abandoned),
    [true, true],
  );
  assert.equal(rig.outbox.heldBytes, 0);
  assert.equal(rig.progress.position, 0);
  assert.equal(rig.progress.enqueued, 0);
  assert.equal(rig.clock.pending, 0, "no timer stays behind");
});

test("what a call delivered while the runner stops is settled", async () => {
  const gate = new Gate();
  const sink = new ScriptedSink(gate.answer, { maxEvents: 1 });
  const rig = new SinkRig(sink);
  rig.enqueue(["a"]);
  rig.enqueue(["b"]);
  const stopping = rig.runner.stop();
  gate.open(mixed({}));
  await stopping;
  assert.equal(rig.progress.position, 100);
  assert.deepEqual(
    rig.done.map((entry) => entry.abandoned),
    [false, true],
  );
});

test("a clock that is set back or forth neither stops what waits nor hurries it", async () => {
  for (const stepMs of [-3_600_000, 3_600_000]) {
    const sink: ScriptedSink = new ScriptedSink([RETRY, DELIVERED], { maxEvents: 1 });
    const rig: SinkRig = new SinkRig(sink);
    rig.enqueue(["a"]);
    await rig.settled();
    rig.clock.set(rig.clock.now() + stepMs);
    assert.equal(rig.runner.nextAttemptMs, rig.clock.now() + 500);
    await rig.clock.advance(499);
    assert.equal(sink.calls.length, 1);
    await rig.clock.advance(1);
    assert.deepEqual(sink.delivered, ["a"]);
  }
});

test("what a sink's code throws by a defect ends the agent; what the world throws is tried again", async () => {
  const world = [
    new Error("socket hang up"),
    Object.assign(new Error("no space left"), { code: "ENOSPC" }),
    new TypeError("fetch failed", { cause: Object.assign(new Error("reset"), { code: "ECONNRESET" }) }),
  ];
  for (const error of world) {
    const sink = new ScriptedSink(() => Promise.reject(error), { maxEvents: 1 });
    const rig = new SinkRig(sink);
    rig.enqueue(["a"]);
    await rig.clock.advance(600);
    assert.deepEqual(rig.defects, []);
    assert.equal(sink.calls.length, 2);
  }
  const defects = [
    new TypeError("Cannot read properties of undefined"),
    new RangeError("Invalid array length"),
    Object.assign(new TypeError("must be a string"), { code: "ERR_INVALID_ARG_TYPE" }),
  ];
  for (const error of defects) {
    const sink = new ScriptedSink(() => Promise.reject(error), { maxEvents: 1 });
    const rig = new SinkRig(sink);
    rig.enqueue(["a"]);
    await rig.settled();
    assert.deepEqual(rig.defects, [error]);
    assert.equal(rig.runner.counts.delivered, 0);
    assert.equal(rig.runner.queued, 1, "the position stays before it");
  }
});

const UNKNOWN = { outcome: "hold", reason: "new_exception: who knows", unknown: true } as const;
const MINUTE_MS = 60_000;

/** A sink that refuses "bad" as told, and takes all others. */
function unsureSink(verdict: () => Verdict): ScriptedSink {
  const sink = new ScriptedSink(
    (messages) =>
      mixed(Object.fromEntries(messages.flatMap((message, i) => (message === "bad" ? [[i, verdict()]] : [])))),
    { maxAgeMs: 0 },
  );
  return Object.assign(sink, { unknownErrorTimeoutMs: 15 * MINUTE_MS });
}

test("a document refused for an unknown reason for too long, while others are taken, goes to the dead letters", async () => {
  const sink = unsureSink(() => UNKNOWN);
  const rig = new SinkRig(sink);
  rig.enqueue(["a", "bad", "b"]);
  await rig.clock.advance(MINUTE_MS);
  assert.equal(rig.runner.health.state, "holding");
  rig.enqueue(["c"]);
  await rig.clock.advance(13 * MINUTE_MS);
  assert.equal(rig.deadLetters.length, 0);
  await rig.clock.advance(2 * MINUTE_MS);
  assert.deepEqual(
    rig.deadLetters.map(({ message }) => message),
    ["bad"],
  );
  assert.match(rig.deadLetters[0]!.reason, /refused for 15 minutes while others were taken: new_exception: who knows/);
  assert.deepEqual(sink.delivered, ["a", "b", "c"]);
  assert.equal(rig.runner.queued, 0);
  assert.equal(rig.progress.position, 400);
});

test("while nothing else is taken an unknown error holds for ever: it may be the server", async () => {
  const sink = unsureSink(() => UNKNOWN);
  const rig = new SinkRig(sink);
  rig.enqueue(["bad", "bad"]);
  await rig.clock.advance(120 * MINUTE_MS);
  assert.equal(rig.deadLetters.length, 0);
  rig.enqueue(["good"]);
  await rig.clock.advance(MINUTE_MS);
  assert.equal(rig.deadLetters.length, 2);
});

test("a known reason to hold never ends in the dead letters, and neither does a document that is taken at last", async () => {
  const known = unsureSink(() => ({ outcome: "hold", reason: "read-only" }));
  const rig = new SinkRig(known);
  rig.enqueue(["bad", "a"]);
  for (let i = 0; i < 60; i++) {
    rig.enqueue(["other"]);
    await rig.clock.advance(MINUTE_MS);
  }
  assert.equal(rig.deadLetters.length, 0);

  let isOver = false;
  const passing = unsureSink(() => (isOver ? { outcome: "delivered" } : UNKNOWN));
  const second = new SinkRig(passing);
  second.enqueue(["bad", "a"]);
  await second.clock.advance(14 * MINUTE_MS);
  isOver = true;
  await second.clock.advance(MINUTE_MS);
  assert.equal(second.deadLetters.length, 0);
  assert.deepEqual(passing.delivered, ["a", "bad"]);
});

test("a few documents that are refused again do not slow the others down", async () => {
  const put = { outcome: "retry", reason: "busy" } as const;
  // One of twenty, then that one alone, twice.
  const sink = new ScriptedSink([mixed({ 3: put }), mixed({ 0: put }), mixed({ 0: put })], {
    maxEvents: 20,
    concurrency: 4,
  });
  const rig = new SinkRig(sink);
  rig.enqueue(numbered(20));
  const before = rig.runner.pace.concurrency;
  await rig.clock.advance(10_000);
  assert.equal(sink.calls.length, 4);
  assert.equal(rig.runner.pace.concurrency, before);
});
