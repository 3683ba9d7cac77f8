import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { DropEstimate } from "../../../../../../src/sources/packet/drivers/cap/drop-estimate.ts";
import { readInterfaceCounters } from "../../../../../../src/sources/packet/drivers/cap/interface-counters.ts";
import { PcapStream } from "../../../../../../src/sources/packet/drivers/cap/pcap-stream.ts";
import { linkTypeOf } from "../../../../../../src/sources/packet/drivers/cap/request.ts";
import { readCapture } from "../../../../../support/captures.ts";
import { temporaryFolder } from "../../../../../support/folders.ts";

test("packets are written as a capture that can be read again, with both lengths and times to the microsecond", () => {
  const written: Buffer[] = [];
  const stream = new PcapStream((bytes) => written.push(Buffer.from(bytes)), 113, 100);
  assert.equal(written.length, 1, "the header goes out at once");
  // One buffer for all, as the addon has it.
  const frame = Buffer.alloc(65_535);
  const lengths = Array.from({ length: 5000 }, (_, i) => (i * 7) % 300);
  lengths.forEach((length, i) => {
    frame.fill(i & 255, 0, length);
    stream.add(frame, length, 1_700_000_000_000 + i + 0.25);
  });
  assert.ok(written.length > 1, "a full buffer goes out by itself");
  stream.flush();
  stream.flush();
  const { packets, interfaces, end } = readCapture(Buffer.concat(written));
  assert.equal(end.kind, "complete", end.message);
  assert.equal(interfaces[0]!.linkType, 113);
  assert.deepEqual(
    packets.map((each) => each.originalLength),
    lengths,
  );
  packets.forEach((packet, i) => {
    const bytes = Math.min(lengths[i]!, 100);
    assert.equal(packet.frame, (i & 255).toString(16).padStart(2, "0").repeat(bytes));
    assert.deepEqual(
      [packet.seconds, packet.nanoseconds],
      [1_700_000_000 + Math.floor(i / 1000), (i % 1000) * 1_000_000 + 250_000],
    );
  });
});

test("drops are what the interface counted and the capture does not have, and never fall", () => {
  const drops = new DropEstimate({ packets: 1000, missed: 5 }, 100 * 1024);
  drops.update({ packets: 1500, missed: 5 }, 500, true);
  assert.deepEqual([drops.droppedByKernel, drops.droppedByInterface], [0, 0]);
  // A hundred may wait in the kernel's buffer.
  drops.update({ packets: 2500, missed: 7 }, 1350, false);
  assert.deepEqual([drops.droppedByKernel, drops.droppedByInterface], [50, 2]);
  drops.update({ packets: 2500, missed: 7 }, 1400, true);
  assert.equal(drops.droppedByKernel, 100);
  // Counters that begin anew, and packets that were counted a moment later.
  drops.update({ packets: 0, missed: 0 }, 1401, true);
  assert.deepEqual([drops.droppedByKernel, drops.droppedByInterface], [100, 2]);
});

test("interfaces are counted as they can be captured: the loopback once, any as the sum, those that are gone not at all", async (t) => {
  const root = await temporaryFolder(t);
  for (const [name, received, sent] of [
    ["eth0", 10, 20],
    ["lo", 7, 7],
  ] as const) {
    const folder = join(root, name, "statistics");
    await mkdir(folder, { recursive: true });
    const all = { rx_packets: received, tx_packets: sent, rx_missed_errors: 2, rx_fifo_errors: 1 };
    for (const [counter, value] of Object.entries(all)) await writeFile(join(folder, counter), `${value}\n`);
  }
  await writeFile(join(root, "bonding_masters"), "");
  assert.deepEqual(readInterfaceCounters("eth0", root), { packets: 30, missed: 3 });
  assert.deepEqual(readInterfaceCounters("lo", root), { packets: 7, missed: 3 });
  assert.deepEqual(readInterfaceCounters("any", root), { packets: 37, missed: 6 });
  assert.equal(readInterfaceCounters("eth9", root), undefined);
});

test("link types have their numbers, those that cap does not know too", () => {
  const names = ["ETHERNET", "LINKTYPE_LINUX_SLL", "RAW", "Unknown linktype 276"];
  assert.deepEqual(names.map(linkTypeOf), [1, 113, 101, 276]);
});
