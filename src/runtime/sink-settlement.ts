import type { EncodedBatch } from "../core/batch.ts";
import type { Verdict, WriteResult } from "../core/component.ts";
import { errorMessage } from "../core/error.ts";
import type { SinkHealth } from "./sink-health.ts";
import { makeShipment, pick, type QueuedSlice, type Shipment } from "./sink-queue.ts";
import type { SinkSchedule } from "./sink-schedule.ts";

/** Keeps documents that a sink refused for good. Rejects when they could not be written: they are then held. */
export type StoreRejected = (rejected: readonly RejectedDocument[]) => Promise<void>;

export interface RejectedDocument {
  readonly batch: EncodedBatch;
  readonly index: number;
  readonly reason: string;
}

/**
 * Totals since the start. `routed = delivered + deadLettered + dropped + queued` at any moment until the runner stops;
 * what was found in the journal at the start counts as routed.
 */
export interface SinkCounts {
  routed: number;
  delivered: number;
  deadLettered: number;
  dropped: number;
  /** Of `routed`: found in the journal, left by an earlier process or by the sink's predecessor. */
  found: number;
  /** `dropped` by reason. */
  readonly droppedBy: Map<string, number>;
  /** Documents that were sent again at least once more, by attempts. */
  retried: number;
  requests: number;
  bytes: number;
}

/** Documents that wait, in memory or in the journal. */
export function queuedOf(counts: SinkCounts): number {
  return counts.routed - counts.delivered - counts.deadLettered - counts.dropped;
}

export interface SinkSettlementOptions {
  readonly counts: SinkCounts;
  readonly health: SinkHealth;
  readonly schedule: SinkSchedule;
  /** The key of the sink's encoding. */
  readonly encoding: string;
  readonly storeRejected: StoreRejected;
  /** Some documents were settled: checkpoints have something to write. */
  readonly onSettled: () => void;
  /** By the clock that is never set. */
  readonly nowMs: () => number;
  /** How long single documents may be refused for an unknown reason, while others of their destination are taken. */
  readonly unknownErrorTimeoutMs: number;
  /** When aborted, failures are those of the stop itself and are not reported. */
  readonly stopped: AbortSignal;
}

/** What follows from a sink's answer: settles documents, stores those refused for good, parks what is to be sent again. */
export class SinkSettlement {
  readonly #options: SinkSettlementOptions;
  /** When documents were last taken, by destination. */
  readonly #takenAtMs = new Map<string, number>();

  constructor(options: SinkSettlementOptions) {
    this.#options = options;
  }

  /** Acts on the answer to one call. `failuresBefore` is `schedule.failures` when the call was made. */
  async settle(shipment: Shipment, result: WriteResult, failuresBefore: number): Promise<void> {
    switch (result.outcome) {
      case "delivered":
        this.#options.schedule.succeeded(shipment);
        this.#finish(shipment.slices, "delivered");
        this.#noteTaken(shipment.destination);
        return;
      case "too_large":
        if (shipment.count === 1) {
          this.#options.schedule.succeeded(shipment);
          await this.#reject(
            shipment,
            () => `too large for the server: ${result.reason}`,
            () => true,
          );
        } else this.#options.schedule.parkHalves(shipment);
        return;
      case "rejected":
        this.#options.schedule.succeeded(shipment);
        await this.#reject(
          shipment,
          () => result.reason,
          () => true,
        );
        return;
      case "retry":
      case "hold":
        this.fail(shipment, result, failuresBefore);
        return;
      case "mixed":
        await this.#settleMixed(shipment, result.verdicts, failuresBefore);
    }
  }

  async #settleMixed(
    shipment: Shipment,
    answered: ReadonlyMap<number, Verdict>,
    failuresBefore: number,
  ): Promise<void> {
    const verdicts = this.#giveUpUnknown(shipment, answered);
    const waiting: Verdict[] = [];
    let rejected = 0;
    for (const verdict of verdicts.values()) {
      if (verdict.outcome === "rejected") rejected++;
      else if (verdict.outcome !== "delivered") waiting.push(verdict);
    }
    if (waiting.length + rejected < shipment.count) this.#noteTaken(shipment.destination);
    const outcomeOf = (index: number): Verdict["outcome"] => verdicts.get(index)?.outcome ?? "delivered";
    const isWaiting = (index: number): boolean => outcomeOf(index) === "retry" || outcomeOf(index) === "hold";
    // Every single one put off means overload. Held documents, and those that were refused alone before, only wait.
    const puttingOff = waiting.find((verdict) => verdict.outcome === "retry");
    if (waiting.length === shipment.count && puttingOff !== undefined && !shipment.isLeftover) {
      this.fail(shipment, waiting.find((verdict) => verdict.outcome === "hold") ?? puttingOff, failuresBefore);
      return;
    }
    this.#finish(
      pick(shipment, (index) => outcomeOf(index) === "delivered"),
      "delivered",
    );
    if (waiting.length === 0) this.#options.schedule.succeeded(shipment);
    else {
      const worst = waiting.find((verdict) => verdict.outcome === "hold") ?? waiting[0]!;
      const asked = Math.max(
        0,
        ...waiting.map((verdict) => (verdict.outcome === "retry" ? (verdict.retryAfterMs ?? 0) : 0)),
      );
      const isUnknown = (index: number): boolean => isUnknownHold(verdicts.get(index));
      const sinceMs = this.#options.nowMs();
      const unknown = pick(shipment, isUnknown).map((slice) => ({
        ...slice,
        unknownSinceMs: sinceMs,
        ...since(slice),
      }));
      const known = pick(shipment, (index) => isWaiting(index) && !isUnknown(index));
      this.#options.schedule.parkLeftover([...known, ...unknown], shipment, asked);
      this.#noteFailure(worst, `${waiting.length} of ${shipment.count} documents refused: `);
    }
    if (rejected > 0) {
      const reasonOf = (index: number): string => {
        const verdict = verdicts.get(index);
        return verdict?.outcome === "rejected" ? verdict.reason : "";
      };
      await this.#reject(shipment, reasonOf, (index) => outcomeOf(index) === "rejected");
    }
  }

  /**
   * Documents that are refused for an unknown reason, for longer than the sink's limit, while others of the same
   * destination were taken: it must be the documents, and they are rejected instead of holding up the position.
   */
  #giveUpUnknown(shipment: Shipment, answered: ReadonlyMap<number, Verdict>): ReadonlyMap<number, Verdict> {
    const { nowMs, unknownErrorTimeoutMs } = this.#options;
    const takenAtMs = this.#takenAtMs.get(shipment.destination) ?? -Infinity;
    let verdicts: Map<number, Verdict> | undefined;
    let index = 0;
    for (const { from, to, unknownSinceMs } of shipment.slices) {
      const begin = index;
      index += to - from;
      if (unknownSinceMs === undefined || takenAtMs < unknownSinceMs) continue;
      if (nowMs() - unknownSinceMs < unknownErrorTimeoutMs) continue;
      for (let i = begin; i < index; i++) {
        const verdict = answered.get(i);
        if (verdict?.outcome !== "hold" || !isUnknownHold(verdict)) continue;
        verdicts ??= new Map(answered);
        const minutes = Math.round((nowMs() - unknownSinceMs) / 60_000);
        const reason = `refused for ${minutes} minutes while others were taken: ${verdict.reason}`;
        verdicts.set(i, { outcome: "rejected", reason });
      }
    }
    return verdicts ?? answered;
  }

  #noteTaken(destination: string): void {
    // Destinations may be named by day; only those that something is refused for matter, and not for long.
    if (this.#takenAtMs.size >= 64 && !this.#takenAtMs.has(destination)) this.#takenAtMs.clear();
    this.#takenAtMs.set(destination, this.#options.nowMs());
  }

  /** Sends some documents of a shipment to the dead letters. */
  async #reject(
    shipment: Shipment,
    reasonOf: (index: number) => string,
    wanted: (index: number) => boolean,
  ): Promise<void> {
    const documents: RejectedDocument[] = [];
    let index = 0;
    for (const slice of shipment.slices) {
      for (let i = slice.from; i < slice.to; i++, index++) {
        if (wanted(index)) documents.push({ batch: slice.batch, index: i, reason: reasonOf(index) });
      }
    }
    const slices = pick(shipment, wanted);
    try {
      await this.#options.storeRejected(documents);
      this.#finish(slices, "deadLettered");
    } catch (error) {
      const held = makeShipment(slices, this.#options.encoding, shipment.destination);
      held.attempts = shipment.attempts;
      const reason = `dead letters cannot be written: ${errorMessage(error)}`;
      this.fail(held, { outcome: "hold", reason }, this.#options.schedule.failures);
    }
  }

  #finish(slices: readonly QueuedSlice[], outcome: "delivered" | "deadLettered"): void {
    for (const slice of slices) {
      const count = slice.to - slice.from;
      this.#options.counts[outcome] += count;
      if (outcome === "deadLettered") slice.entry.rejected = true;
      else {
        const { offsets } = slice.batch.bodies.get(this.#options.encoding)!;
        this.#options.counts.bytes += offsets[slice.to]! - offsets[slice.from]!;
      }
      if (slice.progress.settle(slice.pending, count)) slice.entry.letGo();
    }
    this.#options.onSettled();
  }

  /** A whole call failed, or what it asked for could not be done: it is made again after a pause. */
  fail(shipment: Shipment, verdict: Verdict, failuresBefore: number): void {
    const askedMs = verdict.outcome === "retry" ? (verdict.retryAfterMs ?? 0) : 0;
    this.#options.schedule.failed(shipment, askedMs, failuresBefore);
    this.#noteFailure(verdict, "");
  }

  #noteFailure(verdict: Verdict, prefix: string): void {
    const { health, schedule, counts, stopped, nowMs } = this.#options;
    if (verdict.outcome === "delivered" || stopped.aborted) return;
    const pauseMs = Math.max(0, schedule.blockedUntilMs - nowMs());
    health.failed(verdict.outcome === "hold", prefix + verdict.reason, queuedOf(counts), pauseMs);
  }
}

function isUnknownHold(verdict: Verdict | undefined): boolean {
  return verdict?.outcome === "hold" && verdict.unknown === true;
}

/** Keeps the time since when a slice is refused for an unknown reason. */
function since({ unknownSinceMs }: QueuedSlice): { readonly unknownSinceMs?: number } {
  return unknownSinceMs === undefined ? {} : { unknownSinceMs };
}
