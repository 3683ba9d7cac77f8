import { stat } from "node:fs/promises";
import { dirname } from "node:path";
import { errorMessage } from "../../core/error.ts";
import type { KnownPartition, ResumePoint } from "../../core/component.ts";
import type { Announcing } from "./announcing.ts";
import { placeKey, type Generation } from "./generation.ts";
import { HEAD_BYTES, parseIdentity, parseResume, readAt, type FileIdentity } from "./identity.ts";
import { findSibling, openIfSame, type Found, type Wanted } from "./siblings.ts";
import { RETRY_MS, type Tracking } from "./tracking.ts";

/** A partition of which nobody can say yet whether its file is still there. */
interface Unresolved {
  readonly known: KnownPartition;
  readonly path: string;
  readonly key: string;
  retryAtMs: number;
}

/** Finds the files of the checkpoint again, wherever they are now. */
export class Recovery {
  readonly #tracking: Tracking;
  readonly #announcing: Announcing;
  readonly #unresolved = new Map<string, Unresolved>();

  constructor(tracking: Tracking, announcing: Announcing) {
    this.#tracking = tracking;
    this.#announcing = announcing;
  }

  /** Within a serial task. Those read furthest come first: they are told apart best. */
  async begin(): Promise<void> {
    const highest = (known: KnownPartition): number => Math.max(0, ...known.points.map((point) => point.position));
    const known = [...this.#tracking.output.known].sort((a, b) => highest(b) - highest(a));
    // Opened together, so that they share a write of the checkpoint.
    const opening: Promise<void>[] = [];
    for (const partition of known) await this.#resume(partition, opening);
    await Promise.all(opening);
  }

  /** Whether the file may be one of the checkpoint: then it must not be read as a new one. */
  claims(path: string, key: string): boolean {
    for (const each of this.#unresolved.values()) if (each.path === path || each.key === key) return true;
    return false;
  }

  tick(nowMs: number): void {
    for (const each of this.#unresolved.values()) {
      if (each.retryAtMs > nowMs) continue;
      each.retryAtMs = nowMs + RETRY_MS;
      void this.#tracking.serial(async () => {
        const opening: Promise<void>[] = [];
        await this.#resume(each.known, opening);
        await Promise.all(opening);
        if (!this.#unresolved.has(each.known.id)) await this.#tracking.look(each.path);
      });
    }
  }

  async #resume(known: KnownPartition, opening: Promise<void>[]): Promise<void> {
    const { output, options, context } = this.#tracking;
    const identity = parseIdentity(known.identity);
    if (identity === undefined) return output.forget(known.id);
    // Left out of `include` since: what is known of it is kept for the day it is put back.
    if (!options.matcher.matches(identity.path)) return;
    const path = identity.at ?? identity.path;
    let found: Found | undefined;
    let why: string;
    try {
      [found, why] = await this.#find({ ...identity, path, points: known.points });
    } catch (error) {
      // Whether it is there cannot be said (permissions, a failing disk, a folder that is not mounted).
      this.#postpone(known, path, identity, error);
      return;
    }
    this.#unresolved.delete(known.id);
    if (found === undefined) {
      const highest = Math.max(0, ...known.points.map((point) => point.position));
      context.log.warn(`${path}: ${why}; what it held after byte ${highest} cannot be found`);
      return output.forget(known.id);
    }
    context.log.info(`${path}: ${why}${found.place.path === path ? "" : ` at ${found.place.path}`}`);
    const gen = this.#announcing.generation(known.id, identity.path, found.place);
    this.#takePlace(gen, identity, found);
    opening.push(this.#open(gen, known, identity, found));
  }

  async #find(wanted: Wanted): Promise<[Found | undefined, why: string]> {
    const { table } = this.#tracking;
    const there = await openIfSame(wanted.path, wanted);
    if (there?.handle !== undefined) {
      if (there.rule !== "copied_file" && table.at(placeKey(there.place)) === undefined) return [there, there.rule];
      await there.handle.close();
    }
    if (there === undefined) await stat(dirname(wanted.path));
    const found = await findSibling(wanted, (key) => table.at(key) !== undefined);
    return [found, found?.rule ?? there?.rule ?? "not there any more"];
  }

  #postpone(known: KnownPartition, path: string, identity: FileIdentity, error: unknown): void {
    const { table, context } = this.#tracking;
    const message = errorMessage(error);
    if (!this.#unresolved.has(known.id))
      context.log.warn(`cannot read ${path}: ${message}; trying again, and then going on where it was left`);
    table.stateOf(path).error = message;
    const retryAtMs = context.now() + RETRY_MS;
    this.#unresolved.set(known.id, { known, path, key: placeKey(identity), retryAtMs });
  }

  #takePlace(gen: Generation, identity: FileIdentity, found: Found): void {
    const { table } = this.#tracking;
    table.moveTo(gen, found, this.#tracking);
    for (const path of [identity.path, identity.at]) {
      if (path === undefined) continue;
      const state = table.stateOf(path);
      state.error = undefined;
      if (path !== found.place.path) state.previous = gen;
    }
  }

  async #open(gen: Generation, known: KnownPartition, identity: FileIdentity, found: Found): Promise<void> {
    const { options, signal, table, schedule } = this.#tracking;
    try {
      gen.head = await readAt(found.handle, 0, HEAD_BYTES);
      const position = await this.#announcing.open(gen, options.startAtEnd ? found.size : 0);
      const point = known.points.find((each: ResumePoint) => each.position === position);
      await gen.startAt(position, parseResume(point?.resume)?.skip === true);
      gen.boundaries = [...new Set(known.points.map((each) => each.position))]
        .filter((at) => at > position)
        .sort((a, b) => a - b);
      gen.announced = true;
      schedule(gen);
    } catch (error) {
      table.remove(gen);
      gen.ended = true;
      await gen.close();
      this.#tracking.release(gen);
      if (!signal.aborted) this.#postpone(known, found.place.path, identity, error);
    }
  }
}
