import type { PacketBatch } from "./packet-batch.ts";

/** Longest frame that is accepted: libpcap's and Wireshark's own limit (MAXIMUM_SNAPLEN). */
export const MAX_FRAME_BYTES = 262_144;

/** What a capture says of an interface; classic pcap files have one. */
export interface CaptureInterface {
  /** LINKTYPE_ value. */
  readonly linkType: number;
  /** Bytes kept of each frame; 0: no limit. */
  readonly snapLength: number;
  readonly name: string | undefined;
  readonly description: string | undefined;
  /** The capture filter, where the capture has it as text. */
  readonly filter: string | undefined;
  /** Number of the pcapng section that describes it, from 0. */
  readonly section: number;
  /** Packets counted by the capturing program at the end of the capture (pcapng statistics), or undefined. */
  received: number | undefined;
  /** Packets lost for want of room, by interface and operating system, as counted by the capturing program. */
  dropped: number | undefined;
}

/** What is wrong with a capture, and where. */
export interface CaptureFault {
  /** Byte offset in the (decompressed) capture of the record that is wrong. */
  readonly offset: number;
  /** What is wrong with it, as the rest of a sentence that begins with "the record". */
  readonly message: string;
}

/**
 * Walks over the records of one file format. `walk` takes records from `bytes[at…end)` into the batch until that is
 * full, no whole record is left, or there is a fault, and returns where the next record begins.
 */
export interface CaptureWalker {
  readonly fault: CaptureFault | undefined;
  /** What a record is called: "packet record", "block". */
  readonly recordName: string;
  /** Whether the walker is inside a record of which it needs no more than to skip it. */
  readonly isSkipping: boolean;
  /** `base`: the offset of `bytes[0]` in the capture. `view` is of the same memory. */
  walk(bytes: Uint8Array, view: DataView, at: number, end: number, base: number, batch: PacketBatch): number;
}
