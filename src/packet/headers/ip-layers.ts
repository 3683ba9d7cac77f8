import { tcpApplication, tcpPortLayer, udpApplication } from "../application.ts";
import { type Cursor, NEXT, u16, u32 } from "./cursor.ts";
import { FLAG } from "./header-columns.ts";
import { LAYER } from "./layer.ts";

/** IP protocol numbers, as in `network.iana_number`. */
export const PROTOCOL = {
  hopByHop: 0,
  icmp: 1,
  igmp: 2,
  ip4: 4,
  tcp: 6,
  udp: 17,
  ip6: 41,
  routing: 43,
  fragment: 44,
  gre: 47,
  esp: 50,
  ah: 51,
  icmp6: 58,
  destinationOptions: 60,
  sctp: 132,
} as const;

const VXLAN_PORT = 4789;

/**
 * RFC 791: 0 version and header length in words | 2 total length | 4 id | 6 flags and fragment offset | 8 time to live |
 * 9 protocol | 12 source | 16 destination | 20 options.
 */
export function ip4(c: Cursor): number {
  c.enter(LAYER.ip);
  const { bytes, at } = c;
  const room = c.end - at;
  if (room < 20) return c.mark(FLAG.cut);
  const first = bytes[at]!;
  const headerLength = (first & 15) << 2;
  if (first >> 4 !== 4 || headerLength < 20) return c.mark(FLAG.malformed);
  // Segmentation offload leaves 0: the frame says how long it is.
  let totalLength = u16(bytes, at + 2);
  if (totalLength === 0) totalLength = c.wireEnd - at;
  if (totalLength < headerLength) return c.mark(FLAG.malformed);
  enterIp(c, at, 4);
  c.isVersion6 = false;
  limit(c, at + totalLength);
  c.columns.ipProtocol[c.slot] = c.protocol = bytes[at + 9]!;
  if (room < headerLength) return c.mark(FLAG.cut);
  c.at = at + headerLength;
  const fragment = u16(bytes, at + 6) & 0x3fff;
  c.isFragment = fragment !== 0;
  if (fragment !== 0) {
    c.mark((fragment & 0x1fff) === 0 ? FLAG.fragment : FLAG.fragment | FLAG.laterFragment);
    if ((fragment & 0x1fff) !== 0) return laterPiece(c);
  }
  return NEXT.byProtocol;
}

/** RFC 8200: 0 version, class, flow label | 4 payload length | 6 next header | 7 hop limit | 8 source | 24 destination. */
export function ip6(c: Cursor): number {
  c.enter(LAYER.ipv6);
  const { bytes, at } = c;
  if (c.end - at < 40) return c.mark(FLAG.cut);
  if (bytes[at]! >> 4 !== 6) return c.mark(FLAG.malformed);
  enterIp(c, at, 6);
  c.isVersion6 = true;
  c.isFragment = false;
  const payloadLength = u16(bytes, at + 4);
  // 0 with a next header: a jumbogram, or segmentation offload.
  if (payloadLength !== 0) limit(c, at + 40 + payloadLength);
  c.columns.ipProtocol[c.slot] = c.protocol = bytes[at + 6]!;
  c.at = at + 40;
  return NEXT.byProtocol;
}

/** Takes the packet's first entry for its outermost IP layer, and the second one for every further one. */
function enterIp(c: Cursor, at: number, version: number): void {
  const { columns } = c;
  if (c.slot === -1) {
    c.slot = 2 * c.packet;
  } else {
    // What an IP layer between the two said is not that of the innermost one.
    c.slot = 2 * c.packet + 1;
    columns.transportAt[c.slot] = -1;
    columns.sourcePort[c.slot] = 0;
    columns.destinationPort[c.slot] = 0;
    columns.payloadAt[c.packet] = -1;
    columns.payloadLength[c.packet] = 0;
    columns.payloadOriginalLength[c.packet] = 0;
  }
  columns.ipAt[c.slot] = at;
  columns.ipVersion[c.slot] = version;
}

/** The layer ends at `wireEnd`, unless what is around it ends before. */
function limit(c: Cursor, wireEnd: number): void {
  if (wireEnd < c.wireEnd) c.wireEnd = wireEnd;
  if (wireEnd < c.end) c.end = wireEnd;
}

export function byProtocol(c: Cursor): number {
  switch (c.protocol) {
    case PROTOCOL.tcp:
      return tcp(c);
    case PROTOCOL.udp:
      return udp(c);
    case PROTOCOL.icmp:
      return typed(c, LAYER.icmp);
    case PROTOCOL.icmp6:
      return typed(c, LAYER.icmpv6);
    case PROTOCOL.igmp:
      return typed(c, LAYER.igmp);
    case PROTOCOL.sctp:
      return sctp(c);
    case PROTOCOL.gre:
      return NEXT.gre;
    case PROTOCOL.ip4:
      return NEXT.ip4;
    case PROTOCOL.ip6:
      return NEXT.ip6;
    case PROTOCOL.esp:
      c.enter(LAYER.esp);
      return NEXT.nothing;
    case PROTOCOL.ah:
      return authentication(c);
    default:
      return c.isVersion6 ? extension(c) : NEXT.nothing;
  }
}

/** RFC 8200 section 4: 0 next header | 1 length in 8 bytes without the first 8. A fragment header has 8 bytes. */
function extension(c: Cursor): number {
  const { bytes, at } = c;
  switch (c.protocol) {
    case PROTOCOL.hopByHop:
      c.enter(LAYER.hopopts);
      break;
    case PROTOCOL.routing:
      c.enter(LAYER.routing);
      break;
    case PROTOCOL.destinationOptions:
      c.enter(LAYER.dstopts);
      break;
    case PROTOCOL.fragment:
      return fragment(c);
    default:
      return NEXT.nothing;
  }
  if (c.end - at < 8) return c.mark(FLAG.cut);
  const length = (bytes[at + 1]! + 1) << 3;
  if (c.end - at < length) return c.mark(FLAG.cut);
  c.columns.ipProtocol[c.slot] = c.protocol = bytes[at]!;
  c.at = at + length;
  return NEXT.byProtocol;
}

/** RFC 8200 section 4.5: 0 next header | 2 offset in 8 bytes 13 bits, more 1 bit | 4 id. */
function fragment(c: Cursor): number {
  c.enter(LAYER.fraghdr);
  const { bytes, at } = c;
  if (c.end - at < 8) return c.mark(FLAG.cut);
  c.columns.ipProtocol[c.slot] = c.protocol = bytes[at]!;
  c.at = at + 8;
  const offset = u16(bytes, at + 2);
  // With neither an offset nor more to come it is a whole datagram (RFC 6946).
  if ((offset & 0xfff9) === 0) return NEXT.byProtocol;
  c.isFragment = true;
  c.mark(offset >> 3 === 0 ? FLAG.fragment : FLAG.fragment | FLAG.laterFragment);
  return offset >> 3 === 0 ? NEXT.byProtocol : laterPiece(c);
}

/** What it holds is told by the first piece only. */
function laterPiece(c: Cursor): number {
  if (c.end > c.at) c.enter(LAYER.data);
  return NEXT.nothing;
}

/** RFC 4302: 0 next header | 1 length in words less 2. */
function authentication(c: Cursor): number {
  c.enter(LAYER.ah);
  const { bytes, at } = c;
  if (c.end - at < 12) return c.mark(FLAG.cut);
  const length = (bytes[at + 1]! + 2) << 2;
  if (length < 12) return c.mark(FLAG.malformed);
  if (c.end - at < length) return c.mark(FLAG.cut);
  c.columns.ipProtocol[c.slot] = c.protocol = bytes[at]!;
  c.at = at + length;
  return NEXT.byProtocol;
}

/**
 * RFC 9293: 0 ports | 4 sequence | 8 acknowledgment | 12 header length in words 4 bits, flags 12 bits | 14 window |
 * 20 options.
 */
function tcp(c: Cursor): number {
  c.enter(LAYER.tcp);
  const { bytes, at, columns, packet } = c;
  const room = c.end - at;
  if (room < 4) return c.mark(FLAG.cut);
  takePorts(c, at);
  if (room < 20) return c.mark(FLAG.cut);
  const lengthAndFlags = u16(bytes, at + 12);
  columns.tcpSequence[packet] = u32(bytes, at + 4);
  columns.tcpAcknowledgment[packet] = u32(bytes, at + 8);
  columns.tcpFlags[packet] = lengthAndFlags & 0x1ff;
  columns.tcpWindow[packet] = u16(bytes, at + 14);
  const headerLength = (lengthAndFlags >> 12) << 2;
  if (headerLength < 20) return c.mark(FLAG.malformed);
  if (room < headerLength) return c.mark(c.wireEnd - at < headerLength ? FLAG.malformed : FLAG.cut);
  takePayload(c, at + headerLength);
  const length = columns.payloadLength[packet]!;
  if (length > 0) {
    const source = u16(bytes, at);
    const destination = u16(bytes, at + 2);
    const application = tcpApplication(source, destination, bytes, c.at, length);
    if (application >= 0) enterApplication(c, application);
    else c.enter(tcpPortLayer(source, destination));
  }
  return NEXT.nothing;
}

/** RFC 768: 0 ports | 4 length with the header | 6 checksum. */
function udp(c: Cursor): number {
  c.enter(LAYER.udp);
  const { bytes, at } = c;
  const room = c.end - at;
  if (room < 4) return c.mark(FLAG.cut);
  takePorts(c, at);
  if (room < 8) return c.mark(FLAG.cut);
  const length = u16(bytes, at + 4);
  if (length !== 0) {
    if (length < 8) return c.mark(FLAG.malformed);
    limit(c, at + length);
  }
  takePayload(c, at + 8);
  if (c.end <= c.at) return NEXT.nothing;
  if (u16(bytes, at + 2) === VXLAN_PORT && !c.isFragment) return NEXT.vxlan;
  enterApplication(c, udpApplication(u16(bytes, at), u16(bytes, at + 2)));
  return NEXT.nothing;
}

/** Adds an application layer to the stack, and to the columns where the packet may hold a whole message. */
function enterApplication(c: Cursor, layer: number): void {
  if (layer < 0) return;
  c.enter(layer);
  if (layer !== LAYER.data && !c.isFragment) c.columns.application[c.packet] = layer;
}

/** RFC 9260: 0 ports | 4 verification tag | 8 checksum. */
function sctp(c: Cursor): number {
  c.enter(LAYER.sctp);
  if (c.end - c.at < 4) return c.mark(FLAG.cut);
  takePorts(c, c.at);
  if (c.end - c.at < 12) return c.mark(FLAG.cut);
  takePayload(c, c.at + 12);
  return NEXT.nothing;
}

/** ICMP (RFC 792), ICMPv6 (RFC 4443) and IGMP (RFC 3376): 0 type | 1 code. */
function typed(c: Cursor, layer: number): number {
  c.enter(layer);
  const { bytes, at, columns, slot } = c;
  if (c.end - at < 2) return c.mark(FLAG.cut);
  columns.transportAt[slot] = at;
  columns.sourcePort[slot] = bytes[at]!;
  columns.destinationPort[slot] = bytes[at + 1]!;
  if (c.end - at < 8) return c.wireEnd - at < 8 ? NEXT.nothing : c.mark(FLAG.cut);
  takePayload(c, at + 8);
  if (isEcho(layer, bytes[at]!) && c.end > c.at) c.enter(LAYER.data);
  return NEXT.nothing;
}

function isEcho(layer: number, type: number): boolean {
  if (layer === LAYER.icmp) return type === 0 || type === 8;
  return layer === LAYER.icmpv6 && (type === 128 || type === 129);
}

function takePorts(c: Cursor, at: number): void {
  c.columns.transportAt[c.slot] = at;
  c.columns.sourcePort[c.slot] = u16(c.bytes, at);
  c.columns.destinationPort[c.slot] = u16(c.bytes, at + 2);
}

function takePayload(c: Cursor, at: number): void {
  c.at = at;
  c.columns.payloadAt[c.packet] = at;
  c.columns.payloadLength[c.packet] = Math.max(0, c.end - at);
  c.columns.payloadOriginalLength[c.packet] = Math.max(0, c.wireEnd - at);
}
