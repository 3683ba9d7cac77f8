import assert from "node:assert/strict";
import { rename, rm, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { gzipSync } from "node:zlib";
import { CaptureFiles } from "../../../../src/sources/packet/capture-files.ts";
import { packetDefaults, type PacketOptions } from "../../../../src/sources/packet/options.ts";
import { temporaryFolder } from "../../../support/folders.ts";
import { eth, ip4, pcap, udp } from "../../../support/frames.ts";
import { Durable, MemoryOutput, sourceContext, until } from "../../../support/source-output.ts";

/** Packets that can be told apart. */
const capture = (count: number, salt = 0): Buffer =>
  pcap(Array.from({ length: count }, (_, i) => eth(0x0800, ip4(17, udp(1000 + salt, 2000, [i >> 8, i & 255])))));

async function setUp(t: TestContext): Promise<{ folder: string; options: PacketOptions }> {
  const folder = await temporaryFolder(t);
  const files = [join(folder, "*.pcap*")];
  const options: PacketOptions = { ...packetDefaults(), files, settle_seconds: 0, poll_interval_seconds: 0.1 };
  return { folder, options };
}

async function readOnce(folder: string, options: PacketOptions, output: MemoryOutput): Promise<string[]> {
  const context = sourceContext(folder, { once: true });
  await new CaptureFiles(options, context).run(output, new AbortController().signal);
  return context.messages;
}

const numbers = (output: MemoryOutput): number[] =>
  output.texts().map((text) => (JSON.parse(text) as { frame: { number: number } }).frame.number);

test("a capture that was read half before a crash gives the same ids again, and each packet once", async (t) => {
  const { folder, options } = await setUp(t);
  await writeFile(join(folder, "a.pcap"), capture(3000));
  const durable = new Durable();
  const first = new MemoryOutput(durable, { routes: 2 });
  first.autoAck = false;
  await readOnce(folder, options, first);
  assert.equal(first.count, 3000);
  // The faster of two routes has two batches, and some more that the checkpoint does not know of.
  first.ack(2, 0);
  first.ack(1, 1);
  first.deliverUnacked(2);
  const second = new MemoryOutput(durable, { routes: 2 });
  await readOnce(folder, options, second);
  assert.equal(second.events()[0]!.offset, first.batches[1]!.offsets[0], "from where the slower route was");
  assert.deepEqual(durable.conflicts, []);
  assert.equal(durable.delivered.size, 2 * 3000);
  const third = new MemoryOutput(durable, { routes: 2 });
  await readOnce(folder, options, third);
  assert.equal(third.count, 0, "it is known to be done");
});

test("a capture under another name, or compressed since, is the same and not read again", async (t) => {
  const { folder, options } = await setUp(t);
  await writeFile(join(folder, "a.pcap"), capture(10));
  const durable = new Durable();
  await readOnce(folder, options, new MemoryOutput(durable));
  await rename(join(folder, "a.pcap"), join(folder, "b.pcap"));
  await writeFile(join(folder, "c.pcap.gz"), gzipSync(capture(10)));
  const again = new MemoryOutput(durable);
  const messages = await readOnce(folder, options, again);
  assert.equal(again.count, 0);
  assert.match(messages.join("\n"), /c\.pcap\.gz holds the same as .*b\.pcap/);
  assert.deepEqual(again.forgotten, []);
  await rm(join(folder, "b.pcap"));
  await rm(join(folder, "c.pcap.gz"));
  const last = new MemoryOutput(durable);
  await readOnce(folder, options, last);
  assert.equal(last.forgotten.length, 1, "what is gone is forgotten");
});

test("a capture that is cut gives its whole packets, and says where it ends", async (t) => {
  const { folder, options } = await setUp(t);
  await writeFile(join(folder, "a.pcap"), capture(10).subarray(0, -5));
  await writeFile(join(folder, "b.pcap"), "no capture at all");
  await writeFile(join(folder, "c.pcap.gz"), gzipSync(capture(500, 1)).subarray(0, -20));
  const output = new MemoryOutput();
  const messages = await readOnce(folder, options, output);
  assert.deepEqual(numbers(output).slice(0, 9), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
  assert.match(messages.join("\n"), /a\.pcap: cut: it ends at byte \d+/);
  assert.match(messages.join("\n"), /b\.pcap: not a capture/);
  assert.match(messages.join("\n"), /c\.pcap\.gz: /);
  assert.ok(output.count > 9, "what came before the damage of a compressed one");
});

test("while it runs, a capture is read when it is complete, and new ones are found", async (t) => {
  const { folder, options } = await setUp(t);
  const output = new MemoryOutput();
  const stop = new AbortController();
  const files = new CaptureFiles({ ...options, settle_seconds: 3600 }, sourceContext(folder));
  const running = files.run(output, stop.signal);
  try {
    const path = join(folder, "a.pcap");
    await writeFile(path, capture(5));
    await until(() => files.inputs()[0]?.state === "waiting");
    assert.equal(output.count, 0);
    await utimes(path, 1e9, 1e9);
    await until(() => output.count === 5);
    await until(() => files.inputs()[0]?.state === "finished");
  } finally {
    stop.abort();
    await running;
  }
});
