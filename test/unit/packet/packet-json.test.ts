import assert from "node:assert/strict";
import { it } from "node:test";
import { assertSameDocuments } from "../../support/packet-documents.ts";
import * as f from "../../support/frames.ts";

it("a packet of every kind is written as its document is, on every link type", () => {
  const all = f.exoticFrames();
  for (const linkType of new Set(all.map((each) => each.linkType))) {
    const frames = all.filter((each) => each.linkType === linkType).map(({ frame }) => frame);
    assert.equal(assertSameDocuments(f.pcap([...frames, ...frames], { linkType })), 2 * frames.length);
  }
});

it("packets that differ in one byte only are told apart", () => {
  for (const frame of [
    f.eth(0x8100, f.tag(7, 0x0800, f.ip4(6, f.tcp(1, 2, 0x18, [1])))),
    f.eth(0x86dd, f.ip6(17, f.udp(1, 2, [1]))),
  ]) {
    const frames = [...frame.keys()].flatMap((at) => {
      const other = Buffer.from(frame);
      other[at]! ^= 1;
      return [frame, other];
    });
    assertSameDocuments(f.pcap(frames));
  }
});

it("times are written to their last digit, in every year that can be written", () => {
  const b = new f.PcapngBlocks();
  const frame = f.eth(0x0800, f.ip4(17, f.udp(1000, 2000)));
  const seconds = [0n, 1n, 1_700_000_000n, 2n ** 32n - 1n, 2n ** 32n, 253_402_300_799n];
  const nanoseconds = [0n, 1n, 999n, 1000n, 500_000n, 1_000_000n, 123_456_789n, 999_000_000n, 999_999_999n];
  const times = seconds.flatMap((second) => nanoseconds.map((rest) => second * 1_000_000_000n + rest));
  const named = b.interface(1, 0, b.option(9, [9]), b.option(2, Buffer.from('eth"0')));
  // 2^64 ns end in 2554.
  const packets = times.filter((time) => time < 2n ** 64n).map((time) => b.packet(0, time, frame));
  assert.ok(assertSameDocuments(f.join(b.section(), named, ...packets, b.simple(frame))) > 40);
});
