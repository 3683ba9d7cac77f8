import type { Verdict, WriteResult } from "../core/component.ts";
import { SparseVerdicts } from "../core/verdicts.ts";
import type { CallOutcome } from "./call-pace.ts";
import type { Shipment } from "./sink-queue.ts";

/** What an answer says of the server's load. */
export function loadSaidBy(
  result: WriteResult,
  { count, isLeftover }: Pick<Shipment, "count" | "isLeftover">,
): CallOutcome["kind"] {
  switch (result.outcome) {
    case "too_large":
      return "too_large";
    case "retry":
      return "overloaded";
    case "hold":
      return "failed";
    case "mixed": {
      const putOff = countPutOff(result.verdicts);
      // Of a few that were refused before some are refused again, and it says nothing of the server.
      if (putOff < FEW_PUT_OFF && (isLeftover || putOff < count)) return "taken";
      return putOff > count * MUCH_PUT_OFF ? "overloaded" : "taken";
    }
    default:
      return "taken";
  }
}

function countPutOff(verdicts: ReadonlyMap<number, Verdict>): number {
  if (verdicts instanceof SparseVerdicts && verdicts.same?.outcome === "retry") return verdicts.size;
  let putOff = 0;
  verdicts.forEach(({ outcome }) => {
    if (outcome === "retry") putOff++;
  });
  return putOff;
}

/** A server that puts off more than this part of a call is overloaded; less may be one shard of many. */
const MUCH_PUT_OFF = 0.1;
const FEW_PUT_OFF = 50;
