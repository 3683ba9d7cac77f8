import type { BufferPool } from "../core/buffer-pool.ts";
import type { Log, ResumePoint } from "../core/component.ts";
import { errorMessage } from "../core/error.ts";
import type { Journal } from "../disk/journal/journal.ts";
import { countRanges, joinRanges, rangesFrom } from "../disk/journal/ranges.ts";
import { destinationsOf, type RecordHead } from "../disk/journal/record.ts";
import type { RecordPlace } from "../disk/journal/segment-index.ts";
import type { Checkpoints } from "./checkpoints.ts";
import type { Clock } from "./clock.ts";
import { JournalReader, type LoadedRecord } from "./journal-reader.ts";
import type { Outbox } from "./outbox.ts";
import { RouteProgress, type JournaledBatch, type PendingBatch } from "./progress.ts";
import { SentMark } from "./sent-mark.ts";
import type { SinkRunner } from "./sink-runner.ts";

export interface JournalFeedOptions {
  /** Identity of the sink: its cursor's name. */
  readonly sink: string;
  readonly name: string;
  readonly runner: SinkRunner;
  readonly journal: Journal;
  readonly outbox: Outbox;
  readonly pool: BufferPool;
  readonly checkpoints: Checkpoints;
  readonly clock: Clock;
  readonly log: Log;
  /** Bytes that may be read ahead of what the sink has settled. At least one batch is. */
  readonly readAheadBytes: () => number;
  /** The feed moved: the cursor, or memory that it used. */
  readonly onMoved: () => void;
}

/** A batch of the journal that this sink has not settled, and of which something is known in memory. */
class FedBatch implements JournaledBatch {
  readonly sequence: number;
  readonly progress: RouteProgress;
  readonly end: { readonly position: number; readonly resume: unknown };
  /** Documents not settled yet, and those of them that are in memory. */
  remaining: number;
  resident: number;
  /** Documents to read from the journal, when not all of it is in memory. */
  unloaded: readonly number[] | undefined;
  readonly #done: () => void;

  constructor(
    sequence: number,
    progress: RouteProgress,
    end: { readonly position: number; readonly resume: unknown },
    done: () => void,
  ) {
    this.sequence = sequence;
    this.progress = progress;
    this.end = end;
    this.remaining = 0;
    this.resident = 0;
    this.#done = done;
  }

  settle(count: number): boolean {
    this.remaining -= count;
    this.resident -= count;
    if (this.resident > 0) return false;
    this.#done();
    return true;
  }
}

/**
 * One sink's place in the journal. While the sink is behind (`isSpooling`), new batches go to the journal only and this
 * reads them back, in order, as far ahead as its share of memory allows; when it has read the last one, the sink gets
 * new batches from memory again. The cursor follows what is settled, over no hole.
 */
export class JournalFeed {
  /** New batches for the sink go to the journal, not to its queue. */
  isSpooling = false;
  /** The sink gets nothing new: its share of the journal was given up, and it has not caught up with what it had. */
  isSuspended = false;
  /** Batches for the sink that wait to be written to the journal and are not in its queue. */
  unwritten = 0;
  readonly options: JournalFeedOptions;
  readonly #reader: JournalReader;
  /** By sequence. Those below `#next` are in memory or settled. */
  readonly #batches: FedBatch[] = [];
  /** Where reading goes on. */
  #next: number;
  /** Records before this were there when the feed began: their documents may be in the sink already. */
  readonly #began: number;
  /** Records from here on may be there, but are not acknowledged: what is to become of them is not known yet. */
  #acknowledged: number;
  #loadedBytes = 0;
  #isReading = false;
  #isStopped = false;
  #isGivenUp = false;
  /** A record was lost, and nobody knows of which inputs. */
  #isSomeUnknown = false;
  #giveUps = 0;
  #cancelRetry: (() => void) | undefined;
  #failures = 0;

  /** `backlog` is how many documents for the sink the journal holds already. */
  constructor(options: JournalFeedOptions, backlog: number) {
    this.options = options;
    this.#reader = new JournalReader(options.journal, options.pool);
    this.#next = options.journal.cursor(options.sink);
    this.#began = options.journal.nextSequence;
    this.#acknowledged = this.#began;
    options.runner.find(backlog);
    this.isSpooling = this.#find() !== undefined;
    if (!this.isSpooling) this.#next = this.#began;
  }

  /** Bytes of batches in memory that were read from the journal. */
  get loadedBytes(): number {
    return this.#loadedBytes;
  }

  /** A batch was written for the sink that came before: this one reads it. */
  inherits(sequence: number, count: number): void {
    this.options.runner.find(count);
    this.#acknowledged = Math.max(this.#acknowledged, sequence + 1);
    if (!this.isSpooling) this.#next = Math.min(this.#next, sequence);
    this.isSpooling = true;
  }

  /**
   * A batch for the sink was written. `remaining` documents of it are not settled; those in `unloaded` are not in memory
   * (undefined: none are away). Returns what settles them.
   */
  wrote(
    sequence: number,
    progress: RouteProgress,
    pending: PendingBatch,
    unloaded: readonly number[] | undefined,
  ): JournaledBatch {
    const batch = this.#add(sequence, progress, { position: pending.endPosition, resume: pending.resume });
    batch.remaining = pending.remaining;
    batch.resident = pending.remaining - (unloaded === undefined ? 0 : countRanges(unloaded));
    batch.unloaded = unloaded;
    this.#acknowledged = Math.max(this.#acknowledged, sequence + 1);
    if (unloaded !== undefined) this.isSpooling = true;
    else if (!this.isSpooling) this.#next = sequence + 1;
    return batch;
  }

  /** Documents of a written batch were taken from the sink's queue again: they are read from the journal later. */
  unload(pending: PendingBatch, ranges: readonly number[]): void {
    const batch = pending.journaled as FedBatch;
    batch.unloaded = batch.unloaded === undefined ? ranges : joinRanges([...batch.unloaded, ...ranges]);
    batch.resident -= countRanges(ranges);
    this.isSpooling = true;
    this.#next = Math.min(this.#next, batch.sequence);
  }

  /** Reads what there is room for. Safe to call at any time. */
  pump(): void {
    if (!this.#isReading && !this.#isGivenUp) void this.#read();
  }

  get isStopped(): boolean {
    return this.#isStopped;
  }

  /** Reads nothing more. */
  stop(): void {
    this.#isStopped = true;
    this.#cancelRetry?.();
    this.#reader.drop();
  }

  /**
   * The sink's share of the journal is given up, except for what is in memory of its oldest part. The caller has rewound
   * the routes to where the sink itself got to; they follow what is settled in memory from there.
   */
  giveUp(): void {
    const lost = this.#batches.findIndex((batch) => batch.unloaded !== undefined || batch.sequence >= this.#next);
    if (lost >= 0) this.#batches.splice(lost);
    this.#next = this.options.journal.nextSequence;
    this.#isGivenUp = true;
    this.#giveUps++;
    this.isSpooling = false;
    this.options.journal.setCursor(this.options.sink, this.#next);
  }

  /** After `giveUp`, once the sink has settled all that was in memory. */
  beginAgain(): void {
    this.#batches.length = 0;
    this.#isGivenUp = false;
    this.isSuspended = false;
    this.#next = this.options.journal.nextSequence;
    this.options.journal.setCursor(this.options.sink, this.#next);
  }

  /**
   * Gives up what is in records before `upTo`. What of it is in memory is sent all the same, but is not protected
   * against a crash any more. Returns how many records that were.
   */
  async dropBefore(upTo: number, reason: string): Promise<number> {
    if (this.#isReading) return 0;
    this.#isReading = true;
    let dropped = 0;
    try {
      const end = Math.min(upTo, this.#acknowledged);
      for (let place = this.#find(); place !== undefined && place.sequence < end; place = this.#find()) {
        const head = await this.options.journal.readHead(place).catch(() => undefined);
        this.#drop(place, head, reason);
        dropped++;
      }
      while (this.#batches.length > 0 && this.#batches[0]!.sequence < Math.min(upTo, this.#next)) {
        const { progress, end } = this.#batches.shift()!;
        progress.leaveJournal(end);
        dropped++;
      }
      this.#advance();
    } finally {
      this.#isReading = false;
    }
    return dropped;
  }

  #find(): RecordPlace | undefined {
    return this.options.journal.find(this.#next, this.options.sink);
  }

  async #read(): Promise<void> {
    const { runner, journal } = this.options;
    this.#isReading = true;
    try {
      while (!this.#isStopped) {
        const place = this.#find();
        if (place === undefined) {
          // From here on the sink gets new batches from memory, in the same turn of the event loop.
          if (this.unwritten === 0) {
            this.isSpooling = false;
            // Not behind what waits for its sync: the cursor must not pass what this sink has in memory only.
            this.#next = journal.endSequence;
          }
          break;
        }
        // One that shares a sync with the last: it may be in the sink's queue.
        if (place.sequence >= this.#acknowledged) break;
        const known = this.#batches.find((batch) => batch.sequence === place.sequence);
        if (known !== undefined && known.unloaded === undefined) {
          this.#next = place.sequence + 1;
          continue;
        }
        const isEmpty = runner.queuedInMemory === 0;
        if (!isEmpty && (runner.isFailing || (this.#isFull && !this.#hasMoreRoom()))) break;
        const giveUps = this.#giveUps;
        const record = await this.#reader.read(place, runner.sink.encoding);
        if (this.#isStopped || giveUps !== this.#giveUps) {
          record?.batch.release!();
          break;
        }
        this.#readAhead(place.sequence + 1);
        this.#load(place, record, known);
        this.#failures = 0;
      }
    } catch (error) {
      this.#failures++;
      this.options.log.error(`the journal cannot be read, its events wait: ${errorMessage(error)}`);
      this.#cancelRetry?.();
      this.#cancelRetry = this.options.clock.after(Math.min(30_000, 500 * 2 ** this.#failures), () => this.pump());
    } finally {
      this.#isReading = false;
      this.#advance();
    }
  }

  get #isFull(): boolean {
    const { outbox, readAheadBytes } = this.options;
    return outbox.heldBytes >= outbox.budgetBytes || this.#loadedBytes >= readAheadBytes();
  }

  /** Nobody else may wait for memory while it is full of what was read here, so nobody else asks for more. */
  #hasMoreRoom(): boolean {
    this.options.outbox.adjust();
    return !this.#isFull;
  }

  /** While one record is worked on, the disk gives the next. */
  #readAhead(from: number): void {
    const { journal, sink, runner } = this.options;
    if (runner.isFailing || this.#isFull) return;
    const place = journal.find(from, sink);
    if (place !== undefined && place.sequence < this.#acknowledged) this.#reader.readAhead(place);
  }

  #load(place: RecordPlace, record: LoadedRecord | undefined, known: FedBatch | undefined): void {
    const { runner, outbox, sink, log } = this.options;
    if (record === undefined) {
      log.error("a record of the journal is damaged: its events are lost", { record: place.sequence });
      this.#drop(place, undefined, "journal_damaged");
      return;
    }
    this.#next = place.sequence + 1;
    const { head, batch } = record;
    const reader = head.readers.find((each) => each.sink === sink)!;
    const progress = known?.progress ?? this.#progressOf(head) ?? this.#forgotten(reader.start);
    const end = { position: head.endPosition, resume: head.resume };
    let ranges = known?.unloaded ?? reader.ranges;
    const fed = known ?? this.#add(place.sequence, progress, end);
    const all = countRanges(ranges);
    if (known === undefined) fed.remaining += all;
    fed.unloaded = undefined;
    fed.resident += all;
    const own = place.sequence < this.#began ? runner.sink.position?.(head.partition, head.pipeline) : undefined;
    if (own !== undefined) ranges = rangesFrom(ranges, batch.offsets, own.position);
    const destinations = destinationsOf(reader, batch.count, this.options.name);
    this.#loadedBytes += batch.byteLength;
    const entry = outbox.add(destinations === undefined ? batch : { ...batch, destinations }, 1, () => {
      this.#loadedBytes -= batch.byteLength;
      this.options.onMoved();
      this.pump();
    });
    const there = all - countRanges(ranges);
    if (there > 0) {
      // The sink has these, as its own data says: a crash came before the cursor was written.
      runner.away -= there;
      runner.counts.delivered += there;
      if (fed.settle(there)) entry.letGo();
    }
    if (ranges.length === 0) return;
    const pending: PendingBatch = {
      ...{ remaining: 0, start: reader.start, endPosition: head.endPosition, resume: head.resume },
      ...{ isSpooling: false, journaled: fed },
    };
    runner.bringBack(entry, progress, pending, ranges);
  }

  /**
   * Of an input that is not in the checkpoint: it was forgotten, because all of it had been delivered, and the process
   * ended before the cursor was written. So everything may have been sent.
   */
  #forgotten(start: ResumePoint): RouteProgress {
    const progress = new RouteProgress(start);
    if (this.options.runner.sink.asksWhatArrived === true) progress.sentMark = new SentMark(Infinity, start.position);
    return progress;
  }

  #progressOf({ partition, pipeline, readers, endPosition, resume }: RecordHead): RouteProgress | undefined {
    const { checkpoints, sink } = this.options;
    const start = readers.find((each) => each.sink === sink)?.start;
    if (start === undefined) return undefined;
    return checkpoints.progressOf({ partition, pipeline, sink, start, end: { position: endPosition, resume } });
  }

  /** Steps over a record; what of it is not in memory is lost. */
  #drop(place: RecordPlace, head: RecordHead | undefined, reason: string): void {
    const { runner, sink } = this.options;
    this.#next = place.sequence + 1;
    const known = this.#batches.find((batch) => batch.sequence === place.sequence);
    if (known !== undefined) {
      const count = known.unloaded === undefined ? 0 : countRanges(known.unloaded);
      known.unloaded = undefined;
      known.remaining -= count;
      runner.dropAway(count, reason);
    } else {
      const reader = head?.readers.find((each) => each.sink === sink);
      const count = reader === undefined ? place.count : countRanges(reader.ranges);
      runner.dropAway(Math.min(count, runner.away), reason);
      this.#isSomeUnknown ||= head === undefined;
      if (head !== undefined) this.#progressOf(head)?.leaveJournal({ position: head.endPosition, resume: head.resume });
    }
    this.#advance();
  }

  #add(sequence: number, progress: RouteProgress, end: FedBatch["end"]): FedBatch {
    const batch = new FedBatch(sequence, progress, end, () => {
      this.#advance();
      this.pump();
    });
    let at = this.#batches.length;
    while (at > 0 && this.#batches[at - 1]!.sequence > sequence) at--;
    this.#batches.splice(at, 0, batch);
    return batch;
  }

  #advance(): void {
    const { journal, sink } = this.options;
    let done = 0;
    for (; done < this.#batches.length; done++) {
      const { sequence, remaining, progress, end } = this.#batches[done]!;
      if (remaining > 0 || sequence >= this.#next) break;
      if (this.#isGivenUp) progress.advanceTo(end);
      else progress.leaveJournal(end);
    }
    if (done > 0) this.#batches.splice(0, done);
    if (this.#isGivenUp) return;
    const cursor = Math.min(this.#next, this.#batches[0]?.sequence ?? Infinity);
    if (cursor <= journal.cursor(sink)) return;
    journal.setCursor(sink, cursor);
    if (this.#isSomeUnknown && !this.isSpooling && this.#batches.length === 0) {
      this.#isSomeUnknown = false;
      this.options.checkpoints.clearJournal(sink);
    }
    this.options.onMoved();
  }
}
