import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { renameSync, writeFileSync } from "node:fs";
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
  writeFile,
} from "node:fs/promises";
import { afterEach, beforeEach, describe, it } from "node:test";
import { Bench, FAST } from "../../support/file-source.ts";
import { numbered as numbers, numberedText as lines } from "../../support/lines.ts";
import { until } from "../../support/source-output.ts";

for (const watch of ["notify", "chokidar", "poll"] as const) {
  describe(`rotation while the file source runs (${watch})`, () => {
    let bench: Bench;
    let log: string;
    beforeEach(async () => {
      bench = await Bench.make();
      log = bench.path("connections.log");
    });
    afterEach(() => bench[Symbol.asyncDispose]());

    it("reads a renamed file to its end before the new one, also what is written to it afterwards", async () => {
      await writeFile(log, lines(0, 10));
      const run = bench.start({ include: [log], watch, ...FAST });
      await until(() => run.output.count === 10);
      const writer = await open(log, "a");
      await rename(log, log + ".1");
      await writer.write(lines(10, 20));
      await writeFile(log, lines(20, 30));
      await until(() => run.output.count === 30);
      assert.deepEqual(run.output.texts(), numbers(0, 30));
      await writer.write("late\n");
      await until(() => run.output.count === 31);
      assert.deepEqual(
        run.output.events().map((event) => event.path),
        new Array(31).fill(log),
      );
      await writer.close();
      await until(() => run.output.forgotten.length === 1);
      assert.equal(run.output.opened.length, 2);
      await run.stop();
    });

    it("reads what came and went at a path after the file before it was read, compressed, and done with", async () => {
      await writeFile(log, lines(0, 10));
      const run = bench.start({ include: [log], watch, ...FAST });
      await until(() => run.output.count === 10);
      // While nothing is at the path.
      await rename(log, log + "-1");
      execFileSync("gzip", [log + "-1"]);
      await until(() => run.output.forgotten.length === 1);
      // The folder is looked at meanwhile: the path is gone, and nothing is left to read of it.
      await new Promise((resolve) => setTimeout(resolve, 500));
      writeFileSync(log, lines(10, 20));
      renameSync(log, log + "-2");
      writeFileSync(log, lines(20, 30));
      await until(
        () => run.output.count === 30,
        () => `${run.output.texts().join()} ${run.messages.join("\n")}`,
      );
      assert.deepEqual(run.output.texts(), numbers(0, 30));
      await run.stop();
    });

    it("does not read a rotated file again whose new name matches too", async () => {
      await writeFile(log, lines(0, 10));
      const run = bench.start({ include: [log + "*"], watch, ...FAST });
      await until(() => run.output.count === 10);
      for (let i = 1; i <= 3; i++) {
        await rename(log + ".1", log + ".2").catch(() => undefined);
        await rename(log, log + ".1");
        await writeFile(log, lines(i * 10, i * 10 + 10));
        await until(
          () => run.output.count === (i + 1) * 10,
          () => `${run.output.texts().join()} ${run.messages.join("\n")}`,
        );
      }
      await run.stop();
      assert.deepEqual(run.output.texts(), numbers(0, 40));
      assert.deepEqual((await bench.once({ include: [log + "*"] })).texts(), []);
    });

    it("starts from the beginning of a file that was truncated after it was copied", async () => {
      await writeFile(log, lines(0, 10));
      const run = bench.start({ include: [log], watch, ...FAST });
      await until(() => run.output.count === 10);
      await copyFile(log, log + ".1");
      await truncate(log, 0);
      await appendFile(log, lines(10, 15));
      await until(() => run.output.count === 15);
      assert.deepEqual(run.output.texts(), numbers(0, 15));
      assert.equal(new Set(run.output.events().map((event) => event.partition)).size, 2);
      await run.stop();
    });

    it("does not read the copy that copytruncate makes, when it matches too", async () => {
      await writeFile(log, lines(0, 200));
      const run = bench.start({ include: [log + "*"], watch, ...FAST });
      await until(() => run.output.count === 200);
      await copyFile(log, log + ".1");
      await until(() => run.source.inputs().length > 0);
      await truncate(log, 0);
      await appendFile(log, lines(200, 210));
      await until(() => run.output.count >= 210);
      await run.stop();
      assert.deepEqual((await bench.once({ include: [log + "*"] })).texts(), []);
      assert.deepEqual(run.output.texts(), numbers(0, 210));
    });

    it("does not read the copy either when it starts between the copy and the truncation", async () => {
      const options = { include: [log + "*"], watch, ...FAST, rotate_grace_ms: 5_000 };
      await writeFile(log, lines(0, 200));
      const before = bench.start(options);
      await until(() => before.output.count === 200);
      await before.stop();
      await copyFile(log, log + ".1");
      const run = bench.start(options);
      await until(() => run.messages.some((message) => message.includes("same_file")));
      await truncate(log, 0);
      await appendFile(log, lines(200, 210));
      await until(() => run.output.count >= 10);
      await run.stop();
      assert.deepEqual((await bench.once({ include: [log + "*"] })).texts(), []);
      assert.deepEqual(run.output.texts(), numbers(200, 210));
    });

    it("notices a file that was truncated and grew past the position between two looks", async () => {
      await writeFile(log, lines(0, 10));
      const run = bench.start({ include: [log], watch, ...FAST });
      await until(() => run.output.count === 10);
      await writeFile(log, lines(100, 150));
      await until(
        () => run.output.count === 60,
        () => run.output.texts().join(),
      );
      assert.deepEqual(run.output.texts(), [...numbers(0, 10), ...numbers(100, 150)]);
      await run.stop();
    });

    it("reads a deleted file to its end and a new one under its name from the beginning", async () => {
      await writeFile(log, lines(0, 10));
      const run = bench.start({ include: [log], watch, ...FAST });
      await until(() => run.output.count === 10);
      const writer = await open(log, "a");
      await unlink(log);
      await writer.write(lines(10, 12));
      await until(() => run.output.count === 12);
      await writeFile(log, lines(12, 14));
      await until(() => run.output.count === 14);
      await writer.close();
      await until(() => run.output.forgotten.length === 1);
      assert.deepEqual(run.output.texts(), numbers(0, 14));
      await run.stop();
    });

    it("gives the open multiline event of a rotated file without waiting", async () => {
      const multiline = {
        start_pattern: "^\\S",
        allow_backtracking: false,
        flush_timeout_ms: 60_000,
        max_lines: 500,
        max_bytes: 1 << 20,
      };
      await writeFile(log, "one\n at x\n");
      const run = bench.start({ include: [log], watch, multiline, ...FAST });
      await until(() => run.source.inputs()[0]?.state === "idle");
      await rename(log, log + ".1");
      await writeFile(log, "two\n");
      await until(() => run.output.count === 1);
      assert.deepEqual(run.output.texts(), ["one\n at x"]);
      await until(() => run.source.inputs().some((input) => input.state === "idle" && input.sizeBytes === 4));
      await run.stop();
      assert.deepEqual(run.output.texts(), ["one\n at x", "two"]);
    });
  });
}

describe("rotation while the file source is down", () => {
  let bench: Bench;
  let log: string;
  beforeEach(async () => {
    bench = await Bench.make();
    log = bench.path("connections.log");
  });
  afterEach(() => bench[Symbol.asyncDispose]());

  const begin = async (include: string): Promise<void> => {
    await writeFile(log, lines(0, 10));
    assert.deepEqual((await bench.once({ include: [include] })).texts(), numbers(0, 10));
    await appendFile(log, lines(10, 20));
  };

  it("finishes the renamed file first, although its name does not match", async () => {
    await begin(log);
    await rename(log, log + ".1");
    await writeFile(log, lines(20, 30));
    const output = await bench.once({ include: [log] });
    assert.deepEqual(output.texts(), numbers(10, 30));
    assert.equal(output.events()[0]!.offset, 70);
    assert.deepEqual((await bench.once({ include: [log] })).texts(), []);
  });

  it("finishes the renamed file first when its name matches", async () => {
    await begin(log + "*");
    await rename(log, log + ".1");
    await writeFile(log, lines(20, 30));
    assert.deepEqual((await bench.once({ include: [log + "*"] })).texts(), numbers(10, 30));
    assert.deepEqual((await bench.once({ include: [log + "*"] })).texts(), []);
  });

  it("finishes a file that was moved to a folder below", async () => {
    await begin(log);
    await mkdir(bench.path("old"));
    await rename(log, bench.path("old/connections.log-20261121"));
    await writeFile(log, lines(20, 30));
    assert.deepEqual((await bench.once({ include: [log] })).texts(), numbers(10, 30));
  });

  for (const include of ["connections.log", "connections.log*"]) {
    it(`reads what it missed from the copy that copytruncate made (${include})`, async () => {
      await begin(bench.path(include));
      await copyFile(log, log + ".1");
      await truncate(log, 0);
      await appendFile(log, lines(20, 60));
      assert.deepEqual((await bench.once({ include: [bench.path(include)] })).texts(), numbers(10, 60));
      assert.deepEqual((await bench.once({ include: [bench.path(include)] })).texts(), []);
    });
  }

  it("knows the copy of a truncated file by its first lines, when no more was kept of it", async () => {
    await writeFile(log, lines(0, 6));
    const first = bench.start({ include: [log], watch: "poll", ...FAST });
    first.output.autoAck = false;
    await until(() => first.output.count >= 6);
    // Killed before the checkpoint was written again, although sinks have more lines by now.
    const [id, kept] = structuredClone([...bench.durable.partitions][0]!);
    await appendFile(log, lines(6, 10));
    await until(() => first.output.count >= 10);
    await first.kill();
    bench.durable.partitions.set(id, kept);
    await copyFile(log, log + ".1");
    await truncate(log, 0);
    await appendFile(log, lines(20, 60));
    const output = await bench.once({ include: [log] });
    assert.deepEqual(output.texts(), [...numbers(0, 10), ...numbers(20, 60)]);
    // Under the same ids as before.
    assert.equal(output.batches[0]!.partition.id, id);
  });

  it("does not read a copy again that it finishes over several starts, when include leaves out its name", async () => {
    await writeFile(log, lines(0, 10));
    await bench.once({ include: [log] });
    await appendFile(log, lines(10, 20));
    await copyFile(log, log + ".1");
    await truncate(log, 0);
    await appendFile(log, lines(20, 30));
    // Two starts of which no sink takes anything; the second one looks for the file where the first one found it.
    for (let i = 0; i < 2; i++) {
      const run = bench.start({ include: [log], watch: "poll", ...FAST });
      run.output.autoAck = false;
      await until(() => run.output.count >= 10);
      await run.kill();
    }
    const run = bench.start({ include: [log], watch: "poll", ...FAST });
    await until(() => run.output.forgotten.length === 1);
    const ended = run.messages.length;
    // Every path that is known is looked at more than once.
    await appendFile(log, lines(30, 40));
    await until(() => run.output.count >= 30);
    await new Promise((resolve) => setTimeout(resolve, 15 * FAST.poll_interval_ms));
    await run.stop();
    assert.deepEqual(run.output.texts(), numbers(10, 40), run.messages.slice(ended).join("\n"));
  });

  it("reads a file from its beginning that replaced the known one, be it shorter or longer", async () => {
    for (const [from, to] of [
      [100, 103],
      [200, 300],
    ] as const) {
      await writeFile(log + ".new", lines(from, to));
      await rename(log + ".new", log);
      assert.deepEqual((await bench.once({ include: [log] })).texts(), numbers(from, to));
    }
  });

  it("reads a new file from its beginning that has the inode of a deleted one", async () => {
    await begin(log);
    const { ino } = await stat(log);
    await rm(log);
    await writeFile(log, lines(500, 600));
    // Where the file system gives another inode, the same is tried by writing anew in place.
    if ((await stat(log)).ino !== ino) await writeFile(log, lines(500, 600));
    assert.deepEqual((await bench.once({ include: [log] })).texts(), numbers(500, 600));
  });

  it("notices a file that was truncated and has grown past its position, although its first bytes are the same", async () => {
    await writeFile(log, "header\n" + lines(0, 10));
    await bench.once({ include: [log] });
    await writeFile(log, "header\n" + lines(20, 90));
    const output = await bench.once({ include: [log] });
    assert.deepEqual(output.texts(), ["header", ...numbers(20, 90)]);
  });

  it("never skips the head of a new file, however small it is", async () => {
    await writeFile(log, "a\n");
    await bench.once({ include: [log] });
    await rm(log);
    await writeFile(log, "b\nc\n");
    assert.deepEqual((await bench.once({ include: [log] })).texts(), ["b", "c"]);
  });

  it("reads through Debian's logrotate, with create and with copytruncate", async () => {
    let logrotate: string;
    try {
      logrotate = execFileSync("sh", ["-c", "PATH=$PATH:/usr/sbin command -v logrotate"], { encoding: "utf8" }).trim();
    } catch {
      assert.fail("logrotate is not installed (apt-get install logrotate)");
    }
    const rotate = async (how: string): Promise<void> => {
      const conf = bench.path("../rotate.conf");
      await writeFile(conf, `${log} {\n  rotate 50\n  ${how}\n}\n`, { mode: 0o644 });
      execFileSync(logrotate, ["--force", "--state", bench.path("../rotate.state"), conf], { stdio: "pipe" });
    };
    for (const include of [log, log + "*"]) {
      await rm(bench.path(""), { recursive: true });
      await mkdir(bench.path(""), { mode: 0o755 });
      await writeFile(log, lines(0, 10), { mode: 0o644 });
      const run = bench.start({ include: [include], ...FAST });
      await until(() => run.output.count === 10);
      let next = 10;
      for (const how of ["create", "copytruncate", "create", "copytruncate", "create"]) {
        await appendFile(log, lines(next, next + 10));
        next += 10;
        await until(
          () => run.output.count === next,
          () => run.output.texts().join(),
        );
        await rotate(how);
        await appendFile(log, lines(next, next + 5));
        next += 5;
        await until(
          () => run.output.count === next,
          () => run.output.texts().join() + run.messages.join("\n"),
        );
      }
      await run.stop();
      assert.deepEqual(run.output.texts(), numbers(0, next));
      await appendFile(log, lines(next, next + 7));
      await rotate("create");
      await appendFile(log, lines(next + 7, next + 9));
      assert.deepEqual((await bench.once({ include: [include] })).texts(), numbers(next, next + 9));
      assert.deepEqual((await bench.once({ include: [include] })).texts(), []);
      assert.match(await readFile(log + ".1", "utf8"), /line/);
      bench.durable.partitions.clear();
      bench.durable.delivered.clear();
    }
  });
});
