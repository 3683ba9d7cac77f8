import { appendFile, mkdir, open, readdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { LineWriter, numberedLine } from "./e2e.ts";

/** Writes numbered lines that say when they were written, in turns into several files of a folder. */
export class TimedWriter extends LineWriter {
  readonly #files: readonly string[];
  readonly #folder: string;
  #turn = 0;

  constructor(folder: string, files: number) {
    super();
    this.#folder = folder;
    this.#files = Array.from({ length: files }, (_, i) => join(folder, `${i}.log`));
  }

  async write(lines: number): Promise<void> {
    await mkdir(this.#folder, { recursive: true });
    let text = "";
    for (let i = 0; i < lines; i++) text += `${numberedLine(this.count + i)} at ${Date.now()}\n`;
    await appendFile(this.#files[this.#turn++ % this.#files.length]!, text);
    this.count += lines;
  }
}

/** How long lines of a TimedWriter took to arrive somewhere. */
export class Lags {
  /** Times of writing and lags, in pairs, milliseconds. */
  readonly #pairs: number[] = [];

  /** `text` holds the line. The first arrival counts where there are several. */
  arrived(text: string, atMs: number): void {
    const writtenMs = Number(/ lazy dog at (\d{13})/.exec(text)?.[1]);
    if (!Number.isNaN(writtenMs)) this.#pairs.push(writtenMs, atMs - writtenMs);
  }

  /** Lags in milliseconds of the lines that were written in this time. */
  between(fromMs: number, toMs: number): number[] {
    return this.#pairs.filter((_, i) => i % 2 === 1 && this.#pairs[i - 1]! >= fromMs && this.#pairs[i - 1]! < toMs);
  }
}

/** The smallest value that `percent` of all do not exceed. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil((sorted.length * percent) / 100) - 1)] ?? NaN;
}

/** Follows the growing `.ndjson` files of a folder (of the local store) and says when each line of them is there. */
export class FolderArrivals {
  readonly #folder: string;
  readonly #onLine: (line: string, atMs: number) => void;
  readonly #read = new Map<string, { at: number; rest: string }>();
  #isStopped = false;
  #running: Promise<void> = Promise.resolve();

  constructor(folder: string, onLine: (line: string, atMs: number) => void) {
    this.#folder = folder;
    this.#onLine = onLine;
  }

  start(everyMs = 10): void {
    this.#running = (async () => {
      while (!this.#isStopped) {
        await this.#look();
        await sleep(everyMs);
      }
      await this.#look();
    })();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#running;
  }

  async #look(): Promise<void> {
    const names = await readdir(this.#folder).catch((): string[] => []);
    for (const name of names) if (name.endsWith(".ndjson")) await this.#follow(name);
  }

  async #follow(name: string): Promise<void> {
    const place = this.#read.get(name) ?? { at: 0, rest: "" };
    this.#read.set(name, place);
    const file = await open(join(this.#folder, name)).catch(() => undefined);
    if (file === undefined) return;
    try {
      const buffer = Buffer.allocUnsafe(1 << 18);
      for (;;) {
        const { bytesRead } = await file.read(buffer, 0, buffer.length, place.at);
        if (bytesRead === 0) return;
        place.at += bytesRead;
        const lines = (place.rest + buffer.toString("latin1", 0, bytesRead)).split("\n");
        place.rest = lines.pop()!;
        const now = Date.now();
        for (const line of lines) this.#onLine(line, now);
      }
    } finally {
      await file.close();
    }
  }
}
