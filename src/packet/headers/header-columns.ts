import { LayerPaths } from "./layer.ts";

/** Bits of HeaderColumns.flags. */
export const FLAG = {
  /** A piece of an IP datagram. */
  fragment: 1,
  /** A piece that is not the first one, so that there is no transport header. */
  laterFragment: 2,
  /** The capture kept less of the frame than its headers need (snap length). */
  cut: 4,
  /** A length or version in the headers contradicts the frame. */
  malformed: 8,
  /** Decoding stopped at too many headers. */
  tooDeep: 16,
} as const;

/** `flags` and the like of TCP, in the order of their bits. */
export const TCP_FLAG_NAMES = ["fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr", "ae"] as const;

/**
 * What the headers of a batch's packets say, packet `i` in entry `i`; columns of IP layers have two entries a packet:
 * `2 * i` for the outermost IP header and `2 * i + 1` for the innermost one if that is another (a tunnel). Offsets are
 * into the batch's `bytes`; -1 means that there is none. Good as long as the batch is.
 */
export class HeaderColumns {
  readonly paths = new LayerPaths();
  /** The stack of layers: a number of `paths`. */
  readonly path: Uint32Array;
  readonly flags: Uint8Array;
  /** Offsets of the 6-byte addresses of the outermost link layer. */
  readonly sourceMacAt: Int32Array;
  readonly destinationMacAt: Int32Array;
  /** Offset of the outermost VLAN tag (2 bytes: priority and id), of the innermost one, and how many there are. */
  readonly vlanAt: Int32Array;
  readonly innerVlanAt: Int32Array;
  readonly vlanCount: Uint8Array;
  /** Offset of the first MPLS label. */
  readonly mplsAt: Int32Array;
  /** The outermost EtherType, or the like of another link layer; 0: there is none. */
  readonly etherType: Uint16Array;
  readonly arpAt: Int32Array;
  /** Two entries a packet: offset of the IP header; 4 or 6. */
  readonly ipAt: Int32Array;
  readonly ipVersion: Uint8Array;
  /** Two entries a packet: the protocol behind IP and its extension headers. */
  readonly ipProtocol: Uint8Array;
  /** Two entries a packet: offset of the TCP, UDP, SCTP, ICMP or IGMP header; -1 also where too little of it is there. */
  readonly transportAt: Int32Array;
  /** Two entries a packet: ports, or type and code of ICMP. */
  readonly sourcePort: Uint16Array;
  readonly destinationPort: Uint16Array;
  /** Of the innermost transport: where its payload begins and how much of it was captured. */
  readonly payloadAt: Int32Array;
  readonly payloadLength: Uint32Array;
  /** Bytes of payload that the innermost transport had on the wire, by the lengths in the headers. */
  readonly payloadOriginalLength: Uint32Array;
  /** The layer (LAYER) that the payload is, by its ports; -1 where we know none. */
  readonly application: Int8Array;
  /** TCP of the innermost transport; 0 without TCP. */
  readonly tcpFlags: Uint16Array;
  readonly tcpSequence: Uint32Array;
  readonly tcpAcknowledgment: Uint32Array;
  readonly tcpWindow: Uint16Array;

  /** Room for batches of so many packets. */
  constructor(capacity: number) {
    this.path = new Uint32Array(capacity);
    this.flags = new Uint8Array(capacity);
    this.sourceMacAt = new Int32Array(capacity);
    this.destinationMacAt = new Int32Array(capacity);
    this.vlanAt = new Int32Array(capacity);
    this.innerVlanAt = new Int32Array(capacity);
    this.vlanCount = new Uint8Array(capacity);
    this.mplsAt = new Int32Array(capacity);
    this.etherType = new Uint16Array(capacity);
    this.arpAt = new Int32Array(capacity);
    this.ipAt = new Int32Array(2 * capacity);
    this.ipVersion = new Uint8Array(2 * capacity);
    this.ipProtocol = new Uint8Array(2 * capacity);
    this.transportAt = new Int32Array(2 * capacity);
    this.sourcePort = new Uint16Array(2 * capacity);
    this.destinationPort = new Uint16Array(2 * capacity);
    this.payloadAt = new Int32Array(capacity);
    this.payloadLength = new Uint32Array(capacity);
    this.payloadOriginalLength = new Uint32Array(capacity);
    this.application = new Int8Array(capacity);
    this.tcpFlags = new Uint16Array(capacity);
    this.tcpSequence = new Uint32Array(capacity);
    this.tcpAcknowledgment = new Uint32Array(capacity);
    this.tcpWindow = new Uint16Array(capacity);
  }

  /** Empties the entries of the first `count` packets. */
  clear(count: number): void {
    this.paths.trim();
    for (const column of [this.path, this.flags, this.vlanCount, this.etherType, this.payloadLength])
      column.fill(0, 0, count);
    for (const column of [this.tcpFlags, this.tcpSequence, this.tcpAcknowledgment, this.tcpWindow])
      column.fill(0, 0, count);
    this.payloadOriginalLength.fill(0, 0, count);
    this.application.fill(-1, 0, count);
    for (const column of [this.sourceMacAt, this.destinationMacAt, this.vlanAt, this.innerVlanAt])
      column.fill(-1, 0, count);
    for (const column of [this.mplsAt, this.arpAt, this.payloadAt]) column.fill(-1, 0, count);
    for (const column of [this.ipAt, this.transportAt]) column.fill(-1, 0, 2 * count);
    for (const column of [this.ipVersion, this.ipProtocol]) column.fill(0, 0, 2 * count);
    for (const column of [this.sourcePort, this.destinationPort]) column.fill(0, 0, 2 * count);
  }
}
