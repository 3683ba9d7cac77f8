import type { Equation } from "./equations.ts";

/** What `wiretail status --json` prints and `/metrics` is made from. Times are ISO 8601, numbers say their unit. */
export interface AgentStatus {
  readonly version: string;
  readonly pid: number;
  readonly hostname: string;
  readonly config_file: string;
  readonly state_dir: string;
  readonly started_at: string;
  readonly now: string;
  readonly uptime_seconds: number;
  /** False when a source failed, a sink fails, or checkpoints cannot be written. */
  readonly healthy: boolean;
  readonly checkpoint_error: string | null;
  readonly memory: { readonly queued_bytes: number; readonly budget_bytes: number; readonly resident_bytes: number };
  readonly dead_letters: {
    /** What lies there now. */
    readonly letters: number;
    readonly bytes: number;
    readonly max_bytes: number;
    readonly oldest_at: string | null;
    /** Removed since the start without anybody asking, by reason. */
    readonly dropped: { readonly budget: number; readonly age: number };
  };
  /** Null where the configuration wants no journal. */
  readonly journal: JournalStatus | null;
  /** The sum of `dead_letters.dropped`. */
  readonly dead_letters_dropped: number;
  readonly sources: readonly SourceStatus[];
  readonly pipelines: readonly PipelineStatus[];
  /** The stage that took most time so far. */
  readonly slowest_stage: { readonly pipeline: string; readonly stage: string; readonly share: number } | null;
  readonly sinks: readonly SinkStatus[];
  /** What went in is what came out and what became of the rest, for everything that runs. */
  readonly equations: readonly Equation[];
}

export interface JournalStatus {
  readonly used_bytes: number;
  readonly max_bytes: number;
  readonly records: number;
  /** When the oldest batch in it was read. */
  readonly oldest_at: string | null;
  /** Its budget is used up, and events wait for room. */
  readonly full: boolean;
  /** Why it cannot be written at present. */
  readonly error: string | null;
  /** What it holds for sinks that are not configured any more. */
  readonly orphans: readonly {
    readonly sink_identity: string;
    readonly records: number;
    readonly events: number;
    readonly bytes: number;
  }[];
}

export interface SourceStatus {
  readonly name: string;
  readonly type: string;
  readonly state: "starting" | "running" | "waiting" | "ended" | "failed";
  readonly error: string | null;
  /** Since when it reads no further because sinks are behind. */
  readonly waiting_since: string | null;
  /** What it waits for, since when, because of which sinks, and in words. */
  readonly waiting_for: {
    readonly reason: "memory_budget" | "checkpoint" | "file_descriptors";
    readonly since: string;
    readonly sinks: readonly string[];
    readonly detail: string;
  } | null;
  readonly read_events: number;
  readonly read_bytes: number;
  /** Events that each of its pipelines took, by pipeline. */
  readonly into_pipelines_events: Readonly<Record<string, number>>;
  /** Events given up after they were read, by reason. */
  readonly dropped_events: Readonly<Record<string, number>>;
  /** Input given up before it became events, in bytes, by reason. */
  readonly dropped: Readonly<Record<string, number>>;
  /** Over all inputs: bytes not delivered to every sink yet, and the longest time any input has had some. */
  readonly lag_bytes: number;
  readonly lag_seconds: number;
  /** Until all inputs are delivered, if it goes on as in the last seconds; null when it does not catch up, or is not known. */
  readonly eta_seconds: number | null;
  readonly inputs: readonly SourceInputStatus[];
  /** What the source counts itself, by name. Only for sources that do. */
  readonly own?: Readonly<Record<string, number>>;
}

export interface SourceInputStatus {
  readonly name: string;
  readonly state: string;
  readonly size_bytes: number | null;
  readonly read_bytes: number | null;
  readonly delivered_bytes: number | null;
  readonly lag_bytes: number | null;
  readonly lag_seconds: number | null;
  /** Over the last 15 seconds. */
  readonly delivered_bytes_per_second: number | null;
  readonly grown_bytes_per_second: number | null;
  /** 0 without lag; null when it does not catch up, or is not known yet. */
  readonly eta_seconds: number | null;
  /** The sink that is furthest behind. */
  readonly behind: string | null;
  readonly error: string | null;
  /** What ends the waiting of a `waiting` input, as the rest of a sentence with "until". */
  readonly waiting_for: string | null;
}

export interface PipelineStatus {
  readonly name: string;
  readonly in_events: number;
  readonly out_events: number;
  readonly skipped_events: number;
  /** Events that went through the stages as one compiled program: its time is all counted at the first stage. */
  readonly compiled_events: number;
  /**
   * By sink: events queued for it, events that it had from an earlier reading of the same input, and, where there are
   * any, events that a stage routed to other sinks only.
   */
  readonly routes: Readonly<
    Record<
      string,
      { readonly routed_events: number; readonly had_events: number; readonly elsewhere_events?: number | undefined }
    >
  >;
  readonly stages: readonly StageStatus[];
}

export interface StageStatus {
  readonly stage: string;
  readonly in_events: number;
  readonly out_events: number;
  /** Events made of others. */
  readonly created_events: number;
  readonly dropped_events: number;
  /** Those of `dropped_events` that the stage could not process (`on_error: "drop"`). */
  readonly dropped_on_error_events: number;
  /** Events that wait for others. */
  readonly held_events: number;
  readonly dead_lettered_events: number;
  readonly failed_events: number;
  readonly seconds: number;
  /** What the stage counts itself, by name. Only for stages that do. */
  readonly own?: Readonly<Record<string, number>>;
}

export interface SinkStatus {
  readonly name: string;
  readonly type: string;
  readonly state: "working" | "retrying" | "holding";
  readonly routed_events: number;
  readonly from_pipelines_events: number;
  readonly replayed_events: number;
  /** Left in the journal by an earlier process, or by the sink's predecessor before a reload. */
  readonly found_in_journal_events: number;
  readonly delivered_events: number;
  /** In memory and in the journal, together. */
  readonly queued_events: number;
  readonly queued_in_memory_events: number;
  readonly queued_in_journal_events: number;
  /** Given up, by reason; `read_again` are not lost: they are read from their inputs once more. */
  readonly dropped_events: Readonly<Record<string, number>>;
  readonly dead_lettered_events: number;
  readonly retried_events: number;
  readonly requests: number;
  readonly in_flight_requests: number;
  /** Calls that may be under way at a time, and bytes of one, as found out; how long calls take lately. */
  readonly allowed_requests: number;
  readonly allowed_request_bytes: number;
  readonly request_seconds: number;
  readonly sent_bytes: number;
  /** Age of the oldest document that waits. */
  readonly oldest_queued_seconds: number | null;
  readonly failing_since: string | null;
  readonly next_attempt: string | null;
  readonly last_error: { readonly message: string; readonly at: string } | null;
  /** What the sink itself says: what it waits for, which nodes it leaves out, what it could not make sure of. */
  readonly notes: readonly string[];
}
