import { basename, dirname } from "node:path";
import type { JournalFile, JournalFileSystem } from "../../src/disk/journal/file-system.ts";

/** A change of a file that the disk may not have yet. */
type Change =
  { readonly at: number; readonly bytes: Buffer; readonly truncate?: never } | { readonly truncate: number };

class FakeFile {
  /** What the running program sees. */
  current = Buffer.alloc(0);
  /** What is certain to survive. */
  durable = Buffer.alloc(0);
  /** Since the last sync: each may survive or not, whole or torn, in any order. */
  changes: Change[] = [];
  /** Changes that a failed sync gave up: no later sync writes them, but some may be there. */
  orphaned: Change[] = [];
}

export interface DiskFault {
  /** Called before each operation; a string is the code of the error that it fails with. */
  readonly before?: (operation: string, path: string) => string | undefined;
  /** How many of `length` bytes a write takes; all by default. */
  readonly take?: (length: number) => number;
}

/**
 * A disk in memory that can fail at any call, take less than it is given, and lose, tear or reorder what was not
 * synced when the machine crashes. Names are certain only after the folder was synced.
 */
export class FakeDisk implements JournalFileSystem {
  fault: DiskFault = {};
  /** What `space` says; without end unless a test says otherwise. */
  freeBytes = Infinity;
  totalBytes = Infinity;
  syncs = 0;
  #names = new Map<string, FakeFile>();
  #durableNames = new Map<string, FakeFile>();

  /** The machine loses power: only what was synced is certain. `chance` gives numbers from 0 to 1. */
  crash(chance: () => number): void {
    const names = new Map<string, FakeFile>();
    for (const path of new Set([...this.#names.keys(), ...this.#durableNames.keys()])) {
      const now = this.#names.get(path);
      const durable = this.#durableNames.get(path);
      const file = now === durable || chance() < 0.5 ? durable : now;
      if (file === undefined) continue;
      let bytes = Buffer.from(file.durable);
      const changes = [...file.orphaned, ...file.changes].filter(() => chance() < 0.6);
      if (chance() < 0.3) changes.reverse();
      for (const change of changes) for (const part of torn(change, chance)) bytes = apply(bytes, part);
      const after = new FakeFile();
      after.current = bytes;
      after.durable = Buffer.from(bytes);
      names.set(path, after);
    }
    this.#names = names;
    this.#durableNames = new Map(names);
  }

  /** The process dies: the machine still has what was written. */
  kill(): void {
    this.fault = {};
  }

  names(): string[] {
    return [...this.#names.keys()];
  }
  bytes(path: string): Buffer {
    return this.#names.get(path)!.current;
  }
  /** Changes what is on disk behind everybody's back. */
  overwrite(path: string, bytes: Buffer): void {
    const file = this.#names.get(path) ?? new FakeFile();
    file.current = Buffer.from(bytes);
    file.durable = Buffer.from(bytes);
    file.changes = [];
    file.orphaned = [];
    this.#names.set(path, file);
    this.#durableNames.set(path, file);
  }

  async list(folder: string): Promise<string[]> {
    await this.#step("list", folder);
    return [...this.#names.keys()].filter((path) => dirname(path) === folder).map((path) => basename(path));
  }
  async readAll(path: string): Promise<Buffer | undefined> {
    await this.#step("readAll", path);
    const file = this.#names.get(path);
    return file === undefined ? undefined : Buffer.from(file.current);
  }
  async create(path: string): Promise<JournalFile> {
    await this.#step("create", path);
    const file = new FakeFile();
    this.#names.set(path, file);
    return this.#handle(path, file);
  }
  async openExisting(path: string): Promise<JournalFile> {
    await this.#step("open", path);
    const file = this.#names.get(path);
    if (file === undefined) throw systemError("ENOENT");
    return this.#handle(path, file);
  }
  async remove(path: string): Promise<void> {
    await this.#step("remove", path);
    this.#names.delete(path);
  }
  async syncFolder(path: string): Promise<void> {
    await this.#step("syncFolder", path);
    for (const name of new Set([...this.#names.keys(), ...this.#durableNames.keys()])) {
      if (dirname(name) !== path) continue;
      const file = this.#names.get(name);
      if (file === undefined) this.#durableNames.delete(name);
      else this.#durableNames.set(name, file);
    }
  }
  async space(): Promise<{ freeBytes: number; totalBytes: number }> {
    return { freeBytes: this.freeBytes, totalBytes: this.totalBytes };
  }
  /** All or nothing; where it fails it may have been done all the same. */
  async replace(path: string, data: string): Promise<void> {
    const code = this.fault.before?.("replace", path);
    await Promise.resolve();
    if (code !== undefined && data.length % 2 === 0) throw systemError(code);
    this.overwrite(path, Buffer.from(data));
    if (code !== undefined) throw systemError(code);
  }

  #handle(path: string, file: FakeFile): JournalFile {
    let isOpen = true;
    const step = async (operation: string): Promise<void> => {
      if (!isOpen) throw new Error(`${operation} of a closed file`);
      await this.#step(operation, path);
    };
    const change = (made: Change): void => {
      file.changes.push(made);
      file.current = apply(file.current, made);
    };
    return {
      write: async (pieces, position) => {
        await step("write");
        const bytes = Buffer.concat(pieces);
        const taken = Math.min(bytes.length, Math.max(1, this.fault.take?.(bytes.length) ?? bytes.length));
        change({ at: position, bytes: bytes.subarray(0, taken) });
        return taken;
      },
      read: async (into, position) => {
        await step("read");
        return file.current.copy(into, 0, position);
      },
      datasync: async () => {
        if (!isOpen) throw new Error("sync of a closed file");
        const code = this.fault.before?.("datasync", path);
        await Promise.resolve();
        if (code !== undefined) {
          file.orphaned.push(...file.changes);
          file.changes = [];
          throw systemError(code);
        }
        this.syncs++;
        // A file that was not synced before has its name by now, too, on the usual file systems; not relied on.
        file.durable = Buffer.from(file.current);
        file.changes = [];
        file.orphaned = [];
      },
      truncate: async (length) => {
        await step("truncate");
        change({ truncate: length });
      },
      close: async () => {
        isOpen = false;
      },
    };
  }

  async #step(operation: string, path: string): Promise<void> {
    const code = this.fault.before?.(operation, path);
    await Promise.resolve();
    if (code !== undefined) throw systemError(code);
  }
}

function apply(bytes: Buffer, change: Change): Buffer<ArrayBuffer> {
  if (change.truncate !== undefined) {
    const cut = Buffer.alloc(change.truncate);
    bytes.copy(cut);
    return cut;
  }
  const after = Buffer.alloc(Math.max(bytes.length, change.at + change.bytes.length));
  bytes.copy(after);
  change.bytes.copy(after, change.at);
  return after;
}

/** A write that the crash hit may have reached the disk in part: its beginning, its end, or all but a hole. */
function torn(change: Change, chance: () => number): Change[] {
  if (change.truncate !== undefined || chance() < 0.5) return [change];
  const { at, bytes } = change;
  const from = Math.floor(chance() * bytes.length);
  const to = from + Math.floor(chance() * (bytes.length - from));
  if (chance() < 0.5) return [{ at: at + from, bytes: bytes.subarray(from, to) }];
  return [
    { at, bytes: bytes.subarray(0, from) },
    { at: at + to, bytes: bytes.subarray(to) },
  ];
}

function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: fault of the fake disk`), { code });
}
