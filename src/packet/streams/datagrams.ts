import { PacketBatch } from "../capture/packet-batch.ts";
import { HeaderDecoder } from "../headers/decode.ts";
import type { HeaderColumns } from "../headers/header-columns.ts";
import { PROTOCOL } from "../headers/ip-layers.ts";
import type { CurrentPacket } from "./current-packet.ts";
import { Fragments, type FragmentOptions } from "./fragments.ts";

/** Pieces in pieces: tunnels whose datagrams were cut on both levels, and hostile ones. */
const MAX_LEVELS = 4;

/** Puts the datagrams of a capture together and decodes them as packets that were never cut. */
export class Datagrams {
  readonly fragments: Fragments;
  readonly #decoder = new HeaderDecoder(1);
  readonly #batch = new PacketBatch(1);

  constructor(options: Partial<FragmentOptions> = {}) {
    this.fragments = new Fragments(options);
  }

  /**
   * Takes a packet that is a piece, in a frame of that link type at `frameAt` with so many captured bytes. True: it was
   * the one that was missing, and `packet` is the whole datagram now, in the frame of this piece.
   */
  take(packet: CurrentPacket, linkType: number, frameAt: number, captured: number): boolean {
    for (let level = 0; level < MAX_LEVELS; level++) {
      const frame = this.#wholeFrame(packet, frameAt, frameAt + captured);
      if (frame === undefined) return false;
      const batch = this.#batch;
      batch.count = 1;
      batch.bytes = frame;
      batch.frameAt[0] = frameAt = 0;
      batch.capturedLength[0] = batch.originalLength[0] = captured = frame.length;
      batch.linkType[0] = linkType;
      const columns = this.#decoder.decode(batch);
      packet.point(frame, columns, 0);
      if (this.#pieceSlot(packet, 0, captured) < 0) return true;
    }
    return false;
  }

  /** The packet's frame with the datagram instead of its piece; undefined while it is not whole. */
  #wholeFrame(packet: CurrentPacket, frameAt: number, frameEnd: number): Uint8Array | undefined {
    const { bytes, columns, index } = packet;
    const slot = this.#pieceSlot(packet, frameAt, frameEnd);
    if (slot < 0) return undefined;
    const at = columns.ipAt[slot]!;
    const datagram = this.fragments.take(bytes, at, frameEnd, columns.ipVersion[slot]!, packet.timeMs);
    if (datagram === undefined) return undefined;
    const frame = new Uint8Array(at - frameAt + datagram.length);
    frame.set(bytes.subarray(frameAt, at));
    frame.set(datagram, at - frameAt);
    if (slot === 2 * index + 1) unlimit(frame, columns, 2 * index, frameAt);
    return frame;
  }

  /** The outermost IP header of the two in the columns that says it is of a piece; -1: none does. */
  #pieceSlot({ bytes, columns, index }: CurrentPacket, frameAt: number, frameEnd: number): number {
    for (let slot = 2 * index; slot <= 2 * index + 1; slot++) {
      const at = columns.ipAt[slot]!;
      if (at >= frameAt && this.fragments.isPiece(bytes, at, frameEnd, columns.ipVersion[slot]!)) return slot;
    }
    return -1;
  }
}

/** Lets the lengths around a datagram say that they do not know: they are those of the piece. */
function unlimit(frame: Uint8Array, columns: HeaderColumns, slot: number, frameAt: number): void {
  const at = columns.ipAt[slot]! - frameAt;
  const lengthAt = columns.ipVersion[slot] === 4 ? at + 2 : at + 4;
  frame[lengthAt] = frame[lengthAt + 1] = 0;
  const transportAt = columns.transportAt[slot]!;
  if (transportAt < 0 || columns.ipProtocol[slot] !== PROTOCOL.udp) return;
  frame[transportAt - frameAt + 4] = frame[transportAt - frameAt + 5] = 0;
}
