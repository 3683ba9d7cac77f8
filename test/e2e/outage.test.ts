import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { AgentStatus } from "../../src/runtime/status.ts";
import { startCloudWatchDouble } from "../support/doubles/cloudwatch.ts";
import { ElasticsearchDouble } from "../support/doubles/elasticsearch.ts";
import { assertExactlyOnce, numbersIn, numbersOf, startAgent, waitFor, writeHost } from "../support/e2e.ts";
import { temporaryFolder } from "../support/folders.ts";
import { FolderArrivals, Lags, percentile, TimedWriter } from "../support/lags.ts";

const BUDGET = 4 << 20;
/** What a source reads at once, and the most that it takes in the three encodings, where one takes 64 KiB at least. */
const [CHUNK, BATCH] = [16_384, 3 * 131_072];
/** Of the whole process, with the libraries for three sinks in it. */
const RESIDENT_LIMIT = 200e6;
const QUICK = { max_age_ms: 50 };
const [CONTROL_MS, OUTAGE_MS, CATCH_UP_MS] = [12_000, 60_000, 10_000];

interface Setup {
  readonly folder: string;
  readonly elasticsearchUrl: string;
  readonly cloudwatchUrl: string;
}

function outageHost({ folder, elasticsearchUrl, cloudwatchUrl }: Setup): Promise<string> {
  return writeHost(folder, {
    memory_budget_bytes: BUDGET,
    sources: { app: { type: "file", include: [join(folder, "in/*.log")], read_chunk_bytes: CHUNK } },
    pipelines: { all: { from: ["app"], to: ["es", "cloudwatch", "here"] } },
    sinks: {
      es: { type: "elasticsearch", nodes: [elasticsearchUrl], batch: QUICK },
      cloudwatch: {
        ...{ type: "cloudwatch_logs", endpoint: cloudwatchUrl, region: "eu-west-1" },
        ...{ log_group_name: "outage", log_stream_name: "all", access_key_id: "AKIDEXAMPLE" },
        ...{ secret_access_key: "secret", message: "original", batch: QUICK },
      },
      here: { type: "local", path: join(folder, "store"), batch: QUICK },
    },
  });
}

const sinkOf = (status: AgentStatus, name: string) => status.sinks.find((sink) => sink.name === name)!;

test("with Elasticsearch down for a minute CloudWatch and the local store lag no more than before, nor when it is back, and memory stays in its budget", async (t) => {
  const folder = await temporaryFolder(t);
  const elasticsearch = await ElasticsearchDouble.start();
  t.after(() => elasticsearch.stop());
  const { port } = elasticsearch;
  const lags = { cloudwatch: new Lags(), local: new Lags() };
  const cloudwatch = await startCloudWatchDouble({
    // Asked for every event as it arrives.
    refuses: ({ message }) => {
      lags.cloudwatch.arrived(message, Date.now());
      return false;
    },
  });
  t.after(() => cloudwatch.stop());
  const host = await outageHost({ folder, elasticsearchUrl: elasticsearch.url, cloudwatchUrl: cloudwatch.url });
  const writer = new TimedWriter(join(folder, "in"), 2);
  await writer.write(10);
  const agent = await startAgent(host);
  const store = new FolderArrivals(join(folder, "store"), (line, atMs) => lags.local.arrived(line, atMs));
  const seen: { atMs: number; status: AgentStatus }[] = [];
  /** Looks at the status all the time: what that costs, all periods pay alike. */
  const watch = async (forMs: number): Promise<void> => {
    for (const end = Date.now() + forMs; Date.now() < end;) {
      seen.push({ atMs: Date.now(), status: await agent.status() });
      await sleep(Math.min(2_000, Math.max(0, end - Date.now())));
    }
  };
  try {
    store.start();
    writer.start(4, 10);
    await sleep(3_000);
    const began = Date.now();
    await watch(CONTROL_MS);
    const down = Date.now();
    await elasticsearch.stop();
    await watch(OUTAGE_MS);
    const behind = seen.at(-1)!.status;
    const up = Date.now();
    await elasticsearch.listen(port);
    await watch(CATCH_UP_MS);
    const hasCaughtUp = async (): Promise<boolean> => {
      const status = await agent.status();
      return status.journal!.used_bytes === 0 && sinkOf(status, "es").queued_events < 500;
    };
    // After a minute of failures the pause before the next attempt may be half a minute long.
    await waitFor("Elasticsearch has caught up", hasCaughtUp, { withinMs: 60_000 });
    const after = Date.now();
    await watch(CONTROL_MS);
    await writer.stop();
    await waitFor("everything is delivered", async () => (await agent.status()).sources[0]!.lag_bytes === 0);
    const ended = Date.now();
    await store.stop();

    assert.ok(behind.journal!.used_bytes > 0, "the journal is used");
    const { queued_events, queued_in_journal_events } = sinkOf(behind, "es");
    assert.ok(queued_in_journal_events > queued_events / 2, `${queued_in_journal_events} of ${queued_events}`);
    const most = (key: "queued_bytes" | "resident_bytes", fromMs: number, toMs: number): number =>
      Math.max(
        ...seen.filter(({ atMs }) => atMs >= fromMs && atMs < toMs).map(({ status: { memory } }) => memory[key]),
      );
    for (const key of ["queued_bytes", "resident_bytes"] as const) {
      const [before, outage, catchUp] = [most(key, began, down), most(key, down, up), most(key, up, ended)];
      t.diagnostic(`${key}: at most ${before} before, ${outage} in the outage, ${catchUp} after it`);
    }
    for (const { status } of seen) {
      const { queued_bytes, resident_bytes } = status.memory;
      // A source's last batch may begin below the budget and end beyond.
      assert.ok(queued_bytes <= BUDGET + BATCH, `${queued_bytes} bytes are held`);
      assert.ok(resident_bytes <= RESIDENT_LIMIT, `${resident_bytes} bytes are resident`);
    }
    for (const [name, lag] of Object.entries(lags)) {
      const control = percentile([...lag.between(began, down), ...lag.between(after, ended)], 95);
      const outage = percentile(lag.between(down, up), 95);
      const catchUp = percentile(lag.between(up, after), 95);
      t.diagnostic(`${name}: 95 % within ${control} ms, in the outage ${outage}, after it ${catchUp}`);
      assert.ok(outage <= control * 1.1 + 50, `${name}: ${outage} ms in the outage, ${control} ms without`);
      assert.ok(catchUp <= control * 1.1 + 50, `${name}: ${catchUp} ms while another catches up, ${control} without`);
    }
    assertExactlyOnce([...elasticsearch.documents.values()].flatMap(numbersOf), writer.count);
    assert.equal(elasticsearch.copies, 0);
    assertExactlyOnce(
      cloudwatch.events("outage", "all").flatMap(({ message }) => numbersOf(message)),
      writer.count,
    );
    assertExactlyOnce(await numbersIn(join(folder, "store/0")), writer.count);
    assert.equal(await agent.stop(), 0, agent.stderr);
  } finally {
    await writer.stop();
    await store.stop();
    await agent.kill9();
  }
});

test("killed in the middle of an outage, the agent loses nothing and doubles nothing in Elasticsearch and the local store", async (t) => {
  const folder = await temporaryFolder(t);
  const elasticsearch = await ElasticsearchDouble.start();
  t.after(() => elasticsearch.stop());
  const { port } = elasticsearch;
  const cloudwatch = await startCloudWatchDouble();
  t.after(() => cloudwatch.stop());
  const host = await outageHost({ folder, elasticsearchUrl: elasticsearch.url, cloudwatchUrl: cloudwatch.url });
  const writer = new TimedWriter(join(folder, "in"), 2);
  await writer.write(10);
  let agent = await startAgent(host);
  try {
    writer.start(4, 10);
    await waitFor("the first lines", () => elasticsearch.documents.size > 100);
    await elasticsearch.stop();
    const isJournaled = async (): Promise<boolean> => sinkOf(await agent.status(), "es").queued_in_journal_events > 500;
    await waitFor("the journal is used", isJournaled, { everyMs: 200 });
    await agent.kill9();
    agent = await startAgent(host);
    assert.match(agent.stderr, /sink "es" goes on with what is in the journal/);
    const count = sinkOf(await agent.status(), "here").delivered_events;
    await waitFor("the others go on", async () => sinkOf(await agent.status(), "here").delivered_events > count + 500);
    await elasticsearch.listen(port);
    await writer.stop();
    await waitFor("everything is delivered", async () => {
      const { sources, sinks } = await agent.status();
      return sources[0]!.lag_bytes === 0 && sinks.every((sink) => sink.queued_events === 0);
    });
    assert.equal(await agent.stop(), 0, agent.stderr);
  } finally {
    await writer.stop();
    await agent.kill9();
  }
  assertExactlyOnce([...elasticsearch.documents.values()].flatMap(numbersOf), writer.count);
  assert.equal(elasticsearch.copies, 0);
  assertExactlyOnce(await numbersIn(join(folder, "store/0")), writer.count);
  const inCloudWatch = cloudwatch.events("outage", "all").flatMap(({ message }) => numbersOf(message));
  assertExactlyOnce([...new Set(inCloudWatch)], writer.count);
});
