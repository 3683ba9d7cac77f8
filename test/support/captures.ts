import { CaptureReader, type CaptureEnd } from "../../src/packet/capture/capture-reader.ts";
import type { CaptureInterface } from "../../src/packet/capture/format.ts";

/** A packet of a capture, copied out of its batch. */
export interface ReadPacket {
  readonly number: number;
  readonly seconds: number;
  readonly nanoseconds: number;
  readonly frame: string;
  readonly originalLength: number;
  readonly interfaceIndex: number;
  readonly linkType: number;
}

export interface ReadCapture {
  readonly packets: readonly ReadPacket[];
  readonly interfaces: readonly CaptureInterface[];
  readonly end: CaptureEnd;
}

/** Reads a whole capture in chunks of a size. */
export function readCapture(bytes: Uint8Array, chunkBytes = 65_536, batchPackets = 7): ReadCapture {
  const reader = new CaptureReader(batchPackets);
  const packets: ReadPacket[] = [];
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    for (const batch of reader.read(bytes.subarray(at, at + chunkBytes))) {
      for (let i = 0; i < batch.count; i++) {
        const frameAt = batch.frameAt[i]!;
        packets.push({
          number: batch.firstNumber + i,
          seconds: batch.seconds[i]!,
          nanoseconds: batch.nanoseconds[i]!,
          frame: Buffer.from(batch.bytes.subarray(frameAt, frameAt + batch.capturedLength[i]!)).toString("hex"),
          originalLength: batch.originalLength[i]!,
          interfaceIndex: batch.interfaceIndex[i]!,
          linkType: batch.linkType[i]!,
        });
      }
    }
  }
  return { packets, interfaces: reader.interfaces, end: reader.end() };
}
