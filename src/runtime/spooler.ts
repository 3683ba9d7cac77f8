import type { BufferPool } from "../core/buffer-pool.ts";
import type { Log } from "../core/component.ts";
import { errorMessage, WiretailError } from "../core/error.ts";
import type { Journal } from "../disk/journal/journal.ts";
import { countRanges, joinRanges } from "../disk/journal/ranges.ts";
import { backoffMs } from "./backoff.ts";
import type { Clock } from "./clock.ts";
import type { SinkConfig } from "./config/types.ts";
import { JournalFeed } from "./journal-feed.ts";
import { JournalRoom, type AttachedFeed, type JournalRoomOptions } from "./journal-room.ts";
import { backlogOf } from "./journal-shares.ts";
import type { Outbox, OutboxEntry } from "./outbox.ts";
import type { JournaledBatch, PendingBatch } from "./progress.ts";
import type { SinkRunner } from "./sink-runner.ts";
import { groupByBatch, recordOf, type SpoolItem, type SpoolNeed } from "./spool-item.ts";
import { Waiters } from "./waiters.ts";

export interface SpoolerOptions extends Pick<JournalRoomOptions, "journal" | "checkpoints" | "log" | "readAgain"> {
  readonly outbox: Outbox;
  readonly pool: BufferPool;
  readonly clock: Clock;
  readonly random: () => number;
}

/**
 * Brings batches into the journal, in order: those for sinks that are behind, and those that cannot be read again. When
 * memory is full and some sink has nothing to do, sinks that are far behind are taken out of memory (`relieve`).
 */
export class Spooler {
  readonly #options: SpoolerOptions;
  readonly #feeds = new Map<string, AttachedFeed>();
  #coming: ReadonlySet<string> = new Set();
  readonly #room: JournalRoom;
  #queue: SpoolItem[] = [];
  /** Appended and not acknowledged, in order. */
  #issued: SpoolItem[] = [];
  #failedItems: SpoolItem[] = [];
  #failures = 0;
  #seenFailures = 0;
  #failure: string | undefined;
  #isChecking = false;
  readonly #idle = new Waiters();
  #isStopped = false;

  constructor(options: SpoolerOptions) {
    this.#options = options;
    this.#room = new JournalRoom({
      ...{ ...options, feeds: this.#feeds, isConfigured: (sink) => this.isConfigured(sink) },
      maintain: () => this.maintain(),
    });
    options.outbox.pinnedBytes = () => {
      let bytes = 0;
      for (const { feed } of this.#feeds.values()) if (feed.isSpooling) bytes += feed.options.runner.heldBytes;
      return bytes;
    };
    options.outbox.reservedBytes = () => {
      let bytes = 0;
      for (const { feed } of this.#feeds.values()) {
        // One that fails reads one batch at a time.
        if (!feed.isSpooling || feed.isStopped || feed.options.runner.isFailing) continue;
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
    return this.#room.isFull;
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
  /**
   * Whether what the journal holds for a sink is anybody's. Between a sink and its successor there is none of that identity,
   * and what is there for it, or still on its way there, is the successor's.
   */
  isConfigured(sink: string): boolean {
    return this.#feeds.has(sink) || this.#coming.has(sink);
  }
  /** A configuration with these sinks, by identity, is about to be put into force. */
  expect(sinks: readonly string[]): void {
    this.#coming = new Set(sinks);
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
          if (this.#room.isFull) void this.#makeRoom();
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
      await this.#idle.wait(signal);
    }
  }

  /** Gives up what is not in the journal yet. */
  stop(): void {
    this.#isStopped = true;
    this.#room.stop();
    for (const { feed } of this.#feeds.values()) feed.stop();
  }

  /** Called once a second: keeps cursors and positions on disk, deletes what is not needed, lets sinks begin again. */
  async maintain(): Promise<void> {
    const { journal, checkpoints, log } = this.#options;
    if (this.#isStopped) return;
    for (const { feed } of this.#feeds.values()) this.#room.resume(feed);
    // Others may have left room on the disk.
    if (this.#room.isFull) await journal.measureDisk();
    if (!journal.needsSaving) {
      if (this.#room.isFull && this.#hasRoom()) this.#pump();
      return;
    }
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
      this.#room.isFull = false;
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

  #written(item: SpoolItem, sequence: number): void {
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
        // The sink was replaced: its successor reads the whole record, and nobody settles anything of it here.
        progress.moveToJournal(pending, REPLACED);
        feed?.inherits(sequence, countRanges(ranges));
      }
      if (isAllAway) item.entry.letGo();
      feed?.pump();
    }
    item.entry.letGo();
    checkpoints.touch();
    this.#wakeIdle();
  }

  #failed(item: SpoolItem, error: unknown): void {
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

  async #makeRoom(): Promise<void> {
    if ((await this.#room.make()) && this.#room.isFull && this.#hasRoom()) this.#pump();
  }

  #hasRoom(): boolean {
    const record = this.#queue[0]?.record;
    return record === undefined || this.#options.journal.hasRoom(record.byteLength);
  }

  #wakeIdle(): void {
    if (this.#queue.length + this.#issued.length + this.#failedItems.length > 0) return;
    this.#idle.wake();
  }
}

const REPLACED: JournaledBatch = {
  settle: () => {
    throw new WiretailError("WT_INTERNAL", "a sink that has ended settles what its successor reads");
  },
};

/** A sink whose oldest event waits for longer is behind. */
const BEHIND_MS = 1000;
const CHECK_EVERY_MS = 100;
