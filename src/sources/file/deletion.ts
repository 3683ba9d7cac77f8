import { stat, unlink } from "node:fs/promises";
import { errorMessage } from "../../core/error.ts";
import { placeKey, type Generation } from "./generation.ts";
import { untilAborted } from "./read-turn.ts";
import type { Tracking } from "./tracking.ts";

/** After an attempt that failed, or that showed that somebody still writes. */
const RETRY_MS = 60_000;
/** Whether everything is delivered is asked so often. */
const ASK_MS = 1000;

/** Deletes files that are delivered and quiet, by choice (`delete_delivered_after_ms`). */
export class Deletion {
  readonly #tracking: Tracking;

  constructor(tracking: Tracking) {
    this.#tracking = tracking;
  }

  /** Whether it is time to try. Returns false also while something of it waits to be read or delivered. */
  isDue(gen: Generation, nowMs: number): boolean {
    const { deleteAfterMs } = this.#tracking.options;
    if (deleteAfterMs === undefined || gen.deleteAtMs > nowMs || gen.position === 0) return false;
    if (!gen.announced || gen.ended || gen.busy || gen.queued || gen.error !== undefined) return false;
    if (gen.detachedAtMs !== undefined || gen.blockedBy !== undefined || gen.compressed !== undefined) return false;
    if (nowMs - gen.lastGrowthMs < deleteAfterMs || gen.pendingBytes > 0 || gen.heldBytes > 0) return false;
    gen.deleteAtMs = nowMs + ASK_MS;
    return (this.#tracking.output.delivered?.(gen.id) ?? 0) >= gen.position;
  }

  /** Within a serial task. It stays open: what somebody writes in this moment is still read. */
  async delete(gen: Generation): Promise<void> {
    const { context, options, output, signal, table } = this.#tracking;
    const { path } = gen.place;
    if (gen.ended || table.paths.get(path)?.current !== gen || !options.matcher.matches(path)) return;
    try {
      if (!(await isAsRead(gen))) return this.#putOff(gen);
      if (!(await this.#open(gen))) return this.#putOff(gen);
      // On disk before the file goes: a start after a crash then knows that nothing is missing.
      const identity = { ...gen.identity(), deleting: true };
      const noting = output.open({ id: gen.id, identity, startPosition: 0 }).then(() => undefined);
      await untilAborted(noting, signal);
      if (signal.aborted) return;
      if (!(await isAsRead(gen))) {
        output.update(gen.id, gen.identity());
        return this.#putOff(gen);
      }
      await unlink(path);
      const quietMs = Math.round(context.monotonicMs() - gen.lastGrowthMs);
      context.log.info(`${path}: deleted: every sink has all of it`, { size: gen.position, quiet_ms: quietMs });
    } catch (error) {
      context.log.warn(`cannot delete ${path}, which is delivered: ${errorMessage(error)}; trying again`);
      return this.#putOff(gen);
    }
    await this.#tracking.look(path);
  }

  /** Opens it where it was closed. False when another file is at the path by now. */
  async #open(gen: Generation): Promise<boolean> {
    if (gen.handle !== undefined) return true;
    const { place } = gen;
    await gen.openAt(place.path);
    if (gen.key === placeKey(place)) return true;
    await gen.close();
    gen.place = place;
    return false;
  }

  #putOff(gen: Generation): void {
    gen.deleteAtMs = this.#tracking.context.monotonicMs() + Math.min(RETRY_MS, this.#tracking.options.deleteAfterMs!);
  }
}

/** Whether what is at the path is the file, and has nothing that was not read. */
async function isAsRead(gen: Generation): Promise<boolean> {
  const stats = await stat(gen.place.path, { bigint: true });
  return placeKey(stats) === gen.key && Number(stats.size) === gen.position;
}
