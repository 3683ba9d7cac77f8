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

/** Bytes that a packet takes in all columns. */
const COLUMN_BYTES = 85;

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

  /**
   * Room for batches of so many packets, in memory of its own or from `at` on. Columns lie one behind the other, those of
   * 4 bytes first, as codec/kernel/assembly/headers.ts has them.
   */
  constructor(capacity: number, buffer = new ArrayBuffer(capacity * COLUMN_BYTES), at = 0) {
    const place = (bytes: number): number => {
      at += bytes * capacity;
      return at - bytes * capacity;
    };
    this.path = new Uint32Array(buffer, place(4), capacity);
    this.sourceMacAt = new Int32Array(buffer, place(4), capacity);
    this.destinationMacAt = new Int32Array(buffer, place(4), capacity);
    this.vlanAt = new Int32Array(buffer, place(4), capacity);
    this.innerVlanAt = new Int32Array(buffer, place(4), capacity);
    this.mplsAt = new Int32Array(buffer, place(4), capacity);
    this.arpAt = new Int32Array(buffer, place(4), capacity);
    this.ipAt = new Int32Array(buffer, place(8), 2 * capacity);
    this.transportAt = new Int32Array(buffer, place(8), 2 * capacity);
    this.payloadAt = new Int32Array(buffer, place(4), capacity);
    this.payloadLength = new Uint32Array(buffer, place(4), capacity);
    this.payloadOriginalLength = new Uint32Array(buffer, place(4), capacity);
    this.tcpSequence = new Uint32Array(buffer, place(4), capacity);
    this.tcpAcknowledgment = new Uint32Array(buffer, place(4), capacity);
    this.etherType = new Uint16Array(buffer, place(2), capacity);
    this.sourcePort = new Uint16Array(buffer, place(4), 2 * capacity);
    this.destinationPort = new Uint16Array(buffer, place(4), 2 * capacity);
    this.tcpFlags = new Uint16Array(buffer, place(2), capacity);
    this.tcpWindow = new Uint16Array(buffer, place(2), capacity);
    this.flags = new Uint8Array(buffer, place(1), capacity);
    this.vlanCount = new Uint8Array(buffer, place(1), capacity);
    this.ipVersion = new Uint8Array(buffer, place(2), 2 * capacity);
    this.ipProtocol = new Uint8Array(buffer, place(2), 2 * capacity);
    this.application = new Int8Array(buffer, place(1), capacity);
  }

  /** Empties the entries of packet `i`. */
  clear(i: number): void {
    const outer = 2 * i;
    const inner = outer + 1;
    this.path[i] = 0;
    this.sourceMacAt[i] = -1;
    this.destinationMacAt[i] = -1;
    this.vlanAt[i] = -1;
    this.innerVlanAt[i] = -1;
    this.mplsAt[i] = -1;
    this.arpAt[i] = -1;
    this.ipAt[outer] = this.ipAt[inner] = -1;
    this.transportAt[outer] = this.transportAt[inner] = -1;
    this.payloadAt[i] = -1;
    this.payloadLength[i] = 0;
    this.payloadOriginalLength[i] = 0;
    this.tcpSequence[i] = 0;
    this.tcpAcknowledgment[i] = 0;
    this.etherType[i] = 0;
    this.sourcePort[outer] = this.sourcePort[inner] = 0;
    this.destinationPort[outer] = this.destinationPort[inner] = 0;
    this.tcpFlags[i] = 0;
    this.tcpWindow[i] = 0;
    this.flags[i] = 0;
    this.vlanCount[i] = 0;
    this.ipVersion[outer] = this.ipVersion[inner] = 0;
    this.ipProtocol[outer] = this.ipProtocol[inner] = 0;
    this.application[i] = -1;
  }
}
