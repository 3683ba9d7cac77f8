import { spawn } from "node:child_process";
import { rm, stat } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { Log } from "../core/component.ts";
import { errorMessage } from "../core/error.ts";
import type { ConvertOptions } from "./convert.ts";
import { inFolder, listStore, type ParquetName } from "./segments.ts";

export interface CloserOptions {
  readonly folder: string;
  readonly compression: "lz4" | "zstd";
  readonly memoryLimitBytes: number;
  readonly maxAgeMs: number | undefined;
  readonly maxBytes: number | undefined;
  readonly now: () => number;
  readonly monotonicMs: () => number;
  readonly sleep: (ms: number, signal?: AbortSignal) => Promise<void>;
  readonly log: Log;
}

const RETRY_MS = 60_000;
const RETENTION_EVERY_MS = 60_000;

/**
 * Converts closed segments, one after the other, each in a child process of its own, and removes what is older or more
 * than allowed. Documents stay searchable as NDJSON until their Parquet file is there.
 */
export class SegmentCloser {
  readonly #options: CloserOptions;
  readonly #waiting: number[] = [];
  readonly #stop = new AbortController();
  #wake = new AbortController();
  #running: Promise<void> | undefined;
  /** Set while a segment is converted. */
  #converting: number | undefined;

  constructor(options: CloserOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Segments that are closed and not converted yet. */
  get waiting(): number {
    return this.#waiting.length + (this.#converting === undefined ? 0 : 1);
  }

  add(sequence: number): void {
    this.#waiting.push(sequence);
    this.#wake.abort();
  }

  /** Stops; a conversion in progress is ended and done again next time. */
  async close(): Promise<void> {
    this.#stop.abort();
    this.#wake.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { log, monotonicMs, sleep } = this.#options;
    const stopped = this.#stop.signal;
    let retryAtMs = -Infinity;
    while (!stopped.aborted) {
      try {
        await applyRetention(this.#options, this.#openSequences());
      } catch (error) {
        log.warn("cannot apply the store's retention", { error: errorMessage(error) });
      }
      const sequence = monotonicMs() >= retryAtMs ? this.#waiting.shift() : undefined;
      if (sequence === undefined) {
        this.#wake = new AbortController();
        if (stopped.aborted) break;
        await sleep(this.#waiting.length > 0 ? RETRY_MS : RETENTION_EVERY_MS, this.#wake.signal);
        continue;
      }
      this.#converting = sequence;
      const fault = await this.#convert(sequence);
      this.#converting = undefined;
      if (fault === undefined || stopped.aborted) continue;
      log.warn("cannot convert a segment of the store to Parquet; it stays searchable and is tried again", {
        segment: sequence,
        error: fault,
      });
      this.#waiting.push(sequence);
      retryAtMs = monotonicMs() + RETRY_MS;
    }
  }

  #openSequences(): ReadonlySet<number> {
    return new Set(this.#converting === undefined ? [] : [this.#converting]);
  }

  /** Resolves with what went wrong, if anything. */
  #convert(sequence: number): Promise<string | undefined> {
    const { folder, compression, memoryLimitBytes } = this.#options;
    const options: ConvertOptions = { folder, sequence, compression, memoryLimitBytes, threads: 1 };
    const program = fileURLToPath(new URL("./convert-process.js", import.meta.url));
    return new Promise((resolve) => {
      const child = spawn(process.execPath, [program, JSON.stringify(options)], {
        stdio: ["ignore", "ignore", "pipe"],
      });
      const stop = (): void => void child.kill("SIGKILL");
      const end = (fault: string | undefined): void => {
        this.#stop.signal.removeEventListener("abort", stop);
        resolve(fault);
      };
      child.on("error", (error) => end(error.message));
      this.#stop.signal.addEventListener("abort", stop);
      let message = "";
      // There is none when the process has no descriptors left for it.
      const stderr = child.stderr as typeof child.stderr | undefined;
      stderr?.setEncoding("utf8").on("data", (text: string) => (message = (message + text).slice(-2000)));
      child.on("close", (code, signal) =>
        end(code === 0 ? undefined : message.trim() || `ended with ${String(signal ?? code)}`),
      );
    });
  }
}

/**
 * Removes closed segments: those whose newest event (or whose file, when its events claim to be from the future) is
 * older than `maxAgeMs`, and the oldest ones while all together are larger than `maxBytes`. The open segment and those
 * in `busy` stay. Returns the files removed.
 */
export async function applyRetention(
  options: Pick<CloserOptions, "folder" | "maxAgeMs" | "maxBytes" | "now" | "log">,
  busy: ReadonlySet<number>,
): Promise<string[]> {
  const { folder, maxAgeMs, maxBytes, now } = options;
  if (maxAgeMs === undefined && maxBytes === undefined) return [];
  const { parquet, ndjson } = await listStore(folder);
  const open = Math.max(0, ...ndjson.map((name) => name.sequence));
  const files = await Promise.all(
    [...parquet, ...ndjson].map(async (name) => {
      // Gone already: nothing to remove.
      const { size, mtimeMs } = await stat(inFolder(folder, name.file)).catch(
        (): { size: number; mtimeMs: number } => ({ size: 0, mtimeMs: Infinity }),
      );
      return { ...name, size, newestMs: "toMs" in name ? Math.min((name as ParquetName).toMs, mtimeMs) : mtimeMs };
    }),
  );
  files.sort((a, b) => a.sequence - b.sequence);
  let total = files.reduce((sum, file) => sum + file.size, 0);
  const removed: string[] = [];
  for (const file of files) {
    if (busy.has(file.sequence) || (file.file.endsWith(".ndjson") && file.sequence === open)) continue;
    const tooOld = maxAgeMs !== undefined && file.newestMs < now() - maxAgeMs;
    const tooMuch = maxBytes !== undefined && total > maxBytes;
    if (!tooOld && !tooMuch) continue;
    await rm(inFolder(folder, file.file), { force: true });
    total -= file.size;
    removed.push(file.file);
  }
  if (removed.length > 0)
    options.log.info("removed segments of the store", { segments: removed.length, reason: "retention" });
  return removed;
}
