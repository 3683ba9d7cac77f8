import { constants } from "node:fs";
import { access, mkdir, statfs } from "node:fs/promises";
import path from "node:path";
import { encodingKey, type Encoding, type SinkBatch, type Slice } from "../../core/batch.ts";
import {
  DELIVERED,
  defineSink,
  type Context,
  type ProbeResult,
  type Sink,
  type Verdict,
  type WriteResult,
} from "../../core/component.ts";
import { errorMessage, systemErrorCode, WiretailError } from "../../core/error.ts";
import { t, type Infer } from "../../core/schema.ts";
import { SegmentCloser } from "../../store/closer.ts";
import { MAX_DOCUMENT_BYTES, StoreWriter } from "../../store/writer.ts";

const schema = t.object({
  path: t.string({
    description: "Folder of the store. Made when it is missing. One sink, and so one agent, a folder.",
    minLength: 1,
    "x-identity": true,
    "x-syntax": "path",
    examples: ["/var/lib/wiretail/store"],
  }),
  segment: t.object(
    {
      max_bytes: t.integer({
        description: "Bytes of documents after which a segment is closed and converted to Parquet.",
        default: 268_435_456,
        minimum: 65_536,
      }),
      max_age_ms: t.integer({
        description: "Milliseconds after which a segment is closed even when it is small.",
        default: 3_600_000,
        minimum: 1_000,
      }),
      compression: t.enum(["lz4", "zstd"], {
        description: "Compression of Parquet segments: lz4 is searched faster, zstd is about a third smaller.",
        default: "lz4",
      }),
      memory_limit_bytes: t.integer({
        description: "Memory, in bytes, that the process that converts a segment may use.",
        default: 402_653_184,
        minimum: 134_217_728,
      }),
    },
    {
      description: "When segments are closed, and how they are stored.",
      default: { max_bytes: 268_435_456, max_age_ms: 3_600_000, compression: "lz4", memory_limit_bytes: 402_653_184 },
    },
  ),
  retention: t.object(
    {
      max_age_ms: t.optional(
        t.integer({
          description:
            "Closed segments whose newest event is older than this many milliseconds are removed. Not set: kept for ever.",
          minimum: 60_000,
        }),
      ),
      max_bytes: t.optional(
        t.integer({
          description:
            "The oldest closed segments are removed while the store is larger than this many bytes. Not set: no limit.",
          minimum: 1_048_576,
        }),
      ),
    },
    {
      description: "What is removed, and when. Off by default. Whole segments are removed, the open one never.",
      default: {},
    },
  ),
});

const ENCODING: Encoding = { kind: "json", before: '{"_id":"', after: '",' };
const KEY = encodingKey(ENCODING);
const CHECK_AGE_EVERY_MS = 1_000;
/** Folders that sinks of this process write to. */
const inUse = new Set<string>();

async function create(options: Infer<typeof schema>, context: Context): Promise<Sink> {
  const folder = path.resolve(options.path);
  if (inUse.has(folder)) {
    throw new WiretailError("WT_CONFIG_INVALID", `two sinks write to the store ${folder}`, {
      hint: "Give each sink of type local a path of its own.",
    });
  }
  inUse.add(folder);
  try {
    const { segment, retention } = options;
    const closer = new SegmentCloser({
      folder,
      compression: segment.compression,
      memoryLimitBytes: segment.memory_limit_bytes,
      maxAgeMs: retention.max_age_ms,
      maxBytes: retention.max_bytes,
      now: () => context.now(),
      monotonicMs: () => context.monotonicMs(),
      sleep: (ms, signal) => context.sleep(ms, signal),
      log: context.log,
    });
    const writer = await StoreWriter.open({
      folder,
      encoding: KEY,
      maxSegmentBytes: segment.max_bytes,
      maxSegmentAgeMs: segment.max_age_ms,
      now: () => context.now(),
      monotonicMs: () => context.monotonicMs(),
      log: context.log,
      onClosed: (sequence) => closer.add(sequence),
    });
    closer.start();
    return new LocalSink(folder, writer, closer, context);
  } catch (error) {
    inUse.delete(folder);
    if (error instanceof WiretailError) throw error;
    throw new WiretailError("WT_STATE_UNWRITABLE", `cannot open the store at ${folder}: ${errorMessage(error)}`, {
      cause: error,
      hint: hintFor(error, folder),
    });
  }
}

class LocalSink implements Sink {
  readonly encoding = ENCODING;
  readonly limits = { maxBytes: 4 << 20, maxEvents: 50_000, maxAgeMs: 200, concurrency: 1 };
  readonly #folder: string;
  readonly #writer: StoreWriter;
  readonly #closer: SegmentCloser;
  readonly #context: Context;
  readonly #stop = new AbortController();
  readonly #ageCheck: Promise<void>;
  #closed: Promise<void> | undefined;

  constructor(folder: string, writer: StoreWriter, closer: SegmentCloser, context: Context) {
    this.#folder = folder;
    this.#writer = writer;
    this.#closer = closer;
    this.#context = context;
    this.#ageCheck = this.#closeOldSegments();
  }

  async write(batch: SinkBatch, signal: AbortSignal): Promise<WriteResult> {
    if (signal.aborted) return { outcome: "retry", reason: "stopped before the write" };
    const tooLarge = new Map<number, Verdict>();
    const slices = withoutTooLarge(batch.slices, tooLarge);
    try {
      await this.#writer.append(slices);
    } catch (error) {
      return failure(error, this.#folder);
    }
    this.#context.metrics.gauge("store_open_segment_bytes").set(this.#writer.openBytes);
    this.#context.metrics.gauge("store_waiting_segments").set(this.#closer.waiting);
    return tooLarge.size === 0 ? DELIVERED : { outcome: "mixed", verdicts: tooLarge };
  }

  position(partitionId: string, pipeline: string): ReturnType<StoreWriter["position"]> {
    return this.#writer.position(partitionId, pipeline);
  }

  async probe(): Promise<ProbeResult[]> {
    const results: ProbeResult[] = [];
    try {
      await mkdir(this.#folder, { recursive: true });
      await access(this.#folder, constants.R_OK | constants.W_OK | constants.X_OK);
      const disk = await statfs(this.#folder);
      const freeBytes = disk.bavail * disk.bsize;
      results.push({
        check: "store folder",
        ok: true,
        detail: `${this.#folder} can be written; ${(freeBytes / 1e9).toFixed(1)} GB are free`,
      });
    } catch (error) {
      results.push({
        check: "store folder",
        ok: false,
        detail: errorMessage(error),
        hint: hintFor(error, this.#folder),
      });
    }
    try {
      await import("@duckdb/node-api");
      results.push({ check: "DuckDB", ok: true, detail: "can be loaded: segments become Parquet, search works" });
    } catch (error) {
      results.push({
        check: "DuckDB",
        ok: false,
        detail: errorMessage(error),
        hint: "Install the package again with its optional dependencies (npm ci); documents are kept as NDJSON until then.",
      });
    }
    return results;
  }

  close(): Promise<void> {
    return (this.#closed ??= this.#close());
  }

  async #close(): Promise<void> {
    this.#stop.abort();
    try {
      await this.#ageCheck;
      await this.#closer.close();
      await this.#writer.close();
    } finally {
      inUse.delete(this.#folder);
    }
  }

  async #closeOldSegments(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      await this.#context.sleep(CHECK_AGE_EVERY_MS, this.#stop.signal);
      if (this.#stop.signal.aborted) return;
      try {
        await this.#writer.closeIfOld();
      } catch (error) {
        this.#context.log.warn("cannot close the store's segment", { error: errorMessage(error) });
      }
    }
  }
}

/** The same documents without those that are too large; `tooLarge` gets a verdict for each, by index in the batch. */
function withoutTooLarge(slices: readonly Slice[], tooLarge: Map<number, Verdict>): readonly Slice[] {
  const kept: Slice[] = [];
  let index = 0;
  for (const { batch, from, to } of slices) {
    const { offsets } = batch.bodies.get(KEY)!;
    let start = from;
    if (offsets[to]! - offsets[from]! > MAX_DOCUMENT_BYTES) {
      for (let i = from; i < to; i++) {
        const size = offsets[i + 1]! - offsets[i]!;
        if (size <= MAX_DOCUMENT_BYTES) continue;
        tooLarge.set(index + i - from, {
          outcome: "rejected",
          reason: `the document has ${size} bytes; the local store takes up to ${MAX_DOCUMENT_BYTES}`,
        });
        if (i > start) kept.push({ batch, from: start, to: i });
        start = i + 1;
      }
    }
    if (start < to) kept.push({ batch, from: start, to });
    index += to - from;
  }
  return kept;
}

function failure(error: unknown, folder: string): WriteResult {
  const reason = `cannot write to the store at ${folder}: ${errorMessage(error)}`;
  const needsHelp = ["ENOSPC", "EDQUOT", "EACCES", "EPERM", "EROFS", "ENOENT"].includes(systemErrorCode(error) ?? "");
  return { outcome: needsHelp ? "hold" : "retry", reason: needsHelp ? `${reason}. ${hintFor(error, folder)}` : reason };
}

function hintFor(error: unknown, folder: string): string {
  switch (systemErrorCode(error)) {
    case "ENOSPC":
    case "EDQUOT":
      return "The disk is full: free some space, or set retention.max_bytes.";
    case "EACCES":
    case "EPERM":
      return `Make ${folder} writable for the user that the agent runs as.`;
    case "EROFS":
      return "The file system is mounted read-only.";
    default:
      return `Check that ${folder} is a folder on a working disk.`;
  }
}

export const local = defineSink({
  type: "local",
  summary: "A store on this machine that can be searched with no server",
  description: `Documents are appended to a file of NDJSON and are searchable at once with \`wiretail search\`. Segments are closed
after an hour or 256 MB and converted to Parquet by a short-lived child process; every file can be read by other tools as
well (see docs/local-store.md). What is stored and how far each input got is kept together: exactly once.`,
  stability: "stable",
  schema,
  metrics: [
    { name: "store_open_segment_bytes", kind: "gauge", unit: "bytes", description: "Bytes in the open segment." },
    {
      name: "store_waiting_segments",
      kind: "gauge",
      unit: "files",
      description: "Closed segments that are not converted to Parquet yet.",
    },
  ],
  examples: [
    {
      title: "A store with two weeks of events, at most 20 GB",
      options: { path: "/var/lib/wiretail/store", retention: { max_age_ms: 1_209_600_000, max_bytes: 20_000_000_000 } },
    },
    {
      title: "Smaller files, closed every ten minutes",
      options: { path: "/var/lib/wiretail/store", segment: { max_age_ms: 600_000, compression: "zstd" } },
    },
  ],
  create,
});
