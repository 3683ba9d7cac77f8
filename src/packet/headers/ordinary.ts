import { tcpApplication, tcpPortLayer, udpApplication } from "../application.ts";
import type { PacketBatch } from "../capture/packet-batch.ts";
import type { HeaderColumns } from "./header-columns.ts";
import { PROTOCOL } from "./ip-layers.ts";
import { LAYER, type LayerPaths } from "./layer.ts";

const ETHERNET = 1;
const VXLAN_PORT = 4789;

/**
 * Stacks of layers of ordinary packets, as numbers of LayerPaths, good until it is trimmed: 0 is TCP, plus 1 for UDP, 2 for
 * IPv6, 4 for a VLAN tag.
 */
export function ordinaryPaths(paths: LayerPaths): Int32Array {
  const known = new Int32Array(8);
  const untagged = paths.step(paths.step(0, LAYER.eth), LAYER.ethertype);
  const tagged = paths.step(paths.step(untagged, LAYER.vlan), LAYER.ethertype);
  for (let i = 0; i < 8; i++) {
    const network = paths.step(i < 4 ? untagged : tagged, (i & 2) === 0 ? LAYER.ip : LAYER.ipv6);
    known[i] = paths.step(network, (i & 1) === 0 ? LAYER.tcp : LAYER.udp);
  }
  return known;
}

/**
 * Decodes packets from number `i` on as long as they are ordinary: TCP or UDP in whole datagrams over IPv4 without options
 * or IPv6 without extension headers, over Ethernet with one VLAN tag or none, with all headers there and lengths that fit. Returns the
 * first one that is not, which the decoder for everything has to take. Fills the columns, which are clear, as that would
 * (test/fuzz/packet.fuzz.test.ts compares them), faster (bench/packets.ts): all of a packet in
 * one step, every column in a local variable, several bytes by one checked read.
 */
export function decodeOrdinary(
  batch: PacketBatch,
  view: DataView,
  columns: HeaderColumns,
  known: Int32Array,
  i: number,
): number {
  const { bytes, count, linkType, frameAt, capturedLength, originalLength } = batch;
  const { vlanAt, innerVlanAt, vlanCount } = columns;
  const { path, sourceMacAt, destinationMacAt, etherType, ipAt, ipVersion, ipProtocol, transportAt } = columns;
  const { sourcePort, destinationPort, payloadAt, payloadLength, payloadOriginalLength } = columns;
  const { application, tcpFlags, tcpSequence, tcpAcknowledgment, tcpWindow, paths } = columns;
  for (; i < count; i++) {
    const at = frameAt[i]!;
    const captured = capturedLength[i]!;
    // Ethernet, IPv4 and UDP headers: 14 + 20 + 8.
    if (linkType[i] !== ETHERNET || captured < 42) return i;
    let end = at + captured;
    const original = originalLength[i]!;
    let wireEnd = original > captured ? at + original : end;
    const type = view.getUint16(at + 12);
    let network = type;
    let ip = at + 14;
    if (type === 0x8100) {
      if (captured < 46) return i;
      network = view.getUint16(at + 16);
      ip = at + 18;
    }
    let protocol = 0;
    let transport = 0;
    let version = 4;
    let stack = type === 0x8100 ? 4 : 0;
    let ipEnd = 0;
    if (network === 0x0800) {
      const totalLength = view.getUint16(ip + 2);
      if (view.getUint8(ip) !== 0x45 || totalLength < 28 || (view.getUint16(ip + 6) & 0x3fff) !== 0) return i;
      protocol = view.getUint8(ip + 9);
      transport = ip + 20;
      ipEnd = ip + totalLength;
    } else if (network === 0x86dd) {
      const length = view.getUint16(ip + 4);
      if (captured < 66 || view.getUint8(ip) >> 4 !== 6 || length < 8) return i;
      protocol = view.getUint8(ip + 6);
      transport = ip + 40;
      version = 6;
      stack |= 2;
      ipEnd = transport + length;
    } else {
      return i;
    }
    if (ipEnd < wireEnd) wireEnd = ipEnd;
    if (ipEnd < end) end = ipEnd;
    const ports = view.getUint32(transport);
    const from = ports >>> 16;
    const to = ports & 0xffff;
    let layers = 0;
    let payload = 0;
    if (protocol === PROTOCOL.tcp) {
      if (end - transport < 20) return i;
      const bits = view.getUint16(transport + 12);
      payload = transport + ((bits >> 12) << 2);
      if (payload < transport + 20 || payload > end) return i;
      tcpSequence[i] = view.getUint32(transport + 4);
      tcpAcknowledgment[i] = view.getUint32(transport + 8);
      tcpFlags[i] = bits & 0x1ff;
      tcpWindow[i] = view.getUint16(transport + 14);
      layers = known[stack]!;
      if (end > payload) {
        const layer = tcpApplication(from, to, bytes, payload, end - payload);
        if (layer >= 0) application[i] = layer;
        layers = paths.step(layers, layer >= 0 ? layer : tcpPortLayer(from, to));
      }
    } else if (protocol === PROTOCOL.udp) {
      const udpEnd = transport + view.getUint16(transport + 4);
      payload = transport + 8;
      if (udpEnd < payload || payload > end || to === VXLAN_PORT) return i;
      if (udpEnd < wireEnd) wireEnd = udpEnd;
      if (udpEnd < end) end = udpEnd;
      layers = known[stack | 1]!;
      const layer = end > payload ? udpApplication(from, to) : -1;
      if (layer >= 0) {
        if (layer !== LAYER.data) application[i] = layer;
        layers = paths.step(layers, layer);
      }
    } else {
      return i;
    }
    destinationMacAt[i] = at;
    sourceMacAt[i] = at + 6;
    etherType[i] = type;
    if (type === 0x8100) {
      vlanAt[i] = innerVlanAt[i] = at + 14;
      vlanCount[i] = 1;
    }
    const slot = 2 * i;
    ipAt[slot] = ip;
    ipVersion[slot] = version;
    ipProtocol[slot] = protocol;
    transportAt[slot] = transport;
    sourcePort[slot] = from;
    destinationPort[slot] = to;
    payloadAt[i] = payload;
    payloadLength[i] = end - payload;
    payloadOriginalLength[i] = wireEnd - payload;
    path[i] = layers;
  }
  return i;
}
