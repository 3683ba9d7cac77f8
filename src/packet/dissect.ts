import { applicationSpans } from "./application-spans.ts";
import type { PacketBatch } from "./capture/packet-batch.ts";
import { FieldSpans, type FieldSpan } from "./field-spans.ts";
import type { HeaderDecoder } from "./headers/decode.ts";
import { headerSpans, sll2Spans, sllSpans } from "./headers/header-spans.ts";
import { LAYER } from "./headers/layer.ts";

const LINKTYPE_SLL2 = 276;

/**
 * Where each field of packet `i` of a batch lies in its frame, from the link layer to the application's message, as far as
 * the packet alone holds it. Nothing that a frame holds makes it throw.
 */
export function dissect(batch: PacketBatch, i: number, decoder: HeaderDecoder): readonly FieldSpan[] {
  const layers = decoder.layersOf(batch, i);
  const { bytes } = batch;
  const frameAt = batch.frameAt[i]!;
  const end = frameAt + batch.capturedLength[i]!;
  const spans = new FieldSpans(frameAt, end);
  if (layers[0] === LAYER.sll) (batch.linkType[i] === LINKTYPE_SLL2 ? sll2Spans : sllSpans)(bytes, frameAt, spans);
  for (let k = 0; k < layers.length; k += 2) headerSpans(layers[k]!, bytes, layers[k + 1]!, end, spans);
  const { columns } = decoder;
  const [at, length] = [columns.payloadAt[i]!, columns.payloadLength[i]!];
  if (at >= 0 && length > 0) {
    const isTcp = layers.some((layer, k) => k % 2 === 0 && layer === LAYER.tcp);
    applicationSpans(columns.application[i]!, bytes, at, at + length, isTcp, spans);
    if (layers.at(-2) === LAYER.data) spans.add("data.data", at, length);
  }
  return spans.spans;
}
