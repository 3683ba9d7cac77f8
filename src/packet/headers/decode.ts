import type { PacketBatch } from "../capture/packet-batch.ts";
import { Cursor, NEXT } from "./cursor.ts";
import { FLAG, HeaderColumns } from "./header-columns.ts";
import { byProtocol, ip4, ip6 } from "./ip-layers.ts";
import * as link from "./link-layers.ts";
import { decodeOrdinary, ordinaryPaths } from "./ordinary.ts";

/** Steps from header to header in one frame, at most (a tunnel takes four): hostile frames hold thousands. */
const MAX_STEPS = 64;

/**
 * Decodes the headers of packets in place, from the link to the transport layer, through tunnels. Nothing that a frame
 * holds makes it throw or read outside of the frame: what cannot be decoded is marked in `flags`. Allocates nothing a
 * packet. Keep one a capture.
 */
export class HeaderDecoder {
  readonly columns: HeaderColumns;
  readonly #cursor: Cursor;
  readonly #isLayered: boolean;

  /**
   * `capacity`: the most packets in a batch. `isLayered`: take even ordinary packets layer by layer, to compare the two
   * ways.
   */
  constructor(capacity: number, isLayered = false) {
    this.#isLayered = isLayered;
    this.columns = new HeaderColumns(capacity);
    this.#cursor = new Cursor(this.columns);
  }

  /** Fills the columns' entries of the batch's packets; they are good until the next call, as the batch is. */
  decode(batch: PacketBatch): HeaderColumns {
    const { columns } = this;
    const c = this.#cursor;
    columns.clear(batch.count);
    const { bytes } = batch;
    c.bytes = bytes;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    // Numbers of stacks are others after `clear` has trimmed them, so they are looked up each time: 14 steps a batch.
    const ordinary = ordinaryPaths(columns.paths);
    for (let i = this.#startAt(batch, view, ordinary, 0); i < batch.count;) {
      const at = batch.frameAt[i]!;
      const captured = batch.capturedLength[i]!;
      c.packet = i;
      c.at = at;
      c.end = at + captured;
      c.wireEnd = at + Math.max(captured, batch.originalLength[i]!);
      c.path = 0;
      c.slot = -1;
      c.isFragment = false;
      decodeFrame(c, link.firstOf(batch.linkType[i]!));
      columns.path[i] = c.path;
      i = this.#startAt(batch, view, ordinary, i + 1);
    }
    return columns;
  }

  /** The first packet from `i` on that only the decoders of single layers can take. */
  #startAt(batch: PacketBatch, view: DataView, ordinary: Int32Array, i: number): number {
    return this.#isLayered ? i : decodeOrdinary(batch, view, this.columns, ordinary, i);
  }
}

function decodeFrame(c: Cursor, next: number): void {
  for (let steps = 0; steps < MAX_STEPS; steps++) {
    switch (next) {
      case NEXT.nothing:
        return;
      case NEXT.ethernet:
        next = link.ethernet(c);
        break;
      case NEXT.byEtherType:
        next = link.byEtherType(c);
        break;
      case NEXT.ip4:
        next = ip4(c);
        break;
      case NEXT.ip6:
        next = ip6(c);
        break;
      case NEXT.byProtocol:
        next = byProtocol(c);
        break;
      case NEXT.vlan:
        next = link.vlan(c);
        break;
      case NEXT.arp:
        next = link.arp(c);
        break;
      case NEXT.mpls:
        next = link.mpls(c);
        break;
      case NEXT.pppoe:
        next = link.pppoe(c);
        break;
      case NEXT.ppp:
        next = link.ppp(c);
        break;
      case NEXT.sll:
        next = link.sll(c);
        break;
      case NEXT.sll2:
        next = link.sll2(c);
        break;
      case NEXT.null:
        next = link.nullLoopback(c);
        break;
      case NEXT.loop:
        next = link.loopback(c);
        break;
      case NEXT.raw:
        next = link.raw(c);
        break;
      case NEXT.gre:
        next = link.gre(c);
        break;
      case NEXT.vxlan:
        next = link.vxlan(c);
        break;
    }
  }
  if (next !== NEXT.nothing) c.mark(FLAG.tooDeep);
}
