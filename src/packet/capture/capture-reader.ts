import type { CaptureFault, CaptureInterface, CaptureWalker } from "./format.ts";
import { type CaptureMemory, PacketBatch } from "./packet-batch.ts";
import { isPcapMagic, PCAP_HEADER_BYTES, PcapWalker } from "./pcap-walker.ts";
import { isPcapng, PcapngWalker, SECTION_BLOCK } from "./pcapng-walker.ts";

/** How a capture ended. */
export interface CaptureEnd {
  /** `cut`: it ends within a record. `malformed`: what follows makes no sense. `foreign`: it is no capture. */
  readonly kind: "complete" | "cut" | "malformed" | "foreign";
  /** How many packets were good. */
  readonly packets: number;
  /** Where the record begins that is cut or makes no sense, in bytes of the decompressed capture; else its length. */
  readonly offset: number;
  /** One line for people: what, at which offset, how many packets were good. */
  readonly message: string;
}

const DEFAULT_BATCH_PACKETS = 1024;
const FIRST_WINDOW_BYTES = 128 * 1024;
/** Bytes that are taken at a time: what decodes them finds them in the processor's cache (docs/performance.md). */
const PIECE_BYTES = 64 * 1024;

/**
 * Reads a capture, classic pcap or pcapng, from chunks of any size. Holds no more than a batch of columns, one chunk,
 * and the record that a chunk ended in. Never throws for what a capture holds: `end` tells.
 *
 *     for await (const chunk of input) for (const batch of reader.read(chunk)) …
 *     const end = reader.end();
 */
export class CaptureReader {
  /** Grows while the capture is read. */
  readonly interfaces: CaptureInterface[] = [];
  readonly #batch: PacketBatch;
  #walker: CaptureWalker | undefined;
  /** Set when nothing of what follows can be understood. */
  #fault: CaptureFault | undefined;
  #isForeign = false;
  #window: Uint8Array<ArrayBuffer>;
  #view: DataView;
  /** What is in the window and was not walked over: from `#at` to `#end`. */
  #at = 0;
  #end = 0;
  /** The offset of the window's first byte in the capture. */
  #base = 0;
  #packets = 0;

  /** `memory`: that of the decoder (HeaderDecoder.memory), which `batchPackets` fit. */
  constructor(batchPackets = DEFAULT_BATCH_PACKETS, memory?: CaptureMemory) {
    this.#batch = new PacketBatch(batchPackets, memory?.columns);
    this.#window = memory?.window ?? new Uint8Array(FIRST_WINDOW_BYTES);
    this.#view = viewOf(this.#window);
  }

  /** Whether more input can change anything. */
  get isOver(): boolean {
    return this.#fault !== undefined;
  }

  /** Packets until now. */
  get packets(): number {
    return this.#packets;
  }

  /**
   * The packets that are whole with this chunk. A batch is good until the next one is asked for; the chunk is copied,
   * so it may be used again afterwards. Take all batches before the next chunk.
   */
  *read(chunk: Uint8Array): Generator<PacketBatch, void, undefined> {
    for (let from = 0; from < chunk.length && !this.isOver; from += PIECE_BYTES)
      yield* this.#readPiece(chunk.subarray(from, from + PIECE_BYTES));
  }

  *#readPiece(piece: Uint8Array): Generator<PacketBatch, void, undefined> {
    this.#append(piece);
    if (this.#walker === undefined && !this.#begin()) return;
    const walker = this.#walker!;
    const batch = this.#batch;
    for (;;) {
      batch.count = 0;
      batch.firstNumber = this.#packets + 1;
      this.#at = walker.walk(this.#window, this.#view, this.#at, this.#end, this.#base, batch);
      this.#packets += batch.count;
      this.#fault = walker.fault;
      const isFull = batch.count === batch.capacity;
      if (batch.count > 0) yield batch;
      if (!isFull || this.isOver) return;
    }
  }

  /** Tells how the capture ended; call it when there are no more chunks, or earlier to stop. */
  end(): CaptureEnd {
    const packets = this.#packets;
    const good = `${packets} ${packets === 1 ? "packet" : "packets"} before that ${packets === 1 ? "is" : "are"} good`;
    const length = this.#base + this.#end;
    if (this.#walker === undefined) {
      const isBegun = !this.#isForeign && this.#end > 0 && this.#looksBegun();
      if (isBegun)
        return { kind: "cut", packets, offset: 0, message: `cut within its header: it ends at byte ${length}` };
      const what = length === 0 ? "empty" : "neither pcap nor pcapng";
      return { kind: "foreign", packets, offset: 0, message: `not a capture: it is ${what}` };
    }
    if (this.#fault !== undefined) {
      const { offset, message } = this.#fault;
      const text = `malformed: the ${this.#walker.recordName} at byte ${offset} ${message}; ${good}`;
      return { kind: "malformed", packets, offset, message: text };
    }
    const offset = this.#base + this.#at;
    if (this.#at < this.#end || this.#walker.isSkipping) {
      const where = this.#walker.isSkipping ? "" : ` at byte ${offset}`;
      const text = `cut: it ends at byte ${length}, within the ${this.#walker.recordName}${where}; ${good}`;
      return { kind: "cut", packets, offset, message: text };
    }
    return { kind: "complete", packets, offset, message: `complete: ${packets} packets, ${length} bytes` };
  }

  /** Finds out what the capture is. False: too little of it is there, or it is none. */
  #begin(): boolean {
    const size = this.#end - this.#at;
    if (size < 4) return false;
    const isLittlePcap = isPcapMagic(this.#view.getUint32(0, true));
    if (isLittlePcap || isPcapMagic(this.#view.getUint32(0, false))) {
      if (size < PCAP_HEADER_BYTES) return false;
      this.#walker = new PcapWalker(this.#view, isLittlePcap, this.interfaces);
      this.#at = PCAP_HEADER_BYTES;
      return true;
    }
    if (this.#view.getUint32(0, true) === SECTION_BLOCK) {
      if (size < 12) return false;
      if (isPcapng(this.#view)) {
        this.#walker = new PcapngWalker(this.interfaces);
        return true;
      }
    }
    this.#isForeign = true;
    this.#fault = { offset: 0, message: "is no capture" };
    return false;
  }

  /** Whether what is there could be the begin of a capture's header. */
  #looksBegun(): boolean {
    const begins = [0xd4c3b2a1, 0xa1b2c3d4, 0x4d3cb2a1, 0xa1b23c4d, 0x34cdb2a1, 0xa1b2cd34, SECTION_BLOCK];
    return begins.some((word) => {
      for (let i = 0; i < Math.min(4, this.#end); i++)
        if (this.#window[i] !== ((word >>> (24 - 8 * i)) & 0xff)) return false;
      return true;
    });
  }

  #append(piece: Uint8Array): void {
    if (this.#at > 0) {
      this.#window.copyWithin(0, this.#at, this.#end);
      this.#base += this.#at;
      this.#end -= this.#at;
      this.#at = 0;
    }
    const needed = this.#end + piece.length;
    if (needed > this.#window.length) {
      const larger = new Uint8Array(Math.max(needed, this.#window.length * 2));
      larger.set(this.#window.subarray(0, this.#end));
      this.#window = larger;
      this.#view = viewOf(larger);
    }
    this.#window.set(piece, this.#end);
    this.#end = needed;
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
