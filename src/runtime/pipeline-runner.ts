import { JSON_ENCODING, type EncodedBatch, type Encoding, type LineBatch } from "../core/batch.ts";
import type { BufferPool } from "../core/buffer-pool.ts";
import type { Log } from "../core/component.ts";
import { errorMessage } from "../core/error.ts";
import type { Envelope, LogEvent } from "../core/event.ts";
import { formatIsoTime } from "../core/time.ts";
import { parseKql } from "../codec/kql/parse.ts";
import { compilePredicate } from "../codec/kql/predicate.ts";
import type { DeadLetter } from "../disk/dead-letters/letter.ts";
import type { DeadLetterStore } from "../disk/dead-letters/store.ts";
import { countRanges } from "../disk/journal/ranges.ts";
import { backoffMs } from "./backoff.ts";
import { BatchEncoder, toEvents, toEventsOfBytes } from "./batch-encoder.ts";
import { sourceOfStages, type Checkpoints } from "./checkpoints.ts";
import { sleep, type Clock } from "./clock.ts";
import type { PipelineConfig } from "./config/types.ts";
import type { JournalFeed } from "./journal-feed.ts";
import { KeptStages, type MadeBatch } from "./kept-stages.ts";
import type { Outbox, OutboxEntry } from "./outbox.ts";
import type { PendingBatch, RouteProgress } from "./progress.ts";
import { pipelineIdPart } from "./route-key.ts";
import type { SinkRunner } from "./sink-runner.ts";
import { CompiledPipeline } from "./specialise/compiled-pipeline.ts";
import type { PlannedStage } from "./specialise/compile.ts";
import type { SpoolNeed } from "./spool-item.ts";
import type { Spooler } from "./spooler.ts";
import { StageChain, type ChainStage, type DeadLetterEvent } from "./stage-chain.ts";

/** One sink of a pipeline, with the name of the route in checkpoints. */
export interface Route {
  readonly key: string;
  readonly sinkName: string;
  readonly sinkIdentity: string;
  readonly runner: SinkRunner;
  /** Totals since the start: events queued for the sink, that it had from an earlier reading, and that are for others. */
  readonly counts: { routed: number; had: number; elsewhere: number };
  /** The sink's place in the journal, when there is one. */
  readonly feed: JournalFeed | undefined;
}

export interface PipelineRunnerOptions {
  readonly config: PipelineConfig;
  readonly routes: readonly Route[];
  readonly outbox: Outbox;
  readonly pool: BufferPool;
  readonly checkpoints: Checkpoints;
  /** Writes to the journal, when there is one. */
  readonly spooler: Spooler | undefined;
  readonly deadLetters: DeadLetterStore;
  readonly clock: Clock;
  readonly log: Log;
  /** The fields that every source's envelope begins with: of events that stages make. */
  readonly envelope: Pick<Envelope, "paths" | "values">;
}

export type BatchOutcome = "delivered" | "rejected" | "retry";

/** Totals since the start. `in = skipped + out + (what stages dropped or dead-lettered)`. */
export interface PipelineCounts {
  in: number;
  /** Left out by the pipeline's own `when`. */
  skipped: number;
  out: number;
}

/** Takes batches of lines through the stages, encodes what is left, and queues it for every sink. */
export class PipelineRunner {
  readonly name: string;
  readonly counts: PipelineCounts = { in: 0, skipped: 0, out: 0 };
  readonly chain: StageChain;
  readonly routes: readonly Route[];
  /** The pipeline's own condition. */
  readonly when: ((event: LogEvent) => boolean) | undefined;
  /** Stands for the pipeline in the ids of events. */
  readonly idPart: string;
  /** Looks at what comes in; undefined while nobody taps. */
  tap: ((batch: LineBatch) => void) | undefined;
  /** Failed writes of dead letters are repeated until this is aborted. */
  readonly #stop = new AbortController();
  /** Writes of dead letters under way. */
  readonly #storing = new Set<Promise<void>>();
  readonly #options: PipelineRunnerOptions;
  readonly #encoder: BatchEncoder;
  readonly #usesEvents: boolean;
  readonly #compiled: CompiledPipeline | undefined;
  /** The same for documents of sources: as if a stage before the first one parsed them. Made when some come. */
  #compiledForDocuments: CompiledPipeline | null | undefined = undefined;
  readonly #kept: KeptStages | undefined;

  constructor(options: PipelineRunnerOptions) {
    const { config, routes, pool, clock } = options;
    this.#options = options;
    this.name = config.name;
    this.routes = routes;
    this.chain = new StageChain(config.stages, () => clock.now(), { log: options.log });
    this.when = config.when === undefined ? undefined : compilePredicate(parseKql(config.when));
    this.#usesEvents = this.when !== undefined || config.stages.length > 0;
    this.idPart = pipelineIdPart(config.name);
    const encodings: readonly Encoding[] = routes.map((route) => route.runner.sink.encoding);
    this.#encoder = new BatchEncoder(
      config.name,
      this.idPart,
      encodings.length > 0 ? encodings : [JSON_ENCODING],
      pool,
    );
    const isPlanned = this.when === undefined && config.stages.length > 0;
    const { checkpoints, log, envelope, outbox } = options;
    this.#kept = KeptStages.of({
      ...{ pipeline: this.name, steps: this.chain.steps, configs: config.stages, routes, envelope },
      ...{ checkpoints, clock, log, room: () => outbox.room(), process: (made) => this.#processMade(made) },
    });
    this.#compiled = isPlanned ? CompiledPipeline.create(this.chain.planned, this.#encoder.encodings) : undefined;
  }

  /**
   * `done` is called once: when everything the batch became is settled or in the journal, or with `retry` when the agent
   * stops before. What is `precious` cannot be read again: it goes to the journal in any case.
   */
  process(batch: LineBatch, done: (outcome: BatchOutcome) => void, precious = false): void {
    this.counts.in += batch.count;
    if (this.tap !== undefined) this.tap(batch);
    const deadLetters: DeadLetter[] = [];
    const encoded =
      this.#usesEvents || batch.areDocuments === true
        ? this.#encodeEvents(batch, deadLetters)
        : this.#encoder.encodeLines(batch);
    this.#deliver(batch, encoded, deadLetters, done, precious);
  }

  /** Takes up what its stages kept. To be called once, before any event comes. */
  begin(): void {
    this.#kept?.begin();
  }

  /** Called about once a second: what stages finished of what they had gathered goes on its way. */
  tick(): void {
    this.#kept?.tick();
  }

  /** No event will come any more: all that stages gathered goes on its way. Resolves when it has, or the signal aborts. */
  async finish(signal: AbortSignal): Promise<void> {
    await this.#kept?.finish(signal);
  }

  /** It is given no events any more: a successor may take up what its stages keep. */
  retire(): void {
    this.#kept?.retire();
    this.chain.close();
  }

  /** The stages behind the one that made these events, and then as with any other. */
  #processMade({ index, batch, events }: MadeBatch): void {
    const deadLetters: DeadLetter[] = [];
    const encoder = this.#encoder.begin(batch);
    this.chain.enter(batch.partition.id);
    encoder.add(this.chain.runMade(index, events, this.#deadLetterOf(batch, deadLetters)));
    this.#deliver(batch, encoder.finish(), deadLetters, () => undefined, false);
  }

  #deliver(
    batch: LineBatch,
    encoded: EncodedBatch,
    deadLetters: readonly DeadLetter[],
    done: (outcome: BatchOutcome) => void,
    precious: boolean,
  ): void {
    const { checkpoints, outbox, spooler } = this.#options;
    this.counts.out += encoded.count;
    const settled = (entry: OutboxEntry): void => {
      done(entry.abandoned ? "retry" : entry.rejected || deadLetters.length > 0 ? "rejected" : "delivered");
    };
    const isStoring = deadLetters.length > 0;
    const entry = outbox.add(encoded, this.routes.length + (isStoring ? 1 : 0), settled);
    const stored: { progress: RouteProgress; pending: PendingBatch }[] = [];
    let spooled: SpoolNeed[] | undefined;
    for (const { key, sinkName, runner, feed, counts } of this.routes) {
      if (feed?.isSuspended === true) {
        // It is read again for this sink.
        counts.had += encoded.count;
        entry.letGo();
        continue;
      }
      const progress = checkpoints.progress(batch.partition.id, key)!;
      // A route's position must not pass an event whose dead letter is not on disk yet: that goes before it.
      if (isStoring) stored.push({ progress, pending: progress.begin(1, progress.enqueued, null) });
      const from = firstAtOrAfter(encoded.offsets, progress.enqueued);
      const ranges = rangesFor(encoded, sinkName, from);
      const count = countRanges(ranges);
      counts.routed += count;
      counts.had += from;
      counts.elsewhere += encoded.count - from - count;
      const pending = progress.begin(count, batch.endPosition, batch.resume);
      if (count === 0) {
        entry.letGo();
        continue;
      }
      if (feed !== undefined && (precious || feed.isSpooling)) {
        (spooled ??= []).push({ feed, progress, pending, ranges, away: feed.isSpooling ? ranges : undefined });
        if (feed.isSpooling) {
          runner.route(count);
          continue;
        }
      }
      for (let i = 0; i < ranges.length; i += 2) runner.enqueue(entry, progress, pending, ranges[i]!, ranges[i + 1]!);
    }
    if (encoded.count === 0) checkpoints.touch();
    if (isStoring) {
      const storing = this.#storeDeadLetters(deadLetters, stored, entry).finally(() => this.#storing.delete(storing));
      this.#storing.add(storing);
    }
    if (spooled !== undefined) spooler!.spool(entry, spooled);
  }

  /** Nothing is left to do for what it was given. */
  get isIdle(): boolean {
    return this.#storing.size === 0;
  }

  /** Resolves when all dead letters of stages so far are on disk, or the signal aborts. */
  async drain(signal: AbortSignal): Promise<void> {
    if (this.isIdle) return;
    const aborted = new Promise<void>((resolve) => {
      signal.addEventListener("abort", () => resolve(), { once: true });
    });
    while (this.#storing.size > 0 && !signal.aborted) await Promise.race([Promise.all(this.#storing), aborted]);
  }

  /** Gives up dead letters that cannot be written; resolves when none is being written any more. */
  async stop(): Promise<void> {
    this.#stop.abort();
    this.retire();
    await Promise.all(this.#storing);
  }

  #encodeEvents(batch: LineBatch, deadLetters: DeadLetter[]): EncodedBatch {
    const encoder = this.#encoder.begin(batch);
    this.chain.enter(batch.partition.id);
    const deadLetter = this.#deadLetterOf(batch, deadLetters);
    const plain = (events: LogEvent[]): void => {
      if (this.when !== undefined) this.#skip(events, this.when);
      encoder.add(this.chain.run(events, deadLetter));
    };
    const areDocuments = batch.areDocuments === true;
    const compiled = areDocuments ? this.#programForDocuments() : this.#compiled;
    const isDone = compiled?.run(batch, encoder.idPrefix, {
      documents: encoder.addDocuments,
      plain: (lines, from, to) => plain(toEventsOfBytes(batch, lines, from, to)),
      counted: (lines, drops, milliseconds) =>
        this.chain.countCompiled(lines, areDocuments ? drops.subarray(1) : drops, milliseconds),
    });
    if (isDone !== true) {
      for (let from = 0; from < batch.count; from += EVENTS_AT_A_TIME) {
        plain(toEvents(batch, from, Math.min(from + EVENTS_AT_A_TIME, batch.count)));
      }
    }
    return encoder.finish();
  }

  #programForDocuments(): CompiledPipeline | undefined {
    if (this.#compiledForDocuments === undefined) {
      const stages = [PARSE_DOCUMENT, ...this.chain.planned];
      const program = this.when === undefined ? CompiledPipeline.create(stages, this.#encoder.encodings) : undefined;
      this.#compiledForDocuments = program ?? null;
    }
    return this.#compiledForDocuments ?? undefined;
  }

  #deadLetterOf(batch: LineBatch, deadLetters: DeadLetter[]): DeadLetterEvent {
    return (event, stage, reason) => {
      const to = this.#missing(batch.partition.id, event);
      // None misses it: what is read here again is for another pipeline.
      if (to === undefined) return;
      const letter = this.#deadLetter(batch, event, stage, reason, to);
      deadLetters.push(batch.areDocuments === true ? { ...letter, is_document: true } : letter);
    };
  }

  /** Leaves out, in place, the events that the pipeline's own condition does not match. */
  #skip(events: LogEvent[], when: (event: LogEvent) => boolean): void {
    let kept = 0;
    for (const event of events) if (when(event)) events[kept++] = event;
    this.counts.skipped += events.length - kept;
    events.length = kept;
  }

  /** The sinks, with their identities, that an event is for and that were not given it yet. */
  #missing(partitionId: string, { offset, sinks }: LogEvent): Record<string, string> | undefined {
    const missing: Record<string, string> = {};
    let isAny = false;
    for (const { key, sinkName, sinkIdentity } of this.routes) {
      if (offset < this.#options.checkpoints.progress(partitionId, key)!.enqueued) continue;
      if (sinks?.includes(sinkName) === false) continue;
      missing[sinkName] = sinkIdentity;
      isAny = true;
    }
    return isAny ? missing : undefined;
  }

  #deadLetter(
    batch: LineBatch,
    event: LogEvent,
    stage: ChainStage,
    reason: string,
    to: Readonly<Record<string, string>>,
  ): DeadLetter {
    const { paths, values, offsetPath } = event.envelope;
    return {
      at: formatIsoTime(this.#options.clock.now()),
      pipeline: this.name,
      stage: stage.label,
      to,
      reason,
      source: batch.partition.source,
      id: `${batch.partition.id}.${this.idPart}.${event.offset}${event.subIndex === 0 ? "" : `.${event.subIndex}`}`,
      time: formatIsoTime(event.timeMs),
      // What a stage made was never a line that could be read again.
      ...(batch.partition.source === sourceOfStages(this.name) ? {} : { original: event.line }),
      envelope: Object.fromEntries(paths.map((path, i) => [path.name, values[i]])),
      ...(offsetPath === undefined ? {} : { offset_field: offsetPath.name }),
      event: event.toObject(),
    };
  }

  async #storeDeadLetters(
    letters: readonly DeadLetter[],
    waiting: readonly { progress: RouteProgress; pending: PendingBatch }[],
    entry: OutboxEntry,
  ): Promise<void> {
    const { deadLetters, clock, log, checkpoints } = this.#options;
    let finish = (): void => undefined;
    entry.storing = new Promise((resolve) => {
      finish = resolve;
    });
    for (let failures = 1; !this.#stop.signal.aborted; failures++) {
      try {
        await deadLetters.append(letters);
        for (const { progress, pending } of waiting) progress.settle(pending, 1);
        checkpoints.touch();
        entry.storing = undefined;
        finish();
        entry.letGo();
        return;
      } catch (error) {
        log.error(`dead letters cannot be written, their events wait: ${errorMessage(error)}`);
        await sleep(clock, backoffMs(failures, Math.random), this.#stop.signal);
      }
    }
    entry.abandon();
  }
}

/** What stands in front of the stages where a source gives documents. */
const PARSE_DOCUMENT: PlannedStage = {
  label: "0 document",
  plan: { kind: "parse_json", field: "message", keepsOriginal: false },
  when: undefined,
};

/** The documents from `from` on that are for a sink: from, to, from, to, … */
function rangesFor({ count, sinks }: EncodedBatch, sink: string, from: number): readonly number[] {
  if (from === count) return [];
  if (sinks === undefined) return [from, count];
  const ranges: number[] = [];
  let start = -1;
  for (let i = from; i < count; i++) {
    const isFor = sinks[i]?.includes(sink) !== false;
    if (isFor === start >= 0) continue;
    if (isFor) start = i;
    else {
      ranges.push(start, i);
      start = -1;
    }
  }
  if (start >= 0) ranges.push(start, count);
  return ranges;
}

/** The index of the first offset that is not before `position`. */
function firstAtOrAfter(offsets: Float64Array, position: number): number {
  if (offsets.length === 0 || offsets[0]! >= position) return 0;
  let low = 0;
  let high = offsets.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (offsets[middle]! < position) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * Events are made, taken through the stages and encoded a few at a time: the young generation then holds little that
 * is alive, so collecting it is cheap and it stays small.
 */
const EVENTS_AT_A_TIME = 128;
