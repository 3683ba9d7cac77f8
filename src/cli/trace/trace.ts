import { join } from "node:path";
import { LogEvent } from "../../core/event.ts";
import { WiretailError } from "../../core/error.ts";
import { Path } from "../../core/path.ts";
import { parseKql } from "../../codec/kql/parse.ts";
import { compilePredicate } from "../../codec/kql/predicate.ts";
import { readCheckpoint, type PartitionCheckpoint } from "../../disk/checkpoint-file.ts";
import { letterName, type DeadLetter } from "../../disk/dead-letters/letter.ts";
import { readLetters } from "../../disk/dead-letters/segments.ts";
import type { HostConfig, PipelineConfig, SinkConfig } from "../../runtime/config/types.ts";
import { askAgent } from "../../runtime/control.ts";
import { parseEventId, type EventId } from "../../runtime/replay/planner.ts";
import { pipelineIdPart, routeKey } from "../../runtime/route-key.ts";
import { StageChain } from "../../runtime/stage-chain.ts";
import type { AgentStatus } from "../../runtime/status.ts";
import { fieldChanges, fieldsOf, type FieldChange } from "../field-changes.ts";
import { eventAt, findFile, rulesOf, type OriginalEvent } from "../origin.ts";

/** The journey of one event. What is `recomputed` was worked out now, with the present configuration. */
export interface Trace {
  readonly id: string;
  readonly read: {
    readonly source: string | null;
    /** Where the file was when it was first seen, and where it is now. */
    readonly first_path: string | null;
    readonly path: string | null;
    readonly offset: number;
    readonly line: string | null;
    /** Where the line is from: the file as it is now, a dead letter, or the stored document's `event.original`. */
    readonly line_from: "file" | "dead_letter" | "event.original" | null;
    /** Why the source, the file or the line is not known. */
    readonly unknown: readonly string[];
  };
  readonly pipeline: string | null;
  /** Recomputed; null without a line or pipeline. */
  readonly stages: readonly TracedStage[] | null;
  /** The document that the stages give now. */
  readonly recomputed: Readonly<Record<string, unknown>> | null;
  readonly sinks: readonly TracedSink[];
  readonly dead_letters: readonly { readonly name: string; readonly letter: DeadLetter }[];
  readonly stored: {
    readonly folder: string;
    readonly document: Readonly<Record<string, unknown>>;
    /** How the document that the stages give now differs from the stored one; null when there is none. */
    readonly differences: readonly FieldChange[] | null;
  } | null;
}

export interface TracedStage {
  readonly stage: string;
  /**
   * `skipped`: its `when` was false; `left_out`: by the stage, on purpose or by `on_error: drop`; `not_known`: it decides
   * by earlier events, and is taken to have let this one through.
   */
  readonly result: "not_known" | "changed" | "unchanged" | "skipped" | "failed" | "left_out" | "dead_letter";
  readonly reason: string | null;
  readonly changes: readonly FieldChange[];
}

export interface TracedSink {
  readonly sink: string;
  readonly verdict:
    | "delivered" // it is there, or the sink's position is behind it and no dead letter is there
    | "dead_letter"
    | "waiting"
    | "in_journal"
    | "not_for_it" // left out before it, or routed to others
    | "unknown";
  readonly detail: string;
}

export interface TraceOptions {
  readonly config: HostConfig;
  /** Finds the stored document of an id; undefined where there is no store. */
  readonly stored: ((id: string) => Promise<{ folder: string; json: string } | undefined>) | undefined;
}

/** Puts together what checkpoints, dead letters, the local store, the file and the running agent know of an event. */
export async function traceEvent(idText: string, { config, stored }: TraceOptions): Promise<Trace> {
  const id = parseEventId(idText);
  if (id === undefined)
    throw new WiretailError("WT_USAGE", `"${idText}" is not the id of an event`, {
      hint: "an id is PARTITION.PIPELINE.OFFSET, as _id in Elasticsearch and the local store, or id in tap and dead letters",
    });
  const [partitionId = "", part = ""] = id.prefix.split(".");
  const pipeline = config.pipelines.find(({ name }) => pipelineIdPart(name) === part);
  const [{ data }, letters, document, status] = await Promise.all([
    readCheckpoint(join(config.stateDir, "checkpoints.json"), { keepDamaged: true }),
    lettersOf(config.stateDir, idText),
    stored?.(idText),
    askAgent(config.stateDir, "/status", { timeoutMs: 3000 }).then(
      (text) => JSON.parse(text) as AgentStatus,
      () => undefined,
    ),
  ]);
  const partition = data.partitions[partitionId];
  const found = document === undefined ? undefined : (JSON.parse(document.json) as Record<string, unknown>);
  const read = await whereRead(id, partition, config, letters, found);
  if (partition === undefined && letters.length === 0 && found === undefined)
    throw new WiretailError("WT_USAGE", `nothing is known of ${idText}`, {
      hint: `it is in no checkpoint of ${config.stateDir}, in no dead letter, and not in the local store: is it another agent's?`,
    });
  const line = read.event;
  const run =
    line === undefined || pipeline === undefined ? undefined : runStages(pipeline, line, id, partition, config, found);
  return {
    id: idText,
    read: read.report,
    pipeline: pipeline?.name ?? letters[0]?.pipeline ?? null,
    stages: run?.stages ?? null,
    recomputed: run?.document ?? null,
    sinks: (pipeline?.to ?? []).map((name) =>
      sinkVerdict(
        config.sinks.find((sink) => sink.name === name)!,
        {
          ...{
            id,
            pipeline: pipeline!,
            partition,
            letters,
            run,
            status,
            isStored: found !== undefined,
            isNone: read.isNone,
          },
        },
      ),
    ),
    dead_letters: letters.map((letter) => ({ name: letterName(letter), letter })),
    stored:
      document === undefined || found === undefined
        ? null
        : {
            ...{ folder: document.folder, document: found },
            differences: run?.document == null ? null : differences(found, run.document),
          },
  };
}

async function lettersOf(stateDir: string, id: string): Promise<DeadLetter[]> {
  const found: DeadLetter[] = [];
  for await (const letter of readLetters(join(stateDir, "dead-letters"))) if (letter.id === id) found.push(letter);
  return found;
}

async function whereRead(
  id: EventId,
  partition: PartitionCheckpoint | undefined,
  config: HostConfig,
  letters: readonly DeadLetter[],
  stored: Readonly<Record<string, unknown>> | undefined,
): Promise<{ report: Trace["read"]; event: OriginalEvent | undefined; isNone: boolean }> {
  const unknown: string[] = [];
  const sourceName = partition?.source ?? letters[0]?.source ?? null;
  const source = config.sources.find(({ name }) => name === sourceName);
  if (partition === undefined)
    unknown.push("no checkpoint knows its input any more: it was forgotten, or read by another agent");
  let event: OriginalEvent | undefined;
  let from: Trace["read"]["line_from"] = null;
  let path: string | null = null;
  let isNone = false;
  if (partition !== undefined) {
    const file = await findFile(partition.identity);
    const rules = source === undefined ? undefined : rulesOf(source);
    if ("fault" in file) unknown.push(file.fault);
    else if (rules === undefined) unknown.push(`the source "${partition.source}" is not in the configuration`);
    else {
      path = file.path;
      const found = await eventAt(file.path, id.offset, rules).catch((error: unknown) => ({
        fault: `${file.path} cannot be read: ${error instanceof Error ? error.message : String(error)}`,
      }));
      if ("fault" in found) {
        unknown.push(found.fault);
        isNone = "isNone" in found;
      } else [event, from] = [found, "file"];
    }
  }
  const letter = letters.find(({ original }) => original !== undefined);
  if (event === undefined && letter !== undefined) {
    event = { text: letter.original!, offset: id.offset, flags: undefined };
    from = "dead_letter";
  }
  const kept = (stored?.["event"] as { original?: unknown } | undefined)?.original;
  if (event === undefined && typeof kept === "string") {
    event = { text: kept, offset: id.offset, flags: undefined };
    from = "event.original";
  }
  const identity = partition?.identity as { path?: unknown } | null | undefined;
  const report: Trace["read"] = {
    ...{ source: sourceName, first_path: typeof identity?.path === "string" ? identity.path : null, path },
    ...{ offset: id.offset, line: event?.text ?? null, line_from: from, unknown },
  };
  return { report, event, isNone: isNone && event === undefined && stored === undefined };
}

interface StageRun {
  readonly stages: readonly TracedStage[];
  readonly document: Readonly<Record<string, unknown>> | undefined;
  /** The sinks that it is for; undefined: all of the pipeline's; empty: none. */
  readonly sinks: readonly string[] | undefined;
  /** Why it goes to none. */
  readonly leftOut: string | undefined;
}

function runStages(
  pipeline: PipelineConfig,
  line: OriginalEvent,
  id: EventId,
  partition: PartitionCheckpoint | undefined,
  config: HostConfig,
  stored: Readonly<Record<string, unknown>> | undefined,
): StageRun {
  const nowMs = Date.now();
  // What no stage gives a time has the time at which it was read, which only its document knows.
  const storedMs = typeof stored?.["@timestamp"] === "string" ? Date.parse(stored["@timestamp"]) : NaN;
  const path = (partition?.identity as { path?: unknown } | null | undefined)?.path;
  const fields: [string, unknown][] = [
    ...(stored === undefined ? [] : envelopeOf(stored)),
    ...(typeof path === "string" ? [["log.file.path", path] as [string, unknown]] : []),
  ];
  const envelope = {
    paths: fields.map(([name]) => new Path(name)),
    values: fields.map(([, value]) => value),
    offsetPath: typeof path === "string" ? new Path("log.offset") : undefined,
  };
  const event = new LogEvent(line.text, Number.isNaN(storedMs) ? nowMs : storedMs, line.offset, envelope);
  if (line.flags !== undefined) event.set(new Path("log.flags"), line.flags);
  const chain = new StageChain(pipeline.stages, () => nowMs, { isReplay: true, counts: "branches" });
  const stages: TracedStage[] = [];
  try {
    if (pipeline.when !== undefined && !compilePredicate(parseKql(pipeline.when))(event)) {
      const leftOut = `the pipeline's own condition leaves it out: ${pipeline.when}`;
      return { stages, document: undefined, sinks: [], leftOut };
    }
    let events = [event];
    let before = fieldsOf(event.toObject());
    for (const [index, step] of chain.steps.entries()) {
      let failure: string | undefined;
      const { failed } = step.counts;
      chain.runOne(index, events, (_event, _stage, reason) => (failure = reason));
      // Of several that were made of one, the one with this id.
      if (events.length > 1) events = events.filter(({ subIndex }) => subIndex === id.subIndex);
      const [left] = events;
      const after = fieldsOf((left ?? event).toObject());
      const changes = left === undefined ? [] : fieldChanges(before, after);
      const isSkipped = (step.conditions?.unmet ?? 0) > 0;
      const hasFailed = step.counts.failed > failed;
      const result: TracedStage["result"] = step.remembers
        ? "not_known"
        : failure !== undefined
          ? "dead_letter"
          : left === undefined
            ? "left_out"
            : isSkipped
              ? "skipped"
              : hasFailed
                ? "failed"
                : changes.length > 0
                  ? "changed"
                  : "unchanged";
      stages.push({ stage: step.label, result, reason: failure ?? null, changes });
      if (left === undefined) {
        const leftOut =
          failure === undefined ? `left out by stage ${step.label}` : `refused by stage ${step.label}: ${failure}`;
        return { stages, document: undefined, sinks: [], leftOut };
      }
      before = after;
    }
    const [left] = events;
    return { stages, document: left!.toObject(), sinks: left!.sinks, leftOut: undefined };
  } finally {
    chain.close();
  }
}

/** What the source gave every event, as far as a stored document has it. */
function envelopeOf(stored: Readonly<Record<string, unknown>>): [string, unknown][] {
  const host = (stored["host"] as { name?: unknown } | undefined)?.name;
  const version = (stored["ecs"] as { version?: unknown } | undefined)?.version;
  return [
    ...(host === undefined ? [] : [["host.name", host] as [string, unknown]]),
    ...(version === undefined ? [] : [["ecs.version", version] as [string, unknown]]),
  ];
}

function differences(stored: Readonly<Record<string, unknown>>, now: Readonly<Record<string, unknown>>): FieldChange[] {
  const { _id: _, ...document } = stored;
  return fieldChanges(fieldsOf(document), fieldsOf(now));
}

function sinkVerdict(
  sink: SinkConfig,
  known: {
    readonly id: EventId;
    readonly pipeline: PipelineConfig;
    readonly partition: PartitionCheckpoint | undefined;
    readonly letters: readonly DeadLetter[];
    readonly run: StageRun | undefined;
    readonly status: AgentStatus | undefined;
    readonly isStored: boolean;
    /** The file is there, and has no such event. */
    readonly isNone: boolean;
  },
): TracedSink {
  const { id, pipeline, partition, letters, run, status, isNone } = known;
  const of = (verdict: TracedSink["verdict"], detail: string): TracedSink => ({ sink: sink.name, verdict, detail });
  const letter = letters.find(
    (each) => each.sink_identity === sink.identity || each.sink === sink.name || each.to?.[sink.name] !== undefined,
  );
  if (letter !== undefined) {
    const replays = letter.replays === undefined ? "" : `, replayed ${letter.replays} times in vain`;
    const who = letter.stage === undefined ? "refused" : `refused by stage ${letter.stage}`;
    return of("dead_letter", `${who} at ${letter.at}${replays}: ${letter.reason}`);
  }
  if (sink.definition.type === "local" && known.isStored) return of("delivered", "it is in the local store");
  if (run !== undefined && (run.leftOut !== undefined || run.sinks?.includes(sink.name) === false))
    return of("not_for_it", `${run.leftOut ?? `routed to others: ${run.sinks!.join(", ") || "none"}`} (recomputed)`);
  if (isNone) return of("unknown", "there is no such event in the file");
  if (partition === undefined) return of("unknown", "its checkpoint is gone");
  const route = routeKey(pipeline.name, sink.identity);
  const inJournal = partition.in_journal?.[route]?.some(([from, , to]) => from <= id.offset && id.offset < to) === true;
  const entry = partition.routes[route];
  if (entry === undefined)
    return of("unknown", "the checkpoint does not know this sink: it is new, or never got anything");
  const running = status?.sinks.find(({ name }) => name === sink.name);
  const state = running === undefined ? "no agent runs" : sinkState(running);
  if (inJournal) return of("in_journal", `waits in the journal; ${state}`);
  const behind = `the sink's position, byte ${entry[0]}, is behind it, and no dead letter is there`;
  if (id.offset < entry[0])
    return run === undefined ? of("unknown", `delivered, or left out by a stage: ${behind}`) : of("delivered", behind);
  return of("waiting", `the sink's position, byte ${entry[0]}, is before it; ${state}`);
}

/** The sink as a whole: retries are not counted by event. */
function sinkState(sink: AgentStatus["sinks"][number]): string {
  const { state, queued_events: queued, retried_events: retried, last_error: error, next_attempt: next } = sink;
  const failing = state === "working" || error === null ? "" : `: ${error.message}`;
  const attempt = next === null ? "" : `, next attempt at ${next}`;
  return `the sink is ${state}${failing}, ${queued} events wait for it, ${retried} were sent again since the start${attempt}`;
}
