import { MAX_FRAME_BYTES, type CaptureFault, type CaptureInterface, type CaptureWalker } from "./format.ts";
import type { PacketBatch } from "./packet-batch.ts";

/*
 * Classic pcap (draft-ietf-opsawg-pcap). The file header, in the byte order of the machine that wrote it:
 *
 *      0 magic u32 | 4 major u16 | 6 minor u16 | 8 reserved | 12 reserved | 16 snap length u32 | 20 link type u32
 *
 * and a record a packet, without padding:
 *
 *      0 seconds u32 | 4 µs or ns u32 | 8 captured length u32 | 12 original length u32 | 16 frame…
 */
export const PCAP_HEADER_BYTES = 24;
const MICROSECONDS = 0xa1b2c3d4;
const NANOSECONDS = 0xa1b23c4d;
/** A variant of old Linux distributions, whose records have 8 more bytes before the frame. */
const KUZNETZOV = 0xa1b2cd34;

/** Whether a file with this first word, read in the byte order given, is classic pcap. */
export function isPcapMagic(magic: number): boolean {
  return magic === MICROSECONDS || magic === NANOSECONDS || magic === KUZNETZOV;
}

/** The records of a classic pcap file behind its header. */
export class PcapWalker implements CaptureWalker {
  fault: CaptureFault | undefined = undefined;
  readonly recordName = "packet record";
  readonly isSkipping = false;
  readonly #isLittle: boolean;
  readonly #nanosPerUnit: number;
  readonly #headerBytes: number;
  readonly #linkType: number;

  /** `view`: the first PCAP_HEADER_BYTES of the file. Adds the one interface that there is. */
  constructor(view: DataView, isLittle: boolean, interfaces: CaptureInterface[]) {
    const magic = view.getUint32(0, isLittle);
    this.#isLittle = isLittle;
    this.#nanosPerUnit = magic === NANOSECONDS ? 1 : 1000;
    this.#headerBytes = magic === KUZNETZOV ? 24 : 16;
    // The upper half says whether frames end in a check sequence.
    this.#linkType = view.getUint32(20, isLittle) & 0xffff;
    interfaces.push({
      ...{ linkType: this.#linkType, snapLength: view.getUint32(16, isLittle), section: 0 },
      ...{ name: undefined, description: undefined, filter: undefined, received: undefined, dropped: undefined },
    });
  }

  walk(bytes: Uint8Array, view: DataView, at: number, end: number, base: number, batch: PacketBatch): number {
    const isLittle = this.#isLittle;
    const headerBytes = this.#headerBytes;
    batch.bytes = bytes;
    let count = batch.count;
    while (count < batch.capacity && end - at >= headerBytes) {
      const captured = view.getUint32(at + 8, isLittle);
      if (captured > MAX_FRAME_BYTES) {
        this.fault = { offset: base + at, message: `says it holds ${captured} bytes (at most ${MAX_FRAME_BYTES})` };
        break;
      }
      const frameAt = at + headerBytes;
      if (end - frameAt < captured) break;
      // Some programs write fractions of more than a second.
      const nanos = view.getUint32(at + 4, isLittle) * this.#nanosPerUnit;
      const carried = nanos < 1e9 ? 0 : Math.floor(nanos / 1e9);
      batch.seconds[count] = view.getUint32(at, isLittle) + carried;
      batch.nanoseconds[count] = nanos - carried * 1e9;
      batch.frameAt[count] = frameAt;
      batch.capturedLength[count] = captured;
      batch.originalLength[count] = view.getUint32(at + 12, isLittle);
      batch.interfaceIndex[count] = 0;
      batch.linkType[count] = this.#linkType;
      count++;
      at = frameAt + captured;
    }
    batch.count = count;
    return at;
  }
}
