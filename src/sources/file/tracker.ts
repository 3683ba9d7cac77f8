import { stat } from "node:fs/promises";
import { errorMessage, systemErrorCode } from "../../core/error.ts";
import type { InputStatus, KnownPartition, ResumePoint, SourceContext, SourceOutput } from "../../core/component.ts";
import { Path } from "../../core/path.ts";
import type { LineRules } from "../../codec/lines.ts";
import { Generation, newGenerationId, placeKey } from "./generation.ts";
import { HEAD_BYTES, headOf, parseIdentity, parseResume, readAt, type FileIdentity } from "./identity.ts";
import { basename, dirname } from "node:path";
import { open } from "node:fs/promises";
import { findSibling, isRotatedName, openIfSame, type Found, type Wanted } from "./siblings.ts";
import type { FileMatcher } from "./glob.ts";
import { untilAborted } from "./read-turn.ts";

const FILE_PATH = new Path("log.file.path");
const OFFSET = new Path("log.offset");
const RETRY_MS = 1000;
/** Looks at a busy file's path, at most one in this many milliseconds. */
const LOOK_INTERVAL_MS = 200;

export interface TrackerOptions {
  readonly matcher: FileMatcher;
  readonly rules: LineRules;
  readonly startAtEnd: boolean;
  readonly rotateGraceMs: number;
  readonly maxOpenFiles: number;
}

/** What is known of one path that the globs match. */
interface PathState {
  readonly path: string;
  current: Generation | undefined;
  /** What was under this path before, and is read to its end before what is there now. */
  previous: Generation | undefined;
  error: string | undefined;
  retryAtMs: number;
  lookAtMs: number;
  lastLookMs: number;
  /** It looks like a copy of a file that is about to be truncated: until then it is not read as a new file. */
  copyUntilMs: number | undefined;
  copySize: bigint;
  copyKey: string;
}

/**
 * Decides which generation is behind which path. All decisions run one after another (`serial`); reading does not.
 * `schedule` of the callbacks is called when a generation may have something to read.
 */
export class Tracker {
  readonly generations = new Set<Generation>();
  readonly #paths = new Map<string, PathState>();
  readonly #byKey = new Map<string, Generation>();
  readonly #options: TrackerOptions;
  readonly #context: SourceContext;
  readonly #output: SourceOutput;
  readonly #schedule: (gen: Generation) => void;
  readonly #signal: AbortSignal;
  #queue: Promise<void> = Promise.resolve();
  #pending = 0;
  #announcing = 0;
  #slots = 64;
  readonly #slotWaiters: (() => void)[] = [];

  constructor(
    options: TrackerOptions,
    context: SourceContext,
    output: SourceOutput,
    schedule: (gen: Generation) => void,
    signal: AbortSignal,
  ) {
    this.#options = options;
    this.#context = context;
    this.#output = output;
    this.#schedule = schedule;
    this.#signal = signal;
  }

  /** Whether no decision is under way. */
  get settled(): boolean {
    return this.#pending === 0 && this.#announcing === 0;
  }

  /** Runs after all that was asked for before. A failure is logged: it must not stop the next. */
  serial(task: () => Promise<void>): Promise<void> {
    this.#pending++;
    this.#queue = this.#queue
      .then(() => (this.#signal.aborted ? undefined : task()))
      .catch((error: unknown) => this.#context.log.error(`file tracking failed: ${errorMessage(error)}`))
      .finally(() => this.#pending--);
    return this.#queue;
  }

  /** Finds the files of the checkpoint again, wherever they are now, and looks at all that match. */
  async begin(paths: readonly string[], startAtEnd: boolean): Promise<void> {
    const highest = (known: KnownPartition) => Math.max(0, ...known.points.map((point) => point.position));
    const known = [...this.#output.known].sort((a, b) => highest(b) - highest(a));
    await this.serial(async () => {
      for (const partition of known) await this.#resume(partition);
      for (const path of paths) await this.#look(path, startAtEnd);
    });
  }

  look(path: string): void {
    if (!this.#options.matcher.matches(path)) return;
    const state = this.#paths.get(path);
    const dueMs = (state?.lastLookMs ?? -Infinity) + LOOK_INTERVAL_MS;
    if (state !== undefined && dueMs > this.#context.now()) {
      state.lookAtMs = Math.min(state.lookAtMs, dueMs);
      return;
    }
    void this.serial(() => this.#look(path, undefined));
  }

  /** The file may have grown. */
  changed(path: string): void {
    const current = this.#paths.get(path)?.current;
    if (current !== undefined) this.#schedule(current);
    this.look(path);
  }

  /** All paths that are known, so that those that are gone are looked at too. */
  paths(): readonly string[] {
    return [...this.#paths.keys()];
  }

  tick(nowMs: number): void {
    for (const state of this.#paths.values()) {
      if (state.lookAtMs > nowMs && state.retryAtMs > nowMs) continue;
      state.lookAtMs = Infinity;
      state.retryAtMs = Infinity;
      void this.serial(() => this.#look(state.path, undefined));
    }
    let openCount = 0;
    for (const gen of this.generations) {
      if (gen.handle !== undefined) openCount++;
      if (gen.error !== undefined && gen.retryAtMs <= nowMs) this.#schedule(gen);
      if (gen.detachedAtMs !== undefined && gen.announced) this.#tickDetached(gen, nowMs);
    }
    if (openCount > this.#options.maxOpenFiles) this.closeIdle(openCount - this.#options.maxOpenFiles);
  }

  /** Closes up to `count` files that were quiet longest. */
  closeIdle(count: number): void {
    const idle = [...this.generations]
      .filter(
        (gen) =>
          gen.handle !== undefined && gen.announced && !gen.busy && !gen.queued && gen.detachedAtMs === undefined,
      )
      .sort((a, b) => a.lastUsedMs - b.lastUsedMs);
    for (const gen of idle.slice(0, count)) void gen.close();
  }

  #tickDetached(gen: Generation, nowMs: number): void {
    const quietSince = Math.max(gen.lastGrowthMs, gen.detachedAtMs!);
    if (!gen.drained || nowMs - quietSince < this.#options.rotateGraceMs || gen.closing) return this.#schedule(gen);
    // A renamed file whose name nobody took yet is still the one that is written to.
    const taken =
      this.#paths.get(gen.place.path)?.current !== undefined || this.#paths.get(gen.firstPath)?.current !== undefined;
    if (taken || gen.handle === undefined) {
      gen.closing = true;
      return this.#schedule(gen);
    }
    this.#schedule(gen);
    void this.serial(async () => {
      const links = await gen.handle?.stat().then(
        (stats) => stats.nlink,
        () => 0,
      );
      if (links !== 0) return;
      gen.closing = true;
      this.#schedule(gen);
    });
  }

  /** A generation was read to its end. */
  reachedEnd(gen: Generation): void {
    gen.drained = true;
    if (gen.closing) return this.end(gen, undefined);
    this.#release(gen);
    if (this.#context.once && gen.detachedAtMs !== undefined) {
      gen.closing = true;
      this.#schedule(gen);
    }
  }

  /** Reading failed; it is tried again. */
  failed(gen: Generation, error: unknown): void {
    if (gen.error === undefined)
      this.#context.log.warn(`cannot read ${gen.place.path}: ${errorMessage(error)}; trying again`);
    gen.error = errorMessage(error);
    gen.retryAtMs = this.#context.now() + RETRY_MS;
    if (tooManyFiles(error)) this.closeIdle(16);
    void gen.close();
    this.#release(gen);
  }

  /** Nothing more of it can come. */
  end(gen: Generation, reason: string | undefined): void {
    if (gen.ended) return;
    gen.ended = true;
    if (reason !== undefined) this.#context.log.info(`${gen.place.path}: ${reason}`);
    if (this.#byKey.get(gen.key) === gen) this.#byKey.delete(gen.key);
    this.generations.delete(gen);
    for (const state of [this.#paths.get(gen.place.path), this.#paths.get(gen.firstPath)]) {
      if (state?.current === gen) state.current = undefined;
    }
    void gen.close();
    this.#output.forget(gen.id);
    this.#release(gen);
  }

  #release(gen: Generation): void {
    for (const other of this.generations) {
      if (other.blockedBy !== gen) continue;
      other.blockedBy = undefined;
      this.#schedule(other);
    }
  }

  /** Opens a generation again whose file was closed. Returns whether it may be read; throws what the system says. */
  async reopen(gen: Generation): Promise<boolean> {
    let failure: unknown;
    await this.serial(async () => {
      try {
        if (!gen.ended && gen.handle === undefined) await this.#reopen(gen);
      } catch (error) {
        failure = error;
      }
    });
    if (failure !== undefined) throw failure as Error;
    return gen.handle !== undefined;
  }

  async #reopen(gen: Generation): Promise<void> {
    const wanted = wantedOf(gen);
    const there = await openIfSame(gen.place.path, wanted);
    if (there?.handle !== undefined && there.rule !== "copied_file") {
      gen.handle = there.handle;
      return;
    }
    await there?.handle?.close();
    if (there === undefined && gen.detachedAtMs === undefined) {
      // Gone, or not permitted: opening it says which.
      try {
        await (await open(gen.place.path, "r")).close();
      } catch (error) {
        if (!isGone(error)) throw error;
      }
    }
    if (there !== undefined && (there.rule === "truncated_file" || there.rule === "new_file_at_old_inode")) {
      await this.#replaced(gen, there.rule);
      return;
    }
    const found = await findSibling(wanted, (key) => this.#isOthers(key, gen));
    if (found !== undefined) {
      this.#moveTo(gen, found);
      return;
    }
    const unread = gen.seenEnd - gen.position;
    if (unread > 0) this.#output.dropped(unread, "deleted_before_read");
    this.end(gen, "deleted; all that was seen of it has been read");
    await this.#look(gen.place.path, undefined);
  }

  /** What is at the file's place is not what was read: truncated, or truncated and grown again. */
  replaced(gen: Generation): Promise<void> {
    return this.serial(() => this.#replaced(gen, undefined));
  }

  async #replaced(gen: Generation, rule: string | undefined): Promise<void> {
    if (gen.ended) return;
    const path = gen.place.path;
    const size = await gen.handle?.stat().then(
      (stats) => stats.size,
      () => 0,
    );
    await gen.close();
    const decided = rule ?? ((size ?? 0) < gen.position ? "truncated_file" : "new_file_at_old_inode");
    if (this.#byKey.get(gen.key) === gen) this.#byKey.delete(gen.key);
    const state = this.#paths.get(path);
    if (state?.current === gen) state.current = undefined;
    const copy = gen.position > 0 ? await findSibling(wantedOf(gen), (key) => this.#isOthers(key, gen)) : undefined;
    if (copy !== undefined) {
      this.#moveTo(gen, copy);
      if (state !== undefined) state.previous = gen;
      this.#context.log.info(`${path}: ${decided}; what was not read yet is read from its copy ${copy.place.path}`);
      this.#schedule(gen);
    } else {
      const unread = gen.seenEnd - gen.position + (gen.splitter.holding ? gen.uncounted : 0);
      if (unread > 0) this.#output.dropped(unread, "truncated_before_read");
      this.end(gen, `${decided}; read from its beginning as a new generation`);
    }
    await this.#look(path, undefined);
  }

  #isOthers(key: string, gen: Generation): boolean {
    const owner = this.#byKey.get(key);
    return owner !== undefined && owner !== gen;
  }

  /** The generation goes on in another file: its own under a new name, or a copy. */
  #moveTo(gen: Generation, found: Found): void {
    const old = this.#paths.get(gen.place.path);
    if (old?.current === gen && found.place.path !== gen.place.path) {
      old.current = undefined;
      old.previous = gen;
    }
    if (this.#byKey.get(gen.key) === gen) this.#byKey.delete(gen.key);
    gen.place = found.place;
    gen.handle = found.handle;
    gen.drained = false;
    gen.seenEnd = Math.max(gen.seenEnd, found.size);
    this.#byKey.set(gen.key, gen);
    if (this.#options.matcher.matches(found.place.path)) {
      this.#stateOf(found.place.path).current = gen;
      gen.detachedAtMs = undefined;
    } else {
      gen.detachedAtMs ??= this.#context.now();
    }
    if (gen.announced) this.#output.update(gen.id, gen.identity());
  }

  #stateOf(path: string): PathState {
    let state = this.#paths.get(path);
    if (state === undefined) {
      state = {
        path,
        current: undefined,
        previous: undefined,
        error: undefined,
        retryAtMs: Infinity,
        lookAtMs: Infinity,
        lastLookMs: -Infinity,
        copyUntilMs: undefined,
        copySize: -1n,
        copyKey: "",
      };
      this.#paths.set(path, state);
    }
    return state;
  }

  /** `startAtEnd` is given only for the files that are there when the source starts. */
  async #look(path: string, startAtEnd: boolean | undefined): Promise<void> {
    const state = this.#stateOf(path);
    state.lastLookMs = this.#context.now();
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
    const gen = this.#byKey.get(key);
    if (state.current !== undefined && state.current !== gen) this.#detach(state);
    if (gen !== undefined) {
      if (gen.place.path !== path && !(await this.#rename(gen, path))) return;
      state.current = gen;
      state.error = undefined;
      gen.detachedAtMs = undefined;
      const size = Number(stats.size);
      if (size > gen.seenEnd) {
        gen.seenEnd = size;
        gen.lastGrowthMs = this.#context.now();
      }
      const look = `${size}:${stats.mtimeNs}`;
      if (look !== gen.lookedAt) {
        gen.lookedAt = look;
        this.#schedule(gen);
      }
      return;
    }
    if (startAtEnd === undefined && !this.#context.once && (await this.#isCopyInProgress(state, key, stats.size)))
      return;
    this.#create(state, key, startAtEnd ?? false);
  }

  /** The file was renamed to a path that matches too. False when it is another name (a link) of the same file. */
  async #rename(gen: Generation, path: string): Promise<boolean> {
    const old = gen.place.path;
    const there = await stat(old, { bigint: true }).catch(() => undefined);
    if (there !== undefined && placeKey(there) === gen.key && this.#options.matcher.matches(old)) return false;
    const state = this.#paths.get(old);
    if (state?.current === gen) {
      state.current = undefined;
      state.previous = gen;
    }
    gen.place = { ...gen.place, path };
    gen.drained = false;
    if (gen.announced) this.#output.update(gen.id, gen.identity());
    this.#context.log.info(`${old}: rotated_file; goes on as ${path}`);
    this.#schedule(gen);
    return true;
  }

  #detach(state: PathState): void {
    const gen = state.current!;
    state.current = undefined;
    state.previous = gen;
    if (gen.place.path !== state.path) return;
    gen.detachedAtMs = this.#context.now();
    gen.drained = false;
    this.#context.log.info(`${state.path}: rotated or deleted; the old file is read to its end`);
    this.#schedule(gen);
  }

  #gone(state: PathState): void {
    if (state.current !== undefined) this.#detach(state);
    state.error = undefined;
    state.copyUntilMs = undefined;
    if (state.previous === undefined || state.previous.ended) this.#paths.delete(state.path);
  }

  #pathFailed(state: PathState, error: unknown): void {
    const message = errorMessage(error);
    if (state.error === undefined) this.#context.log.warn(`cannot read ${state.path}: ${message}; trying again`);
    state.error = message;
    state.retryAtMs = this.#context.now() + RETRY_MS;
    if (tooManyFiles(error)) this.closeIdle(16);
  }

  /**
   * copytruncate makes the copy before it truncates. A new file whose beginning equals that of a file next to it is
   * not read while it grows and for the grace time after: if that file is truncated, this is its continuation.
   */
  async #isCopyInProgress(state: PathState, key: string, size: bigint): Promise<boolean> {
    const nowMs = this.#context.now();
    if (state.copyKey !== key) state.copyUntilMs = undefined;
    state.copyKey = key;
    if (state.copyUntilMs !== undefined && nowMs >= state.copyUntilMs && size === state.copySize) return false;
    const originals = [...this.generations].filter(
      (gen) =>
        gen.position > 0 &&
        gen.head.length > 0 &&
        dirname(gen.place.path) === dirname(state.path) &&
        isRotatedName(basename(state.path), basename(gen.place.path)),
    );
    if (originals.length === 0) return false;
    let head: Buffer;
    try {
      const handle = await open(state.path, "r");
      try {
        head = await readAt(handle, 0, HEAD_BYTES);
      } finally {
        await handle.close();
      }
    } catch {
      return false;
    }
    const isBeginning = originals.some((gen) => {
      const length = Math.min(head.length, gen.head.length);
      return head.subarray(0, length).equals(gen.head.subarray(0, length));
    });
    if (!isBeginning) return false;
    if (state.copyUntilMs === undefined || size !== state.copySize)
      state.copyUntilMs = nowMs + this.#options.rotateGraceMs;
    state.copySize = size;
    state.lookAtMs = nowMs + LOOK_INTERVAL_MS;
    return true;
  }

  #create(state: PathState, key: string, startAtEnd: boolean): void {
    const [dev, ino] = key.split(":") as [string, string];
    const gen = this.#generation(newGenerationId(), state.path, { path: state.path, dev, ino });
    this.#byKey.set(key, gen);
    state.current = gen;
    state.copyUntilMs = undefined;
    this.#follow(gen, state.previous);
    void this.#announce(gen, state, startAtEnd);
  }

  #generation(id: string, firstPath: string, place: Generation["place"]): Generation {
    const { paths, values } = this.#context.envelope;
    const envelope = { paths: [...paths, FILE_PATH], values: [...values, firstPath], offsetPath: OFFSET };
    const gen = new Generation(id, firstPath, place, this.#context.id, envelope, this.#options.rules);
    gen.lastGrowthMs = this.#context.now();
    this.generations.add(gen);
    return gen;
  }

  /** `gen` is read after what was under its path before. */
  #follow(gen: Generation, previous: Generation | undefined): void {
    if (previous === undefined || previous.ended || previous === gen || previous.error !== undefined) return;
    gen.blockedBy = previous;
    this.#schedule(previous);
  }

  /** Throws when the source is stopped meanwhile. */
  async #open(gen: Generation, startPosition: number): Promise<number> {
    let position: number | undefined;
    const opening = this.#output.open({ id: gen.id, identity: gen.identity(), startPosition }).then((at) => {
      position = at;
    });
    await untilAborted(opening, this.#signal);
    if (position === undefined) throw new Error("stopped while it was opened");
    return position;
  }

  /** Makes a new generation known to the runtime; many at once share its write. */
  async #announce(gen: Generation, state: PathState, startAtEnd: boolean): Promise<void> {
    this.#announcing++;
    const key = gen.key;
    try {
      if (this.#slots > 0) this.#slots--;
      else await new Promise<void>((resolve) => this.#slotWaiters.push(resolve));
      try {
        const size = Number(await gen.openAt(state.path));
        if (gen.key !== key) throw Object.assign(new Error("replaced while it was opened"), { code: "ENOENT" });
        gen.head = await readAt(gen.handle!, 0, HEAD_BYTES);
        const startPosition = startAtEnd ? size : 0;
        const position = await this.#open(gen, startPosition);
        await gen.startAt(position, false);
        gen.seenEnd = Math.max(gen.seenEnd, size);
        state.error = undefined;
        gen.announced = true;
        this.#schedule(gen);
      } finally {
        const next = this.#slotWaiters.shift();
        if (next !== undefined) next();
        else this.#slots++;
      }
    } catch (error) {
      this.generations.delete(gen);
      if (this.#byKey.get(key) === gen) this.#byKey.delete(key);
      if (this.#byKey.get(gen.key) === gen) this.#byKey.delete(gen.key);
      gen.ended = true;
      if (state.current === gen) state.current = undefined;
      await gen.close();
      this.#release(gen);
      if (this.#signal.aborted) return;
      if (isGone(error)) void this.serial(() => this.#look(state.path, undefined));
      else this.#pathFailed(state, error);
    } finally {
      this.#announcing--;
    }
  }

  /** Finds the file of a generation from an earlier run. */
  async #resume(known: KnownPartition): Promise<void> {
    const identity = parseIdentity(known.identity);
    if (identity === undefined) return this.#output.forget(known.id);
    // Left out of `include` since: what is known of it is kept for the day it is put back.
    if (!this.#options.matcher.matches(identity.path)) return;
    const path = identity.at ?? identity.path;
    const wanted: Wanted = { ...identity, path, points: known.points };
    let found: Found | undefined;
    const there = await openIfSame(path, wanted);
    if (there?.handle !== undefined && there.rule !== "copied_file") found = there;
    else await there?.handle?.close();
    if (found !== undefined && this.#byKey.has(placeKey(found.place))) {
      await found.handle.close();
      found = undefined;
    }
    found ??= await findSibling(wanted, (key) => this.#byKey.has(key));
    if (found === undefined) {
      const highest = Math.max(0, ...known.points.map((point) => point.position));
      const why = there === undefined ? "not there any more" : there.rule;
      this.#context.log.warn(`${path}: ${why}; what it held after byte ${highest} cannot be found`);
      return this.#output.forget(known.id);
    }
    this.#context.log.info(`${path}: ${found.rule}${found.place.path === path ? "" : ` at ${found.place.path}`}`);
    await this.#adopt(known, identity, found);
  }

  async #adopt(known: KnownPartition, identity: FileIdentity, found: Found): Promise<void> {
    const gen = this.#generation(known.id, identity.path, found.place);
    this.#moveTo(gen, found);
    if (found.place.path !== identity.path) this.#stateOf(identity.path).previous = gen;
    const last = identity.at;
    if (last !== undefined && last !== found.place.path) this.#stateOf(last).previous = gen;
    try {
      gen.head = await readAt(found.handle, 0, HEAD_BYTES);
      const startPosition = this.#options.startAtEnd ? found.size : 0;
      const position = await this.#open(gen, startPosition);
      const point = known.points.find((each: ResumePoint) => each.position === position);
      await gen.startAt(position, parseResume(point?.resume)?.skip === true);
      gen.boundaries = [...new Set(known.points.map((each) => each.position))]
        .filter((at) => at > position)
        .sort((a, b) => a - b);
      gen.announced = true;
      this.#schedule(gen);
    } catch (error) {
      // Not forgotten: its checkpoint stays, and the next start tries again.
      this.generations.delete(gen);
      this.#byKey.delete(gen.key);
      gen.ended = true;
      await gen.close();
      if (this.#signal.aborted) return;
      this.#context.log.error(`${identity.path}: cannot go on reading it: ${errorMessage(error)}`);
    }
  }

  inputs(): InputStatus[] {
    const status: InputStatus[] = [];
    const shown = new Set<Generation>();
    for (const state of this.#paths.values()) {
      const gen = state.current;
      if (gen !== undefined) {
        shown.add(gen);
        status.push(inputOf(gen, state.path));
      } else if (state.error !== undefined) {
        const none = { partition: undefined, sizeBytes: undefined, readBytes: undefined };
        status.push({ name: state.path, state: "failed", error: state.error, ...none });
      }
    }
    for (const gen of this.generations) if (!shown.has(gen)) status.push(inputOf(gen, `${gen.place.path} (rotated)`));
    return status;
  }

  async close(): Promise<void> {
    await this.#queue;
    await Promise.all([...this.generations].map((gen) => gen.close()));
  }
}

function inputOf(gen: Generation, name: string): InputStatus {
  const waits = !gen.announced || gen.blockedBy !== undefined;
  const reads = gen.busy || gen.queued;
  const state =
    gen.error !== undefined ? "failed" : waits ? "waiting" : reads ? "reading" : gen.closing ? "finished" : "idle";
  return { name, partition: gen.id, state, sizeBytes: gen.seenEnd, readBytes: gen.position, error: gen.error };
}

function wantedOf(gen: Generation): Wanted {
  const { path, dev, ino } = gen.place;
  return { path, dev, ino, head: headOf(gen.head), points: [gen.point()] };
}

function isGone(error: unknown): boolean {
  const code = systemErrorCode(error);
  return code === "ENOENT" || code === "ENOTDIR";
}

function tooManyFiles(error: unknown): boolean {
  const code = systemErrorCode(error);
  return code === "EMFILE" || code === "ENFILE";
}
