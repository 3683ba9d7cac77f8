const FILE_HEADER_BYTES = 24;
const RECORD_HEADER_BYTES = 16;
const BUFFER_BYTES = 256 * 1024;

/**
 * Writes packets as a classic pcap stream with microseconds (draft-ietf-opsawg-pcap), little-endian:
 *
 *      0 magic a1b2c3d4 | 4 version 2.4 | 8 0 | 12 0 | 16 snap length | 20 link type       once
 *      0 seconds u32 | 4 microseconds u32 | 8 captured u32 | 12 on the wire u32 | bytes    a packet
 */
export class PcapStream {
  readonly #write: (bytes: Uint8Array) => void;
  readonly #snapLength: number;
  readonly #buffer: Buffer;
  readonly #words: DataView;
  #length = 0;

  /** `write` is given bytes that are good only until it returns; the file's header at once. */
  constructor(write: (bytes: Uint8Array) => void, linkType: number, snapLength: number) {
    this.#write = write;
    this.#snapLength = snapLength;
    this.#buffer = Buffer.allocUnsafe(BUFFER_BYTES + RECORD_HEADER_BYTES + snapLength);
    this.#words = new DataView(this.#buffer.buffer, this.#buffer.byteOffset, this.#buffer.length);
    const header = Buffer.alloc(FILE_HEADER_BYTES);
    header.writeUInt32LE(0xa1b2c3d4, 0);
    header.writeUInt16LE(2, 4);
    header.writeUInt16LE(4, 6);
    header.writeUInt32LE(snapLength, 16);
    header.writeUInt32LE(linkType, 20);
    write(header);
  }

  /** The first `length` bytes of `frame` as a packet of that length, cut to the snap length. `timeMs`: since the epoch. */
  add(frame: Uint8Array, length: number, timeMs: number): void {
    const captured = length < this.#snapLength ? length : this.#snapLength;
    const seconds = Math.floor(timeMs / 1000);
    const at = this.#length;
    const words = this.#words;
    words.setUint32(at, seconds, true);
    words.setUint32(at + 4, Math.floor((timeMs - seconds * 1000) * 1000), true);
    words.setUint32(at + 8, captured, true);
    words.setUint32(at + 12, length, true);
    this.#buffer.set(captured === frame.length ? frame : frame.subarray(0, captured), at + RECORD_HEADER_BYTES);
    this.#length = at + RECORD_HEADER_BYTES + captured;
    if (this.#length >= BUFFER_BYTES) this.flush();
  }

  /** Writes what is gathered. */
  flush(): void {
    if (this.#length === 0) return;
    const bytes = this.#buffer.subarray(0, this.#length);
    this.#length = 0;
    this.#write(bytes);
  }
}
