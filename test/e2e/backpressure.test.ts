import assert from "node:assert/strict";
import { stat } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { NumberedWriter, startAgent, waitFor, wiretail, writeHost } from "../support/e2e.ts";
import { temporaryFolder } from "../support/folders.ts";

/** Takes calls and never answers. */
async function blackHole(): Promise<Server> {
  const server = createServer((request) => request.resume());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}

test("a source that is held up says what it waits for, since when and because of whom, and its lag is the real backlog", async (t) => {
  const folder = await temporaryFolder(t);
  const server = await blackHole();
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  const writer = new NumberedWriter(join(folder, "in/app.log"));
  await writer.write(100_000);
  const { size } = await stat(writer.path);
  const host = await writeHost(folder, {
    memory_budget_bytes: 1 << 20,
    shutdown_timeout_ms: 100,
    http: { address: "127.0.0.1:0" },
    sources: { app: { type: "file", include: [join(folder, "in/*.log")] } },
    pipelines: { all: { from: ["app"], to: ["out", "es"] } },
    sinks: {
      out: { type: "file", path: join(folder, "out/all.ndjson"), batch: { max_age_ms: 50 } },
      es: { type: "elasticsearch", nodes: [`http://127.0.0.1:${(server.address() as AddressInfo).port}`] },
    },
  });
  const began = Date.now();
  const agent = await startAgent(host);
  try {
    // At first it waits for the other sink as well.
    await waitFor(
      "it waits for nothing but Elasticsearch",
      async () => (await agent.status()).sources[0]!.waiting_for?.sinks.join() === "es",
    );
    const status = await agent.status();
    const [source] = status.sources;
    const wait = source!.waiting_for!;
    assert.equal(wait.reason, "memory_budget");
    assert.ok(Date.parse(wait.since) >= began && Date.parse(wait.since) <= Date.now());
    assert.match(wait.detail, /memory budget .* es /);
    const [input] = source!.inputs;
    assert.ok(Math.abs(input!.lag_bytes! - size) <= size / 10, `lag ${input!.lag_bytes} of ${size}`);
    assert.equal(input!.behind, "es");
    assert.ok(input!.lag_seconds! > 0 && input!.lag_seconds! <= (Date.now() - began) / 1000);
    assert.equal(input!.eta_seconds, null, "it does not catch up");
    const { stdout } = await wiretail(["status", "-c", host]);
    assert.match(stdout, /! waiting/);
    assert.match(stdout, /for [\d.]+ m?s: the memory budget of 1048576 bytes is used up: es /);
    const url = /metrics are served url="?(http:[^\s"]+)/.exec(agent.stderr)![1]!;
    const metrics = await (await fetch(url)).text();
    const waited = Number(
      /^wiretail_source_waiting_seconds\{source="app",reason="memory_budget"\} (.*)$/m.exec(metrics)![1],
    );
    assert.ok(waited > 0);
    const lag = Number(/^wiretail_source_lag_bytes\{source="app"\} (\d+)$/m.exec(metrics)![1]);
    assert.ok(Math.abs(lag - size) <= size / 10);
    assert.match(metrics, /^wiretail_equations_broken 0$/m);
    assert.equal(await agent.stop(), 0);
  } finally {
    await agent.kill9();
  }
});
