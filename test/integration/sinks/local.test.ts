import assert from "node:assert/strict";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { parseKql } from "../../../src/codec/kql/parse.ts";
import type { Sink } from "../../../src/core/component.ts";
import { local } from "../../../src/sinks/local/index.ts";
import { openStore } from "../../../src/store/search.ts";
import { sinkContract } from "../../contract/sink-contract.ts";
import { makeBatch, makeSinkBatch } from "../../support/batches.ts";
import { makeContext } from "../../support/context.ts";

const SEGMENT = {
  max_bytes: 268_435_456,
  max_age_ms: 3_600_000,
  compression: "lz4",
  memory_limit_bytes: 268_435_456,
} as const;

async function messages(folder: string, query = ""): Promise<string[]> {
  const store = await openStore({ folder, threads: 1 });
  try {
    const found: string[] = [];
    const selection = { query: parseKql(query), fromMs: undefined, toMs: undefined, nowMs: Date.now() };
    for await (const { json } of store.all(selection, "oldest"))
      found.push((JSON.parse(json) as { message: string }).message);
    return found;
  } finally {
    await store.close();
  }
}

const create = (
  folder: string,
  segment: Partial<Record<keyof typeof SEGMENT, unknown>> = {},
  retention = {},
): Promise<Sink> =>
  Promise.resolve(
    local.create({ path: folder, segment: { ...SEGMENT, ...segment } as typeof SEGMENT, retention }, makeContext()),
  );

async function until(what: string, condition: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (!(await condition())) {
    assert.ok(Date.now() < deadline, `not within 30 s: ${what}`);
    await sleep(50);
  }
}

for (const maxBytes of [SEGMENT.max_bytes, 65_536]) {
  sinkContract(`local, segments of ${maxBytes} bytes`, async () => {
    const folder = await mkdtemp(path.join(tmpdir(), "wiretail-local-"));
    const sink = await create(folder, { max_bytes: maxBytes });
    return {
      sink,
      received: () => messages(folder),
      ordered: true,
      deduplicates: true,
      dispose: () => rm(folder, { recursive: true, force: true }),
    };
  });
}

describe("the local sink", () => {
  const write = (sink: Sink, lines: string[], firstOffset = 0) =>
    sink.write(
      makeSinkBatch([makeBatch({ lines, encoding: sink.encoding, firstOffset })], sink.encoding),
      new AbortController().signal,
      1,
    );
  const inFolder = async (body: (folder: string) => Promise<void>): Promise<void> => {
    const folder = await mkdtemp(path.join(tmpdir(), "wiretail-local-"));
    try {
      await body(folder);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  };

  test("a closed segment becomes Parquet and nothing else stays of it", () =>
    inFolder(async (folder) => {
      const sink = await create(folder, { max_bytes: 65_536 });
      const lines = Array.from({ length: 2000 }, (_, i) => `line ${i} ${"x".repeat(50)}`);
      for (let i = 0; i < 2000; i += 200)
        assert.equal((await write(sink, lines.slice(i, i + 200), i * 100)).outcome, "delivered");
      await until(
        "one NDJSON file is left",
        async () => (await readdir(folder)).filter((file) => file.endsWith(".ndjson")).length === 1,
      );
      assert.deepEqual(await messages(folder), lines);
      assert.deepEqual(await messages(folder, '"LINE 77 "'), [lines[77]]);
      await sink.close();
      const names = await readdir(folder);
      assert.ok(names.some((name) => name.endsWith(".parquet")));
      assert.deepEqual(
        names.filter((name) => name.includes("tmp")),
        [],
      );
      assert.deepEqual(sink.position?.("partition-000001", "test")?.position, 200_000);
    }));

  test("what was cut off by a crash is not shown and not counted after the next start", () =>
    inFolder(async (folder) => {
      const sink = await create(folder);
      await write(sink, ["one", "two"]);
      await sink.close();
      const open = (await readdir(folder)).find((name) => name.endsWith(".ndjson"))!;
      // What a killed agent leaves: bytes in the file that its commit log does not know.
      await writeFile(
        path.join(folder, open),
        '{"_id":"x","@timestamp":"2026-11-21T10:00:00.000Z","message":"three"}\n{"_id":"y","@tim',
        { flag: "a" },
      );
      const again = await create(folder);
      assert.deepEqual(again.position?.("partition-000001", "test"), { position: 200, resume: null });
      assert.deepEqual(await messages(folder), ["one", "two"]);
      await write(again, ["three"], 200);
      assert.deepEqual(await messages(folder), ["one", "two", "three"]);
      await again.close();
    }));

  test("half a batch is continued where it ended", () =>
    inFolder(async (folder) => {
      const sink = await create(folder);
      const batch = makeBatch({ lines: ["a", "b", "c"], encoding: sink.encoding });
      await sink.write(makeSinkBatch([{ batch, from: 0, to: 2 }], sink.encoding), new AbortController().signal, 1);
      assert.equal(sink.position?.("partition-000001", "test")?.position, 200);
      await sink.write(makeSinkBatch([batch], sink.encoding), new AbortController().signal, 1);
      assert.deepEqual(await messages(folder), ["a", "b", "c"]);
      await sink.close();
    }));

  test("a document that is too large is rejected alone", () =>
    inFolder(async (folder) => {
      const sink = await create(folder);
      const result = await write(sink, ["before", "x".repeat(16_000_001), "after"]);
      assert.equal(result.outcome, "mixed");
      if (result.outcome === "mixed") assert.deepEqual([...result.verdicts.keys()], [1]);
      assert.deepEqual(await messages(folder), ["before", "after"]);
      await sink.close();
    }));

  test("two sinks cannot share a folder", () =>
    inFolder(async (folder) => {
      const sink = await create(folder);
      await assert.rejects(create(folder), /two sinks/);
      await sink.close();
      await (await create(folder)).close();
    }));

  test("retention by size keeps the newest segments", () =>
    inFolder(async (folder) => {
      const sink = await create(folder, { max_bytes: 65_536 }, { max_bytes: 1_048_576 });
      const lines = (i: number): string[] =>
        Array.from({ length: 1000 }, (_, j) => `${i}-${j} ${Math.random().toString(36).repeat(20)}`);
      for (let i = 0; i < 30; i++) await write(sink, lines(i), i * 100_000);
      await sink.close();
      const again = await create(folder, { max_bytes: 65_536 }, { max_bytes: 1_048_576 });
      await until(
        "old segments are gone",
        async () => !(await readdir(folder)).some((name) => name.startsWith("0000000001")),
      );
      await again.close();
      const kept = await messages(folder);
      assert.ok(kept.at(-1)!.startsWith("29-999 "));
      assert.ok(kept.length < 30_000);
    }));

  test("a path that cannot be a folder is a fault with a remedy", () =>
    inFolder(async (folder) => {
      await writeFile(path.join(folder, "file"), "");
      await assert.rejects(create(path.join(folder, "file", "store")), /cannot open the store/);
    }));
});
