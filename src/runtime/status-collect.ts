import { systemErrorCode } from "../core/error.ts";
import { formatIsoTime } from "../core/time.ts";
import type { HostConfig, SinkConfig, SourceConfig } from "./config/types.ts";
import { equationsOf } from "./equations.ts";
import { orphansOf, shareOf } from "./journal-shares.ts";
import type { Outbox } from "./outbox.ts";
import type { PipelineRunner } from "./pipeline-runner.ts";
import type { SinkRunner } from "./sink-runner.ts";
import type { Spooler } from "./spooler.ts";
import type { SourceRunner } from "./source-runner.ts";
import type {
  AgentStatus,
  JournalStatus,
  PipelineStatus,
  SinkStatus,
  SourceInputStatus,
  SourceStatus,
} from "./status.ts";

export interface StatusParts {
  readonly version: string;
  readonly hostname: string;
  readonly config: HostConfig;
  readonly nowMs: number;
  readonly startedAtMs: number;
  readonly outbox: Outbox;
  readonly spooler: Spooler | undefined;
  readonly checkpointError: string | undefined;
  readonly deadLetters: {
    readonly letters: number;
    readonly bytes: number;
    readonly oldestAt: string | undefined;
    readonly maxBytes: number;
    readonly dropped: { readonly budget: number; readonly age: number };
  };
  readonly sources: readonly { readonly config: SourceConfig; readonly runner: SourceRunner }[];
  readonly pipelines: readonly PipelineRunner[];
  readonly sinks: readonly { readonly config: SinkConfig; readonly runner: SinkRunner }[];
  /** Events that pipelines, and replays, queued for a sink. */
  readonly fromPipelines: (runner: SinkRunner) => number;
  readonly replayedTo: (runner: SinkRunner) => number;
}

let lastResidentBytes: number | undefined;

/**
 * Resident memory of the process. Linux tells it in a file, which nobody can open who has no descriptor left: it is then
 * what it was when it was asked last, or the most that it ever was. Whoever asks how the agent is must not end it.
 */
function residentBytes(): number {
  try {
    lastResidentBytes = process.memoryUsage.rss();
  } catch (error) {
    if (systemErrorCode(error) === undefined) throw error;
  }
  return lastResidentBytes ?? process.resourceUsage().maxRSS * 1024;
}

/** Reads the counters of everything that runs. */
export function collectStatus(parts: StatusParts): AgentStatus {
  const pipelines = parts.pipelines.map(pipelineStatus);
  const sinks = parts.sinks.map(({ config, runner }) => sinkStatus(config, runner, parts));
  const sources = parts.sources.map(({ config, runner }) => sourceStatus(config, runner, sinks, parts));
  const equations = equationsOf({ sources, pipelines, sinks });
  const healthy =
    parts.checkpointError === undefined &&
    parts.spooler?.failure === undefined &&
    sources.every((source) => source.state !== "failed") &&
    sinks.every((sink) => sink.state === "working");
  return {
    version: parts.version,
    pid: process.pid,
    hostname: parts.hostname,
    config_file: parts.config.file,
    state_dir: parts.config.stateDir,
    started_at: formatIsoTime(parts.startedAtMs),
    now: formatIsoTime(parts.nowMs),
    uptime_seconds: (parts.nowMs - parts.startedAtMs) / 1000,
    healthy,
    checkpoint_error: parts.checkpointError ?? null,
    memory: {
      queued_bytes: parts.outbox.heldBytes,
      budget_bytes: parts.config.memoryBudgetBytes,
      resident_bytes: residentBytes(),
    },
    dead_letters: {
      letters: parts.deadLetters.letters,
      bytes: parts.deadLetters.bytes,
      max_bytes: parts.deadLetters.maxBytes,
      oldest_at: parts.deadLetters.oldestAt ?? null,
      dropped: { ...parts.deadLetters.dropped },
    },
    dead_letters_dropped: parts.deadLetters.dropped.budget + parts.deadLetters.dropped.age,
    journal: parts.spooler === undefined ? null : journalStatus(parts.spooler),
    sources,
    pipelines,
    slowest_stage: slowestStage(pipelines),
    sinks,
    equations,
  };
}

function sourceStatus(
  config: SourceConfig,
  runner: SourceRunner,
  sinks: readonly SinkStatus[],
  parts: StatusParts,
): SourceStatus {
  const inputs = runner.inputs().map((input): SourceInputStatus => {
    const lag = runner.lag(input);
    return {
      name: input.name,
      state: input.state,
      size_bytes: input.sizeBytes ?? null,
      read_bytes: input.readBytes ?? null,
      delivered_bytes: lag?.deliveredBytes ?? null,
      lag_bytes: lag?.lagBytes ?? null,
      lag_seconds: lag?.lagSeconds ?? null,
      delivered_bytes_per_second: lag?.rates?.deliveredBytesPerSecond ?? null,
      grown_bytes_per_second: lag?.rates?.grownBytesPerSecond ?? null,
      eta_seconds: lag?.etaSeconds ?? null,
      behind: lag?.behind ?? null,
      error: input.error ?? null,
      waiting_for: input.waitingFor ?? null,
    };
  });
  const own = runner.counters();
  return {
    name: config.name,
    type: config.definition.type,
    state: runner.state,
    error: runner.error ?? null,
    waiting_since: isoOrNull(runner.waitingSinceMs),
    waiting_for: waitingFor(runner, sinks, parts),
    read_events: runner.counts.events,
    read_bytes: runner.counts.bytes,
    into_pipelines_events: Object.fromEntries(runner.counts.intoPipelines),
    dropped_events: {},
    dropped: Object.fromEntries(runner.counts.dropped),
    lag_bytes: inputs.reduce((sum, input) => sum + (input.lag_bytes ?? 0), 0),
    lag_seconds: inputs.reduce((most, input) => Math.max(most, input.lag_seconds ?? 0), 0),
    eta_seconds: inputs.some((input) => (input.lag_bytes ?? 0) > 0 && input.eta_seconds === null)
      ? null
      : inputs.reduce((most, input) => Math.max(most, input.eta_seconds ?? 0), 0),
    inputs,
    ...(own === undefined ? {} : { own }),
  };
}

/** Why a source does not read on, in words, and which sinks it is because of. */
function waitingFor(
  runner: SourceRunner,
  sinks: readonly SinkStatus[],
  { outbox, checkpointError }: StatusParts,
): SourceStatus["waiting_for"] {
  const wait = runner.waitsFor;
  if (wait === undefined) return null;
  const { reason } = wait;
  const since = formatIsoTime(wait.sinceMs);
  if (reason === "checkpoint")
    return { reason, since, sinks: [], detail: `checkpoints cannot be written: ${checkpointError ?? "?"}` };
  if (reason === "file_descriptors")
    return { reason, since, sinks: [], detail: "too many files are open: raise LimitNOFILE or max_open_files" };
  // What is in memory is there for the sinks that are not working; when all work, for the one that is furthest behind.
  const full = sinks.filter((sink) => sink.queued_events > 0);
  const failing = full.filter((sink) => sink.state !== "working");
  const oldest = Math.max(...full.map((sink) => sink.oldest_queued_seconds ?? 0));
  const slow = failing.length > 0 ? failing : full.filter((sink) => sink.oldest_queued_seconds === oldest);
  const names = slow.map(({ name }) => name);
  const why = slow.map(({ name, state, last_error }) =>
    state === "working" ? `${name} is slower than the source` : `${name} is ${state}: ${last_error?.message ?? "?"}`,
  );
  // More of it would be used if that helped these sinks.
  const detail = `the memory budget of ${outbox.budgetBytes} bytes is used up: ${why.join("; ")}`;
  return { reason, since, sinks: names, detail };
}

function pipelineStatus(pipeline: PipelineRunner): PipelineStatus {
  return {
    name: pipeline.name,
    in_events: pipeline.counts.in,
    out_events: pipeline.counts.out,
    skipped_events: pipeline.counts.skipped,
    compiled_events: pipeline.chain.compiled,
    routes: Object.fromEntries(
      pipeline.routes.map(({ sinkName, counts }) => [
        sinkName,
        {
          ...{ routed_events: counts.routed, had_events: counts.had },
          ...(counts.elsewhere > 0 ? { elsewhere_events: counts.elsewhere } : {}),
        },
      ]),
    ),
    stages: pipeline.chain.steps.map(({ label, counts, stage }) => ({
      stage: label,
      in_events: counts.in,
      out_events: counts.out,
      created_events: counts.created,
      dropped_events: counts.dropped,
      dropped_on_error_events: counts.droppedOnError,
      held_events: 0,
      dead_lettered_events: counts.deadLettered,
      failed_events: counts.failed,
      seconds: counts.milliseconds / 1000,
      ...(stage.counters === undefined ? {} : { own: stage.counters() }),
    })),
  };
}

function slowestStage(pipelines: readonly PipelineStatus[]): AgentStatus["slowest_stage"] {
  const all = pipelines.flatMap((pipeline) =>
    pipeline.stages.map((stage) => ({ pipeline: pipeline.name, stage: stage.stage, seconds: stage.seconds })),
  );
  const total = all.reduce((sum, stage) => sum + stage.seconds, 0);
  const slowest = all.reduce<(typeof all)[number] | undefined>(
    (most, stage) => (most === undefined || stage.seconds > most.seconds ? stage : most),
    undefined,
  );
  if (slowest === undefined || total === 0) return null;
  return { pipeline: slowest.pipeline, stage: slowest.stage, share: slowest.seconds / total };
}

function sinkStatus(config: SinkConfig, runner: SinkRunner, parts: StatusParts): SinkStatus {
  const { nowMs } = parts;
  const { counts, oldestQueuedMs } = runner;
  const { lastError, failingSinceMs, state } = runner.health;
  return {
    name: config.name,
    type: config.definition.type,
    state,
    routed_events: counts.routed,
    from_pipelines_events: parts.fromPipelines(runner),
    replayed_events: parts.replayedTo(runner),
    found_in_journal_events: counts.found,
    delivered_events: counts.delivered,
    queued_events: runner.queued,
    queued_in_memory_events: runner.queuedInMemory,
    queued_in_journal_events: runner.away,
    dropped_events: Object.fromEntries(counts.droppedBy),
    dead_lettered_events: counts.deadLettered,
    retried_events: counts.retried,
    requests: counts.requests,
    in_flight_requests: runner.inFlight,
    allowed_requests: runner.pace.concurrency,
    allowed_request_bytes: runner.pace.maxBytes,
    request_seconds: runner.pace.callMs / 1000,
    sent_bytes: counts.bytes,
    oldest_queued_seconds: oldestQueuedMs === undefined ? null : Math.max(0, nowMs - oldestQueuedMs) / 1000,
    failing_since: isoOrNull(failingSinceMs),
    next_attempt: isoOrNull(runner.nextAttemptMs),
    last_error: lastError === undefined ? null : { message: lastError.message, at: formatIsoTime(lastError.atMs) },
    notes: runner.sink.notes?.() ?? [],
  };
}

function journalStatus(spooler: Spooler): JournalStatus {
  const { journal } = spooler;
  return {
    used_bytes: journal.usedBytes,
    max_bytes: journal.maxBytes,
    records: journal.records,
    oldest_at: isoOrNull(journal.oldestReadAtMs),
    full: spooler.isFull,
    error: spooler.failure ?? null,
    orphans: orphansOf(journal, (sink) => spooler.isConfigured(sink)).map((sink) => ({
      ...{ sink_identity: sink, ...shareOf(journal, sink) },
    })),
  };
}

function isoOrNull(ms: number | undefined): string | null {
  return ms === undefined ? null : formatIsoTime(ms);
}
