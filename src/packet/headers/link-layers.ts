import { type Cursor, NEXT, u16, u32 } from "./cursor.ts";
import { FLAG } from "./header-columns.ts";
import { LAYER } from "./layer.ts";

const ETHERTYPE = {
  ip4: 0x0800,
  arp: 0x0806,
  ethernet: 0x6558,
  vlan: 0x8100,
  ip6: 0x86dd,
  mpls: 0x8847,
  mplsMulticast: 0x8848,
  pppoeDiscovery: 0x8863,
  pppoeSession: 0x8864,
  serviceVlan: 0x88a8,
  oldVlan: 0x9100,
} as const;
/** Smaller values where an EtherType stands are the length of an IEEE 802.3 frame. */
const FIRST_ETHERTYPE = 0x0600;

/** The first decoder for frames of a link type (LINKTYPE_ values, also the DLT_ ones of old files). */
export function firstOf(linkType: number): number {
  switch (linkType) {
    case 1:
      return NEXT.ethernet;
    case 0:
      return NEXT.null;
    case 108:
      return NEXT.loop;
    case 9:
      return NEXT.ppp;
    case 12:
    case 14:
    case 101:
      return NEXT.raw;
    case 113:
      return NEXT.sll;
    case 276:
      return NEXT.sll2;
    case 228:
      return NEXT.ip4;
    case 229:
      return NEXT.ip6;
    default:
      return NEXT.nothing;
  }
}

/** IEEE 802.3: 0 destination | 6 source | 12 EtherType or length. */
export function ethernet(c: Cursor): number {
  c.enter(LAYER.eth);
  const { at, columns, packet } = c;
  if (c.end - at < 14) return c.mark(FLAG.cut);
  if (columns.sourceMacAt[packet] === -1) {
    columns.destinationMacAt[packet] = at;
    columns.sourceMacAt[packet] = at + 6;
  }
  c.etherType = u16(c.bytes, at + 12);
  c.at = at + 14;
  return NEXT.byEtherType;
}

export function byEtherType(c: Cursor): number {
  const type = c.etherType;
  if (c.columns.etherType[c.packet] === 0) c.columns.etherType[c.packet] = type;
  if (type < FIRST_ETHERTYPE) {
    c.enter(LAYER.llc);
    return NEXT.nothing;
  }
  c.enter(LAYER.ethertype);
  return ofEtherType(c, type);
}

function ofEtherType(c: Cursor, type: number): number {
  switch (type) {
    case ETHERTYPE.ip4:
      return NEXT.ip4;
    case ETHERTYPE.ip6:
      return NEXT.ip6;
    case ETHERTYPE.arp:
      return NEXT.arp;
    case ETHERTYPE.vlan:
    case ETHERTYPE.serviceVlan:
    case ETHERTYPE.oldVlan:
      c.etherType = type;
      return NEXT.vlan;
    case ETHERTYPE.mpls:
    case ETHERTYPE.mplsMulticast:
      return NEXT.mpls;
    case ETHERTYPE.pppoeDiscovery:
    case ETHERTYPE.pppoeSession:
      c.etherType = type;
      return NEXT.pppoe;
    case ETHERTYPE.ethernet:
      return NEXT.ethernet;
    default:
      return NEXT.nothing;
  }
}

/** IEEE 802.1Q: 0 priority 3 bits, drop 1 bit, id 12 bits | 2 EtherType or length. */
export function vlan(c: Cursor): number {
  c.enter(c.etherType === ETHERTYPE.serviceVlan ? LAYER.ieee8021ad : LAYER.vlan);
  const { at, columns, packet } = c;
  if (c.end - at < 4) return c.mark(FLAG.cut);
  // Tags of a tunnel's inner frame are not those of the wire.
  if (c.slot === -1) {
    if (columns.vlanCount[packet]!++ === 0) columns.vlanAt[packet] = at;
    columns.innerVlanAt[packet] = at;
  }
  c.etherType = u16(c.bytes, at + 2);
  c.at = at + 4;
  return NEXT.byEtherType;
}

/** RFC 3032: entries of label 20 bits, class 3 bits, bottom 1 bit, time to live 8 bits; what follows is told by its first bits. */
export function mpls(c: Cursor): number {
  c.enter(LAYER.mpls);
  const { bytes, columns, packet } = c;
  if (columns.mplsAt[packet] === -1 && c.end - c.at >= 4) columns.mplsAt[packet] = c.at;
  for (;;) {
    if (c.end - c.at < 4) return c.mark(FLAG.cut);
    const isBottom = (bytes[c.at + 2]! & 1) === 1;
    c.at += 4;
    if (isBottom) break;
  }
  if (c.end === c.at) return NEXT.nothing;
  const version = bytes[c.at]! >> 4;
  return version === 4 ? NEXT.ip4 : version === 6 ? NEXT.ip6 : NEXT.nothing;
}

/** RFC 2516: 0 version and type | 1 code | 2 session | 4 length; in a session PPP follows. */
export function pppoe(c: Cursor): number {
  const isSession = c.etherType === ETHERTYPE.pppoeSession;
  c.enter(isSession ? LAYER.pppoes : LAYER.pppoed);
  if (c.end - c.at < 6) return c.mark(FLAG.cut);
  const isData = c.bytes[c.at + 1] === 0;
  c.at += 6;
  return isSession && isData ? NEXT.ppp : NEXT.nothing;
}

/** RFC 1661 and 1662: maybe ff 03, then a protocol of two bytes, or of one when that is odd. */
export function ppp(c: Cursor): number {
  c.enter(LAYER.ppp);
  const { bytes, end } = c;
  if (end - c.at >= 2 && bytes[c.at] === 0xff && bytes[c.at + 1] === 0x03) c.at += 2;
  if (end - c.at < 2) return c.mark(FLAG.cut);
  const isShort = (bytes[c.at]! & 1) === 1;
  const protocol = isShort ? bytes[c.at]! : u16(bytes, c.at);
  c.at += isShort ? 1 : 2;
  switch (protocol) {
    case 0x0021:
      return NEXT.ip4;
    case 0x0057:
      return NEXT.ip6;
    case 0x0281:
    case 0x0283:
      return NEXT.mpls;
    default:
      return NEXT.nothing;
  }
}

/** LINKTYPE_LINUX_SLL: 0 packet type | 2 ARPHRD_ type | 4 address length | 6 address, 8 bytes | 14 protocol. */
export function sll(c: Cursor): number {
  c.enter(LAYER.sll);
  const { bytes, at } = c;
  if (c.end - at < 16) return c.mark(FLAG.cut);
  if (u16(bytes, at + 4) === 6) c.columns.sourceMacAt[c.packet] = at + 6;
  c.at = at + 16;
  return cooked(c, u16(bytes, at + 2), u16(bytes, at + 14));
}

/** LINKTYPE_LINUX_SLL2: 0 protocol | 4 interface | 8 ARPHRD_ type | 10 packet type | 11 address length | 12 address, 8 bytes. */
export function sll2(c: Cursor): number {
  c.enter(LAYER.sll);
  const { bytes, at } = c;
  if (c.end - at < 20) return c.mark(FLAG.cut);
  if (bytes[at + 11] === 6) c.columns.sourceMacAt[c.packet] = at + 12;
  c.at = at + 20;
  return cooked(c, u16(bytes, at + 8), u16(bytes, at));
}

/** ARPHRD_ types whose "protocol" is no EtherType (ARPHRD_NETLINK and 802.11 ones) are not decoded further. */
function cooked(c: Cursor, hardware: number, protocol: number): number {
  const ARPHRD_NETLINK = 824;
  const ARPHRD_80211 = 801;
  const ARPHRD_80211_RADIOTAP = 803;
  if (hardware === ARPHRD_NETLINK || (hardware >= ARPHRD_80211 && hardware <= ARPHRD_80211_RADIOTAP))
    return NEXT.nothing;
  c.etherType = protocol;
  return NEXT.byEtherType;
}

/** LINKTYPE_NULL: an address family of four bytes in the byte order of the capturing machine. */
export function nullLoopback(c: Cursor): number {
  c.enter(LAYER.null);
  if (c.end - c.at < 4) return c.mark(FLAG.cut);
  const family = u32(c.bytes, c.at);
  c.at += 4;
  return ofFamily(family > 0xffff ? c.bytes[c.at - 4]! | (c.bytes[c.at - 3]! << 8) : family);
}

/** LINKTYPE_LOOP: the same in network byte order. */
export function loopback(c: Cursor): number {
  c.enter(LAYER.null);
  if (c.end - c.at < 4) return c.mark(FLAG.cut);
  c.at += 4;
  return ofFamily(u32(c.bytes, c.at - 4));
}

/** AF_INET is 2 everywhere; AF_INET6 differs between Linux, the BSDs, and macOS. */
function ofFamily(family: number): number {
  if (family === 2) return NEXT.ip4;
  return family === 10 || family === 24 || family === 28 || family === 30 ? NEXT.ip6 : NEXT.nothing;
}

/** LINKTYPE_RAW: IPv4 or IPv6, told by the version in the first bits. */
export function raw(c: Cursor): number {
  c.enter(LAYER.raw);
  if (c.end === c.at) return c.mark(FLAG.cut);
  const version = c.bytes[c.at]! >> 4;
  return version === 4 ? NEXT.ip4 : version === 6 ? NEXT.ip6 : NEXT.nothing;
}

/** RFC 826; anything but Ethernet and IPv4 is only named. */
export function arp(c: Cursor): number {
  c.enter(LAYER.arp);
  const { bytes, at } = c;
  if (c.end - at < 8) return c.mark(FLAG.cut);
  const needed = 8 + 2 * (bytes[at + 4]! + bytes[at + 5]!);
  if (c.end - at < needed) return c.mark(FLAG.cut);
  c.columns.arpAt[c.packet] = at;
  return NEXT.nothing;
}

/** RFC 2784, 2890, and version 1 of RFC 2637: 0 flags and version | 2 EtherType | 4 what the flags say. */
export function gre(c: Cursor): number {
  c.enter(LAYER.gre);
  const { bytes, at } = c;
  if (c.end - at < 4) return c.mark(FLAG.cut);
  const flags = u16(bytes, at);
  const HAS_CHECKSUM = 0x8000;
  const HAS_ROUTING = 0x4000;
  const HAS_KEY = 0x2000;
  const HAS_SEQUENCE = 0x1000;
  const HAS_ACKNOWLEDGMENT = 0x0080;
  const version = flags & 7;
  // Source routing was given up with RFC 2784.
  if (version > 1 || (flags & HAS_ROUTING) !== 0) return NEXT.nothing;
  let bytesLong = 4;
  if ((flags & HAS_CHECKSUM) !== 0) bytesLong += 4;
  if ((flags & HAS_KEY) !== 0) bytesLong += 4;
  if ((flags & HAS_SEQUENCE) !== 0) bytesLong += 4;
  if (version === 1 && (flags & HAS_ACKNOWLEDGMENT) !== 0) bytesLong += 4;
  if (c.end - at < bytesLong) return c.mark(FLAG.cut);
  c.at = at + bytesLong;
  if (version === 1) return c.end > c.at ? NEXT.ppp : NEXT.nothing;
  return ofEtherType(c, u16(bytes, at + 2));
}

/** RFC 7348: 0 flags, 8 meaning that there is a network id | 4 network id, 24 bits | 8 an Ethernet frame. */
export function vxlan(c: Cursor): number {
  c.enter(LAYER.vxlan);
  if (c.end - c.at < 8) return c.mark(FLAG.cut);
  c.at += 8;
  return NEXT.ethernet;
}
