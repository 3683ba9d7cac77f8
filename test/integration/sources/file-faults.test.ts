import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, chmodSync, copyFileSync, truncateSync } from "node:fs";
import {
  appendFile,
  chmod,
  copyFile,
  mkdir,
  open,
  rename,
  rm,
  symlink,
  truncate,
  unlink,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, describe, it } from "node:test";
import { Bench } from "../../support/file-source.ts";
import { numberedText as lines } from "../../support/lines.ts";
import { MemoryOutput, until } from "../../support/source-output.ts";

const FAST = { idle_line_flush_ms: 60_000, poll_interval_ms: 50, rotate_grace_ms: 300 };

describe("the file source in trouble", () => {
  let bench: Bench;
  let log: string;
  beforeEach(async () => {
    bench = await Bench.make();
    log = bench.path("app.log");
  });
  afterEach(() => bench[Symbol.asyncDispose]());

  /** Runs the body as a user without privileges: root may read everything. */
  const unprivileged = async (body: () => Promise<void>): Promise<void> => {
    const isRoot = process.geteuid?.() === 0;
    if (isRoot) {
      await chmod(bench.dir, 0o777);
      await chmod(bench.path(""), 0o777);
      process.seteuid!(65534);
    }
    try {
      await body();
    } finally {
      if (isRoot) process.seteuid!(0);
    }
  };

  it("says the present size of a file while it waits for room, and counts exactly what a truncation took", async () => {
    await writeFile(log, lines(0, 2000));
    const output = new MemoryOutput(bench.durable);
    output.autoAck = false;
    output.room = 1;
    const run = bench.start({ include: [log], read_chunk_bytes: 1024, ...FAST }, { output });
    await until(() => output.unacked === 1);
    await appendFile(log, lines(2000, 3000));
    const size = Buffer.byteLength(lines(0, 3000));
    assert.equal(run.source.inputs()[0]!.sizeBytes, size);
    // The source notes sizes for itself at its next look, which a truncation afterwards cannot take back.
    await new Promise((resolve) => setTimeout(resolve, 600));
    await truncate(log, 0);
    await writeFile(log, "new\n");
    output.room = Infinity;
    output.autoAck = true;
    output.ackAll();
    await until(() => output.texts().at(-1) === "new");
    const emitted = output.batches.reduce((n, batch) => n + batch.byteLength, 0) - 4;
    const dropped = output.drops.reduce((n, drop) => n + drop.count, 0);
    assert.equal(emitted + dropped, size);
    assert.deepEqual([...new Set(output.drops.map((drop) => drop.reason))], ["truncated_before_read"]);
    await run.stop();
  });

  it("reads what is left of a deleted file once there is room", async () => {
    await writeFile(log, lines(0, 2000));
    const output = new MemoryOutput(bench.durable);
    output.autoAck = false;
    output.room = 1;
    const run = bench.start({ include: [log], read_chunk_bytes: 1024, max_open_files: 4, ...FAST }, { output });
    await until(() => output.unacked === 1);
    await unlink(log);
    output.room = Infinity;
    output.autoAck = true;
    output.ackAll();
    await until(() => output.count === 2000);
    await run.stop();
    assert.deepEqual(output.drops, []);
  });

  it("goes on by itself once a file may be read", async () => {
    await writeFile(log, lines(0, 5), { mode: 0o000 });
    await unprivileged(async () => {
      const run = bench.start({ include: [log], ...FAST });
      await until(() => run.source.inputs()[0]?.state === "failed");
      assert.match(run.source.inputs()[0]!.error!, /EACCES/);
      if (process.getuid?.() === 0) process.seteuid!(0);
      await chmod(log, 0o644);
      if (process.getuid?.() === 0) process.seteuid!(65534);
      await until(() => run.output.count === 5);
      await run.stop();
    });
  });

  const asRoot = (body: () => void): void => {
    const isRoot = process.getuid?.() === 0;
    if (isRoot) process.seteuid!(0);
    body();
    if (isRoot) process.seteuid!(65534);
  };

  it("finds what was not read of a file that was copied and truncated while its folder was locked", async () => {
    await writeFile(log, lines(0, 100));
    await unprivileged(async () => {
      const run = bench.start({ include: [log], ...FAST });
      await until(() => run.output.count === 100);
      // Without a pause in between: nothing is read meanwhile.
      asRoot(() => {
        chmodSync(bench.path(""), 0o700);
        appendFileSync(log, lines(100, 110));
        copyFileSync(log, `${log}.1`);
        truncateSync(log);
        appendFileSync(log, lines(110, 115));
      });
      await until(() => run.source.inputs().some(({ state }) => state === "failed"));
      asRoot(() => chmodSync(bench.path(""), 0o777));
      await until(() => run.output.count >= 115);
      await run.stop();
      assert.deepEqual(run.output.texts(), lines(0, 115).trimEnd().split("\n"));
      assert.deepEqual(run.output.drops, []);
    });
  });

  it("reads on in a folder that cannot be listed when a file of it is truncated", async () => {
    await writeFile(log, lines(0, 100));
    await unprivileged(async () => {
      const run = bench.start({ include: [log], ...FAST });
      await until(() => run.output.count === 100);
      asRoot(() => {
        chmodSync(bench.path(""), 0o711);
        truncateSync(log);
        appendFileSync(log, lines(100, 105));
      });
      await until(() => run.output.count >= 105);
      await run.stop();
      assert.deepEqual(run.output.texts(), lines(0, 105).trimEnd().split("\n"));
    });
  });

  it("goes on where it was in a file that could not be read at the start, and reads nothing twice", async () => {
    await writeFile(log, lines(0, 5));
    await bench.once({ include: [log] });
    await appendFile(log, lines(5, 7));
    await chmod(log, 0o000);
    await unprivileged(async () => {
      const run = bench.start({ include: [log], ...FAST });
      await until(() => run.source.inputs()[0]?.state === "failed");
      assert.deepEqual(run.output.forgotten, []);
      if (process.getuid?.() === 0) process.seteuid!(0);
      await chmod(log, 0o644);
      if (process.getuid?.() === 0) process.seteuid!(65534);
      await until(() => run.output.count > 0);
      assert.deepEqual(run.output.texts(), ["line 5", "line 6"]);
      await run.stop();
    });
  });

  it("reads a file once that two paths lead to, and follows a link that is switched", async () => {
    await writeFile(bench.path("a-1.log"), lines(0, 5));
    await symlink(bench.path("a-1.log"), bench.path("current.log"));
    for (const include of [bench.path("*.log"), bench.path("current.log")]) {
      bench.durable.partitions.clear();
      const run = bench.start({ include: [include], ...FAST });
      await until(() => run.output.count === 5);
      await writeFile(bench.path("a-2.log"), lines(5, 9));
      await unlink(bench.path("current.log"));
      await symlink(bench.path("a-2.log"), bench.path("current.log"));
      await until(() => run.output.count >= 9);
      await run.stop();
      assert.equal(run.output.texts().sort().join("\n") + "\n", lines(0, 9));
      await rm(bench.path("a-2.log"));
      await unlink(bench.path("current.log"));
      await symlink(bench.path("a-1.log"), bench.path("current.log"));
    }
  });

  it("reads all files of a single pass although only a few may be open at a time", async () => {
    for (let i = 0; i < 150; i++) await writeFile(bench.path(`f${i}.log`), `a ${i}\nb ${i}\n`);
    const support = new URL("../../support/file-source.js", import.meta.url).href;
    const script = `
      const { Bench } = await import(${JSON.stringify(support)});
      const bench = await Bench.make();
      console.log((await bench.once({ include: [${JSON.stringify(bench.path("*.log"))}] })).count);
      await bench[Symbol.asyncDispose]();`;
    const limited = 'ulimit -n 70; exec "$0" --input-type=module -e "$1"';
    const count = execFileSync("sh", ["-c", limited, process.execPath, script], { encoding: "utf8", timeout: 60_000 });
    assert.equal(count.trim(), "300");
  });

  it("loses nothing of files made all at once while too few may be open, and says so once", async () => {
    const support = (name: string): string => JSON.stringify(new URL(`../../support/${name}.js`, import.meta.url).href);
    const script = `
      const { Bench } = await import(${support("file-source")});
      const { until } = await import(${support("source-output")});
      const bench = await Bench.make();
      const run = bench.start({ include: [process.argv[1] + "/*.log"], poll_interval_ms: 50, idle_line_flush_ms: 60000 });
      console.log("started");
      await until(() => run.output.count === 600, () => run.output.count + run.messages.join(), 60000);
      console.log("600 read");
      await until(() => run.output.count === 900, () => run.output.count + run.messages.join(), 60000);
      const said = run.messages.filter((message) => message.startsWith("too many open files")).length;
      console.log(JSON.stringify([new Set(run.output.texts()).size, run.output.drops.length, said]));
      await run.stop();
      await bench[Symbol.asyncDispose]();`;
    const limited = 'ulimit -n 80; exec "$0" --input-type=module -e "$1" "$2"';
    const folder = bench.path("many");
    await mkdir(folder, { recursive: true });
    // The writer is another process, with descriptors of its own.
    const child = spawn("sh", ["-c", limited, process.execPath, script, folder], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const ended = once(child, "exit");
    let out = "";
    for await (const said of createInterface(child.stdout)) {
      out = said;
      const file = (i: number): string => join(folder, `f${i}.log`);
      if (said === "started") for (let i = 0; i < 300; i++) await writeFile(file(i), `a ${i}\nb ${i}\n`);
      if (said === "600 read") for (let i = 0; i < 300; i++) await appendFile(file(i), `c ${i}\n`);
    }
    assert.deepEqual(await ended, [0, null]);
    const [lines, drops, said] = JSON.parse(out) as [number, number, number];
    assert.deepEqual([lines, drops], [900, 0]);
    assert.ok(said >= 1 && said <= 2, `said ${said} times`);
  });

  for (const watch of ["notify", "chokidar"] as const) {
    it(`watches folders once there are descriptors for that, which there were not at the start, by ${watch}`, async () => {
      const support = (name: string): string =>
        JSON.stringify(new URL(`../../support/${name}.js`, import.meta.url).href);
      const script = `
        import { closeSync, openSync, appendFileSync } from "node:fs";
        const { Bench } = await import(${support("file-source")});
        const { until } = await import(${support("source-output")});
        const [log, watch] = process.argv.slice(1);
        const bench = await Bench.make();
        // What is loaded on first use needs descriptors itself.
        const options = { include: [log], watch, poll_interval_ms: 50, idle_line_flush_ms: 60000 };
        await bench.start({ ...options, watch: "poll" }).stop();
        for (const name of ["folder", "chokidar"]) await import(process.argv[3].replace("NAME", name));
        const held = [];
        try {
          for (;;) held.push(openSync("/dev/null"));
        } catch {}
        const run = bench.start(options);
        await until(() => run.messages.some((message) => /^watching files: .*EMFILE/.test(message)));
        for (const fd of held) closeSync(fd);
        await until(() => run.output.count === 2, () => run.output.count + run.messages.join());
        for (let i = 0; i < 20; i++) {
          appendFileSync(log, "more " + i + "\\n");
          await until(() => run.output.count === 3 + i, () => run.output.count + run.messages.join());
        }
        await run.stop();
        await bench[Symbol.asyncDispose]();
        console.log("read", run.output.count);`;
      await writeFile(log, "a\nb\n");
      const limited = 'ulimit -n 80; exec "$0" --input-type=module -e "$1" "$2" "$3" "$4"';
      const modules = new URL("../../../src/sources/file/NAME-watch.js", import.meta.url).href;
      const args = ["-c", limited, process.execPath, script, log, watch, modules];
      const out = execFileSync("sh", args, { encoding: "utf8", timeout: 60_000 });
      assert.equal(out.trim(), "read 22");
    });
  }

  it("tries again for as long as the disk fails to read, says so, and then goes on with the very next byte", async () => {
    await writeFile(log, lines(0, 3000));
    const file = await open(log);
    const prototype = Object.getPrototypeOf(file) as { read: (...args: unknown[]) => Promise<unknown> };
    await file.close();
    const read = prototype.read;
    let failures = 0;
    let isBroken = true;
    prototype.read = function (this: unknown, ...args: unknown[]): Promise<unknown> {
      // A bad place on the disk: what lies before it can be read.
      const [, , length, position] = args as [Buffer, number, number, number];
      if (!isBroken || position + length <= 12_000) return read.apply(this, args);
      failures++;
      return Promise.reject(Object.assign(new Error("EIO: i/o error, read"), { code: "EIO", syscall: "read" }));
    };
    try {
      const run = bench.start({ include: [log], read_chunk_bytes: 1024, ...FAST });
      await until(() => failures >= 3);
      assert.equal(run.source.inputs()[0]!.state, "failed");
      assert.match(run.source.inputs()[0]!.error!, /EIO/);
      const before = run.output.count;
      assert.ok(before > 0 && before < 3000, `${before} lines were read before the bad place`);
      // Rotated meanwhile, it does not hold up the next file, and its rest is read all the same.
      await rename(log, `${log}.1`);
      await writeFile(log, lines(3000, 3010));
      await until(() => run.output.texts().includes("line 3009"));
      isBroken = false;
      await until(() => run.output.count >= 3010);
      await run.stop();
      const isNext = (text: string): boolean => Number(text.slice(5)) >= 3000;
      const [old, next] = [run.output.texts().filter((text) => !isNext(text)), run.output.texts().filter(isNext)];
      assert.equal([...old, ...next].join("\n") + "\n", lines(0, 3010));
      assert.deepEqual(run.output.drops, []);
      assert.ok(run.messages.some((message) => /cannot read .*app\.log: EIO.*"unread_bytes":/.test(message)));
      assert.ok(run.messages.some((message) => /can be read again/.test(message)));
    } finally {
      prototype.read = read;
    }
  });

  it("does not read a copy as a new file while its original, known from before, cannot be opened", async () => {
    const options = { include: [`${log}*`], ...FAST };
    await writeFile(log, lines(0, 100));
    const first = bench.start(options);
    await until(() => first.output.count === 100);
    await first.stop();
    // While nobody looks more is written, copied and cut off; then the original cannot be read for a while.
    await appendFile(log, lines(100, 150));
    await copyFile(log, `${log}.1`);
    await writeFile(log, lines(150, 160));
    await chmod(log, 0);
    await unprivileged(async () => {
      const run = bench.start(options);
      try {
        await until(() => run.messages.some((message) => /cannot read .*app\.log: EACCES/.test(message)));
        await new Promise((resolve) => setTimeout(resolve, 4 * FAST.rotate_grace_ms));
        assert.equal(run.output.count, 0);
        if (process.getuid?.() === 0) process.seteuid!(0);
        await chmod(log, 0o644);
        await until(() => run.output.count >= 60);
        await new Promise((resolve) => setTimeout(resolve, 2 * FAST.rotate_grace_ms));
        assert.equal(run.output.texts().sort().join("\n"), lines(100, 160).trimEnd().split("\n").sort().join("\n"));
      } finally {
        await run.stop();
      }
    });
  });

  it("reads on through steps of the clock, forward and back, rotation and restarts between them", async () => {
    let stepMs = 0;
    const options = { include: [bench.path("app.log*")], ...FAST, idle_line_flush_ms: 200 };
    const set = { now: (): number => Date.now() + stepMs };
    let run = bench.start(options, set);
    let written = 0;
    const seen: string[] = [];
    for (const [turn, hours] of [0, 24 * 365, -24 * 365, 1, -1, 0].entries()) {
      stepMs = hours * 3_600_000;
      await appendFile(log, lines(written, (written += 50)));
      if (turn % 2 === 1) {
        await rename(log, bench.path(`app.log.${turn}`));
        await appendFile(log, lines(written, (written += 10)));
      }
      // A line without an end is handed over when it has waited long enough, whatever the clock says.
      await appendFile(log, `half ${turn}`);
      await until(() => run.output.texts().includes(`half ${turn}`));
      await appendFile(log, "\n");
      await until(() => run.output.count + seen.length >= written + turn + 1);
      if (turn === 2) {
        await run.stop();
        seen.push(...run.output.texts());
        run = bench.start(options, set);
      }
    }
    await run.stop();
    seen.push(...run.output.texts());
    const numbered = seen.filter((text) => text.startsWith("line "));
    assert.equal(new Set(numbered).size, written);
    assert.equal(numbered.length, written);
    assert.deepEqual(bench.durable.conflicts, []);
    assert.deepEqual(run.output.drops, []);
  });

  it("finds new files in a folder that was removed and made again", async () => {
    await writeFile(log, lines(0, 2));
    const run = bench.start({ include: [bench.path("*.log")], ...FAST });
    await until(() => run.output.count === 2);
    await rm(bench.path(""), { recursive: true });
    await mkdir(bench.path(""));
    await writeFile(bench.path("other.log"), lines(2, 4));
    await until(() => run.output.count === 4);
    await appendFile(bench.path("other.log"), lines(4, 5));
    await until(() => run.output.count === 5);
    await run.stop();
  });
});
