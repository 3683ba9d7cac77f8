import { errorMessage } from "../../core/error.ts";
import type { InputStatus, SourceContext, SourceOutput } from "../../core/component.ts";
import { Announcing } from "./announcing.ts";
import { Archives } from "./archives.ts";
import { Deletion } from "./deletion.ts";
import { FileTable, type PathState } from "./file-table.ts";
import type { Generation } from "./generation.ts";
import { Looking } from "./looking.ts";
import { reportLoss } from "./losses.ts";
import { Recovery } from "./recovery.ts";
import { Replacement } from "./replacement.ts";
import { LOOK_INTERVAL_MS, type TrackerOptions, type Tracking } from "./tracking.ts";
import { Trouble } from "./trouble.ts";
import { Unseen } from "./unseen.ts";

/** Files that wait until fewer are open, tried in one tick: more would only be refused together. */
const WAITING_AT_ONCE = 16;

/**
 * Decides when it is looked which generation is behind which path, and what becomes of those that were read to their end.
 * All decisions run one after another (`serial`); reading does not.
 * `schedule` is called when a generation may have something to read.
 */
export class Tracker implements Tracking {
  readonly options: TrackerOptions;
  readonly context: SourceContext;
  readonly output: SourceOutput;
  readonly signal: AbortSignal;
  readonly table = new FileTable();
  readonly schedule: (gen: Generation) => void;
  readonly #announcing: Announcing;
  readonly #archives: Archives;
  readonly #recovery: Recovery;
  readonly #deletion: Deletion;
  readonly #looking: Looking;
  readonly #replacement: Replacement;
  readonly #unseen: Unseen;
  readonly #trouble: Trouble;
  /** Detached, quiet, and looked for once more before they are let go of. */
  readonly #closing = new Set<Generation>();
  #queue: Promise<void> = Promise.resolve();
  #pending = 0;
  /** A decision was asked for since `tick` was called last. */
  #isStirred = true;
  /** Paths that were told of before `begin`; undefined once it looked. */
  #early: Set<string> | undefined = new Set();

  constructor(
    options: TrackerOptions,
    context: SourceContext,
    output: SourceOutput,
    schedule: (gen: Generation) => void,
    signal: AbortSignal,
  ) {
    this.options = options;
    this.context = context;
    this.output = output;
    this.schedule = schedule;
    this.signal = signal;
    this.#announcing = new Announcing(this, (state, error) => this.#trouble.pathFailed(state, error));
    this.#unseen = new Unseen(
      this,
      this.#announcing,
      (path, key) => this.#recovery.claims(path, key),
      (path, head) => this.#recovery.knew(path, head) || this.#archives.knows(head),
    );
    this.#archives = new Archives(this, this.#announcing);
    this.#recovery = new Recovery(this, this.#announcing, this.#unseen, this.#archives);
    this.#deletion = new Deletion(this);
    this.#replacement = new Replacement(this);
    this.#trouble = new Trouble(this);
    this.#looking = new Looking(this, {
      ...{ announcing: this.#announcing, archives: this.#archives, recovery: this.#recovery },
      ...{ replacement: this.#replacement, unseen: this.#unseen, trouble: this.#trouble },
    });
  }

  get generations(): ReadonlySet<Generation> {
    return this.table.generations;
  }

  /** Whether no decision is under way, and no file waits until others are closed. */
  get settled(): boolean {
    if (this.#pending > 0 || this.#announcing.count > 0 || this.#archives.isWaiting) return false;
    for (const state of this.table.paths.values()) {
      if (state.waitsForFiles && state.retryAtMs !== Infinity) return false;
    }
    return true;
  }

  /** A failure is logged: it must not stop the next. */
  serial(task: () => Promise<void>): Promise<void> {
    this.#pending++;
    this.#isStirred = true;
    this.#queue = this.#queue
      .then(() => (this.signal.aborted ? undefined : task()))
      .catch((error: unknown) => this.context.log.error(`file tracking failed: ${errorMessage(error)}`))
      .finally(() => this.#pending--);
    return this.#queue;
  }

  /**
   * Finds the files of the checkpoint again, wherever they are now, and looks at all that match. Throws what keeps it
   * from that: the source has to be started again then, because nothing is looked at before.
   */
  async begin(paths: readonly string[], startAtEnd: boolean): Promise<void> {
    let failure: unknown;
    await this.serial(async () => {
      try {
        await this.#recovery.begin();
        for (const path of paths) await this.#looking.look(path, startAtEnd);
        this.#sayIgnored();
        const early = this.#early ?? [];
        this.#early = undefined;
        for (const path of early) this.check(path);
      } catch (error) {
        failure = error;
      }
    });
    if (failure !== undefined) throw failure as Error;
  }

  /** Something happened at a path, or it is time to see whether. */
  check(path: string): void {
    if (!this.isKnown(path) && !this.options.matcher.matches(path)) return;
    // A file of the checkpoint must not be taken for a new one before it was found again.
    if (this.#early !== undefined) return void this.#early.add(path);
    const state = this.table.stateOf(path);
    // Its turn comes (`tick`): a file more to open does not help while there are too many.
    if (state.waitsForFiles && state.retryAtMs !== Infinity) return;
    const dueMs = state.lastLookMs + LOOK_INTERVAL_MS;
    if (dueMs > this.context.monotonicMs()) {
      this.#isStirred = true;
      state.lookAtMs = Math.min(state.lookAtMs, dueMs);
    } else this.#queueLook(state);
  }

  /** On a slow machine looks are asked for faster than they are done: without a bound reading would wait behind them. */
  #queueLook(state: PathState): void {
    if (state.isLookQueued) return;
    state.isLookQueued = true;
    void this.serial(() => this.#looking.look(state.path, undefined));
  }

  /** The file may have grown. */
  changed(path: string): void {
    const current = this.table.paths.get(path)?.current;
    if (current !== undefined) this.schedule(current);
    this.check(path);
  }

  /** Something is known of the path: it matches then. */
  isKnown(path: string): boolean {
    return this.table.paths.has(path);
  }

  /**
   * The file at this path is open, was quiet since then, and says itself that since it was last asked nobody wrote to it,
   * renamed it or deleted it.
   */
  isUntouched(path: string, quietSinceMs: number): boolean {
    const gen = this.table.paths.get(path)?.current;
    if (this.table.paths.get(path)?.isIgnored === true) return true;
    if (gen === undefined || gen.lastGrowthMs >= quietSinceMs || gen.place.path !== path) return false;
    return gen.detachedAtMs === undefined && !gen.truncated && gen.error === undefined && gen.isUntouched();
  }

  /** All paths that are known, so that those that are gone are looked at too. */
  paths(): readonly string[] {
    return [...this.table.paths.keys()];
  }

  /** Paths of files that grew not long ago, or were to be read but could not be. */
  busyPaths(sinceMs: number): readonly string[] {
    const busy = [...this.table.paths.values()].filter(({ current, isIgnored, compressedKey }) =>
      current === undefined ? !isIgnored && compressedKey === "" : current.lastGrowthMs >= sinceMs,
    );
    return busy.map((state) => state.path);
  }

  /** Whether anything was decided since the last tick, so that something may be due. */
  get isStirred(): boolean {
    return this.#isStirred;
  }

  /** Does what is due; returns whether anything is going to be due at some time that is known by now. */
  tick(nowMs: number): boolean {
    this.#isStirred = false;
    let waits = false;
    let waitingTried = 0;
    for (const state of this.table.paths.values()) {
      if (state.lookAtMs !== Infinity || state.retryAtMs !== Infinity) waits = true;
      if (state.lookAtMs > nowMs && state.retryAtMs > nowMs) continue;
      if (state.waitsForFiles && state.retryAtMs !== Infinity && ++waitingTried > WAITING_AT_ONCE) continue;
      state.lookAtMs = Infinity;
      state.retryAtMs = Infinity;
      this.#queueLook(state);
    }
    if (this.#recovery.tick(nowMs)) waits = true;
    if (this.#unseen.tick(nowMs)) waits = true;
    this.#trouble.tick(nowMs);
    this.table.forgetPast(nowMs);
    let openCount = 0;
    for (const gen of this.generations) {
      if (gen.handle !== undefined) openCount++;
      if (gen.error !== undefined || gen.detachedAtMs !== undefined || !gen.announced) waits = true;
      if (gen.error !== undefined && gen.retryAtMs <= nowMs) this.schedule(gen);
      if (gen.detachedAtMs !== undefined && gen.announced) this.#tickDetached(gen, nowMs);
      if (this.#deletion.isDue(gen, nowMs)) void this.serial(() => this.#deletion.delete(gen));
    }
    const most = Math.min(this.options.maxOpenFiles, this.#trouble.mostOpenFiles);
    if (openCount > most) this.table.closeIdle(openCount - most);
    return waits;
  }

  #tickDetached(gen: Generation, nowMs: number): void {
    const quietSince = Math.max(gen.lastGrowthMs, gen.detachedAtMs!);
    this.schedule(gen);
    if (!gen.drained || nowMs - quietSince < this.options.rotateGraceMs || gen.closing) return;
    if (gen.handle === undefined) {
      gen.closing = true;
      return;
    }
    if (this.#closing.has(gen)) return;
    this.#closing.add(gen);
    // After all looks that were asked for before: one of them may find it under a name that matches.
    void this.serial(async () => {
      if (gen.detachedAtMs === undefined || gen.ended) return;
      const stats = await gen.handle?.stat().catch(() => undefined);
      if (stats?.nlink !== 0) {
        // A renamed file whose name nobody took yet is still the one that is written to.
        if (!this.table.isNameTaken(gen)) return;
        if (await this.#looking.follow(gen)) return;
      }
      gen.closing = true;
      this.schedule(gen);
    }).finally(() => this.#closing.delete(gen));
  }

  /** A generation was read to its end. */
  reachedEnd(gen: Generation): void {
    gen.drained = true;
    this.#sayLost(gen);
    if (gen.closing) {
      // Somebody may have written since the last read.
      if (gen.presentEnd() > gen.position) return this.schedule(gen);
      return this.end(gen, undefined);
    }
    this.release(gen);
    // Nobody writes to what a compressed file unpacks to.
    if ((this.context.once || gen.compressed !== undefined) && gen.detachedAtMs !== undefined) {
      gen.closing = true;
      this.schedule(gen);
    }
  }

  /** Reading failed; it is tried again. */
  failed(gen: Generation, error: unknown): void {
    this.#trouble.readFailed(gen, error);
    // The file of a name that is gone could not be opened again.
    if (gen.detachedAtMs === undefined) void gen.close();
    this.release(gen);
  }

  /** A folder could not be looked into. Returns whether only because too many files are open: then some are closed. */
  folderFailed(error: unknown): boolean {
    return this.#trouble.folderFailed(error);
  }

  /** It could be read. */
  recovered(gen: Generation): void {
    this.#trouble.readAgain(gen);
  }

  /** Says what was found missing at the end of a file. */
  #sayLost(gen: Generation): void {
    const damage = gen.compressed?.damage;
    if (gen.lostBytes === 0 && (damage === undefined || gen.closing)) return;
    const what = damage === undefined ? "it became shorter" : `damaged: ${damage}; what could be unpacked was read`;
    const reason = damage === undefined ? "truncated_before_read" : "compressed_damaged";
    const loss = { what, reason, position: gen.position, knownBytes: gen.lostBytes, isCounted: true } as const;
    reportLoss(this, { path: gen.place.path, ...loss });
    gen.lostBytes = 0;
  }

  end(gen: Generation, reason: string | undefined): void {
    if (gen.ended) return;
    gen.ended = true;
    if (reason !== undefined) this.context.log.info(`${gen.place.path}: ${reason}`);
    this.table.remove(gen);
    if (this.options.readsArchives === true && gen.head.length > 0) {
      const identity = gen.identity();
      this.output.update(gen.id, { ...identity, ended: true });
      this.#archives.remember(gen.id, identity, [gen.point()]);
    } else this.output.forget(gen.id);
    void gen.close();
    this.release(gen);
  }

  release(gen: Generation): void {
    for (const other of this.generations) {
      if (other.blockedBy !== gen) continue;
      other.blockedBy = undefined;
      this.schedule(other);
    }
  }

  reopen(gen: Generation): Promise<boolean> {
    return this.#replacement.reopen(gen);
  }

  replaced(gen: Generation): Promise<void> {
    return this.#replacement.replaced(gen);
  }

  /** See Announcing.announceHead. */
  announceHead(gen: Generation): Promise<boolean> {
    return this.#announcing.announceHead(gen);
  }

  look(path: string): Promise<void> {
    return this.options.matcher.matches(path) ? this.#looking.look(path, undefined) : Promise.resolve();
  }

  #sayIgnored(): void {
    const ignored = [...this.table.paths.values()].filter((state) => state.isIgnored);
    if (ignored.length === 0) return;
    const files = ignored.length === 1 ? "1 file is" : `${ignored.length.toLocaleString("en-US")} files are`;
    const why = "not written to for ignore_older_ms; read from their beginning when somebody writes to them";
    this.context.log.info(`${files} left out: ${why}`, { first: ignored[0]!.path });
  }

  inputs(): InputStatus[] {
    return [...this.table.inputs(), ...this.#recovery.inputs()];
  }

  async close(): Promise<void> {
    await this.#queue;
    await this.table.close();
  }
}
