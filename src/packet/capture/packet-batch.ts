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

  constructor(capacity: number) {
    this.capacity = capacity;
    this.seconds = new Float64Array(capacity);
    this.nanoseconds = new Uint32Array(capacity);
    this.frameAt = new Int32Array(capacity);
    this.capturedLength = new Uint32Array(capacity);
    this.originalLength = new Uint32Array(capacity);
    this.interfaceIndex = new Uint32Array(capacity);
    this.linkType = new Uint16Array(capacity);
  }
}
