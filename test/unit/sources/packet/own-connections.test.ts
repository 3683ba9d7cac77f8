import assert from "node:assert/strict";
import { test } from "node:test";
import { CaptureReader } from "../../../../src/packet/capture/capture-reader.ts";
import { HeaderDecoder } from "../../../../src/packet/headers/decode.ts";
import { addressHex, OwnConnections } from "../../../../src/sources/packet/own-connections.ts";
import { eth, ip4, ip6, pcap, tcp, udp } from "../../../support/frames.ts";

/** The times (seconds after the first) of the packets that are left. */
function left(own: OwnConnections, frames: readonly Buffer[]): number[] {
  const [batch] = new CaptureReader().read(pcap(frames));
  const columns = new HeaderDecoder(1024).decode(batch!);
  const before = batch!.count;
  const count = own.leaveOut(batch!, columns);
  assert.equal(batch!.count, before - count);
  return Array.from(batch!.seconds.subarray(0, batch!.count), (seconds) => seconds - 1_700_000_000);
}

const FRAMES = [
  eth(0x0800, ip4(6, tcp(40_000, 9200))),
  eth(0x0800, ip4(6, tcp(9200, 40_000), { source: "10.0.0.2", destination: "10.0.0.1" })),
  eth(0x0800, ip4(6, tcp(40_001, 9200))),
  eth(0x0800, ip4(6, tcp(40_000, 9200), { source: "10.0.0.9" })),
  eth(0x0800, ip4(17, udp(40_000, 9200))),
  eth(0x86dd, ip6(6, tcp(40_000, 9200))),
];

test("both directions of our own connection are left out, and others to the same server kept", () => {
  const own = new OwnConnections(() => 0);
  assert.deepEqual(left(own, FRAMES), [0, 1, 2, 3, 4, 5]);
  own.add("10.0.0.1", 40_000, "10.0.0.2", 9200);
  assert.deepEqual(left(own, FRAMES), [2, 3, 4, 5]);
  own.add("2001:db8::1", 40_000, "2001:db8::2", 9200);
  assert.deepEqual(left(own, FRAMES), [2, 3, 4]);
});

test("what comes late of a closed connection is ours, and its port is anybody's some time after", () => {
  let nowMs = 0;
  const own = new OwnConnections(() => nowMs);
  own.close(own.add("10.0.0.1", 40_000, "10.0.0.2", 9200));
  nowMs = 29_000;
  own.trim();
  assert.deepEqual(left(own, FRAMES), [2, 3, 4, 5]);
  nowMs = 31_000;
  own.trim();
  assert.equal(own.size, 0);
  assert.deepEqual(left(own, FRAMES), [0, 1, 2, 3, 4, 5]);
});

test("addresses are compared as bytes, however they are written", () => {
  assert.equal(addressHex("::ffff:10.0.0.1"), "0a000001");
  assert.equal(addressHex("fe80::1%eth0"), addressHex("FE80:0:0:0:0:0:0:1"));
  assert.equal(addressHex("::1"), `${"0".repeat(31)}1`);
});
