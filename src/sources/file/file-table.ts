import type { InputStatus } from "../../core/component.ts";
import type { Generation } from "./generation.ts";
import type { Found } from "./siblings.ts";
import type { Tracking } from "./tracking.ts";

/** What is known of one path that the globs match. Times in `monotonicMs`. */
export interface PathState {
  readonly path: string;
  current: Generation | undefined;
  /** What was under this path before, and is read to its end before what is there now. */
  previous: Generation | undefined;
  /**
   * The last that was safely known, while `previous` is one that was gone before it could be opened: nothing is known of
   * that but that it was there, so it does not tell what was rotated after it.
   */
  anchor: Generation | undefined;
  error: string | undefined;
  retryAtMs: number;
  /** How often it could not be opened, one after another, and when that was last said. */
  failures: number;
  saidMs: number;
  /** What keeps it from being read is only that too many files are open. */
  waitsForFiles: boolean;
  lookAtMs: number;
  lastLookMs: number;
  /** A look is asked for and has not begun: what happens until then it will see, so that one is enough. */
  isLookQueued: boolean;
  /** It looks like a copy of a file that is about to be truncated: until then it is not read as a new file. */
  copyUntilMs: number | undefined;
  copySize: bigint;
  copyKey: string;
  /** What is there was not written to for too long, and is not read. */
  isIgnored: boolean;
  /** A compressed file that was there and is not read as it is. */
  compressedKey: string;
}

/** Which generations there are, which files they are in, and which is current at which path. */
export class FileTable {
  readonly generations = new Set<Generation>();
  readonly paths = new Map<string, PathState>();
  readonly #byKey = new Map<string, Generation>();
  /** What was last at paths where nothing is any more, those that went first at first. */
  readonly #past = new Map<string, Pick<PathState, "previous" | "anchor"> & { readonly goneMs: number }>();

  /** The generation in a file, by device and inode. */
  at(key: string): Generation | undefined {
    return this.#byKey.get(key);
  }

  add(gen: Generation): void {
    this.generations.add(gen);
    this.#byKey.set(gen.key, gen);
  }

  /** The generation is not in its file any more: that was truncated, or the inode is another file's now. */
  leave(gen: Generation, key = gen.key): void {
    if (this.#byKey.get(key) === gen) this.#byKey.delete(key);
  }

  remove(gen: Generation): void {
    this.generations.delete(gen);
    this.leave(gen);
    for (const state of [this.paths.get(gen.place.path), this.paths.get(gen.firstPath)]) {
      if (state?.current === gen) state.current = undefined;
    }
  }

  isTaken(key: string, by: Generation): boolean {
    const owner = this.#byKey.get(key);
    return owner !== undefined && owner !== by;
  }

  /** Whether another file is where a generation was, and safely known: until then the old one must stay so. */
  isNameTaken(gen: Generation): boolean {
    return [gen.place.path, gen.firstPath].some((path) => this.paths.get(path)?.current?.announced === true);
  }

  stateOf(path: string): PathState {
    let state = this.paths.get(path);
    if (state === undefined) {
      const { previous, anchor } = this.#past.get(path) ?? {};
      this.#past.delete(path);
      state = {
        path,
        current: undefined,
        previous,
        anchor,
        error: undefined,
        retryAtMs: Infinity,
        failures: 0,
        saidMs: -Infinity,
        waitsForFiles: false,
        lookAtMs: Infinity,
        lastLookMs: -Infinity,
        isLookQueued: false,
        copyUntilMs: undefined,
        copySize: -1n,
        copyKey: "",
        isIgnored: false,
        compressedKey: "",
      };
      this.paths.set(path, state);
    }
    return state;
  }

  /**
   * Nothing is at the path, and what was is read. What it was is remembered for a while: only by that it is seen that
   * between it and the next file there another one came and went.
   */
  leavePath({ path, previous, anchor }: PathState, nowMs: number): void {
    this.paths.delete(path);
    if (previous !== undefined || anchor !== undefined) this.#past.set(path, { previous, anchor, goneMs: nowMs });
  }

  forgetPast(nowMs: number): void {
    for (const [path, { goneMs }] of this.#past) {
      if (nowMs - goneMs < REMEMBERED_MS) return;
      this.#past.delete(path);
    }
  }

  /** The generation goes on in another file: its own under a new name, or a copy. Takes over the open file. */
  moveTo(gen: Generation, found: Found, { options, context, output }: Tracking): void {
    const old = this.paths.get(gen.place.path);
    if (old?.current === gen && found.place.path !== gen.place.path) {
      old.current = undefined;
      old.previous = gen;
    }
    this.leave(gen);
    gen.place = found.place;
    gen.handle = found.handle;
    gen.drained = false;
    // How much a compressed file holds is only known when it was read.
    if (gen.compressed === undefined) gen.seenEnd = Math.max(gen.seenEnd, found.size);
    this.#byKey.set(gen.key, gen);
    if (options.matcher.matches(found.place.path) && gen.compressed === undefined) {
      this.stateOf(found.place.path).current = gen;
      gen.detachedAtMs = undefined;
    } else {
      gen.detachedAtMs ??= context.monotonicMs();
    }
    if (gen.announced) output.update(gen.id, gen.identity());
  }

  /**
   * Closes up to `count` files that were quiet longest. One with bytes that wait for more (a half line) only after all
   * others, and one that waits for its turn never: should it be deleted meanwhile, they were lost.
   */
  closeIdle(count: number): void {
    const idle = [...this.generations]
      .filter(
        (gen) =>
          gen.handle !== undefined &&
          gen.announced &&
          gen.drained &&
          !gen.busy &&
          !gen.queued &&
          gen.blockedBy === undefined &&
          gen.detachedAtMs === undefined,
      )
      .sort((a, b) => Math.sign(a.pendingBytes) - Math.sign(b.pendingBytes) || a.lastUsedMs - b.lastUsedMs);
    for (const gen of idle.slice(0, count)) void gen.close();
  }

  inputs(): InputStatus[] {
    const status: InputStatus[] = [];
    const shown = new Set<Generation>();
    for (const state of this.paths.values()) {
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
    await Promise.all([...this.generations].map((gen) => gen.close()));
  }
}

/** How long it is remembered what was at a path, when nothing is there any more. */
const REMEMBERED_MS = 3_600_000;

function inputOf(gen: Generation, name: string): InputStatus {
  const waits = !gen.announced || gen.blockedBy !== undefined;
  const reads = gen.busy || gen.queued;
  const state =
    gen.error !== undefined ? "failed" : waits ? "waiting" : reads ? "reading" : gen.closing ? "finished" : "idle";
  const sizes = { sizeBytes: gen.presentEnd(), readBytes: gen.position };
  const waitingFor = state === "waiting" ? waitsFor(gen) : undefined;
  return { name, partition: gen.id, state, ...sizes, error: gen.error, waitingFor };
}

function waitsFor(gen: Generation): string {
  if (gen.blockedBy === undefined) return "it is opened";
  return `${gen.blockedBy.place.path} is read to its end`;
}
