import { access, constants } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { compileTemplate, type Template } from "../../codec/template.ts";
import { encodingKey, JSON_ENCODING, type Encoding, type SinkBatch } from "../../core/batch.ts";
import {
  DELIVERED,
  type BatchLimits,
  type Context,
  type Placeholders,
  type ProbeResult,
  type ResumePoint,
  type Sink,
  type Verdict,
  type WriteResult,
} from "../../core/component.ts";
import { errorMessage, systemErrorCode, WiretailError } from "../../core/error.ts";
import { DataFile } from "./data-file.ts";
import { tidyRotated } from "./rotated.ts";

export interface FileSinkOptions {
  readonly path: string;
  readonly format: Encoding["kind"];
  readonly mode: number;
  readonly maxBytes: number | undefined;
  readonly maxAgeMs: number | undefined;
  readonly keep: number | undefined;
  readonly gzip: boolean;
}

/** Files of other dates that stay open: old events come in runs. */
const MAX_OPEN_FILES = 8;
/** Faults that do not pass by themselves. */
const NEEDS_MENDING = new Set(["EACCES", "EPERM", "EROFS", "ENOTDIR", "EISDIR", "ENAMETOOLONG", "ELOOP"]);

/**
 * Appends documents to files, each exactly once: every file keeps, with its data, how far each partition and pipeline
 * got. That needs documents of a partition in their order, so calls are made one at a time.
 */
export class FileSink implements Sink {
  readonly encoding: Encoding;
  readonly limits: BatchLimits = { maxBytes: 4 << 20, maxEvents: 100_000, maxAgeMs: 500, concurrency: 1 };
  readonly destinationOf: (timeMs: number) => string;
  readonly #options: FileSinkOptions;
  readonly #context: Context;
  readonly #key: string;
  readonly #path: Template;
  /** In the order of last use. */
  readonly #files = new Map<string, DataFile>();
  /** Files whose last call failed. */
  readonly #failed = new Set<string>();
  readonly #closing = new AbortController();
  #tidying: Promise<void> = Promise.resolve();
  #tail: Promise<unknown> = Promise.resolve();

  private constructor(options: FileSinkOptions, context: Context) {
    this.encoding = options.format === "json" ? JSON_ENCODING : { kind: options.format };
    this.#options = options;
    this.#context = context;
    this.#key = encodingKey(this.encoding);
    this.#path = compileTemplate(options.path, withoutSlashes(context.placeholders));
    const constant = this.#path.constant;
    const fixed = constant === undefined ? undefined : resolve(constant);
    this.destinationOf = fixed === undefined ? (timeMs) => resolve(this.#path.at(timeMs)) : () => fixed;
  }

  /** Opens the file, where there is only one, so that its positions are known at once. */
  static async create(options: FileSinkOptions, context: Context): Promise<FileSink> {
    const sink = new FileSink(options, context);
    const path = sink.#fixedPath();
    // Opening cuts off what was not committed: that must not happen to the file of an agent that runs.
    if (path !== undefined && context.probing !== true) {
      try {
        await sink.#open(path);
      } catch (error) {
        // A newer version's log is for a person to look at; anything else is tried again with the first events.
        if (error instanceof WiretailError && error.code === "WT_STATE_CORRUPT") throw error;
        context.log.warn(`cannot open ${path} yet: ${errorMessage(error)}`);
      }
      sink.#tidy(path);
    }
    return sink;
  }

  write(batch: SinkBatch, signal: AbortSignal): Promise<WriteResult> {
    const written = this.#tail.then(() => this.#write(batch, signal));
    this.#tail = written.catch(() => undefined);
    return written;
  }

  /** Undefined where the path depends on the events' time: then no single file knows what the others have. */
  position(partitionId: string, pipeline: string): ResumePoint | undefined {
    const path = this.#fixedPath();
    return path === undefined ? undefined : this.#files.get(path)?.position(partitionId, pipeline);
  }

  async probe(): Promise<ProbeResult[]> {
    const path = this.destinationOf(this.#context.now());
    const check = `file ${path}`;
    try {
      if (await isWritable(path)) return [{ check, ok: true, detail: "can be written" }];
      for (let folder = dirname(path); ; folder = dirname(folder)) {
        const writable = await isWritable(folder);
        if (writable) return [{ check, ok: true, detail: `does not exist yet; ${folder} can be written` }];
        if (writable === undefined && folder !== dirname(folder)) continue;
        break;
      }
      return [
        {
          check,
          ok: false,
          detail: "permission denied",
          hint: "Let the agent's user write to the folder, or name another path.",
        },
      ];
    } catch (error) {
      return [
        { check, ok: false, detail: errorMessage(error), hint: "Name a path whose folders can be made and written." },
      ];
    }
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#tail;
    await this.#tidying;
    const files = [...this.#files.values()];
    this.#files.clear();
    for (const file of files) await file.close();
  }

  async #write(batch: SinkBatch, signal: AbortSignal): Promise<WriteResult> {
    if (signal.aborted) return { outcome: "retry", reason: "stopped before it was written" };
    const path = batch.destination === "" ? this.destinationOf(this.#context.now()) : batch.destination;
    try {
      const file = this.#files.get(path) ?? (await this.#open(path));
      this.#files.delete(path);
      this.#files.set(path, file);
      if ((await file.append(batch.slices)) !== undefined) this.#tidy(path);
      return DELIVERED;
    } catch (error) {
      await this.#abandon(path);
      return toVerdict(error, path);
    }
  }

  async #open(path: string): Promise<DataFile> {
    const { mode, maxBytes, maxAgeMs } = this.#options;
    const { log } = this.#context;
    const options = { path, mode, key: this.#key, maxBytes, maxAgeMs, now: () => this.#context.now(), log };
    const file = await DataFile.open(options, this.#failed.has(path));
    this.#failed.delete(path);
    this.#files.set(path, file);
    if (this.#files.size > MAX_OPEN_FILES) {
      const [oldest] = this.#files.keys();
      const closing = this.#files.get(oldest!)!;
      this.#files.delete(oldest!);
      await closing.close();
    }
    return file;
  }

  /** What is on disk, not what is in memory, says where to go on after a failure. */
  async #abandon(path: string): Promise<void> {
    this.#failed.add(path);
    const file = this.#files.get(path);
    this.#files.delete(path);
    await file?.close().catch(() => undefined);
  }

  #tidy(path: string): void {
    const { gzip, keep, mode } = this.#options;
    if (!gzip && keep === undefined) return;
    this.#tidying = this.#tidying
      .then(() => tidyRotated(path, { gzip, keep, mode }, this.#closing.signal))
      .catch((error: unknown) => {
        if (systemErrorCode(error) === "ENOENT") return;
        this.#context.log.warn(`cannot tidy the rotated files of ${path}: ${errorMessage(error)}`);
      });
  }

  #fixedPath(): string | undefined {
    return this.#path.constant === undefined ? undefined : this.destinationOf(0);
  }
}

function toVerdict(error: unknown, path: string): Verdict {
  const reason = `cannot write ${path}: ${errorMessage(error)}`;
  const code = systemErrorCode(error);
  if (code !== undefined && NEEDS_MENDING.has(code)) return { outcome: "hold", reason };
  if (error instanceof WiretailError)
    return { outcome: "hold", reason: error.hint === undefined ? reason : `${reason}. ${error.hint}` };
  return { outcome: "retry", reason };
}

/** A placeholder fills in a part of a name and never leads into another folder. */
function withoutSlashes(placeholders: Placeholders): Placeholders {
  const clean = (value: string): string => (/^\.{1,2}$/.test(value) ? "_" : value.replace(/[/\\\p{Cc}]/gu, "_"));
  return {
    hostname: clean(placeholders.hostname),
    instanceId: clean(placeholders.instanceId),
    ipAddress: clean(placeholders.ipAddress),
    awsRegion: clean(placeholders.awsRegion),
    accountId: clean(placeholders.accountId),
  };
}

/** Undefined when there is no such file. */
async function isWritable(path: string): Promise<boolean | undefined> {
  try {
    await access(path, constants.W_OK);
    return true;
  } catch (error) {
    if (systemErrorCode(error) === "ENOENT") return undefined;
    if (systemErrorCode(error) === "EACCES" || systemErrorCode(error) === "EROFS") return false;
    throw error;
  }
}
