import { watch, type FSWatcher } from "chokidar";
import { stat } from "node:fs/promises";
import type { FileMatcher } from "./glob.ts";

/** What a watcher says: something happened at a path. `structural`: it may be another file now, or none. */
export type OnEvent = (path: string, structural: boolean) => void;

/**
 * Notifications of the system for the folders of a matcher. They are hints only: the tracker looks for itself.
 * Folders that do not exist are added by `refresh` once they do.
 */
export class Notifications {
  readonly #matcher: FileMatcher;
  readonly #watcher: FSWatcher;
  /** By folder: which folder it was, for one that was removed and made again is not watched any more. */
  readonly #watched = new Map<string, string>();
  /** Listened for from the beginning: it may come before anybody waits. */
  readonly #ready: Promise<void>;

  constructor(matcher: FileMatcher, onEvent: OnEvent, onError: (error: unknown) => void) {
    this.#matcher = matcher;
    this.#watcher = watch([], {
      ignoreInitial: true,
      ignorePermissionErrors: true,
      atomic: false,
      followSymlinks: true,
      ignored: (path, stats) => {
        if (stats === undefined) return !matcher.matches(path) && !matcher.mayContain(path);
        return stats.isDirectory() ? !matcher.mayContain(path) : !matcher.matches(path);
      },
    });
    this.#ready = new Promise((resolve) => this.#watcher.once("ready", () => resolve()));
    this.#watcher.on("add", (path) => onEvent(path, true));
    this.#watcher.on("unlink", (path) => onEvent(path, true));
    this.#watcher.on("change", (path) => onEvent(path, false));
    this.#watcher.on("error", onError);
  }

  /**
   * Watches folders that have come into being, and watches those again that were removed. Returns whether any did:
   * then events may have been missed, and somebody has to look.
   */
  async refresh(): Promise<boolean> {
    let changed = false;
    for (const base of this.#matcher.bases) {
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

  /** Resolves when the folders of the first refresh are watched. */
  async ready(): Promise<void> {
    if (this.#watched.size > 0) await this.#ready;
  }

  async close(): Promise<void> {
    await this.#watcher.close();
  }
}
