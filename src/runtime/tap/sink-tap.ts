import { eventId, type Encoding, type SinkBatch } from "../../core/batch.ts";
import type { WriteResult } from "../../core/component.ts";
import { documentOf } from "../refused.ts";
import type { Spread } from "./budget.ts";

/** A document as a sink was given it, and what the sink said. */
export interface AnsweredDocument {
  readonly id: string;
  readonly outcome: string;
  readonly event: Readonly<Record<string, unknown>>;
}

/** Shows what a sink was sent, with its verdicts: called after each answer, while the documents' bytes are there. */
export function tapOfSink(
  encoding: Encoding,
  spread: Spread,
  see: (documents: readonly AnsweredDocument[]) => void,
  skip: (count: number) => void,
): (batch: SinkBatch, result: WriteResult) => void {
  return (batch, result) => {
    const skipped = spread.look(batch.count, (indexes) => {
      const documents: AnsweredDocument[] = [];
      let slice = 0;
      let first = 0;
      for (const index of indexes) {
        for (;;) {
          const { from, to } = batch.slices[slice]!;
          if (index < first + to - from) break;
          first += to - from;
          slice++;
        }
        const { batch: encoded, from } = batch.slices[slice]!;
        const at = from + index - first;
        const { text, event = { message: text } } = documentOf(encoded, at, encoding);
        const id = eventId(encoded, at);
        documents.push({ id, outcome: outcomeOf(result, index), event: event as Record<string, unknown> });
      }
      see(documents);
    });
    if (skipped > 0) skip(skipped);
  };
}

function outcomeOf(result: WriteResult, index: number): string {
  const verdict = result.outcome === "mixed" ? (result.verdicts.get(index) ?? { outcome: "delivered" }) : result;
  return "reason" in verdict ? `${verdict.outcome}: ${verdict.reason}` : verdict.outcome;
}
