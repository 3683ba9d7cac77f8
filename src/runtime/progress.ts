import type { ResumePoint } from "../core/component.ts";
import type { SentMark } from "./sent-mark.ts";

/** A batch on its way to one sink: how many of its documents are not settled yet. */
export interface PendingBatch {
  remaining: number;
  /** Where the route stood before it. */
  readonly start: ResumePoint;
  readonly endPosition: number;
  readonly resume: unknown;
  /** It waits to be written to the journal. */
  isSpooling: boolean;
  /** It is in the journal: its documents are settled there. */
  journaled: JournaledBatch | undefined;
}

/** A batch of a sink in the journal. */
export interface JournaledBatch {
  /** `count` documents that were in memory are settled. Returns whether no other of it is in memory. */
  settle(count: number): boolean;
}

/**
 * How far one route (pipeline and sink) of a partition has got. Batches settle in any order; the position only moves
 * over an unbroken run of settled ones, so a checkpoint never passes a hole. What is in the journal counts as settled:
 * the sink's place is its cursor there.
 */
export class RouteProgress {
  /** Everything before this is settled: delivered, dead-lettered, dropped on purpose, or synced to the journal. */
  position: number;
  resume: unknown;
  /** Everything before this was handed to the sink's queue in this run of the agent. */
  enqueued: number;
  /** Up to where documents may have been sent: for sinks that look up what they may have sent before. */
  sentMark: SentMark | undefined;
  #enqueuedResume: unknown;
  #pending: PendingBatch[] = [];
  #journaled = 0;
  /** Where the oldest batch in the journal begins that is not settled there. */
  #journaledFrom: ResumePoint | undefined;

  constructor(start: ResumePoint) {
    this.position = start.position;
    this.resume = start.resume;
    this.enqueued = start.position;
    this.#enqueuedResume = start.resume;
  }

  /** Nothing of it waits anywhere, the journal included. */
  get isSettled(): boolean {
    return this.#pending.length === 0 && this.#journaled === 0;
  }

  /** Up to where the sink itself has everything. */
  get delivered(): ResumePoint {
    const from = this.#journaledFrom;
    return from !== undefined && from.position < this.position
      ? from
      : { position: this.position, resume: this.resume };
  }

  /** Registers the next batch with `count` documents to settle. Batches come in order of their positions. */
  begin(count: number, endPosition: number, resume: unknown): PendingBatch {
    const start = { position: this.enqueued, resume: this.#enqueuedResume };
    const pending: PendingBatch = {
      ...{ remaining: count, start, endPosition, resume, isSpooling: false, journaled: undefined },
    };
    this.#pending.push(pending);
    if (endPosition > this.enqueued) {
      this.enqueued = endPosition;
      this.#enqueuedResume = resume;
    }
    if (count === 0) this.#advance();
    return pending;
  }

  /** `count` documents of a batch are settled. Returns whether nothing of the batch is left in memory. */
  settle(pending: PendingBatch, count: number): boolean {
    if (pending.journaled !== undefined) return pending.journaled.settle(count);
    pending.remaining -= count;
    if (pending.remaining > 0) return false;
    this.#advance();
    return true;
  }

  /** What is left of a batch is safe in the journal, and is settled there from now on. */
  moveToJournal(pending: PendingBatch, journaled: JournaledBatch): void {
    pending.journaled = journaled;
    pending.remaining = 0;
    this.enterJournal(pending.start);
    this.#advance();
  }

  /** A batch that began at `start` is in the journal, behind those that entered before. */
  enterJournal(start: ResumePoint): void {
    if (this.#journaled++ === 0) this.#journaledFrom = start;
  }

  /** The oldest batch of it in the journal, which ended at `end`, is settled. */
  leaveJournal(end: ResumePoint): void {
    this.#journaledFrom = --this.#journaled === 0 ? undefined : end;
  }

  /** Every event before `point` is in the journal, as found there after a restart. */
  advanceTo(point: ResumePoint): void {
    if (point.position <= this.position) return;
    this.position = point.position;
    this.resume = point.resume;
    if (point.position > this.enqueued) {
      this.enqueued = point.position;
      this.#enqueuedResume = point.resume;
    }
  }

  /** What is in the journal is given up: it is read again from where the sink itself got to. */
  rewind(): void {
    const { position, resume } = this.delivered;
    this.position = position;
    this.resume = resume;
    this.#journaled = 0;
    this.#journaledFrom = undefined;
    this.restart();
  }

  /** Its sink stopped before everything was settled: what is read next begins at the position again. */
  restart(): void {
    this.#pending = [];
    this.enqueued = this.position;
    this.#enqueuedResume = this.resume;
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
