import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { runDelivery, type DeliveryRunResult } from "../support/delivery-run.ts";
import { temporaryFolder } from "../support/folders.ts";
import type { CodeChange } from "../support/installed-copy.ts";
import { buildMutant } from "../support/mutant.ts";
import { startElasticsearch, type ElasticsearchServer } from "../support/servers/elasticsearch.ts";
import { startMoto, type MotoServer } from "../support/servers/moto.ts";
import type { Tally } from "../support/traffic.ts";

const seedFromEnvironment = process.env["WIRETAIL_TEST_SEED"];
const seed = seedFromEnvironment === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(seedFromEnvironment);
/** To run it again just so. */
const SEED = `WIRETAIL_TEST_SEED=${seed}`;

let moto: MotoServer;
before(async () => {
  moto = await startMoto();
});
after(() => moto.stop());

function assertExactlyOnce(place: string, { missing, doubled, unknown }: Tally): void {
  assert.deepEqual(
    { missing: missing.length, doubled: doubled.length, unknown: unknown.slice(0, 3) },
    { missing: 0, doubled: 0, unknown: [] },
    `${place}: missing ${missing.slice(0, 5).join()} doubled ${doubled.slice(0, 5).join()}; ${SEED}`,
  );
}

function assertDelivered(result: DeliveryRunResult): void {
  assertExactlyOnce("Elasticsearch", result.elasticsearch);
  assertExactlyOnce("the local store", result.local);
  assertExactlyOnce("the file", result.file);
  for (const tally of [result.double, ...(result.moto === undefined ? [] : [result.moto])]) {
    assert.deepEqual([tally.missing, tally.unknown], [[], []], `CloudWatch; ${SEED}`);
  }
  const unexplained = result.double.doubled.filter((token) => !result.unanswered.has(token));
  assert.deepEqual(unexplained, [], `CloudWatch: doubles of calls that had an answer; ${SEED}`);
}

describe("all sinks at once, on files that grow and are rotated, with Elasticsearch 8", () => {
  let elasticsearch: ElasticsearchServer;
  before(async () => {
    elasticsearch = await startElasticsearch({ version: "8.19.21" });
  });
  after(() => elasticsearch.stop());

  test("after ten kill -9 at random points every line is everywhere exactly once, and in CloudWatch at least once with doubles only from unanswered calls", async (t) => {
    const result = await runDelivery({
      folder: await temporaryFolder(t),
      elasticsearchUrl: elasticsearch.url,
      cloudwatchUrl: moto.url,
      ...{ kills: 10, seed, dataset: "wt.ten" },
    });
    t.diagnostic(
      `${result.lines} lines; CloudWatch has ${result.double.doubled.length} events twice, ` +
        `all of ${result.unanswered.size} in calls without an answer`,
    );
    assertDelivered(result);
    assert.ok(result.ambiguous.counted > 0);
    assert.equal(result.ambiguous.counted, result.ambiguous.doubled, "the agent counts what it had to send twice");
  });

  // The test above must be able to fail: the same with agents that are broken on purpose.
  for (const mutant of mutants()) {
    test(`an agent is found out that ${mutant.does}`, async (t) => {
      const folder = await temporaryFolder(t);
      const command = [process.execPath, await buildMutant(t, mutant.changes)];
      let result: DeliveryRunResult;
      try {
        result = await runDelivery({
          ...{ folder, command, elasticsearchUrl: elasticsearch.url },
          ...{ kills: 4, seed: 7, dataset: `wt.mutant.${mutant.name}`, withinMs: 15_000 },
        });
      } catch (error) {
        assert.fail(`it did not come to its end: ${String(error)}`);
      }
      mutant.found(result);
      assert.throws(() => {
        assertDelivered(result);
      });
    });
  }
});

describe("the same with Elasticsearch 9", () => {
  let elasticsearch: ElasticsearchServer;
  before(async () => {
    elasticsearch = await startElasticsearch({ version: "9.5.3" });
  });
  after(() => elasticsearch.stop());

  test("after three kill -9 every line is everywhere exactly once", async (t) => {
    const folder = await temporaryFolder(t);
    const options = { folder, elasticsearchUrl: elasticsearch.url, kills: 3, seed: seed + 1, dataset: "wt.three" };
    assertDelivered(await runDelivery(options));
  });
});

interface Mutant {
  readonly name: string;
  readonly does: string;
  readonly changes: readonly CodeChange[];
  /** Throws unless the mutant did the harm that it was made for. */
  found(result: DeliveryRunResult): void;
}

function mutants(): readonly Mutant[] {
  return [
    {
      name: "ids",
      does: "gives two events one id",
      changes: [
        {
          file: "src/runtime/batch-encoder.js",
          from: "return compact(`${batch.partition.id}.${this.#idPart}.`);",
          to: "return `one.${this.#idPart}.`;",
        },
      ],
      found: ({ elasticsearch }) => assert.ok(elasticsearch.missing.length > 0),
    },
    {
      name: "newids",
      does: "gives an event another id after a restart",
      changes: [
        {
          file: "src/runtime/batch-encoder.js",
          from: "return compact(`${batch.partition.id}.${this.#idPart}.`);",
          to: "return `${batch.partition.id}.${process.pid}.`;",
        },
      ],
      found: ({ elasticsearch }) => assert.ok(elasticsearch.doubled.length > 0),
    },
    {
      name: "ahead",
      does: "lets a checkpoint pass what is not delivered",
      changes: [
        {
          file: "src/runtime/progress.js",
          from: "if (count === 0)",
          to: "this.position = endPosition;\n        this.resume = resume;\n        if (count === 0)",
        },
        // At once, and long before the delivery, so that every kill finds one.
        {
          file: "src/runtime/checkpoint-writer.js",
          from: "const WRITE_EVERY_MS = 1000;",
          to: "const WRITE_EVERY_MS = 5;",
        },
        {
          file: "src/runtime/sink-runner.js",
          from: "result = await sink.write(",
          to: "await new Promise((go) => setTimeout(go, 500));\n                result = await sink.write(",
        },
      ],
      found: ({ elasticsearch, double }) => assert.ok(elasticsearch.missing.length + double.missing.length > 0),
    },
    {
      name: "calls",
      does: "forgets what CloudWatch answered",
      changes: [{ file: "src/sinks/cloudwatch_logs/call-log.js", from: "add(this.#answered, ", to: "add(new Map(), " }],
      found: ({ double }) => assert.ok(double.doubled.length > 0),
    },
  ];
}
