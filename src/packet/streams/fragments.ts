import { u16, u32 } from "../headers/cursor.ts";
import { PROTOCOL } from "../headers/ip-layers.ts";

export interface FragmentOptions {
  /** Datagrams in pieces at the same time. */
  readonly maxDatagrams: number;
  /** Bytes of pieces that wait, of all datagrams. */
  readonly maxBytes: number;
  /** A datagram whose pieces are not all there so long after its first one is given up (Linux: 30 s; 60 s for IPv6). */
  readonly timeoutMs: number;
}

const DEFAULTS: FragmentOptions = { maxDatagrams: 1024, maxBytes: 4 << 20, timeoutMs: 30_000 };
/** At an MTU of 576 bytes the longest datagram has 119 pieces. */
const MAX_PIECES = 256;
/** What a piece costs beside its bytes. */
const PIECE_BYTES = 96;
const MAX_DATAGRAM = 65_535;
const MAX_EXTENSIONS = 16;

interface Piece {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

interface Datagram {
  readonly firstMs: number;
  /** In the order of their offsets, without overlaps. */
  readonly pieces: Piece[];
  size: number;
  /** The whole length, known from the last piece; -1 before. */
  total: number;
  /** Of the first piece. */
  header: Uint8Array | undefined;
}

/** Where the piece is in its packet, and where it belongs in its datagram. */
interface Place {
  offset: number;
  more: boolean;
  id: number;
  /** The protocol that the datagram carries. */
  protocol: number;
  /** Where the piece's own bytes begin, and where they end on the wire. */
  at: number;
  end: number;
}

/**
 * Puts pieces of IPv4 and IPv6 datagrams together, in bounded memory; times are those of the capture. A piece that says
 * something else of bytes that are there already makes its datagram untrustworthy: it is given up, as Linux and RFC 5722
 * want it. One that only repeats them is welcome.
 */
export class Fragments {
  readonly #options: FragmentOptions;
  /** The oldest one first. */
  readonly #datagrams = new Map<string, Datagram>();
  #bytes = 0;
  readonly counters = {
    fragments: 0,
    datagrams_put_together: 0,
    datagrams_timed_out: 0,
    datagrams_evicted: 0,
    datagrams_contradicting: 0,
    fragments_cut: 0,
    fragments_malformed: 0,
  };

  constructor(options: Partial<FragmentOptions> = {}) {
    this.#options = { ...DEFAULTS, ...options };
  }

  /** How many datagrams wait for pieces. */
  get open(): number {
    return this.#datagrams.size;
  }

  /** Whether the IP packet whose header begins at `at` is a piece of a datagram. */
  isPiece(bytes: Uint8Array, at: number, end: number, version: number): boolean {
    return (version === 4 ? placeOf4(bytes, at) : placeOf6(bytes, at, end)) !== undefined;
  }

  /**
   * Takes the IP packet whose header begins at `at` in `bytes`, and is captured until `end`. When it is the piece that
   * was missing, returns the datagram as one IP packet that says it is whole; otherwise undefined, also for what is no
   * piece.
   */
  take(bytes: Uint8Array, at: number, end: number, version: number, timeMs: number): Uint8Array | undefined {
    this.expire(timeMs);
    const place = version === 4 ? placeOf4(bytes, at) : placeOf6(bytes, at, end);
    if (place === undefined) return undefined;
    const { counters } = this;
    counters.fragments++;
    const size = place.end - place.at;
    if (size <= 0 || place.offset + size > MAX_DATAGRAM || (place.more && size % 8 !== 0)) {
      counters.fragments_malformed++;
      return undefined;
    }
    if (place.end > end) {
      counters.fragments_cut++;
      return undefined;
    }
    const key = keyOf(bytes, at, version, place);
    let datagram = this.#datagrams.get(key);
    if (datagram === undefined) {
      datagram = { firstMs: timeMs, pieces: [], size: 0, total: -1, header: undefined };
      this.#datagrams.set(key, datagram);
    }
    if (!this.#add(datagram, bytes, place)) {
      this.#drop(key, datagram);
      counters.datagrams_contradicting++;
      return undefined;
    }
    if (place.offset === 0) datagram.header ??= bytes.slice(at, at + (version === 4 ? (bytes[at]! & 15) << 2 : 40));
    if (datagram.total >= 0 && datagram.size === datagram.total && datagram.header !== undefined) {
      this.#drop(key, datagram);
      counters.datagrams_put_together++;
      return assemble(datagram, version, place.protocol);
    }
    if (datagram.pieces.length > MAX_PIECES) this.#evict(key, datagram);
    for (const [oldKey, old] of this.#datagrams) {
      if (this.#datagrams.size <= this.#options.maxDatagrams && this.#bytes <= this.#options.maxBytes) break;
      this.#evict(oldKey, old);
    }
    return undefined;
  }

  /** Gives up what has waited too long by then. */
  expire(timeMs: number): void {
    for (const [key, datagram] of this.#datagrams) {
      if (timeMs - datagram.firstMs <= this.#options.timeoutMs) return;
      this.#drop(key, datagram);
      this.counters.datagrams_timed_out++;
    }
  }

  /** False: the piece contradicts what is there. */
  #add(datagram: Datagram, bytes: Uint8Array, { offset, more, at, end }: Place): boolean {
    const to = offset + (end - at);
    const { pieces } = datagram;
    const last = pieces.at(-1);
    if (!more) {
      if (datagram.total >= 0 && datagram.total !== to) return false;
      if (last !== undefined && last.offset + last.bytes.length > to) return false;
      datagram.total = to;
    } else if (datagram.total >= 0 && to > datagram.total) return false;
    let index = pieces.length;
    while (index > 0 && pieces[index - 1]!.offset + pieces[index - 1]!.bytes.length > offset) index--;
    const added: Piece[] = [];
    // What is new lies before, between and behind the pieces that it overlaps with.
    let from = offset;
    let next = index;
    for (; next < pieces.length && pieces[next]!.offset < to; next++) {
      const other = pieces[next]!;
      if (!agrees(other, bytes, offset, at, to)) return false;
      if (other.offset > from) added.push(copied(bytes, at - offset, from, other.offset));
      added.push(other);
      from = other.offset + other.bytes.length;
    }
    if (from < to) added.push(copied(bytes, at - offset, from, to));
    const before = datagram.size;
    const count = pieces.length;
    pieces.splice(index, next - index, ...added);
    datagram.size = pieces.reduce((sum, piece) => sum + piece.bytes.length, 0);
    this.#bytes += datagram.size - before + (pieces.length - count) * PIECE_BYTES;
    return true;
  }

  #evict(key: string, datagram: Datagram): void {
    this.#drop(key, datagram);
    this.counters.datagrams_evicted++;
  }

  #drop(key: string, datagram: Datagram): void {
    if (this.#datagrams.delete(key)) this.#bytes -= datagram.size + datagram.pieces.length * PIECE_BYTES;
  }
}

/** RFC 791: 2 total length | 4 id | 6 flags and offset | 9 protocol. The caller has seen that the header is there. */
function placeOf4(bytes: Uint8Array, at: number): Place | undefined {
  const bits = u16(bytes, at + 6);
  if ((bits & 0x3fff) === 0) return undefined;
  return {
    offset: (bits & 0x1fff) * 8,
    more: (bits & 0x2000) !== 0,
    id: u16(bytes, at + 4),
    protocol: bytes[at + 9]!,
    at: at + ((bytes[at]! & 15) << 2),
    end: at + u16(bytes, at + 2),
  };
}

/** RFC 8200 section 4.5, behind headers that every piece repeats. */
function placeOf6(bytes: Uint8Array, at: number, end: number): Place | undefined {
  const wireEnd = at + 40 + u16(bytes, at + 4);
  let next = bytes[at + 6]!;
  let headerAt = at + 40;
  for (let i = 0; i < MAX_EXTENSIONS; i++) {
    if (end - headerAt < 8) return undefined;
    if (next === PROTOCOL.fragment) {
      const bits = u16(bytes, headerAt + 2);
      if ((bits & 0xfff9) === 0) return undefined;
      return {
        offset: bits & 0xfff8,
        more: (bits & 1) !== 0,
        id: u32(bytes, headerAt + 4),
        protocol: bytes[headerAt]!,
        at: headerAt + 8,
        end: wireEnd,
      };
    }
    if (next !== PROTOCOL.hopByHop && next !== PROTOCOL.routing && next !== PROTOCOL.destinationOptions)
      return undefined;
    next = bytes[headerAt]!;
    headerAt += (bytes[headerAt + 1]! + 1) << 3;
  }
  return undefined;
}

/** RFC 791 section 3.2 takes the protocol too; RFC 8200 addresses and id only. */
function keyOf(bytes: Uint8Array, at: number, version: number, place: Place): string {
  const from = at + (version === 4 ? 12 : 8);
  const addresses = Buffer.from(bytes.buffer, bytes.byteOffset + from, version === 4 ? 8 : 32).toString("latin1");
  return `${addresses}${place.id}${version === 4 ? `/${place.protocol}` : ""}`;
}

/** Whether the bytes that a piece and a packet both have of a datagram are equal. */
function agrees(piece: Piece, bytes: Uint8Array, offset: number, at: number, to: number): boolean {
  const start = Math.max(piece.offset, offset);
  const end = Math.min(piece.offset + piece.bytes.length, to);
  for (let i = start; i < end; i++) if (piece.bytes[i - piece.offset] !== bytes[at + i - offset]) return false;
  return true;
}

function copied(bytes: Uint8Array, base: number, from: number, to: number): Piece {
  return { offset: from, bytes: bytes.slice(base + from, base + to) };
}

/** One packet with the header of the first piece, without what says that it is a piece. */
function assemble({ header, pieces, total }: Datagram, version: number, protocol: number): Uint8Array {
  const head = header!;
  const whole = new Uint8Array(head.length + total);
  whole.set(head);
  for (const piece of pieces) whole.set(piece.bytes, head.length + piece.offset);
  if (version === 4) {
    // 0 stands for what segmentation offload makes: as long as the frame is.
    const length = whole.length > MAX_DATAGRAM ? 0 : whole.length;
    whole[2] = length >> 8;
    whole[3] = length & 255;
    whole[6] = 0;
    whole[7] = 0;
  } else {
    whole[4] = total >> 8;
    whole[5] = total & 255;
    whole[6] = protocol;
  }
  return whole;
}
