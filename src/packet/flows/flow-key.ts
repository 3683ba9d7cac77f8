import type { PacketBatch } from "../capture/packet-batch.ts";
import { u16, u32 } from "../headers/cursor.ts";
import type { HeaderColumns } from "../headers/header-columns.ts";
import { PROTOCOL } from "../headers/ip-layers.ts";
import { isServerPort } from "./applications.ts";
import { KEY_ONE_WAY, KEY_VERSION_6 } from "./flow-table.ts";
import { icmpIdentifier, isAnswer, isOneWay, requestOf } from "./icmp.ts";

/** Stands for the ICMP type in the key of flows without ports: pieces of datagrams, protocols that have none. */
export const NO_TRANSPORT = 255;
const SYN = 2;
const ACK = 16;

/** The key of the packet at hand, in the numbers of FlowTable. One an output, filled again and again. */
export class FlowKey {
  source = 0;
  destination = 0;
  ports = 0;
  key = 0;
  /** Protocol, IP version and VLAN of the key. */
  common = 0;
  /** Whether the packet, being the first one, goes from the side that did not begin to the one that did. */
  isBack = false;
  hasTransport = false;
  protocol = 0;
  readonly #addresses: Int32Array;

  /** `addresses`: gets the 8 words of IPv6 addresses. */
  constructor(addresses: Int32Array) {
    this.#addresses = addresses;
  }

  /** The key of packet `i` by one of its IP headers, which is there. */
  read(batch: PacketBatch, columns: HeaderColumns, i: number, slot: number): void {
    const { bytes } = batch;
    const protocol = columns.ipProtocol[slot]!;
    const vlanAt = columns.vlanAt[i]!;
    this.protocol = protocol;
    this.common = protocol << 22;
    if (vlanAt >= 0) this.common |= u16(bytes, vlanAt) & 0xfff;
    this.#readAddresses(bytes, columns.ipAt[slot]!, columns.ipVersion[slot] === 6);
    this.hasTransport = columns.transportAt[slot]! >= 0;
    if (!this.hasTransport || protocol === PROTOCOL.igmp) {
      this.ports = 0;
      this.key = this.common | (NO_TRANSPORT << 14);
      this.isBack = false;
      return;
    }
    const from = columns.sourcePort[slot]!;
    const to = columns.destinationPort[slot]!;
    if (protocol === PROTOCOL.icmp || protocol === PROTOCOL.icmp6) {
      const isLonely = isOneWay(protocol, from);
      const id = isLonely ? to : icmpIdentifier(bytes, columns, i, slot, from);
      this.ports = (id << 16) | id;
      this.key = this.common | (requestOf(protocol, from) << 14) | (isLonely ? KEY_ONE_WAY : 0);
      this.isBack = isAnswer(protocol, from);
      return;
    }
    this.ports = (from << 16) | to;
    this.key = this.common;
    this.isBack = isServerPort(from) && !isServerPort(to);
    // Of a tunnel's outer header, which never is TCP, these are the inner packet's.
    if (protocol === PROTOCOL.tcp && (columns.tcpFlags[i]! & SYN) !== 0)
      this.isBack = (columns.tcpFlags[i]! & ACK) !== 0;
  }

  /** The key of the packet that an ICMP error quotes. False: too little of it is there. */
  readQuoted(bytes: Uint8Array, at: number, end: number): boolean {
    if (end - at < 28) return false;
    const isVersion6 = bytes[at]! >> 4 === 6;
    const transportAt = at + (isVersion6 ? 40 : (bytes[at]! & 15) << 2);
    if (end - transportAt < 8) return false;
    const protocol = bytes[at + (isVersion6 ? 6 : 9)]!;
    this.common = (protocol << 22) | (this.common & 0xfff);
    this.#readAddresses(bytes, at, isVersion6);
    this.key = this.common;
    if (protocol === PROTOCOL.icmp || protocol === PROTOCOL.icmp6) {
      const id = u16(bytes, transportAt + 4);
      this.ports = (id << 16) | id;
      this.key |= requestOf(protocol, bytes[transportAt]!) << 14;
    } else {
      this.ports = (u16(bytes, transportAt) << 16) | u16(bytes, transportAt + 2);
    }
    return true;
  }

  #readAddresses(bytes: Uint8Array, at: number, isVersion6: boolean): void {
    if (!isVersion6) {
      this.source = u32(bytes, at + 12) | 0;
      this.destination = u32(bytes, at + 16) | 0;
      return;
    }
    this.common |= KEY_VERSION_6;
    const words = this.#addresses;
    for (let word = 0; word < 8; word++) words[word] = u32(bytes, at + 8 + word * 4);
    this.source = foldWords(words[0]!, words[1]!, words[2]!, words[3]!);
    this.destination = foldWords(words[4]!, words[5]!, words[6]!, words[7]!);
  }
}

function foldWords(a: number, b: number, c: number, d: number): number {
  let folded = Math.imul(a, 0x9e3779b1) ^ b;
  folded = Math.imul(folded ^ (folded >>> 15), 0x85ebca6b) ^ c;
  return Math.imul(folded ^ (folded >>> 13), 0xc2b2ae35) ^ d;
}
