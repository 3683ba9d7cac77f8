import type { Log } from "../core/component.ts";
import type { Journal } from "../disk/journal/journal.ts";
import type { Checkpoints } from "./checkpoints.ts";
import type { WhenFull } from "./config/types.ts";
import type { JournalFeed } from "./journal-feed.ts";
import { orphansOf, shareOf } from "./journal-shares.ts";

/** A configured sink's place in the journal, and what it allows when that is full. */
export interface AttachedFeed {
  readonly feed: JournalFeed;
  readonly whenFull: WhenFull;
}

export interface JournalRoomOptions {
  readonly journal: Journal;
  readonly checkpoints: Checkpoints;
  readonly log: Log;
  /** Of the sinks that run, by identity. */
  readonly feeds: ReadonlyMap<string, AttachedFeed>;
  /** Whether a sink with this identity runs, or will: it is being replaced. */
  readonly isConfigured: (sink: string) => boolean;
  /** Keeps cursors and positions on disk, and deletes what is not needed. */
  readonly maintain: () => Promise<void>;
  /** Every event that the sink has to catch up with is read again from its inputs: their sources have to start anew. */
  readonly readAgain: (sinkName: string, between: () => void) => Promise<void>;
}

/**
 * Makes room in a journal whose budget is used up: what nobody reads goes first, then what sinks have there that allow
 * it by `when_full`. A sink that gave up its share begins again from its inputs when it works.
 */
export class JournalRoom {
  /** Batches wait for room. Set by `make`, reset by whoever writes them. */
  isFull = false;
  readonly #options: JournalRoomOptions;
  #isMaking = false;
  #isStopped = false;
  readonly #droppedSaid = new WeakMap<JournalFeed, number>();
  readonly #resuming = new Set<JournalFeed>();

  constructor(options: JournalRoomOptions) {
    this.#options = options;
  }

  /** Tries to make room. Returns false when that is under way already. */
  async make(): Promise<boolean> {
    if (this.#isMaking) return false;
    this.#isMaking = true;
    const { journal, log, maintain, feeds } = this.#options;
    if (!this.isFull) {
      const { usedBytes, maxBytes, spareBytes } = journal;
      const disk = Number.isFinite(spareBytes) ? { room_on_disk_bytes: Math.max(0, Math.floor(spareBytes)) } : {};
      const isOfDisk = usedBytes + spareBytes < maxBytes;
      const why = isOfDisk
        ? ": it leaves the rest of its disk to others; free some, or move state_dir to a larger one"
        : "";
      log.warn(`the journal is full${why}`, { bytes: usedBytes, max_bytes: maxBytes, ...disk });
    }
    this.isFull = true;
    try {
      const before = journal.usedBytes;
      this.#giveUpOrphans();
      for (const { feed, whenFull } of feeds.values()) {
        if (whenFull === "reread" && feed.isSpooling && !feed.isSuspended) this.#giveUp(feed);
      }
      await maintain();
      await this.#dropOldest(before);
    } finally {
      this.#isMaking = false;
    }
    return true;
  }

  /** A sink that gave up its share begins again when it has settled what was left in memory. Asked for every sink. */
  resume(feed: JournalFeed): void {
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

  stop(): void {
    this.#isStopped = true;
  }

  #giveUpOrphans(): void {
    const { journal, checkpoints, log, isConfigured } = this.#options;
    for (const sink of orphansOf(journal, isConfigured)) {
      log.error("events in the journal for a sink that is not configured any more are given up", {
        sink_identity: sink,
        ...shareOf(journal, sink),
      });
      // Should it be configured again, its inputs are read again.
      checkpoints.rewind(sink);
      journal.setCursor(sink, journal.nextSequence);
    }
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

  /** Oldest segments go, each when all have passed it, until less is used than `usedBytes`. */
  async #dropOldest(usedBytes: number): Promise<void> {
    const { journal, log, maintain, feeds } = this.#options;
    const dropping = [...feeds.values()].filter(({ whenFull }) => whenFull === "drop_oldest");
    for (let dropped = 1; dropped > 0 && journal.usedBytes >= usedBytes && !this.#isStopped;) {
      const upTo = journal.endOfOldestSegment;
      dropped = 0;
      for (const { feed } of dropping) dropped += await feed.dropBefore(upTo, "journal_full");
      await maintain();
    }
    for (const { feed } of dropping) {
      const events = feed.options.runner.counts.droppedBy.get("journal_full") ?? 0;
      if (events === (this.#droppedSaid.get(feed) ?? 0)) continue;
      this.#droppedSaid.set(feed, events);
      log.error(`sink "${feed.options.name}" loses its oldest events, because the journal is full`, { events });
    }
  }
}
