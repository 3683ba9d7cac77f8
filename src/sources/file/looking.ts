import { stat } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { errorMessage } from "../../core/error.ts";
import type { Announcing } from "./announcing.ts";
import type { Archives } from "./archives.ts";
import { isCopyInProgress } from "./copy-check.ts";
import type { PathState } from "./file-table.ts";
import { placeKey, placeOf, type Generation } from "./generation.ts";
import { isGzip, mayBecomeGzip } from "./gzip-file.ts";
import { openFile, readAt } from "./identity.ts";
import type { Recovery } from "./recovery.ts";
import type { Replacement } from "./replacement.ts";
import { isCompressedName, isRotatedName } from "./rotated-name.ts";
import { filesBelow, homesOf } from "./siblings.ts";
import { isGone, LOOK_INTERVAL_MS, RETRY_MS, type Tracking } from "./tracking.ts";
import type { Trouble } from "./trouble.ts";
import type { Unseen } from "./unseen.ts";

/** Those who know what a file may be other than a new one, or take it from here. */
export interface LookingParts {
  readonly announcing: Announcing;
  readonly archives: Archives;
  readonly recovery: Recovery;
  readonly replacement: Replacement;
  readonly unseen: Unseen;
  readonly trouble: Trouble;
}

/**
 * Looks at what is at a path and says which generation that is: the one that was there, one that was renamed to it, or a
 * new one. Only within a serial task.
 */
export class Looking {
  readonly #tracking: Tracking;
  readonly #parts: LookingParts;

  constructor(tracking: Tracking, parts: LookingParts) {
    this.#tracking = tracking;
    this.#parts = parts;
  }

  /** `startAtEnd` is given only for the files that are there when the source starts. */
  async look(path: string, startAtEnd: boolean | undefined): Promise<void> {
    const { table, context, output, signal } = this.#tracking;
    const { announcing, recovery, unseen, trouble } = this.#parts;
    // Those that were stopped while they were opened are not in the table, and must not be taken for new.
    if (signal.aborted) return;
    const state = table.stateOf(path);
    state.isLookQueued = false;
    state.lastLookMs = context.monotonicMs();
    const readBefore = state.current?.position ?? 0;
    let stats;
    try {
      stats = await stat(path, { bigint: true });
    } catch (error) {
      if (isGone(error)) return this.#gone(state);
      trouble.pathFailed(state, error);
      return;
    }
    if (!stats.isFile()) return this.#gone(state);
    const key = placeKey(stats);
    const gen = table.at(key);
    if (gen?.compressed !== undefined) return;
    const size = Number(stats.size);
    if (gen !== undefined && state.current === gen && size < readBefore) gen.truncated = true;
    if (state.current !== undefined && state.current !== gen) this.#detach(state);
    if (gen !== undefined) {
      if (gen.place.path !== path && !(await this.#rename(gen, path))) return;
      state.current = gen;
      state.error = undefined;
      gen.detachedAtMs = undefined;
      gen.closing = false;
      gen.mtimeMs = Number(stats.mtimeMs);
      if (size > gen.seenEnd) await this.#grown(gen, size);
      const look = `${size}:${stats.mtimeNs}`;
      if (look !== gen.lookedAt || gen.truncated) {
        gen.lookedAt = look;
        this.#tracking.schedule(gen);
      }
      return;
    }
    if (recovery.claims(path, key)) return;
    if (await recovery.mayHoldRest(path)) {
      state.lookAtMs = context.monotonicMs() + LOOK_INTERVAL_MS;
      return;
    }
    if (this.#isTooOld(state, Number(stats.mtimeMs))) return;
    if (isCompressedName(path) && (await this.#isCompressed(state, key, startAtEnd ?? false))) return;
    // A start may fall between the copy and the truncation: then the checkpoint knows the original.
    const isNew = (startAtEnd === undefined || output.known.length > 0) && !context.once;
    if (isNew && (await isCopyInProgress(state, key, stats.size, this.#tracking))) return;
    try {
      if (startAtEnd === undefined && state.previous !== undefined)
        await this.#findUnseen(path, state.previous.announced ? state.previous : (state.anchor ?? state.previous));
    } catch (error) {
      // What came before it is begun before it.
      trouble.pathFailed(state, error);
      return;
    }
    if (signal.aborted) return;
    if (unseen.isMoving(path)) {
      state.lookAtMs = context.monotonicMs() + LOOK_INTERVAL_MS;
      return;
    }
    // Renamed meanwhile, and found by that under its new name.
    if (table.at(key) !== undefined) return this.look(path, startAtEnd);
    announcing.create(state, placeOf(path, stats), startAtEnd ?? false);
  }

  /**
   * Whether the file of a generation that left its path has a rotated name that matches, too, or may have: it goes on there.
   * Nobody may have looked at that name yet, and without it the file would be read as a new one once somebody does.
   */
  async follow(gen: Generation): Promise<boolean> {
    const { options } = this.#tracking;
    const homes = await homesOf(gen.place.path);
    let names: string[];
    try {
      names = (await Promise.all(homes.map((home) => filesBelow(dirname(home))))).flat();
    } catch (error) {
      this.#tracking.context.log.debug(`cannot look for ${gen.place.path}: ${errorMessage(error)}; trying again`);
      return true;
    }
    for (const path of new Set(names)) {
      if (path === gen.place.path || !options.matcher.matches(path)) continue;
      if (!homes.some((home) => isRotatedName(basename(path), basename(home)))) continue;
      const stats = await stat(path, { bigint: true }).catch(() => undefined);
      if (stats === undefined || placeKey(stats) !== gen.key) continue;
      await this.look(path, undefined);
      return gen.detachedAtMs === undefined;
    }
    return false;
  }

  /** Rotation may have been quicker than our looks: what came and went at the path after the last that was seen. */
  async #findUnseen(path: string, previous: Generation): Promise<void> {
    const { mtimeMs } = previous;
    const head = previous.identity().head;
    // Compressed already, and perhaps read to its end from the open file.
    const stats = await previous.handle?.stat().catch(() => undefined);
    const isGone = stats === undefined || stats.nlink === 0;
    const copy = isGone && !previous.ended ? await this.#parts.replacement.placeOfCopy(previous) : undefined;
    const place = copy ?? (isGone ? undefined : previous.place);
    const lost = isGone && copy === undefined ? [{ mtimeMs, head, key: previous.key }] : [];
    const found = place === undefined ? undefined : { place, mtimeMs, head: previous.head };
    await this.#parts.unseen.find(path, { found, lost });
  }

  /** Whether it is a compressed file. Its bytes are no lines; and what it holds was read before it was compressed. */
  async #isCompressed(state: PathState, key: string, startAtEnd: boolean): Promise<boolean> {
    if (state.compressedKey === key) return true;
    if (this.#tracking.options.readsArchives === true) {
      try {
        return await this.#parts.archives.look(state, key, startAtEnd);
      } catch (error) {
        if (!this.#tracking.signal.aborted) this.#parts.trouble.pathFailed(state, error);
        return true;
      }
    }
    try {
      const file = await openFile(state.path);
      try {
        const first = await readAt(file, 0, 3);
        if (mayBecomeGzip(first)) {
          state.lookAtMs = this.#tracking.context.monotonicMs() + RETRY_MS;
          return true;
        }
        if (!isGzip(first)) return false;
      } finally {
        await file.close();
      }
    } catch {
      // It is said when it is opened to be read.
      return false;
    }
    state.compressedKey = key;
    const why =
      'rotated files are finished from their compressed remains by themselves, and others only with "compressed": "read"';
    this.#tracking.context.log.warn(`${state.path} is compressed and left out: ${why}`);
    return true;
  }

  #isTooOld(state: PathState, mtimeMs: number): boolean {
    const { ignoreOlderMs } = this.#tracking.options;
    const hasHistory = state.previous !== undefined && !state.previous.ended;
    state.isIgnored =
      ignoreOlderMs !== undefined && !hasHistory && this.#tracking.context.now() - mtimeMs > ignoreOlderMs;
    return state.isIgnored;
  }

  /** What is lost by a later truncation can only be said if the growth was that of the same content. */
  async #grown(gen: Generation, size: number): Promise<void> {
    gen.unverifiedEnd = size;
    gen.lastGrowthMs = this.#tracking.context.monotonicMs();
    if (gen.handle === undefined) return;
    const holds = await gen.holdsContent().catch(() => false);
    if (holds) gen.seenEnd = Math.max(gen.seenEnd, size);
    // Should it be gone after the next start, it is known how much was not read.
    if (holds && gen.announced && gen.notedEnd !== gen.seenEnd) this.#tracking.output.update(gen.id, gen.identity());
  }

  /** The file was renamed to a path that matches too. False when it is another name (a link) of the same file. */
  async #rename(gen: Generation, path: string): Promise<boolean> {
    const old = gen.place.path;
    const there = await stat(old, { bigint: true }).catch(() => undefined);
    if (there !== undefined && placeKey(there) === gen.key && this.#tracking.options.matcher.matches(old)) return false;
    const state = this.#tracking.table.paths.get(old);
    if (state?.current === gen) {
      state.current = undefined;
      state.previous = gen;
    }
    gen.place = { ...gen.place, path };
    gen.drained = false;
    if (gen.announced) this.#tracking.output.update(gen.id, gen.identity());
    this.#tracking.context.log.info(`${old}: rotated_file; goes on as ${path}`);
    this.#tracking.schedule(gen);
    return true;
  }

  #detach(state: PathState): void {
    const gen = state.current!;
    state.current = undefined;
    if (state.previous?.announced === true) state.anchor = gen.announced ? undefined : state.previous;
    state.previous = gen;
    if (gen.place.path !== state.path) return;
    gen.detachedAtMs = this.#tracking.context.monotonicMs();
    gen.drained = false;
    this.#tracking.context.log.info(`${state.path}: rotated or deleted; the old file is read to its end`);
    this.#tracking.schedule(gen);
  }

  #gone(state: PathState): void {
    if (state.current !== undefined) this.#detach(state);
    state.error = undefined;
    state.copyUntilMs = undefined;
    // What was asked for while this look was under way may be about a newer file.
    if (state.lookAtMs !== Infinity) return;
    const isOver = (gen: Generation | undefined): boolean => gen === undefined || gen.ended;
    const { table, context } = this.#tracking;
    if (isOver(state.previous) && isOver(state.anchor)) table.leavePath(state, context.monotonicMs());
  }
}
