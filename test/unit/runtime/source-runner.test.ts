import assert from "node:assert/strict";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import type { Source, SourceOutput } from "../../../src/core/component.ts";
import { backoffMs } from "../../../src/runtime/backoff.ts";
import { Checkpoints } from "../../../src/runtime/checkpoints.ts";
import { Outbox } from "../../../src/runtime/outbox.ts";
import { SourceRunner } from "../../../src/runtime/source-runner.ts";
import { FakeClock, settled } from "../../support/clock.ts";
import { makeContext } from "../../support/context.ts";
import { temporaryFolder } from "../../support/folders.ts";
import { makePartition } from "../../support/batches.ts";
import { makeLines } from "../../support/lines.ts";

async function setUp(t: TestContext, run: Source["run"], once = false) {
  const clock = new FakeClock();
  const { log, logged } = makeContext();
  const checkpoints = await Checkpoints.open(join(await temporaryFolder(t), "checkpoints.json"), clock, log);
  let made = 0;
  const create = (): Source => {
    made++;
    return { run, inputs: () => [] };
  };
  const outbox = new Outbox({ maxBytes: 1 << 20, onFull: () => undefined });
  const runner = new SourceRunner({
    name: "chat",
    create,
    pipelines: [],
    checkpoints,
    outbox,
    clock,
    log,
    once,
    isPrecious: false,
  });
  return { runner, clock, logged, made: () => made };
}

test("a source that fails is started again, after pauses that grow to half a minute", async (t) => {
  const { runner, clock, logged, made } = await setUp(t, () => Promise.reject(new Error("no such device")));
  runner.start();
  await settled();
  assert.deepEqual([runner.state, runner.error, made()], ["failed", "no such device", 1]);
  const pauses: number[] = [];
  for (let failures = 1; failures <= 10; failures++) {
    const pauseMs = logged.at(-1)!.fields["in_ms"] as number;
    const ceiling = Math.min(30_000, 500 * 2 ** (failures - 1));
    assert.ok(pauseMs >= ceiling / 2 && pauseMs <= ceiling, `${pauseMs} of ${ceiling} ms`);
    pauses.push(pauseMs);
    await clock.advance(pauseMs - 1);
    assert.equal(made(), failures);
    await clock.advance(1);
    assert.equal(made(), failures + 1);
  }
  assert.ok(pauses.at(-1)! >= 15_000);
  await runner.stop();
  assert.equal(clock.pending, 0);
});

test("the pause begins anew after a source has run for a minute", async (t) => {
  const fail: (() => void)[] = [];
  const { runner, clock, logged } = await setUp(
    t,
    () => new Promise((_, reject) => fail.push(() => reject(new Error("gone")))),
  );
  runner.start();
  await settled();
  for (let i = 0; i < 6; i++) {
    fail.pop()!();
    await settled();
    await clock.advance(30_000);
  }
  await clock.advance(60_001);
  fail.pop()!();
  await settled();
  assert.ok((logged.at(-1)!.fields["in_ms"] as number) <= 500);
  await runner.stop();
});

test("a single pass does not start a source again", async (t) => {
  const { runner, clock, made } = await setUp(t, () => Promise.reject(new Error("no such device")), true);
  runner.start();
  await runner.finished;
  assert.deepEqual([runner.state, made(), clock.pending], ["failed", 1, 0]);
});

test("a pause before the next start ends at once when the source is stopped", async (t) => {
  const { runner, clock, made } = await setUp(t, () => Promise.reject(new Error("no such device")));
  runner.start();
  await settled();
  await runner.stop();
  await clock.advance(60_000);
  assert.equal(made(), 1);
});

test("a source that does not end when it is stopped is named and left behind, and nothing it does then counts", async (t) => {
  let output: SourceOutput | undefined;
  const { runner, clock, logged } = await setUp(t, (given) => {
    output = given;
    return new Promise(() => undefined);
  });
  runner.start();
  await settled();
  let isStopped = false;
  const stopping = runner.stop().then(() => (isStopped = true));
  await clock.advance(9_999);
  assert.equal(isStopped, false);
  await clock.advance(1);
  await stopping;
  assert.match(logged.at(-1)!.message, /source "chat" has not ended 10 s after it was stopped and is left behind/);
  assert.equal(runner.state, "failed");
  let isDone = false;
  const done = (): void => void (isDone = true);
  void Promise.resolve(output!.emit(makeLines(["late"], { partition: makePartition() }))).then(done);
  void output!.open({ id: "p", identity: null, startPosition: 0 }).then(done);
  output!.dropped(7, "line_too_long");
  await settled();
  assert.deepEqual([isDone, runner.counts.events, runner.counts.dropped.size], [false, 0, 0]);
});

test("pauses between attempts are drawn from the upper half of what doubles from 0.5 s to 30 s", () => {
  for (let failures = 1; failures < 60; failures++) {
    const ceiling = Math.min(30_000, 500 * 2 ** (failures - 1));
    assert.equal(
      backoffMs(failures, () => 0),
      ceiling / 2,
    );
    assert.equal(
      backoffMs(failures, () => 1),
      ceiling,
    );
  }
});
