import { createGzip, type Gzip } from "node:zlib";

/** Bytes gathered before they are compressed together, as sinks do. */
const CHUNK_BYTES = 256 * 1024;

/** How much there is of something, raw and really compressed (gzip, as a file that is written on and on). */
export class SizeMeter {
  rawBytes = 0;
  count = 0;
  #packedBytes = 0;
  readonly #gzip: Gzip;
  #parts: Uint8Array[] = [];
  #gathered = 0;
  readonly #ended: Promise<void>;

  constructor() {
    this.#gzip = createGzip();
    this.#gzip.on("data", (chunk: Buffer) => (this.#packedBytes += chunk.length));
    this.#ended = new Promise((resolve, reject) => this.#gzip.once("end", resolve).once("error", reject));
  }

  /** Takes a copy. */
  add(bytes: Uint8Array): void {
    this.count++;
    this.rawBytes += bytes.length;
    this.#parts.push(Buffer.from(bytes));
    this.#gathered += bytes.length;
  }

  /** Compresses what is gathered, once that is enough; resolves when there is room for more. */
  async drain(): Promise<void> {
    if (this.#gathered < CHUNK_BYTES) return;
    if (!this.#write()) await new Promise<void>((resolve) => this.#gzip.once("drain", resolve));
  }

  /** Resolves with the compressed size of everything. */
  async end(): Promise<number> {
    this.#write();
    this.#gzip.end();
    await this.#ended;
    return this.#packedBytes;
  }

  #write(): boolean {
    const bytes = Buffer.concat(this.#parts);
    this.#parts = [];
    this.#gathered = 0;
    return this.#gzip.write(bytes);
  }
}

/** Packets and bytes by second of capture time. */
export class Timeline {
  readonly #seconds = new Map<number, { packets: number; bytes: number }>();

  add(second: number, bytes: number): void {
    const found = this.#seconds.get(second);
    if (found === undefined) this.#seconds.set(second, { packets: 1, bytes });
    else {
      found.packets++;
      found.bytes += bytes;
    }
  }

  /** From the first to the last packet, both seconds included; 0 without any. */
  get spanSeconds(): number {
    return this.#seconds.size === 0 ? 0 : this.#last - this.#first + 1;
  }

  /**
   * The quietest and the busiest stretch of the time from `fromSecond` on that lasted `seconds`; stretches are as long as can
   * be while there are some to compare: a minute, 10 seconds, or 1. Undefined where there is too little.
   */
  extremes(fromSecond: number, seconds: number): Extremes | undefined {
    const stretch = [60, 10, 1].find((length) => seconds >= 3 * length);
    if (stretch === undefined) return undefined;
    const rates = Array.from({ length: Math.floor(seconds / stretch) }, () => ({ packets: 0, bytes: 0 }));
    for (const [second, { packets, bytes }] of this.#seconds) {
      const rate = rates[Math.floor((second - fromSecond) / stretch)];
      if (rate === undefined) continue;
      rate.packets += packets;
      rate.bytes += bytes;
    }
    rates.sort((a, b) => a.bytes - b.bytes);
    return { stretch_seconds: stretch, idle: perSecond(rates[0]!, stretch), busy: perSecond(rates.at(-1)!, stretch) };
  }

  get first(): number | undefined {
    return this.#seconds.size === 0 ? undefined : this.#first;
  }
  get #first(): number {
    let first = Infinity;
    for (const second of this.#seconds.keys()) first = Math.min(first, second);
    return first;
  }
  get #last(): number {
    let last = -Infinity;
    for (const second of this.#seconds.keys()) last = Math.max(last, second);
    return last;
  }
}

interface Rate {
  readonly packets_per_second: number;
  readonly bytes_per_second: number;
}
export interface Extremes {
  readonly stretch_seconds: number;
  readonly idle: Rate;
  readonly busy: Rate;
}

function perSecond({ packets, bytes }: { packets: number; bytes: number }, seconds: number): Rate {
  return { packets_per_second: packets / seconds, bytes_per_second: bytes / seconds };
}

/** Who sends and gets most, by address. Bounded: those with least make room. */
export class Talkers {
  readonly #bytes = new Map<string, number>();
  readonly #most: number;

  constructor(most = 50_000) {
    this.#most = most;
  }

  add(address: string, bytes: number): void {
    this.#bytes.set(address, (this.#bytes.get(address) ?? 0) + bytes);
    if (this.#bytes.size <= this.#most) return;
    const sorted = this.#sorted().slice(this.#most >> 1);
    for (const [name] of sorted) this.#bytes.delete(name);
  }

  top(count: number): { readonly address: string; readonly bytes: number }[] {
    return this.#sorted()
      .slice(0, count)
      .map(([address, bytes]) => ({ address, bytes }));
  }

  #sorted(): [string, number][] {
    return [...this.#bytes].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1));
  }
}
