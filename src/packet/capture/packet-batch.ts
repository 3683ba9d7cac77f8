/** Memory that a decoder shares with the reader of its capture, so that it finds there what it needs without a copy. */
export interface CaptureMemory {
  /** For the capture's bytes, as long as they fit there. */
  readonly window: Uint8Array<ArrayBuffer>;
  /** For PacketBatch's columns that decoders read. */
  readonly columns: SharedColumns;
}

/** Room for columns of up to `capacity` packets, SHARED_COLUMN_BYTES a packet from byte `at` on. */
export interface SharedColumns {
  readonly buffer: ArrayBuffer;
  readonly at: number;
  readonly capacity: number;
}

const SHARED_COLUMN_BYTES = 14;

/**
 * Packets of a capture as columns: packet `i` is entry `i` of each. Made once and filled again and again, so nothing is
 * allocated a packet. Filled by CaptureReader; `bytes` and all columns are valid only until the reader goes on.
 */
export class PacketBatch {
  readonly capacity: number;
  /** How many packets there are; entries behind them are leftovers. */
  count = 0;
  /** The number of the batch's first packet in its capture, from 1, as tshark counts them. */
  firstNumber = 1;
  /** What the frames lie in. */
  bytes: Uint8Array = new Uint8Array(0);
  /** Whole seconds since the epoch, maybe negative; NaN where the capture gives no time (pcapng's simple packets). */
  readonly seconds: Float64Array;
  /** 0 to 999,999,999. */
  readonly nanoseconds: Uint32Array;
  /** Where the frame begins in `bytes`. */
  readonly frameAt: Int32Array;
  /** Bytes of the frame that were captured. */
  readonly capturedLength: Uint32Array;
  /** Bytes that the frame had on the wire. */
  readonly originalLength: Uint32Array;
  /** Index into CaptureReader.interfaces. */
  readonly interfaceIndex: Uint32Array;
  /** LINKTYPE_ value of the interface. */
  readonly linkType: Uint16Array;

  /**
   * `shared`: where frameAt, capturedLength, originalLength and linkType lie one behind the other, each for its capacity,
   * as codec/kernel/assembly/headers.ts has them.
   */
  constructor(capacity: number, shared = ownColumns(capacity)) {
    if (capacity > shared.capacity) throw new RangeError(`${capacity} packets do not fit ${shared.capacity}`);
    const { buffer, at } = shared;
    this.capacity = capacity;
    this.seconds = new Float64Array(capacity);
    this.nanoseconds = new Uint32Array(capacity);
    this.interfaceIndex = new Uint32Array(capacity);
    this.frameAt = new Int32Array(buffer, at, capacity);
    this.capturedLength = new Uint32Array(buffer, at + 4 * shared.capacity, capacity);
    this.originalLength = new Uint32Array(buffer, at + 8 * shared.capacity, capacity);
    this.linkType = new Uint16Array(buffer, at + 12 * shared.capacity, capacity);
  }
}

function ownColumns(capacity: number): SharedColumns {
  return { buffer: new ArrayBuffer(SHARED_COLUMN_BYTES * capacity), at: 0, capacity };
}
