import { headOf } from "./identity.ts";
import type { Generation, Place } from "./generation.ts";
import { reportLoss } from "./losses.ts";
import type { Rule } from "./rules.ts";
import { findSibling, isFound, lookFields, openIfSame, type Look, type Wanted } from "./siblings.ts";
import type { Tracking } from "./tracking.ts";

/** What becomes of a generation whose file is closed, or is not what was read of it. */
export class Replacement {
  readonly #tracking: Tracking;

  constructor(tracking: Tracking) {
    this.#tracking = tracking;
  }

  /** Opens a generation again whose file was closed. Returns whether it may be read; throws what the system says. */
  async reopen(gen: Generation): Promise<boolean> {
    await this.#throwing(async () => {
      if (!gen.ended && gen.handle === undefined) await this.#reopen(gen);
    });
    return gen.handle !== undefined;
  }

  /** What is at the file's place is not what was read: truncated, or truncated and grown again. Throws what reopen does. */
  async replaced(gen: Generation): Promise<void> {
    await this.#throwing(() => this.#replaced(gen, undefined));
  }

  /** Where a copy of an open file that was deleted is, compressed or not. */
  async placeOfCopy(gen: Generation): Promise<Place | undefined> {
    const found = await findSibling(wantedOf(gen), (key) => this.#tracking.table.isTaken(key, gen));
    await found?.handle.close();
    return found?.place;
  }

  /** A serial task whose failure is the caller's. */
  async #throwing(task: () => Promise<void>): Promise<void> {
    let failure: unknown;
    await this.#tracking.serial(async () => {
      try {
        await task();
      } catch (error) {
        failure = error;
      }
    });
    if (failure !== undefined) throw failure as Error;
  }

  async #reopen(gen: Generation): Promise<void> {
    const { context, table } = this.#tracking;
    const wanted = wantedOf(gen);
    const there = await openIfSame(gen.place.path, wanted);
    if (isFound(there)) {
      if (there.rule !== "copied_file") {
        gen.handle = there.handle;
        context.log.debug(`${gen.place.path}: ${there.rule}, opened again`, lookFields(there, wanted));
        return;
      }
      await there.handle.close();
    }
    const inPlace: readonly (Rule | undefined)[] = ["truncated_file", "rewritten_file", "new_file_at_old_inode"];
    if (inPlace.includes(there?.rule)) return this.#replaced(gen, there);
    const found = await findSibling(wanted, (key) => table.isTaken(key, gen));
    if (found !== undefined) {
      context.log.info(`${wanted.path}: ${found.rule} at ${found.place.path}`, lookFields(found, wanted));
      return table.moveTo(gen, found, this.#tracking);
    }
    reportLoss(this.#tracking, {
      ...{ path: wanted.path, reason: "deleted_before_read", position: gen.position },
      what: there === undefined ? "deleted while it was closed" : `${there.rule}: replaced while it was closed`,
      knownBytes: Math.max(gen.seenEnd, gen.unverifiedEnd) - gen.position + gen.heldBytes,
      fields: there === undefined ? { rule: "not_found" } : lookFields(there, wanted),
    });
    this.#tracking.end(gen, undefined);
    await this.#tracking.look(gen.place.path);
  }

  /** `there` is what a look showed; without one the file is open, and reading it showed that it is another content. */
  async #replaced(gen: Generation, there: Look | undefined): Promise<void> {
    const { context, table, schedule } = this.#tracking;
    if (gen.ended) return;
    const { path } = gen.place;
    const wanted = wantedOf(gen);
    const size = await gen.handle?.stat().then(
      (stats) => stats.size,
      () => 0,
    );
    const key = gen.key;
    // While it cannot be looked for a copy (the folder is locked, too many files are open) nothing is given up.
    const copy = await findSibling(wanted, (other) => other === key || table.isTaken(other, gen));
    await gen.close();
    gen.truncated = false;
    const rule: Rule = there?.rule ?? ((size ?? 0) < gen.position ? "truncated_file" : "rewritten_file");
    const fields =
      there === undefined ? { rule, inode: key, size: size ?? 0, positions: gen.position } : lookFields(there, wanted);
    table.leave(gen);
    const state = table.paths.get(path);
    if (state?.current === gen) state.current = undefined;
    if (copy !== undefined) {
      table.moveTo(gen, copy, this.#tracking);
      if (state !== undefined) state.previous = gen;
      const how = `what was not read yet is read from its copy ${copy.place.path}`;
      context.log.info(`${path}: ${rule}; ${how}`, { ...fields, copy: copy.rule });
      schedule(gen);
    } else {
      reportLoss(this.#tracking, {
        ...{ path, fields, reason: "truncated_before_read", position: gen.position },
        what: `${rule}; it is read from its beginning as a new generation`,
        knownBytes: gen.seenEnd - gen.position + gen.heldBytes,
      });
      this.#tracking.end(gen, undefined);
    }
    await this.#tracking.look(path);
  }
}

function wantedOf(gen: Generation): Wanted {
  return { ...gen.place, firstPath: gen.firstPath, head: headOf(gen.head), points: [gen.point()] };
}
