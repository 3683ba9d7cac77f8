import type { Destinations, Envelope } from "./event.ts";

/**
 * A stretch of input in which positions only grow and never come back: one generation of one file, one run of a
 * command, one session of standard input. Checkpoints, ordering and event ids are per partition.
 */
export interface Partition {
  /** Unique for ever: random, made when the partition is first seen, kept in the checkpoint. 16 characters, base64url. */
  readonly id: string;
  /** The name of the source in the configuration. */
  readonly source: string;
  readonly envelope: Envelope;
}

/** Lines as bytes: line i is bytes[starts[i] … ends[i]), valid UTF-8, without its line end. */
export interface LineBytes {
  readonly bytes: Buffer;
  readonly starts: Int32Array;
  readonly ends: Int32Array;
}

/**
 * Lines read from one partition, as the source hands them to the runtime: one decoded string and where each event
 * lies in it. An event may span several lines (multiline). Who wants `text`, `starts`, `ends` or `lines` asks for them
 * before `emit` returns: a source may decode them on first use, from a buffer that it uses again. What was asked for
 * belongs to the receiver, except for the bytes of `lines`.
 */
export interface LineBatch {
  readonly partition: Partition;
  readonly count: number;
  /**
   * Each line is a document: the text of a JSON object whose members are the event's fields, its `@timestamp` the
   * event's time. There is no `message` but the object's own.
   */
  readonly areDocuments?: boolean;
  /** The same events as bytes, where the source has them so. */
  readonly lines?: LineBytes | undefined;
  readonly text: string;
  /** Event i is text.slice(starts[i], ends[i]): without its line end. */
  readonly starts: Int32Array;
  readonly ends: Int32Array;
  /** Where event i begins in the partition (byte offset or sequence number). Strictly growing. */
  readonly offsets: Float64Array;
  /** Where the next event will begin. Everything before it is in this batch or an earlier one. */
  readonly endPosition: number;
  /** What the source needs to know again to resume at `endPosition`; small, JSON, opaque to everyone else. */
  readonly resume: unknown;
  /** When it was read, milliseconds since the epoch: the time of events that no stage gives a time. */
  readonly readAtMs: number;
  /** Input bytes, for counters. */
  readonly byteLength: number;
  /** `log.flags` of the events that have any ("truncated", "multiline"), by index. An event of several lines has. */
  readonly flags: ReadonlyMap<number, readonly string[]> | undefined;
  /**
   * Called exactly once, when every sink has the batch (`delivered`), or some of it went to dead letters
   * (`rejected`), or the agent stops before that (`retry`: it will be read again).
   */
  readonly ack?: (outcome: "delivered" | "rejected" | "retry") => void;
}

/**
 * How a sink wants its documents written. Equal encodings are made once, whoever asks.
 *
 * - `json`: one JSON object an event. The text `before + id + after` stands before the document's members in place of
 *   the opening brace, so `{ before: "{" }` is the plain document, `{ before: '{"_id":"', after: '",' }` puts the id in,
 *   and an action line for a bulk API fits too. `after` defaults to none, and then the id is not written.
 * - `text`: the message, or the JSON document where there is no message.
 * - `original`: the text as it was read, whatever stages did to it; only `redact` changes that, too.
 *
 * Every document ends with a newline.
 */
export type Encoding =
  | { readonly kind: "json"; readonly before: string; readonly after?: string }
  | { readonly kind: "text" }
  | { readonly kind: "original" };

export const JSON_ENCODING: Encoding = { kind: "json", before: "{" };

export function encodingKey(encoding: Encoding): string {
  return encoding.kind === "json" ? `json\u0000${encoding.before}\u0000${encoding.after ?? ""}` : encoding.kind;
}

/** The documents of a batch in one encoding: document i is bytes[offsets[i] … offsets[i + 1]), its newline included. */
export interface EncodedBody {
  readonly bytes: Buffer;
  /** count + 1 entries. */
  readonly offsets: Uint32Array;
}

/** What a pipeline made of one LineBatch, ready to send. Immutable; shared by all sinks of the pipeline. */
export interface EncodedBatch {
  readonly partition: Partition;
  /** The name of the pipeline, and the short text that stands for it in event ids. */
  readonly pipeline: string;
  readonly idPrefix: string;
  /** Documents in it: filters may leave none. */
  readonly count: number;
  readonly offsets: Float64Array;
  /** Sub-indexes of events that stages made of one input, or undefined when all are 0. */
  readonly subIndexes: Uint16Array | undefined;
  /** Names of the sinks that each document is for, undefined for all of the pipeline's. Undefined when all are for all. */
  readonly sinks?: readonly (readonly string[] | undefined)[] | undefined;
  /** Other places than the sinks' own, of documents that are for such. Undefined when none is. */
  readonly destinations?: readonly (Destinations | undefined)[] | undefined;
  /** `@timestamp` of each, milliseconds since the epoch. */
  readonly timesMs: Float64Array;
  /** By encodingKey. */
  readonly bodies: ReadonlyMap<string, EncodedBody>;
  /** Bytes that it holds in memory. */
  readonly byteLength: number;
  readonly endPosition: number;
  readonly resume: unknown;
  readonly readAtMs: number;
  /** Stands for the batch, and for copies of parts of it, where something is remembered of it: see `batchKey`. */
  readonly key?: object | undefined;
  /** Called once by the runtime when no sink needs the bytes any more: they are used again then. */
  readonly release?: (() => void) | undefined;
}

/** The same object for a batch and for copies of parts of it: what to hang knowledge of it on, in a WeakMap. */
export function batchKey(batch: EncodedBatch): object {
  return batch.key ?? batch;
}

/** The id of document i: the same on every retry and restart, and never the same for two events. */
export function eventId(batch: EncodedBatch, index: number): string {
  const sub = batch.subIndexes?.[index] ?? 0;
  return sub === 0 ? `${batch.idPrefix}${batch.offsets[index]!}` : `${batch.idPrefix}${batch.offsets[index]!}.${sub}`;
}

/** A run of documents of one batch: indexes from … to - 1. */
export interface Slice {
  readonly batch: EncodedBatch;
  readonly from: number;
  readonly to: number;
  /**
   * These may have been sent already, by an earlier process that crashed or a sink object that is gone, and nobody
   * knows what became of them. Set only for sinks with `asksWhatArrived`.
   */
  readonly maybeSent?: boolean;
}

/** What a sink is asked to write in one call. */
export interface SinkBatch {
  readonly slices: readonly Slice[];
  /** Documents. */
  readonly count: number;
  /** Bytes of the documents in the sink's encoding. */
  readonly byteLength: number;
  /** What the sink's `destinationOf` said for all of these, or "". */
  readonly destination: string;
}

/** The bytes of a slice in one encoding, not copied. */
export function sliceBytes(slice: Slice, key: string): Buffer {
  const body = slice.batch.bodies.get(key)!;
  return body.bytes.subarray(body.offsets[slice.from], body.offsets[slice.to]);
}

/** Calls `visit` for each document in order; `index` counts within the sink batch. The bytes include the newline. */
export function forEachDocument(
  batch: SinkBatch,
  key: string,
  visit: (bytes: Buffer, slice: Slice, indexInBatch: number, index: number) => void,
): void {
  let index = 0;
  for (const slice of batch.slices) {
    const body = slice.batch.bodies.get(key)!;
    for (let i = slice.from; i < slice.to; i++) {
      visit(body.bytes.subarray(body.offsets[i], body.offsets[i + 1]), slice, i, index++);
    }
  }
}
