import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  appendFile,
  copyFile,
  mkdir,
  open,
  readFile,
  rename,
  rm,
  stat,
  truncate,
  unlink,
  utimes,
  writeFile,
} from "node:fs/promises";
import { afterEach, beforeEach, describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import { GzipFile } from "../../../src/sources/file/gzip-file.ts";
import { Bench, FAST } from "../../support/file-source.ts";
import { numbered as numbers, numberedText as lines } from "../../support/lines.ts";
import { MemoryOutput, until } from "../../support/source-output.ts";

const byNumber = (a: string, b: string): number => Number(a.slice(5)) - Number(b.slice(5));
const reasons = (output: MemoryOutput) => output.drops.map(({ count, reason }) => [reason, count]);

describe("what was rotated while the file source was down", () => {
  let bench: Bench;
  let log: string;
  beforeEach(async () => {
    bench = await Bench.make();
    log = bench.path("app.log");
  });
  afterEach(() => bench[Symbol.asyncDispose]());

  const once = (include = log): Promise<MemoryOutput> => bench.once({ include: [include] });
  const begin = async (): Promise<void> => {
    await writeFile(log, lines(0, 10), { mode: 0o644 });
    assert.deepEqual((await once()).texts(), numbers(0, 10));
    await appendFile(log, lines(10, 20));
  };
  const gzip = (path: string): void => void execFileSync("gzip", [path]);
  const rotate = async (...how: string[]): Promise<void> => {
    const conf = bench.path("../rotate.conf");
    await writeFile(conf, `${log} {\n  rotate 50\n  ${how.join("\n  ")}\n}\n`, { mode: 0o644 });
    execFileSync("logrotate", ["--force", "--state", bench.path("../rotate.state"), conf], {
      stdio: "pipe",
      env: { ...process.env, PATH: `${process.env["PATH"]}:/usr/sbin:/sbin` },
    });
  };

  for (const name of ["app.log.gz", "app.log.1.gz", "app.log-20261121.gz", "app-20261121.log.gz", "app.log.1.z"]) {
    it(`is finished from ${name}, and then the new file is read`, async () => {
      await begin();
      await rename(log, bench.path("old"));
      execFileSync("sh", ["-c", 'gzip -c "$1" > "$2"', "sh", bench.path("old"), bench.path(name)]);
      await unlink(bench.path("old"));
      await writeFile(log, lines(20, 30));
      const output = await once();
      assert.deepEqual(output.texts(), numbers(10, 30));
      assert.equal(output.events()[0]!.offset, 70);
      assert.deepEqual(new Set(output.events().map((event) => event.path)), new Set([log]));
      assert.deepEqual(output.drops, []);
      assert.deepEqual((await once()).texts(), []);
    });
  }

  for (const how of [
    ["create", "compress"],
    ["create", "compress", "delaycompress"],
    ["create", "compress", "dateext"],
    ["copytruncate", "compress"],
    ["copytruncate", "compress", "delaycompress"],
    ["copytruncate", "compress", "dateext"],
    ["create", "dateext"],
    ["create", "compress", "olddir old"],
  ]) {
    for (const include of ["app.log", "app.log*"]) {
      it(`is finished as Debian's logrotate leaves it: ${how.join(", ")} (${include})`, async () => {
        if (how.includes("olddir old")) await mkdir(bench.path("old"), { mode: 0o755 });
        const glob = bench.path(include);
        await writeFile(log, lines(0, 10), { mode: 0o644 });
        assert.deepEqual((await once(glob)).texts(), numbers(0, 10));
        for (let next = 10; next < 60; next += 20) {
          await appendFile(log, lines(next, next + 10));
          const names = how.includes("dateext") ? [...how, `dateformat -20261121-${10 + next}`] : how;
          await rotate(...names);
          await appendFile(log, lines(next + 10, next + 20));
          const output = await once(glob);
          assert.deepEqual(output.texts(), numbers(next, next + 20));
          assert.deepEqual(output.drops, []);
          assert.deepEqual((await once(glob)).texts(), []);
        }
      });
    }
  }

  for (const compress of [[], ["compress"], ["compress", "delaycompress"]]) {
    for (const how of ["create", "copytruncate"]) {
      for (const include of ["app.log", "app.log*"]) {
        it(`is read whole, in order, when several rotations came and went: ${[how, ...compress].join(", ")} (${include})`, async () => {
          const glob = bench.path(include);
          await writeFile(log, lines(0, 10), { mode: 0o644 });
          await rotate(how, ...compress);
          await appendFile(log, lines(10, 15));
          // What was rotated before the first start is read only where include says so.
          const first = await once(glob);
          const firstLine = include === "app.log" ? 10 : compress.length === 1 ? 10 : 0;
          assert.deepEqual(first.texts().sort(byNumber), numbers(firstLine, 15));
          let next = 15;
          for (let i = 0; i < 4; i++) {
            await appendFile(log, lines(next, next + 10 + i));
            next += 10 + i;
            await rotate(how, ...compress);
          }
          await appendFile(log, lines(next, next + 3));
          const output = await once(glob);
          if (include === "app.log") assert.deepEqual(output.texts(), numbers(15, next + 3));
          assert.deepEqual(output.texts().sort(byNumber), numbers(15, next + 3));
          assert.deepEqual(output.drops, []);
          assert.deepEqual((await once(glob)).texts(), []);
          await rotate(how, ...compress);
          assert.deepEqual((await once(glob)).texts(), []);
        });
      }
    }
  }

  it("is read whole also when the last file that was known is gone itself", async () => {
    await begin();
    const { mtimeMs } = await stat(log);
    await writeFile(log + ".9", lines(800, 810));
    await utimes(log + ".9", mtimeMs / 1000 - 60, mtimeMs / 1000 - 60);
    await rm(log);
    await writeFile(log + ".2", lines(20, 30));
    gzip(log + ".2");
    await writeFile(log + ".1", lines(30, 40));
    await writeFile(log, lines(40, 50));
    const output = await once();
    assert.deepEqual(output.texts(), numbers(20, 50));
    // Of the last ten lines before it went nobody ever knew.
    assert.deepEqual(output.drops, []);
  });

  it("is not read again when it is compressed after it was read", async () => {
    await begin();
    for (const include of ["app.log", "app.log*"]) {
      await rename(log, log + ".1");
      await writeFile(log, lines(20, 22));
      await once(bench.path(include));
      gzip(log + ".1");
      const run = bench.start({ include: [bench.path(include)], exclude: [], ...FAST });
      await appendFile(log, "more\n");
      await until(() => run.output.texts().at(-1) === "more");
      await run.stop();
      assert.deepEqual(run.output.texts(), ["more"]);
      await rm(log + ".1.gz");
      await appendFile(log, lines(10, 20));
    }
  });

  for (const compressed of ["skip", "read"] as const) {
    it(`is not taken for text when its compressed file is seen before gzip wrote to it (${compressed})`, async () => {
      await writeFile(log, lines(0, 10));
      const run = bench.start({ include: [log + "*"], exclude: [], watch: "poll", compressed, ...FAST });
      await until(() => run.output.count === 10);
      const packed = await open(log + ".1.gz", "w");
      // Long enough for some looks.
      await new Promise((resolve) => setTimeout(resolve, 5 * FAST.poll_interval_ms));
      await packed.write(gzipSync(lines(500, 510)));
      await packed.close();
      await until(() => run.messages.some((message) => /app\.log\.1\.gz.*compressed/.test(message)));
      const expected = compressed === "read" ? [...numbers(0, 10), ...numbers(500, 510)] : numbers(0, 10);
      await until(() => run.output.count >= expected.length);
      await run.stop();
      assert.deepEqual(run.output.texts(), expected);
    });
  }

  it("is finished from a compressed file of several members, from a place of its own for each sink", async () => {
    const all = lines(0, 200_000);
    await writeFile(log, all);
    const output = new MemoryOutput(bench.durable, { routes: 2 });
    output.autoAck = false;
    output.room = 8;
    const run = bench.start({ include: [log], ...FAST }, { output });
    await until(() => output.unacked >= 8);
    output.ack(2, 0);
    output.ack(5, 1);
    await run.kill();
    const bytes = await readFile(log);
    await rm(log);
    const members = [bytes.subarray(0, 700_000), bytes.subarray(700_000)].map((part) => gzipSync(part));
    await writeFile(log + ".1.gz", Buffer.concat(members));
    const rest = await bench.once({ include: [log] }, new MemoryOutput(bench.durable, { routes: 2 }));
    assert.deepEqual(bench.durable.conflicts, []);
    assert.equal(bench.durable.repeats, 0);
    assert.equal(bench.durable.delivered.size, 2 * 200_000);
    assert.ok(rest.count < 200_000);
    assert.deepEqual(rest.drops, []);
  });

  it("is read up to the damage when it is cut short or overwritten, and the rest is counted", async () => {
    for (const harm of ["cut", "zeros"] as const) {
      bench.durable.partitions.clear();
      await rm(bench.path(""), { recursive: true });
      await mkdir(bench.path(""));
      const all = Array.from({ length: 20_000 }, (_, i) => `${i} ${Math.sin(i)}\n`).join("");
      await writeFile(log, all.slice(0, 100_000));
      const run = bench.start({ include: [log], ...FAST });
      await until(() => run.output.count > 0 && run.source.inputs()[0]?.state === "idle");
      run.output.autoAck = false;
      await appendFile(log, all.slice(100_000));
      // It has seen all, and nothing of the second part is confirmed.
      await until(() => run.source.inputs()[0]?.readBytes === all.length);
      await run.stop();
      const from = run.output.batches.findLast(
        (_, i) => i < run.output.batches.length - run.output.unacked,
      )!.endPosition;
      const packed = gzipSync(all);
      await writeFile(
        log + ".1.gz",
        harm === "cut" ? packed.subarray(0, packed.length - 50_000) : packed.fill(0, packed.length - 50_000),
      );
      await rm(log);
      await writeFile(log, "new\n");
      const output = await once();
      const read = output.batches.slice(0, -1).reduce((n, batch) => n + batch.byteLength, 0);
      assert.ok(read > 10_000, `${read} bytes before the damage`);
      assert.equal(output.texts().at(-1), "new");
      assert.ok(all.slice(from).startsWith(output.texts().slice(0, 100).join("\n")));
      assert.equal(output.drops.length, 1);
      assert.equal(output.drops[0]!.reason, "compressed_damaged");
      assert.equal(output.drops[0]!.count, all.length - from - read);
      assert.deepEqual((await once()).texts(), []);
    }
  });

  it("is counted exactly when it cannot be found, with what happened", async () => {
    for (const [reason, harm] of [
      ["truncated_while_down", () => truncate(log, 5)],
      ["deleted_while_down", () => rm(log)],
      ["replaced_while_down", () => writeFile(log + ".new", "other\n").then(() => rename(log + ".new", log))],
    ] as const) {
      bench.durable.partitions.clear();
      await writeFile(log, lines(0, 10));
      const run = bench.start({ include: [log], ...FAST });
      await until(() => run.output.count === 10);
      run.output.autoAck = false;
      await appendFile(log, lines(10, 20));
      await until(() => run.output.count === 20);
      await run.stop();
      await harm();
      const again = bench.start({ include: [log], ...FAST });
      await until(
        () => again.output.drops.length > 0,
        () => again.messages.join("\n"),
      );
      await again.stop();
      assert.deepEqual(reasons(again.output), [[reason, 80]]);
      const said = again.messages.find((message) => message.includes("80 bytes known and unread, from byte 70 on"));
      assert.match(said!, /more may have been written and lost/);
    }
  });

  it("says that more may be lost, and counts nothing, when all that was known had been read", async () => {
    await writeFile(log, lines(0, 10));
    await once();
    await truncate(log, 0);
    await writeFile(log, "new\n");
    const run = bench.start({ include: [log], ...FAST });
    await until(() => run.output.count === 1);
    await run.stop();
    assert.deepEqual(run.output.drops, []);
    assert.ok(run.messages.some((message) => /truncated.*if more was written after that, it is lost/.test(message)));
  });

  it("is told from a file with the same inode, made anew, by what was read and by when it was made", async () => {
    await writeFile(log, "");
    const run = bench.start({ include: [log], ...FAST });
    await until(() => run.source.inputs()[0]?.state === "idle");
    await run.stop();
    const before = await stat(log);
    // Create and delete until the inode comes back.
    let reused = false;
    for (let i = 0; i < 200 && !reused; i++) {
      await rm(log);
      await writeFile(log, "a\n");
      reused = (await stat(log)).ino === before.ino;
    }
    assert.deepEqual((await once()).texts(), ["a"]);
    await appendFile(log, "b\n");
    assert.deepEqual((await once()).texts(), ["b"]);
  });

  it("is unpacked in little memory, wherever one begins to read", async () => {
    const block = Buffer.alloc(1 << 20, "0123456789abcdef");
    const handle = await open(bench.path("big"), "w");
    for (let i = 0; i < 128; i++) await handle.write(block);
    await handle.close();
    gzip(bench.path("big"));
    const file = await GzipFile.open(await open(bench.path("big.gz")));
    try {
      assert.equal(file.unpackedBytes, 128 << 20);
      global.gc?.();
      const rss = process.memoryUsage.rss();
      const buffer = Buffer.alloc(100);
      for (const position of [127 << 20, (127 << 20) + 50, 10, (128 << 20) - 7]) {
        const { bytesRead } = await file.read(buffer, 0, 100, position);
        assert.equal(
          buffer.toString("latin1", 0, bytesRead),
          "0123456789abcdef".repeat(10).slice(position % 16, (position % 16) + bytesRead),
        );
        assert.equal(bytesRead, Math.min(100, (128 << 20) - position));
      }
      assert.equal((await file.read(buffer, 0, 100, 128 << 20)).bytesRead, 0);
      // Chunks are collected when V8 likes to; what matters is that it is not the whole.
      assert.ok(process.memoryUsage.rss() - rss < 64 << 20);
    } finally {
      await file.close();
    }
  });

  it("is waited for by the new file, and its rest counts as lag", async () => {
    await begin();
    const all = lines(0, 100_000);
    await appendFile(log, all.slice(Buffer.byteLength(lines(0, 20))));
    await copyFile(log, log + ".1");
    gzip(log + ".1");
    await rm(log);
    await writeFile(log, "new\n");
    const held = new MemoryOutput(bench.durable);
    held.autoAck = false;
    held.room = 1;
    const run = bench.start({ include: [log], ...FAST }, { output: held });
    await until(() => held.unacked === 1);
    const inputs = run.source.inputs();
    const rotated = inputs.find((input) => input.name.includes("app.log.1.gz"))!;
    assert.equal(rotated.sizeBytes, Buffer.byteLength(all));
    assert.ok(rotated.readBytes! < rotated.sizeBytes);
    const waiting = inputs.find((input) => input.name === log)!;
    assert.equal(waiting.state, "waiting");
    assert.match(waiting.waitingFor!, /app\.log\.1\.gz is read to its end$/);
    held.room = Infinity;
    held.autoAck = true;
    held.ackAll();
    await until(() => held.texts().at(-1) === "new");
    await run.stop();
    assert.equal(held.texts().length, 100_000 - 10 + 1);
  });
});
