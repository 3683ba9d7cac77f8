/** What one side of a connection says, put in order. Takes numbers of RFC 9293: 32 bits, which wrap around. */

/** A segment that came before its turn. */
interface Piece {
  /** Its first sequence number. */
  readonly sequence: number;
  readonly bytes: Uint8Array;
  /** Bytes on the wire: more than `bytes` has where the capture cut the packet. */
  readonly wireLength: number;
}

/** Takes what a side says in its order. */
export interface DirectionReader {
  /** The next bytes, `bytes[at…end)`, each byte once; good only until the call returns. */
  data(bytes: Uint8Array, at: number, end: number): void;
  /** So many bytes were said that the capture does not have. */
  gap(length: number): void;
}

/** What a waiting piece costs beside its bytes. */
const PIECE_BYTES = 128;
/** A number so far from the expected one belongs to something else (RFC 7323: windows have at most 1 GiB). */
const MAX_DISTANCE = 1 << 30;

export interface DirectionCounters {
  retransmitted_segments: number;
  out_of_order_segments: number;
  gaps: number;
  gap_bytes: number;
  foreign_segments: number;
}

/**
 * One side of a connection. Bytes go to the reader as soon as all before them have; what comes too early waits. Where
 * segments say different things of the same byte, what was given to the reader first stays, and of waiting ones that
 * which begins earlier.
 */
export class Direction {
  readonly reader: DirectionReader;
  readonly #counters: DirectionCounters;
  /** The number of the next byte that the reader gets; undefined before anything was seen. */
  next: number | undefined = undefined;
  /** The number behind the last byte, once FIN was seen. */
  #finAt: number | undefined = undefined;
  /** By sequence number, from the earliest. */
  #pieces: Piece[] = [];
  /** What waiting pieces cost. */
  pendingBytes = 0;

  constructor(reader: DirectionReader, counters: DirectionCounters) {
    this.reader = reader;
    this.#counters = counters;
  }

  get hasHole(): boolean {
    return this.#pieces.length > 0;
  }

  /** Whether the side has said that it has no more to say. */
  get hasFin(): boolean {
    return this.#finAt !== undefined;
  }

  /** Whether all was read that the side had to say. */
  get isEnded(): boolean {
    return this.#finAt !== undefined && this.next !== undefined && distance(this.next, this.#finAt) <= 0;
  }

  /** SYN: the first byte has the number behind it. False: another connection has begun, with other numbers. */
  synchronise(sequence: number): boolean {
    const first = (sequence + 1) >>> 0;
    if (this.next === undefined) {
      this.next = first;
      return true;
    }
    // The same SYN again, or one captured after what followed it.
    const behind = distance(first, this.next);
    return behind >= 0 && behind < MAX_DISTANCE;
  }

  /** A segment: its first byte's number, and payload `bytes[at…end)` of `wireLength` bytes on the wire. */
  segment(sequence: number, bytes: Uint8Array, at: number, end: number, wireLength: number, isFin: boolean): void {
    this.next ??= sequence;
    const ahead = distance(this.next, sequence);
    if (ahead > MAX_DISTANCE || ahead < -MAX_DISTANCE) {
      this.#counters.foreign_segments++;
      return;
    }
    if (isFin) this.#finAt ??= (sequence + wireLength) >>> 0;
    if (wireLength === 0) return;
    if (ahead + wireLength <= 0) {
      this.#counters.retransmitted_segments++;
    } else if (ahead <= 0) {
      this.#give(-ahead, bytes, at, end, wireLength);
      if (this.#pieces.length > 0) this.#drain();
    } else this.#keep({ sequence, bytes: bytes.slice(at, end), wireLength });
  }

  /** Whether the other side has said that it has bytes that the reader is still waiting for. */
  isHoleAcknowledged(acknowledgment: number): boolean {
    const first = this.#pieces[0];
    if (first === undefined || this.next === undefined) return false;
    const beyond = distance(first.sequence, acknowledgment);
    return beyond >= 0 && beyond < MAX_DISTANCE;
  }

  /** The hole before the first waiting piece will not be filled: goes on behind it. */
  giveUpHole(): void {
    const first = this.#pieces[0];
    if (first === undefined || this.next === undefined) return;
    const missing = distance(this.next, first.sequence);
    if (missing > 0) this.#gap(missing);
    this.#drain();
  }

  /** Nothing more will come: everything that waits is given, with its gaps. */
  flush(): void {
    while (this.#pieces.length > 0) this.giveUpHole();
  }

  /** Forgets what waits: nobody will read it. */
  forget(): void {
    this.#pieces = [];
    this.pendingBytes = 0;
  }

  #keep(piece: Piece): void {
    const pieces = this.#pieces;
    // What is early is mostly behind all others.
    let index = pieces.length;
    while (index > 0 && distance(piece.sequence, pieces[index - 1]!.sequence) > 0) index--;
    const before = pieces[index - 1];
    const isKnown =
      before !== undefined &&
      distance(before.sequence, piece.sequence) + piece.wireLength <= before.wireLength &&
      before.bytes.length === before.wireLength;
    if (isKnown) {
      this.#counters.retransmitted_segments++;
      return;
    }
    this.#counters.out_of_order_segments++;
    pieces.splice(index, 0, piece);
    this.pendingBytes += piece.bytes.length + PIECE_BYTES;
  }

  /** Gives what waited and is now in its turn. */
  #drain(): void {
    let given = 0;
    for (const piece of this.#pieces) {
      const ahead = distance(this.next!, piece.sequence);
      if (ahead > 0) break;
      given++;
      this.pendingBytes -= piece.bytes.length + PIECE_BYTES;
      if (ahead + piece.wireLength > 0) this.#give(-ahead, piece.bytes, 0, piece.bytes.length, piece.wireLength);
    }
    this.#pieces.splice(0, given);
  }

  /** Gives a payload without its first `known` bytes. */
  #give(known: number, bytes: Uint8Array, at: number, end: number, wireLength: number): void {
    const from = at + known;
    this.next = (this.next! + wireLength - known) >>> 0;
    if (from < end) this.reader.data(bytes, from, end);
    const missing = wireLength - Math.max(known, end - at);
    if (missing > 0) this.#gap(missing, true);
  }

  /** `isGiven`: `next` is behind it already. */
  #gap(length: number, isGiven = false): void {
    if (!isGiven) this.next = (this.next! + length) >>> 0;
    this.#counters.gaps++;
    this.#counters.gap_bytes += length;
    this.reader.gap(length);
  }
}

/** How far `to` is ahead of `from`; negative: behind it. */
function distance(from: number, to: number): number {
  return (to - from) | 0;
}
