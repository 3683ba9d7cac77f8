import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { assertExactlyOnce, NumberedWriter, numbersOf, startAgent, wiretail, writeHost } from "../support/e2e.ts";
import { temporaryFolder } from "../support/folders.ts";
import type { PartitionState } from "../../src/cli/state-edit.ts";

test("state shows where every file and sink is, sets a position that begins a line, and forgets, only while no agent runs", async (t) => {
  const folder = await temporaryFolder(t);
  const writer = new NumberedWriter(join(folder, "in/app.log"));
  await writer.write(100);
  const host = await writeHost(folder, {
    sources: { app: { type: "file", include: [join(folder, "in/*.log")] } },
    pipelines: { all: { from: ["app"], to: ["out"] } },
    sinks: { out: { type: "stdout", format: "json" } },
  });
  const once = (): ReturnType<typeof wiretail> => wiretail(["run", "--once", "-c", host]);
  const state = (...args: string[]): ReturnType<typeof wiretail> =>
    wiretail(["state", args[0]!, "-c", host, ...args.slice(1)]);
  assertExactlyOnce(numbersOf((await once()).stdout), 100);
  const size = (await readFile(writer.path)).length;
  const shown = JSON.parse((await state("show", "--json")).stdout) as { partitions: PartitionState[] };
  const [partition, ...others] = shown.partitions;
  assert.deepEqual(others, []);
  assert.equal(partition!.size_bytes, size);
  assert.deepEqual(
    partition!.routes.map(({ pipeline, sink, position, lag_bytes }) => [pipeline, sink, position, lag_bytes]),
    [["all", "out", size, 0]],
  );
  assert.match((await state("show")).stdout, new RegExp(`all → out +at ${size} +no lag`));

  const text = await readFile(writer.path, "utf8");
  const line50 = text.indexOf("line 50 ");
  for (const [position, why] of [
    [String(line50 + 3), `inside a line.*\n.*begins at ${line50}`],
    [String(size + 1), "behind its end"],
    ["middle", "no position"],
  ] as const) {
    const refused = await state("set", writer.path, position);
    assert.equal(refused.code, 2, refused.stderr);
    assert.match(refused.stderr, new RegExp(why));
  }
  assert.equal((await state("set", "/no/such.log", "0")).code, 1);
  const agent = await startAgent(host);
  try {
    const running = await state("set", writer.path, String(line50));
    assert.equal(running.code, 1);
    assert.match(running.stderr, /WT_STATE_LOCKED[^]*stop it first/);
    assert.equal(await agent.stop(), 0);
  } finally {
    await agent.kill9();
  }
  assert.equal((await state("set", writer.path, String(line50), "--sink", "out")).code, 0);
  assert.deepEqual(
    numbersOf((await once()).stdout),
    Array.from({ length: 50 }, (_, i) => i + 50),
  );
  assert.equal((await state("set", writer.path, "beginning")).code, 0);
  const skipping = await state("set", writer.path, "end");
  assert.equal(skipping.code, 2, "there is nobody to ask");
  assert.equal((await state("set", writer.path, "end", "--yes")).code, 0);
  assert.deepEqual(numbersOf((await once()).stdout), []);

  assert.equal((await state("forget")).code, 2);
  assert.equal((await state("forget", writer.path, "--yes")).code, 0);
  assert.equal((await state("show", writer.path)).code, 1);
  assertExactlyOnce(numbersOf((await once()).stdout), 100);
  await writeFile(join(folder, "state/checkpoints.json"), "{ damaged");
  assert.match((await state("show")).stderr, /damaged/);
  assert.equal(await readFile(join(folder, "state/checkpoints.json"), "utf8"), "{ damaged", "looking changes nothing");
});
