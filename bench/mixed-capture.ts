import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, renameSync, rmSync } from "node:fs";
import { writeSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { CaptureReader } from "../src/packet/capture/capture-reader.ts";
import { HeaderDecoder } from "../src/packet/headers/decode.ts";
import { PROTOCOL } from "../src/packet/headers/ip-layers.ts";
import { checksum, pcap } from "../test/support/frames.ts";
import { captureTraffic } from "../test/support/namespaces.ts";

const CACHE = ".cache/bench";
const SEGMENT_BYTES = 1448;
const ETHERNET_BYTES = 14;
/** Where a transport header has its checksum. */
const CHECKSUM_AT: Readonly<Record<number, number>> = { [PROTOCOL.tcp]: 16, [PROTOCOL.udp]: 6, [PROTOCOL.icmp6]: 2 };

/**
 * The path of a capture of so many bytes, made on first use: what real programs said to each other between two network
 * namespaces (needs root, tcpdump and the programs of test/support/namespaces.ts), again and again, each time between
 * other hosts, a packet every 5 µs. What offloading had made larger than a wire's frames is cut into segments, and
 * checksums are right.
 */
export async function mixedCapture(bytes: number): Promise<string> {
  const file = path.resolve(CACHE, `packets-${bytes}.pcap`);
  if (existsSync(file)) return file;
  mkdirSync(CACHE, { recursive: true });
  const part = `${file}.${process.pid}`;
  writeRepeated(ordinaryFrames(readFileSync(await traffic())), part, bytes);
  renameSync(part, file);
  return file;
}

/** A few seconds of traffic of real programs. */
async function traffic(): Promise<string> {
  const file = path.resolve(CACHE, "packets-traffic.pcap");
  if (existsSync(file)) return file;
  const folder = mkdtempSync(path.join(tmpdir(), "wiretail-bench-packets-"));
  try {
    const { veth } = await captureTraffic(folder);
    const part = `${file}.${process.pid}`;
    const descriptor = openSync(part, "w");
    writeSync(descriptor, readFileSync(veth));
    closeSync(descriptor);
    renameSync(part, file);
    return file;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The frames of a capture as a wire would have them. */
function ordinaryFrames(capture: Buffer): Buffer[] {
  const reader = new CaptureReader(1024);
  const decoder = new HeaderDecoder(1024);
  const frames: Buffer[] = [];
  for (const batch of reader.read(capture)) {
    const columns = decoder.decode(batch);
    for (let i = 0; i < batch.count; i++) {
      const at = batch.frameAt[i]!;
      const frame = Buffer.from(batch.bytes.subarray(at, at + batch.capturedLength[i]!));
      if (frame.length <= 1514) frames.push(frame);
      else if (columns.ipProtocol[2 * i] === PROTOCOL.tcp)
        frames.push(...segments(frame, columns.payloadAt[i]! - at, columns.transportAt[2 * i]! - at));
    }
  }
  return frames;
}

function segments(frame: Buffer, payloadAt: number, tcpAt: number): Buffer[] {
  const isVersion4 = frame[ETHERNET_BYTES]! >> 4 === 4;
  const made: Buffer[] = [];
  for (let at = payloadAt; at < frame.length; at += SEGMENT_BYTES) {
    const segment = Buffer.concat([frame.subarray(0, payloadAt), frame.subarray(at, at + SEGMENT_BYTES)]);
    segment.writeUInt32BE((frame.readUInt32BE(tcpAt + 4) + at - payloadAt) >>> 0, tcpAt + 4);
    if (isVersion4) segment.writeUInt16BE(segment.length - ETHERNET_BYTES, 16);
    else segment.writeUInt16BE(segment.length - ETHERNET_BYTES - 40, 18);
    made.push(segment);
  }
  return made;
}

function writeRepeated(frames: readonly Buffer[], file: string, bytes: number): void {
  const descriptor = openSync(file, "w");
  try {
    writeSync(descriptor, pcap([]));
    for (let [round, written, packets] = [0, 0, 0]; written < bytes; round++) {
      const part = Buffer.concat(
        frames.map((frame) => {
          const micros = packets++ * 5;
          const record = Buffer.alloc(16 + frame.length);
          record.writeUInt32LE(1_700_000_000 + Math.floor(micros / 1e6), 0);
          record.writeUInt32LE(micros % 1e6, 4);
          record.writeUInt32LE(frame.length, 8);
          record.writeUInt32LE(frame.length, 12);
          frame.copy(record, 16);
          setHosts(record.subarray(16), round);
          return record;
        }),
      );
      writeSync(descriptor, part);
      written += part.length;
    }
  } finally {
    closeSync(descriptor);
  }
}

/** 10.9.0.1 becomes 10.x.y.1; of IPv6 addresses the third group changes. Frames of other kinds stay as they are. */
function setHosts(frame: Buffer, round: number): void {
  const type = frame.readUInt16BE(12);
  const ip = ETHERNET_BYTES;
  if (type === 0x0800 && frame[ip] === 0x45) {
    for (const at of [ip + 12, ip + 16]) if (frame[at] === 10) frame.writeUInt16BE(round & 0xffff, at + 1);
    frame.writeUInt16BE(0, ip + 10);
    frame.writeUInt16BE(checksum(frame.subarray(ip, ip + 20)), ip + 10);
    const isWhole = (frame.readUInt16BE(ip + 6) & 0x3fff) === 0;
    if (isWhole) setChecksum(frame.subarray(0, ip + frame.readUInt16BE(ip + 2)), ip + 12, ip + 20, frame[ip + 9]!);
  } else if (type === 0x86dd) {
    for (const at of [ip + 8, ip + 24]) if (frame[at] !== 0xff) frame.writeUInt16BE(round & 0xffff, at + 4);
    setChecksum(frame.subarray(0, ip + 40 + frame.readUInt16BE(ip + 4)), ip + 8, ip + 40, frame[ip + 6]!);
  }
}

/** The checksum of a transport over the addresses, the protocol, its length and all of it (RFC 9293, RFC 8200). */
function setChecksum(frame: Buffer, addressesAt: number, transportAt: number, protocol: number): void {
  const offset = CHECKSUM_AT[protocol];
  const transport = frame.subarray(transportAt);
  if (offset === undefined || transport.length < offset + 2) return;
  transport.writeUInt16BE(0, offset);
  const pseudo = Buffer.alloc(4);
  pseudo.writeUInt16BE(protocol, 0);
  pseudo.writeUInt16BE(transport.length, 2);
  const sum = checksum(Buffer.concat([frame.subarray(addressesAt, transportAt), pseudo, transport]));
  transport.writeUInt16BE(sum === 0 && protocol === PROTOCOL.udp ? 0xffff : sum, offset);
}
