import type { CaptureInterface } from "../capture/format.ts";
import type { PacketBatch } from "../capture/packet-batch.ts";
import { u16 } from "../headers/cursor.ts";
import { FLAG, type HeaderColumns } from "../headers/header-columns.ts";
import { PROTOCOL } from "../headers/ip-layers.ts";
import type { DocumentSink, PacketOutput } from "../output.ts";
import { ofLayer, tcpBegins, udpBegins } from "./applications.ts";
import { FlowKey, NO_TRANSPORT } from "./flow-key.ts";
import { FLOW_DEFAULTS, type FlowOptions } from "./flow-options.ts";
import { AT, AT_F64, AT_U16, AT_U8, FlowTable } from "./flow-table.ts";
import { FlowWriter, type FlowEnd } from "./flow-writer.ts";
import { Fragments, fragmentId } from "./fragments.ts";
import { isError } from "./icmp.ts";
import { isNewConnection, STATE, trackSegment } from "./tcp-track.ts";

/** Flows are looked through for silent ones about this often (capture time). */
const SWEEP_NS = 5e9;
/** A clock that goes back by more is believed: another capture was put behind the first one. */
const MAX_BACK_NS = 600e9;

/**
 * Makes a record of each conversation (docs/packets.md lists its fields): by addresses, ports, protocol and VLAN, both
 * directions in one. Memory is fixed by `maxFlows`. A record comes when a flow is over, and in between where it goes on.
 */
export class FlowOutput implements PacketOutput {
  readonly #options: FlowOptions;
  readonly #table: FlowTable;
  readonly #writer: FlowWriter;
  readonly #key: FlowKey;
  readonly #fragments: Fragments;
  readonly #isInner: boolean;
  readonly #activeNs: number;
  readonly #shortestIdleNs: number;
  #sink: DocumentSink | undefined;
  /** Seconds since the epoch that times are counted from; NaN before any packet had a time. */
  #base = NaN;
  /** The latest time, in nanoseconds since `#base`. */
  #clock = 0;
  #sweepAt = SWEEP_NS;
  #packets = 0;
  #notIp = 0;
  #begun = 0;
  #ended = 0;
  #reported = 0;
  #evicted = 0;

  constructor(options: Partial<FlowOptions> = {}) {
    this.#options = { ...FLOW_DEFAULTS, ...options };
    const { maxFlows, activeMs, tcpIdleMs, handshakeIdleMs, closedIdleMs, udpIdleMs, otherIdleMs } = this.#options;
    this.#table = new FlowTable(maxFlows);
    this.#key = new FlowKey(this.#table.addresses);
    this.#fragments = new Fragments(this.#table);
    this.#writer = new FlowWriter(this.#table, this.#options);
    this.#isInner = this.#options.tunnels === "inner";
    this.#activeNs = activeMs > 0 ? activeMs * 1e6 : Infinity;
    this.#shortestIdleNs = Math.min(tcpIdleMs, handshakeIdleMs, closedIdleMs, udpIdleMs, otherIdleMs) * 1e6;
  }

  take(batch: PacketBatch, columns: HeaderColumns, interfaces: readonly CaptureInterface[], sink: DocumentSink): void {
    this.#sink = sink;
    this.#writer.interfaces = interfaces;
    for (let i = 0; i < batch.count; i++) {
      const now = this.#timeOf(batch, i);
      if (this.#clock >= this.#sweepAt) this.#sweep();
      const inner = 2 * i + 1;
      const slot = this.#isInner && columns.ipAt[inner]! >= 0 ? inner : 2 * i;
      if (columns.ipAt[slot]! < 0) this.#notIp++;
      else this.#packet(batch, columns, i, slot, now);
    }
    this.#packets += batch.count;
  }

  advance(timeMs: number, sink: DocumentSink): void {
    if (Number.isNaN(this.#base)) return;
    this.#sink = sink;
    this.#clock = Math.max(this.#clock, (timeMs / 1000 - this.#base) * 1e9);
    if (this.#clock >= this.#sweepAt) this.#sweep();
  }

  finish(sink: DocumentSink): void {
    this.#sink = sink;
    const { seen, end } = this.#table;
    for (let flow = 0; flow < end; flow++) {
      if (seen[flow] === Infinity) continue;
      this.#writer.write(flow, "end_of_capture", sink);
      this.#ended++;
    }
    this.#table.clear();
  }

  counters(): Readonly<Record<string, number>> {
    return {
      ...{ packets: this.#packets, packets_without_ip: this.#notIp, active_flows: this.#table.count },
      ...{ begun_flows: this.#begun, ended_flows: this.#ended, evicted_flows: this.#evicted },
      interim_records: this.#reported,
    };
  }

  /** Packets without a time have the latest one. */
  #timeOf(batch: PacketBatch, i: number): number {
    const seconds = batch.seconds[i]!;
    if (Number.isNaN(seconds)) return this.#clock;
    if (Number.isNaN(this.#base)) this.#base = this.#writer.baseSeconds = seconds;
    const now = (seconds - this.#base) * 1e9 + batch.nanoseconds[i]!;
    if (now > this.#clock) {
      this.#clock = now;
    } else if (now < this.#clock - MAX_BACK_NS) {
      this.#clock = now;
      this.#sweepAt = now + SWEEP_NS;
    }
    return now;
  }

  #packet(batch: PacketBatch, columns: HeaderColumns, i: number, slot: number, now: number): void {
    const { bytes } = batch;
    const table = this.#table;
    const key = this.#key;
    key.read(batch, columns, i, slot);
    const { hasTransport, protocol } = key;
    const ipAt = columns.ipAt[slot]!;
    // The columns of payload and TCP are those of the innermost header.
    const isInnermost = slot !== 2 * i || columns.ipAt[slot + 1]! < 0;
    const isTcp = protocol === PROTOCOL.tcp && hasTransport && isInnermost;
    const isFragment = isInnermost && (columns.flags[i]! & FLAG.fragment) !== 0;
    const datagram = isFragment ? fragmentId(bytes, ipAt, batch.frameAt[i]! + batch.capturedLength[i]!) : 0;
    let flow = isFragment && !hasTransport ? this.#fragments.find(key, datagram) : -1;
    if (flow < 0) {
      flow = table.find(key.source, key.destination, key.ports, key.key);
      if (flow >= 0 && this.#isOver(flow, now, isTcp, columns, i)) flow = -1;
      if (flow < 0) flow = this.#begin(batch, columns, i, now);
    }
    if (now >= table.u32[table.at(flow) + AT.reportAt]! * 1e9 && this.#activeNs !== Infinity) this.#report(flow, now);
    if (isFragment && hasTransport) this.#fragments.add(key, datagram, flow);

    const at = table.at(flow);
    const f64At = at / 2 + (table.isReverse ? 1 : 0);
    const hasPayload = isInnermost && columns.payloadAt[i]! >= 0;
    const payload = hasPayload
      ? columns.payloadOriginalLength[i]!
      : isTcp
        ? 0
        : payloadLength(batch, columns, i, slot, hasTransport && protocol === PROTOCOL.udp);
    if (isTcp && hasPayload) trackSegment(table, flow, now, columns.tcpFlags[i]!, columns.tcpSequence[i]! | 0, payload);
    table.f64[f64At + AT_F64.packets]! += 1;
    table.f64[f64At + AT_F64.bytes]! += batch.originalLength[i]!;
    table.f64[f64At + AT_F64.payload]! += payload;
    if (now > table.seen[flow]!) table.seen[flow] = now;
    if (hasPayload && table.u8[at * 4 + AT_U8.application] === 0 && payload > 0)
      table.u8[at * 4 + AT_U8.application] = applicationOf(bytes, columns, i, slot);
    if (isInnermost && hasTransport && isIcmp(protocol) && isError(protocol, columns.sourcePort[slot]!))
      this.#noteError(bytes, columns, i, slot);
  }

  /** Whether the flow that was found is another one with the same ports, which then gets its record. */
  #isOver(flow: number, now: number, isTcp: boolean, columns: HeaderColumns, i: number): boolean {
    const silent = now - this.#table.seen[flow]!;
    if (silent > this.#shortestIdleNs && silent > this.#idleNs(flow)) {
      this.#end(flow, "idle_timeout");
      return true;
    }
    if (!isTcp || !isNewConnection(this.#table, flow, columns.tcpFlags[i]!, columns.tcpSequence[i]! | 0)) return false;
    this.#end(flow, "port_reuse");
    return true;
  }

  /** A flow of the packet at hand, without its counts. */
  #begin(batch: PacketBatch, columns: HeaderColumns, i: number, now: number): number {
    const table = this.#table;
    if (table.count === table.capacity) {
      this.#evicted++;
      this.#end(table.oldest(), "evicted");
    }
    const { source, destination, ports, key, isBack } = this.#key;
    const flow = table.add(source, destination, ports, key, isBack);
    const at = table.at(flow);
    const { bytes } = batch;
    table.f64[at / 2 + AT_F64.begin] = now;
    table.seen[flow] = now;
    table.u32[at + AT.reportAt] = Math.max(0, Math.ceil((now + this.#activeNs) / 1e9));
    table.u32[at + AT.interface] = batch.interfaceIndex[i]!;
    const [from, to] = isBack ? [AT_U8.destinationMac, AT_U8.sourceMac] : [AT_U8.sourceMac, AT_U8.destinationMac];
    copyMac(bytes, columns.sourceMacAt[i]!, table.u8, at * 4 + from);
    copyMac(bytes, columns.destinationMacAt[i]!, table.u8, at * 4 + to);
    this.#begun++;
    this.#options.processes?.flowBegan();
    return flow;
  }

  /** A record of a flow that goes on. */
  #report(flow: number, now: number): void {
    this.#writer.write(flow, undefined, this.#sink!);
    this.#reported++;
    this.#table.u32[this.#table.at(flow) + AT.reportAt] = Math.max(0, Math.ceil((now + this.#activeNs) / 1e9));
  }

  #end(flow: number, reason: FlowEnd): void {
    this.#writer.write(flow, reason, this.#sink!);
    this.#table.remove(flow);
    this.#ended++;
  }

  /** Ends what has been silent for too long. */
  #sweep(): void {
    const { seen } = this.#table;
    const now = this.#clock;
    this.#sweepAt = now + SWEEP_NS;
    for (let flow = 0; flow < this.#table.end; flow++) {
      const silent = now - seen[flow]!;
      if (silent > this.#shortestIdleNs && silent > this.#idleNs(flow)) this.#end(flow, "idle_timeout");
    }
  }

  #idleNs(flow: number): number {
    const at = this.#table.at(flow);
    const key = this.#table.i32[at + AT.key]!;
    const options = this.#options;
    switch (((key >> 14) & 0xff) === NO_TRANSPORT ? 0 : key >>> 22) {
      case PROTOCOL.tcp: {
        const state = this.#table.u8[at * 4 + AT_U8.state]!;
        if (state >= STATE.closed) return options.closedIdleMs * 1e6;
        return (
          (state === STATE.synSent || state === STATE.synReceived ? options.handshakeIdleMs : options.tcpIdleMs) * 1e6
        );
      }
      case PROTOCOL.udp:
      case PROTOCOL.sctp:
        return options.udpIdleMs * 1e6;
      default:
        return options.otherIdleMs * 1e6;
    }
  }

  /** Notes an ICMP error at the flow whose packet it quotes. */
  #noteError(bytes: Uint8Array, columns: HeaderColumns, i: number, slot: number): void {
    const payloadAt = columns.payloadAt[i]!;
    const key = this.#key;
    if (payloadAt < 0 || !key.readQuoted(bytes, payloadAt, payloadAt + columns.payloadLength[i]!)) return;
    const flow = this.#table.find(key.source, key.destination, key.ports, key.key);
    if (flow < 0) return;
    const error = (columns.sourcePort[slot]! << 8) | columns.destinationPort[slot]!;
    this.#table.u16[this.#table.at(flow) * 2 + AT_U16.icmpError] = error;
  }
}

function isIcmp(protocol: number): boolean {
  return protocol === PROTOCOL.icmp || protocol === PROTOCOL.icmp6;
}

function copyMac(from: Uint8Array, at: number, to: Uint8Array, toAt: number): void {
  if (at >= 0) for (let i = 0; i < 6; i++) to[toAt + i] = from[at + i]!;
}

function applicationOf(bytes: Uint8Array, columns: HeaderColumns, i: number, slot: number): number {
  const layer = columns.application[i]!;
  if (layer >= 0) return ofLayer(layer);
  const at = columns.payloadAt[i]!;
  const end = at + columns.payloadLength[i]!;
  if (columns.ipProtocol[slot] === PROTOCOL.tcp) return tcpBegins(bytes, at, end);
  if (columns.ipProtocol[slot] !== PROTOCOL.udp) return 0;
  return udpBegins(bytes, at, end, columns.sourcePort[slot]!, columns.destinationPort[slot]!);
}

/** Bytes behind the IP header, or behind that of a tunnel's UDP, on the wire; the columns know only the innermost payload. */
function payloadLength(batch: PacketBatch, columns: HeaderColumns, i: number, slot: number, isUdp: boolean): number {
  const { bytes } = batch;
  const frameEnd = batch.frameAt[i]! + Math.max(batch.capturedLength[i]!, batch.originalLength[i]!);
  if (isUdp) {
    const at = columns.transportAt[slot]!;
    const hasLength = batch.frameAt[i]! + batch.capturedLength[i]! - at >= 6;
    return Math.max(0, Math.min(frameEnd - at, hasLength ? u16(bytes, at + 4) : Infinity) - 8);
  }
  const ipAt = columns.ipAt[slot]!;
  const isVersion6 = columns.ipVersion[slot] === 6;
  const headerLength = isVersion6 ? 40 : (bytes[ipAt]! & 15) << 2;
  const said = isVersion6 ? u16(bytes, ipAt + 4) : u16(bytes, ipAt + 2) - headerLength;
  const room = frameEnd - ipAt - headerLength;
  return Math.max(0, said > 0 ? Math.min(said, room) : room);
}
