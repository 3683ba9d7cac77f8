import { u16, u32 } from "../headers/cursor.ts";
import { PROTOCOL } from "../headers/ip-layers.ts";
import type { FlowKey } from "./flow-key.ts";
import { AT, type FlowTable } from "./flow-table.ts";

const ENTRIES = 1024;
const WORDS = 5;

/**
 * To which flow the pieces of a datagram belong: only the first piece has ports. Remembers the latest datagrams, one an
 * entry of a hash table; pieces of forgotten ones, and those that come before the first one, have no ports.
 */
export class Fragments {
  readonly #table: FlowTable;
  /** Source, destination, protocol and VLAN, identification, flow plus one. */
  readonly #entries = new Int32Array(ENTRIES * WORDS);

  constructor(table: FlowTable) {
    this.#table = table;
  }

  /** Remembers the flow of a first piece. */
  add({ source, destination, common }: FlowKey, id: number, flow: number): void {
    this.#entries.set([source, destination, common, id, flow + 1], entryOf(source, destination, id));
  }

  /** The flow of a later piece, or -1; the table's `isReverse` tells its direction. */
  find({ source, destination, common }: FlowKey, id: number): number {
    const entries = this.#entries;
    const at = entryOf(source, destination, id);
    if (entries[at] !== source || entries[at + 1] !== destination) return -1;
    if (entries[at + 2] !== common || entries[at + 3] !== id) return -1;
    const flow = entries[at + 4]! - 1;
    if (flow < 0 || this.#table.seen[flow] === Infinity) return -1;
    // The number may have gone to another flow.
    const { i32 } = this.#table;
    const record = this.#table.at(flow);
    if (((i32[record + AT.key]! ^ common) & ~0x3fe000) !== 0) return -1;
    const isForward = i32[record + AT.source] === source && i32[record + AT.destination] === destination;
    if (!isForward && (i32[record + AT.source] !== destination || i32[record + AT.destination] !== source)) return -1;
    this.#table.isReverse = !isForward;
    return flow;
  }
}

/** The identification of a datagram in pieces. In IPv6 the fragment header is taken to be the first one, as it nearly always is. */
export function fragmentId(bytes: Uint8Array, ipAt: number, end: number): number {
  if (bytes[ipAt]! >> 4 === 4) return u16(bytes, ipAt + 4);
  return bytes[ipAt + 6] === PROTOCOL.fragment && end - ipAt >= 48 ? u32(bytes, ipAt + 44) | 0 : 0;
}

function entryOf(source: number, destination: number, id: number): number {
  const hash = Math.imul(source ^ Math.imul(destination, 0x9e3779b1) ^ Math.imul(id, 0x85ebca6b), 0xc2b2ae35);
  return (hash >>> 22) * WORDS;
}
