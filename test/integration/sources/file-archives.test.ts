import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { appendFile, readFile, rename, unlink, writeFile } from "node:fs/promises";
import { afterEach, beforeEach, describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import { Bench } from "../../support/file-source.ts";
import { MemoryOutput, until } from "../../support/source-output.ts";

const FAST = { idle_line_flush_ms: 60_000, poll_interval_ms: 100, rotate_grace_ms: 200 };
const lines = (name: string, count = 20): string =>
  Array.from({ length: count }, (_, i) => `${name} line ${i}\n`).join("");
const texts = (name: string, count = 20): string[] => lines(name, count).split("\n").slice(0, -1);
const sorted = (all: readonly string[]): string[] => [...all].sort();

describe("archives as inputs", () => {
  let bench: Bench;
  let log: string;
  beforeEach(async () => {
    bench = await Bench.make();
    log = bench.path("app.log");
  });
  afterEach(() => bench[Symbol.asyncDispose]());

  const once = (set: { compressed?: "read"; start_at?: "end" } = { compressed: "read" }): Promise<MemoryOutput> =>
    bench.once({ include: [bench.path("app.log*")], ...set });

  it("are read whole, once, over restarts and renames", async () => {
    for (const n of [1, 2, 3]) await writeFile(`${log}.${n}.gz`, gzipSync(lines(`old${n}`)));
    await writeFile(`${log}.4.gz`, Buffer.concat([gzipSync(lines("two")), gzipSync(lines("members"))]));
    await writeFile(`${log}.5.gz`, gzipSync("tiny\n"));
    await writeFile(`${log}.6.gz`, gzipSync(""));
    await writeFile(log, lines("live"));
    const first = await once();
    const all = ["old1", "old2", "old3", "two", "members", "live"].flatMap((name) => texts(name));
    assert.deepEqual(sorted(first.texts()), sorted([...all, "tiny"]));
    assert.deepEqual(first.drops, []);
    assert.deepEqual((await once()).texts(), []);
    for (const n of [5, 4, 3, 2, 1]) await rename(`${log}.${n}.gz`, `${log}.${n + 1}.gz`);
    assert.deepEqual((await once()).texts(), []);
    await writeFile(`${log}.1.gz`, gzipSync(lines("new")));
    assert.deepEqual((await once()).texts(), texts("new"));
    assert.deepEqual((await once()).texts(), []);
  });

  it("are left out unless they are asked for", async () => {
    await writeFile(`${log}.1.gz`, gzipSync(lines("old")));
    assert.deepEqual((await bench.once({ include: [bench.path("app.log*")], exclude: [] })).texts(), []);
  });

  it("that hold what was read before it was compressed are not read, while the agent runs", async () => {
    await writeFile(log, lines("day0"));
    const run = bench.start({ include: [bench.path("app.log*")], compressed: "read", ...FAST });
    await until(() => run.output.count === 20);
    for (let day = 1; day <= 3; day++) {
      await rename(log, `${log}.1`);
      await writeFile(log, lines(`day${day}`));
      await until(
        () => run.output.count === 20 * (day + 1),
        () => run.output.texts().join(),
      );
      execFileSync("gzip", [`${log}.1`]);
      await until(() => run.messages.filter((message) => message.includes("known_archive")).length === day);
      await rename(`${log}.1.gz`, `${log}.${day + 1}.gz`);
    }
    await writeFile(`${log}.9.gz`, gzipSync(lines("unknown")));
    await until(() => run.output.count === 100);
    await run.stop();
    const all = ["day0", "day1", "day2", "day3", "unknown"].flatMap((name) => texts(name));
    assert.deepEqual(sorted(run.output.texts()), sorted(all));
    assert.deepEqual((await once()).texts(), []);
    assert.deepEqual(run.output.drops, []);
  });

  it("that hold what was read long ago, and was rotated since, are not read after a restart", async () => {
    await writeFile(log, lines("one"));
    assert.equal((await once()).count, 20);
    await rename(log, bench.path("away"));
    await writeFile(log, lines("two"));
    assert.equal((await once()).count, 20);
    // Compressed a day later, from another name.
    execFileSync("sh", ["-c", 'gzip -c "$1" > "$2"', "sh", bench.path("away"), `${log}.1.gz`]);
    await unlink(bench.path("away"));
    assert.deepEqual((await once()).texts(), []);
    // Much the same at the beginning, but not it.
    await writeFile(`${log}.2.gz`, gzipSync(lines("one", 8)));
    assert.equal((await once()).count, 8);
  });

  it("are finished where a crash left them, and not begun anew", async () => {
    await writeFile(`${log}.1.gz`, gzipSync(lines("old", 3000)));
    const killed = new MemoryOutput(bench.durable);
    killed.autoAck = false;
    const run = bench.start(
      { include: [bench.path("app.log*")], compressed: "read", read_chunk_bytes: 1024, ...FAST },
      { output: killed },
    );
    await until(() => killed.batches.length > 20);
    killed.ack(7);
    await run.kill();
    await once();
    const delivered = [...bench.durable.delivered.values()].map((event) => event.text);
    assert.deepEqual(delivered, texts("old", 3000));
    assert.deepEqual(bench.durable.conflicts, []);
    assert.equal(bench.durable.repeats, 0);
    assert.deepEqual((await once()).texts(), []);
  });

  it("that are still written are waited for", async () => {
    const whole = gzipSync(lines("slow", 5000));
    await writeFile(`${log}.1.gz`, whole.subarray(0, 40));
    const run = bench.start({ include: [bench.path("app.log*")], compressed: "read", ...FAST, rotate_grace_ms: 400 });
    for (let at = 40; at < whole.length; at += 2000) {
      await appendFile(`${log}.1.gz`, whole.subarray(at, at + 2000));
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await until(() => run.output.count >= 5000);
    assert.deepEqual(run.output.texts(), texts("slow", 5000));
    assert.deepEqual(await readFile(`${log}.1.gz`), whole);
    assert.deepEqual(run.output.drops, []);
  });

  it("that were there at the first start are left out with start_at: end, and later ones are read", async () => {
    await writeFile(`${log}.1.gz`, gzipSync(lines("old")));
    const set = { compressed: "read", start_at: "end" } as const;
    assert.deepEqual((await once(set)).texts(), []);
    await writeFile(`${log}.2.gz`, gzipSync(lines("later")));
    assert.deepEqual((await once(set)).texts(), texts("later"));
    await rename(`${log}.1.gz`, `${log}.3.gz`);
    assert.deepEqual((await once(set)).texts(), []);
  });
});
