import { createHash } from "node:crypto";
import { encodingKey, type EncodedBatch, type Encoding, type Partition } from "../../core/batch.ts";
import { formatIsoTime } from "../../core/time.ts";
import type { PlannedLetter } from "./planner.ts";

/**
 * The partition of replayed events: one for each part of a run (`run`), pipeline, partition that they came from, and way
 * of making them; within one, events come in the order of their ids.
 * A sink that keeps its place with its data then neither takes them for what it has already, because it is further on in
 * the file that they came from, nor writes them twice when a run is continued after a crash.
 */
export function replayPartition(run: string, planned: PlannedLetter): Partition {
  const { letter, id, how } = planned;
  const key = [run, letter.pipeline, id.prefix, how].join("\n");
  return {
    id: createHash("sha256").update(key).digest("base64url").slice(0, 16),
    source: letter.source,
    envelope: { paths: [], values: [], offsetPath: undefined },
  };
}

/** Encodes letters of one replay partition, in the order of their ids, for one sink. */
export function encodeReplay(
  partition: Partition,
  letters: readonly PlannedLetter[],
  encoding: Encoding,
  nowMs: number,
): EncodedBatch {
  const [first] = letters;
  const documents = letters.map((planned) => Buffer.from(documentText(planned, encoding)));
  const bytes = Buffer.concat(documents);
  const bounds = new Uint32Array(letters.length + 1);
  documents.forEach((document, i) => (bounds[i + 1] = bounds[i]! + document.length));
  const hasSubIndexes = letters.some(({ id }) => id.subIndex > 0);
  return {
    partition,
    pipeline: first!.letter.pipeline,
    idPrefix: first!.id.prefix,
    count: letters.length,
    offsets: Float64Array.from(letters, ({ id }) => id.offset),
    subIndexes: hasSubIndexes ? Uint16Array.from(letters, ({ id }) => id.subIndex) : undefined,
    destinations: letters.some((planned) => planned.destinations !== undefined)
      ? letters.map((planned) => planned.destinations)
      : undefined,
    timesMs: Float64Array.from(letters, ({ timeMs }) => timeMs),
    bodies: new Map([[encodingKey(encoding), { bytes, offsets: bounds }]]),
    byteLength: bytes.length,
    endPosition: letters.at(-1)!.id.offset + 1,
    resume: null,
    readAtMs: nowMs,
  };
}

function documentText(planned: PlannedLetter, encoding: Encoding): string {
  const { letter, document, timeMs } = planned;
  const fields = document ?? { "@timestamp": formatIsoTime(timeMs), message: letter.text ?? "" };
  if (encoding.kind === "json") {
    const id = encoding.after === undefined ? "" : letter.id + encoding.after;
    return encoding.before + id + JSON.stringify(fields).slice(1) + "\n";
  }
  const text = encoding.kind === "original" ? (letter.original ?? letter.text) : (fields["message"] ?? letter.text);
  return (typeof text === "string" ? text : JSON.stringify(fields)) + "\n";
}
