import { stat } from "node:fs/promises";
import { errorMessage } from "../../core/error.ts";
import type { InputStatus, SourceContext, SourceOutput } from "../../core/component.ts";
import { Announcing } from "./announcing.ts";
import { isCopyInProgress } from "./copy-check.ts";
import { FileTable, type PathState } from "./file-table.ts";
import { placeKey, type Generation } from "./generation.ts";
import { Recovery } from "./recovery.ts";
import { Replacement } from "./replacement.ts";
import { isGone, LOOK_INTERVAL_MS, RETRY_MS, tooManyFiles, type TrackerOptions, type Tracking } from "./tracking.ts";

/**
 * Decides which generation is behind which path. All decisions run one after another (`serial`); reading does not.
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
  readonly #recovery: Recovery;
  readonly #replacement: Replacement;
  #queue: Promise<void> = Promise.resolve();
  #pending = 0;
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
    this.#announcing = new Announcing(this, (state, error) => this.#pathFailed(state, error));
    this.#recovery = new Recovery(this, this.#announcing);
    this.#replacement = new Replacement(this);
  }

  get generations(): ReadonlySet<Generation> {
    return this.table.generations;
  }

  /** Whether no decision is under way, and no file waits until others are closed. */
  get settled(): boolean {
    if (this.#pending > 0 || this.#announcing.count > 0) return false;
    for (const state of this.table.paths.values()) {
      if (state.waitsForFiles && state.retryAtMs !== Infinity) return false;
    }
    return true;
  }

  /** A failure is logged: it must not stop the next. */
  serial(task: () => Promise<void>): Promise<void> {
    this.#pending++;
    this.#queue = this.#queue
      .then(() => (this.signal.aborted ? undefined : task()))
      .catch((error: unknown) => this.context.log.error(`file tracking failed: ${errorMessage(error)}`))
      .finally(() => this.#pending--);
    return this.#queue;
  }

  /** Finds the files of the checkpoint again, wherever they are now, and looks at all that match. */
  async begin(paths: readonly string[], startAtEnd: boolean): Promise<void> {
    await this.serial(async () => {
      await this.#recovery.begin();
      for (const path of paths) await this.#look(path, startAtEnd);
      const early = this.#early ?? [];
      this.#early = undefined;
      for (const path of early) this.check(path);
    });
  }

  /** Something happened at a path, or it is time to see whether. */
  check(path: string): void {
    if (!this.options.matcher.matches(path)) return;
    // A file of the checkpoint must not be taken for a new one before it was found again.
    if (this.#early !== undefined) return void this.#early.add(path);
    const state = this.table.paths.get(path);
    const dueMs = (state?.lastLookMs ?? -Infinity) + LOOK_INTERVAL_MS;
    if (state !== undefined && dueMs > this.context.now()) {
      state.lookAtMs = Math.min(state.lookAtMs, dueMs);
      return;
    }
    void this.serial(() => this.#look(path, undefined));
  }

  /** The file may have grown. */
  changed(path: string): void {
    const current = this.table.paths.get(path)?.current;
    if (current !== undefined) this.schedule(current);
    this.check(path);
  }

  /** All paths that are known, so that those that are gone are looked at too. */
  paths(): readonly string[] {
    return [...this.table.paths.keys()];
  }

  /** Paths of files that grew not long ago, or were to be read but could not be. */
  busyPaths(sinceMs: number): readonly string[] {
    const busy = [...this.table.paths.values()].filter(
      ({ current }) => current === undefined || current.lastGrowthMs >= sinceMs,
    );
    return busy.map((state) => state.path);
  }

  tick(nowMs: number): void {
    for (const state of this.table.paths.values()) {
      if (state.lookAtMs > nowMs && state.retryAtMs > nowMs) continue;
      state.lookAtMs = Infinity;
      state.retryAtMs = Infinity;
      void this.serial(() => this.#look(state.path, undefined));
    }
    this.#recovery.tick(nowMs);
    let openCount = 0;
    for (const gen of this.generations) {
      if (gen.handle !== undefined) openCount++;
      if (gen.error !== undefined && gen.retryAtMs <= nowMs) this.schedule(gen);
      if (gen.detachedAtMs !== undefined && gen.announced) this.#tickDetached(gen, nowMs);
    }
    if (openCount > this.options.maxOpenFiles) this.table.closeIdle(openCount - this.options.maxOpenFiles);
  }

  #tickDetached(gen: Generation, nowMs: number): void {
    const quietSince = Math.max(gen.lastGrowthMs, gen.detachedAtMs!);
    if (!gen.drained || nowMs - quietSince < this.options.rotateGraceMs || gen.closing) return this.schedule(gen);
    // A renamed file whose name nobody took yet is still the one that is written to.
    if (this.table.isNameTaken(gen) || gen.handle === undefined) {
      gen.closing = true;
      return this.schedule(gen);
    }
    this.schedule(gen);
    void this.serial(async () => {
      const stats = await gen.handle?.stat().catch(() => undefined);
      if (stats?.nlink !== 0 || gen.detachedAtMs === undefined) return;
      gen.closing = true;
      this.schedule(gen);
    });
  }

  /** A generation was read to its end. */
  reachedEnd(gen: Generation): void {
    gen.drained = true;
    if (gen.closing) {
      // Somebody may have written since the last read.
      if (gen.presentEnd() > gen.position) return this.schedule(gen);
      return this.end(gen, undefined);
    }
    this.release(gen);
    if (this.context.once && gen.detachedAtMs !== undefined) {
      gen.closing = true;
      this.schedule(gen);
    }
  }

  /** Reading failed; it is tried again. */
  failed(gen: Generation, error: unknown): void {
    if (gen.error === undefined)
      this.context.log.warn(`cannot read ${gen.place.path}: ${errorMessage(error)}; trying again`);
    gen.error = errorMessage(error);
    gen.retryAtMs = this.context.now() + RETRY_MS;
    if (tooManyFiles(error)) this.table.closeIdle(16);
    // The file of a name that is gone could not be opened again.
    if (gen.detachedAtMs === undefined) void gen.close();
    this.release(gen);
  }

  end(gen: Generation, reason: string | undefined): void {
    if (gen.ended) return;
    gen.ended = true;
    if (reason !== undefined) this.context.log.info(`${gen.place.path}: ${reason}`);
    this.table.remove(gen);
    void gen.close();
    this.output.forget(gen.id);
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
    return this.options.matcher.matches(path) ? this.#look(path, undefined) : Promise.resolve();
  }

  /** `startAtEnd` is given only for the files that are there when the source starts. */
  async #look(path: string, startAtEnd: boolean | undefined): Promise<void> {
    const { table, context } = this;
    const state = table.stateOf(path);
    state.lastLookMs = context.now();
    const readBefore = state.current?.position ?? 0;
    let stats;
    try {
      stats = await stat(path, { bigint: true });
    } catch (error) {
      if (isGone(error)) return this.#gone(state);
      this.#pathFailed(state, error);
      return;
    }
    if (!stats.isFile()) return this.#gone(state);
    const key = placeKey(stats);
    const gen = table.at(key);
    const size = Number(stats.size);
    if (gen !== undefined && state.current === gen && size < readBefore) gen.truncated = true;
    if (state.current !== undefined && state.current !== gen) this.#detach(state);
    if (gen !== undefined) {
      if (gen.place.path !== path && !(await this.#rename(gen, path))) return;
      state.current = gen;
      state.error = undefined;
      gen.detachedAtMs = undefined;
      gen.closing = false;
      if (size > gen.seenEnd) await this.#grown(gen, size);
      const look = `${size}:${stats.mtimeNs}`;
      if (look !== gen.lookedAt || gen.truncated) {
        gen.lookedAt = look;
        this.schedule(gen);
      }
      return;
    }
    if (this.#recovery.claims(path, key)) return;
    const isNew = startAtEnd === undefined && !context.once;
    if (isNew && (await isCopyInProgress(state, key, stats.size, this))) return;
    this.#announcing.create(state, key, startAtEnd ?? false);
  }

  /** What is lost by a later truncation can only be said if the growth was that of the same content. */
  async #grown(gen: Generation, size: number): Promise<void> {
    gen.unverifiedEnd = size;
    gen.lastGrowthMs = this.context.now();
    if (gen.handle === undefined) return;
    const holds = await gen.holdsContent().catch(() => false);
    if (holds) gen.seenEnd = Math.max(gen.seenEnd, size);
  }

  /** The file was renamed to a path that matches too. False when it is another name (a link) of the same file. */
  async #rename(gen: Generation, path: string): Promise<boolean> {
    const old = gen.place.path;
    const there = await stat(old, { bigint: true }).catch(() => undefined);
    if (there !== undefined && placeKey(there) === gen.key && this.options.matcher.matches(old)) return false;
    const state = this.table.paths.get(old);
    if (state?.current === gen) {
      state.current = undefined;
      state.previous = gen;
    }
    gen.place = { ...gen.place, path };
    gen.drained = false;
    if (gen.announced) this.output.update(gen.id, gen.identity());
    this.context.log.info(`${old}: rotated_file; goes on as ${path}`);
    this.schedule(gen);
    return true;
  }

  #detach(state: PathState): void {
    const gen = state.current!;
    state.current = undefined;
    state.previous = gen;
    if (gen.place.path !== state.path) return;
    gen.detachedAtMs = this.context.now();
    gen.drained = false;
    this.context.log.info(`${state.path}: rotated or deleted; the old file is read to its end`);
    this.schedule(gen);
  }

  #gone(state: PathState): void {
    if (state.current !== undefined) this.#detach(state);
    state.error = undefined;
    state.copyUntilMs = undefined;
    // What was asked for while this look was under way may be about a newer file.
    if (state.lookAtMs !== Infinity) return;
    if (state.previous === undefined || state.previous.ended) this.table.paths.delete(state.path);
  }

  #pathFailed(state: PathState, error: unknown): void {
    const message = errorMessage(error);
    if (state.error === undefined) this.context.log.warn(`cannot read ${state.path}: ${message}; trying again`);
    state.error = message;
    state.retryAtMs = this.context.now() + RETRY_MS;
    state.waitsForFiles = tooManyFiles(error);
    if (state.waitsForFiles) this.table.closeIdle(16);
  }

  inputs(): InputStatus[] {
    return this.table.inputs();
  }

  async close(): Promise<void> {
    await this.#queue;
    await this.table.close();
  }
}
