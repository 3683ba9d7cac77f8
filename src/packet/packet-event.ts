import { formatIsoTime } from "../core/time.ts";
import { formatIp4, formatIp6, formatMac } from "./address.ts";
import { applicationFields } from "./application-fields.ts";
import type { CaptureInterface } from "./capture/format.ts";
import type { PacketBatch } from "./capture/packet-batch.ts";
import { CommunityId } from "./community-id.ts";
import { decodeDhcp, type DhcpMessage } from "./dhcp/message.ts";
import { decodeDns, type DnsMessage } from "./dns/message.ts";
import { u16 } from "./headers/cursor.ts";
import { FLAG, type HeaderColumns, TCP_FLAG_NAMES } from "./headers/header-columns.ts";
import { PROTOCOL } from "./headers/ip-layers.ts";
import { LAYER, LAYER_NAMES } from "./headers/layer.ts";
import { DEFAULT_HTTP_FIELDS, type HttpFieldOptions } from "./http/fields.ts";
import { TRANSPORTS } from "./transports.ts";

/** A packet as an ECS document (docs/packets.md lists the fields). Members without a value are undefined. */
export interface PacketEvent {
  "@timestamp": string | undefined;
  event: { kind: "event"; category: ["network"]; type: ["info"]; dataset: "packet" };
  frame: { number: number; time: string | undefined; len: number; cap_len: number; protocols: string };
  source: Endpoint | undefined;
  destination: Endpoint | undefined;
  network: {
    type: string | undefined;
    transport: string | undefined;
    iana_number: string | undefined;
    protocol: string | undefined;
    bytes: number;
    community_id: string | undefined;
    vlan: { id: string } | undefined;
    inner: { vlan: { id: string } } | undefined;
  };
  ip: { ttl: number; fragment: { id: number; offset: number; more: boolean } | undefined } | undefined;
  tcp: { flags: string[]; seq_raw: number; ack_raw: number; window_size_value: number; len: number } | undefined;
  udp: { len: number } | undefined;
  icmp: { version: 4 | 6; type: number; code: number } | undefined;
  arp: { opcode: number; src: ArpSide; dst: ArpSide } | undefined;
  dns: DnsMessage | undefined;
  dhcpv4: DhcpMessage | undefined;
  /** Of a head, hello or message that the packet has whole: see application-fields.ts. */
  http?: unknown;
  url?: unknown;
  user_agent?: unknown;
  user?: unknown;
  tls?: unknown;
  ntp?: unknown;
  observer: { ingress: { interface: { name: string } } } | undefined;
  tags: string[] | undefined;
}

/** Lists where the packet is in a tunnel: the outermost one first. */
interface Endpoint {
  ip: string | string[] | undefined;
  port: number | number[] | undefined;
  mac: string | undefined;
}

interface ArpSide {
  hw_mac: string;
  proto_ipv4: string;
}

const TAGS = [
  ["cut", FLAG.cut],
  ["malformed", FLAG.malformed],
  ["too_many_headers", FLAG.tooDeep],
] as const;

/** Makes documents of decoded packets. Keep one a capture. */
export class PacketEvents {
  readonly #communityId = new CommunityId();
  readonly #http: HttpFieldOptions;

  /** `http`: which headers are told, and whether credentials are. */
  constructor(http: HttpFieldOptions = DEFAULT_HTTP_FIELDS) {
    this.#http = http;
  }

  /** The document of packet `i`; nothing in it belongs to the batch. */
  of(batch: PacketBatch, columns: HeaderColumns, i: number, from: CaptureInterface | undefined): PacketEvent {
    const { bytes } = batch;
    // The innermost IP header and what it carries: 2 * i but in tunnels.
    const inner = columns.ipAt[2 * i + 1]! >= 0 ? 2 * i + 1 : 2 * i;
    const hasIp = columns.ipAt[inner]! >= 0;
    const protocol = hasIp ? columns.ipProtocol[inner]! : undefined;
    const seconds = batch.seconds[i]!;
    const nanoseconds = batch.nanoseconds[i]!;
    const timeMs = seconds * 1000 + Math.floor(nanoseconds / 1000) / 1000;
    const timestamp = isWritable(seconds) ? formatIsoTime(timeMs) : undefined;
    const length = batch.originalLength[i]!;
    const application = columns.application[i]!;
    const payloadAt = columns.payloadAt[i]!;
    const payloadEnd = payloadAt + columns.payloadLength[i]!;
    const isDns = application === LAYER.dns || application === LAYER.mdns || application === LAYER.llmnr;
    // Over TCP the message's length stands before it.
    const dns = isDns ? decodeDns(bytes, payloadAt + (protocol === PROTOCOL.tcp ? 2 : 0), payloadEnd) : undefined;
    const dhcpv4 = application === LAYER.dhcp ? decodeDhcp(bytes, payloadAt, payloadEnd) : undefined;
    let flags = columns.flags[i]!;
    const isDecoded = isDns ? dns !== undefined : application !== LAYER.dhcp || dhcpv4 !== undefined;
    if (!isDecoded) {
      const isCut = columns.payloadLength[i]! < columns.payloadOriginalLength[i]!;
      flags |= isCut ? FLAG.cut : FLAG.malformed;
    }
    const tags = flags === 0 ? [] : TAGS.filter(([, flag]) => (flags & flag) !== 0).map(([name]) => name);
    return {
      "@timestamp": timestamp,
      event: { kind: "event", category: ["network"], type: ["info"], dataset: "packet" },
      frame: {
        number: batch.firstNumber + i,
        time: exactTime(timestamp, nanoseconds),
        len: length,
        cap_len: batch.capturedLength[i]!,
        protocols: columns.paths.text(columns.path[i]!),
      },
      source: endpoint(bytes, columns, i, true),
      destination: endpoint(bytes, columns, i, false),
      network: {
        type: hasIp ? (columns.ipVersion[2 * i] === 4 ? "ipv4" : "ipv6") : columns.arpAt[i]! >= 0 ? "arp" : undefined,
        transport: protocol === undefined ? undefined : TRANSPORTS[protocol],
        iana_number: protocol === undefined ? undefined : String(protocol),
        protocol: application < 0 ? undefined : LAYER_NAMES[application],
        bytes: length,
        community_id: this.#communityId.of(bytes, columns, i),
        vlan: columns.vlanCount[i]! > 0 ? { id: vlanId(bytes, columns.vlanAt[i]!) } : undefined,
        inner: columns.vlanCount[i]! > 1 ? { vlan: { id: vlanId(bytes, columns.innerVlanAt[i]!) } } : undefined,
      },
      ip: hasIp ? ipFields(bytes, columns, inner) : undefined,
      tcp: protocol === PROTOCOL.tcp && columns.payloadAt[i]! >= 0 ? tcpFields(columns, i) : undefined,
      udp:
        protocol === PROTOCOL.udp && columns.payloadAt[i]! >= 0
          ? { len: columns.payloadOriginalLength[i]! }
          : undefined,
      icmp: icmpFields(columns, inner, protocol),
      arp: arpFields(bytes, columns.arpAt[i]!),
      dns,
      dhcpv4,
      ...applicationFields(application, bytes, payloadAt, payloadEnd, columns.destinationPort[inner]!, this.#http),
      observer: from?.name === undefined ? undefined : { ingress: { interface: { name: from.name } } },
      tags: tags.length === 0 ? undefined : tags,
    };
  }
}

/** Whether the time is known and in the years 0 to 9999, which RFC 3339 can say. */
function isWritable(seconds: number): boolean {
  return seconds >= -62_167_219_200 && seconds < 253_402_300_800;
}

/** The same time with all nine digits of its second: `@timestamp` has at most six. */
function exactTime(time: string | undefined, nanoseconds: number): string | undefined {
  return time === undefined ? undefined : `${time.slice(0, 20)}${String(nanoseconds).padStart(9, "0")}Z`;
}

function endpoint(bytes: Uint8Array, columns: HeaderColumns, i: number, isSource: boolean): Endpoint | undefined {
  const macAt = isSource ? columns.sourceMacAt[i]! : columns.destinationMacAt[i]!;
  const outerIp = address(bytes, columns, 2 * i, isSource);
  const innerIp = address(bytes, columns, 2 * i + 1, isSource);
  if (macAt < 0 && outerIp === undefined) return undefined;
  const outerPort = port(columns, 2 * i, isSource);
  const innerPort = port(columns, 2 * i + 1, isSource);
  return {
    ip: innerIp === undefined ? outerIp : [outerIp!, innerIp],
    port: outerPort === undefined ? innerPort : innerPort === undefined ? outerPort : [outerPort, innerPort],
    mac: macAt < 0 ? undefined : formatMac(bytes, macAt),
  };
}

function address(bytes: Uint8Array, columns: HeaderColumns, slot: number, isSource: boolean): string | undefined {
  const at = columns.ipAt[slot]!;
  if (at < 0) return undefined;
  if (columns.ipVersion[slot] === 4) return formatIp4(bytes, at + (isSource ? 12 : 16));
  return formatIp6(bytes, at + (isSource ? 8 : 24));
}

function port(columns: HeaderColumns, slot: number, isSource: boolean): number | undefined {
  if (columns.transportAt[slot]! < 0) return undefined;
  const protocol = columns.ipProtocol[slot]!;
  if (protocol !== PROTOCOL.tcp && protocol !== PROTOCOL.udp && protocol !== PROTOCOL.sctp) return undefined;
  return isSource ? columns.sourcePort[slot] : columns.destinationPort[slot];
}

/** The id is the lower 12 of 16 bits; ECS has it as text. */
function vlanId(bytes: Uint8Array, at: number): string {
  return String(u16(bytes, at) & 0x0fff);
}

function ipFields(bytes: Uint8Array, columns: HeaderColumns, slot: number): PacketEvent["ip"] {
  const at = columns.ipAt[slot]!;
  if (columns.ipVersion[slot] === 6) return { ttl: bytes[at + 7]!, fragment: undefined };
  const bits = u16(bytes, at + 6);
  const isPiece = (bits & 0x3fff) !== 0;
  const fragment = { id: u16(bytes, at + 4), offset: (bits & 0x1fff) * 8, more: (bits & 0x2000) !== 0 };
  return { ttl: bytes[at + 8]!, fragment: isPiece ? fragment : undefined };
}

function tcpFields(columns: HeaderColumns, i: number): PacketEvent["tcp"] {
  const bits = columns.tcpFlags[i]!;
  return {
    flags: TCP_FLAG_NAMES.filter((_, bit) => ((bits >> bit) & 1) === 1),
    seq_raw: columns.tcpSequence[i]!,
    ack_raw: columns.tcpAcknowledgment[i]!,
    window_size_value: columns.tcpWindow[i]!,
    len: columns.payloadOriginalLength[i]!,
  };
}

function icmpFields(columns: HeaderColumns, slot: number, protocol: number | undefined): PacketEvent["icmp"] {
  if (columns.transportAt[slot]! < 0 || (protocol !== PROTOCOL.icmp && protocol !== PROTOCOL.icmp6)) return undefined;
  const version = protocol === PROTOCOL.icmp ? 4 : 6;
  return { version, type: columns.sourcePort[slot]!, code: columns.destinationPort[slot]! };
}

/** RFC 826 for Ethernet (type 1, 6 bytes) and IPv4 (4 bytes): 6 operation | 8 sender | 18 target. */
function arpFields(bytes: Uint8Array, at: number): PacketEvent["arp"] {
  if (at < 0 || bytes[at + 4] !== 6 || bytes[at + 5] !== 4 || u16(bytes, at + 2) !== 0x0800) return undefined;
  const side = (sideAt: number): ArpSide => ({
    hw_mac: formatMac(bytes, sideAt),
    proto_ipv4: formatIp4(bytes, sideAt + 6),
  });
  return { opcode: u16(bytes, at + 6), src: side(at + 8), dst: side(at + 18) };
}
