import { join } from "node:path";
import type { JournalFile } from "./file-system.ts";
import { countRanges } from "./ranges.ts";
import type { RecordHead } from "./record.ts";
import { SEGMENT_HEADER_BYTES, segmentName } from "./segment.ts";

/** What is known of one record without reading it. */
export interface RecordPlace {
  readonly sequence: number;
  readonly at: number;
  readonly length: number;
  /** Documents in it. */
  readonly count: number;
  /** Identities of the sinks that it was written for. */
  readonly audience: readonly string[];
}

/** One segment file and where its records are. */
export class Segment {
  readonly first: number;
  readonly path: string;
  /** Bytes that count: up to the end of the last whole, synced record. */
  size: number;
  /** The last record for each sink that has any here. */
  readonly lastFor = new Map<string, number>();
  /** When the batch of its first record was read, milliseconds since the epoch. */
  firstReadAtMs: number | undefined;
  readonly #sequences: number[] = [];
  readonly #places: number[] = [];
  readonly #lengths: number[] = [];
  readonly #counts: number[] = [];
  readonly #audiences: (readonly string[])[] = [];
  #file: Promise<JournalFile> | undefined;

  constructor(folder: string, first: number, size = SEGMENT_HEADER_BYTES) {
    this.first = first;
    this.path = join(folder, segmentName(first));
    this.size = size;
  }

  get count(): number {
    return this.#sequences.length;
  }
  /** Sequence number of the last record; `first - 1` when there is none. */
  get last(): number {
    return this.#sequences.at(-1) ?? this.first - 1;
  }

  /** The file, opened once. */
  file(open: () => Promise<JournalFile>): Promise<JournalFile> {
    this.#file ??= open().catch((error: unknown) => {
      this.#file = undefined;
      throw error;
    });
    return this.#file;
  }

  async close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await (await file?.catch(() => undefined))?.close();
  }

  add(sequence: number, at: number, length: number, head: RecordHead, audience: readonly string[]): void {
    this.firstReadAtMs ??= head.readAtMs;
    this.#sequences.push(sequence);
    this.#places.push(at);
    this.#lengths.push(length);
    this.#counts.push(head.count);
    this.#audiences.push(audience);
    for (const sink of audience) this.lastFor.set(sink, sequence);
  }

  /** A sink does not need a record after all. */
  release(sequence: number, audience: readonly string[]): void {
    const at = this.#sequences.indexOf(sequence);
    if (at >= 0) this.#audiences[at] = audience;
  }

  /** The first record with a sequence number of `from` or more, for this sink (or any). */
  find(from: number, sink?: string): RecordPlace | undefined {
    if (sink !== undefined && (this.lastFor.get(sink) ?? -1) < from) return undefined;
    let low = 0;
    let high = this.#sequences.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#sequences[middle]! < from) low = middle + 1;
      else high = middle;
    }
    for (; low < this.#sequences.length; low++) {
      const audience = this.#audiences[low]!;
      if (sink !== undefined && !audience.includes(sink)) continue;
      const [sequence, at, length] = [this.#sequences[low]!, this.#places[low]!, this.#lengths[low]!];
      return { sequence, at, length, count: this.#counts[low]!, audience };
    }
    return undefined;
  }
}

/** Audiences are few and shared by many records. */
export class Audiences {
  readonly #known = new Map<string, readonly string[]>();

  of(head: RecordHead): readonly string[] {
    return this.#shared(head.readers.filter(({ ranges }) => countRanges(ranges) > 0).map(({ sink }) => sink));
  }

  without(audience: readonly string[], sink: string): readonly string[] {
    return this.#shared(audience.filter((each) => each !== sink));
  }

  #shared(sinks: readonly string[]): readonly string[] {
    const key = sinks.join("\n");
    let known = this.#known.get(key);
    if (known === undefined) this.#known.set(key, (known = sinks));
    return known;
  }
}

/** Fills `into` with what is at `at`. Returns what was read: less than asked for where the file ends. */
export async function readFully(file: JournalFile, at: number, into: Buffer): Promise<Buffer> {
  let read = 0;
  while (read < into.length) {
    const got = await file.read(into.subarray(read), at + read);
    if (got === 0) break;
    read += got;
  }
  return into.subarray(0, read);
}

/** Writes all of it, however little the system takes at a time. */
export async function writeFully(file: JournalFile, pieces: readonly Uint8Array[], position: number): Promise<void> {
  let rest = pieces.filter((piece) => piece.length > 0);
  while (rest.length > 0) {
    // The system takes only so many pieces in one call (IOV_MAX).
    const part = rest.slice(0, MAX_PIECES);
    let written = await file.write(part, position);
    if (written === 0) throw new Error("the system wrote nothing");
    position += written;
    let whole = 0;
    while (whole < part.length && written >= part[whole]!.length) written -= part[whole++]!.length;
    rest = rest.slice(whole);
    if (written > 0) rest[0] = rest[0]!.subarray(written);
  }
}

const MAX_PIECES = 512;
