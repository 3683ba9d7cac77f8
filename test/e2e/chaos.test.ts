import assert from "node:assert/strict";
import { chmod, rm } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { drawPlan, kindsOf, planOf } from "../chaos/plan.ts";
import { runText } from "../chaos/report.ts";
import { cannotRun, chaosRun, type ChaosRunOptions, type ChaosRunResult } from "../chaos/run.ts";
import { temporaryFolder } from "../support/folders.ts";
import { installCopy, type CodeChange } from "../support/installed-copy.ts";
import { startElasticsearch, type ElasticsearchServer } from "../support/servers/elasticsearch.ts";
import { startMoto, type MotoServer } from "../support/servers/moto.ts";

/** The bounded part of `npm run chaos`: one run, and agents that are broken on purpose. */
const SEED = Number(process.env["WIRETAIL_TEST_SEED"] ?? 4);
const SECONDS = 30;
const reason = cannotRun();

describe("random faults against the built agent", { skip: reason ?? false }, () => {
  let elasticsearch: ElasticsearchServer;
  let moto: MotoServer;
  before(async () => {
    [elasticsearch, moto] = await Promise.all([startElasticsearch({ version: "8.19.21" }), startMoto()]);
  });
  after(async () => {
    await Promise.all([elasticsearch.stop(), moto.stop()]);
  });

  const run = async (
    folder: string,
    changes: readonly CodeChange[],
    options: Pick<ChaosRunOptions, "seed" | "seconds" | "plan" | "drainMs" | "withoutCut">,
  ): Promise<{ result: ChaosRunResult; said: string }> => {
    await chmod(folder, 0o755);
    const launcher = await installCopy(join(folder, "app"), changes);
    const said: string[] = [];
    const result = await chaosRun({
      ...{ elasticsearch, launcher, cloudwatchUrl: moto.url, log: (text) => void said.push(text) },
      ...options,
    });
    said.push(runText(result));
    return { result, said: said.join("\n") };
  };

  test("every line is delivered once, or refused, or was destroyed unread: nothing is missing, nothing doubled", async (t) => {
    // What takes longest, and restarts of a server that other tests may use, only by hand.
    const plan = drawPlan(
      SEED,
      SECONDS,
      kindsOf([]).filter(({ name }) => name !== "es_restart"),
    );
    const { result, said } = await run(await temporaryFolder(t), [], { seed: SEED, seconds: SECONDS, plan });
    t.diagnostic(said);
    assert.ok(new Set(result.faults.map(({ kind }) => kind)).size >= 8, "kinds of faults");
    assert.deepEqual(result.breaches, [], `${said}\nWIRETAIL_TEST_SEED=${SEED}`);
  });

  // The checker must be able to fail: it finds agents that are broken on purpose.
  for (const { does, changes, plan, isFound, seed = 1 } of mutants()) {
    test(`an agent is found out that ${does}`, async (t) => {
      const { result, said } = await run(await temporaryFolder(t), changes, {
        ...{ seed, seconds: 7, plan: planOf(plan), drainMs: 15_000, withoutCut: true },
      });
      if (result.folder !== undefined) await rm(result.folder, { recursive: true, force: true });
      assert.ok(result.breaches.length > 0 && isFound(result), said);
    });
  }
});

interface Mutant {
  readonly does: string;
  readonly changes: readonly CodeChange[];
  readonly plan: Parameters<typeof planOf>[0];
  /** Of what is drawn besides: the agent's settings. */
  readonly seed?: number;
  /** It did the harm that it was made for. */
  readonly isFound: (result: ChaosRunResult) => boolean;
}

function mutants(): readonly Mutant[] {
  return [
    {
      does: "takes events for delivered before they are sent",
      changes: [
        {
          file: "src/runtime/sink-runner.js",
          from: "result = await sink.write(shipment, call.signal, shipment.attempts);",
          to: 'sink.write(shipment, call.signal, shipment.attempts).catch(() => undefined); result = { outcome: "delivered" };',
        },
      ],
      plan: [
        ["es_hang", 3_000, { share: 1, forMs: 3_500 }],
        ["kill9", 5_500, { downMs: 0, meanwhile: "nothing" }],
      ],
      isFound: ({ sinks }) => sinks.elasticsearch.missing.length > 0,
    },
    {
      does: "lets a checkpoint pass a hole",
      changes: [
        {
          file: "src/runtime/progress.js",
          from: "this.#advance();\n        return true;",
          // Position and what is known of its place together: with those of another the file would be taken for another.
          to: "if (pending.endPosition > this.position) { this.position = pending.endPosition; this.resume = pending.resume; }\n        this.#advance();\n        return true;",
        },
      ],
      // Every second call hangs, and what comes after it is delivered: by chance all calls might hang after the first that does.
      plan: [
        ["es_hang", 3_000, { inTurns: true, forMs: 3_500 }],
        ["kill9", 5_500, { downMs: 0, meanwhile: "nothing" }],
      ],
      isFound: ({ sinks }) => sinks.elasticsearch.missing.length > 0,
    },
    {
      does: "skips the rest of a file that was rotated while it was down",
      changes: [
        {
          file: "src/sources/file/recovery.js",
          from: "await gen.startAt(position, ",
          to: 'await gen.startAt(found.rule === "rotated_file" ? found.size : position, ',
        },
      ],
      plan: [
        ["es_hang", 1_500, { share: 1, forMs: 4_000 }],
        ["kill9", 2_500, { downMs: 300, meanwhile: "rotate_rename" }],
        ["kill9", 3_500, { downMs: 300, meanwhile: "rotate_rename" }],
        ["kill9", 4_500, { downMs: 300, meanwhile: "rotate_rename" }],
      ],
      isFound: ({ sinks }) => sinks.elasticsearch.missing.length > 0,
    },
    {
      does: "gives ids again after copytruncate",
      changes: [
        {
          file: "src/sources/file/announcing.js",
          from: "this.generation(newGenerationId(), state.path, ",
          to: 'this.generation(Buffer.from(state.path).toString("base64url").slice(-16), state.path, ',
        },
      ],
      plan: [
        ["rotate_copytruncate", 3_000, { times: 2, pauseMs: 500 }],
        ["rotate_copytruncate", 4_000, { times: 2, pauseMs: 500 }],
      ],
      isFound: ({ sinks }) => sinks.elasticsearch.missing.length + sinks.local.missing.length > 0,
    },
    {
      does: "looks nothing up after a rollover",
      changes: [
        {
          file: "src/sinks/elasticsearch/sink.js",
          from: "const there = await this.#rollover.delivered(batch, place, signal, attempt);",
          to: "const there = undefined;",
        },
      ],
      plan: [
        ["es_reset", 3_000, { share: 1, rollover: true, forMs: 2_000 }],
        ["kill9", 6_000, { downMs: 100, meanwhile: "rollover" }],
      ],
      isFound: ({ sinks }) => sinks.elasticsearch.doubled.length > 0,
    },
    {
      does: "accepts damaged records of its journal",
      changes: [
        {
          file: "src/disk/journal/record.js",
          from: "return crc32(bytes.subarray(RECORD_HEADER_BYTES + header.headLength, header.length)) === header.columnsCrc;",
          to: "return true;",
        },
      ],
      // Little memory: the journal is used soon.
      seed: 2,
      plan: [["journal_damage", 2_500, { count: 2, part: "documents", isTail: false }]],
      isFound: ({ sinks }) => sinks.elasticsearch.mangled.length > 0,
    },
  ];
}
