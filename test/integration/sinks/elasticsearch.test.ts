import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Sink, Verdict, WriteResult } from "../../../src/core/component.ts";
import type { ElasticsearchOptions } from "../../../src/sinks/elasticsearch/options.ts";
import { sinkContract } from "../../contract/sink-contract.ts";
import { makeBatch, makeSinkBatch } from "../../support/batches.ts";
import { openElasticsearch } from "../../support/elasticsearch-sink.ts";
import { ElasticsearchProbe } from "../../support/servers/elasticsearch-client.ts";
import {
  ELASTICSEARCH_VERSIONS,
  startElasticsearch,
  type ElasticsearchServer,
} from "../../support/servers/elasticsearch.ts";

const signal = new AbortController().signal;
let unique = 0;
/** A name that no earlier run used either, where the server is one from outside. */
const fresh = () => `t${Date.now().toString(36)}${(unique++).toString(36)}`;

const freshStream = () => ({ type: "logs", dataset: fresh(), namespace: "default" });

const open = (url: string, options: Partial<ElasticsearchOptions>) => openElasticsearch({ nodes: [url], ...options });

function write(
  sink: Sink,
  docs: readonly Record<string, unknown>[],
  attempt = 1,
  firstOffset = 0,
  named?: string,
): Promise<WriteResult> {
  const batch = makeBatch({ docs, encoding: sink.encoding, firstOffset, partition: "partition-es-001" });
  const destination = sink.destinationOf?.(batch.timesMs[0]!, named) ?? "";
  return sink.write(makeSinkBatch(batch, sink.encoding, destination), signal, attempt);
}

function verdictOf(result: WriteResult, index: number): Verdict {
  if (result.outcome === "mixed") return result.verdicts.get(index) ?? { outcome: "delivered" };
  assert.notEqual(result.outcome, "too_large");
  return result as Verdict;
}

function assertVerdict(result: WriteResult, index: number, outcome: Verdict["outcome"], reason?: RegExp): void {
  const verdict = verdictOf(result, index);
  assert.equal(verdict.outcome, outcome, JSON.stringify(verdict));
  if (reason !== undefined) assert.match("reason" in verdict ? verdict.reason : "", reason);
}

for (const version of ELASTICSEARCH_VERSIONS) {
  describe(`Elasticsearch ${version}`, { timeout: 240_000 }, () => {
    let server: ElasticsearchServer;
    let probe: ElasticsearchProbe;
    before(async () => {
      server = await startElasticsearch({ version });
      probe = new ElasticsearchProbe(server.url);
    });
    after(() => server.stop());

    const stream = async (options: Partial<ElasticsearchOptions> = {}) => {
      const data_stream = freshStream();
      const { dataset } = data_stream;
      return { ...(await open(server.url, { data_stream, ...options })), name: `logs-${dataset}-default`, dataset };
    };

    sinkContract(`elasticsearch ${version}, data stream`, async () => {
      const { sink, name } = await stream();
      return {
        sink,
        received: () => probe.messages(name),
        deduplicates: true,
        fail: async () => {
          await write(sink, [{ message: "so that it exists" }], 1, 9_000_000);
          await probe
            .request("POST", `/${name}/_delete_by_query?refresh=true`, { query: { match_all: {} } })
            .catch(() => undefined);
          await probe.request("PUT", `/${name}/_settings`, { "index.blocks.write": true });
        },
        mend: async () => {
          await probe.request("PUT", `/${name}/_settings`, { "index.blocks.write": null });
          const extra = (await probe.documents(name)).filter((hit) => hit._source["message"] === "so that it exists");
          for (const hit of extra) await probe.request("DELETE", `/${hit._index}/_doc/${hit._id}?refresh=true`);
        },
        dispose: async () => undefined,
      };
    });

    sinkContract(`elasticsearch ${version}, plain index without compression`, async () => {
      const name = fresh();
      const { sink } = await open(server.url, { index: `${name}-{date}`, compression: "none" });
      return { sink, received: () => probe.messages(`${name}-*`), deduplicates: true, dispose: async () => undefined };
    });

    test("a repeated event answers 409, which counts as delivered", async () => {
      const { sink, context, name } = await stream();
      assert.deepEqual(await write(sink, [{ message: "a" }, { message: "b" }]), { outcome: "delivered" });
      assert.deepEqual(await write(sink, [{ message: "a" }, { message: "b" }, { message: "c" }]), {
        outcome: "delivered",
      });
      assert.equal(context.measured.get("elasticsearch_duplicates"), 2);
      assert.deepEqual((await probe.messages(name)).sort(), ["a", "b", "c"]);
      await sink.close();
    });

    test("what does not fit the mapping is rejected alone, with the server's reason", async () => {
      const { sink, name } = await stream();
      const result = await write(sink, [
        { message: "good" },
        { message: "bad", source: "an object in the mapping" },
        { message: "bad too", "@timestamp": "yesterday" },
        { message: "fine" },
      ]);
      assert.equal(result.outcome, "mixed");
      assertVerdict(result, 0, "delivered");
      assertVerdict(result, 1, "rejected", /document_parsing_exception: .*\[source\]/);
      assertVerdict(result, 2, "rejected", /@timestamp.*yesterday/);
      assertVerdict(result, 3, "delivered");
      assert.deepEqual((await probe.messages(name)).sort(), ["fine", "good"]);
      await sink.close();
    });

    test("a value that is not of its field's type costs the field where ECS knows the type, not the event", async () => {
      const { sink, name } = await stream();
      const doc = { message: "kept", source: { ip: "-", port: "none" }, custom: { ip: "not one" } };
      assert.deepEqual(await write(sink, [doc]), { outcome: "delivered" });
      assert.equal((await probe.documents(name)).length, 1);
      await sink.close();
    });

    test("a field limit, a depth limit and an immense term are the document's fault", async () => {
      const index = fresh();
      await probe.request("PUT", `/${index}`, {
        settings: { "index.mapping.total_fields.limit": 4, "index.mapping.depth.limit": 2 },
        mappings: { properties: { k: { type: "keyword" } } },
      });
      const { sink } = await open(server.url, { index, install_template: false });
      const result = await write(sink, [
        { a: 1, b: 2, c: 3, d: 4, e: 5 },
        { a: { b: { c: 1 } } },
        { k: "z".repeat(40_000) },
      ]);
      assertVerdict(result, 0, "rejected", /Limit of total fields/);
      assertVerdict(result, 1, "rejected", /Limit of (mapping depth|total fields)/);
      assertVerdict(result, 2, "rejected", /immense|bytes can be at most|Limit of total/);
      for (const i of [0, 1, 2]) {
        const verdict = verdictOf(result, i);
        assert.ok("reason" in verdict && verdict.reason.length < 2_000, "a reason does not quote the whole document");
      }
      await sink.close();
    });

    test("a write block holds the events, and they are delivered when it is gone", async () => {
      const { sink, name } = await stream();
      await write(sink, [{ message: "first" }]);
      await probe.request("PUT", `/${name}/_settings`, { "index.blocks.write": true });
      assertVerdict(await write(sink, [{ message: "held" }], 1, 500), 0, "hold", /cluster_block_exception.*blocked by/);
      const blocked = (await sink.probe!(signal)).find((result) => !result.ok);
      assert.match(`${blocked?.detail} ${blocked?.hint}`, /blocked by index\.blocks\.write.*_settings/);
      await probe.request("PUT", `/${name}/_settings`, { "index.blocks.write": null });
      assert.deepEqual(await write(sink, [{ message: "held" }], 2, 500), { outcome: "delivered" });
      assert.deepEqual((await probe.messages(name)).sort(), ["first", "held"]);
      await sink.close();
    });

    test("a full disk's block (429) holds", async () => {
      const { sink, name } = await stream();
      await write(sink, [{ message: "first" }]);
      await probe.request("PUT", `/${name}/_settings`, { "index.blocks.read_only_allow_delete": true });
      assertVerdict(await write(sink, [{ message: "held" }], 1, 500), 0, "hold", /flood-stage/);
      await probe.request("PUT", `/${name}/_settings`, { "index.blocks.read_only_allow_delete": null });
      await sink.close();
    });

    test("a closed index holds, and opening it lets the events through", async () => {
      const index = fresh();
      const { sink } = await open(server.url, { index });
      await write(sink, [{ message: "first" }]);
      await probe.request("POST", `/${index}/_close`);
      assertVerdict(await write(sink, [{ message: "held" }], 1, 500), 0, "hold", /index_closed_exception/);
      assert.match((await sink.probe!(signal)).find((result) => !result.ok)?.hint ?? "", /_open/);
      await probe.request("POST", `/${index}/_open?wait_for_active_shards=1`);
      assert.deepEqual(await write(sink, [{ message: "held" }], 2, 500), { outcome: "delivered" });
      await sink.close();
    });

    test("a data stream without any template holds, and makes no plain index of that name", async () => {
      const { sink, name } = await stream({ install_template: false });
      assertVerdict(await write(sink, [{ message: "x" }]), 0, "hold", /no matching index template/);
      await assert.rejects(probe.request("GET", `/${name}/_settings`), /404/);
      await sink.close();
    });

    test("the shard limit and an unknown ingest pipeline hold", async () => {
      const { sink } = await stream();
      await probe.request("PUT", "/_cluster/settings", { persistent: { "cluster.max_shards_per_node": 1 } });
      try {
        assertVerdict(await write(sink, [{ message: "x" }]), 0, "hold", /this action would add \[\d+\] shards/);
      } finally {
        await probe.request("PUT", "/_cluster/settings", { persistent: { "cluster.max_shards_per_node": null } });
      }
      const piped = await stream({ pipeline: "there-is-none" });
      assertVerdict(
        await write(piped.sink, [{ message: "x" }]),
        0,
        "hold",
        /pipeline with id \[there-is-none\] does not exist/,
      );
      await sink.close();
      await piped.sink.close();
    });

    test("an event sent again after a rollover is found in the older backing index, and not indexed twice", async () => {
      const { sink, context, name } = await stream();
      const docs = Array.from({ length: 50 }, (_, i) => ({ message: `m${i}` }));
      assert.deepEqual(await write(sink, docs.slice(0, 30)), { outcome: "delivered" });
      await probe.request("POST", `/${name}/_rollover`);
      assert.deepEqual(await write(sink, docs, 2), { outcome: "delivered" });
      const messages = await probe.messages(name);
      assert.equal(messages.length, 50);
      assert.equal(new Set(messages).size, 50);
      assert.equal(context.measured.get("elasticsearch_duplicates"), 30);
      // A fault after those that were left out is blamed on the right event.
      const faulty = [...docs, { message: "x", source: "no object" }];
      const result = await write(sink, faulty, 3);
      assert.deepEqual(result.outcome === "mixed" && [...result.verdicts.keys()], [50]);
      await sink.close();
    });

    test("places that a stage names get documents, a template and ids of their own; after a rollover each is looked up in its own", async () => {
      const { sink, context, name, dataset } = await stream();
      const [routed, index] = [`${dataset}.routed`, fresh()];
      const places: Readonly<Record<string, string | undefined>> = {
        [name]: undefined,
        [`logs-${routed}-default`]: JSON.stringify({ data_stream: { dataset: routed } }),
        [`${index}-2026.11`]: JSON.stringify({ index: `${index}-{date:%Y.%m}` }),
      };
      const docs = Array.from({ length: 20 }, (_, i) => ({ message: `m${i}`, source: { ip: "192.0.2.1" } }));
      for (const named of Object.values(places))
        assert.deepEqual(await write(sink, docs.slice(0, 12), 1, 0, named), { outcome: "delivered" });
      for (const place of Object.keys(places)) {
        // A plain index cannot roll over; its own 409 protects it.
        if (!place.startsWith(index)) await probe.request("POST", `/${place}/_rollover`);
        assert.deepEqual(await write(sink, docs, 2, 0, places[place]), { outcome: "delivered" });
        assert.deepEqual((await probe.messages(place)).sort(), docs.map(({ message }) => message).sort(), place);
        const mapping = JSON.stringify(await probe.request("GET", `/${place}/_mapping`));
        assert.match(mapping, /"ip":\{"type":"ip"/, place);
      }
      assert.equal(context.measured.get("elasticsearch_duplicates"), 36);
      await sink.close();
    });

    test("an alias that moved on to another index is looked up in all of its indices; a plain index in none", async () => {
      const alias = fresh();
      await probe.request("PUT", `/${alias}-1`, { aliases: { [alias]: { is_write_index: true } } });
      await probe.request("PUT", `/${alias}-2`);
      const { sink, context } = await open(server.url, { index: alias, install_template: false });
      const docs = Array.from({ length: 10 }, (_, i) => ({ message: `m${i}` }));
      assert.deepEqual(await write(sink, docs.slice(0, 6)), { outcome: "delivered" });
      await probe.request("POST", "/_aliases", {
        actions: [
          { add: { index: `${alias}-1`, alias, is_write_index: false } },
          { add: { index: `${alias}-2`, alias, is_write_index: true } },
        ],
      });
      assert.deepEqual(await write(sink, docs, 2), { outcome: "delivered" });
      assert.deepEqual((await probe.messages(alias)).sort(), docs.map(({ message }) => message).sort());
      assert.equal(context.measured.get("elasticsearch_looked_up_events"), 10);
      await sink.close();

      const plain = await open(server.url, { index: `${alias}-plain`, install_template: false });
      await write(plain.sink, docs);
      assert.deepEqual(await write(plain.sink, docs, 2), { outcome: "delivered" });
      assert.equal(plain.context.measured.get("elasticsearch_looked_up_events"), undefined);
      assert.equal(plain.context.measured.get("elasticsearch_duplicates"), 10);
      await plain.sink.close();
    });

    test("the index template has ECS types, and says what this server lacks", async () => {
      const { sink, context, name, dataset } = await stream();
      await write(sink, [{ message: "m", source: { ip: "192.0.2.1" }, peer: { ip: "192.0.2.2" }, custom: "c" }]);
      const mapping = await probe.request<Record<string, { mappings: { properties: Record<string, unknown> } }>>(
        "GET",
        `/${name}/_mapping`,
      );
      const properties = Object.values(mapping)[0]!.mappings.properties as Record<
        string,
        { type?: string; properties?: Record<string, { type?: string }> }
      >;
      assert.equal(properties["source"]?.properties?.["ip"]?.type, "ip");
      assert.equal(properties["peer"]?.properties?.["ip"]?.type, "ip");
      assert.equal(properties["custom"]?.type, "keyword");
      assert.equal(properties["log"]?.properties?.["offset"]?.type, "long");
      assert.ok(["match_only_text", "text"].includes(properties["message"]?.type ?? ""));
      if (properties["message"]?.type === "text") {
        const said = context.logged.find((message) => message.level === "warn")?.message ?? "";
        assert.match(said, /text for match_only_text/);
        assert.match(said, /keyword for constant_keyword/);
      }
      const again = await open(server.url, { data_stream: { type: "logs", dataset, namespace: "default" } });
      await write(again.sink, [{ message: "m2" }], 1, 500);
      assert.equal(again.context.logged.length, 0, "an installed one is not installed again");
      await sink.close();
      await again.sink.close();
    });

    test("a template of another origin is left alone, and an older one of ours is replaced", async () => {
      const dataset = fresh();
      const data_stream = { type: "logs", dataset, namespace: "default" };
      const own = {
        index_patterns: [`logs-${dataset}-*`],
        data_stream: {},
        priority: 500,
        template: { mappings: { _meta: { mine: true } } },
      };
      await probe.request("PUT", `/_index_template/mine-${dataset}`, own);
      const { sink, context } = await open(server.url, { data_stream });
      assert.deepEqual(await write(sink, [{ message: "m" }]), { outcome: "delivered" });
      await assert.rejects(probe.request("GET", `/_index_template/wiretail-logs-${dataset}`), /404/);
      assert.match(context.logged[0]?.message ?? "", new RegExp(`mine-${dataset} .* ours is not installed`));
      await sink.close();

      const second = await stream();
      const name = `wiretail-logs-${second.dataset}`;
      await probe.request("PUT", `/_index_template/${name}`, {
        index_patterns: [`logs-${second.dataset}-*`],
        data_stream: {},
        priority: 200,
        _meta: { managed_by: "wiretail", version: 0 },
      });
      await write(second.sink, [{ message: "m" }]);
      const now = await probe.request<{ index_templates: { index_template: { version?: number } }[] }>(
        "GET",
        `/_index_template/${name}`,
      );
      assert.ok((now.index_templates[0]?.index_template.version ?? 0) >= 1);
      await second.sink.close();
    });

    test("plain indices are named by each event's day", async () => {
      const name = fresh();
      const { sink } = await open(server.url, { index: `${name}-{date:%Y.%m.%d}` });
      for (const [day, message] of [
        [9, "old"],
        [10, "new"],
      ] as const) {
        const timesMs = Date.UTC(2026, 10, day, 23, 59);
        const batch = makeBatch({ lines: [message], encoding: sink.encoding, timesMs });
        const call = makeSinkBatch(batch, sink.encoding, sink.destinationOf!(timesMs));
        assert.deepEqual(await sink.write(call, signal, 1), { outcome: "delivered" });
      }
      assert.deepEqual(await probe.messages(`${name}-2026.11.09`), ["old"]);
      assert.deepEqual(await probe.messages(`${name}-2026.11.10`), ["new"]);
      await sink.close();
    });

    test("probe tells the version from _nodes, and that there is no security", async () => {
      const { sink } = await stream();
      const results = await sink.probe!(signal);
      assert.match(results[0]?.detail ?? "", new RegExp(`Elasticsearch ${version.replaceAll(".", "\\.")}`));
      assert.match(
        results.find((result) => result.check === "privileges")?.detail ?? "",
        /not supported by this server/,
      );
      assert.match(results.find((result) => result.check === "index template")?.detail ?? "", /will be installed/);
      await sink.close();
    });
  });

  describe(`Elasticsearch ${version}, a server of our own`, { timeout: 180_000 }, () => {
    let server: ElasticsearchServer;
    before(async () => {
      server = await startElasticsearch({ version, settings: { "http.max_content_length": "64kb" } });
    });
    after(() => server.stop());

    for (const compression of ["none", "gzip"] as const) {
      test(`a body over its http.max_content_length is too large, a smaller one is delivered (compression ${compression})`, async () => {
        const { sink } = await open(server.url, { data_stream: freshStream(), compression });
        assert.deepEqual(await write(sink, [{ message: "small" }]), { outcome: "delivered" });
        const docs = Array.from({ length: 200 }, (_, i) => ({ message: `${i} `.repeat(300) }));
        const result = await write(sink, docs, 1, 5_000);
        assert.equal(result.outcome, "too_large", JSON.stringify(result));
        assert.deepEqual(await write(sink, docs.slice(0, 20), 1, 5_000), { outcome: "delivered" });
        await sink.close();
      });
    }

    test("when it is killed that means retry, and after its restart everything is there once", async () => {
      const data_stream = freshStream();
      const { sink } = await open(server.url, { data_stream });
      await write(sink, [{ message: "before" }]);
      await server.kill();
      assertVerdict(await write(sink, [{ message: "after" }], 1, 500), 0, "retry", /not reached/);
      await server.restart();
      const deadline = Date.now() + 60_000;
      for (let attempt = 2; ; attempt++) {
        const first = await write(sink, [{ message: "before" }], attempt);
        const second = await write(sink, [{ message: "after" }], attempt, 500);
        if (first.outcome === "delivered" && second.outcome === "delivered") break;
        assert.ok(Date.now() < deadline, JSON.stringify([first, second]));
        await sleep(100);
      }
      const probe = new ElasticsearchProbe(server.url);
      assert.deepEqual((await probe.messages(`logs-${data_stream.dataset}-default`)).sort(), ["after", "before"]);
      await sink.close();
    });
  });
}
