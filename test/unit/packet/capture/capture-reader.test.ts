import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MAX_FRAME_BYTES } from "../../../../src/packet/capture/format.ts";
import { readCapture } from "../../../support/captures.ts";
import { join, pcap, PcapngBlocks, u32, u8 } from "../../../support/frames.ts";

const FRAMES = [u8(1, 2, 3), u8(4), u8(), Buffer.alloc(1500, 5), u8(6, 7)];
const HEX = FRAMES.map((frame) => frame.toString("hex"));

describe("a classic pcap file", () => {
  for (const isLittle of [true, false]) {
    for (const [unit, magic, nanosPerUnit] of [
      ["microseconds", 0xa1b2c3d4, 1000],
      ["nanoseconds", 0xa1b23c4d, 1],
      ["microseconds and longer records", 0xa1b2cd34, 1000],
    ] as const) {
      it(`in ${isLittle ? "little" : "big"}-endian order with ${unit} is read whole`, () => {
        const { packets, interfaces, end } = readCapture(pcap(FRAMES, { magic, isLittle, linkType: 113 }));
        assert.equal(end.kind, "complete", end.message);
        assert.deepEqual(
          packets.map(({ frame }) => frame),
          HEX,
        );
        assert.deepEqual(
          packets.map(({ seconds, nanoseconds }) => [seconds, nanoseconds]),
          FRAMES.map((_, i) => [1_700_000_000 + i, i * nanosPerUnit]),
        );
        assert.deepEqual([interfaces.length, interfaces[0]!.linkType, packets[0]!.linkType], [1, 113, 113]);
      });
    }
  }

  it("may come in chunks of any size", () => {
    const bytes = pcap(FRAMES);
    const whole = readCapture(bytes);
    for (const chunkBytes of [1, 2, 3, 7, 16, 100, 1000])
      assert.deepEqual(readCapture(bytes, chunkBytes), whole, `in chunks of ${chunkBytes} bytes`);
  });

  it("may come in chunks that hold many packets, and in ones smaller than a packet", () => {
    const sizes = [60, 1500, 70_000, 0, 9000, 200_000, 1500, 65_536];
    const bytes = pcap(sizes.map((size, i) => Buffer.alloc(size, i + 1)));
    const whole = readCapture(bytes);
    assert.deepEqual([whole.end.kind, whole.end.offset], ["complete", bytes.length]);
    assert.deepEqual(
      whole.packets.map(({ frame }) => [frame.length / 2, frame.slice(-2)]),
      sizes.map((size, i) => [size, size === 0 ? "" : `0${i + 1}`]),
    );
    for (const chunkBytes of [10_000, 65_536, 65_537, 131_072])
      assert.deepEqual(readCapture(bytes, chunkBytes), whole, `in chunks of ${chunkBytes} bytes`);
  });

  it("keeps both lengths of frames that were cut by the snap length", () => {
    const { packets } = readCapture(pcap(FRAMES, { snapLength: 100 }));
    assert.deepEqual([packets[3]!.frame.length / 2, packets[3]!.originalLength], [100, 1500]);
  });

  it("has times after 2038, and fractions of more than a second are carried over", () => {
    const bytes = pcap([u8(1)]);
    bytes.writeUInt32LE(0xfffffff0, 24);
    bytes.writeUInt32LE(2_500_000, 28);
    const [packet] = readCapture(bytes).packets;
    assert.deepEqual([packet!.seconds, packet!.nanoseconds], [0xfffffff2, 500_000_000]);
  });

  it("that is cut says at which byte, and gives the packets before it", () => {
    const bytes = pcap(FRAMES);
    const { packets, end } = readCapture(bytes.subarray(0, bytes.length - 1));
    assert.deepEqual([end.kind, packets.length], ["cut", 4]);
    const offset = bytes.length - 18;
    assert.equal(
      end.message,
      `cut: it ends at byte ${bytes.length - 1}, within the packet record at byte ${offset}; 4 packets before that are good`,
    );
    assert.equal(end.offset, offset);
  });

  it("is never taken for whole when it is cut anywhere within a record", () => {
    const bytes = pcap([u8(1, 2, 3), u8(4)]);
    const edges = [24, 24 + 19, 24 + 19 + 17];
    for (let length = 1; length <= bytes.length; length++) {
      const { kind } = readCapture(bytes.subarray(0, length)).end;
      assert.equal(kind, edges.includes(length) ? "complete" : "cut", `${length} bytes`);
    }
  });

  it("with a record that claims too many bytes ends there, and takes no memory for it", () => {
    const bytes = pcap(FRAMES);
    bytes.writeUInt32LE(MAX_FRAME_BYTES + 1, 24 + 19 + 8);
    const { packets, end } = readCapture(bytes);
    assert.deepEqual([end.kind, packets.length, end.offset], ["malformed", 1, 43]);
    assert.match(
      end.message,
      /the packet record at byte 43 says it holds 262145 bytes .*; 1 packet before that is good$/,
    );
  });
});

describe("a pcapng file", () => {
  for (const isLittle of [true, false]) {
    it(`in ${isLittle ? "little" : "big"}-endian order gives packets of all kinds of blocks`, () => {
      const b = new PcapngBlocks(isLittle);
      const bytes = join(
        b.section(b.option(4, Buffer.from("test"))),
        b.interface(
          1,
          3,
          b.option(2, Buffer.from("eth0\u0000")),
          b.option(9, [9]),
          b.option(11, Buffer.from("\u0000tcp")),
        ),
        b.interface(101, 0),
        b.packet(1, 1_700_000_000_123_456n, u8(1, 2, 3, 4, 5), 60),
        b.packet(0, 1_700_000_000_123_456_789n, u8(6)),
        b.block(0x0bad, u8(1, 2, 3, 4)),
        b.simple(u8(7, 8, 9), 9),
        b.oldPacket(1, 5n, u8(10)),
        b.statistics(0, 100n, 3n, 4n),
      );
      const { packets, interfaces, end } = readCapture(bytes);
      assert.equal(end.kind, "complete", end.message);
      assert.deepEqual(
        packets.map((p) => [p.seconds, p.nanoseconds, p.frame, p.originalLength, p.interfaceIndex, p.linkType]),
        [
          [1_700_000_000, 123_456_000, "0102030405", 60, 1, 101],
          [1_700_000_000, 123_456_789, "06", 1, 0, 1],
          [NaN, 0, "070809", 9, 0, 1],
          [0, 5000, "0a", 1, 1, 101],
        ],
      );
      const [first, second] = interfaces;
      assert.deepEqual([first!.name, first!.filter, first!.received, first!.dropped], ["eth0", "tcp", 100, 7]);
      assert.deepEqual([second!.name, second!.dropped], [undefined, undefined]);
    });
  }

  it("may have several sections, each with its own byte order and interfaces", () => {
    const [little, big] = [new PcapngBlocks(true), new PcapngBlocks(false)];
    const bytes = join(
      little.section(),
      little.interface(1, 0),
      little.packet(0, 1n, u8(1)),
      big.section(),
      big.interface(113, 0, big.option(9, [3])),
      big.packet(0, 1n, u8(2)),
    );
    const { packets, interfaces, end } = readCapture(bytes);
    assert.equal(end.kind, "complete", end.message);
    assert.deepEqual(
      packets.map((p) => [p.frame, p.interfaceIndex, p.linkType, p.nanoseconds]),
      [
        ["01", 0, 1, 1000],
        ["02", 1, 113, 1_000_000],
      ],
    );
    assert.deepEqual(
      interfaces.map(({ section }) => section),
      [0, 1],
    );
  });

  it("may come in chunks of any size, blocks that are skipped too", () => {
    const b = new PcapngBlocks();
    const bytes = join(
      b.section(),
      b.block(0x4000_0bad, Buffer.alloc(300_000)),
      b.interface(1, 0),
      b.packet(0, 1n, u8(1)),
      b.block(10, Buffer.alloc(40)),
      b.packet(0, 2n, u8(2)),
    );
    const whole = readCapture(bytes);
    assert.deepEqual([whole.end.kind, whole.packets.length], ["complete", 2]);
    for (const chunkBytes of [1, 3, 4, 1000, 131_072]) assert.deepEqual(readCapture(bytes, chunkBytes), whole);
  });

  it("with lengths that do not count the padding is read as well", () => {
    const b = new PcapngBlocks();
    const block = b.packet(0, 1n, u8(1));
    block.writeUInt32LE(block.length - 3, 4);
    block.writeUInt32LE(block.length - 3, block.length - 4);
    const { packets, end } = readCapture(join(b.section(), b.interface(1, 0), block, b.packet(0, 2n, u8(2))));
    assert.deepEqual([end.kind, packets.map(({ frame }) => frame)], ["complete", ["01", "02"]]);
  });

  it("is never taken for whole when it is cut anywhere within a block", () => {
    const b = new PcapngBlocks();
    const blocks = [b.section(), b.interface(1, 0), b.block(0x0bad, u32(1, 2)), b.packet(0, 1n, u8(1))];
    const bytes = join(...blocks);
    const edges = blocks.map((_, i) => join(...blocks.slice(0, i + 1)).length);
    for (let length = 1; length <= bytes.length; length++) {
      const { kind } = readCapture(bytes.subarray(0, length)).end;
      assert.equal(kind, edges.includes(length) ? "complete" : "cut", `${length} bytes`);
    }
  });

  for (const [what, spoil, message] of [
    [
      "a length at its end that differs",
      (bytes: Buffer) => bytes.writeUInt32LE(99, 44),
      /says 20 bytes at its begin and 99 at its end/,
    ],
    [
      "a length that is too short",
      (bytes: Buffer) => bytes.writeUInt32LE(8, 32),
      /says it is 8 bytes long, which is too short/,
    ],
    [
      "an impossible length",
      (bytes: Buffer) => bytes.writeUInt32LE(0xfffffff0, 32),
      /says it is 4294967280 bytes long/,
    ],
    [
      "an unknown interface",
      (bytes: Buffer) => bytes.writeUInt32LE(1, 56),
      /holds a packet of interface 1, which its section does not/,
    ],
    [
      "a frame that does not fit",
      (bytes: Buffer) => bytes.writeUInt32LE(5, 68),
      /holds a packet of 5 bytes, which do not fit/,
    ],
  ] as const) {
    it(`with a block with ${what} ends there`, () => {
      const b = new PcapngBlocks();
      const bytes = join(b.section(), b.interface(1, 0), b.packet(0, 1n, u8(1)));
      assert.equal(readCapture(bytes).end.kind, "complete");
      spoil(bytes);
      const { packets, end } = readCapture(bytes);
      assert.deepEqual([end.kind, packets.length], ["malformed", 0]);
      assert.match(end.message, message);
    });
  }
});

describe("what is no capture", () => {
  for (const [what, bytes] of [
    ["text", Buffer.from("2019.12.11, 20:47:14.0285 UTC -> Socket connected successfully\n")],
    ["zeros", Buffer.alloc(100)],
    ["a pcapng type without the magic", join(u32(0x0a0d0d0a), Buffer.alloc(24))],
    ["two bytes of text", Buffer.from("hi")],
  ] as const) {
    it(`is called so: ${what}`, () => {
      const { end, packets } = readCapture(bytes);
      assert.deepEqual([end.kind, packets.length], ["foreign", 0]);
      assert.equal(end.message, "not a capture: it is neither pcap nor pcapng");
    });
  }

  it("is called so: nothing", () => {
    assert.equal(readCapture(Buffer.alloc(0)).end.message, "not a capture: it is empty");
  });
});
