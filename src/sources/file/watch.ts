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
  readonly #watched = new Set<string>();

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
    this.#watcher.on("add", (path) => onEvent(path, true));
    this.#watcher.on("unlink", (path) => onEvent(path, true));
    this.#watcher.on("change", (path) => onEvent(path, false));
    this.#watcher.on("error", onError);
  }

  /** Watches folders that have come into being, and watches those again that were removed. Returns whether any did. */
  async refresh(): Promise<boolean> {
    let changed = false;
    for (const base of this.#matcher.bases) {
      const exists = await stat(base).then(
        (stats) => stats.isDirectory(),
        () => false,
      );
      if (exists && !this.#watched.has(base)) {
        this.#watched.add(base);
        this.#watcher.add(base);
        changed = true;
      } else if (!exists && this.#watched.delete(base)) {
        this.#watcher.unwatch(base);
        changed = true;
      }
    }
    return changed;
  }

  /** Resolves when the folders of the first refresh are watched. */
  async ready(): Promise<void> {
    if (this.#watched.size === 0) return;
    await new Promise<void>((resolve) => this.#watcher.once("ready", () => resolve()));
  }

  async close(): Promise<void> {
    await this.#watcher.close();
  }
}
