import { formatIsoTime } from "../../core/time.ts";
import { formatHex, formatIp4, formatIp6, formatMac } from "../address.ts";
import type { CaptureInterface } from "../capture/format.ts";
import { CommunityId } from "../community-id.ts";
import { TCP_FLAG_NAMES } from "../headers/header-columns.ts";
import { PROTOCOL } from "../headers/ip-layers.ts";
import type { DocumentSink } from "../output.ts";
import { TRANSPORTS } from "../transports.ts";
import { APPLICATION_NAMES } from "./applications.ts";
import { NO_TRANSPORT } from "./flow-key.ts";
import type { FlowOptions } from "./flow-options.ts";
import { AT, AT_F64, AT_U16, AT_U8, type FlowTable, KEY_VERSION_6 } from "./flow-table.ts";
import { STATE_NAMES } from "./tcp-track.ts";

/** Why a flow's last record came. */
export type FlowEnd = "idle_timeout" | "port_reuse" | "evicted" | "end_of_capture";

const FIRST_TIME = -62_167_219_200;
const TIME_LIMIT = 253_402_300_800;

/** Writes records of flows as ECS documents. One an output. */
export class FlowWriter {
  interfaces: readonly CaptureInterface[] = [];
  /** Seconds since the epoch of time 0 in the table; NaN: no time is known. */
  baseSeconds = NaN;
  readonly #table: FlowTable;
  readonly #options: FlowOptions;
  readonly #communityId = new CommunityId(0, 0);
  /** Both addresses, in network order. */
  readonly #addresses = Buffer.alloc(32);
  readonly #flags: (string | undefined)[] = [];
  readonly #mix = new Mix();

  constructor(table: FlowTable, options: FlowOptions) {
    this.#table = table;
    this.#options = options;
  }

  /** One document of what a flow was so far; `end` undefined: it goes on. */
  write(flow: number, end: FlowEnd | undefined, sink: DocumentSink): void {
    const table = this.#table;
    const { f64, u8, u16 } = table;
    const at = table.at(flow);
    const key = table.i32[at + AT.key]!;
    const protocol = key >>> 22;
    const type = (key >> 14) & 0xff;
    const isVersion6 = (key & KEY_VERSION_6) !== 0;
    const isIcmp = protocol === PROTOCOL.icmp || protocol === PROTOCOL.icmp6;
    const hasTransport = type !== NO_TRANSPORT;
    const portWord = table.i32[at + AT.ports]!;
    const [portA, portB] = [portWord >>> 16, portWord & 0xffff];
    const hasPorts = hasTransport && !isIcmp;
    const size = isVersion6 ? 16 : 4;
    const bytes = this.#readAddresses(flow, isVersion6);
    const sourceIp = isVersion6 ? formatIp6(bytes, 0) : formatIp4(bytes, 0);
    const destinationIp = isVersion6 ? formatIp6(bytes, 16) : formatIp4(bytes, 4);
    const transport = TRANSPORTS[protocol];
    const begin = f64[at / 2 + AT_F64.begin]!;
    const seen = table.seen[flow]!;
    const timeMs = this.#timeMs(seen);
    const hasTime = !Number.isNaN(timeMs);

    let json = hasTime
      ? `{"@timestamp":"${formatIsoTime(timeMs)}","event":{"kind":"event"`
      : `{"event":{"kind":"event"`;
    json += `,"category":["network"],"type":["connection"${end === undefined ? "" : ',"end"'}],"action":"network_flow","dataset":"flow"`;
    if (hasTime) {
      const endText = formatIsoTime(timeMs);
      const beginMs = this.#timeMs(begin);
      const beginText = Number.isNaN(beginMs) ? endText : formatIsoTime(beginMs);
      json += `,"start":"${beginText}","end":"${endText}","duration":${seen - begin}`;
    }
    json += `},"flow":{"id":"${this.#id(flow, begin)}","final":${end !== undefined}`;
    if (end !== undefined) json += `,"end_reason":"${end}"`;
    json += this.#directions(at, protocol === PROTOCOL.tcp && hasPorts);
    const error = u16[at * 2 + AT_U16.icmpError]!;
    if (error !== 0) json += `,"icmp_error":{"type":${error >> 8},"code":${error & 255}}`;
    json += "}";

    const process = hasPorts ? this.#process(transport, sourceIp, portA, destinationIp, portB) : "";
    const reverse = hasPorts ? this.#process(transport, destinationIp, portB, sourceIp, portA) : "";
    json += this.#side("source", at, 0, sourceIp, hasPorts ? portA : -1, process);
    json += this.#side("destination", at, 1, destinationIp, hasPorts ? portB : -1, reverse);
    if (process !== "" || reverse !== "") json += `,"process":${process === "" ? reverse : process}`;
    json += `,"network":{"type":"${isVersion6 ? "ipv6" : "ipv4"}"`;
    if (transport !== undefined) json += `,"transport":"${transport}"`;
    json += `,"iana_number":"${protocol}"`;
    const application = u8[at * 4 + AT_U8.application]!;
    if (application !== 0) json += `,"protocol":"${APPLICATION_NAMES[application]}"`;
    json += `,"bytes":${f64[at / 2 + AT_F64.bytes]! + f64[at / 2 + AT_F64.bytes + 1]!}`;
    json += `,"packets":${f64[at / 2 + AT_F64.packets]! + f64[at / 2 + AT_F64.packets + 1]!}`;
    const from = hasTransport ? (isIcmp ? type : portA) : undefined;
    const source = bytes.subarray(0, size);
    const destination = bytes.subarray(size, 2 * size);
    const id = this.#communityId.ofTuple(protocol, source, destination, from, hasTransport ? portB : undefined);
    json += `,"community_id":"${id}"`;
    const { isOwn } = this.#options;
    if (isOwn !== undefined) json += `,"direction":"${directionOf(isOwn, sourceIp, destinationIp)}"`;
    if ((key & 0xfff) !== 0) json += `,"vlan":{"id":"${key & 0xfff}"}`;
    json += "}";
    if (isIcmp && hasTransport) json += `,"icmp":{"version":${isVersion6 ? 6 : 4},"type":${type}}`;
    const name = this.interfaces[table.u32[at + AT.interface]!]?.name;
    if (name !== undefined) json += `,"observer":{"ingress":{"interface":{"name":${JSON.stringify(name)}}}}`;
    sink.add(json + "}", timeMs);
  }

  /** What ECS has no names for: payload, and of TCP state, flags, losses and round-trip times. */
  #directions(at: number, isTcp: boolean): string {
    const table = this.#table;
    const { f64, f32 } = table;
    if (!isTcp) {
      const payload = at / 2 + AT_F64.payload;
      return `,"source":{"payload_bytes":${f64[payload]}},"destination":{"payload_bytes":${f64[payload + 1]}}`;
    }
    const sourceRtt = Math.round(f32[at + AT.sourceRtt]!);
    const destinationRtt = Math.round(f32[at + AT.destinationRtt]!);
    let json = `,"source":${this.#tcpSide(at, 0, sourceRtt)},"destination":${this.#tcpSide(at, 1, destinationRtt)}`;
    const state = table.u8[at * 4 + AT_U8.state]!;
    if (state !== 0) json += `,"tcp":{"state":"${STATE_NAMES[state]}"}`;
    if (sourceRtt > 0 && destinationRtt > 0) json += `,"rtt_ns":${sourceRtt + destinationRtt}`;
    return json;
  }

  #tcpSide(at: number, direction: number, rttNs: number): string {
    const { f64, u32, u16 } = this.#table;
    const flags = u16[at * 2 + AT_U16.tcpFlags + direction]!;
    const names = (this.#flags[flags] ??= JSON.stringify(
      TCP_FLAG_NAMES.filter((_, bit) => ((flags >> bit) & 1) === 1),
    ));
    let json = `{"payload_bytes":${f64[at / 2 + AT_F64.payload + direction]},"tcp":{"flags":${names}`;
    json += `,"retransmissions":${u32[at + AT.retransmissions + direction]}`;
    json += `,"out_of_order":${u16[at * 2 + AT_U16.outOfOrder + direction]}`;
    json += `,"gaps":${u16[at * 2 + AT_U16.gaps + direction]},"missing_bytes":${u32[at + AT.missingBytes + direction]}}`;
    return rttNs > 0 ? `${json},"rtt_ns":${rttNs}}` : `${json}}`;
  }

  #side(name: string, at: number, direction: number, ip: string, port: number, process: string): string {
    const { f64, u8 } = this.#table;
    let json = `,"${name}":{"ip":"${ip}"`;
    if (port >= 0) json += `,"port":${port}`;
    const macAt = at * 4 + (direction === 0 ? AT_U8.sourceMac : AT_U8.destinationMac);
    if ((u8[macAt]! | u8[macAt + 1]! | u8[macAt + 2]! | u8[macAt + 3]! | u8[macAt + 4]! | u8[macAt + 5]!) !== 0)
      json += `,"mac":"${formatMac(u8, macAt)}"`;
    json += `,"packets":${f64[at / 2 + AT_F64.packets + direction]},"bytes":${f64[at / 2 + AT_F64.bytes + direction]}`;
    return process === "" ? `${json}}` : `${json},"process":${process}}`;
  }

  #process(transport: string | undefined, ip: string, port: number, otherIp: string, otherPort: number): string {
    const { processes } = this.#options;
    if (processes === undefined || transport === undefined) return "";
    const found = processes.find(transport, ip, port, otherIp, otherPort);
    return found === undefined ? "" : `{"pid":${found.pid},"name":${JSON.stringify(found.name)}}`;
  }

  #readAddresses(flow: number, isVersion6: boolean): Buffer {
    const { i32, wide } = this.#table;
    const to = this.#addresses;
    if (isVersion6) {
      for (let word = 0; word < 8; word++) to.writeInt32BE(wide[flow * 8 + word]!, word * 4);
    } else {
      const at = this.#table.at(flow);
      to.writeInt32BE(i32[at + AT.source]!, 0);
      to.writeInt32BE(i32[at + AT.destination]!, 4);
    }
    return to;
  }

  /** Milliseconds since the epoch, to the microsecond; NaN where they are unknown or no date that can be written. */
  #timeMs(nanoseconds: number): number {
    const seconds = this.baseSeconds + Math.floor(nanoseconds / 1e9);
    if (!(seconds >= FIRST_TIME && seconds < TIME_LIMIT)) return NaN;
    return seconds * 1000 + Math.floor((nanoseconds - Math.floor(nanoseconds / 1e9) * 1e9) / 1000) / 1000;
  }

  /** The same for all records of a flow, in every run; made of its key and its begin. */
  #id(flow: number, begin: number): string {
    const { i32, wide } = this.#table;
    const at = this.#table.at(flow);
    const seconds = Math.floor(begin / 1e9);
    const mix = this.#mix;
    mix.begin();
    for (let word = 0; word < 4; word++) mix.add(i32[at + word]!);
    if ((i32[at + AT.key]! & KEY_VERSION_6) !== 0) for (let word = 0; word < 8; word++) mix.add(wide[flow * 8 + word]!);
    mix.add(Number.isNaN(this.baseSeconds) ? 0 : this.baseSeconds + seconds);
    mix.add(begin - seconds * 1e9);
    return mix.text();
  }
}

/** 64 bits made of words, which need not withstand an adversary. */
class Mix {
  #a = 0;
  #b = 0;

  begin(): void {
    this.#a = 0x3c6ef372;
    this.#b = 0x1f83d9ab;
  }

  add(word: number): void {
    let a = Math.imul(this.#a ^ word, 0x85ebca6b);
    a ^= a >>> 13;
    this.#a = a;
    const b = Math.imul(this.#b ^ word ^ (a >>> 7), 0xc2b2ae35);
    this.#b = b ^ (b >>> 16);
  }

  text(): string {
    return formatHex(this.#a) + formatHex(this.#b);
  }
}

/** From the point of view of this machine, as ECS has it; `external`: it is only passing by. */
function directionOf(isOwn: (ip: string) => boolean, source: string, destination: string): string {
  const [isFromHere, isToHere] = [isOwn(source), isOwn(destination)];
  if (isFromHere) return isToHere ? "internal" : "egress";
  return isToHere || isGroup(destination) ? "ingress" : "external";
}

/** Multicast and broadcast: also for us. */
function isGroup(ip: string): boolean {
  if (ip.includes(":")) return ip.startsWith("ff");
  return Number(ip.slice(0, ip.indexOf("."))) >= 224;
}
