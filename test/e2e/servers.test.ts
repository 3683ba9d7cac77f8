import { CloudWatchLogsClient, FilterLogEventsCommand } from "@aws-sdk/client-cloudwatch-logs";
import assert from "node:assert/strict";
import { stat, writeFile } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import {
  assertExactlyOnce,
  NumberedWriter,
  numbersOf,
  startAgent,
  waitFor,
  wiretail,
  writeHost,
} from "../support/e2e.ts";
import { temporaryFolder } from "../support/folders.ts";
import { ElasticsearchProbe } from "../support/servers/elasticsearch-client.ts";
import { startElasticsearch, type ElasticsearchServer } from "../support/servers/elasticsearch.ts";
import { startMoto, type MotoServer } from "../support/servers/moto.ts";

interface CheckOutput {
  readonly ok: boolean;
  readonly probes: readonly {
    readonly sink: string;
    readonly check: string;
    readonly ok: boolean;
    readonly detail: string;
    readonly hint?: string;
  }[];
}

const AWS = { type: "cloudwatch_logs", region: "eu-west-1", log_group_name: "app", log_stream_name: "all" };
const KEYS = { access_key_id: "AKIDEXAMPLE", secret_access_key: "secret" };

/** A port on which nobody listens. */
async function deadPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as AddressInfo;
  await new Promise((done) => server.close(done));
  return port;
}

describe("the command line against real servers", () => {
  // Ended and started again by a test: never one from outside.
  let elasticsearch: ElasticsearchServer;
  let moto: MotoServer;
  before(async () => {
    elasticsearch = await startElasticsearch({ version: "8.19.21", ignoreEnvironment: true });
    moto = await startMoto();
  });
  after(async () => {
    await elasticsearch.stop();
    await moto.stop();
  });

  test("check --connect says of every sink whether its server is there, and what to do where it is not", async (t) => {
    const folder = await temporaryFolder(t);
    const dead = `http://127.0.0.1:${await deadPort()}`;
    const good = {
      es: { type: "elasticsearch", nodes: [elasticsearch.url], data_stream: { dataset: "check" } },
      cw: { ...AWS, ...KEYS, endpoint: moto.url },
      here: { type: "local", path: join(folder, "store") },
    };
    const bad = {
      dead_es: { type: "elasticsearch", nodes: [dead], data_stream: { dataset: "dead" } },
      dead_cw: { ...AWS, ...KEYS, endpoint: dead },
    };
    const check = async (sinks: Record<string, unknown>): Promise<{ code: number | string; output: CheckOutput }> => {
      const host = await writeHost(folder, {
        sources: { in: { type: "stdin" } },
        pipelines: { all: { from: ["in"], to: Object.keys(sinks) } },
        sinks,
      });
      const { code, stdout, stderr } = await wiretail(["check", "--connect", "--json", host]);
      assert.equal(stderr, "");
      return { code, output: JSON.parse(stdout) as CheckOutput };
    };

    const fine = await check(good);
    assert.deepEqual([fine.code, fine.output.ok], [0, true], JSON.stringify(fine.output, undefined, 1));
    for (const sink of Object.keys(good))
      assert.ok(
        fine.output.probes.some((probe) => probe.sink === sink),
        sink,
      );

    const broken = await check({ ...good, ...bad });
    assert.deepEqual([broken.code, broken.output.ok], [1, false]);
    for (const probe of broken.output.probes) {
      if (probe.sink in good) assert.ok(probe.ok, JSON.stringify(probe));
    }
    for (const sink of Object.keys(bad)) {
      const failed = broken.output.probes.filter((probe) => probe.sink === sink && !probe.ok);
      assert.ok(failed.length > 0, sink);
      assert.ok(
        failed.some((probe) => /ECONNREFUSED|reach|connect/i.test(probe.detail)),
        JSON.stringify(failed),
      );
      assert.ok(
        failed.some((probe) => (probe.hint ?? "") !== ""),
        `${sink} says what to do`,
      );
    }

    const { stdout } = await wiretail(["check", "--connect", join(folder, "host.json")]);
    assert.match(stdout, /✗ dead_es /);
    assert.match(stdout, /✓ es /);
    assert.match(stdout, /hint: /);
  });

  test("places that are named by values of events: a data stream and a log group for each tenant", async (t) => {
    const folder = await temporaryFolder(t);
    const file = join(folder, "app.log");
    const line = (tenant: string | undefined, n: number): string => JSON.stringify({ tenant, message: `line ${n}` });
    const tenants = ["Cart", "pay/eu", undefined, "cart"];
    await writeFile(file, Array.from({ length: 40 }, (_, n) => line(tenants[n % 4], n) + "\n").join(""));
    const places = [
      { sink: "es", data_stream: { dataset: "routed.${tenant}" } },
      { sink: "cw", log_group_name: "/routed/${tenant}", log_stream_name: "all" },
    ];
    const host = await writeHost(folder, {
      sources: { app: { type: "file", include: [file] } },
      pipelines: {
        all: {
          from: ["app"],
          stages: [{ parse_json: {} }, { route: { rules: [{ when: "*", to: places }], max_targets: 10 } }],
          to: ["es", "cw"],
        },
      },
      sinks: {
        es: { type: "elasticsearch", nodes: [elasticsearch.url], data_stream: { dataset: "routed" } },
        cw: { ...AWS, ...KEYS, endpoint: moto.url },
      },
    });
    const { code, stderr } = await wiretail(["run", "--once", "-c", host]);
    assert.equal(code, 0, stderr);
    const probe = new ElasticsearchProbe(elasticsearch.url);
    const cloudwatch = new CloudWatchLogsClient({
      ...{ region: AWS.region, endpoint: moto.url },
      credentials: { accessKeyId: KEYS.access_key_id, secretAccessKey: KEYS.secret_access_key },
    });
    const inGroup = async (logGroupName: string): Promise<string[]> => {
      const { events = [] } = await cloudwatch.send(new FilterLogEventsCommand({ logGroupName }));
      return events.map(({ message = "" }) => message);
    };
    const numbers = (wanted: (n: number) => boolean): string[] =>
      Array.from({ length: 40 }, (_, n) => n)
        .filter(wanted)
        .map((n) => `line ${n}`)
        .sort();
    const expected = [
      ["logs-routed.cart-default", numbers((n) => n % 4 === 0 || n % 4 === 3)],
      ["logs-routed.pay_eu-default", numbers((n) => n % 4 === 1)],
      ["logs-routed.other-default", numbers((n) => n % 4 === 2)],
      ["logs-routed-default", []],
    ] as const;
    for (const [stream, messages] of expected)
      assert.deepEqual((await probe.messages(stream)).sort(), messages, stream);
    assert.deepEqual(
      (await inGroup("/routed/Cart")).sort(),
      numbers((n) => n % 4 === 0),
    );
    assert.deepEqual(
      (await inGroup("/routed/cart")).sort(),
      numbers((n) => n % 4 === 3),
    );
    assert.deepEqual(
      (await inGroup("/routed/pay/eu")).sort(),
      numbers((n) => n % 4 === 1),
    );
    assert.deepEqual(
      (await inGroup("/routed/other")).sort(),
      numbers((n) => n % 4 === 2),
    );
    cloudwatch.destroy();
  });

  test("while Elasticsearch is down, status says so with the real backlog, and when it is back all is delivered once", async (t) => {
    const folder = await temporaryFolder(t);
    const writer = new NumberedWriter(join(folder, "in/app.log"));
    await writer.write(1000);
    const host = await writeHost(folder, {
      sources: { app: { type: "file", include: [writer.path] } },
      pipelines: { all: { from: ["app"], to: ["es", "here"] } },
      sinks: {
        es: {
          type: "elasticsearch",
          nodes: [elasticsearch.url],
          data_stream: { dataset: "outage" },
          batch: { max_age_ms: 50 },
        },
        here: { type: "local", path: join(folder, "store"), batch: { max_age_ms: 50 } },
      },
    });
    const agent = await startAgent(host);
    const sinkOf = async (name: string) => (await agent.status()).sinks.find((sink) => sink.name === name)!;
    try {
      await waitFor("the first lines", async () => (await sinkOf("es")).delivered_events === 1000, {
        withinMs: 40_000,
        explain: () => agent.stderr,
      });
      assert.equal((await sinkOf("es")).state, "working");
      const before = (await stat(writer.path)).size;
      await elasticsearch.kill();
      await writer.write(500);
      const backlog = (await stat(writer.path)).size - before;
      await waitFor("the outage is noticed", async () => (await sinkOf("es")).state === "retrying");
      await waitFor("the other sink has all", async () => (await sinkOf("here")).delivered_events === 1500);
      const status = await agent.status();
      const es = status.sinks.find((sink) => sink.name === "es")!;
      assert.deepEqual([es.routed_events, es.delivered_events, es.queued_events], [1500, 1000, 500]);
      assert.ok(es.failing_since !== null && es.last_error !== null && (es.oldest_queued_seconds ?? 0) > 0);
      assert.match(es.last_error.message, /ECONNREFUSED|socket|reach|connect/i);
      assert.equal(status.sinks.find((sink) => sink.name === "here")!.state, "working");
      assert.equal(status.healthy, false);
      assert.equal(status.sources[0]!.lag_bytes, backlog, "to the byte: what is not in every sink");
      assert.ok(status.sources[0]!.lag_seconds > 0);
      const text = await wiretail(["status", "-c", host]);
      assert.equal(text.code, 1);
      assert.match(text.stdout, /retrying/);
      assert.match(text.stdout, /500 queued/);

      await elasticsearch.restart();
      await waitFor("all is delivered", async () => (await sinkOf("es")).delivered_events === 1500, {
        withinMs: 60_000,
        explain: () => agent.stderr,
      });
      await waitFor("it works again", async () => (await agent.status()).healthy);
      assert.equal((await agent.status()).sources[0]!.lag_bytes, 0);
      assert.equal((await wiretail(["status", "-c", host])).code, 0);
      assert.equal(await agent.stop(), 0);
    } finally {
      await agent.kill9();
    }
    const messages = await new ElasticsearchProbe(elasticsearch.url).messages("logs-outage-default");
    assertExactlyOnce(numbersOf(messages.join("\n")), 1500);
  });
});
