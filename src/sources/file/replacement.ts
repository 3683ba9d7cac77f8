import { headOf } from "./identity.ts";
import type { Generation } from "./generation.ts";
import { findSibling, openIfSame, type Wanted } from "./siblings.ts";
import type { Tracking } from "./tracking.ts";

/** What becomes of a generation whose file is closed, or is not what was read of it. */
export class Replacement {
  readonly #tracking: Tracking;

  constructor(tracking: Tracking) {
    this.#tracking = tracking;
  }

  /** Opens a generation again whose file was closed. Returns whether it may be read; throws what the system says. */
  async reopen(gen: Generation): Promise<boolean> {
    let failure: unknown;
    await this.#tracking.serial(async () => {
      try {
        if (!gen.ended && gen.handle === undefined) await this.#reopen(gen);
      } catch (error) {
        failure = error;
      }
    });
    if (failure !== undefined) throw failure as Error;
    return gen.handle !== undefined;
  }

  /** What is at the file's place is not what was read: truncated, or truncated and grown again. */
  replaced(gen: Generation): Promise<void> {
    return this.#tracking.serial(() => this.#replaced(gen, undefined));
  }

  async #reopen(gen: Generation): Promise<void> {
    const { output, table } = this.#tracking;
    const wanted = wantedOf(gen);
    const there = await openIfSame(gen.place.path, wanted);
    if (there?.handle !== undefined) {
      if (there.rule !== "copied_file") {
        gen.handle = there.handle;
        return;
      }
      await there.handle.close();
    }
    if (there !== undefined && (there.rule === "truncated_file" || there.rule === "new_file_at_old_inode")) {
      return this.#replaced(gen, there.rule);
    }
    const found = await findSibling(wanted, (key) => table.isTaken(key, gen));
    if (found !== undefined) return table.moveTo(gen, found, this.#tracking);
    const unread = Math.max(gen.seenEnd, gen.unverifiedEnd) - gen.position + gen.heldBytes;
    if (unread > 0) output.dropped(unread, "deleted_before_read");
    this.#tracking.end(gen, "deleted; all that was seen of it has been read");
    await this.#tracking.look(gen.place.path);
  }

  async #replaced(gen: Generation, rule: string | undefined): Promise<void> {
    const { context, output, table, schedule } = this.#tracking;
    if (gen.ended) return;
    const path = gen.place.path;
    const size = await gen.handle?.stat().then(
      (stats) => stats.size,
      () => 0,
    );
    await gen.close();
    gen.truncated = false;
    const decided = rule ?? ((size ?? 0) < gen.position ? "truncated_file" : "new_file_at_old_inode");
    const key = gen.key;
    table.leave(gen);
    const state = table.paths.get(path);
    if (state?.current === gen) state.current = undefined;
    const wanted = wantedOf(gen);
    const copy = await findSibling(wanted, (other) => other === key || table.isTaken(other, gen));
    if (copy !== undefined) {
      table.moveTo(gen, copy, this.#tracking);
      if (state !== undefined) state.previous = gen;
      context.log.info(`${path}: ${decided}; what was not read yet is read from its copy ${copy.place.path}`);
      schedule(gen);
    } else {
      const unread = gen.seenEnd - gen.position + gen.heldBytes;
      if (unread > 0) output.dropped(unread, "truncated_before_read");
      this.#tracking.end(gen, `${decided}; read from its beginning as a new generation`);
    }
    await this.#tracking.look(path);
  }
}

function wantedOf(gen: Generation): Wanted {
  const { path, dev, ino } = gen.place;
  return { path, dev, ino, head: headOf(gen.head), points: [gen.point()] };
}
