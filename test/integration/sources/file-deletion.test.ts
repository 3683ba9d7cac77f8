import assert from "node:assert/strict";
import { appendFile, readdir, rename, unlink, utimes, writeFile } from "node:fs/promises";
import { afterEach, beforeEach, describe, it } from "node:test";
import type { OpenPartition } from "../../../src/core/component.ts";
import { Bench, FAST } from "../../support/file-source.ts";
import { MemoryOutput, until } from "../../support/source-output.ts";

/** Dies, as the whole process would, when a file is noted as about to be deleted. */
class DyingOutput extends MemoryOutput {
  override open(partition: OpenPartition): Promise<number> {
    const opened = super.open(partition);
    if ((partition.identity as { deleting?: true }).deleting !== true) return opened;
    return opened.then(() => {
      this.killed = true;
      return new Promise(() => undefined);
    });
  }
}

describe("files that are left out, and files that are deleted", () => {
  let bench: Bench;
  let log: string;
  beforeEach(async () => {
    bench = await Bench.make();
    log = bench.path("a.log");
  });
  afterEach(() => bench[Symbol.asyncDispose]());
  const files = (): Promise<string[]> => readdir(bench.path(""));

  it("old files are left out, said in the log, and read from their beginning once somebody writes to them", async () => {
    await writeFile(log, "old\n");
    await writeFile(bench.path("b.log"), "new\n");
    await utimes(log, new Date(0), new Date(Date.now() - 60_000));
    const run = bench.start({ include: [bench.path("*.log")], ignore_older_ms: 30_000, ...FAST });
    await until(() => run.output.count === 1);
    await until(() => run.messages.some((message) => message.startsWith("1 file is left out")));
    assert.deepEqual(
      run.source.inputs().map(({ name }) => name),
      [bench.path("b.log")],
    );
    await appendFile(log, "and new\n");
    await until(() => run.output.count === 3);
    assert.deepEqual(run.output.texts(), ["new", "old", "and new"]);
    await run.stop();
    // What is known goes on however old it is.
    await appendFile(log, "more\n");
    await utimes(log, new Date(0), new Date(Date.now() - 60_000));
    const again = await bench.once({ include: [bench.path("*.log")], ignore_older_ms: 30_000 });
    assert.deepEqual(again.texts(), ["more"]);
  });

  it("a file is deleted when every sink has it and it was quiet, and not before", async () => {
    await writeFile(log, "one\ntwo\n");
    await writeFile(bench.path("half.log"), "whole\nhalf");
    await writeFile(bench.path("empty.log"), "");
    await writeFile(bench.path("other.txt"), "not ours\n");
    const output = new MemoryOutput(bench.durable, { routes: 2 });
    output.autoAck = false;
    const run = bench.start({ include: [bench.path("*.log")], delete_delivered_after_ms: 1000, ...FAST }, { output });
    await until(() => run.output.count === 3);
    output.ack(Infinity, 0);
    await new Promise((resolve) => setTimeout(resolve, 2500));
    assert.equal((await files()).length, 4, "one sink has not got it");
    output.ackAll();
    await until(() => run.messages.some((message) => message.includes(`${log}: deleted`)));
    assert.deepEqual((await files()).sort(), ["empty.log", "half.log", "other.txt"]);
    await writeFile(log, "again\n");
    await until(() => run.output.count === 4);
    await appendFile(bench.path("half.log"), " and whole\n");
    await until(() => run.output.count === 5);
    output.ackAll();
    await until(() => run.messages.filter((message) => /\.log: deleted/.test(message)).length === 3);
    await run.stop();
    assert.deepEqual((await files()).sort(), ["empty.log", "other.txt"]);
    assert.deepEqual(run.output.texts(), ["one", "two", "whole", "again", "half and whole"].sort(byFirst(run.output)));
    assert.deepEqual(run.output.drops, []);
  });

  it("one that somebody still writes to is not deleted", async () => {
    await writeFile(log, "0\n");
    const run = bench.start({ include: [log], delete_delivered_after_ms: 1000, ...FAST });
    for (let i = 1; i <= 8; i++) {
      await new Promise((resolve) => setTimeout(resolve, 300));
      await appendFile(log, `${i}\n`);
    }
    assert.deepEqual(await files(), ["a.log"]);
    await until(() => run.messages.some((message) => message.includes("deleted")));
    assert.equal(run.output.count, 9);
  });

  it("after a crash before the deletion it is deleted by the next start, and nothing is read again", async () => {
    await writeFile(log, "one\ntwo\n");
    const dying = new DyingOutput(bench.durable);
    const run = bench.start({ include: [log], delete_delivered_after_ms: 1000, ...FAST }, { output: dying });
    await until(() => dying.killed);
    await run.kill();
    assert.deepEqual(await files(), ["a.log"]);
    const next = bench.start({ include: [log], delete_delivered_after_ms: 1000, ...FAST });
    await until(() => next.messages.some((message) => message.includes("deleted: every sink")));
    await until(() => bench.durable.partitions.size === 0);
    assert.deepEqual(next.output.texts(), []);
    assert.deepEqual(await files(), []);
  });

  it("after a crash behind the deletion nothing is said to be lost, and a new file is read", async () => {
    await writeFile(log, "one\ntwo\n");
    const dying = new DyingOutput(bench.durable);
    const run = bench.start({ include: [log], delete_delivered_after_ms: 1000, ...FAST }, { output: dying });
    await until(() => dying.killed);
    await run.kill();
    await unlink(log);
    await writeFile(bench.path("new"), "three\n");
    await rename(bench.path("new"), log);
    const next = bench.start({ include: [log], ...FAST });
    await until(() => next.output.count === 1);
    await next.stop();
    assert.deepEqual(next.output.texts(), ["three"]);
    assert.deepEqual(next.output.drops, []);
    assert.ok(next.messages.some((message) => message.includes("deleted after all of it was delivered")));
    assert.ok(!next.messages.some((message) => message.includes("lost")));
  });
});

/** In the order in which they came. */
function byFirst(output: MemoryOutput): (a: string, b: string) => number {
  const texts = output.texts();
  return (a, b) => texts.indexOf(a) - texts.indexOf(b);
}
