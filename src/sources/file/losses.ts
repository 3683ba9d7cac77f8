import type { MetricDefinition } from "../../core/component.ts";
import type { Tracking } from "./tracking.ts";

export const FILE_METRICS: readonly MetricDefinition[] = [
  {
    name: "file_possible_losses",
    kind: "counter",
    unit: "files",
    description:
      "Times that a file was truncated, overwritten, removed or damaged where nobody can say whether more was written to it than is counted as dropped.",
  },
];

/** Why bytes that were known cannot be read: the reasons that `dropped` is given. */
export type LossReason =
  | "truncated_before_read"
  | "deleted_before_read"
  | "truncated_while_down"
  | "replaced_while_down"
  | "deleted_while_down"
  | "compressed_damaged";

/** What became of a generation that is not there any more, or not whole. */
export interface Loss {
  readonly path: string;
  /** What happened, as a part of a sentence. */
  readonly what: string;
  readonly reason: LossReason;
  /** Everything before was read. */
  readonly position: number;
  /** Bytes that were seen to exist and cannot be read. */
  readonly knownBytes: number;
  /** They were counted already. */
  readonly isCounted?: boolean;
  readonly fields?: Record<string, unknown>;
}

/** Counts what is known to be lost, and says what is not known. */
export function reportLoss({ context, output }: Pick<Tracking, "context" | "output">, loss: Loss): void {
  const { path, what, reason, position, knownBytes, fields = {} } = loss;
  context.metrics.counter("file_possible_losses").add(1);
  if (knownBytes <= 0) {
    const said = "all that was known of it had been read; if more was written after that, it is lost";
    context.log.info(`${path}: ${what}; ${said}`, { ...fields, position });
    return;
  }
  if (loss.isCounted !== true) output.dropped(knownBytes, reason);
  const count = knownBytes === 1 ? "1 byte" : `${knownBytes.toLocaleString("en-US")} bytes`;
  const said = `${count} known and unread, from byte ${position} on; more may have been written and lost`;
  context.log.error(`${path}: ${what}; ${said}`, { ...fields, reason, lost_bytes: knownBytes, position });
}
