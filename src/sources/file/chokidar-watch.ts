import { watch, type FSWatcher } from "chokidar";
import { stat } from "node:fs/promises";
import type { Notifications, NotificationsOptions } from "./watch.ts";

/** A watcher that failed is replaced after so long; after each further failure twice as long, up to the longest. */
const RENEW_MS = 1000;
const LONGEST_RENEW_MS = 600_000;
/** Longer than the 50 ms in which chokidar tells one change of a path: the last of all would go untold. */
const TELL_AGAIN_MS = 100;

/**
 * Notifications by chokidar. A watcher of its that fails, because descriptors or watches are short, neither says what it
 * does not watch nor tries again; so `refresh` makes another one.
 */
export class ChokidarNotifications implements Notifications {
  readonly #options: NotificationsOptions;
  #watcher: FSWatcher;
  /** By folder: which folder it was, for one that was removed and made again is not watched any more. */
  readonly #watched = new Map<string, string>();
  /** Something happened that nobody was told of: folders were watched only after it. */
  #isUntold = false;
  /** Paths that changed, to be told once more. */
  readonly #changed = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #madeAtMs = 0;
  /** In a row, of watchers that did not last. */
  #failures = 0;
  /** `monotonicMs`; undefined while the watcher works. */
  #renewAtMs: number | undefined;
  #isClosed = false;

  constructor(options: NotificationsOptions) {
    this.#options = options;
    this.#watcher = this.#make();
  }

  #make(): FSWatcher {
    const { matcher, onEvent, onFailure, context } = this.#options;
    this.#madeAtMs = context.monotonicMs();
    const watcher = watch([], {
      ignoreInitial: true,
      ignorePermissionErrors: true,
      atomic: false,
      followSymlinks: true,
      ignored: (path, stats) => {
        if (stats === undefined) return !matcher.matches(path) && !matcher.mayContain(path);
        return stats.isDirectory() ? !matcher.mayContain(path) : !matcher.matches(path);
      },
    });
    watcher.on("add", (path) => onEvent(path, true));
    watcher.on("unlink", (path) => onEvent(path, true));
    watcher.on("change", (path) => {
      onEvent(path, false);
      this.#changed.add(path);
      this.#timer ??= setTimeout(() => this.#tellAgain(), TELL_AGAIN_MS).unref();
    });
    // What happened until now was not told.
    watcher.on("ready", () => (this.#isUntold = true));
    watcher.on("error", (error) => {
      if (watcher !== this.#watcher || this.#renewAtMs !== undefined || this.#isClosed) return;
      const nowMs = context.monotonicMs();
      if (nowMs - this.#madeAtMs > LONGEST_RENEW_MS) this.#failures = 0;
      this.#renewAtMs = nowMs + Math.min(RENEW_MS * 2 ** this.#failures++, LONGEST_RENEW_MS);
      onFailure(error);
    });
    return watcher;
  }

  #tellAgain(): void {
    this.#timer = undefined;
    const paths = [...this.#changed];
    this.#changed.clear();
    if (!this.#isClosed) for (const path of paths) this.#options.onEvent(path, false);
  }

  async refresh(): Promise<boolean> {
    if (this.#renewAtMs !== undefined && this.#renewAtMs <= this.#options.context.monotonicMs()) await this.#renew();
    let changed = this.#isUntold;
    this.#isUntold = false;
    for (const base of this.#options.matcher.bases) {
      const found = await stat(base, { bigint: true }).catch(() => undefined);
      const folder = found?.isDirectory() === true ? `${found.dev}:${found.ino}:${found.birthtimeNs}` : undefined;
      const watched = this.#watched.get(base);
      if (folder === watched) continue;
      changed = true;
      if (watched !== undefined) this.#watcher.unwatch(base);
      this.#watched.delete(base);
      if (folder === undefined) continue;
      this.#watched.set(base, folder);
      this.#watcher.add(base);
    }
    return changed;
  }

  async #renew(): Promise<void> {
    const failed = this.#watcher;
    this.#watched.clear();
    this.#watcher = this.#make();
    this.#renewAtMs = undefined;
    await failed.close();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#watcher.close();
  }
}
