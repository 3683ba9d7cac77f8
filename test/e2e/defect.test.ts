import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import {
  AgentProcess,
  assertExactlyOnce,
  NumberedWriter,
  numbersIn,
  startAgent,
  waitFor,
  writeHost,
} from "../support/e2e.ts";
import { temporaryFolder } from "../support/folders.ts";
import { buildMutant } from "../support/mutant.ts";

test("a defect in a sink's code ends the agent loudly with exit code 1, and the next start loses and doubles nothing", async (t) => {
  const folder = await temporaryFolder(t);
  const writer = new NumberedWriter(join(folder, "app.log"));
  await writer.write(100);
  const host = await writeHost(folder, {
    sources: { app: { type: "file", include: [writer.path] } },
    pipelines: { app: { from: ["app"], to: ["out"] } },
    sinks: { out: { type: "file", path: join(folder, "out/all.ndjson"), batch: { max_age_ms: 20 } } },
  });
  const good = await startAgent(host);
  try {
    await waitFor("the first lines", async () => (await numbersIn(join(folder, "out/all"))).length === 100);
  } finally {
    await good.stop();
  }
  await writer.write(100);
  const from = "result = await sink.write(";
  const broken = await buildMutant(t, [
    { file: "src/runtime/sink-runner.js", from, to: `await undefined.nothing; ${from}` },
  ]);
  const agent = new AgentProcess(host, { command: [process.execPath, broken] });
  assert.equal(await agent.ended(), 1);
  assert.match(
    agent.stderr,
    /sink \\?"out\\?" met a defect in Wiretail and the agent ends at once.*Cannot read properties/,
  );
  assert.match(agent.stderr, /at #send .*sink-runner/s, "the stack is there to be reported");
  assert.deepEqual(await numbersIn(join(folder, "out/all")).then((numbers) => numbers.length), 100);
  assert.ok((await readFile(join(folder, "state/checkpoints.json"), "utf8")).length > 0);
  const next = await startAgent(host);
  try {
    await waitFor("the rest", async () => (await numbersIn(join(folder, "out/all"))).length >= 200);
  } finally {
    await next.stop();
  }
  assertExactlyOnce(await numbersIn(join(folder, "out/all")), 200);
});
