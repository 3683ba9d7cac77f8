import assert from "node:assert/strict";
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

const QUICK = { max_age_ms: 50 };
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

test("two takeovers in a row while lines are written lose none and double none, and the old agents end with 0", async (t) => {
  const folder = await temporaryFolder(t);
  const writer = new NumberedWriter(join(folder, "in/app.log"));
  await writer.write(100);
  const host = await writeHost(folder, {
    sources: { app: { type: "file", include: [join(folder, "in/*.log")] } },
    pipelines: {
      all: { from: ["app"], to: ["out"] },
      more: { from: ["app"], to: ["more"], stages: [{ set: { fields: { "event.dataset": "app" } } }] },
    },
    sinks: {
      out: { type: "file", path: join(folder, "out/all.ndjson"), batch: QUICK },
      more: { type: "local", path: join(folder, "store"), batch: QUICK },
    },
  });
  const agents = [await startAgent(host)];
  try {
    writer.start(20, 5);
    for (let i = 0; i < 2; i++) {
      await pause(400);
      const next = await startAgent(host, { args: ["--takeover"] });
      agents.push(next);
      assert.equal(await agents[i]!.ended(), 0, agents[i]!.stderr);
      assert.match(agents[i]!.stderr, /another process takes over/);
      assert.match(next.stderr, /took over from the agent that ran before/);
    }
    await pause(300);
    await writer.stop();
    const last = agents.at(-1)!;
    await waitFor("everything is delivered", async () => {
      const { sources } = await last.status();
      return sources[0]!.inputs.length > 0 && sources[0]!.lag_bytes === 0;
    });
    assert.equal(await last.stop(), 0);
  } finally {
    await writer.stop();
    await Promise.all(agents.map((agent) => agent.kill9()));
  }
  assertExactlyOnce(await numbersIn(join(folder, "out/all.ndjson")), writer.count);
  assertExactlyOnce(await numbersIn(join(folder, "store/0000")), writer.count);
});

test("an agent that hangs is not taken over from: the new one says what to do and ends with 1, and the old one goes on", async (t) => {
  const folder = await temporaryFolder(t);
  const writer = new NumberedWriter(join(folder, "in/app.log"));
  await writer.write(10);
  const host = await writeHost(folder, {
    sources: { app: { type: "file", include: [join(folder, "in/*.log")] } },
    pipelines: { all: { from: ["app"], to: ["out"] } },
    sinks: { out: { type: "file", path: join(folder, "out/all.ndjson"), batch: QUICK } },
  });
  const old = await startAgent(host);
  const next = new AgentProcess(host, { args: ["--takeover", "--takeover-timeout", "1"] });
  try {
    old.child.kill("SIGSTOP");
    assert.equal(await next.ended(), 1);
    assert.match(next.stderr, new RegExp(`process ${old.child.pid}.*no answer within 1 s.*WT_TAKEOVER_FAILED`));
    assert.match(next.stderr, /hint: .*kill -9/);
    // It reads the request now, too late: nobody would go on in its place.
    old.child.kill("SIGCONT");
    await waitFor("the lines", async () => (await numbersIn(join(folder, "out/all.ndjson"))).length === 10);
    // What hangs can be killed, and the next one goes on.
    await old.kill9();
    const third = await startAgent(host, { args: ["--takeover"] });
    await writer.write(10);
    await waitFor("more lines", async () => (await numbersIn(join(folder, "out/all.ndjson"))).length === 20);
    assert.equal(await third.stop(), 0);
  } finally {
    await Promise.all([old.kill9(), next.kill9()]);
  }
  assertExactlyOnce(await numbersIn(join(folder, "out/all.ndjson")), 20);
});

test("without --takeover a second agent is told who has the state directory, and ends", async (t) => {
  const folder = await temporaryFolder(t);
  const host = await writeHost(folder, {
    sources: { app: { type: "file", include: [join(folder, "in/*.log")] } },
    pipelines: { all: { from: ["app"], to: ["out"] } },
    sinks: { out: { type: "stdout" } },
  });
  const first = await startAgent(host);
  const second = new AgentProcess(host);
  try {
    assert.equal(await second.ended(), 1);
    assert.match(second.stderr, new RegExp(`process ${first.child.pid}.*WT_STATE_LOCKED`));
    assert.match(second.stderr, /--takeover/);
    assert.equal(await first.stop(), 0);
  } finally {
    await Promise.all([first.kill9(), second.kill9()]);
  }
});
