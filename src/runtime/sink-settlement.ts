import type { EncodedBatch } from "../core/batch.ts";
import type { BufferPool } from "../core/buffer-pool.ts";
import type { Verdict, WriteResult } from "../core/component.ts";
import { errorMessage, isDefect } from "../core/error.ts";
import { SparseVerdicts } from "../core/verdicts.ts";
import { countRanges } from "../disk/journal/ranges.ts";
import { keepOnly } from "./kept-leftovers.ts";
import type { SinkHealth } from "./sink-health.ts";
import { makeShipment, partsAt, slicesOf, type Part, type QueuedSlice, type Shipment } from "./sink-queue.ts";
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
  /** For copies of what is to be sent again. */
  readonly pool: BufferPool;
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
          await this.#reject(shipment, shipment.slices, () => `too large for the server: ${result.reason}`);
        } else this.#options.schedule.parkHalves(shipment);
        return;
      case "rejected":
        this.#options.schedule.succeeded(shipment);
        await this.#reject(shipment, shipment.slices, () => result.reason);
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
    const { waiting, unknown, rejected, worst, askedMs } = sorted(verdicts);
    const kept = waiting.length + unknown.length;
    if (kept + rejected.length < shipment.count) this.#noteTaken(shipment.destination);
    // Every single one put off means overload. Held documents, and those that were refused alone before, only wait.
    if (kept === shipment.count && askedMs !== undefined && !shipment.isLeftover) {
      this.fail(shipment, worst!, failuresBefore);
      return;
    }
    const refused = partsAt(shipment, rejected);
    const putOff = partsAt(shipment, waiting);
    const held = partsAt(shipment, unknown);
    this.#finishTaken(shipment, [putOff, held, refused]);
    if (worst === undefined) this.#options.schedule.succeeded(shipment);
    else {
      const parts = held.length === 0 ? putOff : this.#runs(putOff, held);
      const again = keepOnly(parts, this.#options.encoding, this.#options.pool);
      this.#options.schedule.parkLeftover(again, shipment, askedMs ?? 0, worst.outcome === "retry");
      this.#noteFailure(worst, `${kept} of ${shipment.count} documents refused: `);
    }
    if (rejected.length > 0) {
      // Dead letters take a while to write, and the rest is settled or parked by now.
      shipment.unsettled = refused.flatMap(slicesOf);
      const reasons = rejected.map((index) => reasonIn(verdicts.get(index)));
      await this.#reject(shipment, shipment.unsettled, (i) => reasons[i]!);
    }
  }

  /** A part for each run: what is held for an unknown reason, since when, lies between the rest. */
  #runs(putOff: readonly Part[], held: readonly Part[]): Part[] {
    const sinceMs = this.#options.nowMs();
    return [
      ...putOff.flatMap(slicesOf),
      ...held.flatMap(slicesOf).map((slice) => ({ ...slice, unknownSinceMs: sinceMs, ...since(slice) })),
    ].map((slice) => ({ slice, runs: [slice.from, slice.to] }));
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

  /** Sends documents of a shipment to the dead letters; `reasonOf` says why, by their order in the slices. */
  async #reject(
    shipment: Shipment,
    slices: readonly QueuedSlice[],
    reasonOf: (index: number) => string,
  ): Promise<void> {
    const documents: RejectedDocument[] = [];
    for (const { batch, from, to } of slices) {
      for (let i = from; i < to; i++) documents.push({ batch, index: i, reason: reasonOf(documents.length) });
    }
    try {
      await this.#options.storeRejected(documents);
      this.#finish(slices, "deadLettered");
    } catch (error) {
      if (isDefect(error)) throw error;
      const held = makeShipment(slices, this.#options.encoding, shipment.destination);
      held.attempts = shipment.attempts;
      const reason = `dead letters cannot be written: ${errorMessage(error)}`;
      this.fail(held, { outcome: "hold", reason }, this.#options.schedule.failures);
    }
  }

  /** Settles the documents that are in none of the lists. */
  #finishTaken(shipment: Shipment, others: readonly (readonly Part[])[]): void {
    const next = others.map(() => 0);
    for (const slice of shipment.slices) {
      const { offsets } = slice.batch.bodies.get(this.#options.encoding)!;
      let count = slice.to - slice.from;
      let bytes = offsets[slice.to]! - offsets[slice.from]!;
      for (let list = 0; list < others.length; list++) {
        const part = others[list]![next[list]!];
        if (part?.slice !== slice) continue;
        next[list]!++;
        count -= countRanges(part.runs);
        for (let i = 0; i < part.runs.length; i += 2) bytes -= offsets[part.runs[i + 1]!]! - offsets[part.runs[i]!]!;
      }
      if (count > 0) this.#settleOf(slice, count, bytes);
    }
    this.#options.onSettled();
  }

  #finish(slices: readonly QueuedSlice[], outcome: "delivered" | "deadLettered"): void {
    for (const slice of slices) {
      const count = slice.to - slice.from;
      const { offsets } = slice.batch.bodies.get(this.#options.encoding)!;
      if (outcome === "delivered") this.#settleOf(slice, count, offsets[slice.to]! - offsets[slice.from]!);
      else {
        this.#options.counts.deadLettered += count;
        slice.entry.rejected = true;
        if (slice.progress.settle(slice.pending, count)) slice.entry.letGo();
      }
    }
    this.#options.onSettled();
  }

  #settleOf(slice: QueuedSlice, count: number, bytes: number): void {
    this.#options.counts.delivered += count;
    this.#options.counts.bytes += bytes;
    if (slice.progress.settle(slice.pending, count)) slice.entry.letGo();
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

interface SortedVerdicts {
  /** Places of documents to send again, of those refused for an unknown reason, and of those refused for good; ascending. */
  readonly waiting: readonly number[];
  readonly unknown: readonly number[];
  readonly rejected: readonly number[];
  /** Of the documents to send again; one that holds, if there is any. */
  readonly worst: Verdict | undefined;
  /** The longest pause that was asked for; undefined when none was put off. */
  readonly askedMs: number | undefined;
}

function sorted(verdicts: ReadonlyMap<number, Verdict>): SortedVerdicts {
  const unknown: number[] = [];
  const rejected: number[] = [];
  const same = verdicts instanceof SparseVerdicts ? verdicts.same : undefined;
  // As an overloaded server answers.
  if (same?.outcome === "retry") {
    const { indexes } = verdicts as SparseVerdicts;
    return { waiting: indexes, unknown, rejected, worst: same, askedMs: same.retryAfterMs ?? 0 };
  }
  const waiting: number[] = [];
  let worst = undefined as Verdict | undefined;
  let askedMs = undefined as number | undefined;
  // Not by `of`, which makes an array of each entry: there may be hundreds in a call.
  verdicts.forEach((verdict, index) => {
    if (verdict.outcome === "delivered") return;
    if (verdict.outcome === "rejected") {
      rejected.push(index);
      return;
    }
    (isUnknownHold(verdict) ? unknown : waiting).push(index);
    if (worst?.outcome !== "hold") worst = verdict.outcome === "hold" ? verdict : (worst ?? verdict);
    if (verdict.outcome === "retry") askedMs = Math.max(askedMs ?? 0, verdict.retryAfterMs ?? 0);
  });
  for (const indexes of [waiting, unknown, rejected]) sortAscending(indexes);
  return { waiting, unknown, rejected, worst, askedMs };
}

/** Sinks list their verdicts in order, nearly always. */
function sortAscending(indexes: number[]): void {
  for (let i = 1; i < indexes.length; i++) {
    if (indexes[i]! < indexes[i - 1]!) {
      indexes.sort((a, b) => a - b);
      return;
    }
  }
}

function reasonIn(verdict: Verdict | undefined): string {
  return verdict?.outcome === "rejected" ? verdict.reason : "";
}

function isUnknownHold(verdict: Verdict | undefined): boolean {
  return verdict?.outcome === "hold" && verdict.unknown === true;
}

/** Keeps the time since when a slice is refused for an unknown reason. */
function since({ unknownSinceMs }: QueuedSlice): { readonly unknownSinceMs?: number } {
  return unknownSinceMs === undefined ? {} : { unknownSinceMs };
}
