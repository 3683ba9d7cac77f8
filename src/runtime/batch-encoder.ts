import {
  encodingKey,
  type EncodedBatch,
  type EncodedBody,
  type Encoding,
  type LineBatch,
  type LineBytes,
} from "../core/batch.ts";
import type { BufferPool } from "../core/buffer-pool.ts";
import { LogEvent, type Destinations } from "../core/event.ts";
import { Path } from "../core/path.ts";
import { lineKernel, type LineFramePieces } from "../codec/kernel/line-kernel.ts";
import type { MadeDocuments } from "../codec/kernel/machine.ts";
import { documentEvent } from "./document-event.ts";
import { BodyWriter, CHUNK_CHARACTERS } from "./body-writer.ts";
import { compact, documentMembers, hasOnlyQuotesToEscape, lineFrame, quote } from "../codec/document.ts";

const MESSAGE = new Path("message");
const FLAGS = new Path("log.flags");

/** The lines from … to - 1 of a batch (all by default) as events, for pipelines that have stages. */
export function toEvents(batch: LineBatch, from = 0, to = batch.count): LogEvent[] {
  const { text, starts, ends, offsets, readAtMs, flags } = batch;
  const { envelope } = batch.partition;
  const events = new Array<LogEvent>(to - from);
  for (let i = from; i < to; i++) {
    const line = text.slice(starts[i], ends[i]);
    if (batch.areDocuments === true) {
      events[i - from] = documentEvent(line, readAtMs, offsets[i]!, envelope);
      continue;
    }
    const event = new LogEvent(line, readAtMs, offsets[i]!, envelope);
    const list = flags?.get(i);
    if (list !== undefined) event.set(FLAGS, list);
    events[i - from] = event;
  }
  return events;
}

/** The same for a few lines of a batch that has them as bytes: the rest of its text need not be decoded for them. */
export function toEventsOfBytes(batch: LineBatch, lines: LineBytes, from: number, to: number): LogEvent[] {
  const { offsets, readAtMs } = batch;
  const { envelope } = batch.partition;
  const events = new Array<LogEvent>(to - from);
  for (let i = from; i < to; i++) {
    const text = lines.bytes.toString("utf8", lines.starts[i], lines.ends[i]);
    events[i - from] =
      batch.areDocuments === true
        ? documentEvent(text, readAtMs, offsets[i]!, envelope)
        : new LogEvent(text, readAtMs, offsets[i]!, envelope);
  }
  return events;
}

/**
 * Encodes what a pipeline made, once for each distinct encoding that its sinks ask for (bench/micro/encode.ts).
 */
export class BatchEncoder {
  readonly #pipeline: string;
  readonly #idPart: string;
  /** Distinct. */
  readonly encodings: readonly Encoding[];
  readonly #pool: BufferPool;
  /** What documents took beside their lines lately, in bytes an event. */
  #aroundBytes = 192;

  /** `idPart` stands for the pipeline in event ids. */
  constructor(pipeline: string, idPart: string, encodings: readonly Encoding[], pool: BufferPool) {
    this.#pipeline = pipeline;
    this.#idPart = idPart;
    this.encodings = [...new Map(encodings.map((encoding) => [encodingKey(encoding), encoding])).values()];
    this.#pool = pool;
  }

  /** Encodes lines that no stage touches. */
  encodeLines(batch: LineBatch): EncodedBatch {
    if (batch.flags !== undefined) return this.encodeEvents(batch, toEvents(batch));
    const idPrefix = this.#idPrefix(batch);
    const columns = new Columns(this.#pool, batch.count, this.encodings.length);
    columns.offsets.set(batch.offsets);
    columns.timesMs.fill(batch.readAtMs);
    const writers = this.#writers(batch, columns);
    writers.forEach((writer, k) => {
      const pieces = linePieces(batch, this.encodings[k]!, idPrefix);
      const { lines } = batch;
      // By bytes where that can be done, otherwise the same by strings.
      if (lines === undefined || lineKernel()?.writeDocuments(lines, batch.offsets, pieces, writer) !== true)
        writeLines(batch, pieces, writer);
    });
    return this.#encoded(batch, idPrefix, columns.offsets, undefined, columns.timesMs, writers, columns);
  }

  /** Encodes the events that a batch became. */
  encodeEvents(batch: LineBatch, events: readonly LogEvent[]): EncodedBatch {
    const encoder = this.begin(batch);
    encoder.add(events);
    return encoder.finish();
  }

  /**
   * Encodes the events that a batch becomes, a part at a time: `add` them in order, then `finish`. Parts may be let go
   * of after `add`.
   */
  begin(batch: LineBatch): BatchEncoding {
    const idPrefix = this.#idPrefix(batch);
    const encodings = this.encodings;
    const columns = new Columns(this.#pool, batch.count, encodings.length);
    let { offsets, timesMs } = columns;
    let subIndexes: Uint16Array | undefined;
    let sinks: (readonly string[] | undefined)[] | undefined;
    let destinations: (Destinations | undefined)[] | undefined;
    let count = 0;
    const writers = this.#writers(batch, columns);
    const texts = encodings.map(() => "");
    // One JSON encoding is written in one go; several share the members.
    const sharesMembers = encodings.filter((encoding) => encoding.kind === "json").length > 1;
    /** A stage made more events than there are lines. */
    const grow = (length: number): void => {
      const room = Math.max(length, offsets.length * 2);
      offsets = grown(offsets, new Float64Array(room));
      timesMs = grown(timesMs, new Float64Array(room));
      if (subIndexes !== undefined) subIndexes = grown(subIndexes, new Uint16Array(room));
    };
    const add = (events: readonly LogEvent[]): void => {
      if (count + events.length > offsets.length) grow(count + events.length);
      for (const event of events) {
        offsets[count] = event.offset;
        timesMs[count] = event.timeMs;
        if (event.subIndex !== 0) (subIndexes ??= new Uint16Array(offsets.length))[count] = event.subIndex;
        if (event.sinks !== undefined) (sinks ??= [])[count] = event.sinks;
        if (event.destinations !== undefined) (destinations ??= [])[count] = event.destinations;
        count++;
        const offset = "" + event.offset;
        const members = sharesMembers ? documentMembers(event, "", offset) : "";
        for (let k = 0; k < texts.length; k++) {
          const encoding = encodings[k]!;
          let text = texts[k]!;
          if (encoding.kind !== "json") text += plainText(event, encoding);
          else {
            const head = text + headText(event, encoding, idPrefix, offset);
            text = sharesMembers ? head + members : documentMembers(event, head, offset);
          }
          const writer = writers[k]!;
          writer.end(text.length);
          if (text.length > CHUNK_CHARACTERS) {
            writer.write(text);
            text = "";
          }
          texts[k] = text;
        }
      }
    };
    const writeTexts = (): void => {
      writers.forEach((writer, k) => {
        if (texts[k] !== "") writer.write(texts[k]!);
        texts[k] = "";
      });
    };
    const addDocuments: BatchEncoding["addDocuments"] = (made, firstLine, body) => {
      writeTexts();
      if (count + made.count > offsets.length) grow(count + made.count);
      writers.forEach((writer, k) => {
        const { bytes, ends } = body(k);
        const base = writer.byteLength;
        const absolute = ends.slice();
        for (let i = 0; i < absolute.length; i++) absolute[i]! += base;
        writer.append(bytes, absolute);
      });
      for (let i = 0; i < made.count; i++) offsets[count + i] = batch.offsets[firstLine + made.lines[i]!]!;
      timesMs.set(made.timesMs, count);
      count += made.count;
    };
    const finish = (): EncodedBatch => {
      writeTexts();
      const subs = subIndexes?.subarray(0, count);
      const lists = [offsets.subarray(0, count), subs, timesMs.subarray(0, count)] as const;
      const encoded = this.#encoded(batch, idPrefix, ...lists, writers, columns);
      return sinks === undefined && destinations === undefined ? encoded : { ...encoded, sinks, destinations };
    };
    return { idPrefix, add, addDocuments, finish };
  }

  #writers(batch: LineBatch, columns: Columns): BodyWriter[] {
    const bytes = estimateBytes(batch, this.#aroundBytes);
    return this.encodings.map((encoding, k) => new BodyWriter(this.#pool, encoding, columns.ends(k), bytes));
  }

  #idPrefix(batch: LineBatch): string {
    return compact(`${batch.partition.id}.${this.#idPart}.`);
  }

  /** A buffer that turns out too small is copied into one twice as large, and what is too large counts in the memory budget. */
  #learn(batch: LineBatch, writers: readonly BodyWriter[]): void {
    const bytes = Math.max(...writers.map((writer) => writer.byteLength));
    const around = batch.count === 0 ? 0 : ((bytes - batch.byteLength) / batch.count) * 1.05;
    this.#aroundBytes = Math.max(64, around, this.#aroundBytes * 0.9);
  }

  #encoded(
    batch: LineBatch,
    idPrefix: string,
    offsets: Float64Array,
    subIndexes: Uint16Array | undefined,
    timesMs: Float64Array,
    writers: readonly BodyWriter[],
    columns: Columns,
  ): EncodedBatch {
    const { partition, endPosition, resume, readAtMs } = batch;
    this.#learn(batch, writers);
    const bodies = new Map<string, EncodedBody>();
    let byteLength = columns.memory.length;
    writers.forEach((writer, k) => {
      bodies.set(encodingKey(this.encodings[k]!), writer.finish());
      // What it holds is the whole buffer: that is what the memory budget has to count.
      byteLength += writer.buffer.length;
    });
    const release = (): void => {
      for (const writer of writers) this.#pool.give(writer.buffer);
      this.#pool.give(columns.memory);
    };
    const count = offsets.length;
    // Member by member: spread from parts it took 4 KB, which lived long enough to be marked.
    return {
      partition,
      pipeline: this.#pipeline,
      idPrefix,
      count,
      offsets,
      subIndexes,
      timesMs,
      bodies,
      byteLength,
      endPosition,
      resume,
      readAtMs,
      release,
      key: {},
    };
  }
}

/**
 * What is kept of each document beside its bytes, with room for as many as there are lines, in one buffer of the pool:
 * fresh arrays live as long as the batch, and collecting them took a tenth of all time. Where stages make more documents of
 * lines than there are, lists grow outside of it.
 */
class Columns {
  readonly memory: Buffer;
  readonly offsets: Float64Array;
  readonly timesMs: Float64Array;
  readonly #count: number;

  constructor(pool: BufferPool, count: number, bodies: number) {
    this.memory = pool.take(16 * count + 4 * bodies * (count + 1));
    this.#count = count;
    this.offsets = new Float64Array(this.memory.buffer, 0, count);
    this.timesMs = new Float64Array(this.memory.buffer, 8 * count, count);
  }

  /** For where the documents of a body end: count + 1 entries. */
  ends(body: number): Uint32Array {
    const entries = this.#count + 1;
    return new Uint32Array(this.memory.buffer, 16 * this.#count + 4 * body * entries, entries);
  }
}

function grown<T extends Float64Array | Uint16Array>(from: T, to: T): T {
  to.set(from);
  return to;
}

/** A batch that is being encoded, a part at a time and in order. */
export interface BatchEncoding {
  /** What the ids of its events begin with. */
  readonly idPrefix: string;
  add(events: readonly LogEvent[]): void;
  /** Documents that a program made, of lines counted from `firstLine`; `body(k)` are they in encoding k. */
  readonly addDocuments: (
    made: Pick<MadeDocuments, "count" | "lines" | "timesMs">,
    firstLine: number,
    body: (encoding: number) => Pick<MadeDocuments, "bytes" | "ends">,
  ) => void;
  finish(): EncodedBatch;
}

/**
 * What the documents of a batch will take, about: lines, some bytes around each, and the room that `BodyWriter` wants for
 * the last text, in which each character may take three bytes.
 */
function estimateBytes(batch: LineBatch, aroundBytes: number): number {
  const bytes = batch.byteLength + batch.count * aroundBytes;
  return Math.ceil(bytes + Math.min(bytes * 2, CHUNK_CHARACTERS * 4));
}

/** What a JSON encoding puts in front of a document's members. */
function headText(event: LogEvent, encoding: Encoding & { kind: "json" }, idPrefix: string, offset: string): string {
  if (encoding.after === undefined) return encoding.before;
  const sub = event.subIndex === 0 ? "" : "." + event.subIndex;
  return encoding.before + idPrefix + offset + sub + encoding.after;
}

/** The document of an event in an encoding that is not JSON. */
function plainText(event: LogEvent, encoding: Encoding): string {
  const message = encoding.kind === "original" ? event.line : event.get(MESSAGE);
  return typeof message === "string" ? message + "\n" : documentMembers(event, "{");
}

/** What stands around the lines of a batch that no stage touches. */
function linePieces(batch: LineBatch, encoding: Encoding, idPrefix: string): LineFramePieces {
  if (encoding.kind !== "json")
    return { first: "", offsetFirst: false, second: "", third: "\n", fourth: undefined, escape: false };
  const { head, middle, tail, hasOffset } = lineFrame(batch.partition.envelope, batch.readAtMs);
  const offsetFirst = encoding.after !== undefined;
  return {
    first: offsetFirst ? encoding.before + idPrefix : encoding.before + head + '"',
    offsetFirst,
    second: offsetFirst ? encoding.after + head + '"' : "",
    third: '"' + middle,
    fourth: hasOffset ? tail : undefined,
    escape: true,
  };
}

/** Writes lines as documents by strings: what the kernel does, for lines that it refuses. */
function writeLines(batch: LineBatch, pieces: LineFramePieces, writer: BodyWriter): void {
  const { text, starts, ends, offsets, count } = batch;
  const { first, offsetFirst, second, third, fourth, escape } = pieces;
  const escaped = escape ? escapeLines(batch) : text;
  let out = "";
  let at = 0;
  for (let i = 0; i < count; i++) {
    const offset = "" + offsets[i]!;
    let line: string;
    if (escaped === undefined) line = escapedText(text.slice(starts[i], ends[i]));
    else if (escaped === text) line = text.slice(starts[i], ends[i]);
    else {
      const found = escaped.indexOf("\n", at);
      const end = found < 0 ? escaped.length : found;
      line = escaped.slice(at, end);
      at = end + 1;
    }
    out += offsetFirst ? first + offset + second + line + third : first + line + third;
    if (fourth !== undefined) out += offset + fourth;
    writer.end(out.length);
    if (out.length > CHUNK_CHARACTERS) {
      writer.write(out);
      out = "";
    }
  }
  writer.write(out);
}

/**
 * The text of all lines as the inside of JSON strings, made in one go for the whole batch: the text itself when there
 * is nothing to escape, or with its quotes escaped (then every event has to be one whole line, so that lines can be
 * found again by their ends). Undefined where lines have to be escaped one by one.
 */
function escapeLines(batch: LineBatch): string | undefined {
  const { text, starts, ends, count } = batch;
  if (!hasOnlyQuotesToEscape(text)) return undefined;
  if (!text.includes('"')) return text;
  if (count === 0 || starts[0] !== 0) return undefined;
  for (let i = 1; i < count; i++) if (starts[i] !== ends[i - 1]! + 1) return undefined;
  return text.replaceAll('"', '\\"');
}

function escapedText(line: string): string {
  return quote(line).slice(1, -1);
}
