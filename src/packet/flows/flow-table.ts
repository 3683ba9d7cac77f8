import { randomBytes } from "node:crypto";

/*
 * A flow is one record of 42 words (168 bytes) in one buffer, seen through views of several widths: a packet touches
 * three neighbouring cache lines, where a column a field would cost it one each. Direction 0 goes from the side that
 * began (source) to the other (destination), 1 back. Words (32 bits) of a record:
 *
 *     0 source, 1 destination: IPv4 address, or the four words of an IPv6 one folded into one (the rest is in `wide`)
 *     2 ports, source's in the upper half | 3 KEY_ bits | 4 next record of the hash chain, or of the free ones
 *     5 state u8, application u8, type and code of an ICMP error u16 | 6 when to report again, seconds | 7 interface
 *     8 packets f64[2] | 12 bytes f64[2] | 16 payload bytes f64[2] | 20 begin, nanoseconds, f64
 *    22 next sequence number [2] | 24 TCP flags u16[2] | 25 retransmissions [2] | 27 bytes never seen [2]
 *    29 latest gap begins at [2] | 31 and is so long [2] | 33 first sequence number of the source
 *    34 gaps u16[2] | 35 out of order u16[2] | 36 SYN or answer at, since begin f32 | 37 RTT of the destination f32
 *    38 RTT of the source f32 | 39 MAC of the source, then of the destination
 */
const WORDS = 42;

/** Offsets in a record, in words; of `bytes` and so on for direction 0, the other one follows. */
export const AT = {
  ...{ source: 0, destination: 1, ports: 2, key: 3, next: 4, status: 5, reportAt: 6, interface: 7 },
  ...{ nextSequence: 22, retransmissions: 25, missingBytes: 27, gapAt: 29, gapLength: 31, firstSequence: 33 },
  ...{ sentAt: 36, destinationRtt: 37, sourceRtt: 38 },
} as const;
/** The same in words of 64 bits. */
export const AT_F64 = { packets: 4, bytes: 6, payload: 8, begin: 10 } as const;
/** The same in halves of words. */
export const AT_U16 = { icmpError: 11, tcpFlags: 48, gaps: 68, outOfOrder: 70 } as const;
/** The same in bytes. */
export const AT_U8 = { state: 20, application: 21, sourceMac: 156, destinationMac: 162 } as const;

/** Bits of a key: protocol << 22 | ICMP type << 14 | flags | VLAN id. */
export const KEY_VERSION_6 = 1 << 12;
/** Only one direction belongs to it: ICMP messages that are not answered. */
export const KEY_ONE_WAY = 1 << 13;

/**
 * The flows that are under way: a hash table over fixed memory for `capacity` of them. A flow is a number below
 * `capacity`; its fields are words of the views. The memory of flows that never were is not touched, so the system need
 * not give it.
 */
export class FlowTable {
  readonly capacity: number;
  readonly i32: Int32Array;
  readonly u32: Uint32Array;
  readonly f64: Float64Array;
  readonly f32: Float32Array;
  readonly u16: Uint16Array;
  readonly u8: Uint8Array;
  /** When the last packet came, in nanoseconds; Infinity where there is no flow. Apart, because all are looked through often. */
  readonly seen: Float64Array;
  /** Both IPv6 addresses of a flow, 8 words. */
  readonly wide: Int32Array;
  /** The IPv6 addresses that `find` and `add` are for; the caller fills it. */
  readonly addresses = new Int32Array(8);
  /** Flows at this moment. */
  count = 0;
  /** No flow has this number or a higher one. */
  end = 0;
  /** Whether the packet that was looked for goes from the flow's destination to its source. */
  isReverse = false;
  readonly #buckets: Int32Array;
  readonly #mask: number;
  readonly #seed: number;
  #free = -1;
  #hand = 0;

  constructor(capacity: number, seed = randomBytes(4).readUInt32LE(0)) {
    this.capacity = capacity;
    const memory = new ArrayBuffer(capacity * WORDS * 4);
    this.i32 = new Int32Array(memory);
    this.u32 = new Uint32Array(memory);
    this.f64 = new Float64Array(memory);
    this.f32 = new Float32Array(memory);
    this.u16 = new Uint16Array(memory);
    this.u8 = new Uint8Array(memory);
    this.seen = new Float64Array(capacity);
    this.wide = new Int32Array(capacity * 8);
    const buckets = 2 ** Math.ceil(Math.log2(Math.max(16, capacity)));
    // Entries are numbers of flows plus one, so that untouched memory says "none".
    this.#buckets = new Int32Array(buckets);
    this.#mask = buckets - 1;
    this.#seed = seed | 0;
  }

  /** Where the flow's record begins, in words. */
  at(flow: number): number {
    return flow * WORDS;
  }

  /** All numbers are signed. The flow of a packet in either direction, which `isReverse` then tells; -1: there is none. */
  find(source: number, destination: number, ports: number, key: number): number {
    const { i32 } = this;
    const back = (ports << 16) | (ports >>> 16);
    let flow = this.#buckets[this.#bucket(source, destination, ports, key)]! - 1;
    while (flow >= 0) {
      const at = flow * WORDS;
      if (i32[at + 3] === key) {
        const isForward = i32[at] === source && i32[at + 1] === destination && i32[at + 2] === ports;
        if (isForward && ((key & KEY_VERSION_6) === 0 || this.#hasAddresses(flow, 0))) {
          this.isReverse = false;
          return flow;
        }
        const isBack = i32[at] === destination && i32[at + 1] === source && i32[at + 2] === back;
        if (isBack && (key & KEY_ONE_WAY) === 0 && ((key & KEY_VERSION_6) === 0 || this.#hasAddresses(flow, 4))) {
          this.isReverse = true;
          return flow;
        }
      }
      flow = i32[at + 4]! - 1;
    }
    return -1;
  }

  /** Makes a flow with all fields 0 but its key; there has to be room. `isReverse`: the packet goes back. */
  add(source: number, destination: number, ports: number, key: number, isReverse: boolean): number {
    const { i32, wide, addresses } = this;
    let flow = this.#free;
    if (flow >= 0) this.#free = i32[flow * WORDS + 4]! - 1;
    else flow = this.end++;
    const at = flow * WORDS;
    i32.fill(0, at, at + WORDS);
    const bucket = this.#bucket(source, destination, ports, key);
    i32[at] = isReverse ? destination : source;
    i32[at + 1] = isReverse ? source : destination;
    i32[at + 2] = isReverse ? (ports << 16) | (ports >>> 16) : ports;
    i32[at + 3] = key;
    i32[at + 4] = this.#buckets[bucket]!;
    this.#buckets[bucket] = flow + 1;
    if ((key & KEY_VERSION_6) !== 0)
      for (let i = 0; i < 8; i++) wide[flow * 8 + i] = addresses[isReverse ? (i + 4) & 7 : i]!;
    this.isReverse = isReverse;
    this.count++;
    return flow;
  }

  remove(flow: number): void {
    const { i32 } = this;
    const at = flow * WORDS;
    const bucket = this.#bucket(i32[at]!, i32[at + 1]!, i32[at + 2]!, i32[at + 3]!);
    const next = i32[at + 4]!;
    let before = this.#buckets[bucket]! - 1;
    if (before === flow) {
      this.#buckets[bucket] = next;
    } else {
      while (i32[before * WORDS + 4] !== flow + 1) before = i32[before * WORDS + 4]! - 1;
      i32[before * WORDS + 4] = next;
    }
    i32[at + 4] = this.#free + 1;
    this.#free = flow;
    this.seen[flow] = Infinity;
    this.count--;
  }

  /** Removes all flows. */
  clear(): void {
    this.#buckets.fill(0);
    this.#free = -1;
    this.end = 0;
    this.count = 0;
  }

  /** Of some flows the one that has been silent for longest; the next call looks at others. The table is full. */
  oldest(): number {
    const { seen, capacity } = this;
    let oldest = this.#hand;
    for (let i = 0; i < Math.min(64, capacity); i++) {
      if (seen[this.#hand]! < seen[oldest]!) oldest = this.#hand;
      this.#hand = this.#hand + 1 === capacity ? 0 : this.#hand + 1;
    }
    return oldest;
  }

  /** The same for both directions. */
  #bucket(source: number, destination: number, ports: number, key: number): number {
    const seed = this.#seed;
    let a = Math.imul(source ^ seed, 0x85ebca6b) ^ Math.imul(ports >>> 16, 0xc2b2ae35);
    let b = Math.imul(destination ^ seed, 0x85ebca6b) ^ Math.imul(ports & 0xffff, 0xc2b2ae35);
    a = Math.imul(a ^ (a >>> 15), 0x27d4eb2f);
    b = Math.imul(b ^ (b >>> 15), 0x27d4eb2f);
    let hash = ((a ^ (a >>> 13)) + (b ^ (b >>> 13))) | 0;
    hash = Math.imul(hash ^ key ^ (hash >>> 16), 0x2c1b3c6d);
    return (hash ^ (hash >>> 15)) & this.#mask;
  }

  #hasAddresses(flow: number, from: number): boolean {
    const { wide, addresses } = this;
    for (let i = 0; i < 8; i++) if (wide[flow * 8 + i] !== addresses[(i + from) & 7]) return false;
    return true;
  }
}
