import { Buffer } from "node:buffer";
import { encodingKey, eventId, type EncodedBatch, type EncodedBody, type Encoding } from "../core/batch.ts";
import type { BufferPool } from "../core/buffer-pool.ts";
import type { Journal } from "../disk/journal/journal.ts";
import { decodeRecord, type RecordHead } from "../disk/journal/record.ts";
import type { RecordPlace } from "../disk/journal/segment-index.ts";

/** A record in memory. The batch has the body that was asked for, and gives its memory back by `release`. */
export interface LoadedRecord {
  readonly head: RecordHead;
  readonly batch: EncodedBatch;
}

interface Reading {
  readonly sequence: number;
  readonly buffer: Buffer;
  readonly bytes: Promise<Buffer>;
}

/**
 * Reads records of the journal for one sink, into buffers of the pool: fresh ones cost more than the reading. The next
 * record can be read while the one before is worked on.
 */
export class JournalReader {
  readonly #journal: Journal;
  readonly #pool: BufferPool;
  #ahead: Reading | undefined;

  constructor(journal: Journal, pool: BufferPool) {
    this.#journal = journal;
    this.#pool = pool;
  }

  /**
   * The record at `place` with its documents in this encoding, whatever it was written in; undefined when it is damaged.
   * Rejects when the disk cannot be read. One call at a time.
   */
  async read(place: RecordPlace, encoding: Encoding): Promise<LoadedRecord | undefined> {
    const { buffer, bytes } = this.#take(place);
    let record: LoadedRecord | undefined;
    try {
      record = this.#load(await bytes, buffer, place, encoding);
    } finally {
      if (record === undefined) this.#pool.give(buffer);
    }
    return record;
  }

  /** Begins to read a record that will be asked for next. */
  readAhead(place: RecordPlace): void {
    if (this.#ahead?.sequence === place.sequence) return;
    this.drop();
    this.#ahead = this.#begin(place);
    // Whoever asks for it is told.
    this.#ahead.bytes.catch(() => undefined);
  }

  /** Lets go of what was read ahead. */
  drop(): void {
    const ahead = this.#ahead;
    this.#ahead = undefined;
    // The buffer belongs to the system until then.
    void ahead?.bytes
      .catch(() => undefined)
      .then(() => {
        this.#pool.give(ahead.buffer);
      });
  }

  #take(place: RecordPlace): Reading {
    const ahead = this.#ahead;
    if (ahead?.sequence !== place.sequence) {
      this.drop();
      return this.#begin(place);
    }
    this.#ahead = undefined;
    return ahead;
  }

  #begin(place: RecordPlace): Reading {
    const buffer = this.#pool.take(place.length);
    return { sequence: place.sequence, buffer, bytes: this.#journal.read(place, buffer) };
  }

  #load(bytes: Buffer, buffer: Buffer, place: RecordPlace, encoding: Encoding): LoadedRecord | undefined {
    const decoded = decodeRecord(bytes, encodingKey(encoding));
    if (decoded?.sequence !== place.sequence) return undefined;
    const { head, batch } = decoded;
    const body = batch.bodies.get(encodingKey(encoding)) ?? otherEncoding(batch, head, encoding);
    const own = this.#ownBuffer(body, buffer);
    const bodies = new Map([[encodingKey(encoding), { bytes: own.bytes, offsets: body.offsets }]]);
    const release = (): void => this.#pool.give(own.buffer);
    return { head, batch: { ...batch, bodies, byteLength: own.buffer.length, release } };
  }

  /** The buffer with the record in it, unless most of it is something else, such as bodies for other sinks. */
  #ownBuffer(body: EncodedBody, buffer: Buffer): { readonly buffer: Buffer; readonly bytes: Buffer } {
    const { bytes } = body;
    if (bytes.buffer === buffer.buffer && bytes.length * 2 >= buffer.length) return { buffer, bytes };
    const smaller = this.#pool.take(bytes.length);
    bytes.copy(smaller);
    this.#pool.give(buffer);
    return { buffer: smaller, bytes: smaller.subarray(0, bytes.length) };
  }
}

/**
 * The documents in the encoding that the sink wants now: it may have wanted another when the record was written.
 * Documents are JSON behind a head that is known, so one is made of the other.
 */
function otherEncoding(batch: EncodedBatch, head: RecordHead, encoding: Encoding): EncodedBody {
  const [from, body] = [...batch.bodies].find(([each]) => each.startsWith("json\u0000")) ?? [...batch.bodies][0]!;
  const [, before = "", after = ""] = from.split("\u0000");
  const isJson = encoding.kind === "json" && from.startsWith("json\u0000");
  const parts: Buffer[] = [];
  const offsets = new Uint32Array(head.count + 1);
  for (let i = 0; i < head.count; i++) {
    let bytes = body.bytes.subarray(body.offsets[i], body.offsets[i + 1]);
    if (isJson) {
      const id = eventId(batch, i);
      const skip = Buffer.byteLength(before) + (after === "" ? 0 : Buffer.byteLength(id + after));
      const start = encoding.after === undefined ? encoding.before : encoding.before + id + encoding.after;
      bytes = Buffer.concat([Buffer.from(start), bytes.subarray(skip)]);
    }
    parts.push(bytes);
    offsets[i + 1] = offsets[i]! + bytes.length;
  }
  return { bytes: Buffer.concat(parts), offsets };
}
