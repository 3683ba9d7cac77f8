import assert from "node:assert/strict";
import { appendFile, rename, writeFile } from "node:fs/promises";
import { afterEach, beforeEach, describe, it } from "node:test";
import { Bench } from "../../support/file-source.ts";
import { until } from "../../support/source-output.ts";

const FILES = 10_000;
const BUSY = 20;

describe("a folder of 10,000 files", () => {
  let bench: Bench;
  beforeEach(async () => {
    bench = await Bench.make();
  });
  afterEach(() => bench[Symbol.asyncDispose]());

  it("loses nothing while 20 of them are written to and rotated, and over a restart", async () => {
    const name = (i: number): string => bench.path(`${i}.log`);
    for (let i = 0; i < FILES; i += 500)
      await Promise.all(Array.from({ length: 500 }, (_, k) => writeFile(name(i + k), `file ${i + k} line 0\n`)));
    const options = { include: [bench.path("*.log")], poll_interval_ms: 500, rotate_grace_ms: 300 };
    const run = bench.start(options);
    await until(
      () => run.output.count >= FILES,
      () => `${run.output.count} events`,
      90_000,
    );
    let lines = 1;
    const busy = async (rounds: number): Promise<void> => {
      for (let round = 0; round < rounds; round++, lines++) {
        // Spread over the folder, so that not only the newest are open.
        for (let i = 0; i < BUSY; i++) await appendFile(name(i * 499), `file ${i * 499} line ${lines}\n`);
      }
    };
    await busy(20);
    for (let i = 0; i < BUSY; i += 2) await rename(name(i * 499), `${name(i * 499)}.1`);
    await busy(20);
    await until(
      () => run.output.count >= FILES + 40 * BUSY,
      () => `${run.output.count} events`,
      60_000,
    );
    await run.stop();
    assert.deepEqual(run.output.drops, []);
    await busy(5);
    const again = bench.start(options);
    await until(
      () => again.output.count >= 5 * BUSY,
      () => `${again.output.count} events`,
      90_000,
    );
    await again.stop();
    assert.equal(again.output.count, 5 * BUSY);
    assert.equal(bench.durable.repeats, 0);
    const texts = new Set([...bench.durable.delivered.values()].map((event) => event.text));
    assert.equal(texts.size, FILES + 45 * BUSY);
  });
});
