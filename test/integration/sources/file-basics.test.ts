import assert from "node:assert/strict";
import { appendFile, mkdir, open, rm, stat, truncate, writeFile } from "node:fs/promises";
import { beforeEach, describe, it, afterEach } from "node:test";
import { Bench, FAST } from "../../support/file-source.ts";
import { MemoryOutput, until } from "../../support/source-output.ts";

describe("the file source", () => {
  let bench: Bench;
  beforeEach(async () => {
    bench = await Bench.make();
  });
  afterEach(() => bench[Symbol.asyncDispose]());

  it("reads every line of all matching files once, with path and byte offset", async () => {
    await writeFile(bench.path("a.log"), "one\ntwö\nthree\n");
    await writeFile(bench.path("b.log"), "only\r\n");
    await writeFile(bench.path("c.txt"), "not this\n");
    await writeFile(bench.path("d.log.gz"), "nor this\n");
    const output = await bench.once({ include: [bench.path("*.log*")] });
    assert.deepEqual(
      output.events().map(({ path, offset, text }) => [path, offset, text]),
      [
        [bench.path("a.log"), 0, "one"],
        [bench.path("a.log"), 4, "twö"],
        [bench.path("a.log"), 9, "three"],
        [bench.path("b.log"), 0, "only"],
      ],
    );
    assert.equal(new Set(output.events().map((event) => event.partition)).size, 2);
    assert.match(output.events()[0]!.partition, /^[\w-]{16}$/);
    assert.equal(
      output.batches.reduce((n, batch) => n + batch.byteLength, 0),
      15 + 6,
    );
  });

  it("gives a last line without a line end at the end of a single pass", async () => {
    await writeFile(bench.path("a.log"), "one\ntwo");
    assert.deepEqual((await bench.once({ include: [bench.path("a.log")] })).texts(), ["one", "two"]);
    await appendFile(bench.path("a.log"), "\nthree\n");
    assert.deepEqual((await bench.once({ include: [bench.path("a.log")] })).texts(), ["three"]);
  });

  for (const watch of ["notify", "chokidar", "poll"] as const) {
    it(`follows files that grow and files that appear (${watch})`, async () => {
      await writeFile(bench.path("a.log"), "1\n");
      const run = bench.start({ include: [bench.path("**/*.log")], watch, ...FAST });
      await until(() => run.output.texts().length === 1);
      await appendFile(bench.path("a.log"), "2\nha");
      await until(() => run.output.texts().length === 2);
      await appendFile(bench.path("a.log"), "lf\n");
      await mkdir(bench.path("deep/er"), { recursive: true });
      await writeFile(bench.path("deep/er/b.log"), "new\n");
      await until(
        () => run.output.texts().length === 4,
        () => run.output.texts().join(),
      );
      assert.deepEqual(run.output.texts().sort(), ["1", "2", "half", "new"]);
      await run.stop();
    });
  }

  it("finds files in a folder that did not exist when it started", async () => {
    const run = bench.start({ include: [bench.path("later/on/*.log")], ...FAST });
    await until(() => run.messages.length > 0 || run.source.inputs().length === 0);
    await mkdir(bench.path("later/on"), { recursive: true });
    await writeFile(bench.path("later/on/a.log"), "x\n");
    await until(() => run.output.texts().length === 1);
    await appendFile(bench.path("later/on/a.log"), "y\n");
    await until(() => run.output.texts().length === 2);
    await run.stop();
  });

  it("gives a half line after its idle time, and what follows as an event of its own", async () => {
    await writeFile(bench.path("a.log"), "one\nhalf");
    const run = bench.start({ include: [bench.path("a.log")], ...FAST, idle_line_flush_ms: 100 });
    await until(() => run.output.texts().length === 2);
    await appendFile(bench.path("a.log"), "\nnext\n");
    await until(() => run.output.texts().length === 3);
    assert.deepEqual(
      run.output.events().map(({ offset, text }) => [offset, text]),
      [
        [0, "one"],
        [4, "half"],
        [9, "next"],
      ],
    );
    await run.stop();
  });

  it("leaves a half line at shutdown and gives it whole after the next start", async () => {
    await writeFile(bench.path("a.log"), "one\nha");
    const run = bench.start({ include: [bench.path("a.log")], ...FAST });
    await until(() => run.output.texts().length === 1);
    await run.stop();
    await appendFile(bench.path("a.log"), "lf\n");
    assert.deepEqual((await bench.once({ include: [bench.path("a.log")] })).texts(), ["half"]);
  });

  it("begins at the end of files that are there at the first start, and at the beginning of later ones", async () => {
    const options = { include: [bench.path("*.log")], start_at: "end" as const, ...FAST };
    await writeFile(bench.path("a.log"), "old\n");
    const run = bench.start(options);
    await until(() => run.output.opened.length === 1);
    await appendFile(bench.path("a.log"), "new\n");
    await writeFile(bench.path("b.log"), "first\n");
    await until(() => run.output.texts().length === 2);
    assert.deepEqual(run.output.texts().sort(), ["first", "new"]);
    assert.equal(run.output.events().find((event) => event.text === "new")!.offset, 4);
    await run.stop();
    await writeFile(bench.path("c.log"), "made while down\n");
    assert.deepEqual((await bench.once(options)).texts(), ["made while down"]);
  });

  it("goes on after a kill from what was acknowledged", async () => {
    await writeFile(bench.path("a.log"), Array.from({ length: 2000 }, (_, i) => `line ${i}\n`).join(""));
    const output = new MemoryOutput(bench.durable);
    output.autoAck = false;
    const run = bench.start({ include: [bench.path("a.log")], read_chunk_bytes: 1024, ...FAST }, { output });
    await until(() => output.events().length === 2000);
    output.ack(3);
    output.deliverUnacked(2);
    await run.kill();
    const rest = await bench.once({ include: [bench.path("a.log")], read_chunk_bytes: 1024 });
    assert.ok(rest.events().length < 2000);
    assert.deepEqual(
      [...bench.durable.delivered.values()].map((event) => event.text).sort(),
      Array.from({ length: 2000 }, (_, i) => `line ${i}`).sort(),
    );
    assert.deepEqual(bench.durable.conflicts, []);
  });

  it("gives each of two routes every event once, also where their positions lie inside a line", async () => {
    await writeFile(bench.path("a.log"), "one\ntwo\nhal");
    const output = new MemoryOutput(bench.durable, { routes: 2 });
    output.autoAck = false;
    const run = bench.start({ include: [bench.path("a.log")], ...FAST, idle_line_flush_ms: 50 }, { output });
    await until(() => output.texts().length === 3);
    output.ack(1, 0);
    output.ack(2, 1);
    await run.kill();
    await appendFile(bench.path("a.log"), "f\nend\n");
    const second = new MemoryOutput(bench.durable, { routes: 2 });
    await bench.once({ include: [bench.path("a.log")] }, second);
    for (const route of [0, 1]) {
      const got = [...bench.durable.delivered]
        .filter(([id]) => id.startsWith(`${route}/`))
        .sort(([, a], [, b]) => a.offset - b.offset);
      assert.deepEqual(
        got.map(([, event]) => event.text),
        ["one", "two", "hal", "f", "end"],
      );
    }
    assert.deepEqual(bench.durable.conflicts, []);
  });

  it("waits when there is no room, and goes on when there is", async () => {
    await writeFile(bench.path("a.log"), "0123456789abcde\n".repeat(10_000));
    const output = new MemoryOutput(bench.durable);
    output.autoAck = false;
    output.room = 2;
    const run = bench.start({ include: [bench.path("a.log")], read_chunk_bytes: 1024, ...FAST }, { output });
    await until(() => output.unacked === 2);
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(output.batches.length, 2);
    output.room = Infinity;
    output.autoAck = true;
    output.ackAll();
    await until(() => output.events().length === 10_000);
    await run.stop();
  });

  it("reads hundreds of files at once, and a large one does not keep the small ones waiting", async () => {
    await writeFile(bench.path("big.log"), "x".repeat(99).concat("\n").repeat(400_000));
    for (let i = 0; i < 400; i++) await writeFile(bench.path(`small-${i}.log`), `a ${i}\nb ${i}\n`);
    const output = new MemoryOutput(bench.durable);
    const run = bench.start({ include: [bench.path("*.log")], max_open_files: 50, ...FAST }, { output });
    await until(
      () => output.count === 400_800,
      () => String(output.count),
      30_000,
    );
    const lastSmall = output.batches.findLastIndex((batch) => batch.count === 2);
    const lastBig = output.batches.findLastIndex((batch) => batch.count > 2);
    assert.ok(lastSmall < lastBig, `a small file came after all of the big one (${lastSmall}, ${lastBig})`);
    await until(() => run.source.inputs().every((input) => input.state === "idle"));
    for (let i = 0; i < 400; i++) await appendFile(bench.path(`small-${i}.log`), `c ${i}\n`);
    await until(
      () => output.count === 401_200,
      () => String(output.count),
      30_000,
    );
    await run.stop();
  });

  it("cuts a line of 100 MB without holding it in memory", async () => {
    const handle = await open(bench.path("a.log"), "w");
    await handle.write("before\n");
    const block = Buffer.alloc(1 << 20, 120);
    for (let i = 0; i < 100; i++) await handle.write(block);
    await handle.write("\nafter\n");
    await handle.close();
    globalThis.gc?.();
    const rssBefore = process.memoryUsage().rss;
    let peak = 0;
    const timer = setInterval(() => (peak = Math.max(peak, process.memoryUsage().rss)), 5);
    const output = await bench.once({ include: [bench.path("a.log")], max_line_bytes: 10_000 });
    clearInterval(timer);
    assert.deepEqual(
      output.events().map(({ offset, text, flags }) => [offset, text.length, flags]),
      [
        [0, 6, undefined],
        [7, 10_000, ["truncated"]],
        [7 + (100 << 20) + 1, 5, undefined],
      ],
    );
    const dropped = output.drops.reduce((n, drop) => n + drop.count, 0);
    assert.equal(dropped, (100 << 20) - 10_000);
    assert.equal(
      output.batches.reduce((n, batch) => n + batch.byteLength, 0) + dropped,
      (await stat(bench.path("a.log"))).size,
    );
    assert.ok(peak - rssBefore < 60e6, `memory grew by ${peak - rssBefore}`);
  });

  it("joins multiline events across reads, gives the last after its idle time, and the open one at shutdown", async () => {
    const multiline = {
      start_pattern: "^\\S",
      allow_backtracking: false,
      flush_timeout_ms: 150,
      max_lines: 500,
      max_bytes: 1 << 20,
    };
    const options = { include: [bench.path("a.log")], multiline, ...FAST };
    await writeFile(bench.path("a.log"), "one\n at x\ntwo\n");
    const run = bench.start(options);
    await until(() => run.output.texts().length === 2);
    assert.deepEqual(run.output.texts(), ["one\n at x", "two"]);
    await run.stop();
    const slow = bench.start({ ...options, multiline: { ...multiline, flush_timeout_ms: 60_000 } });
    await until(() => slow.source.inputs()[0]?.state === "idle");
    // That "three" is handed over shows that "four", which came with it, was read and is held back.
    await appendFile(bench.path("a.log"), "three\n at y\nfour\n at z\n");
    await until(() => slow.output.texts().length === 1);
    assert.deepEqual(slow.output.texts(), ["three\n at y"]);
    await slow.stop();
    assert.deepEqual(slow.output.texts(), ["three\n at y", "four\n at z"]);
    assert.deepEqual((await bench.once(options)).texts(), []);
  });

  it("says of every file how large it is and how far it was read", async () => {
    await writeFile(bench.path("a.log"), "one\ntwo\n");
    const run = bench.start({ include: [bench.path("a.log")], ...FAST });
    await until(() => run.source.inputs()[0]?.readBytes === 8);
    await until(() => run.source.inputs()[0]?.state === "idle");
    const input = run.source.inputs()[0]!;
    assert.equal(input.name, bench.path("a.log"));
    assert.equal(input.sizeBytes, 8);
    await run.stop();
  });

  it("keeps reading what a file loses at its end or gains anew", async () => {
    await writeFile(bench.path("a.log"), "one\nunfinished business");
    const run = bench.start({ include: [bench.path("a.log")], ...FAST });
    await until(() => run.source.inputs()[0]?.readBytes === 4);
    await until(() => run.source.inputs()[0]?.state === "idle");
    await truncate(bench.path("a.log"), 4);
    await until(() => run.output.drops.length === 1);
    assert.deepEqual(run.output.drops, [{ count: 19, reason: "truncated_before_read" }]);
    await appendFile(bench.path("a.log"), "two\n");
    await until(() => run.output.texts().length === 2);
    assert.deepEqual(run.output.texts(), ["one", "two"]);
    await rm(bench.path("a.log"));
    await until(() => run.output.forgotten.length === 1);
    await run.stop();
  });
});
