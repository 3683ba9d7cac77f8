import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { Sink, Verdict, WriteResult } from "../../../src/core/component.ts";
import type { EncodedBatch } from "../../../src/core/batch.ts";
import { cloudwatchLogs } from "../../../src/sinks/cloudwatch_logs/index.ts";
import { sinkContract } from "../../contract/sink-contract.ts";
import { makeBatch, makeSinkBatch } from "../../support/batches.ts";
import { wiretail } from "../../support/e2e.ts";
import { temporaryFolder } from "../../support/folders.ts";
import { makeContext, type TestContext } from "../../support/context.ts";
import { startCloudWatchDouble, type CloudWatchDouble } from "../../support/doubles/cloudwatch.ts";
import { startMoto, type MotoServer } from "../../support/servers/moto.ts";

type Options = Parameters<typeof cloudwatchLogs.create>[0];

const DAY_MS = 24 * 3_600_000;
const HOUR_MS = 3_600_000;
const never = new AbortController().signal;

function optionsFor(url: string, more: Partial<Options> = {}): Options {
  return {
    log_group_name: "MyLogSys",
    log_stream_name: "{instance_id}",
    region: "eu-west-1",
    endpoint: url,
    create: true,
    message: "text",
    max_event_bytes: 1_048_550,
    oversized: "split",
    access_key_id: "AKIDEXAMPLE",
    secret_access_key: "secret",
    request_timeout_ms: 10_000,
    compression: "gzip",
    ...more,
  };
}

// ------------------------------------------------------------------------------------------ the strict double

interface Bench {
  readonly double: CloudWatchDouble;
  readonly sink: Sink;
  readonly context: TestContext;
  readonly messages: () => string[];
}

async function withDouble(
  options: { sink?: Partial<Options>; double?: Parameters<typeof startCloudWatchDouble>[0] },
  body: (bench: Bench) => Promise<void>,
): Promise<void> {
  const double = await startCloudWatchDouble(options.double);
  const context = makeContext();
  const sink = await cloudwatchLogs.create(optionsFor(double.url, options.sink), context);
  try {
    await body({
      double,
      sink,
      context,
      messages: () => double.events("MyLogSys", "i-0123456789").map((event) => event.message),
    });
  } finally {
    await sink.close();
    await double.stop();
    context.dispose();
  }
}

function write(
  sink: Sink,
  batches: EncodedBatch | readonly EncodedBatch[],
  attempt = 1,
  signal = never,
): Promise<WriteResult> {
  const first = Array.isArray(batches) ? (batches as readonly EncodedBatch[])[0]! : (batches as EncodedBatch);
  return sink.write(makeSinkBatch(batches, sink.encoding, sink.destinationOf!(first.timesMs[0]!)), signal, attempt);
}

const text = (lines: readonly string[], timesMs: number | readonly number[] = Date.now()): EncodedBatch =>
  makeBatch({ lines, timesMs, encoding: { kind: "text" } });
const numbered = (count: number): string[] => Array.from({ length: count }, (_, i) => `line ${i}`);

function verdicts(result: WriteResult): ReadonlyMap<number, Verdict> {
  assert.equal(result.outcome, "mixed", JSON.stringify(result));
  return (result as { verdicts: ReadonlyMap<number, Verdict> }).verdicts;
}

sinkContract("cloudwatch_logs on the strict double", async () => {
  const double = await startCloudWatchDouble();
  const context = makeContext();
  return {
    sink: await cloudwatchLogs.create(optionsFor(double.url, { message: "text" }), context),
    ordered: true,
    received: async () => double.events("MyLogSys", "i-0123456789").map((event) => event.message),
    fail: async () =>
      double.always("PutLogEvents", { error: "ServiceUnavailableException", message: "scripted by the test" }),
    mend: async () => double.always("PutLogEvents", undefined),
    hang: async () => double.always("PutLogEvents", "hang"),
    dispose: async () => {
      await double.stop();
      context.dispose();
    },
  };
});

describe("cloudwatch_logs on the strict double", () => {
  test("a group and a stream that do not exist are made with class, tags and retention, and the events arrive", async () => {
    const more = { retention_in_days: 30, log_group_class: "INFREQUENT_ACCESS", tags: { team: "chat" } } as const;
    await withDouble({ sink: more }, async ({ double, sink, messages }) => {
      assert.deepEqual(await write(sink, text(numbered(3))), { outcome: "delivered" });
      const group = double.groups.get("MyLogSys")!;
      assert.equal(group.logGroupClass, "INFREQUENT_ACCESS");
      assert.deepEqual(group.tags, { team: "chat" });
      assert.equal(group.retentionInDays, 30);
      assert.deepEqual(messages(), numbered(3));
      assert.ok(double.calls.some((call) => call.operation === "PutLogEvents" && call.gzip));
    });
  });

  test("the retention of a group that exists is changed where it differs, and looked at once", async () => {
    await withDouble({ sink: { retention_in_days: 7 } }, async ({ double, sink }) => {
      double.groups.set("MyLogSys", {
        logGroupClass: "STANDARD",
        tags: {},
        retentionInDays: 90,
        streams: new Map([["i-0123456789", []]]),
      });
      await write(sink, text(["a"]));
      await write(sink, text(["b"]));
      assert.equal(double.groups.get("MyLogSys")!.retentionInDays, 7);
      assert.equal(double.calls.filter((call) => call.operation === "DescribeLogGroups").length, 1);
    });
  });

  test("without create a missing group holds the events, names what to grant, and they arrive once it is there", async () => {
    await withDouble({ sink: { create: false } }, async ({ double, sink, messages }) => {
      const result = await write(sink, text(["a"]));
      assert.equal(result.outcome, "hold");
      assert.match((result as { reason: string }).reason, /logs:CreateLogGroup/);
      assert.equal(double.groups.size, 0);
      double.groups.set("MyLogSys", {
        logGroupClass: "STANDARD",
        tags: {},
        retentionInDays: undefined,
        streams: new Map([["i-0123456789", []]]),
      });
      assert.deepEqual(await write(sink, text(["a"]), 2), { outcome: "delivered" });
      assert.deepEqual(messages(), ["a"]);
    });
  });

  test("a refused creation holds the events and names the IAM action", async () => {
    await withDouble({}, async ({ double, sink }) => {
      double.denied.add("CreateLogGroup");
      const result = await write(sink, text(["a"]));
      assert.equal(result.outcome, "hold");
      assert.match((result as { reason: string }).reason, /logs:CreateLogGroup/);
    });
  });

  test("more than 10,000 events in one call go out as several requests, in order", async () => {
    await withDouble({}, async ({ double, sink, messages }) => {
      assert.deepEqual(await write(sink, text(numbered(25_000))), { outcome: "delivered" });
      assert.deepEqual(messages(), numbered(25_000));
      assert.equal(
        double.calls.filter((call) => call.operation === "PutLogEvents" && call.error === undefined).length,
        3,
      );
    });
  });

  test("bytes are counted in UTF-8 with 26 for each event, so no request is too large", async () => {
    await withDouble({}, async ({ double, sink, messages }) => {
      const lines = Array.from({ length: 3_000 }, (_, i) => `${i} ${"日本語😀".repeat(60)}`);
      assert.deepEqual(await write(sink, text(lines)), { outcome: "delivered" });
      assert.deepEqual(messages(), lines);
      assert.deepEqual([...new Set(double.calls.map((call) => call.error))].sort(), [
        "ResourceNotFoundException",
        undefined,
      ]);
    });
  });

  test("events out of order and more than 24 hours apart are sorted and parted, and equal times keep their order", async () => {
    await withDouble({}, async ({ sink, double }) => {
      const now = Date.now();
      const times = [
        now,
        now - 3 * DAY_MS,
        now - 60_000,
        now - 3 * DAY_MS,
        now,
        now - 26 * HOUR_MS,
        now - 2.5 * HOUR_MS,
      ];
      const lines = times.map((_, i) => `line ${i}`);
      assert.deepEqual(await write(sink, text(lines, times)), { outcome: "delivered" });
      assert.deepEqual(
        double.events("MyLogSys", "i-0123456789").map((event) => event.message),
        [1, 3, 5, 6, 2, 0, 4].map((i) => `line ${i}`),
      );
    });
  });

  test("too old, expired and too new events are rejected one by one with the reason, the others arrive", async () => {
    await withDouble({ sink: { retention_in_days: 3 } }, async ({ sink, messages }) => {
      const now = Date.now();
      const times = [now, now - 15 * DAY_MS, now - 4 * DAY_MS, now + 3 * HOUR_MS, now - 1000, now + 1.5 * HOUR_MS];
      const result = verdicts(await write(sink, text(numbered(6), times)));
      assert.deepEqual([...result.keys()].sort(), [1, 2, 3]);
      for (const verdict of result.values()) assert.equal(verdict.outcome, "rejected");
      const reason = (index: number): string => (result.get(index) as { reason: string }).reason;
      assert.match(reason(1), /14 days/);
      assert.match(reason(2), /retention/);
      assert.match(reason(3), /2 hours/);
      assert.deepEqual(messages(), ["line 4", "line 0", "line 5"]);
    });
  });

  test("an event of exactly 1 MB arrives in one piece, and a larger one is split between characters", async () => {
    await withDouble({}, async ({ sink, messages, context }) => {
      const whole = "x".repeat(1_048_550);
      const large = "é😀".repeat(400_000);
      assert.deepEqual(await write(sink, text([whole, large, "after"])), { outcome: "delivered" });
      const found = messages();
      assert.equal(found[0], whole);
      assert.equal(found.slice(1, -1).join(""), large);
      assert.equal(found.length, 5);
      assert.equal(found.at(-1), "after");
      assert.equal(context.measured.get("cloudwatch_logs_split_events"), 1);
    });
  });

  test("an oversized event is cut off between characters and marked, when that is what was chosen", async () => {
    await withDouble(
      { sink: { oversized: "truncate", max_event_bytes: 1_024 } },
      async ({ sink, messages, context }) => {
        assert.deepEqual(await write(sink, text(["日".repeat(1_000), "short"])), { outcome: "delivered" });
        const [cut, short] = messages();
        assert.match(cut!, /^日+\[Truncated\.\.\.\]$/);
        assert.ok(Buffer.byteLength(cut!) <= 1_024 && Buffer.byteLength(cut!) > 1_018);
        assert.equal(short, "short");
        assert.equal(context.measured.get("cloudwatch_logs_truncated_events"), 1);
      },
    );
  });

  test("where a region takes 256 KB only, the limit falls, nothing is sent twice, and it is said once", async () => {
    await withDouble({ double: { maxEventBytes: 262_144 } }, async ({ sink, messages, context }) => {
      const large = "0123456789".repeat(60_000);
      assert.deepEqual(await write(sink, text(["before", large, "after"])), { outcome: "delivered" });
      assert.deepEqual(await write(sink, text([large])), { outcome: "delivered" });
      const found = messages();
      assert.equal(found[0], "before");
      assert.equal(found.slice(1, 4).join(""), large);
      assert.equal(found[4], "after");
      assert.equal(found.slice(5).join(""), large);
      assert.equal(context.logged.filter((each) => each.level === "warn").length, 1);
    });
  });

  test("an empty line arrives as one space", async () => {
    await withDouble({}, async ({ sink, messages }) => {
      assert.deepEqual(await write(sink, text(["a", "", "b"])), { outcome: "delivered" });
      assert.deepEqual(messages(), ["a", " ", "b"]);
    });
  });

  test("throttling and server errors are retried, with the pause that the service asks for", async () => {
    await withDouble({}, async ({ sink, double, messages }) => {
      await write(sink, text(["first"]));
      double.script(
        "PutLogEvents",
        { error: "ThrottlingException", message: "Rate exceeded", retryAfterSeconds: 7 },
        { error: "ServiceUnavailableException" },
        { error: "InternalFailure", status: 500 },
      );
      const throttled = await write(sink, text(["a"]));
      assert.deepEqual(throttled, {
        outcome: "retry",
        reason: "ThrottlingException: Rate exceeded",
        retryAfterMs: 7_000,
      });
      assert.equal((await write(sink, text(["a"]), 2)).outcome, "retry");
      assert.equal((await write(sink, text(["a"]), 3)).outcome, "retry");
      assert.deepEqual(await write(sink, text(["a"]), 4), { outcome: "delivered" });
      assert.deepEqual(messages(), ["first", "a"]);
    });
  });

  test("when a later request of a call fails, only its documents are to be sent again", async () => {
    await withDouble({}, async ({ sink, double, messages }) => {
      await write(sink, text(["first"]));
      double.script("PutLogEvents", undefined, { error: "ThrottlingException" });
      const batch = text(numbered(12_000));
      const result = verdicts(await write(sink, batch));
      assert.deepEqual(
        [...result.keys()],
        Array.from({ length: 2_000 }, (_, i) => 10_000 + i),
      );
      assert.equal(result.get(10_000)!.outcome, "retry");
      const rest = makeSinkBatch([{ batch, from: 10_000, to: 12_000 }], sink.encoding, sink.destinationOf!(0));
      const again = await sink.write(rest, never, 2);
      assert.deepEqual(again, { outcome: "delivered" });
      assert.deepEqual(messages(), ["first", ...numbered(12_000)]);
    });
  });

  test("unknown, refused and expired credentials hold the events, and are looked for again", async () => {
    await withDouble({ double: { accessKeyIds: ["ANOTHER"] } }, async ({ sink }) => {
      const result = await write(sink, text(["a"]));
      assert.equal(result.outcome, "hold");
      assert.match((result as { reason: string }).reason, /UnrecognizedClientException.*access key/);
    });
    await withDouble({}, async ({ sink, double, messages }) => {
      for (const error of [
        "ExpiredTokenException",
        "AccessDeniedException",
        "InvalidSignatureException",
        "SomethingNobodyKnows",
      ]) {
        double.script("PutLogEvents", { error });
        const result = await write(sink, text(["a"]));
        assert.equal(result.outcome, "hold", error);
      }
      assert.deepEqual(await write(sink, text(["a"]), 2), { outcome: "delivered" });
      assert.deepEqual(messages(), ["a"]);
    });
  });

  test("credentials of the standard chain are used, and a mended file is read without a restart", async () => {
    const folder = await mkdtemp(join(tmpdir(), "wiretail-aws-"));
    const before = { ...process.env };
    for (const name of Object.keys(process.env)) if (name.startsWith("AWS_")) delete process.env[name];
    process.env["AWS_EC2_METADATA_DISABLED"] = "true";
    process.env["AWS_CONFIG_FILE"] = join(folder, "config");
    const file = (process.env["AWS_SHARED_CREDENTIALS_FILE"] = join(folder, "credentials"));
    const double = await startCloudWatchDouble({ accessKeyIds: ["AKIDGOOD"] });
    const context = makeContext();
    const options = optionsFor(double.url);
    delete options.access_key_id;
    delete options.secret_access_key;
    const sink = await cloudwatchLogs.create(options, context);
    try {
      const missing = await write(sink, text(["a"]));
      assert.equal(missing.outcome, "hold", JSON.stringify(missing));
      assert.match((missing as { reason: string }).reason, /no credentials/);
      assert.equal((await sink.probe!(never))[0]!.ok, false);
      await writeFile(file, "[default]\naws_access_key_id = AKIDBAD\naws_secret_access_key = s\n");
      assert.match(((await write(sink, text(["a"]))) as { reason: string }).reason, /UnrecognizedClientException/);
      await writeFile(file, "[default]\naws_access_key_id = AKIDGOOD\naws_secret_access_key = s\n");
      assert.deepEqual(await write(sink, text(["a"])), { outcome: "delivered" });
    } finally {
      process.env = before;
      await sink.close();
      await double.stop();
      context.dispose();
      await rm(folder, { recursive: true, force: true });
    }
  });

  test("the one event that the service refuses is found and rejected, all others arrive once", async () => {
    await withDouble({ double: { refuses: (event) => event.message === "line 37" } }, async ({ sink, messages }) => {
      const result = verdicts(await write(sink, text(numbered(100))));
      assert.deepEqual([...result.keys()], [37]);
      assert.equal(result.get(37)!.outcome, "rejected");
      assert.deepEqual(
        messages(),
        numbered(100).filter((line) => line !== "line 37"),
      );
    });
  });

  test("when every event is refused it is not the events: they are held, not thrown away", async () => {
    await withDouble({}, async ({ sink, double }) => {
      double.always("PutLogEvents", { error: "InvalidParameterException", message: "something about the request" });
      const result = await write(sink, text(numbered(64)));
      assert.equal(result.outcome, "hold");
    });
  });

  test("a call without an answer is retried, and events sent a second time are counted", async () => {
    await withDouble({ sink: { request_timeout_ms: 300 } }, async ({ sink, double, messages, context }) => {
      await write(sink, text(["first"]));
      double.script("PutLogEvents", "reset_after", "hang", "reset_before");
      const batch = text(["a", "b"]);
      for (let attempt = 1; attempt <= 3; attempt++) {
        const result = await write(sink, batch, attempt);
        assert.equal(result.outcome, "retry", JSON.stringify(result));
      }
      assert.deepEqual(await write(sink, batch, 4), { outcome: "delivered" });
      assert.deepEqual(
        messages(),
        ["first", "a", "b", "a", "b"],
        "the service doubles what it had taken without answering",
      );
      assert.equal(context.measured.get("cloudwatch_logs_ambiguous_events"), 6);
    });
  });

  test("after a crash what was answered is not sent again, and what was not is counted when it is", async () => {
    await withDouble({}, async ({ sink, double, context, messages }) => {
      const [a, b, c] = ["a", "b", "c"].map((line, i) =>
        makeBatch({ lines: [line], firstOffset: i * 100, timesMs: Date.now(), encoding: { kind: "text" } }),
      );
      assert.deepEqual(await write(sink, a!), { outcome: "delivered" });
      double.script("PutLogEvents", "reset_after");
      assert.equal((await write(sink, b!)).outcome, "retry");
      // The first is not closed: as if its process had been killed.
      const next = await cloudwatchLogs.create(optionsFor(double.url), context);
      try {
        for (const batch of [a!, b!, c!]) assert.deepEqual(await write(next, batch), { outcome: "delivered" });
      } finally {
        await next.close();
      }
      assert.deepEqual(messages(), ["a", "b", "b", "c"]);
      assert.equal(context.measured.get("cloudwatch_logs_ambiguous_events"), 1);
    });
  });

  test("parts of a split event that arrived are not sent again when a later part has to be", async () => {
    await withDouble({ sink: { max_event_bytes: 600_000 } }, async ({ sink, double, messages }) => {
      await write(sink, text(["first"]));
      const large = Array.from({ length: 250_000 }, (_, i) => String(i % 10_000).padStart(6, "0")).join("");
      const batch = text([large]);
      double.script("PutLogEvents", undefined, { error: "ThrottlingException" });
      const result = await write(sink, batch);
      assert.equal(result.outcome, "retry", JSON.stringify(result));
      assert.deepEqual(await write(sink, batch, 2), { outcome: "delivered" });
      assert.equal(messages().slice(1).join(""), large);
    });
  });

  test("a stream that is deleted while the agent runs is made again and nothing is lost", async () => {
    await withDouble({}, async ({ sink, double, messages }) => {
      await write(sink, text(["a"]));
      double.groups.clear();
      assert.deepEqual(await write(sink, text(["b"])), { outcome: "delivered" });
      assert.deepEqual(messages(), ["b"]);
    });
  });

  test("placeholders send events of different days to different streams", async () => {
    await withDouble({ sink: { log_stream_name: "{hostname}-{date}" } }, async ({ sink, double }) => {
      const now = Date.now();
      for (const time of [now, now - DAY_MS]) {
        await sink.write(makeSinkBatch(text(["x"], time), sink.encoding, sink.destinationOf!(time)), never, 1);
      }
      const days = [now - DAY_MS, now].map((time) => `test-host-${new Date(time).toISOString().slice(0, 10)}`);
      assert.deepEqual([...double.groups.get("MyLogSys")!.streams.keys()].sort(), days);
    });
  });

  test("the probe finds a missing right and says which, and leaves nothing behind", async () => {
    await withDouble({ sink: { create: false } }, async ({ sink, double, messages }) => {
      const missing = await sink.probe!(never);
      assert.ok(missing.some((each) => !each.ok && /logs:CreateLogGroup/.test(each.hint ?? "")));
      double.groups.set("MyLogSys", {
        logGroupClass: "STANDARD",
        tags: {},
        retentionInDays: undefined,
        streams: new Map([["i-0123456789", []]]),
      });
      assert.deepEqual(
        (await sink.probe!(never)).filter((each) => !each.ok),
        [],
      );
      double.denied.add("PutLogEvents").add("DescribeLogGroups");
      const denied = (await sink.probe!(never)).filter((each) => !each.ok);
      assert.equal(denied.length, 1);
      assert.match(denied[0]!.detail, /logs:PutLogEvents/);
      assert.deepEqual(messages(), []);
    });
  });
});

// -------------------------------------------------------------------------------------------------------- moto

describe("cloudwatch_logs on moto", () => {
  let moto: MotoServer;
  before(async () => {
    moto = await startMoto();
  });
  after(() => moto.stop());

  async function received(group: string): Promise<string[]> {
    const { CloudWatchLogsClient, paginateFilterLogEvents, ResourceNotFoundException } =
      await import("@aws-sdk/client-cloudwatch-logs");
    const client = new CloudWatchLogsClient({
      endpoint: moto.url,
      region: "eu-west-1",
      credentials: { accessKeyId: "a", secretAccessKey: "b" },
    });
    const found: string[] = [];
    try {
      for await (const page of paginateFilterLogEvents({ client }, { logGroupName: group })) {
        for (const event of page.events ?? []) found.push(event.message!);
      }
    } catch (error) {
      if (!(error instanceof ResourceNotFoundException)) throw error;
    } finally {
      client.destroy();
    }
    return found;
  }

  sinkContract("moto", async () => {
    const context = makeContext();
    const group = `test-${randomUUID()}`;
    return {
      sink: await cloudwatchLogs.create(optionsFor(moto.url, { log_group_name: group }), context),
      received: () => received(group),
      dispose: async () => context.dispose(),
    };
  });

  test("JSON documents arrive as they were encoded, over gzip and without", async () => {
    for (const compression of ["gzip", "none"] as const) {
      const context = makeContext();
      const group = `test-${randomUUID()}`;
      const sink = await cloudwatchLogs.create(
        optionsFor(moto.url, { log_group_name: group, message: "json", compression, retention_in_days: 14 }),
        context,
      );
      try {
        const batch = makeBatch({
          docs: [{ message: "hello", event: { action: "connect" } }],
          timesMs: Date.now(),
          encoding: sink.encoding,
        });
        assert.deepEqual(await write(sink, batch), { outcome: "delivered" });
        const [message] = await received(group);
        assert.deepEqual((JSON.parse(message!) as { event: unknown }).event, { action: "connect" });
      } finally {
        await sink.close();
        context.dispose();
      }
    }
  });

  test("events for another group or stream that a stage names are in it, and nowhere else", async () => {
    const context = makeContext();
    const group = `test-${randomUUID()}`;
    const sink = await cloudwatchLogs.create(optionsFor(moto.url, { log_group_name: group }), context);
    try {
      const send = (line: string, named?: string): Promise<WriteResult> => {
        const batch = text([line]);
        const destination = sink.destinationOf!(batch.timesMs[0]!, named);
        return sink.write(makeSinkBatch(batch, sink.encoding, destination), never, 1);
      };
      const audit = JSON.stringify({ log_group_name: `${group}-audit` });
      const stream = JSON.stringify({ log_stream_name: "other/{hostname}" });
      for (const named of [undefined, audit, stream])
        assert.deepEqual(await send(named ?? "own", named), { outcome: "delivered" });
      assert.deepEqual((await received(group)).sort(), ["own", stream].sort());
      assert.deepEqual(await received(`${group}-audit`), [audit]);
    } finally {
      await sink.close();
      context.dispose();
    }
  });

  test("wiretail tail --to cloudwatch:// ships what it shows, each line as it was written", async (t) => {
    const folder = await temporaryFolder(t);
    const group = `tail-${randomUUID()}`;
    const lines = numbered(25).map((line) => `${new Date().toISOString()} ${line}`);
    await writeFile(join(folder, "app.log"), lines.map((line) => line + "\n").join(""));
    const to = `cloudwatch://eu-west-1/${group}?stream=shown&endpoint=${encodeURIComponent(moto.url)}`;
    const { code, stdout, stderr } = await wiretail(
      ["tail", join(folder, "app.log"), "-n", "20", "--no-follow", "--to", to],
      { env: { AWS_ACCESS_KEY_ID: "a", AWS_SECRET_ACCESS_KEY: "b" } },
    );
    assert.equal(code, 0, stderr);
    assert.deepEqual(stdout.trimEnd().split("\n"), lines.slice(5));
    assert.deepEqual(await received(group), lines.slice(5));
  });
});
