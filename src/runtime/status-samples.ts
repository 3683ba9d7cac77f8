import type { Sample } from "./metrics.ts";
import type { AgentStatus, JournalStatus, PipelineStatus, SinkStatus, SourceStatus, StageStatus } from "./status.ts";

type Labels = Readonly<Record<string, string>>;
/** One metric of whatever has a status. It is left out while its value is null. */
type Metric<Of> = readonly [
  kind: Sample["kind"],
  name: string,
  description: string,
  value: (of: Of, nowMs: number) => number | null,
];

const AGENT: readonly Metric<AgentStatus>[] = [
  ["gauge", "healthy", "1 when every source and sink works", (agent) => Number(agent.healthy)],
  ["gauge", "uptime_seconds", "Seconds since the agent started", (agent) => agent.uptime_seconds],
  ["gauge", "queued_bytes", "Encoded events held in memory for sinks, bytes", ({ memory }) => memory.queued_bytes],
  ["gauge", "queue_budget_bytes", "The most that may be held there, bytes", ({ memory }) => memory.budget_bytes],
  ["gauge", "resident_bytes", "Resident memory of the process, bytes", ({ memory }) => memory.resident_bytes],
  ["gauge", "dead_letters", "Dead letters kept on disk", (agent) => agent.dead_letters.letters],
  ["gauge", "dead_letters_bytes", "Dead letters kept on disk, bytes", (agent) => agent.dead_letters.bytes],
];

const BROKEN: Metric<AgentStatus> = [
  "gauge",
  "equations_broken",
  "Equations of events that do not add up: a defect",
  (agent) => agent.equations.filter((equation) => !equation.holds).length,
];

const JOURNAL: readonly Metric<JournalStatus>[] = [
  ["gauge", "journal_bytes", "Bytes in the journal", (journal) => journal.used_bytes],
  ["gauge", "journal_budget_bytes", "The most that the journal may hold, bytes", (journal) => journal.max_bytes],
  ["gauge", "journal_records", "Batches in the journal", (journal) => journal.records],
  [
    "gauge",
    "journal_oldest_seconds",
    "Age of the oldest batch in the journal, seconds",
    (journal, nowMs) => Math.max(0, secondsSince(journal.oldest_at, nowMs)),
  ],
  ["gauge", "journal_full", "1 while events wait for room in the journal", (journal) => Number(journal.full)],
  ["gauge", "journal_failing", "1 while the journal cannot be written", (journal) => Number(journal.error !== null)],
];

const SOURCE: readonly Metric<SourceStatus>[] = [
  ["counter", "source_events", "Events read", (source) => source.read_events],
  ["counter", "source_bytes", "Input read, bytes", (source) => source.read_bytes],
  ["gauge", "source_lag_bytes", "Input not delivered to every sink yet, bytes", (source) => source.lag_bytes],
  ["gauge", "source_lag_seconds", "How long there has been undelivered input, seconds", (source) => source.lag_seconds],
  ["gauge", "source_waiting", "1 while the source waits for sinks", (source) => Number(source.state === "waiting")],
];

const SOURCE_ETA: Metric<SourceStatus> = [
  "gauge",
  "source_eta_seconds",
  "Time until the lag is delivered at the recent rate",
  (source) => source.eta_seconds,
];

const PIPELINE: readonly Metric<PipelineStatus>[] = [
  ["counter", "pipeline_in_events", "Events that entered the pipeline", (pipeline) => pipeline.in_events],
  ["counter", "pipeline_out_events", "Events that left the pipeline for its sinks", (pipeline) => pipeline.out_events],
  ["counter", "pipeline_skipped_events", "Events that the pipeline's condition left out", (of) => of.skipped_events],
];

const STAGE: readonly Metric<StageStatus>[] = [
  ["counter", "stage_in_events", "Events that entered the stage", (stage) => stage.in_events],
  ["counter", "stage_out_events", "Events that left the stage", (stage) => stage.out_events],
  ["counter", "stage_dropped_events", "Events that the stage left out", (stage) => stage.dropped_events],
  [
    "counter",
    "stage_dead_lettered_events",
    "Events that the stage sent to the dead letters",
    (stage) => stage.dead_lettered_events,
  ],
  ["counter", "stage_failed_events", "Events that the stage could not process", (stage) => stage.failed_events],
  ["counter", "stage_seconds", "Time spent in the stage, seconds", (stage) => stage.seconds],
];

const SINK: readonly Metric<SinkStatus>[] = [
  ["counter", "sink_routed_events", "Events queued for the sink", (sink) => sink.routed_events],
  ["counter", "sink_delivered_events", "Events that the sink has", (sink) => sink.delivered_events],
  ["gauge", "sink_queued_events", "Events that wait for the sink", (sink) => sink.queued_events],
  [
    "gauge",
    "sink_queued_in_journal_events",
    "Events that wait for the sink in the journal",
    (sink) => sink.queued_in_journal_events,
  ],
  [
    "counter",
    "sink_dead_lettered_events",
    "Events that the sink refused for good",
    (sink) => sink.dead_lettered_events,
  ],
  ["counter", "sink_retried_events", "Events that were sent once more", (sink) => sink.retried_events],
  ["counter", "sink_requests", "Calls made", (sink) => sink.requests],
  ["gauge", "sink_in_flight_requests", "Calls under way", (sink) => sink.in_flight_requests],
  ["gauge", "sink_allowed_requests", "Calls that may be under way, as found out", (sink) => sink.allowed_requests],
  [
    "gauge",
    "sink_allowed_request_bytes",
    "Bytes of one call at most, as found out",
    (sink) => sink.allowed_request_bytes,
  ],
  ["gauge", "sink_request_seconds", "How long calls take lately, seconds", (sink) => sink.request_seconds],
  ["counter", "sink_sent_bytes", "Encoded events delivered, bytes", (sink) => sink.sent_bytes],
  [
    "gauge",
    "sink_oldest_queued_seconds",
    "Age of the oldest waiting event, seconds",
    (sink) => sink.oldest_queued_seconds ?? 0,
  ],
];

const WAIT_REASONS = ["memory_budget", "checkpoint", "file_descriptors"] as const;
const SINK_STATES = ["working", "retrying", "holding"] as const;

/** The runtime's own metrics. Per-file series are left out on purpose: their number has no bound. */
export function statusSamples(status: AgentStatus): Sample[] {
  const samples = new Samples(Date.parse(status.now));
  samples.all(AGENT, status, {});
  const removed = "Dead letters removed without being asked, by reason: budget or age";
  samples.each("dead_letters_dropped", removed, "reason", status.dead_letters.dropped, {});
  samples.all([BROKEN], status, {});
  if (status.journal !== null) samples.all(JOURNAL, status.journal, {});
  for (const source of status.sources) addSource(samples, source);
  for (const pipeline of status.pipelines) {
    const labels = { pipeline: pipeline.name };
    samples.all(PIPELINE, pipeline, labels);
    for (const stage of pipeline.stages) {
      const at = { ...labels, stage: stage.stage };
      samples.all(STAGE, stage, at);
      for (const [name, value] of Object.entries(stage.own ?? {}))
        samples.all([["gauge", "stage_own", "What a stage counts itself, by name", () => value]], stage, {
          ...at,
          name,
        });
    }
  }
  for (const sink of status.sinks) addSink(samples, sink);
  return samples.list;
}

function addSource(samples: Samples, source: SourceStatus): void {
  const labels = { source: source.name };
  samples.all(SOURCE, source, labels);
  for (const reason of WAIT_REASONS) {
    const since = source.waiting_for?.reason === reason ? source.waiting_for.since : null;
    const waited = secondsSince(since, samples.nowMs);
    const description = "How long the source has waited for this, seconds";
    samples.add("gauge", "source_waiting_seconds", description, waited, { ...labels, reason });
  }
  samples.all([SOURCE_ETA], source, labels);
  const taken = source.into_pipelines_events;
  samples.each("source_into_pipeline_events", "Events that a pipeline took", "pipeline", taken, labels);
  samples.each("source_dropped_bytes", "Input given up, bytes, by reason", "reason", source.dropped, labels);
  for (const [name, value] of Object.entries(source.own ?? {}))
    samples.add("gauge", "source_own", "What a source counts itself, by name", value, { ...labels, name });
}

function addSink(samples: Samples, sink: SinkStatus): void {
  const labels = { sink: sink.name };
  samples.all(SINK, sink, labels);
  samples.each("sink_dropped_events", "Events given up, by reason", "reason", sink.dropped_events, labels);
  for (const state of SINK_STATES) {
    const is = Number(sink.state === state);
    samples.add("gauge", "sink_state", "1 for the state the sink is in", is, { ...labels, state });
  }
}

/** 0 for what is not. */
function secondsSince(time: string | null, nowMs: number): number {
  return time === null ? 0 : (nowMs - Date.parse(time)) / 1000;
}

class Samples {
  readonly nowMs: number;
  readonly list: Sample[] = [];

  constructor(nowMs: number) {
    this.nowMs = nowMs;
  }

  add(kind: Sample["kind"], name: string, description: string, value: number, labels: Labels): void {
    this.list.push({ kind, name, description, value, labels });
  }

  all<Of>(metrics: readonly Metric<Of>[], of: Of, labels: Labels): void {
    for (const [kind, name, description, read] of metrics) {
      const value = read(of, this.nowMs);
      if (value !== null) this.add(kind, name, description, value, labels);
    }
  }

  /** A counter for each key of `values`, which becomes the value of a label. */
  each(
    name: string,
    description: string,
    label: string,
    values: Readonly<Record<string, number>>,
    labels: Labels,
  ): void {
    for (const [key, value] of Object.entries(values))
      this.add("counter", name, description, value, { ...labels, [label]: key });
  }
}
