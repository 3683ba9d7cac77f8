import type { CaptureInterface } from "../capture/format.ts";
import type { PacketBatch } from "../capture/packet-batch.ts";
import { HeaderColumns } from "../headers/header-columns.ts";

const NO_BYTES = new Uint8Array(0);
const NO_COLUMNS = new HeaderColumns(0);

/** A moment of the capture. */
export interface Moment {
  readonly seconds: number;
  readonly nanoseconds: number;
  /** The same in milliseconds, to the microsecond. */
  readonly ms: number;
}

export function momentOf({ seconds, nanoseconds, timeMs }: CurrentPacket): Moment {
  return { seconds, nanoseconds, ms: timeMs };
}

/**
 * The packet that is being looked at: its entry in the columns, and its time. One object for all packets, so nothing of
 * it may be kept after a call. A datagram that was put together of pieces comes with columns of its own.
 */
export class CurrentPacket {
  bytes: Uint8Array = NO_BYTES;
  columns: HeaderColumns = NO_COLUMNS;
  /** The packet's entry in the columns. */
  index = 0;
  /** Its entry of the innermost IP header in columns with two entries a packet. */
  slot = 0;
  /** Capture time: whole seconds since the epoch and nanoseconds. That of the packet before where it has none. */
  seconds = 0;
  nanoseconds = 0;
  /** The same in milliseconds. */
  timeMs = 0;
  from: CaptureInterface | undefined = undefined;

  /** Takes packet `i` of decoded columns, and leaves its time as it was. */
  point(bytes: Uint8Array, columns: HeaderColumns, i: number): void {
    this.bytes = bytes;
    this.columns = columns;
    this.index = i;
    this.slot = columns.ipAt[2 * i + 1]! >= 0 ? 2 * i + 1 : 2 * i;
  }

  /** Takes packet `i` of a batch. */
  take(batch: PacketBatch, columns: HeaderColumns, i: number, interfaces: readonly CaptureInterface[]): void {
    this.point(batch.bytes, columns, i);
    this.from = interfaces[batch.interfaceIndex[i]!];
    const seconds = batch.seconds[i]!;
    // pcapng's simple packets have none, and damaged captures have impossible ones.
    if (!(seconds >= MIN_SECONDS && seconds < MAX_SECONDS)) return;
    this.seconds = seconds;
    this.nanoseconds = batch.nanoseconds[i]!;
    this.timeMs = seconds * 1000 + Math.floor(this.nanoseconds / 1000) / 1000;
  }

  get isVersion4(): boolean {
    return this.columns.ipVersion[this.slot] === 4;
  }

  /** Where the source address begins; the destination follows it, 4 or 16 bytes later. */
  get addressesAt(): number {
    return this.columns.ipAt[this.slot]! + (this.isVersion4 ? 12 : 8);
  }
}

/** The years 0 to 9999, which RFC 3339 can say. */
const MIN_SECONDS = -62_167_219_200;
const MAX_SECONDS = 253_402_300_800;
