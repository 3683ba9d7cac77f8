/**
 * What reading and decoding packets costs on one thread: a capture to columns of packets, those to columns of headers,
 * and those to documents. Frames of mixed kinds, 300 bytes in the mean.
 *
 *     node dist/bench/micro/packets.js
 */
import { CaptureReader } from "../../src/packet/capture/capture-reader.ts";
import { HeaderDecoder } from "../../src/packet/headers/decode.ts";
import { PacketJson } from "../../src/packet/packet-json.ts";
import { eth, exoticFrames, ip4, ip6, pcap, tag, tcp, udp } from "../../test/support/frames.ts";

const PACKETS = 20_000;
const ROUNDS = 12;
const DOCUMENTS = 100_000;

const sizes = [0, 0, 40, 120, 500, 1000];
const payloadOf = (i: number): Buffer => Buffer.alloc(sizes[i % sizes.length]!, 0x80 | i);
const address = (i: number): string => `10.${(i >> 12) & 15}.${(i >> 6) & 63}.${i & 63}`;

/** Ordinary traffic: mostly TCP over IPv4, some UDP, IPv6 and VLAN. */
function ordinary(i: number): Buffer {
  const source = address(i * 7);
  if (i % 10 < 6) return eth(0x0800, ip4(6, tcp(40_000 + (i % 999), 443, 0x18, payloadOf(i), OPTIONS), { source }));
  if (i % 10 < 8) return eth(0x0800, ip4(17, udp(50_000, 3478, payloadOf(i)), { source }));
  if (i % 10 === 8) return eth(0x86dd, ip6(6, tcp(40_000, 443, 0x10, payloadOf(i), OPTIONS)));
  return eth(0x8100, tag(100, 0x0800, ip4(6, tcp(40_000, 80, 0x10, payloadOf(i)), { source })));
}
/** Time stamps, as nearly every TCP segment has. */
const OPTIONS = [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2];

/** A packet every 10 µs. */
function setTimes(capture: Buffer): void {
  for (let at = 24, i = 0; at < capture.length; at += 16 + capture.readUInt32LE(at + 8), i++) {
    capture.writeUInt32LE(1_700_000_000, at);
    capture.writeUInt32LE(i * 10, at + 4);
  }
}

const exotic = exoticFrames().filter(({ linkType }) => linkType === 1);
const captures = {
  ordinary: pcap(Array.from({ length: PACKETS }, (_, i) => ordinary(i))),
  "of every kind": pcap(Array.from({ length: PACKETS }, (_, i) => exotic[i % exotic.length]!.frame)),
};

for (const [name, capture] of Object.entries(captures)) {
  setTimes(capture);
  const decoder = new HeaderDecoder(1024);
  let [read, decoded] = [Infinity, Infinity];
  for (let round = 0; round < ROUNDS; round++) {
    let decoding = 0;
    let packets = 0;
    const began = process.hrtime.bigint();
    for (let i = 0; i < 20; i++) {
      const reader = new CaptureReader(1024, decoder.memory);
      for (let at = 0; at < capture.length; at += 65_536) {
        for (const batch of reader.read(capture.subarray(at, at + 65_536))) {
          const from = process.hrtime.bigint();
          decoder.decode(batch);
          decoding += Number(process.hrtime.bigint() - from);
          packets += batch.count;
        }
      }
    }
    const all = Number(process.hrtime.bigint() - began);
    decoded = Math.min(decoded, decoding / packets);
    read = Math.min(read, (all - decoding) / packets);
  }
  const documents = new PacketJson();
  let written = 0;
  let bytes = 0;
  const began = process.hrtime.bigint();
  while (written < DOCUMENTS) {
    const reader = new CaptureReader(1024, decoder.memory);
    for (const batch of reader.read(capture)) {
      const columns = decoder.decode(batch);
      for (let i = 0; i < batch.count; i++) bytes += documents.of(batch, columns, i, reader.interfaces[0]).length;
      written += batch.count;
    }
  }
  const document = Number(process.hrtime.bigint() - began) / written;
  const rate = (nanoseconds: number): string => `${(1e3 / nanoseconds).toFixed(2)} M/s`;
  console.log(
    `${name.padEnd(14)} (${((capture.length - 24) / PACKETS - 16).toFixed(0)} B a frame)  ` +
      `read ${read.toFixed(1)} ns, ${rate(read)}  headers ${decoded.toFixed(1)} ns, ${rate(decoded)}  ` +
      `to documents ${document.toFixed(0)} ns, ${rate(document)}, ${(bytes / written).toFixed(0)} B`,
  );
}
