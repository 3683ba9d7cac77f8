import assert from "node:assert/strict";
import {
  appendFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  rmdir,
  stat,
  symlink,
  truncate,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { gunzipSync } from "node:zlib";
import type { EncodedBatch, Slice } from "../../../../src/core/batch.ts";
import type { Sink } from "../../../../src/core/component.ts";
import { file } from "../../../../src/sinks/file/index.ts";
import { makeBatch, makeSinkBatch } from "../../../support/batches.ts";
import { makeContext, TEST_PLACEHOLDERS, type TestContext } from "../../../support/context.ts";

type Options = Parameters<typeof file.create>[0];

let folder = "";
let path = "";
let nowMs = 0;
let context: TestContext;
let sink: Sink | undefined;
const never = new AbortController().signal;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "wiretail-file-"));
  path = join(folder, "events.log");
  nowMs = Date.UTC(2026, 10, 21, 10, 38);
  context = makeContext({ now: () => nowMs });
});
afterEach(async () => {
  await sink?.close();
  sink = undefined;
  context.dispose();
  await rm(folder, { recursive: true, force: true });
});

async function open(more: Partial<Options> = {}): Promise<Sink> {
  await sink?.close();
  return (sink = await file.create({ path, format: "text", gzip: false, mode: "0640", ...more }, context));
}
async function write(to: Sink, from: EncodedBatch | readonly (EncodedBatch | Slice)[], timeMs = 0): Promise<void> {
  const result = await to.write(makeSinkBatch(from, to.encoding, to.destinationOf!(timeMs)), never, 1);
  assert.deepEqual(result, { outcome: "delivered" });
}
const text = (lines: readonly string[], more: { partition?: string; firstOffset?: number } = {}): EncodedBatch => ({
  ...makeBatch({ lines, encoding: { kind: "text" }, ...more }),
  resume: { after: lines.at(-1) },
});
const content = async (): Promise<string> => readFile(path, "utf8");

test("the position is the end of the last whole batch, with what its source needs to resume", async () => {
  const a = text(["a", "b", "c"]);
  const s = await open();
  assert.equal(s.position!(a.partition.id, "test"), undefined);
  await write(s, [{ batch: a, from: 0, to: 2 }]);
  assert.equal(s.position!(a.partition.id, "test"), undefined, "half a batch is no place to resume from");
  await write(s, [{ batch: a, from: 2, to: 3 }]);
  assert.deepEqual(s.position!(a.partition.id, "test"), { position: 300, resume: { after: "c" } });
  const again = await open();
  assert.deepEqual(again.position!(a.partition.id, "test"), { position: 300, resume: { after: "c" } });
  assert.equal(again.position!(a.partition.id, "other pipeline"), undefined);
});

test("documents that come again after a restart are left out, whatever the batches are now", async () => {
  await write(await open(), [{ batch: text(["a", "b", "c", "d"]), from: 0, to: 3 }]);
  const s = await open();
  await write(s, text(["a", "b"]));
  await write(s, [text(["c", "d"], { firstOffset: 200 }), text(["x"], { partition: "partition-000002" })]);
  assert.equal(await content(), "a\nb\nc\nd\nx\n");
  assert.equal(s.position!("partition-000001", "test")!.position, 400);
});

test("an end that was never committed is cut off, however long it is", async () => {
  for (const torn of ["s", "second", "second\n", "second\nand much more than what comes next\nx"]) {
    await write(await open(), text(["first"]));
    await sink!.close();
    sink = undefined;
    await appendFile(path, torn);
    const s = await open();
    assert.equal(await content(), "first\n");
    await write(s, text(["second"], { firstOffset: 100 }));
    assert.equal(await content(), "first\nsecond\n");
    await s.close();
    sink = undefined;
    await rm(path);
    await rm(`${path}.wiretail`);
  }
});

test("a crash between the data and its commit doubles nothing, right after a rotation too", async () => {
  for (let lines = 1; lines <= 4; lines++) {
    const s = await open({ max_bytes: 8 });
    for (let i = 0; i < lines; i++) await write(s, text([`line${i}`], { firstOffset: i * 100 }));
    await s.close();
    sink = undefined;
    // As if the last record of the log had not been written.
    const log = await readFile(`${path}.wiretail`, "utf8");
    await writeFile(`${path}.wiretail`, log.slice(0, log.lastIndexOf("\n", log.length - 2) + 1));
    await write(await open(), text([`line${lines - 1}`], { firstOffset: (lines - 1) * 100 }));
    assert.equal(await content(), `line${lines - 1}\n`, `after ${lines} lines`);
    await sink!.close();
    sink = undefined;
    for (const name of await readdir(folder)) await rm(join(folder, name));
  }
});

test("a file that was there before keeps what it holds, and events begin on a line of their own", async () => {
  await writeFile(path, "not ours, no newline");
  await write(await open(), text(["a"]));
  assert.equal(await content(), "not ours, no newline\na\n");
});

test("a file that somebody shortened is gone on with at its end, with a warning", async () => {
  await write(await open(), text(["a", "b"]));
  await sink!.close();
  sink = undefined;
  await truncate(path, 2);
  await write(await open(), text(["c"], { firstOffset: 200 }));
  assert.equal(await content(), "a\nc\n");
  assert.ok(context.logged.some((each) => each.level === "warn"));
  await truncate(path, 0);
  await write(sink!, text(["d"], { firstOffset: 300 }));
  assert.equal(await content(), "d\n");
});

test("a file that somebody moved away is followed by a new one", async () => {
  const s = await open();
  await write(s, text(["a"]));
  await rename(path, `${path}.old`);
  await write(s, text(["b"], { firstOffset: 100 }));
  assert.equal(await content(), "b\n");
  assert.equal(await readFile(`${path}.old`, "utf8"), "a\n");
});

test("a file is rotated before it grows over max_bytes, and only the newest are kept", async () => {
  const s = await open({ max_bytes: 8, keep: 2 });
  for (let i = 0; i < 6; i++) {
    nowMs += 500;
    await write(s, text([`line${i}`], { firstOffset: i * 100 }));
  }
  await s.close();
  sink = undefined;
  assert.equal(await content(), "line5\n");
  const rotated = (await readdir(folder)).filter((name) => /\.\d/.test(name)).sort();
  assert.equal(rotated.length, 2);
  const held = await Promise.all(rotated.map((name) => readFile(join(folder, name), "utf8")));
  assert.deepEqual(held.sort(), ["line3\n", "line4\n"]);
});

test("a file is rotated when it is older than max_age_hours", async () => {
  const s = await open({ max_age_hours: 1 });
  await write(s, text(["a"]));
  nowMs += 3_599_000;
  await write(s, text(["b"], { firstOffset: 100 }));
  assert.equal(await content(), "a\nb\n");
  nowMs += 1_000;
  await write(s, text(["c"], { firstOffset: 200 }));
  assert.equal(await content(), "c\n");
});

test("rotated files are compressed, also those that a crash left, and hold the same bytes", async () => {
  await writeFile(`${path}.20260101T000000Z`, "left by a crash\n");
  const s = await open({ max_bytes: 4, gzip: true });
  await write(s, text(["one"]));
  await write(s, text(["two"], { firstOffset: 100 }));
  // The clean-up behind a call is waited for by closing; what closing cuts short is done on the next start.
  await open({ max_bytes: 4, gzip: true });
  const deadline = Date.now() + 10_000;
  let names: string[] = [];
  while (Date.now() < deadline) {
    names = (await readdir(folder)).filter((name) => /\.\d/.test(name)).sort();
    if (names.length === 2 && names.every((name) => name.endsWith(".gz"))) break;
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.deepEqual(names, ["events.log.20260101T000000Z.gz", "events.log.20261121T103800Z.gz"]);
  const [left, one] = await Promise.all(
    names.map(async (name) => gunzipSync(await readFile(join(folder, name))).toString()),
  );
  assert.equal(left, "left by a crash\n");
  assert.equal(one, "one\n");
  assert.equal((await stat(join(folder, names[1]!))).mode & 0o777, 0o640);
});

test("events go to the file of their own date", async () => {
  const s = await open({ path: join(folder, "{hostname}", "{date}.log") });
  const days = [Date.UTC(2026, 10, 20, 23), Date.UTC(2026, 10, 21, 1)];
  for (const [i, day] of days.entries()) await write(s, text([`day ${i}`], { firstOffset: i * 100 }), day);
  assert.equal(await readFile(join(folder, "test-host", "2026-11-20.log"), "utf8"), "day 0\n");
  assert.equal(await readFile(join(folder, "test-host", "2026-11-21.log"), "utf8"), "day 1\n");
  assert.equal(s.position!("partition-000001", "test"), undefined);
});

test("more dates than files may be open are written all the same, and doubles are still known", async () => {
  const s = await open({ path: join(folder, "{date}.log") });
  for (const round of [0, 1]) {
    for (let day = 1; day <= 12; day++)
      await write(s, text([`day ${day}`], { firstOffset: day * 100 }), Date.UTC(2026, 0, day));
    assert.equal((await readdir(folder)).filter((name) => name.endsWith(".log")).length, 12, `round ${round}`);
  }
  for (let day = 1; day <= 12; day++) {
    assert.equal(await readFile(join(folder, `2026-01-${String(day).padStart(2, "0")}.log`), "utf8"), `day ${day}\n`);
  }
});

test("a placeholder never leads into another folder", async () => {
  context.dispose();
  context = makeContext({ placeholders: { ...TEST_PLACEHOLDERS, hostname: "../../etc", instanceId: ".." } });
  const s = await open({ path: join(folder, "{hostname}", "{instance_id}.log") });
  assert.equal(s.destinationOf!(0), join(folder, ".._.._etc", "_.log"));
});

test("a link in the place of the file is not followed", async () => {
  const victim = join(folder, "victim");
  await writeFile(victim, "untouched");
  await symlink(victim, path);
  const s = await open();
  const result = await s.write(makeSinkBatch(text(["a"]), s.encoding, s.destinationOf!(0)), never, 1);
  assert.equal(result.outcome, "hold");
  assert.equal(await readFile(victim, "utf8"), "untouched");
});

test("after a failure nothing is lost or doubled", async () => {
  const s = await open();
  await write(s, text(["a"]));
  // The log beside the file cannot be written any more: a folder is in the way of its replacement.
  await rm(`${path}.wiretail`);
  await s.close();
  sink = undefined;
  await rm(path);
  await mkdir(`${path}.wiretail`);
  const broken = await open();
  const batch = makeSinkBatch(text(["a", "b"]), broken.encoding, broken.destinationOf!(0));
  assert.notEqual((await broken.write(batch, never, 1)).outcome, "delivered");
  await rmdir(`${path}.wiretail`);
  assert.deepEqual(await broken.write(batch, never, 2), { outcome: "delivered" });
  assert.deepEqual(await broken.write(batch, never, 3), { outcome: "delivered" });
  assert.equal(await content(), "a\nb\n");
});

test("options that make no sense are found by check", () => {
  const faults = (more: Partial<Options>): unknown[] =>
    file.validate!({ path, format: "json", gzip: false, mode: "0640", ...more }).map(([pointer]) => pointer);
  assert.deepEqual(faults({}), []);
  assert.deepEqual(faults({ gzip: true }), ["/gzip"]);
  assert.deepEqual(faults({ keep: 3 }), ["/keep"]);
  assert.deepEqual(faults({ keep: 3, gzip: true, max_bytes: 1 }), []);
  assert.deepEqual(faults({ path: "/var/log/" }), ["/path"]);
  assert.deepEqual(faults({ path: "/var/{nothing}" }), ["/path"]);
});
