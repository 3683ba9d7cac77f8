import { PROTOCOL } from "../headers/ip-layers.ts";
import { type CurrentPacket, type Moment, momentOf } from "./current-packet.ts";
import { Direction, type DirectionCounters } from "./direction.ts";

/** Who speaks: the client (0), which opened the connection, or the server. */
export type Side = 0 | 1;

/** Reads a connection. Made for each one by the function that TcpStreams is given. */
export interface ConnectionReader {
  /** What a side says next: `bytes[at…end)`, good only until the call returns. */
  data(side: Side, bytes: Uint8Array, at: number, end: number): void;
  /** So many bytes of a side were not captured. */
  gap(side: Side, length: number): void;
  /** A side has said all that it had to say. */
  end(side: Side): void;
  /** Nothing more comes. */
  close(how: CloseReason): void;
  /** It wants nothing more: what follows is no longer put together. */
  readonly isDone: boolean;
}

export type CloseReason = "finished" | "reset" | "timed_out" | "evicted" | "replaced" | "capture_over";

export interface TcpStreamsOptions {
  readonly maxConnections: number;
  /** Bytes of early segments that wait, of one side of a connection. */
  readonly maxBytesPerSide: number;
  /** The same of all connections. */
  readonly maxBytes: number;
  /** A connection without packets for so long is over. */
  readonly idleMs: number;
}

const DEFAULTS: TcpStreamsOptions = {
  maxConnections: 65_536,
  maxBytesPerSide: 1 << 20,
  maxBytes: 32 << 20,
  idleMs: 300_000,
};
/** How long a closed connection's last packets are still known for what they are. */
const LINGER_MS = 30_000;
/** A hole whose bytes were acknowledged is given up after so many packets or so long: captures reorder a little. */
const HOLE_PACKETS = 64;
const HOLE_MS = 1000;
/** Connections are put in the order of their last packets this exactly. */
const TOUCH_MS = 1000;
const FIN = 1;
const SYN = 2;
const RST = 4;
const ACK = 16;

/**
 * Makes the reader of a connection when its first packet comes, which the client sent or the server. `now`: when the
 * latest bytes of the connection were captured.
 */
export type MakeReader = (packet: CurrentPacket, isFromClient: boolean, now: () => Moment) => ConnectionReader;

interface Connection {
  readonly key: string;
  readonly reader: ConnectionReader;
  readonly sides: readonly [Direction, Direction];
  /** Whether the client's address and port are the smaller ones. */
  readonly isClientFirst: boolean;
  lastMs: number;
  dataAt: Moment;
  endingMs: number;
  hasEnded: [boolean, boolean];
  /** Since when, and for how many packets, a hole of a side has been known to be one of the capture. */
  holeMs: [number, number];
  holePackets: [number, number];
}

/**
 * Puts the streams of TCP connections together: out of order, repeated and overlapping segments, lost ones, numbers that
 * wrap around, ports that are used again, connections whose begin is not in the capture. In bounded memory; all times
 * are those of the capture.
 */
export class TcpStreams {
  readonly #options: TcpStreamsOptions;
  readonly #makeReader: MakeReader;
  /** Open ones, in the order of their last packets, roughly. */
  readonly #connections = new Map<string, Connection>();
  /** Those of which both sides have said their last, but some bytes were not seen, in the order of the last word. */
  readonly #ending = new Map<string, Connection>();
  /** When those were closed whose last packets may still come, in that order. */
  readonly #closed = new Map<string, number>();
  readonly #key = Buffer.alloc(37);
  #isSourceFirst = false;
  #pendingBytes = 0;
  readonly counters: DirectionCounters & {
    connections: number;
    connections_evicted: number;
    streams_overfull: number;
  } = {
    connections: 0,
    connections_evicted: 0,
    streams_overfull: 0,
    retransmitted_segments: 0,
    out_of_order_segments: 0,
    gaps: 0,
    gap_bytes: 0,
    foreign_segments: 0,
  };

  constructor(makeReader: MakeReader, options: Partial<TcpStreamsOptions> = {}) {
    this.#makeReader = makeReader;
    this.#options = { ...DEFAULTS, ...options };
  }

  /** How many connections are known. */
  get open(): number {
    return this.#connections.size;
  }

  /** What early segments cost that wait now. */
  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  /** Takes a TCP packet whose header was decoded. */
  take(packet: CurrentPacket): void {
    const { columns, index, bytes, timeMs } = packet;
    this.expire(timeMs);
    const flags = columns.tcpFlags[index]!;
    const sequence = columns.tcpSequence[index]!;
    const length = columns.payloadOriginalLength[index]!;
    const key = this.#keyOf(packet);
    let connection = this.#connections.get(key);
    let side = this.#sideOf(connection);
    if (connection !== undefined && (flags & SYN) !== 0 && isAnother(connection, side, sequence, flags)) {
      this.#close(connection, "replaced", timeMs);
      connection = undefined;
    }
    if (connection === undefined) {
      // A last acknowledgment or a reset of something that is over begins nothing.
      if (length === 0 && (flags & SYN) === 0) return;
      if (this.#closed.has(key) && (flags & (SYN | ACK)) !== SYN) return;
      this.#closed.delete(key);
      connection = this.#begin(key, packet, flags);
      side = this.#sideOf(connection);
    }
    if (timeMs - connection.lastMs > TOUCH_MS) {
      connection.lastMs = timeMs;
      this.#connections.delete(key);
      this.#connections.set(key, connection);
    }
    if (length > 0) connection.dataAt = momentOf(packet);
    const direction = connection.sides[side];
    const other: Side = side === 0 ? 1 : 0;
    if (connection.reader.isDone) {
      if (direction.pendingBytes > 0 || connection.sides[other].pendingBytes > 0) this.#forget(connection);
    } else {
      const before = direction.pendingBytes;
      const isSyn = (flags & SYN) !== 0;
      if (isSyn) direction.synchronise(sequence);
      const at = columns.payloadAt[index]!;
      const first = isSyn ? (sequence + 1) >>> 0 : sequence;
      direction.segment(first, bytes, at, at + columns.payloadLength[index]!, length, (flags & FIN) !== 0);
      this.#pendingBytes += direction.pendingBytes - before;
      if (direction.pendingBytes > this.#options.maxBytesPerSide || this.#pendingBytes > this.#options.maxBytes)
        this.#overfull(direction);
      if ((flags & ACK) !== 0) this.#watchHole(connection, other, columns.tcpAcknowledgment[index]!, timeMs);
    }
    if ((flags & FIN) !== 0 && connection.reader.isDone) connection.hasEnded[side] = true;
    tellEnds(connection);
    if ((flags & RST) !== 0) this.#close(connection, "reset", timeMs);
    else if (connection.hasEnded[0] && connection.hasEnded[1]) this.#close(connection, "finished", timeMs);
    else if (
      (flags & FIN) !== 0 &&
      connection.sides[0].hasFin &&
      connection.sides[1].hasFin &&
      !this.#ending.has(key)
    ) {
      connection.endingMs = timeMs;
      this.#ending.set(key, connection);
    }
  }

  /** Ends connections that have been idle too long by then. */
  expire(timeMs: number): void {
    for (const connection of this.#ending.values()) {
      if (timeMs - connection.endingMs <= HOLE_MS) break;
      this.#close(connection, "finished", timeMs);
    }
    for (const connection of this.#connections.values()) {
      if (timeMs - connection.lastMs <= this.#options.idleMs) break;
      this.#close(connection, "timed_out", timeMs);
    }
    for (const [key, closedMs] of this.#closed) {
      if (timeMs - closedMs <= LINGER_MS && this.#closed.size <= this.#options.maxConnections) break;
      this.#closed.delete(key);
    }
  }

  /** The capture is over. */
  finish(): void {
    for (const connection of this.#connections.values()) this.#close(connection, "capture_over", connection.lastMs);
  }

  #begin(key: string, packet: CurrentPacket, flags: number): Connection {
    this.counters.connections++;
    if (this.#connections.size >= this.#options.maxConnections) this.#evictOldest(packet.timeMs);
    const { columns, slot } = packet;
    // Without a SYN, servers are taken to have the smaller port.
    const isFromClient =
      (flags & SYN) !== 0 ? (flags & ACK) === 0 : columns.sourcePort[slot]! >= columns.destinationPort[slot]!;
    const reader = this.#makeReader(packet, isFromClient, () => connection.dataAt);
    const direction = (side: Side): Direction =>
      new Direction(
        {
          data: (bytes, at, end) => reader.data(side, bytes, at, end),
          gap: (length) => reader.gap(side, length),
        },
        this.counters,
      );
    const connection: Connection = {
      key,
      reader,
      sides: [direction(0), direction(1)],
      isClientFirst: isFromClient === this.#isSourceFirst,
      lastMs: packet.timeMs,
      dataAt: momentOf(packet),
      endingMs: NaN,
      hasEnded: [false, false],
      holeMs: [NaN, NaN],
      holePackets: [0, 0],
    };
    this.#connections.set(key, connection);
    return connection;
  }

  #sideOf(connection: Connection | undefined): Side {
    return connection === undefined || connection.isClientFirst === this.#isSourceFirst ? 0 : 1;
  }

  #overfull(direction: Direction): void {
    this.counters.streams_overfull++;
    const before = direction.pendingBytes;
    direction.flush();
    this.#pendingBytes += direction.pendingBytes - before;
  }

  /** `side` is the one whose bytes were acknowledged. */
  #watchHole(connection: Connection, side: Side, acknowledgment: number, timeMs: number): void {
    const direction = connection.sides[side];
    if (!direction.hasHole || !direction.isHoleAcknowledged(acknowledgment)) {
      connection.holeMs[side] = NaN;
      return;
    }
    if (Number.isNaN(connection.holeMs[side])) {
      connection.holeMs[side] = timeMs;
      connection.holePackets[side] = 0;
      return;
    }
    if (++connection.holePackets[side] < HOLE_PACKETS && timeMs - connection.holeMs[side] < HOLE_MS) return;
    const before = direction.pendingBytes;
    direction.giveUpHole();
    this.#pendingBytes += direction.pendingBytes - before;
    connection.holeMs[side] = NaN;
  }

  #close(connection: Connection, how: CloseReason, timeMs: number): void {
    this.#connections.delete(connection.key);
    this.#ending.delete(connection.key);
    this.#closed.set(connection.key, timeMs);
    if (!connection.reader.isDone) {
      for (const direction of connection.sides) {
        const before = direction.pendingBytes;
        direction.flush();
        this.#pendingBytes += direction.pendingBytes - before;
      }
      tellEnds(connection);
    }
    this.#forget(connection);
    connection.reader.close(how);
  }

  #forget(connection: Connection): void {
    for (const direction of connection.sides) {
      this.#pendingBytes -= direction.pendingBytes;
      direction.forget();
    }
  }

  #evictOldest(timeMs: number): void {
    for (const connection of this.#connections.values()) {
      this.counters.connections_evicted++;
      this.#close(connection, "evicted", timeMs);
      return;
    }
  }

  /** Addresses and ports, the smaller ones first; says in `#isSourceFirst` whose those are. */
  #keyOf({ bytes, columns, slot, isVersion4, addressesAt }: CurrentPacket): string {
    const key = this.#key;
    const size = isVersion4 ? 4 : 16;
    const sourcePort = columns.sourcePort[slot]!;
    const destinationPort = columns.destinationPort[slot]!;
    let order = 0;
    for (let i = 0; i < size && order === 0; i++) order = bytes[addressesAt + i]! - bytes[addressesAt + size + i]!;
    if (order === 0) order = sourcePort - destinationPort;
    const isSourceFirst = order <= 0;
    const first = isSourceFirst ? addressesAt : addressesAt + size;
    const second = isSourceFirst ? addressesAt + size : addressesAt;
    for (let i = 0; i < size; i++) {
      key[i] = bytes[first + i]!;
      key[size + i] = bytes[second + i]!;
    }
    const ports = isSourceFirst ? [sourcePort, destinationPort] : [destinationPort, sourcePort];
    const end = key.writeUInt16BE(ports[1]!, key.writeUInt16BE(ports[0]!, 2 * size));
    this.#isSourceFirst = isSourceFirst;
    return key.toString("latin1", 0, end);
  }
}

/** Whether a SYN opens another connection between the same ports. */
function isAnother(connection: Connection, side: Side, sequence: number, flags: number): boolean {
  if (connection.reader.isDone) return (flags & ACK) === 0;
  return !connection.sides[side].synchronise(sequence);
}

function tellEnds(connection: Connection): void {
  for (const side of [0, 1] as const) {
    if (connection.hasEnded[side] || !connection.sides[side].isEnded) continue;
    connection.hasEnded[side] = true;
    connection.reader.end(side);
  }
}

/** Whether the packet's TCP header is all there, and is no piece. */
export function isTcp(packet: CurrentPacket): boolean {
  const { columns, index, slot } = packet;
  return columns.ipAt[slot]! >= 0 && columns.ipProtocol[slot] === PROTOCOL.tcp && columns.payloadAt[index]! >= 0;
}
