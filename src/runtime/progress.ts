import type { ResumePoint } from "../core/component.ts";
import type { SentMark } from "./sent-mark.ts";

/** A batch on its way to one sink: how many of its documents are not settled yet. */
export interface PendingBatch {
  remaining: number;
  readonly endPosition: number;
  readonly resume: unknown;
}

/**
 * How far one route (pipeline and sink) of a partition has got. Batches settle in any order; the position only moves
 * over an unbroken run of settled ones, so a checkpoint never passes a hole.
 */
export class RouteProgress {
  /** Everything before this is settled: delivered, dead-lettered, or dropped on purpose. */
  position: number;
  resume: unknown;
  /** Everything before this was handed to the sink's queue in this run of the agent. */
  enqueued: number;
  /** Up to where documents may have been sent: for sinks that look up what they may have sent before. */
  sentMark: SentMark | undefined;
  #pending: PendingBatch[] = [];

  constructor(start: ResumePoint) {
    this.position = start.position;
    this.resume = start.resume;
    this.enqueued = start.position;
  }

  get isSettled(): boolean {
    return this.#pending.length === 0;
  }

  /** Registers the next batch with `count` documents to settle. Batches come in order of their positions. */
  begin(count: number, endPosition: number, resume: unknown): PendingBatch {
    const pending: PendingBatch = { remaining: count, endPosition, resume };
    this.#pending.push(pending);
    this.enqueued = Math.max(this.enqueued, endPosition);
    if (count === 0) this.#advance();
    return pending;
  }

  /** `count` documents of a batch are settled. Returns whether the whole batch is now. */
  settle(pending: PendingBatch, count: number): boolean {
    pending.remaining -= count;
    if (pending.remaining > 0) return false;
    this.#advance();
    return true;
  }

  /** Its sink stopped before everything was settled: what is read next begins at the position again. */
  restart(): void {
    this.#pending = [];
    this.enqueued = this.position;
    this.sentMark?.inherit();
  }

  #advance(): void {
    let done = 0;
    for (; done < this.#pending.length && this.#pending[done]!.remaining === 0; done++) {
      // Input that another route needed again may come after batches that end further on.
      const { endPosition, resume } = this.#pending[done]!;
      if (endPosition <= this.position) continue;
      this.position = endPosition;
      this.resume = resume;
    }
    if (done > 0) this.#pending.splice(0, done);
  }
}
