import { eventId, type SinkBatch, type Slice } from "../../core/batch.ts";
import { MAX_REQUEST_BYTES, MAX_REQUEST_EVENTS, MAX_REQUEST_SPAN_MS, OVERHEAD_BYTES_PER_EVENT } from "./limits.ts";

/** What stands at the end of a message that was cut: the CloudWatch agent's own mark. */
export const TRUNCATED_MARK = "[Truncated...]";

export type Oversized = "split" | "truncate";

/** The documents of a call as columns, in the order of the call; `order` lists them by time. Nothing is copied. */
export class Documents {
  readonly count: number;
  readonly buffers: Buffer[] = [];
  readonly starts: Uint32Array;
  /** Without the newline. */
  readonly ends: Uint32Array;
  /** Whole milliseconds since the epoch. */
  readonly timesMs: Float64Array;
  readonly order: Uint32Array;
  readonly slices: readonly Slice[];

  constructor(batch: SinkBatch, key: string) {
    this.count = batch.count;
    this.starts = new Uint32Array(batch.count);
    this.ends = new Uint32Array(batch.count);
    this.timesMs = new Float64Array(batch.count);
    this.order = new Uint32Array(batch.count);
    this.slices = batch.slices;
    let document = 0;
    let sorted = true;
    let previous = -Infinity;
    for (const { batch: encoded, from, to } of batch.slices) {
      const { bytes, offsets } = encoded.bodies.get(key)!;
      for (let i = from; i < to; i++) {
        const time = Math.floor(encoded.timesMs[i]!);
        if (time < previous) sorted = false;
        previous = time;
        this.buffers.push(bytes);
        this.starts[document] = offsets[i]!;
        this.ends[document] = offsets[i + 1]! - 1;
        this.timesMs[document] = time;
        this.order[document] = document++;
      }
    }
    // Equal times keep their order: the indexes decide.
    if (!sorted) this.order.sort((a, b) => this.timesMs[a]! - this.timesMs[b]! || a - b);
  }

  idOf(document: number): string {
    let rest = document;
    for (const slice of this.slices) {
      const length = slice.to - slice.from;
      if (rest < length) return eventId(slice.batch, slice.from + rest);
      rest -= length;
    }
    throw new RangeError(`no document ${document}`);
  }
}

/** Events of one PutLogEvents call as columns. Event i is bytes froms[i] … tos[i] of its document's buffer. */
export interface PackedRequest {
  /** Indexes of documents in the sink batch. */
  readonly documents: number[];
  /** Indexes in `Documents.order`: to go back to an event. */
  readonly places: number[];
  readonly froms: number[];
  readonly tos: number[];
}

/**
 * Cuts documents, in the order of their times, into requests that keep every limit. Documents larger than an event may
 * be become several events of the same time, or one that is cut off, always between characters.
 */
export class Packer {
  readonly #documents: Documents;
  readonly #oversized: Oversized;
  #maxMessageBytes: number;
  #place = 0;
  /** Where in the present document the next event begins; -1: at its start. */
  #at = -1;
  readonly #isSkipped: (document: number) => boolean;
  readonly #resumeAt: (document: number) => number;

  /** `resumeAt` says how many bytes of a document earlier calls delivered already. */
  constructor(
    documents: Documents,
    options: {
      oversized: Oversized;
      maxMessageBytes: number;
      isSkipped?: (document: number) => boolean;
      resumeAt?: (document: number) => number;
    },
  ) {
    this.#documents = documents;
    this.#oversized = options.oversized;
    this.#maxMessageBytes = options.maxMessageBytes;
    this.#isSkipped = options.isSkipped ?? (() => false);
    this.#resumeAt = options.resumeAt ?? (() => 0);
  }

  get maxMessageBytes(): number {
    return this.#maxMessageBytes;
  }

  /** Goes back to event `index` of a request and packs from there on, now with a smaller limit. */
  repack(request: PackedRequest, index: number, maxMessageBytes: number): void {
    this.#maxMessageBytes = maxMessageBytes;
    this.#place = request.places[index]!;
    this.#at = request.froms[index]!;
  }

  /** The next request, or undefined when all is packed. */
  next(): PackedRequest | undefined {
    const { order, starts, ends, timesMs, buffers, count } = this.#documents;
    const request: PackedRequest = { documents: [], places: [], froms: [], tos: [] };
    let bytes = 0;
    let firstTime = NaN;
    while (this.#place < count && request.documents.length < MAX_REQUEST_EVENTS) {
      const document = order[this.#place]!;
      if (this.#isSkipped(document)) {
        this.#advance();
        continue;
      }
      if (timesMs[document]! - firstTime > MAX_REQUEST_SPAN_MS) break;
      const end = ends[document]!;
      const from = this.#at >= 0 ? this.#at : starts[document]! + this.#resumeAt(document);
      const to = this.#cut(buffers[document]!, from, end);
      const isTruncated = to < end && this.#oversized === "truncate";
      // An empty message is sent as one space: the service takes none that is empty.
      const size = (to - from || 1) + (isTruncated ? TRUNCATED_MARK.length : 0) + OVERHEAD_BYTES_PER_EVENT;
      if (bytes + size > MAX_REQUEST_BYTES && request.documents.length > 0) break;
      bytes += size;
      if (Number.isNaN(firstTime)) firstTime = timesMs[document]!;
      request.documents.push(document);
      request.places.push(this.#place);
      request.froms.push(from);
      request.tos.push(to);
      if (to === end || isTruncated) this.#advance();
      else this.#at = to;
    }
    return request.documents.length === 0 ? undefined : request;
  }

  /** Whether event `index` is the last of its document. */
  isLast(request: PackedRequest, index: number): boolean {
    return this.#oversized === "truncate" || request.tos[index] === this.#documents.ends[request.documents[index]!];
  }

  #advance(): void {
    this.#place++;
    this.#at = -1;
  }

  /** The end of an event that begins at `from`: never inside a character (RFC 3629: 10xxxxxx goes on with one). */
  #cut(buffer: Buffer, from: number, end: number): number {
    const max = this.#maxMessageBytes;
    if (end - from <= max) return end;
    let to = from + max - (this.#oversized === "truncate" ? TRUNCATED_MARK.length : 0);
    while (to > from + 1 && (buffer[to]! & 0xc0) === 0x80) to--;
    return to;
  }
}

/** The body of a PutLogEvents call with events `from` … `to` - 1 of a request. */
export function encodeRequest(
  documents: Documents,
  request: PackedRequest,
  from: number,
  to: number,
  destination: { readonly group: string; readonly stream: string },
  oversized: Oversized,
): Buffer {
  let json = `{"logGroupName":${JSON.stringify(destination.group)},"logStreamName":${JSON.stringify(destination.stream)},"logEvents":[`;
  for (let i = from; i < to; i++) {
    const document = request.documents[i]!;
    const start = request.froms[i]!;
    const end = request.tos[i]!;
    let message = start === end ? " " : documents.buffers[document]!.toString("utf8", start, end);
    if (oversized === "truncate" && end < documents.ends[document]!) message += TRUNCATED_MARK;
    json += `${i === from ? "" : ","}{"timestamp":${documents.timesMs[document]!},"message":${JSON.stringify(message)}}`;
  }
  return Buffer.from(json + "]}");
}
