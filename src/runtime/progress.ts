import type { ResumePoint } from "../core/component.ts";
import { JournaledRanges, type JournaledRange } from "./journaled-ranges.ts";
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

/** What a record that was found in the journal holds of a route. */
export interface FoundBatch {
  readonly start: ResumePoint;
  readonly end: ResumePoint;
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
  /** What lies before `enqueued` has to be read again, for stages that have not seen it. */
  #isSkipping = false;
  #pending: PendingBatch[] = [];
  /** Up to where it was handed out and given up again, without being settled. */
  #abandonedTo = 0;
  /** What is in the journal and not settled there. */
  readonly #journaled: JournaledRanges;

  /** `journaled` is what an earlier process left in the journal. */
  constructor(start: ResumePoint, journaled: readonly JournaledRange[] = []) {
    this.position = start.position;
    this.resume = start.resume;
    this.enqueued = start.position;
    this.#enqueuedResume = start.resume;
    this.#journaled = new JournaledRanges(journaled);
  }

  /** From where it has to be read. */
  get readFrom(): number {
    return this.#isSkipping ? this.position : this.enqueued;
  }

  /** Nothing of it waits anywhere, the journal included, or has to be read again. */
  get isSettled(): boolean {
    return this.#pending.length === 0 && this.#journaled.isEmpty && !this.isAbandoned;
  }

  /** Some of what was handed out came back, because its sink ended or gave up its share of the journal. */
  get isAbandoned(): boolean {
    return this.position < this.#abandonedTo;
  }

  /** The input has been read to its end since, or is gone: what was given up before does not come again. */
  forgetAbandoned(): void {
    this.#abandonedTo = 0;
  }

  /** Up to where the sink itself has everything. */
  get delivered(): ResumePoint {
    const from = this.#journaled.first;
    return from !== undefined && from.position < this.position
      ? from
      : { position: this.position, resume: this.resume };
  }

  /** What is in the journal and not settled there, to be kept with the position. */
  get journaled(): readonly JournaledRange[] {
    return this.#journaled.list();
  }

  /** Registers the next batch with `count` documents to settle. Batches come in order of their positions. */
  begin(count: number, endPosition: number, resume: unknown): PendingBatch {
    const start = { position: this.enqueued, resume: this.#enqueuedResume };
    const pending: PendingBatch = {
      ...{ remaining: count, start, endPosition, resume, isSpooling: false, journaled: undefined },
    };
    this.#pending.push(pending);
    if (endPosition >= this.enqueued) this.#isSkipping = false;
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
    this.#journaled.add(pending.start, pending.endPosition);
    this.#advance();
  }

  /** The oldest batch of it in the journal, which ended at `end`, is settled: they leave in the order of their positions. */
  leaveJournal(end: ResumePoint): void {
    this.#journaled.remove(-Infinity, end);
  }

  /** Nothing of it is in the journal: what had been there and did not leave is lost. */
  clearJournal(): void {
    this.#journaled.clear();
  }

  /**
   * After a restart: what is in the journal for the route and not settled, in the order in which it was written. Where
   * something is missing that the position relies on, and the input can be read again, the position goes back to there.
   * Returns which batches do not count, because they are settled or will be read again, and how much is missing. With
   * `forStages`, what is in the journal is read again all the same: see `skipTo`.
   */
  recover<B extends FoundBatch>(
    found: readonly B[],
    canReadAgain: boolean,
    forStages = false,
  ): { released: B[]; missing: number } {
    const accepted: B[] = [];
    const released: B[] = [];
    const settled: ResumePoint = { position: this.position, resume: this.resume };
    let end = settled;
    for (const batch of found) {
      const { start } = batch;
      if (canReadAgain) {
        // What was read again after an earlier loss counts instead of what had come after that.
        while (accepted.length > 0 && accepted.at(-1)!.end.position > start.position) {
          released.push(accepted.pop()!);
          end = furthest(settled, accepted.at(-1)?.end);
        }
        const isNext = start.position === end.position;
        if (!isNext && !this.#journaled.includes(start.position, batch.end.position)) {
          released.push(batch);
          continue;
        }
      }
      accepted.push(batch);
      end = furthest(end, batch.end);
    }
    const { hole, missing } = this.#journaled.without(accepted);
    this.#journaled.clear();
    if (hole !== undefined && canReadAgain) {
      this.position = hole.position;
      this.resume = hole.resume;
      this.enqueued = hole.position;
      this.#enqueuedResume = hole.resume;
    } else if (forStages && canReadAgain) this.skipTo(end);
    else this.advanceTo(end);
    for (const batch of accepted) {
      if (hole !== undefined && canReadAgain && batch.end.position > hole.position) released.push(batch);
      else this.#journaled.add(batch.start, batch.end.position);
    }
    return { released, missing };
  }

  /** The same where it is not known what was in the journal: older versions did not say. */
  trust(found: readonly FoundBatch[]): void {
    for (const { start, end } of found) {
      this.advanceTo(end);
      this.#journaled.add(start, end.position);
    }
  }

  /** Every event before `point` is taken care of, as its sink or the journal says. */
  advanceTo(point: ResumePoint): void {
    if (point.position <= this.position) return;
    this.position = point.position;
    this.resume = point.resume;
    if (point.position > this.enqueued) {
      this.enqueued = point.position;
      this.#enqueuedResume = point.resume;
    }
  }

  /**
   * The sink, or the journal, has every event before `point`; the pipeline's stages do not remember them all. So they are
   * read again, and the position follows as they are; this route takes none of them.
   */
  skipTo(point: ResumePoint): void {
    if (point.position <= this.enqueued) return;
    this.enqueued = point.position;
    this.#enqueuedResume = point.resume;
    this.#isSkipping = true;
  }

  /** What is in the journal is given up: it is read again from where the sink itself got to. */
  rewind(): void {
    const { position, resume } = this.delivered;
    this.#abandonedTo = Math.max(this.#abandonedTo, this.position, this.enqueued);
    this.position = position;
    this.resume = resume;
    this.#journaled.clear();
    this.restart();
  }

  /** Its sink stopped before everything was settled: what is read next begins at the position again. */
  restart(): void {
    if (this.#pending.length > 0) this.#abandonedTo = Math.max(this.#abandonedTo, this.enqueued);
    this.#pending = [];
    this.#isSkipping = false;
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

function furthest(a: ResumePoint, b: ResumePoint | undefined): ResumePoint {
  return b !== undefined && b.position > a.position ? b : a;
}
