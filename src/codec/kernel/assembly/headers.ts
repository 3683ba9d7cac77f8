// AssemblyScript (TypeScript's syntax, WebAssembly's types; `npm run build` compiles it with asc). The headers of ordinary
// packets: TCP or UDP in whole datagrams over IPv4 without options or IPv6 without extension headers, over Ethernet with one
// VLAN tag or none, with all headers there and lengths that fit. src/packet/headers/header-kernel.ts says what it is for,
// owns this module's memory and calls it. Before a byte of a frame is read, its captured length was compared.

/** Packets in a batch: no power of two, which would put a packet's entries in all columns into the same set of the cache. */
export const capacity: i32 = 1040;
/** Bytes of a capture that fit. */
export const windowCapacity: i32 = 1024 * 1024;
/** More than there are layers (LAYER of src/packet/headers/layer.ts) and one for none. */
const LAYERS: i32 = 64;

export const window: usize = memory.data(windowCapacity, 16);

/** The batch's columns, in the order of src/packet/capture/packet-batch.ts. */
const PACKET_BYTES: i32 = 14;
export const packets: usize = memory.data(PACKET_BYTES * capacity, 16);
const frameAt: usize = packets;
const capturedLength: usize = packets + 4 * capacity;
const originalLength: usize = packets + 8 * capacity;
const linkType: usize = packets + 12 * capacity;

/** The columns, in the order of src/packet/headers/header-columns.ts. */
const COLUMN_BYTES: i32 = 85;
export const columns: usize = memory.data(COLUMN_BYTES * capacity, 16);
const path: usize = columns;
const sourceMacAt: usize = columns + 4 * capacity;
const destinationMacAt: usize = columns + 8 * capacity;
const vlanAt: usize = columns + 12 * capacity;
const innerVlanAt: usize = columns + 16 * capacity;
const mplsAt: usize = columns + 20 * capacity;
const arpAt: usize = columns + 24 * capacity;
const ipAt: usize = columns + 28 * capacity;
const transportAt: usize = columns + 36 * capacity;
const payloadAt: usize = columns + 44 * capacity;
const payloadLength: usize = columns + 48 * capacity;
const payloadOriginalLength: usize = columns + 52 * capacity;
const tcpSequence: usize = columns + 56 * capacity;
const tcpAcknowledgment: usize = columns + 60 * capacity;
const etherType: usize = columns + 64 * capacity;
const sourcePort: usize = columns + 66 * capacity;
const destinationPort: usize = columns + 70 * capacity;
const tcpFlags: usize = columns + 74 * capacity;
const tcpWindow: usize = columns + 76 * capacity;
const flags: usize = columns + 78 * capacity;
const vlanCount: usize = columns + 79 * capacity;
const ipVersion: usize = columns + 80 * capacity;
const ipProtocol: usize = columns + 82 * capacity;
const application: usize = columns + 84 * capacity;

/** Numbers of stacks of layers, u32, by 64 × (1 for UDP + 2 for IPv6 + 4 for a VLAN tag) + the last layer plus one. */
export const paths: usize = memory.data(4 * 8 * LAYERS, 16);
/** The layer that a port stands for, u8; `dataLayer`: none. */
export const tcpPorts: usize = memory.data(65536, 16);
export const udpPorts: usize = memory.data(65536, 16);
let dataLayer: i32 = 0;
let dnsLayer: i32 = 0;
let tlsLayer: i32 = 0;
let httpLayer: i32 = 0;

export function setLayers(data: i32, dns: i32, tls: i32, http: i32): void {
  dataLayer = data;
  dnsLayer = dns;
  tlsLayer = tls;
  httpLayer = http;
}

/**
 * Numbers in `httpStarts`, u8, by 32 × the lower 5 bits of a message's first letter + those of the second: the first one
 * of what an HTTP message may begin with then; 0: no message does.
 */
export const httpStartOf: usize = memory.data(1024, 16);
/** Each: length u8, whether it is the last one with such letters u8, bytes. */
export const httpStartBytes: i32 = 16;
export const httpStarts: usize = memory.data(64 * httpStartBytes, 16);

const ETHERNET: i32 = 1;
/** EtherTypes as they are loaded: their bytes the other way round. */
const VLAN: u16 = 0x0081;
const IP4: u16 = 0x0008;
const IP6: u16 = 0xdd86;
/** Of an IPv4 header's first 8 bytes: version and length, and what is 0 in whole datagrams. */
const IP4_MASK: u64 = 0xff3f_0000_0000_00ff;
const TCP: i32 = 6;
const UDP: i32 = 17;
const VXLAN_PORT: i32 = 4789;
const DNS_PORT: i32 = 53;
const NONE: i32 = -1;
/** The second entry of a column with two, NONE. */
const NO_TUNNEL: u64 = 0xffff_ffff_0000_0000;

/**
 * Fills the columns for packets from number `i` to `count` - 1; offsets count from the address
 * `bytes`. Returns the first packet that is not ordinary.
 */
export function decode(i: i32, count: i32, bytes: usize): i32 {
  for (; i < count; i++) {
    const at = load<i32>(frameAt + (i << 2));
    const captured = load<i32>(capturedLength + (i << 2));
    // Ethernet, IPv4 and UDP headers: 14 + 20 + 8.
    if (load<u16>(linkType + (i << 1)) != ETHERNET || captured < 42) return i;
    // From here on offsets count from the frame's begin.
    const frame = bytes + at;
    const original = load<u32>(originalLength + (i << 2));
    const type = load<u16>(frame + 12);
    const tagged = type == VLAN;
    if (tagged && captured < 46) return i;
    const network = tagged ? load<u16>(frame + 16) : type;
    const ip = tagged ? 18 : 14;
    let stack = tagged ? 4 : 0;
    let protocol: i32;
    let transport: i32;
    let version: i32;
    let ipEnd: i32;
    if (network == IP4) {
      const totalLength = u16At(frame + ip + 2);
      if ((load<u64>(frame + ip) & IP4_MASK) != 0x45 || totalLength < 28) return i;
      protocol = load<u8>(frame + ip + 9);
      transport = ip + 20;
      version = 4;
      ipEnd = ip + totalLength;
    } else if (network == IP6) {
      const length = u16At(frame + ip + 4);
      if (captured < 66 || load<u8>(frame + ip) >> 4 != 6 || length < 8) return i;
      protocol = load<u8>(frame + ip + 6);
      transport = ip + 40;
      version = 6;
      stack |= 2;
      ipEnd = transport + length;
    } else {
      return i;
    }
    // Of UDP the first half alone is looked at: the rest may lie behind the frame (never behind this module's memory).
    const header = swapped(v128.load(frame + transport));
    const from = <i32>i16x8.extract_lane_u(header, 0);
    const to = <i32>i16x8.extract_lane_u(header, 1);
    let end = min(captured, ipEnd);
    let wireEnd = <i32>min(max(<u32>captured, original), <u32>ipEnd);
    let payload: i32;
    let layer = NONE;
    // The layer that the stack ends with, plus one.
    let last = 0;
    if (protocol == TCP) {
      if (end - transport < 20) return i;
      const bits = <i32>i16x8.extract_lane_u(header, 6);
      payload = transport + ((bits >> 12) << 2);
      if (payload < transport + 20 || payload > end) return i;
      if (end > payload) {
        layer = tcpLayer(frame + payload, end - payload, from, to);
        last = 1 + (layer == NONE ? portLayer(tcpPorts, from, to) : layer);
      }
      v128.store_lane<u32>(tcpSequence + (i << 2), header, 1);
      v128.store_lane<u32>(tcpAcknowledgment + (i << 2), header, 2);
      store<u16>(tcpFlags + (i << 1), bits & 0x1ff);
      v128.store_lane<u16>(tcpWindow + (i << 1), header, 7);
    } else if (protocol == UDP) {
      const udpEnd = transport + <i32>i16x8.extract_lane_u(header, 3);
      payload = transport + 8;
      if (udpEnd < payload || payload > end || to == VXLAN_PORT) return i;
      end = min(end, udpEnd);
      wireEnd = min(wireEnd, udpEnd);
      stack |= 1;
      if (end > payload) {
        layer = portLayer(udpPorts, from, to);
        last = 1 + layer;
        if (layer == dataLayer) layer = NONE;
      }
      store<u32>(tcpSequence + (i << 2), 0);
      store<u32>(tcpAcknowledgment + (i << 2), 0);
      store<u16>(tcpFlags + (i << 1), 0);
      store<u16>(tcpWindow + (i << 1), 0);
    } else {
      return i;
    }
    store<i32>(destinationMacAt + (i << 2), at);
    store<i32>(sourceMacAt + (i << 2), at + 6);
    store<u16>(etherType + (i << 1), bswap<u16>(type));
    const tag = tagged ? at + 14 : NONE;
    store<i32>(vlanAt + (i << 2), tag);
    store<i32>(innerVlanAt + (i << 2), tag);
    store<u8>(vlanCount + i, tagged ? 1 : 0);
    store<u32>(path + (i << 2), load<u32>(paths + (((stack << 6) + last) << 2)));
    store<i32>(payloadAt + (i << 2), at + payload);
    store<i32>(payloadLength + (i << 2), end - payload);
    store<i32>(payloadOriginalLength + (i << 2), wireEnd - payload);
    store<u8>(application + i, layer);
    store<u8>(flags + i, 0);
    store<i32>(mplsAt + (i << 2), NONE);
    store<i32>(arpAt + (i << 2), NONE);
    // Two entries each: the second one is a tunnel's.
    store<u64>(ipAt + (i << 3), (<u64>(at + ip)) | NO_TUNNEL);
    store<u64>(transportAt + (i << 3), (<u64>(at + transport)) | NO_TUNNEL);
    store<u16>(ipVersion + (i << 1), version);
    store<u16>(ipProtocol + (i << 1), protocol);
    store<u32>(sourcePort + (i << 2), from);
    store<u32>(destinationPort + (i << 2), to);
  }
  return i;
}

/** What tcpApplication of src/packet/application.ts says. */
function tcpLayer(payload: usize, length: i32, from: i32, to: i32): i32 {
  if (from == DNS_PORT || to == DNS_PORT) return length > 2 && u16At(payload) == length - 2 ? dnsLayer : NONE;
  const first: u32 = load<u8>(payload);
  if (length >= 5 && first >= 20 && first <= 23 && load<u8>(payload, 1) == 3 && load<u8>(payload, 2) <= 4) {
    const record = u16At(payload + 3);
    if (record > 0 && record <= (1 << 14) + 2048) return tlsLayer;
  }
  return length >= 8 && isCapital(first) && beginsHttp(payload, length) ? httpLayer : NONE;
}

/** Whether 8 bytes or more begin with one of `httpStarts`, or end within it. */
function beginsHttp(payload: usize, length: i32): bool {
  const letters = (((<i32>load<u8>(payload)) & 31) << 5) + ((<i32>load<u8>(payload, 1)) & 31);
  const number = <i32>load<u8>(httpStartOf + letters);
  if (number == 0) return false;
  let start = httpStarts + number * httpStartBytes;
  while (!beginsWith(payload, length, start)) {
    if (load<u8>(start, 1) != 0) return false;
    start += httpStartBytes;
  }
  return true;
}

function beginsWith(payload: usize, length: i32, start: usize): bool {
  const wanted = min(<i32>load<u8>(start), length);
  let same = 0;
  while (same < wanted && load<u8>(payload + same) == load<u8>(start + same, 2)) same++;
  return same == wanted;
}

function isCapital(byte: u32): bool {
  return byte - 65 < 26;
}

/** The layer of the lower port, else that of the higher one. */
function portLayer(ports: usize, from: i32, to: i32): i32 {
  const lower = <i32>load<u8>(ports + min(from, to));
  return lower != dataLayer ? lower : <i32>load<u8>(ports + max(from, to));
}

/** The first 16 bytes of a TCP header: ports, sequence and acknowledgment numbers, flags and window as numbers. */
function swapped(bytes: v128): v128 {
  return v128.shuffle<u8>(bytes, bytes, 1, 0, 3, 2, 7, 6, 5, 4, 11, 10, 9, 8, 13, 12, 15, 14);
}

function u16At(at: usize): i32 {
  return bswap<u16>(load<u16>(at));
}
