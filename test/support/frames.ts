/** Frames and captures made by hand, for what no program at hand sends. Everything is network byte order. */

type Bytes = Uint8Array | readonly number[];

export const u8 = (...values: number[]): Buffer => Buffer.from(values);
export const u16 = (...values: number[]): Buffer => Buffer.from(values.flatMap((v) => [(v >> 8) & 255, v & 255]));
export const u32 = (...values: number[]): Buffer => Buffer.concat(values.map((v) => u16(v >>> 16, v & 0xffff)));
export const join = (...parts: Bytes[]): Buffer => Buffer.concat(parts.map((part) => Buffer.from(part)));
export const mac = (text: string): Buffer => Buffer.from(text.replaceAll(":", ""), "hex");

/** Sixteen bytes of an IPv6 address without an embedded IPv4 part, or four of an IPv4 one. */
export function address(text: string): Buffer {
  if (!text.includes(":")) return u8(...text.split(".").map(Number));
  const [head = "", tail] = text.split("::");
  const groups = (part: string): number[] => (part === "" ? [] : part.split(":").map((group) => parseInt(group, 16)));
  const before = groups(head);
  const after = tail === undefined ? [] : groups(tail);
  return u16(...before, ...Array<number>(8 - before.length - after.length).fill(0), ...after);
}

export const A_MAC = "02:00:00:00:00:0a";
export const B_MAC = "02:00:00:00:00:0b";

export function eth(etherType: number, payload: Bytes): Buffer {
  return join(mac(B_MAC), mac(A_MAC), u16(etherType), payload);
}

/** One VLAN tag and what follows it: put it behind an EtherType such as 0x8100. */
export function tag(id: number, etherType: number, payload: Bytes, priority = 0): Buffer {
  return join(u16((priority << 13) | id, etherType), payload);
}

export interface Ip4Fields {
  readonly source?: string;
  readonly destination?: string;
  readonly options?: Bytes;
  /** The 16 bits of flags and fragment offset. */
  readonly fragment?: number;
  readonly id?: number;
  readonly totalLength?: number;
}

export function ip4(protocol: number, payload: Bytes, fields: Ip4Fields = {}): Buffer {
  const { source = "10.0.0.1", destination = "10.0.0.2", options = [], fragment = 0, id = 1 } = fields;
  const length = 20 + options.length;
  const header = join(
    u8(0x40 | (length / 4), 0),
    u16(fields.totalLength ?? length + payload.length, id, fragment),
    u8(64, protocol),
    u16(0),
    address(source),
    address(destination),
    options,
  );
  header.writeUInt16BE(checksum(header), 10);
  return join(header, payload);
}

export function ip6(nextHeader: number, payload: Bytes, source = "2001:db8::1", destination = "2001:db8::2"): Buffer {
  return join(u32(0x60000000), u16(payload.length), u8(nextHeader, 64), address(source), address(destination), payload);
}

/** An IPv6 hop-by-hop, routing or destination options header of 8 bytes: padding, or a routing header with no hops left. */
export function extension(nextHeader: number, payload: Bytes): Buffer {
  return join(u8(nextHeader, 0, 1, 4, 0, 0, 0, 0), payload);
}

export function fragment6(nextHeader: number, offset: number, more: boolean, payload: Bytes, id = 7): Buffer {
  return join(u8(nextHeader, 0), u16((offset & ~7) | (more ? 1 : 0)), u32(id), payload);
}

export function udp(source: number, destination: number, payload: Bytes = []): Buffer {
  return join(u16(source, destination, 8 + payload.length, 0), payload);
}

export function tcp(
  source: number,
  destination: number,
  flags = 0x18,
  payload: Bytes = [],
  options: Bytes = [],
): Buffer {
  const words = (20 + options.length) / 4;
  return join(
    u16(source, destination),
    u32(1000, flags & 0x10 ? 2000 : 0),
    u16((words << 12) | flags, 512, 0, 0),
    options,
    payload,
  );
}

export const icmp = (type: number, code: number, payload: Bytes = [0, 1, 0, 1]): Buffer =>
  join(u8(type, code), u16(0), payload);

export function arp(operation: number): Buffer {
  return join(
    u16(1, 0x0800),
    u8(6, 4),
    u16(operation),
    mac(A_MAC),
    address("10.0.0.1"),
    mac(B_MAC),
    address("10.0.0.2"),
  );
}

export const vxlan = (id: number, frame: Bytes): Buffer => join(u8(8, 0, 0, 0), u32(id << 8), frame);

export function checksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += (bytes[i]! << 8) | (bytes[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

export interface PcapOptions {
  readonly linkType?: number;
  readonly magic?: number;
  readonly isLittle?: boolean;
  readonly snapLength?: number;
}

/** A classic pcap file: packet i has the time 1,700,000,000 + i seconds and i units of its fraction. */
export function pcap(frames: readonly Uint8Array[], options: PcapOptions = {}): Buffer {
  const { linkType = 1, magic = 0xa1b2c3d4, isLittle = true, snapLength = 262_144 } = options;
  const words = (...values: number[]): Buffer => endian(isLittle, values);
  const version = isLittle ? u8(2, 0, 4, 0) : u8(0, 2, 0, 4);
  const extra = magic === 0xa1b2cd34 ? Buffer.alloc(8) : Buffer.alloc(0);
  const records = frames.map((frame, i) => {
    const kept = frame.subarray(0, snapLength);
    return join(words(1_700_000_000 + i, i, kept.length, frame.length), extra, kept);
  });
  return join(words(magic), version, words(0, 0, snapLength, linkType), ...records);
}

export interface Block {
  readonly type: number;
  readonly body: Uint8Array;
}

/** pcapng blocks with the fields that a test chooses, in one byte order. */
export class PcapngBlocks {
  readonly isLittle: boolean;

  constructor(isLittle = true) {
    this.isLittle = isLittle;
  }

  words(...values: number[]): Buffer {
    return endian(this.isLittle, values);
  }

  halves(...values: number[]): Buffer {
    const bytes = u16(...values);
    return this.isLittle ? bytes.swap16() : bytes;
  }

  block(type: number, ...body: Bytes[]): Buffer {
    const inner = padded(join(...body));
    return join(this.words(type, inner.length + 12), inner, this.words(inner.length + 12));
  }

  option(code: number, value: Bytes): Buffer {
    return join(this.halves(code, value.length), padded(Buffer.from(value)));
  }

  section(...options: Bytes[]): Buffer {
    return this.block(
      0x0a0d0d0a,
      this.words(0x1a2b3c4d),
      this.halves(1, 0),
      this.words(0xffffffff, 0xffffffff),
      ...options,
    );
  }

  interface(linkType: number, snapLength: number, ...options: Bytes[]): Buffer {
    return this.block(1, this.halves(linkType, 0), this.words(snapLength), ...options);
  }

  /** `time` in the interface's units. */
  packet(index: number, time: bigint, frame: Uint8Array, originalLength = frame.length): Buffer {
    const [high, low] = [Number(time >> 32n), Number(time & 0xffffffffn)];
    return this.block(6, this.words(index, high, low, frame.length, originalLength), padded(frame));
  }

  simple(frame: Uint8Array, originalLength = frame.length): Buffer {
    return this.block(3, this.words(originalLength), padded(frame));
  }

  oldPacket(index: number, time: bigint, frame: Uint8Array): Buffer {
    const [high, low] = [Number(time >> 32n), Number(time & 0xffffffffn)];
    return this.block(2, this.halves(index, 0), this.words(high, low, frame.length, frame.length), padded(frame));
  }

  statistics(index: number, received: bigint, interfaceDrops: bigint, systemDrops: bigint): Buffer {
    const option = (code: number, value: bigint): Buffer => {
      const bytes = Buffer.alloc(8);
      if (this.isLittle) bytes.writeBigUInt64LE(value);
      else bytes.writeBigUInt64BE(value);
      return this.option(code, bytes);
    };
    return this.block(
      5,
      this.words(index, 0, 0),
      option(4, received),
      option(5, interfaceDrops),
      option(7, systemDrops),
    );
  }
}

function endian(isLittle: boolean, values: readonly number[]): Buffer {
  const bytes = u32(...values);
  return isLittle ? bytes.swap32() : bytes;
}

function padded(bytes: Uint8Array): Buffer {
  return join(bytes, Buffer.alloc((4 - (bytes.length & 3)) & 3));
}

/** A packet of every kind that the header decoders know, by a name for it. Frames of Ethernet unless `linkType` says. */
export function exoticFrames(): { name: string; frame: Buffer; linkType: number }[] {
  const plain = udp(4000, 5000, [1, 2, 3]);
  const query = join(u16(7, 0x0100, 1, 0, 0, 0), [4], Buffer.from("host"), [4], Buffer.from("test"), [0], u16(1, 1));
  const record = (type: number, bytes: Bytes): Buffer => join(u8(type, 3, 3), u16(bytes.length), bytes);
  const changeOfCiphers = join(
    record(20, [1]),
    record(22, join(u8(2, 0xc8, 0x9a, 0xa7, 3, 3), Buffer.alloc(34, 0xc8))),
  );
  const inner4 = ip4(6, tcp(1234, 80, 0x02), { source: "192.168.1.1", destination: "192.168.1.2" });
  const inner6 = ip6(17, plain, "fd00::1", "fd00::2");
  const ether: Record<string, Buffer> = {
    "arp request": eth(0x0806, arp(1)),
    "arp reply": eth(0x0806, arp(2)),
    "udp over ipv4": eth(0x0800, ip4(17, plain)),
    "tcp over ipv4": eth(0x0800, ip4(6, tcp(40000, 80, 0x02, [], [2, 4, 5, 0xb4, 1, 3, 3, 7]))),
    "sctp over ipv4": eth(0x0800, ip4(132, join(u16(7, 80), u32(0, 0)))),
    "ipv4 options": eth(0x0800, ip4(17, plain, { options: [0x94, 4, 0, 0] })),
    "first fragment": eth(0x0800, ip4(17, udp(9, 10, Buffer.alloc(16)), { fragment: 0x2000 })),
    "later fragment": eth(0x0800, ip4(17, Buffer.alloc(24, 7), { fragment: 3, id: 9 })),
    esp: eth(0x0800, ip4(50, Buffer.alloc(24, 7))),
    "ah before udp": eth(0x0800, ip4(51, join(u8(17, 4), u16(0), u32(1, 1), Buffer.alloc(12), plain))),
    igmp: eth(0x0800, ip4(2, join(u8(0x16, 0), u16(0), address("224.0.0.251")), { destination: "224.0.0.251" })),
    "echo request": eth(0x0800, ip4(1, icmp(8, 0))),
    "echo reply": eth(0x0800, ip4(1, icmp(0, 0), { source: "10.0.0.2", destination: "10.0.0.1" })),
    "udp over ipv6": eth(0x86dd, ip6(17, plain)),
    "tcp over ipv6": eth(0x86dd, ip6(6, tcp(40000, 443, 0x02))),
    "icmpv6 echo": eth(0x86dd, ip6(58, icmp(128, 0))),
    "icmpv6 neighbour": eth(0x86dd, ip6(58, icmp(135, 0, join(u32(0), address("fe80::2"))))),
    "hop-by-hop": eth(0x86dd, ip6(0, extension(17, plain))),
    routing: eth(0x86dd, ip6(43, extension(17, plain))),
    "destination options": eth(0x86dd, ip6(60, extension(6, tcp(1, 2)))),
    "ipv6 first fragment": eth(0x86dd, ip6(44, fragment6(17, 0, true, udp(9, 10, Buffer.alloc(16))))),
    "ipv6 later fragment": eth(0x86dd, ip6(44, fragment6(17, 24, false, Buffer.alloc(16, 7), 8))),
    "ipv6 no next header": eth(0x86dd, ip6(59, [])),
    "ipv6 esp": eth(0x86dd, ip6(50, Buffer.alloc(24, 7))),
    vlan: eth(0x8100, tag(100, 0x0800, ip4(17, plain), 7)),
    "stacked vlan": eth(0x8100, tag(100, 0x8100, tag(200, 0x0800, ip4(17, plain)))),
    qinq: eth(0x88a8, tag(100, 0x8100, tag(200, 0x86dd, ip6(17, plain)))),
    "qinq 9100": eth(0x9100, tag(100, 0x8100, tag(200, 0x0800, ip4(17, plain)))),
    "vlan arp": eth(0x8100, tag(5, 0x0806, arp(1))),
    mpls: eth(0x8847, join(u32((18 << 12) | 0x1ff), ip4(17, plain))),
    "mpls two labels": eth(0x8847, join(u32((18 << 12) | 0xff), u32((19 << 12) | 0x1ff), ip6(17, plain))),
    "pppoe discovery": eth(0x8863, join(u8(0x11, 9), u16(0, 0))),
    "pppoe ipv4": eth(0x8864, join(u8(0x11, 0), u16(1, 2 + inner4.length, 0x0021), inner4)),
    "pppoe ipv6": eth(0x8864, join(u8(0x11, 0), u16(1, 2 + inner6.length, 0x0057), inner6)),
    "gre ipv4": eth(0x0800, ip4(47, join(u16(0, 0x0800), inner4))),
    "gre key and ipv6": eth(0x0800, ip4(47, join(u16(0x2000, 0x86dd), u32(99), inner6))),
    "gre ethernet": eth(0x0800, ip4(47, join(u16(0, 0x6558), eth(0x0800, inner4)))),
    "gre over ipv6": eth(0x86dd, ip6(47, join(u16(0, 0x0800), inner4))),
    "ip in ip": eth(0x0800, ip4(4, inner4)),
    "ipv6 in ip": eth(0x0800, ip4(41, inner6)),
    "ip in ipv6": eth(0x86dd, ip6(4, inner4)),
    vxlan: eth(0x0800, ip4(17, udp(50000, 4789, vxlan(42, eth(0x0800, inner4))))),
    "vxlan vlan": eth(0x0800, ip4(17, udp(50000, 4789, vxlan(42, eth(0x8100, tag(7, 0x0800, inner4)))))),
    "ip in ip in ip": eth(0x0800, ip4(4, ip4(4, inner4, { source: "172.16.0.1", destination: "172.16.0.2" }))),
    "802.3 llc": join(mac("01:80:c2:00:00:00"), mac(A_MAC), u16(7), u8(0xf0, 0xf1, 0x03), Buffer.alloc(43)),
    "unknown ethertype": eth(0x1234, Buffer.alloc(46)),
    "ipv4 with padding": join(eth(0x0800, ip4(17, udp(4000, 5000, []))), Buffer.alloc(18)),
    "dns over udp": eth(0x0800, ip4(17, udp(40000, 53, query))),
    "dns over tcp": eth(0x0800, ip4(6, tcp(40000, 53, 0x18, join(u16(query.length), query)))),
    "tls, encrypted as a hello begins": eth(0x0800, ip4(6, tcp(40002, 443, 0x18, changeOfCiphers))),
    "multicast dns": eth(0x86dd, ip6(17, udp(5353, 5353, query))),
    llmnr: eth(0x0800, ip4(17, udp(50000, 5355, query))),
    "bad ip version": eth(0x0800, Buffer.alloc(40, 0x99)),
    "ipv4 header length too short": eth(0x0800, join(u8(0x43, 0), Buffer.alloc(38))),
    "ipv4 total length too short": eth(0x0800, ip4(17, plain, { totalLength: 10 })),
    "ipv4 total length zero (offload)": eth(0x0800, ip4(6, tcp(40000, 5001, 0x18, [1]), { totalLength: 0 })),
    "udp length too short": eth(0x0800, ip4(17, join(u16(4000, 5000, 4, 0), u8(1)))),
    "tcp header length too short": eth(0x0800, ip4(6, join(u16(4000, 5001), u32(1, 1), u16(0x1018, 1, 0, 0)))),
    "tcp cut after ports": eth(0x0800, ip4(6, u16(4000, 5001), { totalLength: 60 })),
    "ipv4 cut": eth(0x0800, ip4(6, [], { totalLength: 60 }).subarray(0, 12)),
    "ethernet cut": eth(0x0800, []).subarray(0, 13),
  };
  const other: [string, number, Buffer][] = [
    ["raw ipv4", 101, inner4],
    ["raw ipv6", 101, inner6],
    ["linktype ipv4", 228, inner4],
    ["linktype ipv6", 229, inner6],
    ["sll", 113, join(u16(0, 1, 6), mac(A_MAC), u16(0, 0x0800), inner4)],
    ["sll vlan", 113, join(u16(0, 1, 6), mac(A_MAC), u16(0, 0x8100), tag(9, 0x0800, inner4))],
    ["sll arp", 113, join(u16(0, 1, 6), mac(A_MAC), u16(0, 0x0806), arp(1))],
    ["sll2", 276, join(u16(0x86dd, 0), u32(2), u16(1), u8(0, 6), mac(A_MAC), u16(0), inner6)],
    ["null little", 0, join(u8(2, 0, 0, 0), inner4)],
    ["null big", 0, join(u32(2), inner4)],
    ["null ipv6 (BSD)", 0, join(u8(24, 0, 0, 0), inner6)],
    ["null ipv6 (macOS)", 0, join(u8(30, 0, 0, 0), inner6)],
    ["loop", 108, join(u32(2), inner4)],
    ["ppp", 9, join(u8(0xff, 0x03), u16(0x0021), inner4)],
    ["unknown link type", 147, Buffer.alloc(20)],
  ];
  return [
    ...Object.entries(ether).map(([name, frame]) => ({ name, frame, linkType: 1 })),
    ...other.map(([name, linkType, frame]) => ({ name, frame, linkType })),
  ];
}
