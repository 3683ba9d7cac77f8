import type { Log } from "../core/component.ts";
import { errorMessage } from "../core/error.ts";
import { writeCheckpoint, type CheckpointData } from "../disk/checkpoint-file.ts";
import type { Clock } from "./clock.ts";

/** All that is to be in the file, as it is at one moment. */
export interface GatheredCheckpoint {
  readonly data: CheckpointData;
  /** What the stages of pipelines keep, as JSON, by pipeline. */
  readonly stages: ReadonlyMap<string, string>;
  /** Called when it is on disk. */
  readonly written: () => void;
}

export interface CheckpointWriterOptions {
  readonly path: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Says what to write. `isLast`: nothing happens after it. */
  readonly gather: (isLast: boolean) => GatheredCheckpoint;
}

/**
 * Decides when checkpoints are written: at most once a second after something changed, less often when gathering them
 * takes long, and at once for who waits for it. One write at a time; a failed one is repeated.
 */
export class CheckpointWriter {
  readonly #options: CheckpointWriterOptions;
  #isDirty = false;
  /** A write was promised and has not looked at the data yet. */
  #isGathering = false;
  #writing: Promise<void> | undefined;
  #next: Promise<void> | undefined;
  #cancelTimer: (() => void) | undefined;
  #failure: string | undefined;
  #isClosed = false;
  /** How long the last copy of all of it took to make. */
  #gatherMs = 0;

  constructor(options: CheckpointWriterOptions) {
    this.#options = options;
  }

  /** Why the last write failed, if it did. */
  get failure(): string | undefined {
    return this.#failure;
  }

  /** Something changed: a write follows within a second. */
  touch(): void {
    this.#isDirty = true;
    if (this.#isClosed || this.#cancelTimer !== undefined || this.#writing !== undefined) return;
    const pauseMs = Math.max(WRITE_EVERY_MS, GATHER_SHARE * this.#gatherMs);
    this.#cancelTimer = this.#options.clock.after(pauseMs, () => {
      this.#cancelTimer = undefined;
      // A failed write is logged and repeated by #write itself.
      this.sync().catch(() => undefined);
    });
  }

  /** Resolves when all that was said before this call is on disk. Many callers share one write. */
  sync(): Promise<void> {
    if (this.#next !== undefined) return this.#next;
    if (this.#writing === undefined) return (this.#writing = this.#write());
    if (this.#isGathering) return this.#writing;
    // The write under way may have begun before: this call needs the one after it.
    this.#next = this.#writing
      .catch(() => undefined)
      .then(() => {
        this.#next = undefined;
        return (this.#writing = this.#write());
      });
    return this.#next;
  }

  /** Writes for the last time. Rejects when that fails. Later changes are not written: the lock may be another's. */
  async close(): Promise<void> {
    this.#isClosed = true;
    try {
      await this.sync();
    } finally {
      this.#cancelTimer?.();
      this.#cancelTimer = undefined;
    }
  }

  async #write(): Promise<void> {
    const { path, clock, log, gather } = this.#options;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    // Callers of the same turn of the event loop share this write.
    this.#isGathering = true;
    await new Promise(setImmediate);
    this.#isGathering = false;
    this.#isDirty = false;
    try {
      const began = clock.monotonicMs();
      const { data, stages, written } = gather(this.#isClosed);
      this.#gatherMs = clock.monotonicMs() - began;
      await writeCheckpoint(path, data, stages);
      written();
      if (this.#failure !== undefined) log.info("checkpoints are written again", { path });
      this.#failure = undefined;
    } catch (error) {
      this.#isDirty = true;
      if (this.#failure === undefined)
        log.error(`cannot write ${path}: ${errorMessage(error)}; trying again every second`);
      this.#failure = errorMessage(error);
      throw error;
    } finally {
      this.#writing = undefined;
      if (this.#isDirty && this.#next === undefined) this.touch();
    }
  }
}

const WRITE_EVERY_MS = 1000;
/** Gathering what is to be written takes no more than one part in so many of the time. */
const GATHER_SHARE = 20;
