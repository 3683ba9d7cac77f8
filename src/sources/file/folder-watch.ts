import { watch, type FSWatcher } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { isGone } from "./tracking.ts";
import type { FileMatcher } from "../../disk/glob.ts";
import type { Notifications, NotificationsOptions, OnEvent } from "./watch.ts";

/** Of one path no more is told than one change in so many milliseconds, and one more after them if there were others. */
const TELL_EVERY_MS = 50;
/** Folders are searched for others that came unnoticed once in so many refreshes. */
const SEARCH_EVERY = 10;

interface Watched {
  /** Which folder or file it was: one that was removed and made again is not watched any more. */
  readonly key: string;
  readonly watcher: FSWatcher;
}

/**
 * Notifications by `fs.watch`, a watch a folder, which is what inotify is good at; files that are links have one of their
 * own, for they grow elsewhere.
 */
export class FolderNotifications implements Notifications {
  readonly #matcher: FileMatcher;
  readonly #onEvent: OnEvent;
  readonly #onFailure: (error: unknown) => void;
  readonly #folders = new Map<string, Watched>();
  readonly #links = new Map<string, Watched>();
  /** Folders in which one was made, or that may be gone. */
  readonly #stale = new Set<string>();
  /** By path: whether a change was left out since the last that was told. */
  readonly #told = new Map<string, boolean>();
  #timer: NodeJS.Timeout | undefined;
  /** Said before, until it goes away. */
  #failing = "";
  #refreshes = 0;
  #isClosed = false;

  constructor({ matcher, onEvent, onFailure }: NotificationsOptions) {
    this.#matcher = matcher;
    this.#onEvent = onEvent;
    this.#onFailure = onFailure;
  }

  async refresh(): Promise<boolean> {
    let changed = false;
    const isSearch = this.#refreshes++ % SEARCH_EVERY === 0;
    const stale = new Set(this.#stale);
    this.#stale.clear();
    const visited = new Set<string>();
    for (const folder of new Set([...this.#matcher.bases, ...stale])) {
      if (await this.#visit(folder, isSearch || stale.has(folder), visited)) changed = true;
    }
    if (isSearch) this.#forgetUnseen(visited);
    else for (const path of this.#links.keys()) if (await this.#watchLink(path)) changed = true;
    return changed;
  }

  /** Watches a folder, and all below it when it is new (or `deep`). Returns whether any of them is new, or gone. */
  async #visit(folder: string, deep: boolean, visited: Set<string>): Promise<boolean> {
    const key = await keyOf(folder, true);
    if (this.#isClosed || (key !== undefined && visited.has(key))) return false;
    const before = this.#folders.get(folder);
    const isNew = key !== before?.key;
    if (isNew) {
      before?.watcher.close();
      this.#folders.delete(folder);
      if (key !== undefined)
        this.#watch(this.#folders, folder, key, (type, name) => this.#happened(folder, type, name));
    }
    if (key === undefined) return isNew;
    visited.add(key);
    if (!isNew && !deep) return false;
    let changed = isNew;
    const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
    for (const entry of entries) {
      const path = join(folder, entry.name);
      const isLink = entry.isSymbolicLink();
      if ((entry.isDirectory() || isLink) && this.#matcher.mayContain(path)) {
        if (await this.#visit(path, true, visited)) changed = true;
      }
      if (isLink && this.#matcher.matches(path) && (await this.#watchLink(path))) changed = true;
    }
    return changed;
  }

  async #watchLink(path: string): Promise<boolean> {
    const key = await keyOf(path, false);
    const before = this.#links.get(path);
    if (this.#isClosed || key === before?.key) return false;
    before?.watcher.close();
    this.#links.delete(path);
    if (key === undefined) return before !== undefined;
    this.#watch(this.#links, path, key, (type) => this.#tell(path, type === "rename"));
    return true;
  }

  #watch(into: Map<string, Watched>, path: string, key: string, on: (type: string, name: string | null) => void): void {
    try {
      const watcher = watch(path, { persistent: false }, on);
      watcher.on("error", (error) => {
        watcher.close();
        if (into.get(path)?.watcher === watcher) into.delete(path);
        this.#fail(error);
      });
      into.set(path, { key, watcher });
      this.#failing = "";
    } catch (error) {
      if (!isGone(error)) this.#fail(error);
    }
  }

  /** Tried again with every refresh, and said once. */
  #fail(error: unknown): void {
    const code = String((error as { code?: unknown }).code ?? error);
    if (this.#failing === code) return;
    this.#failing = code;
    this.#onFailure(error);
  }

  #happened(folder: string, type: string, name: string | null): void {
    if (name === null) return;
    const path = join(folder, name);
    const isStructural = type === "rename";
    if (isStructural && this.#matcher.mayContain(path)) this.#stale.add(folder);
    // The folder itself went.
    if (isStructural && folder.endsWith(`/${name}`)) this.#stale.add(folder);
    this.#tell(path, isStructural);
  }

  #tell(path: string, isStructural: boolean): void {
    if (!this.#told.has(path)) {
      if (!this.#matcher.matches(path)) return;
      this.#told.set(path, false);
      this.#timer ??= setTimeout(() => this.#tellRest(), TELL_EVERY_MS).unref();
      this.#onEvent(path, isStructural);
    } else if (isStructural) this.#onEvent(path, true);
    else this.#told.set(path, true);
  }

  #tellRest(): void {
    this.#timer = undefined;
    for (const [path, isLeftOut] of this.#told) {
      if (isLeftOut) {
        this.#told.set(path, false);
        this.#onEvent(path, false);
      } else this.#told.delete(path);
    }
    if (this.#told.size > 0 && !this.#isClosed) this.#timer = setTimeout(() => this.#tellRest(), TELL_EVERY_MS).unref();
  }

  #forgetUnseen(visited: ReadonlySet<string>): void {
    for (const [folder, { key, watcher }] of this.#folders) {
      if (visited.has(key)) continue;
      watcher.close();
      this.#folders.delete(folder);
    }
  }

  close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    for (const { watcher } of [...this.#folders.values(), ...this.#links.values()]) watcher.close();
    this.#folders.clear();
    this.#links.clear();
    return Promise.resolve();
  }
}

/** Device, inode and time of making of a folder, or of a file; undefined where there is none. */
async function keyOf(path: string, isFolder: boolean): Promise<string | undefined> {
  const found = await stat(path, { bigint: true }).catch(() => undefined);
  if (found === undefined || found.isDirectory() !== isFolder) return undefined;
  return `${found.dev}:${found.ino}:${found.birthtimeNs}`;
}
