import { mkdir, open, rename, stat, type FileHandle } from "node:fs/promises";
import { dirname } from "node:path";
import { systemErrorCode } from "../core/error.ts";
import { syncFolder } from "./atomic-file.ts";

/** An event that could not go on, with all that is needed to mend and send it again. One JSON object a line. */
export interface DeadLetter {
  /** When it was put here, ISO 8601. */
  readonly at: string;
  readonly pipeline: string;
  /** The sink that refused it, or the stage (`2 parse_nginx`) that failed. */
  readonly sink?: string;
  readonly stage?: string;
  readonly reason: string;
  readonly source: string;
  /** The event's id, and its `@timestamp`. */
  readonly id: string;
  readonly time: string;
  /** The text as it was read, for events that a stage put here. */
  readonly original?: string;
  /** The document as the sink was given it, or as it was when the stage failed. */
  readonly event?: unknown;
  /** The text that the sink was given, where its documents are not JSON. */
  readonly text?: string;
}

/**
 * The dead letters of an agent: `<path>`, and `<path>.1` with older ones. Together they stay under `maxBytes`; when
 * there are more, the oldest half goes, and `onDropped` is told how many letters that were.
 */
export class DeadLetterFile {
  readonly #path: string;
  readonly #maxBytes: number;
  readonly #onDropped: (letters: number) => void;
  #handle: FileHandle | undefined;
  #bytes = 0;
  #letters = 0;
  #lettersBefore = 0;
  #queue: Promise<void> = Promise.resolve();

  constructor(path: string, maxBytes: number, onDropped: (letters: number) => void) {
    this.#path = path;
    this.#maxBytes = maxBytes;
    this.#onDropped = onDropped;
  }

  /** Appends and syncs. Rejects with the system's error when that fails; nothing of the call counts as written then. */
  append(letters: readonly DeadLetter[]): Promise<void> {
    const done = this.#queue.then(() => this.#append(letters));
    this.#queue = done.catch(() => undefined);
    return done;
  }

  async close(): Promise<void> {
    await this.#queue;
    await this.#handle?.close();
    this.#handle = undefined;
  }

  async #append(letters: readonly DeadLetter[]): Promise<void> {
    const bytes = Buffer.from(letters.map((letter) => JSON.stringify(letter) + "\n").join(""));
    let handle = await this.#open();
    if (this.#bytes > 0 && this.#bytes + bytes.length > this.#maxBytes / 2) {
      await handle.close();
      this.#handle = undefined;
      await rename(this.#path, this.#path + ".1");
      if (this.#lettersBefore > 0) this.#onDropped(this.#lettersBefore);
      this.#lettersBefore = this.#letters;
      handle = await this.#open();
    }
    try {
      await handle.appendFile(bytes);
      await handle.datasync();
    } catch (error) {
      // A torn line must not stay in front of later ones.
      await handle.truncate(this.#bytes).catch(() => undefined);
      throw error;
    }
    this.#bytes += bytes.length;
    this.#letters += letters.length;
  }

  async #open(): Promise<FileHandle> {
    if (this.#handle !== undefined) return this.#handle;
    await mkdir(dirname(this.#path), { recursive: true, mode: 0o750 });
    const handle = await open(this.#path, "a", 0o640);
    this.#bytes = (await handle.stat()).size;
    this.#letters = await countLines(this.#path);
    this.#lettersBefore = await countLines(this.#path + ".1");
    await syncFolder(dirname(this.#path));
    return (this.#handle = handle);
  }
}

async function countLines(path: string): Promise<number> {
  try {
    if ((await stat(path)).size === 0) return 0;
  } catch (error) {
    if (systemErrorCode(error) === "ENOENT") return 0;
    throw error;
  }
  const handle = await open(path, "r");
  let lines = 0;
  try {
    const buffer = Buffer.allocUnsafe(1 << 16);
    for (;;) {
      const { bytesRead } = await handle.read(buffer, 0, buffer.length);
      if (bytesRead === 0) return lines;
      for (let at = buffer.indexOf(10); at >= 0 && at < bytesRead; at = buffer.indexOf(10, at + 1)) lines++;
    }
  } finally {
    await handle.close();
  }
}
