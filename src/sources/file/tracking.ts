import type { SourceContext, SourceOutput } from "../../core/component.ts";
import { systemErrorCode } from "../../core/error.ts";
import type { FileTable } from "./file-table.ts";
import type { FileRules, Generation } from "./generation.ts";
import type { FileMatcher } from "../../disk/glob.ts";
import type { MetadataRules } from "./metadata.ts";

export interface TrackerOptions {
  readonly matcher: FileMatcher;
  readonly rules: FileRules;
  readonly metadata?: MetadataRules;
  readonly startAtEnd: boolean;
  /** Files that were last written to longer ago are not begun. */
  readonly ignoreOlderMs?: number | undefined;
  /** Files are deleted that were quiet for so long and are delivered. */
  readonly deleteAfterMs?: number | undefined;
  /** Compressed files are read as they are. */
  readonly readsArchives?: boolean;
  readonly rotateGraceMs: number;
  readonly maxOpenFiles: number;
}

/** What the parts of the tracker share. */
export interface Tracking {
  readonly options: TrackerOptions;
  readonly context: SourceContext;
  readonly output: SourceOutput;
  readonly signal: AbortSignal;
  readonly table: FileTable;
  /** The generation may have something to read. */
  readonly schedule: (gen: Generation) => void;
  /** Runs a decision after all that were asked for before, so that none sees another half done. */
  serial(task: () => Promise<void>): Promise<void>;
  /** Looks at what is at a path. Only within a serial task. */
  look(path: string, startAtEnd?: boolean): Promise<void>;
  /** Nothing more can come of it. */
  end(gen: Generation, reason: string | undefined): void;
  /** Those that waited for it need not any more. */
  release(gen: Generation): void;
}

/** How long after a failure it is tried again; after each further one twice as long, up to the longest. */
export const RETRY_MS = 1000;
export const LONGEST_RETRY_MS = 15_000;
/** A failure that lasts is said again so often. */
export const SAY_AGAIN_MS = 600_000;
/** Looks at a busy file's path, at most one in this many milliseconds. */
export const LOOK_INTERVAL_MS = 200;

export function isGone(error: unknown): boolean {
  const code = systemErrorCode(error);
  return code === "ENOENT" || code === "ENOTDIR";
}

export function tooManyFiles(error: unknown): boolean {
  const code = systemErrorCode(error);
  return code === "EMFILE" || code === "ENFILE";
}
