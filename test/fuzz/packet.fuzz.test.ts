import assert from "node:assert/strict";
import { it } from "node:test";
import fc from "fast-check";
import { CaptureReader } from "../../src/packet/capture/capture-reader.ts";
import { MAX_FRAME_BYTES } from "../../src/packet/capture/format.ts";
import { CommunityId } from "../../src/packet/community-id.ts";
import { HeaderDecoder } from "../../src/packet/headers/decode.ts";
import { FLAG, type HeaderColumns } from "../../src/packet/headers/header-columns.ts";
import { readCapture } from "../support/captures.ts";
import { PacketEvents } from "../../src/packet/packet-event.ts";
import { PacketJson } from "../../src/packet/packet-json.ts";
import { eth, exoticFrames, ip4, ip6, join, pcap, PcapngBlocks, tag, tcp, udp } from "../support/frames.ts";
import { FUZZ_MS } from "../support/fuzz.ts";

const limits = { interruptAfterTimeLimit: FUZZ_MS / 3, numRuns: 10_000_000, markInterruptAsFailure: false };

const FRAMES = exoticFrames();
const CAPTURES = [
  pcap(FRAMES.map(({ frame }) => frame)),
  pcap(
    FRAMES.map(({ frame }) => frame),
    { isLittle: false },
  ),
  pcapng(),
];

/** What DNS messages are made of, and what breaks them. */
const PIECES: readonly (readonly number[])[] = [
  [1, 97],
  [3, 119, 119, 119],
  [0],
  [0xc0, 12],
  [0xc0, 14],
  [0xc0, 30],
  [0xff, 0xff],
  [63],
  [0, 1, 0, 1],
  [0, 5, 0, 1, 0, 0, 0, 9],
  [0, 16, 0, 1, 0, 0, 0, 9, 0, 4, 3, 1, 2, 3],
  [0, 4],
  [0, 2, 0xc0, 12],
];

function pcapng(): Buffer {
  const b = new PcapngBlocks();
  return join(
    b.section(b.option(4, Buffer.from("fuzz"))),
    b.interface(1, 0, b.option(9, [9]), b.option(2, Buffer.from("eth0"))),
    ...FRAMES.map(({ frame }, i) => b.packet(0, BigInt(i), frame)),
    b.block(0x0bad, Buffer.alloc(12)),
    b.simple(Buffer.alloc(60)),
    b.statistics(0, 1n, 2n, 3n),
  );
}

/** A capture with some bytes changed, and perhaps an end that is missing. */
const damaged = fc
  .tuple(
    fc.constantFrom(...CAPTURES),
    fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 12 }),
    fc.option(fc.nat(), { nil: undefined }),
  )
  .map(([capture, changes, cutAt]) => {
    const bytes = Buffer.from(capture);
    for (const [at, value] of changes) bytes[at % bytes.length] = value;
    return cutAt === undefined ? bytes : bytes.subarray(0, cutAt % bytes.length);
  });

it("any bytes are read to an end with a statement, the same in chunks of any size", () => {
  const random = fc.tuple(
    fc.constantFrom(0, 4, 24, 48),
    fc.constantFrom(...CAPTURES),
    fc.uint8Array({ maxLength: 300 }),
  );
  const anything = fc.oneof(
    damaged,
    random.map(([keep, capture, rest]) => join(capture.subarray(0, keep), rest)),
  );
  fc.assert(
    fc.property(anything, fc.integer({ min: 1, max: 200 }), (bytes, chunkBytes) => {
      const whole = readCapture(bytes);
      assert.ok(whole.end.message.length > 10 && whole.end.packets === whole.packets.length);
      assert.ok(whole.packets.every(({ frame }) => frame.length / 2 <= MAX_FRAME_BYTES));
      assert.ok(whole.packets.every(({ nanoseconds }) => nanoseconds < 1e9));
      assert.deepEqual(readCapture(bytes, chunkBytes), whole);
    }),
    limits,
  );
});

/** TCP and UDP with what begins applications, and nearly does, on ports of such and others. */
function ordinaryFrames(): Buffer[] {
  const bodies = [
    ...[
      "",
      "hello",
      "GET / HTTP/1.1\r\n\r\n",
      "HTTP/1.1 200 OK\r\n\r\n",
      "M-SEARCH * HTTP/1.1",
      "GEX is no method",
      "ABCDEFGH",
    ],
    ...[
      "\x16\x03\x01\x00\x20hello",
      "\x17\x03\x05\x00\x20hello",
      "\x16\x03\x01\xff\xffhello",
      "\x00\x10sixteen bytes are",
    ],
  ].map((text) => Buffer.from(text, "latin1"));
  const ports = [53, 80, 123, 443, 4789, 5353, 40_000];
  return bodies.flatMap((body) =>
    ports.flatMap((port) => [
      eth(0x0800, ip4(6, tcp(port, 50_000, 0x18, body))),
      eth(0x86dd, ip6(6, tcp(50_000, port, 0x18, body))),
      eth(0x0800, ip4(17, udp(port, 50_000, body))),
      eth(0x8100, tag(5, 0x86dd, ip6(17, udp(50_000, port, body)))),
    ]),
  );
}

/** Every column but the numbers of stacks of layers, which depend on what came before. */
function assertSameColumns(ours: HeaderColumns, expected: HeaderColumns, count: number): void {
  const [one, other] = [ours, expected].map((columns) => Object.entries(columns)) as [
    [string, unknown][],
    [string, unknown][],
  ];
  one.forEach(([name, column], i) => {
    if (!ArrayBuffer.isView(column) || name === "path") return;
    const used = (column as Uint8Array).length / ours.path.length;
    const [left, right] = [column, other[i]![1]].map((each) => (each as Uint8Array).subarray(0, used * count));
    assert.deepEqual(left, right, name);
  });
  for (let i = 0; i < count; i++) assert.equal(ours.paths.text(ours.path[i]!), expected.paths.text(expected.path[i]!));
}

it("any frames are decoded in one step as layer by layer, and no offset lies outside of its frame", () => {
  const linkTypes = [0, 1, 9, 12, 101, 108, 113, 228, 229, 276, 147];
  const changed = fc
    .tuple(
      fc.constantFrom(...FRAMES, ...ordinaryFrames().map((frame) => ({ frame, linkType: 1 }))),
      fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 6 }),
      fc.nat({ max: 40 }),
    )
    .map(([{ frame, linkType }, changes, less]) => {
      const bytes = Buffer.from(frame.subarray(0, Math.max(0, frame.length - less)));
      for (const [at, value] of changes) if (bytes.length > 0) bytes[at % bytes.length] = value;
      return { bytes, linkType };
    });
  const random = fc.record({ bytes: fc.uint8Array({ maxLength: 200 }), linkType: fc.constantFrom(...linkTypes) });
  const decoder = new HeaderDecoder(1024);
  assert.ok(decoder.memory !== undefined, "there is a kernel");
  const layered = new HeaderDecoder(8, true);
  const [json, events] = [new PacketJson(), new PacketEvents()];
  const communityId = new CommunityId();
  const snapLength = fc.oneof(fc.constant(262_144), fc.integer({ min: 14, max: 120 }));
  fc.assert(
    fc.property(fc.oneof(changed, random), snapLength, fc.boolean(), ({ bytes, linkType }, snapLength, isInPlace) => {
      const memory = isInPlace ? decoder.memory : undefined;
      // Frames around it: bytes that a decoder reads behind its frame are not zero.
      const other = Buffer.alloc(300, 0x45);
      for (const batch of new CaptureReader(8, memory).read(pcap([other, bytes, other], { linkType, snapLength }))) {
        const columns = decoder.decode(batch);
        assert.equal(json.of(batch, columns, 1, undefined), JSON.stringify(events.of(batch, columns, 1, undefined)));
        assertSameColumns(columns, layered.decode(batch), batch.count);
        const from = batch.frameAt[1]!;
        const to = from + batch.capturedLength[1]!;
        const single = [columns.sourceMacAt, columns.destinationMacAt, columns.vlanAt, columns.mplsAt, columns.arpAt];
        for (const at of single.map((column) => column[1]!)) assert.ok(at === -1 || (at >= from && at < to));
        for (const slot of [2, 3]) {
          const ipAt = columns.ipAt[slot]!;
          const size = columns.ipVersion[slot] === 4 ? 20 : 40;
          assert.ok(ipAt === -1 || (ipAt >= from && ipAt + size <= to), `IP at ${ipAt} of ${from} to ${to}`);
          const transportAt = columns.transportAt[slot]!;
          assert.ok(transportAt === -1 || (transportAt > ipAt && transportAt + 2 <= to));
        }
        const payloadAt = columns.payloadAt[1]!;
        assert.ok(payloadAt === -1 || payloadAt + columns.payloadLength[1]! <= to);
        assert.ok((columns.flags[1]! & FLAG.tooDeep) === 0 || bytes.length > 100);
        assert.equal(communityId.of(batch.bytes, columns, 1) !== undefined, columns.ipAt[2]! >= 0);
        assert.match(columns.paths.text(columns.path[1]!), /^[a-z0-9.:]*$/);
      }
    }),
    limits,
  );
});

it("any payload of a known application becomes a document that JSON can hold", () => {
  const ports = fc.constantFrom(53, 67, 68, 5353, 5355);
  const dnsLike = fc
    .tuple(fc.uint8Array({ minLength: 12, maxLength: 12 }), fc.array(fc.constantFrom(...PIECES), { maxLength: 40 }))
    .map(([head, pieces]) => join(head.subarray(0, 4), [0, head[5]! & 3, 0, head[7]! & 7, 0, 0, 0, 0], ...pieces));
  const dhcpLike = fc
    .tuple(fc.uint8Array({ maxLength: 80 }), fc.integer({ min: 0, max: 240 }))
    .map(([options, size]) =>
      join([1, 1, 6, 0], Buffer.alloc(232, 65).subarray(0, size), [0x63, 0x82, 0x53, 0x63], options),
    );
  const payload = fc.oneof(fc.uint8Array({ maxLength: 400 }), dnsLike, dhcpLike);
  const decoder = new HeaderDecoder(8);
  const [json, events] = [new PacketJson(), new PacketEvents()];
  fc.assert(
    fc.property(payload, ports, fc.boolean(), (body, port, isTcp) => {
      const tcpBody = join([body.length >> 8, body.length & 255], body);
      const frame = eth(0x0800, isTcp ? ip4(6, tcp(53, 4000, 0x18, tcpBody)) : ip4(17, udp(port, 4000, body)));
      const reader = new CaptureReader(8);
      for (const batch of reader.read(pcap([frame, Buffer.alloc(600, 0xc0)]))) {
        const columns = decoder.decode(batch);
        const event = events.of(batch, columns, 0, reader.interfaces[0]);
        const text = JSON.stringify(event);
        assert.ok(text.length < 100_000);
        assert.equal(json.of(batch, columns, 0, reader.interfaces[0]), text);
        assert.ok(body.length < 3 || event.dns !== undefined || event.dhcpv4 !== undefined || event.tags !== undefined);
      }
    }),
    limits,
  );
});

it("random frames by the hundred thousand leave memory as it was", () => {
  const random = Buffer.alloc(1 << 20);
  let seed = 1;
  for (let i = 0; i < random.length; i++) random[i] = (seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0) >>> 24;
  const frames = Array.from({ length: 1000 }, (_, i) => random.subarray(i * 997, i * 997 + 40 + (i % 200)));
  // Chains of layers of every kind: their number is what could grow.
  for (const frame of frames) frame.set([0x81, 0, 0, 1, 0x88, 0xa8], 12);
  const capture = pcap(frames);
  const decoder = new HeaderDecoder(1024);
  const before = process.memoryUsage().heapUsed;
  const deadline = performance.now() + FUZZ_MS / 3;
  for (let round = 0; round < 300 && performance.now() < deadline; round++) {
    for (let i = 24; i < capture.length; i += 61) capture[i] = (capture[i]! + round * 7) & 255;
    for (const batch of new CaptureReader(1024).read(capture)) decoder.decode(batch);
    if (round % 10 === 0) assert.ok(process.memoryUsage().heapUsed - before < 200e6);
  }
});
