import type { HeaderColumns } from "./header-columns.ts";

/** What comes next in a frame: which decoder is to run at `Cursor.at`. */
export const NEXT = {
  /** Nothing that we decode. */
  nothing: 0,
  ethernet: 1,
  /** By `Cursor.etherType`. */
  byEtherType: 2,
  vlan: 3,
  mpls: 4,
  pppoe: 5,
  ppp: 6,
  sll: 7,
  sll2: 8,
  null: 9,
  loop: 10,
  raw: 11,
  arp: 12,
  ip4: 13,
  ip6: 14,
  /** By `Cursor.protocol`, in IPv6 also extension headers. */
  byProtocol: 15,
  gre: 16,
  vxlan: 17,
} as const;

/**
 * Where decoding stands in a frame. One a decoder, with plain fields: decoders are functions over it that add their
 * layer to `path`, fill their columns, move `at`, and return what comes next. Before any byte is read at `at + n`,
 * `end - at > n` is checked.
 */
export class Cursor {
  bytes: Uint8Array = new Uint8Array(0);
  readonly columns: HeaderColumns;
  /** The packet's entry in the columns. */
  packet = 0;
  at = 0;
  /** Where the captured bytes end that belong to the present layer. */
  end = 0;
  /** Where the present layer ended on the wire, as an offset that may lie behind `end`. */
  wireEnd = 0;
  path = 0;
  /** What the layer before said about the next one. */
  etherType = 0;
  protocol = 0;
  /** The entry of the present IP layer in columns with two entries a packet; -1 before there is one. */
  slot = -1;
  /** The present IP layer is an IPv6 one, where extension headers may follow. */
  isVersion6 = false;
  /** Where to note layer and offset of each layer, in turns; undefined: nowhere. */
  layers: number[] | undefined;
  /** The datagram is a piece: its transport is not all there. */
  isFragment = false;

  constructor(columns: HeaderColumns) {
    this.columns = columns;
  }

  /** Adds a layer to the stack of the packet. */
  enter(layer: number): void {
    this.path = this.columns.paths.step(this.path, layer);
    if (this.layers !== undefined) this.layers.push(layer, this.at);
  }

  mark(flag: number): number {
    this.columns.flags[this.packet]! |= flag;
    return NEXT.nothing;
  }
}

/** Two bytes in network order. The caller has checked that they are there. */
export function u16(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}

/** Four bytes in network order, unsigned. The caller has checked that they are there. */
export function u32(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}
