import { encodingKey, eventId, type EncodedBatch, type Encoding } from "../core/batch.ts";
import { formatIsoTime } from "../core/time.ts";
import type { DeadLetter } from "../disk/dead-letters/letter.ts";
import type { RejectedDocument } from "./sink-settlement.ts";

/** The dead letter of a document that a sink refused for good. */
export function refusedBySink(
  sink: { readonly name: string; readonly identity: string },
  encoding: Encoding,
  refused: RejectedDocument,
  nowMs: number,
): DeadLetter {
  const { batch, index, reason } = refused;
  const destination = batch.destinations?.[index]?.[sink.name];
  return {
    at: formatIsoTime(nowMs),
    pipeline: batch.pipeline,
    sink: sink.name,
    sink_identity: sink.identity,
    ...(destination === undefined ? {} : { destination }),
    reason,
    source: batch.partition.source,
    id: eventId(batch, index),
    time: formatIsoTime(batch.timesMs[index]!),
    ...documentOf(batch, index, encoding),
  };
}

/** What the sink was given, without the text that the sink's encoding puts around a document. */
export function documentOf(batch: EncodedBatch, index: number, encoding: Encoding): Pick<DeadLetter, "event" | "text"> {
  const body = batch.bodies.get(encodingKey(encoding))!;
  const text = body.bytes.toString("utf8", body.offsets[index], body.offsets[index + 1]! - 1);
  if (encoding.kind !== "json") return { text };
  const skip =
    encoding.before.length + (encoding.after === undefined ? 0 : eventId(batch, index).length + encoding.after.length);
  return { event: JSON.parse("{" + text.slice(skip)) as unknown };
}
