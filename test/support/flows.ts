import { execFileSync } from "node:child_process";
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { CaptureReader } from "../../src/packet/capture/capture-reader.ts";
import { HeaderDecoder } from "../../src/packet/headers/decode.ts";
import { FlowOutput } from "../../src/packet/flows/flow-output.ts";
import type { FlowOptions } from "../../src/packet/flows/flow-options.ts";
import type { PacketOutput } from "../../src/packet/output.ts";
import { eth, ip4, join, pcap, tcp, u32 } from "./frames.ts";
import { tsharkFields } from "./tshark.ts";

export interface FlowSide {
  readonly ip: string;
  readonly port?: number;
  readonly packets: number;
  readonly bytes: number;
  readonly process?: { readonly pid: number; readonly name: string };
}
export interface FlowTcpSide {
  readonly payload_bytes: number;
  readonly rtt_ns?: number;
  readonly tcp?: {
    readonly flags: string[];
    readonly retransmissions: number;
    readonly out_of_order: number;
    readonly gaps: number;
    readonly missing_bytes: number;
  };
}
/** A record of a flow, as it is shipped. */
export interface FlowDocument {
  readonly "@timestamp"?: string;
  readonly event: {
    readonly start?: string;
    readonly end?: string;
    readonly duration?: number;
    readonly type: string[];
  };
  readonly flow: {
    readonly id: string;
    readonly final: boolean;
    readonly end_reason?: string;
    readonly source: FlowTcpSide;
    readonly destination: FlowTcpSide;
    readonly tcp?: { readonly state: string };
    readonly rtt_ns?: number;
    readonly icmp_error?: { readonly type: number; readonly code: number };
  };
  readonly source: FlowSide;
  readonly destination: FlowSide;
  readonly process?: { readonly pid: number; readonly name: string };
  readonly network: {
    readonly type: string;
    readonly transport?: string;
    readonly protocol?: string;
    readonly community_id: string;
    readonly direction?: string;
    readonly vlan?: { readonly id: string };
    readonly bytes: number;
    readonly packets: number;
  };
  readonly icmp?: { readonly version: number; readonly type: number };
}

/** A frame and when it comes, in milliseconds from 1,700,000,000 s. */
export type TimedFrame = readonly [atMs: number, frame: Uint8Array];

/** A capture of frames with their times, to the microsecond. */
export function pcapAt(frames: readonly TimedFrame[]): Buffer {
  const capture = pcap(frames.map(([, frame]) => frame));
  let at = 24;
  for (const [atMs, frame] of frames) {
    capture.writeUInt32LE(1_700_000_000 + Math.floor(atMs / 1000), at);
    capture.writeUInt32LE(Math.round((atMs % 1000) * 1000), at + 4);
    at += 16 + frame.length;
  }
  return capture;
}

/** The documents that an output makes of a capture. */
export function documentsOf(capture: Uint8Array, output: PacketOutput): unknown[] {
  const reader = new CaptureReader(64);
  const decoder = new HeaderDecoder(64);
  const documents: unknown[] = [];
  const sink = { add: (json: string) => void documents.push(JSON.parse(json)) };
  for (const batch of reader.read(capture)) output.take(batch, decoder.decode(batch), reader.interfaces, sink);
  output.finish(sink);
  return documents;
}

/** The records of the flows of a capture. */
export function flowsOf(capture: Uint8Array, options: Partial<FlowOptions> = {}): FlowDocument[] {
  return documentsOf(capture, new FlowOutput({ maxFlows: 1000, ...options })) as FlowDocument[];
}

/** A segment between 10.0.0.1:40000 (`>`) and 10.0.0.2:80 (`<`). */
export function segment(way: ">" | "<", flags: number, sequence: number, size = 0, ports = [40_000, 80]): Buffer {
  const [from, to] = (way === ">" ? ports : [...ports].reverse()) as [number, number];
  const header = tcp(from, to, flags, Buffer.alloc(size, 65));
  const frame = join(header.subarray(0, 4), u32(sequence >>> 0), header.subarray(8));
  const [source, destination] = way === ">" ? ["10.0.0.1", "10.0.0.2"] : ["10.0.0.2", "10.0.0.1"];
  return eth(0x0800, ip4(6, frame, { source: source, destination: destination }));
}

interface Conversation {
  readonly frames: number;
  readonly bytes: number;
  readonly isExact: boolean;
}

/** Checks packets and bytes of both directions of all TCP, UDP and IP conversations. Returns how many there are. */
export function assertFlowsAgree(file: string): number {
  const flows = flowsOf(readFileSync(file));
  let count = 0;
  for (const kind of ["tcp", "udp", "ip", "ipv6"]) {
    const isPorts = kind === "tcp" || kind === "udp";
    const ours = new Map<string, { packets: number; bytes: number }[]>();
    for (const { network, source, destination } of flows) {
      if (isPorts ? network.transport !== kind : network.type !== (kind === "ip" ? "ipv4" : "ipv6")) continue;
      for (const [from, to] of [
        [source, destination],
        [destination, source],
      ] as const) {
        const key = isPorts ? `${from.ip}:${from.port} ${to.ip}:${to.port}` : `${from.ip} ${to.ip}`;
        const known = ours.get(key) ?? [];
        const sum = { packets: from.packets, bytes: from.bytes };
        // All flows between two addresses are one conversation, but each TCP connection is one of its own.
        if (!isPorts && known[0] !== undefined) {
          known[0] = { packets: known[0].packets + sum.packets, bytes: known[0].bytes + sum.bytes };
        } else {
          known.push(sum);
        }
        ours.set(key, known);
      }
    }
    const theirs = kind === "ipv6" ? packetsByAddress(file) : conversations(file, kind);
    count += theirs.size;
    assert.deepEqual([...ours.keys()].sort(), [...theirs.keys()].sort(), kind);
    for (const [key, expected] of theirs) {
      const found = ours.get(key)!;
      const packets = found.map((each) => each.packets).sort((a, b) => a - b);
      assert.deepEqual(
        packets,
        expected.map((each) => each.frames).sort((a, b) => a - b),
        `${kind} ${key}`,
      );
      const bytes = found.reduce((sum, each) => sum + each.bytes, 0);
      const want = expected.reduce((sum, each) => sum + each.bytes, 0);
      // tshark rounds large numbers.
      const slack = expected.every((each) => each.isExact) ? 0 : 1000 * expected.length;
      assert.ok(Math.abs(bytes - want) <= slack, `${kind} ${key}: ${bytes} bytes, tshark has ${want}`);
    }
  }
  return count / 2;
}

/** `conv,ipv6` leaves pieces of datagrams out, so what tshark says of each packet is added up. */
function packetsByAddress(file: string): Map<string, Conversation[]> {
  const found = new Map<string, Conversation[]>();
  for (const packet of tsharkFields(file, ["ipv6.src", "ipv6.dst", "frame.len"])) {
    // The first address is the outermost one.
    const [from = "", to = ""] = [packet["ipv6.src"], packet["ipv6.dst"]].map((text) => text.split(",")[0]);
    if (from === "") continue;
    for (const [key, count] of [
      [`${from} ${to}`, 1],
      [`${to} ${from}`, 0],
    ] as const) {
      const { frames = 0, bytes = 0 } = found.get(key)?.[0] ?? {};
      found.set(key, [{ frames: frames + count, bytes: bytes + count * Number(packet["frame.len"]), isExact: true }]);
    }
  }
  return found;
}

/** What `tshark -z conv` says: by direction, one entry a conversation. */
function conversations(file: string, kind: string): Map<string, Conversation[]> {
  const options = ["-o", "ip.defragment:FALSE", "-o", "ipv6.defragment:FALSE"];
  const text = execFileSync("tshark", ["-n", "-r", file, ...options, "-q", "-z", `conv,${kind}`], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  });
  const units: Readonly<Record<string, number>> = { bytes: 1, kB: 1000, MB: 1e6 };
  const found = new Map<string, Conversation[]>();
  const line = /^(\S+)\s+<->\s+(\S+)\s+(\d+)\s+(\d+) (\w+)\s+(\d+)\s+(\d+) (\w+)\s+\d+/gm;
  for (const [, a, b, ...cells] of text.matchAll(line)) {
    for (const [key, at] of [
      [`${b} ${a}`, 0],
      [`${a} ${b}`, 3],
    ] as const) {
      const [frames, bytes, unit] = [cells[at], cells[at + 1], cells[at + 2]!];
      const entry = { frames: Number(frames), bytes: Number(bytes) * units[unit]!, isExact: unit === "bytes" };
      found.set(key, [...(found.get(key) ?? []), entry]);
    }
  }
  return found;
}
