import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { EncodedBatch, SinkBatch, Slice } from "../../src/core/batch.ts";
import type { Sink, WriteResult } from "../../src/core/component.ts";
import { BATCH_TIME_MS, makeBatch, makeSinkBatch } from "../support/batches.ts";

/** A sink under test with what it writes to. Made anew for every promise below, so destinations must be fresh ones. */
export interface SinkHarness {
  readonly sink: Sink;
  /** The messages (`message` of each document) that are really there, in any order. */
  received(): Promise<readonly string[]>;
  /** The messages keep the order in which they were written (one call at a time). */
  readonly ordered?: boolean;
  /** Writing a document again does not make a second one. */
  readonly deduplicates?: boolean;
  /** Makes the other side fail (answer errors, go away, run out of space) until `mend`. */
  fail?(): Promise<void>;
  mend?(): Promise<void>;
  /** Makes the other side take calls and never answer. */
  hang?(): Promise<void>;
  /** Stops everything that the harness started; the sink was closed before. */
  dispose(): Promise<void>;
}

const SOON_MS = 3_000;
const WEIRD = [
  'plain "quoted" \\ back',
  "tab\tand\u0001control",
  "unicode ⇒ 日本語 😀",
  "{} [] </script>",
  " ",
  "x".repeat(20_000),
];

/**
 * What every sink promises, as a suite. Call it once for each server or mode that the sink's test knows:
 *
 *     sinkContract("elasticsearch 9", async () => ({ sink: await create(...), received: ..., dispose: ... }));
 *
 * `skip` is a reason that is printed (never used with CI=true).
 */
export function sinkContract(name: string, make: () => Promise<SinkHarness>, skip?: string): void {
  const promise = (title: string, body: (harness: SinkHarness) => Promise<void>): void => {
    test(title, async () => {
      const harness = await make();
      let closed = false;
      const close = harness.sink.close.bind(harness.sink);
      harness.sink.close = async () => {
        closed = true;
        await close();
      };
      try {
        await body(harness);
        if (!closed) await harness.sink.close();
      } finally {
        await harness.dispose();
      }
    });
  };

  describe(`sink contract: ${name}`, skip === undefined ? {} : { skip }, () => {
    promise("declares an encoding and limits that can be used", async ({ sink }) => {
      assert.ok(["json", "text", "original"].includes(sink.encoding.kind));
      for (const [key, value] of Object.entries(sink.limits)) {
        assert.ok(Number.isSafeInteger(value) && value > 0, `${key} is ${value}`);
      }
      const destination = sink.destinationOf?.(BATCH_TIME_MS);
      assert.equal(sink.destinationOf?.(BATCH_TIME_MS), destination, "the same time gives the same destination");
    });

    promise("delivers every document of a call, exactly once", async (harness) => {
      const lines = numbered(1_000, "line");
      await delivered(harness, [batchOf(harness, lines)]);
      await arrived(harness, lines);
    });

    promise("delivers a call of one document", async (harness) => {
      await delivered(harness, [batchOf(harness, ["only one"])]);
      await arrived(harness, ["only one"]);
    });

    promise("delivers slices of several batches: the documents named and no others", async (harness) => {
      const a = batchOf(harness, numbered(10, "a"), { partition: "partition-aaaaaa" });
      const b = batchOf(harness, numbered(10, "b"), { partition: "partition-bbbbbb" });
      await delivered(harness, [
        { batch: a, from: 3, to: 10 },
        { batch: b, from: 0, to: 4 },
      ]);
      await arrived(harness, [...numbered(10, "a").slice(3), ...numbered(10, "b").slice(0, 4)]);
    });

    promise("keeps any text as it is", async (harness) => {
      await delivered(harness, [batchOf(harness, WEIRD)]);
      await arrived(harness, WEIRD);
    });

    promise("takes as many calls at a time as it says", async (harness) => {
      const calls = Array.from({ length: Math.min(harness.sink.limits.concurrency, 8) }, (_, i) =>
        numbered(50, `call ${i} line`),
      );
      await Promise.all(
        calls.map((lines, i) => delivered(harness, [batchOf(harness, lines, { partition: `partition-00000${i}` })])),
      );
      await arrived(harness, calls.flat());
    });

    promise(
      "a repeated call answers with a verdict, and makes no duplicates where the sink says so",
      async (harness) => {
        const batch = batchOf(harness, numbered(20, "again"));
        await delivered(harness, [batch]);
        await delivered(harness, [batch], 2);
        if (harness.deduplicates === true) await arrived(harness, numbered(20, "again"));
      },
    );

    promise("ends soon when the signal was aborted before the call", async (harness) => {
      const outcome = await soon(
        harness.sink.write(callOf(harness, [batchOf(harness, ["late"])]), AbortSignal.abort(), 1),
      );
      assert.notEqual(outcome, "hangs");
      if (typeof outcome === "object" && outcome.outcome === "delivered") await arrived(harness, ["late"]);
    });

    promise("gives up a hanging call soon after the signal aborts, and claims nothing delivered", async (harness) => {
      if (harness.hang === undefined) return;
      await harness.hang();
      const abort = new AbortController();
      const writing = harness.sink.write(callOf(harness, [batchOf(harness, ["stuck"])]), abort.signal, 1);
      setTimeout(() => abort.abort(), 100);
      const outcome = await soon(writing);
      assert.notEqual(outcome, "hangs");
      if (typeof outcome === "object") assert.equal(outcome.outcome, "retry");
    });

    promise(
      "answers a failing server with retry or hold and the reason, and delivers when it is back",
      async (harness) => {
        if (harness.fail === undefined || harness.mend === undefined) return;
        await harness.fail();
        const batch = batchOf(harness, ["patient"]);
        const call = callOf(harness, [batch]);
        const outcome = await harness.sink.write(call, new AbortController().signal, 1);
        const verdict = outcome.outcome === "mixed" ? outcome.verdicts.get(0) : outcome;
        assert.ok(verdict?.outcome === "retry" || verdict?.outcome === "hold", JSON.stringify(outcome));
        assert.ok(verdict.reason.length > 10, `a reason that helps: ${verdict.reason}`);
        await harness.mend();
        const deadline = Date.now() + 15_000;
        for (let attempt = 2; ; attempt++) {
          const again = await harness.sink.write(call, new AbortController().signal, attempt);
          if (again.outcome === "delivered") break;
          assert.ok(Date.now() < deadline, `still ${JSON.stringify(again)}`);
          await sleep(100);
        }
        await arrived(harness, ["patient"]);
      },
    );

    promise("probe says what was checked, and what to do where something is wrong", async (harness) => {
      if (harness.sink.probe === undefined) return;
      const good = await harness.sink.probe(new AbortController().signal);
      assert.ok(good.length > 0);
      assert.deepEqual(
        good.filter((result) => !result.ok),
        [],
      );
      if (harness.fail === undefined) return;
      await harness.fail();
      const bad = (await harness.sink.probe(new AbortController().signal)).filter((result) => !result.ok);
      assert.ok(bad.length > 0, "a failing server is noticed");
      for (const result of bad) assert.ok((result.hint ?? "").length > 10, `${result.check}: no hint`);
    });

    promise("keeps what was delivered when it is closed, and does not mind a second close", async (harness) => {
      await delivered(harness, [batchOf(harness, numbered(30, "kept"))]);
      await harness.sink.close();
      await harness.sink.close();
      await arrived(harness, numbered(30, "kept"));
    });
  });
}

function numbered(count: number, prefix: string): string[] {
  return Array.from({ length: count }, (_, i) => `${prefix} ${i}`);
}

function batchOf({ sink }: SinkHarness, lines: readonly string[], options: { partition?: string } = {}): EncodedBatch {
  // Old events are refused by some services, so these happen now.
  return makeBatch({ lines, encoding: sink.encoding, timesMs: Date.now(), ...options });
}

function callOf({ sink }: SinkHarness, parts: readonly (EncodedBatch | Slice)[]): SinkBatch {
  const first = parts[0]!;
  const timeMs = ("batch" in first ? first.batch : first).timesMs[0]!;
  return makeSinkBatch(parts, sink.encoding, sink.destinationOf?.(timeMs) ?? "");
}

async function delivered(harness: SinkHarness, parts: readonly (EncodedBatch | Slice)[], attempt = 1): Promise<void> {
  const result = await harness.sink.write(callOf(harness, parts), new AbortController().signal, attempt);
  assert.deepEqual(result, { outcome: "delivered" });
}

/** What a call came to, "threw", or "hangs" when it did not settle in time. */
async function soon(writing: Promise<WriteResult>): Promise<WriteResult | "threw" | "hangs"> {
  const timer = new AbortController();
  try {
    return await Promise.race([
      writing.catch(() => "threw" as const),
      sleep(SOON_MS, "hangs" as const, { signal: timer.signal }).catch(() => "hangs" as const),
    ]);
  } finally {
    timer.abort();
  }
}

/** Waits until as many messages are there as expected, then compares all. */
async function arrived(harness: SinkHarness, expected: readonly string[]): Promise<void> {
  const deadline = Date.now() + 10_000;
  let found = await harness.received();
  while (found.length < expected.length && Date.now() < deadline) {
    await sleep(50);
    found = await harness.received();
  }
  if (harness.ordered === true) assert.deepEqual(found, expected);
  else assert.deepEqual([...found].sort(), [...expected].sort());
}
