import type { CaptureMemory, PacketBatch } from "../capture/packet-batch.ts";
import { Cursor, NEXT } from "./cursor.ts";
import { FLAG, HeaderColumns } from "./header-columns.ts";
import { type HeaderKernel, headerKernel } from "./header-kernel.ts";
import { byProtocol, ip4, ip6 } from "./ip-layers.ts";
import * as link from "./link-layers.ts";

/** Steps from header to header in one frame, at most (a tunnel takes four): hostile frames hold thousands. */
const MAX_STEPS = 64;

/** Smaller batches are not worth a kernel of their own. */
const KERNEL_PACKETS = 256;

/**
 * Decodes the headers of packets in place, from the link to the transport layer, through tunnels. Nothing that a frame
 * holds makes it throw or read outside of the frame: what cannot be decoded is marked in `flags`. Allocates nothing a
 * packet. Keep one a capture.
 */
export class HeaderDecoder {
  readonly columns: HeaderColumns;
  readonly #kernel: HeaderKernel | null;
  readonly #cursor: Cursor;

  /**
   * `capacity`: the most packets in a batch. `isLayered`: take even ordinary packets layer by layer, to compare the two
   * ways.
   */
  constructor(capacity: number, isLayered = capacity < KERNEL_PACKETS) {
    const kernel = isLayered ? null : headerKernel();
    this.#kernel = kernel !== null && capacity <= kernel.capacity ? kernel : null;
    this.columns =
      this.#kernel === null
        ? new HeaderColumns(capacity)
        : new HeaderColumns(this.#kernel.capacity, this.#kernel.columns.buffer, this.#kernel.columns.at);
    this.#cursor = new Cursor(this.columns);
  }

  /** For the capture's reader, so that packets need not be copied. */
  get memory(): CaptureMemory | undefined {
    return this.#kernel?.memory;
  }

  /** Fills the columns' entries of the batch's packets; they are good until the next call, as the batch is. */
  decode(batch: PacketBatch): HeaderColumns {
    const { columns } = this;
    const { count } = batch;
    columns.paths.trim();
    const kernel = this.#kernel?.load(batch, columns.paths) === true ? this.#kernel : null;
    for (let i = 0; i < count; i++) {
      if (kernel !== null) i = kernel.decode(i, count);
      if (i < count) this.#decodeLayers(batch, i);
    }
    return columns;
  }

  /** Decodes packet `i` of a batch and returns its layers (LAYER) and where each begins in `batch.bytes`, in turns. */
  layersOf(batch: PacketBatch, i: number): readonly number[] {
    const layers: number[] = [];
    this.#cursor.layers = layers;
    this.#decodeLayers(batch, i);
    this.#cursor.layers = undefined;
    return layers;
  }

  #decodeLayers(batch: PacketBatch, i: number): void {
    const c = this.#cursor;
    const at = batch.frameAt[i]!;
    const captured = batch.capturedLength[i]!;
    this.columns.clear(i);
    c.bytes = batch.bytes;
    c.packet = i;
    c.at = at;
    c.end = at + captured;
    c.wireEnd = at + Math.max(captured, batch.originalLength[i]!);
    c.path = 0;
    c.slot = -1;
    c.isFragment = false;
    decodeFrame(c, link.firstOf(batch.linkType[i]!));
    this.columns.path[i] = c.path;
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
