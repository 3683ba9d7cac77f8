import { Path } from "../../core/path.ts";
import type { PathState } from "./file-table.ts";
import { Generation, newGenerationId, type Place } from "./generation.ts";
import { HEAD_BYTES, headOf, readAt } from "./identity.ts";
import { metadataOf } from "./metadata.ts";
import { untilAborted } from "./read-turn.ts";
import { findSibling } from "./siblings.ts";
import { isGone, type Tracking } from "./tracking.ts";

const FILE_PATH = new Path("log.file.path");
const OFFSET = new Path("log.offset");
/** New files opened at the same time; their ids share a write of the checkpoint. */
const SLOTS = 64;

/** Makes generations, and makes them known to the runtime before anything is read of them. */
export class Announcing {
  readonly #tracking: Tracking;
  readonly #failed: (state: PathState, error: unknown) => void;
  /** Under way. */
  count = 0;
  #slots = SLOTS;
  readonly #slotWaiters: (() => void)[] = [];

  /** `failed` is told why a file at a path cannot be read now. */
  constructor(tracking: Tracking, failed: (state: PathState, error: unknown) => void) {
    this.#tracking = tracking;
    this.#failed = failed;
  }

  /** A generation for a file that was not seen before, as a look showed it; opens it and announces it. */
  create(state: PathState, place: Place, startAtEnd: boolean): void {
    const gen = this.generation(newGenerationId(), state.path, place);
    state.current = gen;
    state.copyUntilMs = undefined;
    this.#follow(gen, state.previous);
    void this.#announce(gen, state, startAtEnd);
  }

  /**
   * A generation for a rotated file that was under `path` when nobody looked; read whole, after `previous`. Resolves when
   * it is safely known; throws what keeps it from being opened. With `fromEnd` nothing of it is read.
   */
  async createRotated(
    path: string,
    place: Place,
    previous: Generation | undefined,
    fromEnd = false,
  ): Promise<Generation> {
    const { context, options, table } = this.#tracking;
    const gen = this.generation(newGenerationId(), path, place);
    const { key } = gen;
    this.#follow(gen, previous);
    try {
      const size = await gen.openAt(place.path, true);
      if (gen.key !== key) throw Object.assign(new Error("renamed before it was opened"), { code: "ENOENT" });
      if (options.matcher.matches(place.path) && gen.compressed === undefined) table.stateOf(place.path).current = gen;
      else gen.detachedAtMs = context.monotonicMs();
      gen.head = await readAt(gen.handle!, 0, HEAD_BYTES);
      if (gen.compressed === undefined) gen.seenEnd = size;
      if (fromEnd) gen.seenEnd = size;
      await gen.startAt(await this.open(gen, fromEnd ? size : 0), false);
      gen.announced = true;
      if (!fromEnd) this.#tracking.schedule(gen);
      return gen;
    } catch (error) {
      await this.#withdraw(gen, key);
      throw error;
    }
  }

  generation(id: string, firstPath: string, place: Place): Generation {
    const { context, options, table } = this.#tracking;
    const { paths, values } = context.envelope;
    const envelope = { paths: [...paths, FILE_PATH], values: [...values, firstPath], offsetPath: OFFSET };
    const gen = new Generation(id, firstPath, place, context.id, envelope, options.rules);
    gen.lastGrowthMs = context.monotonicMs();
    table.add(gen);
    return gen;
  }

  /**
   * Resolves with the position to read from once the generation is safely known. Throws when the source is stopped
   * meanwhile.
   */
  async open(gen: Generation, startPosition: number): Promise<number> {
    const { output, signal } = this.#tracking;
    if (!gen.isDescribed) await this.#describe(gen);
    const identity = gen.identity();
    let position: number | undefined;
    const opening = output.open({ id: gen.id, identity, startPosition }).then((at) => {
      position = at;
    });
    await untilAborted(opening, signal);
    if (position === undefined) throw new Error("stopped while it was opened");
    gen.hasKnownHead = identity.head.length > 0;
    return position;
  }

  /**
   * A file that was empty when it was announced is known by its inode alone, which says nothing once it was deleted.
   * So it is announced again with its first bytes before any event of it goes out. False while it is empty.
   */
  async announceHead(gen: Generation): Promise<boolean> {
    const head = await readAt(gen.handle!, 0, HEAD_BYTES);
    if (head.length === 0) return false;
    gen.head = head;
    await this.open(gen, 0);
    return true;
  }

  /** Adds to the envelope what is wanted of the file's metadata. */
  async #describe(gen: Generation): Promise<void> {
    gen.isDescribed = true;
    const fields = await metadataOf(gen.firstPath, gen.place, this.#tracking.options.metadata);
    if (fields.length === 0) return;
    const { envelope } = gen.partition;
    const paths = [...envelope.paths, ...fields.map(([name]) => new Path(name))];
    const values = [...envelope.values, ...fields.map(([, value]) => value)];
    gen.partition = { ...gen.partition, envelope: { ...envelope, paths, values } };
  }

  /** `gen` is read after what was under its path before. */
  #follow(gen: Generation, previous: Generation | undefined): void {
    if (previous === undefined || previous.ended || previous === gen || previous.error !== undefined) return;
    gen.blockedBy = previous;
    this.#tracking.schedule(previous);
  }

  async #announce(gen: Generation, state: PathState, startAtEnd: boolean): Promise<void> {
    const { signal } = this.#tracking;
    this.count++;
    const key = gen.key;
    try {
      if (this.#slots > 0) this.#slots--;
      else await new Promise<void>((resolve) => this.#slotWaiters.push(resolve));
      try {
        const size = await this.#openFile(gen, key);
        gen.noteLook();
        gen.head = await readAt(gen.handle!, 0, HEAD_BYTES);
        gen.seenEnd = Math.max(gen.seenEnd, size);
        await gen.startAt(await this.open(gen, startAtEnd ? size : 0), false);
        await gen.recallHeader(undefined);
        state.error = undefined;
        state.failures = 0;
        gen.announced = true;
        const fields = { rule: "new_file", inode: gen.key, size, from: gen.position };
        this.#tracking.context.log.info(`${gen.firstPath}: a file that was not known before`, fields);
        this.#tracking.schedule(gen);
      } finally {
        const next = this.#slotWaiters.shift();
        if (next !== undefined) next();
        else this.#slots++;
      }
    } catch (error) {
      await this.#withdraw(gen, key);
      if (signal.aborted) return;
      if (!isGone(error)) this.#failed(state, error);
      const paths = new Set([state.path, gen.place.path]);
      for (const path of paths) {
        if (isGone(error) || path !== state.path) void this.#tracking.serial(() => this.#tracking.look(path));
      }
    } finally {
      this.count--;
    }
  }

  /** Opens the file that was seen at the path, also when it was renamed since; returns its size. */
  async #openFile(gen: Generation, key: string): Promise<number> {
    const seen = gen.place;
    try {
      const size = await gen.openAt(seen.path);
      if (gen.key === key) return size;
      await gen.close();
    } catch (error) {
      if (!isGone(error)) throw error;
    }
    gen.place = seen;
    const wanted = { ...seen, firstPath: gen.firstPath, head: headOf(gen.head), points: [] };
    const found = await findSibling(wanted, (other) => this.#tracking.table.isTaken(other, gen));
    if (found === undefined) throw Object.assign(new Error("gone before it was opened"), { code: "ENOENT" });
    this.#tracking.table.moveTo(gen, found, this.#tracking);
    return found.size;
  }

  async #withdraw(gen: Generation, key: string): Promise<void> {
    this.#tracking.table.remove(gen);
    this.#tracking.table.leave(gen, key);
    // Should the runtime know it already: nothing was read of it, and it will be announced anew.
    if (!this.#tracking.signal.aborted) this.#tracking.output.forget(gen.id);
    gen.ended = true;
    await gen.close();
    this.#tracking.release(gen);
  }
}
