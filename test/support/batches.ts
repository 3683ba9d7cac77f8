import {
  eventId,
  encodingKey,
  type EncodedBatch,
  type EncodedBody,
  type Encoding,
  type Partition,
} from "../../src/core/batch.ts";
import { JSON_ENCODING, type SinkBatch, type Slice } from "../../src/core/batch.ts";
import { Path } from "../../src/core/path.ts";
import { formatIsoTime } from "../../src/core/time.ts";

export interface MakeBatchOptions {
  /** Each becomes `{ "@timestamp", message }`. Either these or `docs`. */
  readonly lines?: readonly string[];
  /** Whole documents; `@timestamp` is put in front of those that have none. */
  readonly docs?: readonly Readonly<Record<string, unknown>>[];
  /** One or several; plain JSON by default. */
  readonly encoding?: Encoding | readonly Encoding[];
  /** Id of the partition, and the source's name. */
  readonly partition?: string;
  readonly source?: string;
  readonly pipeline?: string;
  /** Offset of the first document; the others follow in steps of 100. */
  readonly firstOffset?: number;
  /** Milliseconds since the epoch of all documents, or of each. */
  readonly timesMs?: number | readonly number[];
}

/** 2026-11-21T10:00:00.000Z */
export const BATCH_TIME_MS = Date.UTC(2026, 10, 21, 10);

export function makePartition(id = "partition-000001", source = "test"): Partition {
  return {
    id,
    source,
    envelope: { paths: [new Path("host.name")], values: ["test-host"], offsetPath: undefined },
  };
}

/** An EncodedBatch built by hand, with the simplest code that gives the right bytes: what codec's encoders must equal. */
export function makeBatch(options: MakeBatchOptions): EncodedBatch {
  const lines = options.lines ?? [];
  const plain = options.docs ?? lines.map((message) => ({ message }));
  const count = plain.length;
  const times = Float64Array.from(plain, (_, i) =>
    typeof options.timesMs === "number" ? options.timesMs : (options.timesMs?.[i] ?? BATCH_TIME_MS),
  );
  const docs = plain.map((doc, i) => ({ "@timestamp": formatIsoTime(times[i]!), ...doc }));
  const offsets = Float64Array.from(plain, (_, i) => (options.firstOffset ?? 0) + i * 100);
  const partition = makePartition(options.partition, options.source);
  const bodies = new Map<string, EncodedBody>();
  const batch: EncodedBatch = {
    partition,
    pipeline: options.pipeline ?? "test",
    idPrefix: `${partition.id}-${options.pipeline ?? "test"}-`,
    count,
    offsets,
    subIndexes: undefined,
    timesMs: times,
    bodies,
    byteLength: 0,
    endPosition: (options.firstOffset ?? 0) + count * 100,
    resume: undefined,
    readAtMs: BATCH_TIME_MS,
    key: {},
  };
  let byteLength = 0;
  for (const encoding of toArray<Encoding>(options.encoding ?? JSON_ENCODING)) {
    const parts = docs.map((doc, i) => Buffer.from(encodeOne(encoding, doc, eventId(batch, i))));
    const bounds = new Uint32Array(count + 1);
    parts.forEach((part, i) => (bounds[i + 1] = bounds[i]! + part.length));
    const bytes = Buffer.concat(parts);
    bodies.set(encodingKey(encoding), { bytes, offsets: bounds });
    byteLength += bytes.length;
  }
  return { ...batch, byteLength };
}

function encodeOne(encoding: Encoding, doc: Record<string, unknown>, id: string): string {
  if (encoding.kind === "json") {
    const head = encoding.after === undefined ? encoding.before : encoding.before + id + encoding.after;
    return head + JSON.stringify(doc).slice(1) + "\n";
  }
  return (typeof doc["message"] === "string" ? doc["message"] : JSON.stringify(doc)) + "\n";
}

/** All documents of these batches (or just these slices) as one call to a sink. */
export function makeSinkBatch(
  from: EncodedBatch | readonly (EncodedBatch | Slice)[],
  encoding: Encoding,
  destination = "",
): SinkBatch {
  const slices = toArray<EncodedBatch | Slice>(from).map((part) =>
    "batch" in part ? part : { batch: part, from: 0, to: part.count },
  );
  const key = encodingKey(encoding);
  let count = 0;
  let byteLength = 0;
  for (const slice of slices) {
    const { offsets } = slice.batch.bodies.get(key)!;
    count += slice.to - slice.from;
    byteLength += offsets[slice.to]! - offsets[slice.from]!;
  }
  return { slices, count, byteLength, destination };
}

function toArray<T>(value: T | readonly T[]): readonly T[] {
  return Array.isArray(value) ? (value as readonly T[]) : [value as T];
}
