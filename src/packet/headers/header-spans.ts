import type { FieldSpans } from "../field-spans.ts";
import { u16 } from "./cursor.ts";
import { LAYER } from "./layer.ts";

/** Name, offset in the header, bytes. Fields of a few bits have the bytes that they are in. */
type Layout = readonly (readonly [name: string, offset: number, length: number])[];

const extension = (name: string, ...more: Layout): Layout => [[`${name}.nxt`, 0, 1], [`${name}.len`, 1, 1], ...more];

/** What is at the same place in every header of a layer; where it is specified, the decoders say. */
const LAYOUTS: Readonly<Partial<Record<number, Layout>>> = {
  [LAYER.eth]: [
    ["eth.dst", 0, 6],
    ["eth.src", 6, 6],
    ["eth.type", 12, 2],
  ],
  [LAYER.vlan]: [
    ["vlan.priority", 0, 2],
    ["vlan.dei", 0, 2],
    ["vlan.id", 0, 2],
    ["vlan.etype", 2, 2],
  ],
  [LAYER.ieee8021ad]: [
    ["ieee8021ad.priority", 0, 1],
    ["ieee8021ad.dei", 0, 1],
    ["ieee8021ad.id", 0, 2],
    ["ieee8021ad.etype", 2, 2],
  ],
  [LAYER.mpls]: [
    ["mpls.label", 0, 4],
    ["mpls.exp", 0, 4],
    ["mpls.bottom", 0, 4],
    ["mpls.ttl", 0, 4],
  ],
  [LAYER.pppoed]: pppoe(),
  [LAYER.pppoes]: pppoe(),
  [LAYER.arp]: [
    ["arp.hw.type", 0, 2],
    ["arp.proto.type", 2, 2],
    ["arp.hw.size", 4, 1],
    ["arp.proto.size", 5, 1],
    ["arp.opcode", 6, 2],
  ],
  [LAYER.ip]: [
    ["ip.version", 0, 1],
    ["ip.hdr_len", 0, 1],
    ["ip.dsfield", 1, 1],
    ["ip.len", 2, 2],
    ["ip.id", 4, 2],
    ["ip.flags", 6, 1],
    ["ip.frag_offset", 6, 2],
    ["ip.ttl", 8, 1],
    ["ip.proto", 9, 1],
    ["ip.checksum", 10, 2],
    ["ip.src", 12, 4],
    ["ip.dst", 16, 4],
  ],
  [LAYER.ipv6]: [
    ["ipv6.version", 0, 1],
    ["ipv6.tclass", 0, 4],
    ["ipv6.flow", 1, 3],
    ["ipv6.plen", 4, 2],
    ["ipv6.nxt", 6, 1],
    ["ipv6.hlim", 7, 1],
    ["ipv6.src", 8, 16],
    ["ipv6.dst", 24, 16],
  ],
  [LAYER.hopopts]: extension("ipv6.hopopts"),
  [LAYER.dstopts]: extension("ipv6.dstopts"),
  [LAYER.routing]: extension("ipv6.routing", ["ipv6.routing.type", 2, 1], ["ipv6.routing.segleft", 3, 1]),
  [LAYER.fraghdr]: [
    ["ipv6.fraghdr.nxt", 0, 1],
    ["ipv6.fraghdr.offset", 2, 2],
    ["ipv6.fraghdr.more", 2, 2],
    ["ipv6.fraghdr.ident", 4, 4],
  ],
  [LAYER.ah]: [
    ["ah.next_header", 0, 1],
    ["ah.length", 1, 1],
    ["ah.spi", 4, 4],
    ["ah.sequence", 8, 4],
  ],
  [LAYER.esp]: [
    ["esp.spi", 0, 4],
    ["esp.sequence", 4, 4],
  ],
  [LAYER.tcp]: [
    ["tcp.srcport", 0, 2],
    ["tcp.dstport", 2, 2],
    ["tcp.seq", 4, 4],
    ["tcp.ack", 8, 4],
    ["tcp.hdr_len", 12, 1],
    ["tcp.flags", 12, 2],
    ["tcp.window_size_value", 14, 2],
    ["tcp.checksum", 16, 2],
    ["tcp.urgent_pointer", 18, 2],
  ],
  [LAYER.udp]: [
    ["udp.srcport", 0, 2],
    ["udp.dstport", 2, 2],
    ["udp.length", 4, 2],
    ["udp.checksum", 6, 2],
  ],
  [LAYER.sctp]: [
    ["sctp.srcport", 0, 2],
    ["sctp.dstport", 2, 2],
    ["sctp.verification_tag", 4, 4],
    ["sctp.checksum", 8, 4],
  ],
  [LAYER.icmp]: [
    ["icmp.type", 0, 1],
    ["icmp.code", 1, 1],
    ["icmp.checksum", 2, 2],
  ],
  [LAYER.icmpv6]: [
    ["icmpv6.type", 0, 1],
    ["icmpv6.code", 1, 1],
    ["icmpv6.checksum", 2, 2],
  ],
  [LAYER.igmp]: [
    ["igmp.type", 0, 1],
    ["igmp.checksum", 2, 2],
  ],
  [LAYER.gre]: [
    ["gre.flags_and_version", 0, 2],
    ["gre.proto", 2, 2],
  ],
  [LAYER.vxlan]: [
    ["vxlan.flags", 0, 2],
    ["vxlan.vni", 4, 3],
  ],
};

function pppoe(): Layout {
  return [
    ["pppoe.version", 0, 1],
    ["pppoe.type", 0, 1],
    ["pppoe.code", 1, 1],
    ["pppoe.session_id", 2, 2],
    ["pppoe.payload_length", 4, 2],
  ];
}

/** Notes where the fields of the header of `layer` lie that begins at `at`; the captured bytes end at `end`. */
export function headerSpans(layer: number, bytes: Uint8Array, at: number, end: number, spans: FieldSpans): void {
  for (const [name, offset, length] of LAYOUTS[layer] ?? []) {
    // Smaller values are the length of an IEEE 802.3 frame.
    if (name === "eth.type" && at + 14 <= end && u16(bytes, at + 12) < 0x0600) spans.add("eth.len", at + 12, 2);
    else spans.add(name, at + offset, length);
  }
  switch (layer) {
    case LAYER.arp:
      arpSpans(bytes, at, end, spans);
      break;
    case LAYER.ip:
      if (at < end) spans.add("ip.options", at + 20, ((bytes[at]! & 15) << 2) - 20);
      break;
    case LAYER.tcp:
      if (at + 12 < end) spans.add("tcp.options", at + 20, ((bytes[at + 12]! >> 4) << 2) - 20);
      break;
    case LAYER.ppp:
      pppSpans(bytes, at, end, spans);
      break;
    case LAYER.icmp:
    case LAYER.icmpv6:
      icmpSpans(layer, bytes, at, end, spans);
      break;
    case LAYER.igmp:
      if (at < end && bytes[at]! !== 0x22) spans.add("igmp.maddr", at + 4, 4);
  }
}

/** RFC 826: the addresses' lengths are in the header. */
function arpSpans(bytes: Uint8Array, at: number, end: number, spans: FieldSpans): void {
  if (at + 8 > end || bytes[at + 4] !== 6 || bytes[at + 5] !== 4) return;
  spans.add("arp.src.hw_mac", at + 8, 6);
  spans.add("arp.src.proto_ipv4", at + 14, 4);
  spans.add("arp.dst.hw_mac", at + 18, 6);
  spans.add("arp.dst.proto_ipv4", at + 24, 4);
}

/** RFC 1661 and 1662: address and control may be before the protocol, of which one byte is enough where it is odd. */
function pppSpans(bytes: Uint8Array, at: number, end: number, spans: FieldSpans): void {
  if (at + 4 > end) return;
  const from = bytes[at] === 0xff && bytes[at + 1] === 3 ? at + 2 : at;
  spans.add("ppp.protocol", from, (bytes[from]! & 1) === 1 ? 1 : 2);
}

/** LINKTYPE_LINUX_SLL: 0 type | 2 hardware | 4 address length | 6 address | 14 protocol. */
export function sllSpans(bytes: Uint8Array, at: number, spans: FieldSpans): void {
  spans.add("sll.pkttype", at, 2);
  spans.add("sll.hatype", at + 2, 2);
  spans.add("sll.halen", at + 4, 2);
  if (u16(bytes, at + 4) === 6) spans.add("sll.src.eth", at + 6, 6);
  spans.add("sll.etype", at + 14, 2);
}

/** LINKTYPE_LINUX_SLL2: 0 protocol | 4 interface | 8 hardware | 10 type | 11 address length | 12 address. */
export function sll2Spans(bytes: Uint8Array, at: number, spans: FieldSpans): void {
  spans.add("sll.etype", at, 2);
  spans.add("sll.ifindex", at + 4, 4);
  spans.add("sll.hatype", at + 8, 2);
  spans.add("sll.pkttype", at + 10, 1);
  spans.add("sll.halen", at + 11, 1);
  if (bytes[at + 11] === 6) spans.add("sll.src.eth", at + 12, 6);
}

const [ECHO_REPLY, ECHO, ECHO6, ECHO6_REPLY, SOLICITATION, ADVERTISEMENT] = [0, 8, 128, 129, 135, 136];

function icmpSpans(layer: number, bytes: Uint8Array, at: number, end: number, spans: FieldSpans): void {
  if (at >= end) return;
  const type = bytes[at]!;
  if (layer === LAYER.icmp && (type === ECHO || type === ECHO_REPLY)) {
    spans.add("icmp.ident", at + 4, 2);
    spans.add("icmp.seq", at + 6, 2);
  }
  if (layer !== LAYER.icmpv6) return;
  if (type === ECHO6 || type === ECHO6_REPLY) {
    spans.add("icmpv6.echo.identifier", at + 4, 2);
    spans.add("icmpv6.echo.sequence_number", at + 6, 2);
  }
  if (type === SOLICITATION) spans.add("icmpv6.nd.ns.target_address", at + 8, 16);
  if (type === ADVERTISEMENT) spans.add("icmpv6.nd.na.target_address", at + 8, 16);
}
