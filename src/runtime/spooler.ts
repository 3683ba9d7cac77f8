import type { BufferPool } from "../core/buffer-pool.ts";
import type { Log } from "../core/component.ts";
import { errorMessage } from "../core/error.ts";
import type { Journal } from "../disk/journal/journal.ts";
import { countRanges, destinationRuns, encodeRecord, type EncodedRecord } from "../disk/journal/record.ts";
import { backoffMs } from "./backoff.ts";
import type { Checkpoints } from "./checkpoints.ts";
import type { Clock } from "./clock.ts";
import type { SinkConfig, WhenFull } from "./config/types.ts";
import { joinRanges, JournalFeed } from "./journal-feed.ts";
import type { Outbox, OutboxEntry } from "./outbox.ts";
import type { PendingBatch, RouteProgress } from "./progress.ts";
import type { QueuedSlice } from "./sink-queue.ts";
import type { SinkRunner } from "./sink-runner.ts";

/** A sink that needs a batch from the journal. */
export interface SpoolNeed {
  readonly feed: JournalFeed;
  readonly progress: RouteProgress;
  readonly pending: PendingBatch;
  /** Documents that are not settled: from, to, from, to, … */
  readonly ranges: readonly number[];
  /** Those of them that are not in memory for the sink, if any. */
  away: readonly number[] | undefined;
  /** Some of them were sent already. */
  readonly sentBefore?: boolean;
}

interface Item {
  readonly entry: OutboxEntry;
  needs: readonly SpoolNeed[];
  record: EncodedRecord | undefined;
}

export interface SpoolerOptions {
  readonly journal: Journal;
  readonly outbox: Outbox;
  readonly pool: BufferPool;
  readonly checkpoints: Checkpoints;
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
  /** Every event that the sink has to catch up with is read again from its inputs: their sources have to start anew. */
  readonly readAgain: (sinkName: string, between: () => void) => Promise<void>;
}

/**
 * Brings batches into the journal, in order: those for sinks that are behind, and those that cannot be read again. When
 * memory is full and some sink has nothing to do, sinks that are far behind are taken out of memory (`relieve`).
 */
export class Spooler {
  readonly #options: SpoolerOptions;
  readonly #feeds = new Map<string, { readonly feed: JournalFeed; readonly whenFull: WhenFull }>();
  #queue: Item[] = [];
  /** Appended and not acknowledged, in order. */
  #issued: Item[] = [];
  #failedItems: Item[] = [];
  #failures = 0;
  #seenFailures = 0;
  #isFull = false;
  #failure: string | undefined;
  #isChecking = false;
  #isMakingRoom = false;
  readonly #droppedSaid = new WeakMap<JournalFeed, number>();
  readonly #resuming = new Set<JournalFeed>();
  #idleWaiters: (() => void)[] = [];
  #isStopped = false;

  constructor(options: SpoolerOptions) {
    this.#options = options;
    options.outbox.pinnedBytes = () => {
      let bytes = 0;
      for (const { feed } of this.#feeds.values()) if (feed.isSpooling) bytes += feed.options.runner.heldBytes;
      return bytes;
    };
    options.outbox.reservedBytes = () => {
      let bytes = 0;
      for (const { feed } of this.#feeds.values()) {
        // One that fails reads one batch at a time.
        if (!feed.isSpooling || feed.options.runner.isFailing) continue;
        bytes += Math.max(0, this.#readAheadBytes - feed.loadedBytes);
      }
      return bytes;
    };
  }

  /** Why the last write failed, if it did. */
  get failure(): string | undefined {
    return this.#failure;
  }
  /** The journal's budget is used up, and batches wait for room. */
  get isFull(): boolean {
    return this.#isFull;
  }
  /** Documents for sinks that are neither in their queues nor in the journal yet. */
  get unwritten(): number {
    let count = 0;
    for (const { needs } of [...this.#failedItems, ...this.#issued, ...this.#queue]) {
      for (const { away } of needs) if (away !== undefined) count += countRanges(away);
    }
    return count;
  }
  get journal(): Journal {
    return this.#options.journal;
  }

  /** Makes a sink's place in the journal; it begins to read what is there. */
  async feed(config: SinkConfig, runner: SinkRunner, log: Log): Promise<JournalFeed> {
    const { journal, outbox, pool, checkpoints, clock } = this.#options;
    const backlog = await backlogOf(journal, config.identity);
    const feed = new JournalFeed(
      {
        ...{ sink: config.identity, name: config.name, runner, journal, outbox, pool, checkpoints },
        ...{ clock, log },
        readAheadBytes: () => this.#readAheadBytes,
        onMoved: () => {
          if (this.#isFull) void this.#makeRoom();
        },
      },
      backlog,
    );
    if (backlog > 0) log.info(`sink "${config.name}" goes on with what is in the journal for it`, { events: backlog });
    this.#feeds.set(config.identity, { feed, whenFull: config.whenFull });
    feed.pump();
    return feed;
  }

  detach(feed: JournalFeed): void {
    feed.stop();
    if (this.#feeds.get(feed.options.sink)?.feed === feed) this.#feeds.delete(feed.options.sink);
  }

  /** Bytes that one feed may read ahead. */
  get #readAheadBytes(): number {
    let reading = 0;
    for (const { feed } of this.#feeds.values()) if (feed.isSpooling) reading++;
    return this.#options.outbox.budgetBytes / 2 / Math.max(1, reading);
  }

  /** Writes a batch to the journal, behind all that came before. */
  spool(entry: OutboxEntry, needs: readonly SpoolNeed[]): void {
    entry.hold();
    for (const { pending, feed, away } of needs) {
      pending.isSpooling = true;
      if (away !== undefined) feed.unwritten++;
    }
    this.#queue.push({ entry, needs, record: undefined });
    this.#pump();
  }

  /** Memory is full: looks, now and while somebody waits, for a sink that holds it and keeps others waiting. */
  relieve(): void {
    if (this.#isChecking) return;
    this.#isChecking = true;
    this.#check();
  }

  /** Resolves when all that was handed over is in the journal, or the signal aborts. */
  async drain(signal: AbortSignal): Promise<void> {
    while (this.#queue.length + this.#issued.length + this.#failedItems.length > 0 && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const done = (): void => {
          signal.removeEventListener("abort", done);
          resolve();
        };
        signal.addEventListener("abort", done);
        this.#idleWaiters.push(done);
      });
    }
  }

  /** Gives up what is not in the journal yet. */
  stop(): void {
    this.#isStopped = true;
    for (const { feed } of this.#feeds.values()) feed.stop();
  }

  /** Called once a second: keeps cursors and positions on disk, deletes what is not needed, lets sinks begin again. */
  async maintain(): Promise<void> {
    const { journal, checkpoints, log } = this.#options;
    if (this.#isStopped) return;
    for (const { feed } of this.#feeds.values()) this.#resume(feed);
    if (!journal.needsSaving) return;
    // What positions say of the journal must be no older than its cursors.
    const { cursors } = journal;
    try {
      // A record must not be gone before the positions behind it are on disk, nor a share given up before they are back.
      await checkpoints.sync();
      if (!this.#isStopped) await journal.saveCursors(cursors);
    } catch (error) {
      log.warn(`cannot write the journal's cursors: ${errorMessage(error)}; trying again`);
    }
    this.#pump();
  }

  #check(): void {
    const { outbox, clock } = this.#options;
    if (this.#isStopped || !outbox.isFull) {
      this.#isChecking = false;
      // Room may have come without anybody letting go: a sink has caught up.
      outbox.wake();
      return;
    }
    const feeds = [...this.#feeds.values()].map(({ feed }) => feed);
    const isBehind = (feed: JournalFeed): boolean =>
      feed.isSpooling || feed.isSuspended || (feed.options.runner.queuedForMs ?? 0) >= BEHIND_MS;
    if (feeds.some((feed) => !isBehind(feed))) {
      for (const feed of feeds) if (!feed.isSpooling && isBehind(feed)) this.#spill(feed);
      // What a sink that is behind cannot let go of does not count against the others.
      outbox.wake();
    }
    clock.after(CHECK_EVERY_MS, () => {
      this.#check();
    });
  }

  /** Takes what waits for a sink out of memory, into the journal; it gets everything from there until it has caught up. */
  #spill(feed: JournalFeed): void {
    const { runner, name, log } = feed.options;
    log.info(`sink "${name}" is behind: its events go through the journal until it has caught up`, {
      queued: runner.queued,
    });
    feed.isSpooling = true;
    const sent = groupByBatch(runner.sent);
    const unsent = groupByBatch(runner.takeUnsent());
    // All that is not settled, in order, so that the journal has no hole behind the positions that follow from it.
    const all = [...sent.values(), ...unsent.values()].sort((a, b) => a.slice.sequence - b.slice.sequence);
    const seen = new Set<PendingBatch>();
    for (const { slice } of all) {
      const { pending, progress, entry } = slice;
      if (seen.has(pending)) continue;
      seen.add(pending);
      const underWay = sent.get(pending)?.ranges;
      const away = unsent.get(pending)?.ranges;
      if (pending.journaled !== undefined) {
        if (away === undefined) continue;
        feed.unload(pending, away);
        if (underWay === undefined) entry.letGo();
      } else if (pending.isSpooling) this.#unloadWaiting(feed, pending, away);
      else {
        const ranges = joinRanges([...(underWay ?? []), ...(away ?? [])]);
        this.spool(entry, [{ feed, progress, pending, ranges, away, sentBefore: underWay !== undefined }]);
      }
    }
  }

  /** A batch that waits to be written anyhow was taken from its sink's queue. */
  #unloadWaiting(feed: JournalFeed, pending: PendingBatch, away: readonly number[] | undefined): void {
    if (away === undefined) return;
    for (const { needs } of [...this.#failedItems, ...this.#issued, ...this.#queue]) {
      const need = needs.find((each) => each.pending === pending);
      if (need === undefined) continue;
      need.away = away;
      feed.unwritten++;
    }
  }

  /** A sink does not need what it was to get from the journal any more. */
  #cancel({ feed, pending, away }: SpoolNeed, entry: OutboxEntry): void {
    if (away === undefined) return;
    feed.unwritten--;
    pending.remaining -= countRanges(away);
    // Otherwise the rest of it is under way, and lets go when it is settled.
    if (pending.remaining === 0) entry.letGo();
  }

  #pump(): void {
    const { journal } = this.#options;
    // What failed goes first.
    if (this.#failedItems.length > 0 || journal.failures !== this.#seenFailures) return;
    while (this.#queue.length > 0 && !this.#isStopped) {
      const item = this.#queue[0]!;
      if (item.entry.storing !== undefined) {
        void item.entry.storing.then(() => {
          this.#pump();
        });
        return;
      }
      // What was delivered meanwhile, or is to be read again, need not be written.
      for (const need of item.needs) if (need.feed.isSuspended) this.#cancel(need, item.entry);
      item.needs = item.needs.filter((need) => need.pending.remaining > 0 && !need.feed.isSuspended);
      if (item.needs.length === 0) {
        this.#queue.shift();
        item.entry.letGo();
        continue;
      }
      item.record ??= recordOf(item);
      const done = journal.append(item.record);
      if (done === undefined) {
        void this.#makeRoom();
        return;
      }
      this.#isFull = false;
      this.#queue.shift();
      this.#issued.push(item);
      done.then(
        (sequence) => {
          this.#written(item, sequence);
        },
        (error: unknown) => {
          this.#failed(item, error);
        },
      );
    }
    this.#wakeIdle();
  }

  #written(item: Item, sequence: number): void {
    const { log, checkpoints } = this.#options;
    this.#issued.shift();
    this.#failures = 0;
    if (this.#failure !== undefined) log.info("the journal is written again");
    this.#failure = undefined;
    for (const need of item.needs) {
      const { pending, progress, away, ranges } = need;
      if (need.feed.isSuspended) {
        this.#cancel(need, item.entry);
        continue;
      }
      if (away !== undefined) need.feed.unwritten--;
      const isAllAway = away !== undefined && pending.remaining === countRanges(away);
      const feed = this.#feeds.get(need.feed.options.sink)?.feed;
      if (feed === need.feed) progress.moveToJournal(pending, feed.wrote(sequence, progress, pending, away));
      else {
        // The sink was replaced: its successor reads the whole record.
        progress.moveToJournal(pending, { settle: () => true });
        feed?.inherits(sequence, countRanges(ranges));
      }
      if (isAllAway) item.entry.letGo();
      feed?.pump();
    }
    item.entry.letGo();
    checkpoints.touch();
    this.#wakeIdle();
  }

  #failed(item: Item, error: unknown): void {
    const { clock, random, log } = this.#options;
    this.#issued.shift();
    this.#failedItems.push(item);
    if (this.#failedItems.length > 1) return;
    this.#failures++;
    const pauseMs = backoffMs(this.#failures, random);
    this.#failure = errorMessage(error);
    log.error(`cannot write the journal: ${this.#failure}; events wait, and sources with them when memory is full`, {
      next_attempt_in_ms: Math.round(pauseMs),
    });
    clock.after(pauseMs, () => {
      this.#queue = [...this.#failedItems, ...this.#queue];
      this.#failedItems = [];
      this.#seenFailures = this.#options.journal.failures;
      this.#pump();
    });
  }

  /** The budget is used up: what nobody reads goes first, then what sinks that allow it have there. */
  async #makeRoom(): Promise<void> {
    if (this.#isMakingRoom) return;
    this.#isMakingRoom = true;
    const { journal, log } = this.#options;
    if (!this.#isFull) {
      log.warn("the journal is full", { bytes: journal.usedBytes, max_bytes: journal.maxBytes });
    }
    this.#isFull = true;
    try {
      const before = journal.usedBytes;
      for (const sink of this.orphans) {
        log.error("events in the journal for a sink that is not configured any more are given up", {
          sink_identity: sink,
          ...this.orphan(sink),
        });
        // Should it be configured again, its inputs are read again.
        this.#options.checkpoints.rewind(sink);
        journal.setCursor(sink, journal.nextSequence);
      }
      for (const { feed, whenFull } of this.#feeds.values()) {
        if (whenFull === "reread" && feed.isSpooling && !feed.isSuspended) this.#giveUp(feed);
      }
      await this.maintain();
      const dropping = [...this.#feeds.values()].filter(({ whenFull }) => whenFull === "drop_oldest");
      // The oldest segment goes when all have passed it.
      for (let dropped = 1; dropped > 0 && journal.usedBytes >= before && !this.#isStopped;) {
        const upTo = journal.endOfOldestSegment;
        dropped = 0;
        for (const { feed } of dropping) dropped += await feed.dropBefore(upTo, "journal_full");
        await this.maintain();
      }
      for (const { feed } of dropping) {
        const events = feed.options.runner.counts.droppedBy.get("journal_full") ?? 0;
        if (events === (this.#droppedSaid.get(feed) ?? 0)) continue;
        this.#droppedSaid.set(feed, events);
        log.error(`sink "${feed.options.name}" loses its oldest events, because the journal is full`, { events });
      }
    } finally {
      this.#isMakingRoom = false;
    }
    if (this.#isFull && this.#hasRoom()) this.#pump();
  }

  #hasRoom(): boolean {
    const record = this.#queue[0]?.record;
    return record === undefined || this.#options.journal.hasRoom(record.byteLength);
  }

  /** Identities of sinks that are not configured and that the journal holds something for. */
  get orphans(): string[] {
    const { journal } = this.#options;
    const waits = (sink: string): boolean => journal.find(journal.cursor(sink), sink) !== undefined;
    return [...journal.sinks].filter((sink) => !this.#feeds.has(sink) && waits(sink));
  }

  /** What the journal holds for a sink that is not configured. */
  orphan(sink: string): { records: number; events: number; bytes: number } {
    const { journal } = this.#options;
    const sum = { records: 0, events: 0, bytes: 0 };
    let place = journal.find(journal.cursor(sink), sink);
    for (; place !== undefined; place = journal.find(place.sequence + 1, sink)) {
      sum.records++;
      sum.events += place.count;
      sum.bytes += place.length;
    }
    return sum;
  }

  #giveUp(feed: JournalFeed): void {
    const { runner, name, log, sink } = feed.options;
    const events = runner.away;
    log.error(`the journal is full: sink "${name}" gives up its share and reads its inputs again when it works`, {
      events,
    });
    feed.isSuspended = true;
    runner.dropAway(events, "read_again");
    this.#options.checkpoints.rewind(sink);
    feed.giveUp();
  }

  /** A sink that gave up its share begins again when it has settled what was left in memory. */
  #resume(feed: JournalFeed): void {
    if (!feed.isSuspended || this.#resuming.has(feed) || feed.options.runner.queued > 0 || feed.unwritten > 0) return;
    this.#resuming.add(feed);
    feed.options.log.info(`sink "${feed.options.name}" works again and catches up from its inputs`);
    void this.#options
      .readAgain(feed.options.name, () => {
        feed.beginAgain();
      })
      .finally(() => {
        this.#resuming.delete(feed);
      });
  }

  #wakeIdle(): void {
    if (this.#queue.length + this.#issued.length + this.#failedItems.length > 0) return;
    const waiters = this.#idleWaiters;
    this.#idleWaiters = [];
    for (const wake of waiters) wake();
  }
}

/** A sink whose oldest event waits for longer is behind. */
const BEHIND_MS = 1000;
const CHECK_EVERY_MS = 100;

/** How many documents the journal holds for a sink, as its records say. */
async function backlogOf(journal: Journal, sink: string): Promise<number> {
  let events = 0;
  let place = journal.find(journal.cursor(sink), sink);
  for (; place !== undefined; place = journal.find(place.sequence + 1, sink)) {
    const head = await journal.readHead(place).catch(() => undefined);
    const reader = head?.readers.find((each) => each.sink === sink);
    events += reader === undefined ? place.count : countRanges(reader.ranges);
  }
  return events;
}

function recordOf({ entry, needs }: Item): EncodedRecord {
  const { destinations } = entry.batch;
  const readers = needs.map(({ feed, ranges, pending, sentBefore = false }) => ({
    ...{ sink: feed.options.sink, ranges, start: pending.start, sentBefore },
    ...(destinations === undefined ? {} : { destinations: destinationRuns(destinations, feed.options.name) }),
  }));
  return encodeRecord(entry.batch, readers, new Set(needs.map(({ feed }) => feed.options.runner.encoding)));
}

function groupByBatch(
  slices: readonly QueuedSlice[],
): Map<PendingBatch, { readonly slice: QueuedSlice; ranges: number[] }> {
  const groups = new Map<PendingBatch, { readonly slice: QueuedSlice; ranges: number[] }>();
  for (const slice of slices) {
    const group = groups.get(slice.pending);
    if (group === undefined) groups.set(slice.pending, { slice, ranges: [slice.from, slice.to] });
    else group.ranges.push(slice.from, slice.to);
  }
  for (const group of groups.values()) group.ranges = joinRanges(group.ranges);
  return groups;
}
