// What the bare real servers lack (authentication, privileges, TLS, Cloud ID) and what they do not do on demand
// (overload, hanging, proxies' answers), against a double that speaks the same API.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Sink, WriteResult } from "../../../src/core/component.ts";
import type { ElasticsearchOptions } from "../../../src/sinks/elasticsearch/options.ts";
import { sinkContract } from "../../contract/sink-contract.ts";
import { makeBatch, makeSinkBatch } from "../../support/batches.ts";
import type { TestContext } from "../../support/context.ts";
import { ElasticsearchDouble, makeCertificate, type Answer } from "../../support/doubles/elasticsearch.ts";
import { openElasticsearch as open } from "../../support/elasticsearch-sink.ts";

const signal = new AbortController().signal;

function write(sink: Sink, lines: readonly string[], attempt = 1, firstOffset = 0): Promise<WriteResult> {
  const batch = makeBatch({ lines, encoding: sink.encoding, firstOffset });
  return sink.write(
    makeSinkBatch(batch, sink.encoding, sink.destinationOf?.(batch.timesMs[0]!) ?? ""),
    signal,
    attempt,
  );
}

/** Runs `body` with a double and a sink on it, and ends both. */
async function withDouble(
  options: Partial<ElasticsearchOptions>,
  body: (double: ElasticsearchDouble, sink: Sink, context: TestContext) => Promise<void>,
): Promise<void> {
  const double = await ElasticsearchDouble.start();
  const { sink, context } = await open({ nodes: [double.url], ...options });
  try {
    await body(double, sink, context);
    await sink.close();
  } finally {
    await double.stop();
  }
}

sinkContract("elasticsearch double", async () => {
  const double = await ElasticsearchDouble.start();
  const { sink } = await open({ nodes: [double.url] });
  return {
    sink,
    received: async () => [...double.documents.values()],
    ordered: false,
    deduplicates: true,
    fail: async () =>
      void (double.answer = () => ({ status: 503, body: { error: { type: "master_not_discovered_exception" } } })),
    mend: async () => void (double.answer = () => undefined),
    hang: async () => void (double.answer = () => "hang"),
    dispose: () => double.stop(),
  };
});

describe("elasticsearch sink: how it asks", () => {
  test("one bulk call for the data stream, gzipped, with create, ids, and a name in X-Opaque-Id", async () => {
    await withDouble(
      { data_stream: { type: "logs", dataset: "chat", namespace: "prod" } },
      async (double, sink, context) => {
        assert.deepEqual(await write(sink, ["one", "two"]), { outcome: "delivered" });
        const [call, ...others] = double.bulkRequests();
        assert.equal(others.length, 0);
        assert.equal(call?.path, "/logs-chat-prod/_bulk");
        assert.equal(call.query.get("require_data_stream"), "true");
        assert.equal(call.headers["content-encoding"], "gzip");
        assert.match(String(call.headers["x-opaque-id"]), /^wiretail\/es\/[\w-]{12}\/\w+$/);
        assert.match(call.headers["content-type"] ?? "", /x-ndjson/);
        const lines = call.body.trimEnd().split("\n");
        assert.equal(lines.length, 4);
        assert.deepEqual(JSON.parse(lines[0]!), { create: { _id: "partition-000001-test-0" } });
        assert.equal((JSON.parse(lines[1]!) as { message: string }).message, "one");
        assert.equal(context.measured.get("elasticsearch_bulk_requests"), 1);
        assert.ok((context.measured.get("elasticsearch_sent_bytes") ?? 0) > 0);
      },
    );
  });

  test("the template is looked up and installed once, however many calls begin at the same time", async () => {
    await withDouble({}, async (double, sink) => {
      await Promise.all([1, 2, 3].map((i) => write(sink, [`m${i}`], 1, i * 1000)));
      assert.equal(double.requests.filter((request) => request.method === "PUT").length, 1);
      assert.equal(double.bulkRequests().length, 3);
    });
  });

  test("an ingest pipeline is named in the call", async () => {
    await withDouble({ pipeline: "geo", install_template: false, index: "plain" }, async (double, sink) => {
      await write(sink, ["m"]);
      assert.equal(double.bulkRequests()[0]?.query.get("pipeline"), "geo");
      assert.equal(double.bulkRequests()[0]?.query.get("require_data_stream"), null);
      assert.equal(double.requests.length, 1, "no template is looked for");
    });
  });
});

describe("elasticsearch sink: authentication and TLS", () => {
  test("an API key goes as Authorization: ApiKey, a user as Basic", async () => {
    await withDouble({ api_key: "aWQ6a2V5" }, async (double, sink) => {
      await write(sink, ["m"]);
      for (const request of double.requests) assert.equal(request.headers.authorization, "ApiKey aWQ6a2V5");
    });
    await withDouble({ username: "elastic", password: "sécret" }, async (double, sink) => {
      await write(sink, ["m"]);
      const expected = `Basic ${Buffer.from("elastic:sécret").toString("base64")}`;
      for (const request of double.requests) assert.equal(request.headers.authorization, expected);
    });
  });

  test("refused credentials hold, and probe says what to do; the secret is in no message", async () => {
    await withDouble({ api_key: "c2VjcmV0LWtleQ==" }, async (double, sink, context) => {
      double.answer = () => ({
        status: 401,
        body: { error: { type: "security_exception", reason: "unable to authenticate" } },
      });
      const result = await write(sink, ["m"]);
      assert.equal(result.outcome, "hold");
      assert.match("reason" in result ? result.reason : "", /401.*unable to authenticate.*api_key/);
      const probed = await sink.probe!(signal);
      const bad = probed.filter((one) => !one.ok);
      assert.deepEqual(
        bad.map((one) => one.check),
        ["credentials"],
      );
      assert.match(bad[0]?.hint ?? "", /new API key/);
      assert.doesNotMatch(JSON.stringify([result, probed, context.logged]), /c2VjcmV0/);
    });
  });

  test("missing privileges hold the write, and probe names them", async () => {
    await withDouble({ username: "u", password: "p" }, async (double, sink) => {
      double.answer = ({ path }) => {
        if (path.endsWith("_bulk"))
          return { status: 403, body: { error: { type: "security_exception", reason: "unauthorized" } } };
        if (!path.endsWith("_has_privileges")) return undefined;
        const index = { "logs-generic-default": { create_doc: true, auto_configure: false, read: false } };
        return { body: { has_all_requested: false, cluster: { manage_index_templates: false }, index } };
      };
      assert.equal((await write(sink, ["m"])).outcome, "hold");
      const bad = (await sink.probe!(signal)).filter((one) => !one.ok);
      assert.match(bad[0]?.detail ?? "", /missing for logs-generic-default: auto_configure, manage_index_templates/);
      assert.match(bad[0]?.hint ?? "", /logs-generic-\*/);
    });
  });

  test("who may not install templates can write all the same, and is told once", async () => {
    await withDouble({}, async (double, sink, context) => {
      double.answer = ({ path }) =>
        path.startsWith("/_index_template") || path.startsWith("/_resolve")
          ? { status: 403, body: { error: { type: "security_exception", reason: "no" } } }
          : undefined;
      assert.deepEqual(await write(sink, ["a"]), { outcome: "delivered" });
      assert.deepEqual(await write(sink, ["b"], 2, 500), { outcome: "delivered" });
      const warnings = context.logged.filter((message) => message.level === "warn");
      assert.equal(warnings.length, 2);
      assert.match(warnings[0]?.message ?? "", /writing without it/);
      assert.match(warnings[1]?.message ?? "", /after a rollover may appear twice/);
      assert.equal(context.measured.get("elasticsearch_unchecked_events"), 1);
    });
  });

  test("TLS: a server of one's own authority needs ca_file; without it the events are held", async () => {
    const certificate = makeCertificate();
    const double = await ElasticsearchDouble.start(certificate);
    try {
      const good = await open({ nodes: [double.url], ca_file: certificate.caFile });
      assert.deepEqual(await write(good.sink, ["over TLS"]), { outcome: "delivered" });
      await good.sink.close();

      const bad = await open({ nodes: [double.url] });
      const refused = await write(bad.sink, ["m"]);
      assert.equal(refused.outcome, "hold");
      assert.match("reason" in refused ? refused.reason : "", /TLS: .*ca_file/);
      assert.match((await bad.sink.probe!(signal))[0]?.hint ?? "", /ca_file/);
      await bad.sink.close();

      const careless = await open({ nodes: [double.url], tls: { verify: false } });
      assert.deepEqual(await write(careless.sink, ["unchecked"], 1, 500), { outcome: "delivered" });
      assert.match(careless.context.logged[0]?.message ?? "", /tls\.verify is off/);
      await careless.sink.close();

      await assert.rejects(open({ nodes: [double.url], ca_file: "/nonexistent/ca.pem" }), /ca_file .*ENOENT/);
      assert.deepEqual([...double.documents.values()], ["over TLS", "unchecked"]);
    } finally {
      await double.stop();
      certificate.remove();
    }
  });

  test("a Cloud ID leads to https on its host and port", async (t) => {
    const certificate = makeCertificate();
    const double = await ElasticsearchDouble.start(certificate);
    try {
      // Real ones have an id before the domain; "localhost" below nothing is the host that every resolver knows.
      const { lookup } = await import("node:dns/promises");
      const found = await lookup("es.localhost").catch(() => undefined);
      if (found === undefined) {
        const { cloudIdUrl } = await import("../../../src/sinks/elasticsearch/cloud-id.ts");
        const id = Buffer.from(`localhost:${double.port}$es$kibana`).toString("base64");
        assert.equal(cloudIdUrl(`test:${id}`), `https://es.localhost:${double.port}`);
        t.diagnostic("names below localhost do not resolve here: only the address was compared");
        return;
      }
      const id = Buffer.from(`localhost:${double.port}$es$kibana`).toString("base64");
      const { sink } = await open({ cloud_id: `test:${id}`, ca_file: certificate.caFile });
      assert.deepEqual(await write(sink, ["to the cloud"]), { outcome: "delivered" });
      assert.match(double.bulkRequests()[0]?.headers.host ?? "", /^es\.localhost/);
      await sink.close();
    } finally {
      await double.stop();
      certificate.remove();
    }
  });
});

describe("elasticsearch sink: when the server cannot", () => {
  test("429 and 503 mean retry, after as long as Retry-After says", async () => {
    for (const status of [429, 503]) {
      await withDouble({}, async (double, sink) => {
        double.answer = ({ path }) =>
          path.endsWith("_bulk") ? { status, headers: { "retry-after": "7" }, body: "busy" } : undefined;
        const result = await write(sink, ["m"]);
        assert.equal(result.outcome, "retry");
        assert.equal(result.outcome === "retry" && result.retryAfterMs, 7000);
        // Whoever asks earlier all the same is told how long is left, and the server is left alone.
        const requests = double.requests.length;
        const again = await write(sink, ["m"], 1, 500);
        assert.ok(again.outcome === "retry" && again.retryAfterMs! > 6000 && again.retryAfterMs! <= 7000);
        assert.equal(double.requests.length, requests);
      });
    }
  });

  test("413 means too large, whoever says it", async () => {
    await withDouble({}, async (double, sink) => {
      double.answer = ({ path }) =>
        path.endsWith("_bulk") ? { status: 413, body: "<html>Request Entity Too Large</html>" } : undefined;
      assert.equal((await write(sink, ["m"])).outcome, "too_large");
    });
  });

  test("only the items refused get a verdict of their own, each by its error", async () => {
    await withDouble({}, async (double, sink) => {
      const error = (status: number, type: string, reason = "why") => ({ create: { status, error: { type, reason } } });
      double.answer = ({ path }) =>
        path.endsWith("_bulk")
          ? {
              body: {
                errors: true,
                items: [
                  { create: { status: 201 } },
                  error(429, "es_rejected_execution_exception"),
                  error(400, "document_parsing_exception"),
                  error(403, "security_exception"),
                  error(400, "something_new_exception"),
                  { create: { status: 201 } },
                ],
              },
            }
          : undefined;
      const result = await write(sink, ["0", "1", "2", "3", "4", "5"]);
      assert.equal(result.outcome, "mixed");
      const outcomes =
        result.outcome === "mixed" ? [...result.verdicts].map(([index, verdict]) => [index, verdict.outcome]) : [];
      assert.deepEqual(outcomes, [
        [1, "retry"],
        [2, "rejected"],
        [3, "hold"],
        [4, "hold"],
      ]);
    });
  });

  test("documents in the failure store are delivered, and counted", async () => {
    await withDouble({}, async (double, sink, context) => {
      const items = [{ create: { status: 201, failure_store: "used" } }, { create: { status: 201 } }];
      double.answer = ({ path }) => (path.endsWith("_bulk") ? { body: { errors: false, items } } : undefined);
      assert.deepEqual(await write(sink, ["a", "b"]), { outcome: "delivered" });
      assert.equal(context.measured.get("elasticsearch_failure_store"), 1);
    });
  });

  test("when an item says that the index is missing, the template is looked for again", async () => {
    await withDouble({}, async (double, sink) => {
      const missing = {
        create: { status: 404, error: { type: "index_not_found_exception", reason: "no such index" } },
      };
      double.answer = ({ path }) => (path.endsWith("_bulk") ? { body: { errors: true, items: [missing] } } : undefined);
      const result = await write(sink, ["m"]);
      assert.equal(result.outcome === "mixed" && result.verdicts.get(0)?.outcome, "hold");
      double.answer = () => undefined;
      assert.deepEqual(await write(sink, ["m"], 2), { outcome: "delivered" });
      assert.equal(double.requests.filter((request) => request.method === "PUT").length, 2);
    });
  });

  test("another program at that address, a proxy's page and a short reply claim nothing delivered", async () => {
    await withDouble({}, async (double, sink) => {
      double.answer = ({ path }) =>
        path.endsWith("_bulk") ? { headers: { "x-elastic-product": "OpenSearch" } } : undefined;
      const other = await write(sink, ["m"]);
      assert.match(other.outcome === "hold" ? other.reason : "", /not Elasticsearch/);
      double.answer = ({ path }) => (path.endsWith("_bulk") ? { body: "<html>please log in</html>" } : undefined);
      const page = await write(sink, ["m"]);
      assert.match(page.outcome === "hold" ? page.reason : "", /proxy/);
      double.answer = ({ path }) =>
        path.endsWith("_bulk") ? { body: { errors: true, items: [{ create: { status: 201 } }] } } : undefined;
      const short = await write(sink, ["m", "n"]);
      assert.match(short.outcome === "hold" ? short.reason : "", /1 items for 2 documents/);
    });
  });

  test("calls take turns on the nodes, and one that is dead is left out", async () => {
    const [a, b] = [await ElasticsearchDouble.start(), await ElasticsearchDouble.start()];
    const { sink } = await open({ nodes: [a.url, b.url], install_template: false, index: "i" });
    try {
      for (let i = 0; i < 6; i++) assert.deepEqual(await write(sink, [`m${i}`], 1, i * 1000), { outcome: "delivered" });
      assert.equal(a.bulkRequests().length, 3);
      assert.equal(b.bulkRequests().length, 3);
      await b.stop();
      const outcomes: string[] = [];
      for (let i = 6; i < 16; i++) outcomes.push((await write(sink, [`m${i}`], 1, i * 1000)).outcome);
      // What never reached the dead node went to the other one at once.
      assert.deepEqual(new Set(outcomes), new Set(["delivered"]));
      await b.listen(b.port);
    } finally {
      await sink.close();
      await a.stop();
      await b.stop();
    }
  });

  test("a node that hangs is given up after request_timeout_ms, and left out", async () => {
    const [a, b] = [await ElasticsearchDouble.start(), await ElasticsearchDouble.start()];
    const { sink } = await open({
      nodes: [a.url, b.url],
      install_template: false,
      index: "i",
      request_timeout_ms: 1_000,
    });
    try {
      b.answer = () => "hang";
      const outcomes: string[] = [];
      for (let i = 0; i < 5; i++) {
        const result = await write(sink, [`m${i}`], 1, i * 1000);
        outcomes.push(result.outcome === "retry" ? result.reason : result.outcome);
      }
      assert.deepEqual(
        outcomes.filter((outcome) => outcome !== "delivered"),
        ["no answer within request_timeout_ms"],
      );
    } finally {
      await a.stop();
      await b.stop();
      await sink.close();
    }
  });
});

describe("elasticsearch sink: calls without a clear answer", () => {
  const SHORT = { request_timeout_ms: 1_000, install_template: false } as const;

  test("a bulk that outlives its connection over a rollover doubles nothing: its end is waited for, then looked up", async () => {
    await withDouble(SHORT, async (double, sink, context) => {
      assert.deepEqual(await write(sink, ["first"], 1, 9000), { outcome: "delivered" });
      double.answer = ({ path }) => (path.endsWith("_bulk") ? "work on" : undefined);
      const batch = makeBatch({ lines: ["a", "b", "c"], encoding: sink.encoding });
      const call = makeSinkBatch(batch, sink.encoding, "logs-generic-default");
      assert.equal((await sink.write(call, signal, 1)).outcome, "retry");
      double.answer = () => undefined;
      const again = sink.write(call, signal, 2);
      const tasksAsked = () => double.requests.filter(({ path }) => path === "/_tasks").length;
      while (tasksAsked() < 3) await new Promise((resolve) => setTimeout(resolve, 10));
      assert.equal(double.documents.size, 1, "nothing is sent while the server still works on it");
      double.finishTasks();
      double.rollover();
      assert.deepEqual(await again, { outcome: "delivered" });
      assert.equal(double.documents.size, 4);
      assert.equal(double.copies, 0);
      assert.equal(context.measured.get("elasticsearch_duplicates"), 3);
    });
  });

  test("a reply that breaks off, a bad gateway after the work was done, and nonsense all lead to a look-up", async () => {
    const replies = ["reset", { status: 502, body: "<html>Bad Gateway</html>" }, { body: { errors: true, items: [] } }];
    for (const reply of replies as readonly ReturnType<Answer>[]) {
      await withDouble(SHORT, async (double, sink) => {
        const answer: Answer = (request) => {
          if (reply !== "reset") double.take(request);
          return reply;
        };
        await write(sink, ["first"], 1, 9000);
        const batch = makeBatch({ lines: ["a", "b"], encoding: sink.encoding });
        const call = makeSinkBatch(batch, sink.encoding, "logs-generic-default");
        double.answer = (request) => (request.path.endsWith("_bulk") ? answer(request) : undefined);
        assert.notEqual((await sink.write(call, signal, 1)).outcome, "delivered");
        assert.equal(double.documents.size, 3, "the server had taken them");
        double.rollover();
        double.answer = () => undefined;
        assert.deepEqual(await sink.write(call, signal, 2), { outcome: "delivered" });
        assert.equal(double.copies, 0);
      });
    }
  });

  test("what an earlier process may have sent is looked up at the first attempt", async () => {
    await withDouble(SHORT, async (double, sink) => {
      const batch = makeBatch({ lines: ["a", "b", "c"], encoding: sink.encoding });
      const slices = [{ batch, from: 0, to: 3, maybeSent: true }];
      const call = makeSinkBatch(slices, sink.encoding, "logs-generic-default");
      await write(sink, ["a", "b"]);
      double.rollover();
      assert.deepEqual(await sink.write(call, signal, 1), { outcome: "delivered" });
      assert.equal(double.documents.size, 3);
      assert.equal(double.copies, 0);
    });
  });

  test("a plain refusal is sent again without any look-up", async () => {
    await withDouble(SHORT, async (double, sink) => {
      double.answer = ({ path }) => (path.endsWith("_bulk") ? { status: 429, body: "busy" } : undefined);
      const batch = makeBatch({ lines: ["a"], encoding: sink.encoding });
      const call = makeSinkBatch(batch, sink.encoding, "logs-generic-default");
      assert.equal((await sink.write(call, signal, 1)).outcome, "retry");
      double.answer = () => undefined;
      assert.deepEqual(await sink.write(call, signal, 2), { outcome: "delivered" });
      assert.ok(double.requests.every(({ path }) => path.endsWith("_bulk")));
    });
  });

  test("one dead node does not slow the others, and takes calls again when it is back", async () => {
    const [a, b, c] = [
      await ElasticsearchDouble.start(),
      await ElasticsearchDouble.start(),
      await ElasticsearchDouble.start(),
    ];
    const { sink, context } = await open({ nodes: [a.url, b.url, c.url], ...SHORT, index: "i" });
    try {
      b.answer = () => "hang";
      let offset = 0;
      const slowest = async (calls: number): Promise<number> => {
        let most = 0;
        for (let i = 0; i < calls; i++) {
          const begun = performance.now();
          await write(sink, [`m${offset}`], 1, (offset += 1000));
          most = Math.max(most, performance.now() - begun);
        }
        return most;
      };
      await slowest(3);
      assert.ok((await slowest(40)) < 900, "only the call that found it out waited for it");
      assert.match(context.logged[0]?.message ?? "", /left out for now: no answer/);
      b.answer = () => undefined;
      const before = b.bulkRequests().length;
      const deadline = Date.now() + 15_000;
      while (b.bulkRequests().length === before && Date.now() < deadline) {
        await write(sink, [`m${offset}`], 1, (offset += 1000));
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      assert.ok(b.bulkRequests().length > before, "it is probed, and used again");
    } finally {
      await Promise.all([a.stop(), b.stop(), c.stop()]);
      await sink.close();
    }
  });
});
