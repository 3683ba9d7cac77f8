import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { parseKql } from "../../../src/codec/kql/parse.ts";
import { openStore } from "../../../src/store/search.ts";
import { ndjsonFile } from "../../../src/store/segments.ts";

const CONVERT = fileURLToPath(new URL("../../../src/store/convert-process.js", import.meta.url));
const ALL = { query: parseKql(""), fromMs: undefined, toMs: undefined, nowMs: 0 };

async function ids(folder: string): Promise<string[]> {
  const store = await openStore({ folder, threads: 1 });
  try {
    const found: string[] = [];
    for await (const { json } of store.all(ALL, "oldest")) found.push((JSON.parse(json) as { _id: string })._id);
    return found.sort();
  } finally {
    await store.close();
  }
}

function convert(folder: string, sequence: number) {
  const options = { folder, sequence, compression: "lz4", memoryLimitBytes: 256e6, threads: 1 };
  return spawn(process.execPath, [CONVERT, JSON.stringify(options)], { stdio: ["ignore", "ignore", "inherit"] });
}

function segment(count: number): string {
  let text = "";
  for (let i = 0; i < count; i++) {
    const time = new Date(1_795_255_200_000 + i * 7).toISOString();
    text += `{"_id":"${i}","@timestamp":"${time}","message":"line ${i} ${"x".repeat(80)}","log":{"offset":${i}}}\n`;
  }
  return text;
}

test(
  "a conversion killed at any moment loses and doubles nothing, and can be done again",
  { timeout: 120_000 },
  async () => {
    const folder = await mkdtemp(path.join(tmpdir(), "wiretail-crash-"));
    const count = 40_000;
    try {
      await writeFile(path.join(folder, ndjsonFile(1)), segment(count));
      const expected = Array.from({ length: count }, (_, i) => String(i)).sort();
      for (const delayMs of [50, 200, 350, 500, 650, 800]) {
        const child = convert(folder, 1);
        const ended = once(child, "exit");
        await Promise.race([sleep(delayMs), ended]);
        child.kill("SIGKILL");
        await ended;
        assert.deepEqual(await ids(folder), expected, `killed after ${delayMs} ms`);
      }
      const last = convert(folder, 1);
      assert.deepEqual((await once(last, "exit"))[0], 0);
      assert.deepEqual(await ids(folder), expected);
      assert.deepEqual(
        (await readdir(folder)).map((name) => path.extname(name)),
        [".parquet"],
      );
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
);

test("searches that race conversions see every document exactly once", { timeout: 120_000 }, async () => {
  const folder = await mkdtemp(path.join(tmpdir(), "wiretail-race-"));
  try {
    const segments = 4;
    for (let i = 1; i <= segments; i++) await writeFile(path.join(folder, ndjsonFile(i)), segment(2_000));
    let converting = true;
    const conversions = (async () => {
      for (let i = 1; i <= segments; i++) await once(convert(folder, i), "exit");
      converting = false;
    })();
    let searches = 0;
    do {
      assert.equal((await ids(folder)).length, segments * 2_000);
      searches++;
    } while (converting);
    await conversions;
    assert.ok(searches > 1);
    assert.equal((await ids(folder)).length, segments * 2_000);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test("a document that is no strict JSON is kept as text when its segment is closed", async () => {
  const folder = await mkdtemp(path.join(tmpdir(), "wiretail-mend-"));
  try {
    await writeFile(
      path.join(folder, ndjsonFile(1)),
      `{"_id":"1","@timestamp":"2026-11-21T10:00:00.000Z","message":"ok"}\n{"_id":"2","message":"half \\ud800"}\nnot json at all\n`,
    );
    assert.deepEqual((await once(convert(folder, 1), "exit"))[0], 0);
    const store = await openStore({ folder, threads: 1 });
    try {
      assert.equal(await store.count({ ...ALL, query: parseKql("ok or half or json") }), 3);
    } finally {
      await store.close();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test("without a free descriptor a segment waits to be converted, and the agent goes on", async () => {
  const closer = new URL("../../../src/store/closer.js", import.meta.url).href;
  const program = `
    import { openSync, closeSync } from "node:fs";
    const { SegmentCloser } = await import(${JSON.stringify(closer)});
    const held = [];
    try { for (;;) held.push(openSync("/dev/null")); } catch {}
    const said = [];
    const closer = new SegmentCloser({
      ...{ folder: "/nonexistent", compression: "lz4", memoryLimitBytes: 1e8, now: () => Date.now(), monotonicMs: () => performance.now() },
      sleep: (ms, signal) => new Promise((done) => {
        const timer = setTimeout(done, ms);
        signal?.addEventListener("abort", () => { clearTimeout(timer); done(); });
      }),
      log: { warn: (message, { error }) => said.push(error) },
    });
    closer.add(1);
    closer.start();
    while (said.length === 0) await new Promise((done) => setTimeout(done, 5));
    held.forEach(closeSync);
    const { waiting } = closer;
    await closer.close();
    console.log(JSON.stringify({ said, waiting }));
  `;
  const { stdout } = await promisify(execFile)(
    "sh",
    ["-c", 'ulimit -n 100; exec "$0" "$@"', process.execPath, ...["--input-type=module", "-e", program]],
    { timeout: 30_000 },
  );
  const { said, waiting } = JSON.parse(stdout) as { said: string[]; waiting: number };
  assert.match(said[0]!, /EMFILE/);
  assert.equal(waiting, 1);
});
