import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { gunzipSync, gzipSync } from "node:zlib";
import { gzip } from "../../src/codec/gzip/gzip.ts";
import { DeflateThreads, type Slot } from "../../src/codec/gzip/threads.ts";
import { waitFor } from "../support/e2e.ts";
import { randomBelow } from "../support/random.ts";

const random = randomBelow(11);
const line = (): string => `{"message":"${random(1e9)} took ${random(1000)} ms","level":"${random(5)}"}\n`;
const lines = (bytes: number): Buffer => {
  let text = "";
  while (text.length < bytes) text += line();
  return Buffer.from(text.slice(0, bytes));
};
const failed = (error: Error): never => assert.fail(error);

/** A slot, once a thread has started. */
async function take(threads: DeflateThreads): Promise<Slot> {
  let slot: Slot | undefined;
  await waitFor("a thread", async () => (slot = await threads.take()) !== undefined);
  return slot!;
}

test("bodies of every size and cut unpack to the same bytes, also many at the same time", async () => {
  const bodies = [0, 1, 65_535, 65_536, 300_000, 2_000_000, 4 << 20, (4 << 20) + 1, 10_000_000].map(lines);
  const inPieces = (body: Buffer): Buffer[] => {
    const pieces: Buffer[] = [];
    for (let at = 0; at < body.length;) {
      const size = 1 + random(body.length / 3);
      pieces.push(body.subarray(at, at + size));
      at += size;
    }
    return pieces;
  };
  const cut = [...bodies, ...bodies].map(inPieces);
  // While a thread starts zlib does it.
  const body = bodies[4]!;
  await waitFor("a thread", async () => !(await gzip([body], 6, failed)).equals(gzipSync(body, { level: 6 })));
  const packed = await Promise.all(cut.map((pieces, i) => gzip(pieces, 1 + (i % 9), failed)));
  packed.forEach((bytes, i) => assert.ok(gunzipSync(bytes).equals(Buffer.concat(cut[i]!)), `body ${i}`));
});

test("each waits for a slot of its own, and threads that were ended start again", async () => {
  const threads = new DeflateThreads(failed, 2);
  const first = await take(threads);
  const slots = [first, ...(await Promise.all(Array.from({ length: 3 }, () => take(threads))))];
  assert.equal(new Set(slots.map(({ thread }) => thread)).size, 2);
  for (const { thread } of slots)
    assert.deepEqual(
      slots
        .filter((each) => each.thread === thread)
        .map(({ index }) => index)
        .sort(),
      [0, 1],
    );
  let got = false;
  const fifth = threads.take()!.then((slot) => {
    got = true;
    return slot;
  });
  await new Promise(setImmediate);
  assert.ok(!got);
  threads.give(slots[0]!);
  for (const slot of [await fifth, ...slots.slice(1)]) threads.give(slot);
  await threads.close();
  const again = await take(threads);
  again.input.write("abc");
  const { bytes } = await again.deflate({ length: 3, level: 6, isLast: true, crc: 0 });
  assert.ok(bytes.length > 0);
  threads.give(again);
  await threads.close();
});

test("a thread that fails says so to whoever waits for it, and others are started", async () => {
  const failures: Error[] = [];
  const threads = new DeflateThreads((error) => failures.push(error), 1);
  const slot = await take(threads);
  const second = await take(threads);
  const third = threads.take()!;
  third.catch(() => undefined);
  // No slot of that number: the kernel reaches out of its memory.
  const broken = slot.thread.ask({ slot: 1000, length: 100, level: 1, isLast: true, crc: 0 });
  await assert.rejects(broken, /memory|range|out of/i);
  await assert.rejects(third);
  await assert.rejects(second.deflate({ length: 1, level: 1, isLast: true, crc: 0 }));
  for (const each of [slot, second]) threads.give(each);
  assert.equal(failures.length, 1);
  const next = await take(threads);
  assert.notEqual(next.thread, slot.thread);
  threads.give(next);
  await threads.close();
});

/** Runs a program that has so many descriptors left when it compresses, and prints what came of it. */
async function withDescriptors(left: number): Promise<{ same: boolean; said: string[]; later: boolean }> {
  const module = new URL("../../src/codec/gzip/gzip.js", import.meta.url).href;
  const program = `
    import { closeSync, openSync } from "node:fs";
    import { gunzipSync, gzipSync } from "node:zlib";
    import { gzip } from ${JSON.stringify(module)};
    const open = [];
    try { for (;;) open.push(openSync("/dev/null")); } catch {}
    for (let i = 0; i < ${left}; i++) closeSync(open.pop());
    const body = Buffer.alloc(1_000_000, "some line\\n");
    const said = [];
    const packed = await gzip([body], 6, (error) => said.push(error.message));
    await new Promise((resolve) => setTimeout(resolve, 300));
    for (const each of open) closeSync(each);
    const later = await gzip([body], 6, (error) => said.push(error.message));
    console.log(JSON.stringify({ same: gunzipSync(packed).equals(body), later: gunzipSync(later).equals(body), said }));`;
  const command = ["-n", "64", process.execPath, "--input-type=module", "-e", program];
  const shell = ["-c", 'ulimit "$1" "$2"; shift 2; exec "$@"', "sh", ...command];
  const { stdout } = await promisify(execFile)("sh", shell, { cwd: fileURLToPath(new URL(".", import.meta.url)) });
  return JSON.parse(stdout) as { same: boolean; said: string[]; later: boolean };
}

test("without descriptors for a thread zlib does it, and this is said", async () => {
  for (const left of [0, 1, 3, 4, 6]) {
    const { same, said, later } = await withDescriptors(left);
    assert.deepEqual({ same, later }, { same: true, later: true }, `${left} left`);
    if (left < 3) assert.match(said.join(), /EMFILE/, `${left} left`);
  }
});
