import { errorMessage } from "../../core/error.ts";
import type { PathState } from "./file-table.ts";
import type { Generation } from "./generation.ts";
import { LONGEST_RETRY_MS, RETRY_MS, SAY_AGAIN_MS, tooManyFiles, type Tracking } from "./tracking.ts";

/** Files closed at once when no more can be opened. */
const CLOSE_AT_ONCE = 16;
/** With fewer it would only open and close files. */
const FEWEST_OPEN = 8;
/** After so long without the system refusing to open a file, more are kept open again. */
const RELAX_MS = 60_000;

/** What to do, and to say, when files cannot be opened or read: they are tried again for ever, and nothing is skipped. */
export class Trouble {
  readonly #tracking: Tracking;
  /** Files that may be kept open, as far as the system let us. */
  mostOpenFiles = Infinity;
  #refusedAtMs = -Infinity;
  #isRefused = false;

  constructor(tracking: Tracking) {
    this.#tracking = tracking;
  }

  /** A file at a path could not be looked at or opened. */
  pathFailed(state: PathState, error: unknown): void {
    const { context } = this.#tracking;
    const nowMs = context.monotonicMs();
    const message = errorMessage(error);
    state.failures++;
    state.waitsForFiles = tooManyFiles(error);
    state.retryAtMs = nowMs + pauseMs(state.waitsForFiles ? 1 : state.failures);
    if (state.waitsForFiles) this.#refused(nowMs);
    else if (state.error !== message || nowMs - state.saidMs >= SAY_AGAIN_MS) {
      const attempts = state.failures === 1 ? "" : ` (attempt ${state.failures})`;
      context.log.warn(`cannot read ${state.path}: ${message}${attempts}; trying again`);
      state.saidMs = nowMs;
    }
    state.error = message;
  }

  /** A file that is known could not be read. */
  readFailed(gen: Generation, error: unknown): void {
    const { context } = this.#tracking;
    const nowMs = context.monotonicMs();
    const message = errorMessage(error);
    gen.failures++;
    if (gen.failures === 1) gen.failingSinceMs = nowMs;
    const waits = tooManyFiles(error);
    gen.retryAtMs = nowMs + pauseMs(waits ? 1 : gen.failures);
    if (waits) this.#refused(nowMs);
    else if (gen.error !== message || nowMs - gen.saidMs >= SAY_AGAIN_MS) {
      const path = gen.place.path;
      const unread = gen.presentEnd() - gen.position;
      const fields = { position: gen.position, unread_bytes: unread, attempt: gen.failures };
      if (gen.failures === 1) context.log.warn(`cannot read ${path}: ${message}; trying again`, fields);
      else {
        const seconds = Math.round((nowMs - gen.failingSinceMs) / 1000);
        context.log.error(`cannot read ${path} for ${seconds} s: ${message}; nothing of it is skipped`, fields);
      }
      gen.saidMs = nowMs;
    }
    gen.error = message;
  }

  /** A folder could not be looked into. Returns whether only because too many files are open. */
  folderFailed(error: unknown): boolean {
    if (!tooManyFiles(error)) return false;
    this.#refused(this.#tracking.context.monotonicMs());
    return true;
  }

  readAgain(gen: Generation): void {
    if (gen.error === undefined) return;
    const { context } = this.#tracking;
    const seconds = Math.round((context.monotonicMs() - gen.failingSinceMs) / 1000);
    context.log.info(`${gen.place.path} can be read again, after ${seconds} s`);
    gen.error = undefined;
    gen.failures = 0;
  }

  tick(nowMs: number): void {
    if (this.mostOpenFiles === Infinity || nowMs - this.#refusedAtMs < RELAX_MS) return;
    if (this.#isRefused) this.#tracking.context.log.info("files can be opened again");
    this.#isRefused = false;
    this.#refusedAtMs = nowMs;
    this.mostOpenFiles *= 2;
    if (this.mostOpenFiles >= this.#tracking.options.maxOpenFiles) this.mostOpenFiles = Infinity;
  }

  /** The process, or the system, has too many files open: some are closed, and fewer are kept open from now on. */
  #refused(nowMs: number): void {
    const { context, table } = this.#tracking;
    this.#refusedAtMs = nowMs;
    const open = [...table.generations].filter((gen) => gen.handle !== undefined).length;
    this.mostOpenFiles = Math.max(FEWEST_OPEN, Math.min(this.mostOpenFiles, open - CLOSE_AT_ONCE));
    table.closeIdle(CLOSE_AT_ONCE);
    if (this.#isRefused) return;
    this.#isRefused = true;
    context.log.error(
      "too many open files: others wait until some are closed, and nothing is lost; raise the limit (LimitNOFILE) or lower max_open_files",
      { open_files: open },
    );
  }
}

function pauseMs(failures: number): number {
  return Math.min(RETRY_MS * 2 ** (failures - 1), LONGEST_RETRY_MS);
}
