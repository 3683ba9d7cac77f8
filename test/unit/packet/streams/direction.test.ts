import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { Direction } from "../../../../src/packet/streams/direction.ts";

const counters = () => ({
  ...{ retransmitted_segments: 0, out_of_order_segments: 0, gaps: 0, gap_bytes: 0, foreign_segments: 0 },
});

/** What a reader got: bytes, and -1 for each that is missing. */
function reading(): { got: number[]; direction: Direction; counted: ReturnType<typeof counters> } {
  const got: number[] = [];
  const counted = counters();
  const reader = {
    data: (bytes: Uint8Array, at: number, end: number) => void got.push(...bytes.subarray(at, end)),
    gap: (length: number) => void got.push(...Array<number>(length).fill(-1)),
  };
  return { got, counted, direction: new Direction(reader, counted) };
}

const stream = fc.uint8Array({ minLength: 1, maxLength: 200 });
/** Segments anywhere in the stream, by begin and length. */
const cuts = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 60 })), { maxLength: 60 });
/** Numbers that wrap around within the stream, too. */
const first = fc.oneof(fc.integer({ min: 0xffffff00, max: 0xffffffff }), fc.nat(0xffffffff));
const runs = { numRuns: 400 };

describe("one side of a connection", () => {
  it("is its stream, whatever the order, repetition and overlap of its segments", () => {
    fc.assert(
      fc.property(stream, cuts, first, fc.infiniteStream(fc.nat()), (bytes, extra, start, order) => {
        const { got, direction } = reading();
        direction.synchronise((start - 1) >>> 0);
        const whole = Array.from({ length: Math.ceil(bytes.length / 17) }, (_, i) => [i * 17, 17] as const);
        const segments = [...whole, ...extra.map(([at, length]) => [at % bytes.length, length] as const)];
        const shuffled = segments
          .map((segment) => ({ segment, key: order.next().value as number }))
          .sort((a, b) => a.key - b.key)
          .map(({ segment }) => segment);
        for (const [at, length] of shuffled) {
          const end = Math.min(bytes.length, at + length);
          const isLast = end === bytes.length;
          // In the middle of other bytes: what is around must not be read.
          const packet = Buffer.concat([Buffer.alloc(3, 255), bytes.subarray(at, end), Buffer.alloc(3, 255)]);
          direction.segment((start + at) >>> 0, packet, 3, 3 + end - at, end - at, isLast);
        }
        assert.deepEqual(got, [...bytes]);
        assert.equal(direction.pendingBytes, 0);
        assert.ok(direction.isEnded);
      }),
      runs,
    );
  });

  it("without some of its segments is its stream with gaps in their places", () => {
    fc.assert(
      fc.property(stream, cuts, first, (bytes, segments, start) => {
        const { got, direction, counted } = reading();
        direction.synchronise((start - 1) >>> 0);
        const seen = new Set<number>();
        for (const [from, length] of segments) {
          const at = from % bytes.length;
          const end = Math.min(bytes.length, at + length);
          for (let i = at; i < end; i++) seen.add(i);
          direction.segment((start + at) >>> 0, bytes, at, end, end - at, false);
        }
        direction.flush();
        const last = Math.max(-1, ...seen);
        assert.deepEqual(
          got,
          Array.from({ length: last + 1 }, (_, i) => (seen.has(i) ? bytes[i]! : -1)),
        );
        assert.equal(counted.gap_bytes, got.filter((byte) => byte < 0).length);
        assert.equal(direction.pendingBytes, 0);
      }),
      runs,
    );
  });

  it("has a gap where the capture cut a segment", () => {
    const { got, direction } = reading();
    direction.segment(100, Buffer.from([1, 2]), 0, 2, 5, false);
    direction.segment(105, Buffer.from([3]), 0, 1, 1, true);
    assert.deepEqual(got, [1, 2, -1, -1, -1, 3]);
    assert.ok(direction.isEnded);
  });

  it("takes no segment whose number is far away", () => {
    const { got, direction, counted } = reading();
    direction.segment(100, Buffer.from([1]), 0, 1, 1, false);
    direction.segment((100 + 0x60000000) >>> 0, Buffer.from([9]), 0, 1, 1, false);
    assert.deepEqual([got, counted.foreign_segments, direction.pendingBytes], [[1], 1, 0]);
  });

  it("knows a repeated SYN from another one", () => {
    const { direction } = reading();
    assert.ok(direction.synchronise(1000));
    direction.segment(1001, Buffer.from([1, 2, 3]), 0, 3, 3, false);
    assert.ok(direction.synchronise(1000));
    assert.ok(!direction.synchronise(500_000));
  });
});
