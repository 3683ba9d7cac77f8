import { stat } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { errorMessage } from "../../core/error.ts";
import type { InputStatus, KnownPartition, ResumePoint } from "../../core/component.ts";
import type { Announcing } from "./announcing.ts";
import type { Archives } from "./archives.ts";
import { placeKey, type Generation } from "./generation.ts";
import { HEAD_BYTES, headOf, parseIdentity, parseResume, readAt, type FileIdentity, type Head } from "./identity.ts";
import { reportLoss, type LossReason } from "./losses.ts";
import { compareRotated, isRotatedName, parseRotatedName } from "./rotated-name.ts";
import { isCutOff } from "./rules.ts";
import {
  findSibling,
  homesOf,
  isFound,
  lookFields,
  openIfSame,
  type Found,
  type Look,
  type Wanted,
} from "./siblings.ts";
import { LONGEST_RETRY_MS, RETRY_MS, SAY_AGAIN_MS, type Tracking } from "./tracking.ts";
import { headAt, isAmong, isRestOf, type LostFile, type Unseen } from "./unseen.ts";

/** A partition of which nobody can say yet whether its file is still there. */
interface Unresolved {
  readonly known: KnownPartition;
  readonly identity: FileIdentity;
  readonly path: string;
  readonly key: string;
  error: string;
  failures: number;
  retryAtMs: number;
  saidMs: number;
}

/** A partition whose file is nowhere. It is known until what came after it is. */
interface LostPartition extends LostFile {
  readonly id: string;
  readonly position: number;
  readonly report: () => void;
}

/** Files of the checkpoint that are looked at together. */
const LOOKS_AT_ONCE = 64;

/** What was at a file's place, or what kept us from looking. */
type FirstLook = { readonly there: Look | undefined } | { readonly error: unknown };

function wantedOf(known: KnownPartition, identity: FileIdentity): Wanted {
  const path = identity.at ?? identity.path;
  return { ...identity, path, firstPath: identity.path, born: identity.born ?? "", points: known.points };
}

/** Finds the files of the checkpoint again, wherever they are now. */
export class Recovery {
  readonly #tracking: Tracking;
  readonly #announcing: Announcing;
  readonly #unseen: Unseen;
  readonly #archives: Archives;
  readonly #unresolved = new Map<string, Unresolved>();
  /** By the path where they were first seen: what is gone, and what to say of it unless it turns up. */
  readonly #lost = new Map<string, LostPartition[]>();
  /** By path: files that were empty when they were last seen. What is there now may have come after others. */
  readonly #blank = new Map<string, LostFile>();
  /** During `begin`: how many partitions of the checkpoint were first seen at a path. */
  readonly #partitionsAt = new Map<string, number>();
  /** Files of the checkpoint of which all that was known had been read. */
  readonly #readWhole: { readonly path: string; readonly head: Head }[] = [];

  constructor(tracking: Tracking, announcing: Announcing, unseen: Unseen, archives: Archives) {
    this.#archives = archives;
    this.#tracking = tracking;
    this.#announcing = announcing;
    this.#unseen = unseen;
  }

  /** Within a serial task. Those read furthest come first: they are told apart best. */
  async begin(): Promise<void> {
    const highest = (known: KnownPartition): number => Math.max(0, ...known.points.map((point) => point.position));
    const known = [...this.#tracking.output.known].sort((a, b) => highest(b) - highest(a));
    // Opened together, so that they share a write of the checkpoint.
    const opening: Promise<void>[] = [];
    for (const { identity, lowest = 0 } of known) {
      const kept = parseIdentity(identity);
      if (kept !== undefined && lowest >= (kept.seen ?? Infinity)) this.#readWhole.push(kept);
    }
    for (const { identity } of known) {
      const path = parseIdentity(identity)?.path ?? "";
      this.#partitionsAt.set(path, (this.#partitionsAt.get(path) ?? 0) + 1);
    }
    for (let i = 0; i < known.length; i += LOOKS_AT_ONCE) {
      const group = known.slice(i, i + LOOKS_AT_ONCE);
      const looks = await Promise.all(group.map((partition) => this.#lookFor(partition)));
      for (let k = 0; k < group.length; k++) await this.#resume(group[k]!, opening, looks[k]);
      // Files are open until then, and there may be many times more than may be.
      if (opening.length >= this.#tracking.options.maxOpenFiles / 2) await Promise.all(opening.splice(0));
    }
    await this.#putInOrder();
    await Promise.all(opening);
    this.#partitionsAt.clear();
    // What was known may not be known here any more: nothing must be taken for new.
    if (this.#tracking.signal.aborted) return;
    const paths = new Set(known.map((each) => parseIdentity(each.identity)?.path));
    for (const path of paths) if (path !== undefined) await this.#findUnseen(path);
  }

  /**
   * Whether the checkpoint knew a file that begins so, read to its known end, under a rotated name of `path`: where
   * `include` matches those too, what it was compressed to since is not another file.
   */
  knew(path: string, head: Buffer): boolean {
    return this.#readWhole.some(
      (kept) =>
        dirname(kept.path) === dirname(path) &&
        parseRotatedName(basename(kept.path), basename(path)) !== undefined &&
        isRestOf(head, kept),
    );
  }

  /** Whether the file may be one of the checkpoint: then it must not be read as a new one. */
  claims(path: string, key: string): boolean {
    for (const each of this.#unresolved.values()) if (each.path === path || each.key === key) return true;
    return false;
  }

  /**
   * Whether the file may be what is left of one of the checkpoint under a rotated name (of copytruncate, a copy), while
   * nobody can look at that one: then it must not be read as a new one either.
   */
  async mayHoldRest(path: string): Promise<boolean> {
    const name = basename(path);
    const folder = dirname(path);
    const wanted = [...this.#unresolved.values()].filter(
      ({ path: at, identity }) =>
        identity.head.length > 0 &&
        [at, identity.path].some(
          (original) =>
            (dirname(original) === folder || dirname(original) === dirname(folder)) &&
            isRotatedName(name, basename(original)),
        ),
    );
    if (wanted.length === 0) return false;
    const head = await headAt(path);
    // Too little of it is there, or can be read, to tell it from a copy that is being made.
    return (
      head !== undefined &&
      wanted.some(
        ({ identity: { head: kept } }) =>
          head.length < kept.length || headOf(head.subarray(0, kept.length)).hash === kept.hash,
      )
    );
  }

  /** Returns whether anything waits to be tried again. */
  tick(nowMs: number): boolean {
    for (const each of this.#unresolved.values()) {
      if (each.retryAtMs > nowMs) continue;
      each.retryAtMs = Infinity;
      void this.#tracking.serial(async () => {
        const opening: Promise<void>[] = [];
        await this.#resume(each.known, opening);
        await Promise.all(opening);
        if (this.#tracking.signal.aborted) return;
        if (this.#unresolved.has(each.known.id)) return;
        await this.#findUnseen(each.identity.path);
        for (const path of new Set([each.path, each.identity.path])) await this.#tracking.look(path);
      });
    }
    return this.#unresolved.size > 0;
  }

  /** The partitions whose files cannot be opened: what is known of them is still to be read. */
  inputs(): InputStatus[] {
    return [...this.#unresolved.values()].map(({ known, identity, path, error }) => ({
      ...{ name: path, partition: known.id, state: "failed" as const, error },
      ...{ sizeBytes: Math.max(identity.seen ?? 0, known.lowest ?? 0), readBytes: known.lowest ?? 0 },
    }));
  }

  /** Looks ahead at where a file was: a trip to the disk for each in turn would take long where there are many. */
  async #lookFor(known: KnownPartition): Promise<FirstLook | undefined> {
    const identity = parseIdentity(known.identity);
    if (identity === undefined || !this.#tracking.options.matcher.matches(identity.path)) return undefined;
    if (identity.ended === true) return undefined;
    try {
      const wanted = wantedOf(known, identity);
      return { there: await openIfSame(wanted.path, wanted) };
    } catch (error) {
      return { error };
    }
  }

  async #resume(known: KnownPartition, opening: Promise<void>[], first?: FirstLook): Promise<void> {
    const { output, options, context } = this.#tracking;
    const identity = parseIdentity(known.identity);
    if (identity === undefined) return output.forget(known.id);
    if (identity.ended === true && (known.lowest ?? 0) >= (identity.seen ?? 0)) {
      if (options.readsArchives === true) this.#archives.remember(known.id, identity, known.points);
      else output.forget(known.id);
      return;
    }
    // Left out of `include` since: what is known of it is kept for the day it is put back.
    if (!options.matcher.matches(identity.path)) return;
    const path = identity.at ?? identity.path;
    const wanted = wantedOf(known, identity);
    let found: Found | undefined;
    let there: Look | undefined;
    try {
      [found, there] = await this.#find(wanted, first);
    } catch (error) {
      // Whether it is there cannot be said (permissions, a failing disk, a folder that is not mounted).
      this.#postpone(known, path, identity, error);
      return;
    }
    this.#unresolved.delete(known.id);
    const state = this.#tracking.table.paths.get(path);
    if (state !== undefined) state.error = undefined;
    if (found === undefined) return this.#reportLost(known, identity, wanted, there);
    const at = found.place.path === path ? "" : ` at ${found.place.path}`;
    context.log.info(`${path}: ${found.rule}${at}`, lookFields(found, wanted));
    const gen = this.#announcing.generation(known.id, identity.path, found.place);
    gen.seenEnd = identity.seen ?? 0;
    gen.mtimeMs = identity.mtimeMs ?? 0;
    if (identity.head.length === 0 && found.place.path === identity.path)
      this.#blank.set(identity.path, {
        mtimeMs: identity.mtimeMs ?? Infinity,
        head: identity.head,
        key: placeKey(identity),
      });
    this.#takePlace(gen, identity, found);
    opening.push(this.#open(gen, known, identity, found));
  }

  async #find(wanted: Wanted, first?: FirstLook): Promise<[found: Found | undefined, there: Look | undefined]> {
    const { table } = this.#tracking;
    if (first !== undefined && "error" in first) throw first.error as Error;
    const there = first === undefined ? await openIfSame(wanted.path, wanted) : first.there;
    if (isFound(there)) {
      if (there.rule !== "copied_file" && table.at(placeKey(there.place)) === undefined) return [there, there];
      await there.handle.close();
    }
    if (there === undefined) await stat(dirname(wanted.path));
    const isCutOffThere = there !== undefined && isCutOff(there.rule);
    return [await findSibling({ ...wanted, isCutOff: isCutOffThere }, (key) => table.at(key) !== undefined), there];
  }

  #reportLost(known: KnownPartition, identity: FileIdentity, wanted: Wanted, there: Look | undefined): void {
    const position = known.lowest ?? 0;
    if (identity.deleting === true && position >= (identity.seen ?? 0)) {
      this.#tracking.context.log.info(`${wanted.path}: it was deleted after all of it was delivered, as configured`);
      return this.#tracking.output.forget(known.id);
    }
    const [what, reason] = whatHappened(there);
    const report = (): void =>
      reportLoss(this.#tracking, {
        ...{ path: wanted.path, what, reason, position },
        knownBytes: (identity.seen ?? 0) - position,
        fields: there === undefined ? { rule: "not_found" } : lookFields(there, wanted),
      });
    // Checkpoints of 0.1 do not say when: then the times of other files tell nothing.
    const { path, mtimeMs = Infinity, head } = identity;
    this.#lost.set(path, [
      ...(this.#lost.get(path) ?? []),
      { mtimeMs, head, key: placeKey(identity), position, report, id: known.id },
    ]);
  }

  #postpone(known: KnownPartition, path: string, identity: FileIdentity, error: unknown): void {
    const { context } = this.#tracking;
    const nowMs = context.monotonicMs();
    const before = this.#unresolved.get(known.id);
    const failures = (before?.failures ?? 0) + 1;
    const message = errorMessage(error);
    let saidMs = before?.saidMs ?? -Infinity;
    if (before?.error !== message || nowMs - saidMs >= SAY_AGAIN_MS) {
      const attempts = failures === 1 ? "" : ` (attempt ${failures})`;
      context.log.warn(`cannot read ${path}: ${message}${attempts}; trying again, and then going on where it was left`);
      saidMs = nowMs;
    }
    const retryAtMs = nowMs + Math.min(RETRY_MS * 2 ** (failures - 1), LONGEST_RETRY_MS);
    const key = placeKey(identity);
    this.#unresolved.set(known.id, { known, identity, path, key, error: message, failures, retryAtMs, saidMs });
  }

  #takePlace(gen: Generation, identity: FileIdentity, found: Found): void {
    const { table, options } = this.#tracking;
    table.moveTo(gen, found, this.#tracking);
    for (const path of [identity.path, identity.at]) {
      // Known paths are looked at, and what comes to them is read: not so a rotated name that `include` leaves out.
      if (path === undefined || !options.matcher.matches(path)) continue;
      const state = table.stateOf(path);
      state.error = undefined;
      if (path !== found.place.path) state.previous = gen;
    }
  }

  /** Generations that were one after another under a path are read in that order, the oldest first. */
  async #putInOrder(): Promise<void> {
    const { table } = this.#tracking;
    const byPath = new Map<string, Generation[]>();
    for (const gen of table.generations) {
      const group = byPath.get(gen.firstPath);
      if (group === undefined) byPath.set(gen.firstPath, [gen]);
      else group.push(gen);
    }
    for (const [path, gens] of byPath) {
      if (gens.length < 2 && gens[0]!.place.path === path) continue;
      const homes = await homesOf(path);
      const rotated = gens
        .flatMap((gen) => {
          const [name] = homes.flatMap((home) => parseRotatedName(basename(gen.place.path), basename(home)) ?? []);
          return name === undefined ? [] : [{ gen, name, mtimeMs: gen.mtimeMs }];
        })
        .sort(compareRotated);
      const live = gens.find((gen) => gen.place.path === path);
      const ordered = [...rotated.map((each) => each.gen), ...(live === undefined ? [] : [live])];
      for (let i = 1; i < ordered.length; i++) ordered[i]!.blockedBy = ordered[i - 1];
      if (rotated.length > 0) table.stateOf(path).previous = rotated.at(-1)!.gen;
    }
  }

  /** What came and went at a path while nobody looked. */
  async #findUnseen(path: string): Promise<void> {
    // One that cannot be opened now may be what would be taken for unseen: it is looked for again first.
    for (const each of this.#unresolved.values()) if (each.identity.path === path) return;
    const lost = this.#lost.get(path) ?? [];
    const blank = this.#blank.get(path);
    this.#lost.delete(path);
    this.#blank.delete(path);
    const state = this.#tracking.table.stateOf(path);
    let heads: readonly Buffer[] = [];
    // Nothing did where the file that is there was known by its content.
    if (state.current === undefined || blank !== undefined) {
      const known = state.previous;
      const found = known === undefined || known.ended ? undefined : known;
      heads = await this.#unseen.find(path, { found, lost: blank === undefined ? lost : [...lost, blank] });
      if (state.current !== undefined && heads.length > 0) state.current.blockedBy = state.previous;
    }
    // Told to stop in between: the next start begins with what is known now.
    if (this.#tracking.signal.aborted) return;
    for (const each of lost) {
      if (each.position > 0 || !isAmong(heads, each)) each.report();
      this.#tracking.output.forget(each.id);
    }
  }

  /**
   * Whether there is nothing to read of a file, and nothing waits for it. It is closed then: of thousands of files only a
   * few are written to, and these are opened again when they grow.
   */
  async #isAtRest(gen: Generation): Promise<boolean> {
    if (gen.compressed !== undefined || gen.detachedAtMs !== undefined || gen.handle === undefined) return false;
    if (this.#partitionsAt.get(gen.firstPath) !== 1 || gen.place.path !== gen.firstPath || gen.position === 0)
      return false;
    if (gen.noteLook() !== gen.position) return false;
    gen.drained = true;
    await gen.close();
    return true;
  }

  async #open(gen: Generation, known: KnownPartition, identity: FileIdentity, found: Found): Promise<void> {
    const { options, signal, table, schedule } = this.#tracking;
    try {
      gen.head = found.head.length > 0 ? found.head : await readAt(found.handle, 0, HEAD_BYTES);
      const position = await this.#announcing.open(gen, options.startAtEnd ? found.size : 0);
      const point = known.points.find((each: ResumePoint) => each.position === position);
      const resume = parseResume(point?.resume);
      await gen.startAt(position, resume?.skip === true);
      await gen.recallHeader(resume?.header);
      gen.boundaries = [...new Set(known.points.map((each) => each.position))]
        .filter((at) => at > position)
        .sort((a, b) => a - b);
      gen.announced = true;
      if (!(await this.#isAtRest(gen))) schedule(gen);
    } catch (error) {
      table.remove(gen);
      gen.ended = true;
      await gen.close();
      this.#tracking.release(gen);
      if (!signal.aborted) this.#postpone(known, found.place.path, identity, error);
    }
  }
}

/** In words, and as a reason, what a file that is not the wanted one says about that. */
function whatHappened(there: Look | undefined): [what: string, reason: LossReason] {
  if (there === undefined)
    return ["deleted while nobody looked, or moved to where it is not found", "deleted_while_down"];
  if (there.damage !== undefined) return [`compressed, and damaged (${there.damage})`, "compressed_damaged"];
  if (isCutOff(there.rule)) return [`truncated while nobody looked (${there.rule})`, "truncated_while_down"];
  return [`replaced by another file while nobody looked (${there.rule})`, "replaced_while_down"];
}
