import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { Checkpoints } from "../../../src/runtime/checkpoints.ts";
import { SentMark } from "../../../src/runtime/sent-mark.ts";
import { FakeClock } from "../../support/clock.ts";
import { makeContext } from "../../support/context.ts";
import { temporaryFolder } from "../../support/folders.ts";
import { ScriptedSink } from "../../support/scripted-sink.ts";
import { SinkRig } from "../../support/sink-rig.ts";

const MIB = 1 << 20;
const nowhere = (): undefined => undefined;

function askingSink(maxEvents = 1000): ScriptedSink {
  const sink = new ScriptedSink([], { maxEvents, maxAgeMs: 0 });
  return Object.assign(sink, { asksWhatArrived: true });
}

test("nothing is sent beyond the mark that is on disk", async () => {
  const sink = askingSink(1);
  const rig = new SinkRig(sink);
  rig.progress.sentMark = new SentMark(undefined, 0);
  const wanted: (() => void)[] = [];
  rig.syncMarks = () =>
    new Promise((resolve) => {
      const mark = rig.progress.sentMark!.next();
      wanted.push(() => {
        rig.progress.sentMark!.wrote(mark);
        resolve();
      });
    });
  rig.enqueue(["a", "b"]);
  await rig.clock.advance(10);
  assert.equal(sink.calls.length, 0);
  assert.equal(wanted.length, 1);
  wanted[0]!();
  await rig.clock.advance(10);
  assert.deepEqual(sink.delivered, ["a", "b"]);
  assert.equal(wanted.length, 1, "one write covers many calls");
});

test("when the mark cannot be written nothing is sent, loudly, and it is tried again", async () => {
  const sink = askingSink();
  const rig = new SinkRig(sink);
  rig.progress.sentMark = new SentMark(undefined, 0);
  const write = rig.syncMarks;
  rig.syncMarks = () => Promise.reject(new Error("no space left on device"));
  rig.enqueue(["a"]);
  await rig.clock.advance(10);
  assert.equal(sink.calls.length, 0);
  assert.equal(rig.runner.health.state, "holding");
  assert.match(rig.runner.health.lastError?.message ?? "", /mark of what may have been sent.*no space left/);
  rig.syncMarks = write;
  await rig.clock.advance(60_000);
  assert.deepEqual(
    sink.calls.map((call) => call.attempt),
    [1],
  );
  assert.equal(rig.runner.health.state, "working");
});

test("a stop while the mark is being written gives the call up", async () => {
  const sink = askingSink();
  sink.answer = (_messages, signal) => ({ outcome: "retry", reason: signal.aborted ? "aborted" : "not aborted" });
  const rig = new SinkRig(sink);
  rig.progress.sentMark = new SentMark(undefined, 0);
  let write = (): void => undefined;
  rig.syncMarks = () => new Promise((resolve) => (write = resolve));
  rig.enqueue(["a"]);
  await rig.clock.advance(10);
  const stopping = rig.runner.stop();
  write();
  await stopping;
  assert.deepEqual(
    sink.calls.map((call) => call.signal.aborted),
    [true],
  );
});

test("documents before an inherited mark are marked, those behind it are not, and no call mixes them", async () => {
  const sink = askingSink();
  const flags: (boolean | undefined)[][] = [];
  const write = sink.write.bind(sink);
  sink.write = (batch, signal, attempt) => {
    flags.push(batch.slices.map((slice) => slice.maybeSent));
    return write(batch, signal, attempt);
  };
  const rig = new SinkRig(sink);
  rig.progress.sentMark = new SentMark(250, 0);
  rig.enqueue(["0", "100", "200", "300", "400"]);
  rig.enqueue(["500"]);
  await rig.clock.advance(10);
  assert.deepEqual(
    sink.calls.map((call) => call.messages),
    [
      ["0", "100", "200"],
      ["300", "400", "500"],
    ],
  );
  assert.deepEqual(flags, [[true], [false, false]]);
});

test("what a sink object was given is marked for its successor", () => {
  const mark = new SentMark(undefined, 1000);
  assert.equal(mark.inherited, 0);
  mark.sending(5000);
  mark.inherit();
  assert.equal(mark.inherited, 5000);
});

test("at full speed the mark is never waited for, and written about once for each second's worth", () => {
  const mark = new SentMark(undefined, 0);
  mark.wrote(mark.next());
  // 200 MB/s in calls of 2 MB; a write takes as long as five calls; positions are written once a second anyhow.
  let asked = 0;
  let writing: { readonly mark: number; doneAt: number } | undefined;
  for (let call = 1; call <= 2000; call++) {
    assert.ok(mark.sending(call * 2_000_000), `call ${call} would wait`);
    if (writing !== undefined && call >= writing.doneAt) {
      mark.wrote(writing.mark);
      writing = undefined;
    }
    if (writing === undefined && (mark.isShort || call % 100 === 0)) {
      if (call % 100 !== 0) asked++;
      writing = { mark: mark.next(), doneAt: call + (call < 10 ? 1 : 5) };
    }
  }
  assert.ok(asked < 40, `${asked} extra writes in 20 seconds`);
});

test("a slow stream's mark stays near: little has to be looked up after a crash", () => {
  const mark = new SentMark(undefined, 0);
  for (let second = 1; second < 100; second++) {
    mark.sending(second * 1000);
    mark.wrote(mark.next());
  }
  assert.ok(mark.next() <= 100_000 + 8 * MIB);
});

test("a checkpoint keeps the mark ahead while it runs, and exactly after a clean end", async (t) => {
  const path = join(await temporaryFolder(t), "checkpoints.json");
  const clock = new FakeClock();
  const { log } = makeContext();
  const onDisk = async (): Promise<unknown> =>
    (JSON.parse(await readFile(path, "utf8")) as { partitions: Record<string, { routes: unknown }> }).partitions["p1"]!
      .routes;
  const first = await Checkpoints.open(path, clock, log);
  first.open("chat", "p1", null, 100, ["asks", "does not"], nowhere, (route) => route === "asks");
  await first.sync();
  assert.deepEqual(await onDisk(), { asks: [100, null, 100 + 8 * MIB], "does not": [100, null] });
  const { sentMark } = first.progress("p1", "asks")!;
  assert.equal(sentMark!.sending(5000), true, "the first write of a partition covers its first calls");
  await first.sync();
  assert.deepEqual(await onDisk(), { asks: [100, null, 5000 + 8 * MIB], "does not": [100, null] });

  const crashed = await Checkpoints.open(path, clock, log);
  assert.equal(crashed.progress("p1", "asks")!.sentMark?.inherited, 5000 + 8 * MIB);
  await first.close();
  assert.deepEqual(await onDisk(), { asks: [100, null, 5000], "does not": [100, null] });
  const clean = await Checkpoints.open(path, clock, log);
  assert.equal(clean.progress("p1", "asks")!.sentMark?.inherited, 5000);
  assert.equal(clean.progress("p1", "does not")!.sentMark, undefined);
});

test("a second crash before everything is sent again forgets nothing of the first", async (t) => {
  const path = join(await temporaryFolder(t), "checkpoints.json");
  const clock = new FakeClock();
  const { log } = makeContext();
  const first = await Checkpoints.open(path, clock, log);
  first.open("chat", "p1", null, 0, ["a"], nowhere, () => true);
  first.progress("p1", "a")!.sentMark!.sending(50 * MIB);
  await first.sync();
  const second = await Checkpoints.open(path, clock, log);
  second.open("chat", "p1", null, 0, ["a"], nowhere, () => true);
  await second.close();
  const third = await Checkpoints.open(path, clock, log);
  assert.ok(third.progress("p1", "a")!.sentMark!.inherited >= 50 * MIB);
});
