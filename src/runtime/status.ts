import type { Equation } from "./equations.ts";
import type { Sample } from "./metrics.ts";

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

/** The runtime's own metrics. Per-file series are left out on purpose: their number has no bound. */
export function statusSamples(status: AgentStatus): Sample[] {
  const samples: Sample[] = [];
  const add = (
    kind: "counter" | "gauge",
    name: string,
    description: string,
    value: number,
    labels: Record<string, string> = {},
  ): void => {
    samples.push({ kind, name, description, value, labels });
  };
  add("gauge", "healthy", "1 when every source and sink works", status.healthy ? 1 : 0);
  add("gauge", "uptime_seconds", "Seconds since the agent started", status.uptime_seconds);
  add("gauge", "queued_bytes", "Encoded events held in memory for sinks, bytes", status.memory.queued_bytes);
  add(
    "gauge",
    "queue_budget_bytes",
    "The most that may be held in memory for sinks, bytes",
    status.memory.budget_bytes,
  );
  add("gauge", "resident_bytes", "Resident memory of the process, bytes", status.memory.resident_bytes);
  add("gauge", "dead_letters", "Dead letters kept on disk", status.dead_letters.letters);
  add("gauge", "dead_letters_bytes", "Dead letters kept on disk, bytes", status.dead_letters.bytes);
  for (const [reason, letters] of Object.entries(status.dead_letters.dropped)) {
    const description = "Dead letters removed without being asked, by reason: budget or age";
    add("counter", "dead_letters_dropped", description, letters, { reason });
  }
  const broken = status.equations.filter((equation) => !equation.holds).length;
  add("gauge", "equations_broken", "Equations of events that do not add up: a defect", broken);
  if (status.journal !== null) addJournal(status.journal, Date.parse(status.now), add);
  for (const source of status.sources) {
    const labels = { source: source.name };
    add("counter", "source_events", "Events read", source.read_events, labels);
    add("counter", "source_bytes", "Input read, bytes", source.read_bytes, labels);
    add("gauge", "source_lag_bytes", "Input not delivered to every sink yet, bytes", source.lag_bytes, labels);
    add(
      "gauge",
      "source_lag_seconds",
      "How long there has been undelivered input, seconds",
      source.lag_seconds,
      labels,
    );
    add("gauge", "source_waiting", "1 while the source waits for sinks", source.state === "waiting" ? 1 : 0, labels);
    for (const reason of ["memory_budget", "checkpoint", "file_descriptors"] as const) {
      const { waiting_for: wait } = source;
      const seconds = wait?.reason === reason ? (Date.parse(status.now) - Date.parse(wait.since)) / 1000 : 0;
      const description = "How long the source has waited for this, seconds";
      add("gauge", "source_waiting_seconds", description, seconds, { ...labels, reason });
    }
    if (source.eta_seconds !== null)
      add(
        "gauge",
        "source_eta_seconds",
        "Time until the lag is delivered at the recent rate",
        source.eta_seconds,
        labels,
      );
    for (const [pipeline, events] of Object.entries(source.into_pipelines_events))
      add("counter", "source_into_pipeline_events", "Events that a pipeline took", events, { ...labels, pipeline });
    for (const [reason, count] of Object.entries(source.dropped)) {
      add("counter", "source_dropped_bytes", "Input given up, bytes, by reason", count, { ...labels, reason });
    }
  }
  for (const pipeline of status.pipelines) {
    const labels = { pipeline: pipeline.name };
    add("counter", "pipeline_in_events", "Events that entered the pipeline", pipeline.in_events, labels);
    add("counter", "pipeline_out_events", "Events that left the pipeline for its sinks", pipeline.out_events, labels);
    add(
      "counter",
      "pipeline_skipped_events",
      "Events that the pipeline's condition left out",
      pipeline.skipped_events,
      labels,
    );
    for (const stage of pipeline.stages) {
      const at = { ...labels, stage: stage.stage };
      add("counter", "stage_in_events", "Events that entered the stage", stage.in_events, at);
      add("counter", "stage_out_events", "Events that left the stage", stage.out_events, at);
      add("counter", "stage_dropped_events", "Events that the stage left out", stage.dropped_events, at);
      add(
        "counter",
        "stage_dead_lettered_events",
        "Events that the stage sent to the dead letters",
        stage.dead_lettered_events,
        at,
      );
      add("counter", "stage_failed_events", "Events that the stage could not process", stage.failed_events, at);
      add("counter", "stage_seconds", "Time spent in the stage, seconds", stage.seconds, at);
    }
  }
  for (const sink of status.sinks) {
    const labels = { sink: sink.name };
    add("counter", "sink_routed_events", "Events queued for the sink", sink.routed_events, labels);
    add("counter", "sink_delivered_events", "Events that the sink has", sink.delivered_events, labels);
    add("gauge", "sink_queued_events", "Events that wait for the sink", sink.queued_events, labels);
    add(
      "gauge",
      "sink_queued_in_journal_events",
      "Events that wait for the sink in the journal",
      sink.queued_in_journal_events,
      labels,
    );
    for (const [reason, count] of Object.entries(sink.dropped_events)) {
      add("counter", "sink_dropped_events", "Events given up, by reason", count, { ...labels, reason });
    }
    add(
      "counter",
      "sink_dead_lettered_events",
      "Events that the sink refused for good",
      sink.dead_lettered_events,
      labels,
    );
    add("counter", "sink_retried_events", "Events that were sent once more", sink.retried_events, labels);
    add("counter", "sink_requests", "Calls made", sink.requests, labels);
    add("gauge", "sink_in_flight_requests", "Calls under way", sink.in_flight_requests, labels);
    add("gauge", "sink_allowed_requests", "Calls that may be under way, as found out", sink.allowed_requests, labels);
    add(
      "gauge",
      "sink_allowed_request_bytes",
      "Bytes of one call at most, as found out",
      sink.allowed_request_bytes,
      labels,
    );
    add("gauge", "sink_request_seconds", "How long calls take lately, seconds", sink.request_seconds, labels);
    add("counter", "sink_sent_bytes", "Encoded events delivered, bytes", sink.sent_bytes, labels);
    add(
      "gauge",
      "sink_oldest_queued_seconds",
      "Age of the oldest waiting event, seconds",
      sink.oldest_queued_seconds ?? 0,
      labels,
    );
    for (const state of ["working", "retrying", "holding"] as const) {
      add("gauge", "sink_state", "1 for the state the sink is in", sink.state === state ? 1 : 0, { ...labels, state });
    }
  }
  return samples;
}

function addJournal(
  journal: JournalStatus,
  nowMs: number,
  add: (kind: "counter" | "gauge", name: string, description: string, value: number) => void,
): void {
  add("gauge", "journal_bytes", "Bytes in the journal", journal.used_bytes);
  add("gauge", "journal_budget_bytes", "The most that the journal may hold, bytes", journal.max_bytes);
  add("gauge", "journal_records", "Batches in the journal", journal.records);
  const ageSeconds = journal.oldest_at === null ? 0 : Math.max(0, nowMs - Date.parse(journal.oldest_at)) / 1000;
  add("gauge", "journal_oldest_seconds", "Age of the oldest batch in the journal, seconds", ageSeconds);
  add("gauge", "journal_full", "1 while events wait for room in the journal", journal.full ? 1 : 0);
  add("gauge", "journal_failing", "1 while the journal cannot be written", journal.error === null ? 0 : 1);
}
