import type { SourceContext } from "../../core/component.ts";
import type { FileMatcher } from "../../disk/glob.ts";

/** What a watcher says: something happened at a path. `structural`: it may be another file now, or none. */
export type OnEvent = (path: string, structural: boolean) => void;

/**
 * What the system tells of the folders of a matcher. These are hints only: the tracker looks for itself, and nothing but
 * the time until a line is read depends on them.
 */
export interface Notifications {
  /**
   * Watches what has come into being, watches again what was removed, and tries again what could not be watched; to be
   * called regularly. Returns whether there was any: then events may have been missed, and somebody has to look.
   */
  refresh(): Promise<boolean>;
  close(): Promise<void>;
}

export interface NotificationsOptions {
  readonly matcher: FileMatcher;
  readonly onEvent: OnEvent;
  /** Told once when something cannot be watched, and again when it could be in between. */
  readonly onFailure: (error: unknown) => void;
  readonly context: Pick<SourceContext, "monotonicMs">;
}

/**
 * Linux is asked directly, other systems by chokidar, which knows how they differ; with `chokidar` that is taken
 * everywhere. chokidar reads a whole folder again for what happens in it: 100 lines a second in 50 files took half a
 * core, and a sixth without it (`npm run bench:trickle`, docs/decisions/0010-watching.md).
 */
export async function openNotifications(
  watch: "notify" | "chokidar",
  options: NotificationsOptions,
): Promise<Notifications> {
  if (watch === "notify" && process.platform === "linux") {
    const { FolderNotifications } = await import("./folder-watch.ts");
    return new FolderNotifications(options);
  }
  const { ChokidarNotifications } = await import("./chokidar-watch.ts");
  return new ChokidarNotifications(options);
}
