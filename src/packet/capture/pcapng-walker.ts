import { MAX_FRAME_BYTES, type CaptureFault, type CaptureInterface, type CaptureWalker } from "./format.ts";
import type { PacketBatch } from "./packet-batch.ts";
import { TimeScale } from "./time-scale.ts";

/*
 * pcapng (draft-ietf-opsawg-pcapng): blocks, in the byte order that their section says.
 *
 *      0 type u32 | 4 total length u32 | 8 body … options … | total length again u32
 *
 * Bodies, offsets from the block's begin:
 *   section      8 byte-order magic u32 | 12 version | 16 section length i64 | 24 options
 *   interface    8 link type u16 | 10 reserved | 12 snap length u32 | 16 options
 *   enhanced     8 interface u32 | 12 time u64, high half first | 20 captured u32 | 24 original u32 | 28 frame | options
 *   simple       8 original u32 | 12 frame
 *   old packet   8 interface u16 | 10 drops u16 | 12 time | 20 captured | 24 original | 28 frame | options
 *   statistics   8 interface u32 | 12 time | 20 options
 *   option       0 code u16 | 2 length u16 | 4 value, padded to 4
 */
export const SECTION_BLOCK = 0x0a0d0d0a;
const BYTE_ORDER_MAGIC = 0x1a2b3c4d;
const INTERFACE_BLOCK = 1;
const OLD_PACKET_BLOCK = 2;
const SIMPLE_BLOCK = 3;
const STATISTICS_BLOCK = 5;
const ENHANCED_BLOCK = 6;
const MIN_BLOCK_BYTES = 12;
/** Blocks that we read may have many options, but must fit memory. */
const MAX_BLOCK_BYTES = 16 << 20;
/** Bytes of the fixed fields, with both lengths, of the blocks that we read. */
const LEAST_BYTES: Readonly<Record<number, number>> = {
  [SECTION_BLOCK]: 28,
  [INTERFACE_BLOCK]: 20,
  [OLD_PACKET_BLOCK]: 32,
  [SIMPLE_BLOCK]: 16,
  [STATISTICS_BLOCK]: 24,
  [ENHANCED_BLOCK]: 32,
};
const NAME_OPTION = 2;
const DESCRIPTION_OPTION = 3;
const RESOLUTION_OPTION = 9;
const FILTER_OPTION = 11;
const OFFSET_OPTION = 14;
const RECEIVED_OPTION = 4;
const INTERFACE_DROPS_OPTION = 5;
const SYSTEM_DROPS_OPTION = 7;

/** Whether these 12 bytes begin a pcapng section. */
export function isPcapng(view: DataView): boolean {
  return view.getUint32(0, true) === SECTION_BLOCK && byteOrder(view, 8) !== undefined;
}

/** Whether the magic is in little-endian order; undefined: it is none. */
function byteOrder(view: DataView, at: number): boolean | undefined {
  if (view.getUint32(at, true) === BYTE_ORDER_MAGIC) return true;
  return view.getUint32(at, false) === BYTE_ORDER_MAGIC ? false : undefined;
}

/** The blocks of a pcapng file: several sections and interfaces; blocks of other types are skipped. */
export class PcapngWalker implements CaptureWalker {
  fault: CaptureFault | undefined = undefined;
  readonly recordName = "block";
  readonly #interfaces: CaptureInterface[];
  /** By index in `#interfaces`. */
  readonly #scales: TimeScale[] = [];
  /** Where the present section's interfaces begin. */
  #firstInterface = 0;
  #section = -1;
  #isLittle = true;
  /** What is left of a block that is skipped, without its last four bytes. */
  #skipBytes = 0;
  /** The length that the skipped block has to say at its end; 0: no block is being skipped. */
  #skippedLength = 0;

  constructor(interfaces: CaptureInterface[]) {
    this.#interfaces = interfaces;
  }

  get isSkipping(): boolean {
    return this.#skippedLength > 0;
  }

  walk(bytes: Uint8Array, view: DataView, at: number, end: number, base: number, batch: PacketBatch): number {
    batch.bytes = bytes;
    while (batch.count < batch.capacity && this.fault === undefined) {
      if (this.#skippedLength > 0) {
        const skipped = Math.min(this.#skipBytes, end - at);
        at += skipped;
        this.#skipBytes -= skipped;
        if (this.#skipBytes > 0 || end - at < 4) break;
        this.#checkTrailer(view, at, this.#skippedLength, base + at);
        this.#skippedLength = 0;
        at += 4;
        continue;
      }
      if (end - at < MIN_BLOCK_BYTES) break;
      const type = view.getUint32(at, this.#isLittle);
      if (type === SECTION_BLOCK) {
        const isLittle = byteOrder(view, at + 8);
        if (isLittle === undefined) {
          this.fault = { offset: base + at, message: "begins a section without a byte-order magic" };
          break;
        }
        this.#isLittle = isLittle;
      }
      const length = view.getUint32(at + 4, this.#isLittle);
      if (length < (LEAST_BYTES[type] ?? MIN_BLOCK_BYTES)) {
        this.fault = { offset: base + at, message: `says it is ${length} bytes long, which is too short` };
        break;
      }
      // Some writers do not count the padding.
      const padded = length + ((4 - (length & 3)) & 3);
      if (LEAST_BYTES[type] === undefined) {
        this.#skippedLength = length;
        this.#skipBytes = padded - 4;
        continue;
      }
      if (padded > MAX_BLOCK_BYTES) {
        this.fault = { offset: base + at, message: `says it is ${length} bytes long (at most ${MAX_BLOCK_BYTES})` };
        break;
      }
      if (end - at < padded) break;
      if (!this.#checkTrailer(view, at + padded - 4, length, base + at)) break;
      this.#take(type, view, at, at + padded - 4, base, batch);
      at += padded;
    }
    return at;
  }

  #checkTrailer(view: DataView, at: number, length: number, offset: number): boolean {
    const said = view.getUint32(at, this.#isLittle);
    if (said === length || said === length + ((4 - (length & 3)) & 3)) return true;
    this.fault = { offset, message: `says ${length} bytes at its begin and ${said} at its end` };
    return false;
  }

  /** A whole block that we read; `end` is where its second length begins. */
  #take(type: number, view: DataView, at: number, end: number, base: number, batch: PacketBatch): void {
    const isLittle = this.#isLittle;
    switch (type) {
      case SECTION_BLOCK:
        this.#section++;
        this.#firstInterface = this.#interfaces.length;
        break;
      case INTERFACE_BLOCK:
        this.#addInterface(view, at, end);
        break;
      case ENHANCED_BLOCK:
        this.#addPacket(view.getUint32(at + 8, isLittle), view, at, end, base, batch);
        break;
      case OLD_PACKET_BLOCK:
        this.#addPacket(view.getUint16(at + 8, isLittle), view, at, end, base, batch);
        break;
      case SIMPLE_BLOCK:
        this.#addSimplePacket(view, at, end, base, batch);
        break;
      case STATISTICS_BLOCK:
        this.#addStatistics(view, at, end);
        break;
    }
  }

  #addPacket(local: number, view: DataView, at: number, end: number, base: number, batch: PacketBatch): void {
    const index = this.#firstInterface + local;
    const found = this.#interfaces[index];
    const captured = view.getUint32(at + 20, this.#isLittle);
    if (found === undefined) {
      const message = `holds a packet of interface ${local}, which its section does not describe`;
      this.fault = { offset: base + at, message };
    } else if (captured > end - at - 28 || captured > MAX_FRAME_BYTES) {
      this.fault = { offset: base + at, message: `holds a packet of ${captured} bytes, which do not fit in it` };
    } else {
      const scale = this.#scales[index]!;
      scale.convert(view.getUint32(at + 12, this.#isLittle), view.getUint32(at + 16, this.#isLittle));
      const i = batch.count++;
      batch.seconds[i] = scale.seconds;
      batch.nanoseconds[i] = scale.nanoseconds;
      batch.frameAt[i] = at + 28;
      batch.capturedLength[i] = captured;
      batch.originalLength[i] = view.getUint32(at + 24, this.#isLittle);
      batch.interfaceIndex[i] = index;
      batch.linkType[i] = found.linkType;
    }
  }

  #addSimplePacket(view: DataView, at: number, end: number, base: number, batch: PacketBatch): void {
    const found = this.#interfaces[this.#firstInterface];
    if (found === undefined) {
      this.fault = { offset: base + at, message: "holds a packet, but its section describes no interface" };
      return;
    }
    const original = view.getUint32(at + 8, this.#isLittle);
    const captured = found.snapLength === 0 ? original : Math.min(original, found.snapLength);
    if (captured > end - at - 12 || captured > MAX_FRAME_BYTES) {
      this.fault = { offset: base + at, message: `holds a packet of ${captured} bytes, which do not fit in it` };
      return;
    }
    const i = batch.count++;
    batch.seconds[i] = NaN;
    batch.nanoseconds[i] = 0;
    batch.frameAt[i] = at + 12;
    batch.capturedLength[i] = captured;
    batch.originalLength[i] = original;
    batch.interfaceIndex[i] = this.#firstInterface;
    batch.linkType[i] = found.linkType;
  }

  #addInterface(view: DataView, at: number, end: number): void {
    let resolution = 6;
    let offset = 0;
    const texts = new Map<number, string>();
    this.#eachOption(view, at + 16, end, (code, valueAt, length) => {
      if (code === RESOLUTION_OPTION && length >= 1) resolution = view.getUint8(valueAt);
      else if (code === OFFSET_OPTION && length >= 8) offset = Number(view.getBigInt64(valueAt, this.#isLittle));
      else if (code === NAME_OPTION || code === DESCRIPTION_OPTION) texts.set(code, textOf(view, valueAt, length));
      // The first byte says whether the filter is text (0) or a program.
      else if (code === FILTER_OPTION && length > 1 && view.getUint8(valueAt) === 0)
        texts.set(code, textOf(view, valueAt + 1, length - 1));
    });
    this.#scales.push(new TimeScale(resolution, offset));
    this.#interfaces.push({
      linkType: view.getUint16(at + 8, this.#isLittle),
      snapLength: view.getUint32(at + 12, this.#isLittle),
      name: texts.get(NAME_OPTION),
      description: texts.get(DESCRIPTION_OPTION),
      filter: texts.get(FILTER_OPTION),
      section: this.#section,
      ...{ received: undefined, dropped: undefined },
    });
  }

  #addStatistics(view: DataView, at: number, end: number): void {
    const found = this.#interfaces[this.#firstInterface + view.getUint32(at + 8, this.#isLittle)];
    if (found === undefined) return;
    const count = (valueAt: number): number => Number(view.getBigUint64(valueAt, this.#isLittle));
    let dropped: number | undefined;
    this.#eachOption(view, at + 20, end, (code, valueAt, length) => {
      if (length !== 8) return;
      if (code === RECEIVED_OPTION) found.received = count(valueAt);
      if (code === INTERFACE_DROPS_OPTION || code === SYSTEM_DROPS_OPTION) dropped = (dropped ?? 0) + count(valueAt);
    });
    found.dropped = dropped ?? found.dropped;
  }

  /** Calls `take` for the options between `at` and `end`; one that does not fit ends them. */
  #eachOption(
    view: DataView,
    at: number,
    end: number,
    take: (code: number, valueAt: number, length: number) => void,
  ): void {
    while (end - at >= 4) {
      const code = view.getUint16(at, this.#isLittle);
      const length = view.getUint16(at + 2, this.#isLittle);
      if (code === 0 || length > end - at - 4) return;
      take(code, at + 4, length);
      at += 4 + length + ((4 - (length & 3)) & 3);
    }
  }
}

/** Without what stands behind a zero byte, which some writers count as part of the text. */
function textOf(view: DataView, at: number, length: number): string {
  const text = Buffer.from(view.buffer, view.byteOffset + at, length).toString();
  const zero = text.indexOf("\u0000");
  return zero < 0 ? text : text.slice(0, zero);
}
