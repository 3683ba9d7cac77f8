import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { Fragments } from "../../../../src/packet/streams/fragments.ts";
import * as f from "../../../support/frames.ts";

function piece4(payload: Uint8Array, offset: number, more: boolean, id = 9): Buffer {
  return f.ip4(17, payload, { id, fragment: (more ? 0x2000 : 0) | (offset >> 3) });
}

function take(fragments: Fragments, packet: Buffer, timeMs = 0): Uint8Array | undefined {
  return fragments.take(packet, 0, packet.length, packet[0]! >> 4, timeMs);
}

describe("datagrams in pieces", () => {
  it("of both versions are put together from any order, repetition and agreeing overlap", () => {
    const size = fc.integer({ min: 25, max: 400 });
    const extra = fc.array(fc.tuple(fc.nat(60), fc.integer({ min: 1, max: 12 })), { maxLength: 20 });
    fc.assert(
      fc.property(size, extra, fc.boolean(), fc.infiniteStream(fc.nat()), (length, more, is6, order) => {
        const payload = Buffer.from(Array.from({ length }, (_, i) => (i * 7) & 255));
        const blocks = Math.ceil(length / 8);
        const cuts: [number, number][] = [];
        for (let at = 0; at < blocks; at += 3) cuts.push([at, 3]);
        for (const [at, count] of more) cuts.push([at % blocks, count]);
        const keyed = cuts.map((cut) => ({ cut, key: order.next().value as number })).sort((a, b) => a.key - b.key);
        const fragments = new Fragments();
        let whole: Uint8Array | undefined;
        for (const { cut } of keyed) {
          const at = cut[0] * 8;
          const end = Math.min(length, at + cut[1] * 8);
          const part = payload.subarray(at, end);
          const packet = is6 ? f.ip6(44, f.fragment6(17, at, end < length, part)) : piece4(part, at, end < length);
          whole ??= take(fragments, packet);
        }
        assert.ok(whole !== undefined);
        assert.deepEqual(Buffer.from(whole.subarray(is6 ? 40 : 20)), payload);
        assert.ok(!fragments.isPiece(whole, 0, whole.length, is6 ? 6 : 4));
      }),
      { numRuns: 300 },
    );
  });

  it("are given up when a piece says something else than another", () => {
    const fragments = new Fragments();
    take(fragments, piece4(Buffer.alloc(16, 1), 0, true));
    take(fragments, piece4(Buffer.alloc(16, 2), 8, true));
    assert.deepEqual([fragments.open, fragments.counters.datagrams_contradicting], [0, 1]);
  });

  it("are given up after a time, and when there are too many", () => {
    const fragments = new Fragments({ maxDatagrams: 3, timeoutMs: 1000 });
    for (let id = 0; id < 5; id++) take(fragments, piece4(Buffer.alloc(8), 8, true, id), id);
    assert.deepEqual([fragments.open, fragments.counters.datagrams_evicted], [3, 2]);
    fragments.expire(5000);
    assert.deepEqual([fragments.open, fragments.counters.datagrams_timed_out], [0, 3]);
  });

  it("take no more memory than they may", () => {
    const fragments = new Fragments({ maxBytes: 10_000 });
    for (let id = 0; id < 100; id++) take(fragments, piece4(Buffer.alloc(1000), 8, true, id));
    assert.ok(fragments.open <= 9 && fragments.counters.datagrams_evicted >= 91);
  });

  it("that would be longer than a datagram can be are none", () => {
    const fragments = new Fragments();
    take(fragments, piece4(Buffer.alloc(1000), 65_000, false));
    take(fragments, piece4(Buffer.alloc(13), 0, true));
    assert.deepEqual([fragments.open, fragments.counters.fragments_malformed], [0, 2]);
  });

  it("of different protocols and hosts are different ones", () => {
    const fragments = new Fragments();
    take(fragments, piece4(Buffer.alloc(8, 1), 0, true));
    const other = f.ip4(6, Buffer.alloc(8, 2), { id: 9, fragment: 1 });
    assert.equal(take(fragments, other), undefined);
    assert.ok(take(fragments, piece4(Buffer.alloc(3, 3), 8, false)) !== undefined);
  });
});
