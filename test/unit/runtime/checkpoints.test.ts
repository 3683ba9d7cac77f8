import assert from "node:assert/strict";
import { chmod, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { Checkpoints } from "../../../src/runtime/checkpoints.ts";
import { FakeClock, settled } from "../../support/clock.ts";
import { makeContext } from "../../support/context.ts";
import { temporaryFolder } from "../../support/folders.ts";

const nowhere = (): undefined => undefined;
const onDisk = async (path: string): Promise<Record<string, { routes: Record<string, [number, unknown]> }>> =>
  (JSON.parse(await readFile(path, "utf8")) as { partitions: Record<string, never> }).partitions;

async function setUp(folder: string) {
  const path = join(folder, "checkpoints.json");
  const clock = new FakeClock();
  const context = makeContext();
  return { path, clock, context, checkpoints: await Checkpoints.open(path, clock, context.log) };
}

test("what was settled is known to the next run, and only that", async (t) => {
  const { path, clock, context, checkpoints } = await setUp(await temporaryFolder(t));
  checkpoints.open("chat", "p1", { inode: 7 }, 0, ["a", "b"], nowhere);
  const a = checkpoints.progress("p1", "a")!;
  a.settle(a.begin(2, 200, { line: 3 }), 2);
  checkpoints.progress("p1", "b")!.begin(2, 200, { line: 3 });
  await checkpoints.close();
  const next = await Checkpoints.open(path, clock, context.log);
  assert.deepEqual(next.known("chat", ["a", "b"]), [
    {
      id: "p1",
      identity: { inode: 7 },
      points: [
        { position: 200, resume: { line: 3 } },
        { position: 0, resume: null },
      ],
      lowest: 0,
    },
  ]);
  assert.deepEqual(next.known("other", ["a"]), []);
});

test("open gives the lowest place that was not handed to a route yet; new routes start where they are told", async (t) => {
  const { checkpoints } = await setUp(await temporaryFolder(t));
  assert.equal(checkpoints.open("chat", "p1", null, 500, ["a"], nowhere), 500);
  checkpoints.progress("p1", "a")!.begin(1, 900, null);
  assert.equal(checkpoints.open("chat", "p1", null, 0, ["a"], nowhere), 900);
  assert.equal(checkpoints.open("chat", "p1", null, 700, ["a", "b"], nowhere), 700);
  assert.equal(checkpoints.progress("p1", "b")!.position, 700);
});

test("a file that was read to its end stays known while what a sink gave back has to be read again", async (t) => {
  const { path, clock, context, checkpoints } = await setUp(await temporaryFolder(t));
  checkpoints.open("chat", "p1", null, 0, ["a", "b"], nowhere);
  const [a, b] = ["a", "b"].map((route) => checkpoints.progress("p1", route)!);
  for (const progress of [a!, b!]) progress.settle(progress.begin(2, 200, null), 2);
  a!.begin(1, 300, null);
  b!.settle(b!.begin(1, 300, null), 1);
  checkpoints.forget("p1");
  assert.deepEqual(checkpoints.known("chat", ["a", "b"]), [], "nothing of it is to be read");
  // The sink of "a" ends.
  a!.restart();
  assert.equal(checkpoints.known("chat", ["a", "b"])[0]?.lowest, 200);
  await checkpoints.sync();
  const next = await Checkpoints.open(path, clock, context.log);
  assert.equal(next.known("chat", ["a", "b"])[0]?.lowest, 200);
  // The source reads it again, to its end, and it is delivered.
  assert.equal(checkpoints.open("chat", "p1", null, 0, ["a", "b"], nowhere), 200);
  const again = a!.begin(1, 300, null);
  checkpoints.forget("p1");
  await checkpoints.sync();
  assert.deepEqual(Object.keys(await onDisk(path)), ["p1"]);
  a!.settle(again, 1);
  await checkpoints.sync();
  assert.deepEqual(Object.keys(await onDisk(path)), []);
});

test("a file that is gone does not stay known for what cannot be read again", async (t) => {
  const { path, checkpoints } = await setUp(await temporaryFolder(t));
  checkpoints.open("chat", "p1", null, 0, ["a"], nowhere);
  const progress = checkpoints.progress("p1", "a")!;
  progress.begin(1, 300, null);
  progress.restart();
  checkpoints.forget("p1");
  await checkpoints.sync();
  assert.deepEqual(Object.keys(await onDisk(path)), []);
});

test("a file that was read to its end stays known when a sink gives up its share of the journal", async (t) => {
  const { checkpoints } = await setUp(await temporaryFolder(t));
  checkpoints.open("chat", "p1", null, 0, ["main|es"], nowhere);
  const progress = checkpoints.progress("p1", "main|es")!;
  progress.moveToJournal(progress.begin(2, 200, null), { settle: () => true });
  checkpoints.forget("p1");
  checkpoints.rewind("es");
  assert.equal(checkpoints.known("chat", ["main|es"])[0]?.lowest, 0);
});

test("a sink's own position wins when it is ahead, and not when it is behind", async (t) => {
  const { checkpoints } = await setUp(await temporaryFolder(t));
  checkpoints.open("chat", "p1", null, 100, ["a", "b"], nowhere);
  const own = new Map([
    ["a", { position: 250, resume: "own" }],
    ["b", { position: 50, resume: "own" }],
  ]);
  assert.equal(
    checkpoints.open("chat", "p1", null, 100, ["a", "b"], (route) => own.get(route)),
    100,
  );
  assert.equal(checkpoints.progress("p1", "a")!.position, 250);
  assert.equal(checkpoints.progress("p1", "a")!.resume, "own");
  assert.equal(checkpoints.progress("p1", "b")!.position, 100);
});

test("a forgotten partition leaves the file only when everything of it is settled", async (t) => {
  const { path, checkpoints } = await setUp(await temporaryFolder(t));
  checkpoints.open("chat", "p1", null, 0, ["a"], nowhere);
  const progress = checkpoints.progress("p1", "a")!;
  const pending = progress.begin(1, 10, null);
  checkpoints.forget("p1");
  await checkpoints.sync();
  assert.deepEqual(Object.keys(await onDisk(path)), ["p1"]);
  assert.deepEqual(checkpoints.known("chat", ["a"]), [], "its source is not told of it again");
  progress.settle(pending, 1);
  await checkpoints.sync();
  assert.deepEqual(await onDisk(path), {});
});

test("every sync holds what was said before it, however many come and whenever", async (t) => {
  const { path, checkpoints } = await setUp(await temporaryFolder(t));
  let made = 0;
  const chain = async (): Promise<void> => {
    for (let i = 0; i < 5; i++) {
      const id = `p${made++}`;
      checkpoints.open("chat", id, null, 0, ["a"], nowhere);
      await checkpoints.sync();
      assert.ok((await onDisk(path))[id] !== undefined, `${id} is on disk`);
    }
  };
  const immediate = async (): Promise<void> => {
    for (let i = 0; i < 20; i++) await checkpoints.sync();
  };
  await Promise.all([chain(), chain(), chain(), immediate(), immediate()]);
  await checkpoints.close();
});

test("changes are written within a second, and not each by itself", async (t) => {
  const { path, clock, checkpoints } = await setUp(await temporaryFolder(t));
  checkpoints.open("chat", "p1", null, 0, ["a"], nowhere);
  for (let i = 0; i < 100; i++) checkpoints.update("p1", { i });
  assert.equal(clock.pending, 1);
  await assert.rejects(readFile(path), { code: "ENOENT" });
  await clock.advance(1000);
  await checkpoints.sync();
  assert.deepEqual((await onDisk(path))["p1"], { source: "chat", identity: { i: 99 }, routes: { a: [0, null] } });
});

test("a damaged file is set aside, named in the log, and the agent starts without it", async (t) => {
  const folder = await temporaryFolder(t);
  for (const damage of ["{", "[]", '{"format":1,"partitions":{"p":{"source":"s","routes":{"a":["x",0]}}}}', ""]) {
    const path = join(folder, "checkpoints.json");
    await writeFile(path, damage);
    const context = makeContext();
    const checkpoints = await Checkpoints.open(path, new FakeClock(), context.log);
    assert.deepEqual(checkpoints.known("s", ["a"]), []);
    assert.match(context.logged[0]!.message, /damaged/);
    const aside = (await readdir(folder)).find((name) => name.startsWith("checkpoints.json.damaged-"))!;
    assert.equal(await readFile(join(folder, aside), "utf8"), damage);
    await rm(join(folder, aside));
  }
});

test("a failed write is said once, rejects those who need it, and is repeated until it works", async (t) => {
  const folder = join(await temporaryFolder(t), "state");
  await mkdir(folder);
  const { path, clock, context, checkpoints } = await setUp(folder);
  await rm(folder, { recursive: true });
  checkpoints.open("chat", "p1", null, 0, ["a"], nowhere);
  await assert.rejects(checkpoints.sync());
  assert.ok(checkpoints.failure !== undefined);
  await clock.advance(1000);
  await settled();
  assert.equal(context.logged.filter(({ level }) => level === "error").length, 1);
  await mkdir(folder);
  await chmod(folder, 0o755);
  const deadline = Date.now() + 5000;
  while (checkpoints.failure !== undefined && Date.now() < deadline) await clock.advance(1000);
  assert.equal(checkpoints.failure, undefined);
  assert.deepEqual(Object.keys(await onDisk(path)), ["p1"]);
});

test("after close nothing is written any more: the state directory may be another agent's", async (t) => {
  const { path, clock, checkpoints } = await setUp(await temporaryFolder(t));
  checkpoints.open("chat", "p1", null, 0, ["a"], nowhere);
  await checkpoints.close();
  const before = await readFile(path, "utf8");
  checkpoints.update("p1", { changed: true });
  await clock.advance(10_000);
  assert.equal(clock.pending, 0);
  assert.equal(await readFile(path, "utf8"), before);
});
