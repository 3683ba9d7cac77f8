import type { Encoding, LineBatch, Partition, SinkBatch } from "./batch.ts";
import type { Envelope, LogEvent } from "./event.ts";
import type { StagePlan } from "./plan.ts";
import type { Infer, Schema } from "./schema.ts";

export type Stability = "stable" | "beta" | "experimental";

/** What a metric is called in `/metrics` (after `wiretail_`), its unit and its meaning: for the reference page. */
export interface MetricDefinition {
  readonly name: string;
  readonly kind: "counter" | "gauge";
  readonly unit: "events" | "bytes" | "requests" | "seconds" | "files";
  readonly description: string;
}

/** A whole example, run by a test. `options` is what a user writes, without `type` for stages. */
export interface Example {
  readonly title: string;
  readonly options: Readonly<Record<string, unknown>>;
  /** For stages: lines or documents that go in, and what comes out (fields named here must be equal; null = absent). */
  readonly input?: readonly (string | Readonly<Record<string, unknown>>)[];
  readonly output?: readonly Readonly<Record<string, unknown>>[];
}

interface Definition<S extends Schema<unknown>> {
  /** As in the configuration; also the component's folder. */
  readonly type: string;
  /** One line, no full stop. */
  readonly summary: string;
  /** A paragraph or two for the reference page, in Markdown. */
  readonly description?: string;
  readonly stability: Stability;
  readonly schema: S;
  readonly examples: readonly Example[];
  readonly metrics?: readonly MetricDefinition[];
}

/** Messages of a component about itself. The runtime adds its name, limits equal ones, and writes text or JSON. */
export interface Log {
  debug(message: string, fields?: Record<string, unknown>): void;
  info(message: string, fields?: Record<string, unknown>): void;
  warn(message: string, fields?: Record<string, unknown>): void;
  error(message: string, fields?: Record<string, unknown>): void;
}

export interface Counter {
  add(amount: number): void;
}
export interface Gauge {
  set(value: number): void;
}

/** All that a component may use of the world. */
export interface Context {
  /** The component's name in the configuration. */
  readonly id: string;
  readonly log: Log;
  /** Finds or makes a metric that the definition lists. */
  readonly metrics: { counter(name: string): Counter; gauge(name: string): Gauge };
  /** A folder of the component's own, made on first use of this property. */
  readonly stateDir: string;
  /** Milliseconds since the epoch. Clocks are set back and forth: durations are measured with `monotonicMs`. */
  now(): number;
  /** Milliseconds that only grow, from any beginning. */
  monotonicMs(): number;
  /** Resolves after `ms`, at once when the signal aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Values of placeholders such as {hostname}; `resolve` leaves {date} to each event's time. */
  readonly placeholders: Placeholders;
  /**
   * True when the sink is made only to be probed (`check --connect`), perhaps while the agent runs with the same
   * configuration: it must then open, create and change nothing on this host.
   */
  readonly probing?: boolean;
}

export interface Placeholders {
  readonly hostname: string;
  readonly instanceId: string;
  readonly ipAddress: string;
  readonly awsRegion: string;
  readonly accountId: string;
}

// ---------------------------------------------------------------------------------------------- sources

/** Where one of the routes (pipeline and sink) of a partition got to. */
export interface ResumePoint {
  readonly position: number;
  /** The `resume` of the LineBatch that ended there. */
  readonly resume: unknown;
}

/** A partition that the checkpoint knows from an earlier run. */
export interface KnownPartition {
  readonly id: string;
  /** What the source said of it in `open`, last time. */
  readonly identity: unknown;
  readonly points: readonly ResumePoint[];
  /** The lowest position of all present routes: where reading has to begin. Undefined when no route knows it. */
  readonly lowest: number | undefined;
}

export interface OpenPartition {
  readonly id: string;
  /** Whatever the source needs to find the same input again (path, device, inode, fingerprint…): JSON, small. */
  readonly identity: unknown;
  /** Where routes begin that have no position in this partition: 0, or the present end for `start_at: "end"`. */
  readonly startPosition: number;
}

/** The runtime's side of a source. */
export interface SourceOutput {
  /** Partitions of this source in the checkpoint, as they were when the agent started. */
  readonly known: readonly KnownPartition[];
  /**
   * Makes a partition known. Resolves with the position to read from once its id is safely on disk: only then may
   * its events be emitted. Many opens at once share one write.
   */
  open(partition: OpenPartition): Promise<number>;
  /** Replaces what is kept of an open partition (renamed, fingerprint grown); written with the next checkpoint. */
  update(id: string, identity: unknown): void;
  /** The input is gone for good: its checkpoint is dropped once everything read of it is delivered. */
  forget(id: string): void;
  /**
   * Hands over a batch. Returns undefined when there is room for more, otherwise a promise that resolves when there
   * is: a source must wait for it before it reads on.
   */
  emit(batch: LineBatch): Promise<void> | undefined;
  /**
   * Up to where every route has all of a partition: nothing before it waits anywhere, the journal included. On disk once
   * a later `open` has resolved. Undefined when the partition is not known.
   */
  delivered?(id: string): number | undefined;
  /** Bytes of input that were read and given up on purpose or by force (truncated lines, unreadable stretches), with why. */
  dropped(count: number, reason: string): void;
}

/** One input of a source as `status` shows it. */
export interface InputStatus {
  readonly name: string;
  /** Partition that is being read, if any. */
  readonly partition: string | undefined;
  readonly state: "reading" | "idle" | "waiting" | "finished" | "failed";
  /** Bytes in the input, and up to where they were read. Undefined where an input has no size. */
  readonly sizeBytes: number | undefined;
  readonly readBytes: number | undefined;
  readonly error: string | undefined;
  /** What ends the waiting of a `waiting` input, as the rest of a sentence with "until". */
  readonly waitingFor?: string | undefined;
}

export interface Source {
  /**
   * Reads until `signal` aborts, or, when `once`, until the present end of its input. Never throws because of input;
   * what it throws is a defect or a configuration fault that the runtime reports before it starts the source again.
   * On abort it emits what it holds back (an open multiline event) and returns.
   */
  run(output: SourceOutput, signal: AbortSignal): Promise<void>;
  inputs(): readonly InputStatus[];
  /** Totals and levels of its own for `status` and `/metrics`, by name in lower_snake_case with the unit last. */
  counters?(): Readonly<Record<string, number>>;
}

export interface SourceContext extends Context {
  /** End at the end of the input (`run --once`). */
  readonly once: boolean;
  /** The fields that every source's envelope begins with (host.name, ecs.version). */
  readonly envelope: Pick<Envelope, "paths" | "values">;
}

export interface SourceDefinition<S extends Schema<unknown> = Schema<unknown>> extends Definition<S> {
  readonly kind: "source";
  /** Whether what was emitted can be read again after a restart; where that depends on the options, by these. */
  readonly rereadable: boolean | ((options: Infer<S>) => boolean);
  /** Cheap checks beyond the schema, for `check`: returns faults as [JSON pointer, message]. */
  validate?(options: Infer<S>): readonly (readonly [pointer: string, message: string])[];
  create(options: Infer<S>, context: SourceContext): Source | Promise<Source>;
}

// ---------------------------------------------------------------------------------------------- stages

/** The event could not be processed; it was left as it was. Made once per cause where that is possible. */
export class StageFailure {
  readonly message: string;
  constructor(message: string) {
    this.message = message;
  }
}
/** The event is to be left out, on purpose. */
export const DROP = Symbol("drop");

/** Nothing: the event goes on. */
export type StageOutcome = undefined | StageFailure | typeof DROP | readonly LogEvent[];

export interface Stage {
  /**
   * Changes the event in place. Synchronous, no I/O. Returns nothing when it went well. Must leave the event
   * unchanged when it fails. `when` and `on_error` are the runtime's business.
   * A list takes the event's place: at least one event, made by `event.fork` with the numbers 1, 2, 3… in order.
   */
  apply(event: LogEvent): StageOutcome;
  /**
   * Called before events of a partition, with its id: for stages that remember events. The same events may come again,
   * for a sink that catches up, and the stage has to decide on them as it did before.
   */
  enter?(partitionId: string): void;
  /**
   * What it decides on an event depends on earlier ones. Dead letters that are sent again pass such a stage by: their
   * events were decided on already.
   */
  readonly remembers?: true;
  /** Ways through the stage that events take so far, with how many took each: what tests of pipelines should reach. */
  branches?(): readonly (readonly [branch: string, events: number])[];
  /** What it remembers is kept with the positions of inputs: after a crash it is what it was at those. */
  readonly kept?: KeptState;
  /**
   * What is finished by now of events that it gathered, in order; each is given once. Called about once a second, and
   * with `isEnd` when no event will come any more: then all of it is finished.
   */
  finish?(nowMs: number, isEnd: boolean): readonly GatheredEvent[];
  /** Totals and levels of its own for `status` and `/metrics`, by name in lower_snake_case with the unit last. */
  counters?(): Readonly<Record<string, number>>;
  /** Lets go of everything. No event comes after that. */
  close?(): void;
  /** The same said as a plan, if it can be: pipelines whose stages all have one are compiled. */
  readonly plan?: StagePlan | undefined;
}

/** An event that a stage made of several: a document of its own, with the envelope of no source. */
export interface GatheredEvent {
  readonly timeMs: number;
  /** Nested objects; JSON. */
  readonly fields: Readonly<Record<string, unknown>>;
}

/** What a stage knows of earlier events. */
export interface KeptState {
  /** Grows with every change. */
  readonly version: number;
  /** All of it, as JSON, as it is at this moment. `isKnown` says which partitions may still come again. */
  save(isKnown: (partitionId: string) => boolean): unknown;
  /** Takes what a stage with the same options saved, before any event comes. Throws, changing nothing, where it cannot. */
  load(state: unknown): void;
}

export interface StageContext {
  readonly now: () => number;
  /** The folder of the file that says this stage: relative paths in options start there. */
  readonly baseDir: string;
  /** Where the stage runs in an agent. */
  readonly log?: Log | undefined;
}

/** Another place in a sink than its own, in the words of the sink's options. */
export type DestinationOptions = Readonly<Record<string, unknown>>;

export interface StageDefinition<S extends Schema<unknown> = Schema<unknown>> extends Definition<S> {
  readonly kind: "stage";
  /** It may make several events of one, with these options. A pipeline has one such stage at most: it numbers them. */
  makesSeveral?(options: Infer<S>): boolean;
  /** It is there to leave events out: tests of a pipeline should have one that is, and one that is not. */
  readonly drops?: true;
  /** Its stages have `finish`: what they give cannot be read again. */
  readonly gathers?: boolean;
  validate?(options: Infer<S>): readonly (readonly [pointer: string, message: string])[];
  /**
   * The sinks that it names, with where: they have to be among those of the pipeline. `destination` is another place in
   * the sink than its own; its text in events is `JSON.stringify` of it.
   */
  sinksOf?(
    options: Infer<S>,
  ): readonly (readonly [pointer: string, sink: string, destination?: DestinationOptions | undefined])[];
  /** Throws WiretailError for options that do not compile (patterns, formats, queries); `check` reports it in place. */
  create(options: Infer<S>, context: StageContext): Stage;
}

// ---------------------------------------------------------------------------------------------- sinks

/** What became of one document, or of all of a batch. */
export type Verdict =
  /** The server has it (also when it had it already). */
  | { readonly outcome: "delivered" }
  /** The server will never take this document, because of what the document holds. It goes to the dead letters. */
  | { readonly outcome: "rejected"; readonly reason: string }
  /** It may go better soon: overload, network, a server that is restarting. Sent again with growing pauses. */
  | { readonly outcome: "retry"; readonly reason: string; readonly retryAfterMs?: number }
  /** Somebody has to mend something first (credentials, privileges, a missing or blocked index). Tried again, loudly. */
  | {
      readonly outcome: "hold";
      readonly reason: string;
      /**
       * Nobody knows whether the document or the server is to blame. When only some documents are refused so, and for
       * longer than `unknownErrorTimeoutMs`, they go to the dead letters.
       */
      readonly unknown?: boolean;
    };

export const DELIVERED: Verdict = { outcome: "delivered" };

export type WriteResult =
  | Verdict
  /** The whole call was too large for the server: the runtime halves it. A single document that is too large is rejected. */
  | { readonly outcome: "too_large"; readonly reason: string }
  /** Verdicts for some documents, by index in the sink batch; all others were delivered. */
  | { readonly outcome: "mixed"; readonly verdicts: ReadonlyMap<number, Verdict> };

export interface ProbeResult {
  readonly check: string;
  readonly ok: boolean;
  readonly detail: string;
  /** What to do, when it is not ok. */
  readonly hint?: string;
}

/** How the runtime fills a sink's calls. The sink's definition gives defaults; users set them under `batch`. */
export interface BatchLimits {
  readonly maxBytes: number;
  readonly maxEvents: number;
  readonly maxAgeMs: number;
  /** Calls at the same time, at most; the runtime makes as many as help. 1 keeps the order. */
  readonly concurrency: number;
}

export interface Sink {
  readonly encoding: Encoding;
  readonly limits: BatchLimits;
  /**
   * Documents of one call share a destination (an index, a group and stream). Without it there is only one. `named` is
   * where a stage sends the document, JSON text of what the definition's `destinationFaults` found right.
   */
  destinationOf?(timeMs: number, named?: string): string;
  /** Documents that must not share a call because their times are further apart, in milliseconds. */
  readonly maxTimeSpanMs?: number;
  /** Bytes that the service counts for each document beside the document itself. */
  readonly overheadBytesPerEvent?: number;
  /**
   * The sink can find out what arrived already, and wants to know which documents may have been sent before: slices
   * then say `maybeSent`. The runtime keeps a mark on disk for that, ahead of what is sent.
   */
  readonly asksWhatArrived?: boolean;
  /** After so long, in milliseconds, a document that alone is refused for an unknown reason is given up. Never if not set. */
  readonly unknownErrorTimeoutMs?: number;
  /**
   * Writes a batch. Never throws for what the server says. What it throws is taken as `retry` when it comes from the
   * system or from a server; a defect of the code (TypeError and its like) ends the agent. When the signal aborts
   * it gives up the call soon. Retries, time-outs and concurrency are the runtime's: one call is one attempt.
   * `attempt` counts from 1; above 1 some of these documents may have arrived already.
   * The documents' bytes may be used until the promise settles and not after: the memory is used again.
   */
  write(batch: SinkBatch, signal: AbortSignal, attempt: number): Promise<WriteResult>;
  /**
   * For sinks that keep their position with their data (exactly once): where the data on disk ends for a partition
   * and pipeline, or undefined when there is none.
   */
  position?(partitionId: string, pipeline: string): ResumePoint | undefined;
  /** What somebody who looks at `status` should know of it at this moment, in whole sentences without a full stop. */
  notes?(): readonly string[];
  /** Checks for `check --connect`; each says what was tried and, when it failed, what to do. */
  probe?(signal: AbortSignal): Promise<ProbeResult[]>;
  /** Lets go of everything. Called once, after the last write. */
  close(): Promise<void>;
}

export interface SinkDefinition<S extends Schema<unknown> = Schema<unknown>> extends Definition<S> {
  readonly kind: "sink";
  validate?(options: Infer<S>): readonly (readonly [pointer: string, message: string])[];
  /** What is wrong with another place in the sink that a stage names. Sinks without it have their own place only. */
  destinationFaults?(
    options: Infer<S>,
    destination: DestinationOptions,
  ): readonly (readonly [pointer: string, message: string])[];
  create(options: Infer<S>, context: Context): Sink | Promise<Sink>;
}

export function defineSource<S extends Schema<unknown>>(
  definition: Omit<SourceDefinition<S>, "kind">,
): SourceDefinition<S> {
  return { kind: "source", ...definition };
}
export function defineStage<S extends Schema<unknown>>(
  definition: Omit<StageDefinition<S>, "kind">,
): StageDefinition<S> {
  return { kind: "stage", ...definition };
}
export function defineSink<S extends Schema<unknown>>(definition: Omit<SinkDefinition<S>, "kind">): SinkDefinition<S> {
  return { kind: "sink", ...definition };
}

// Definitions of any options, for lists of components. `any` because `create` takes what its own schema validated.
/* eslint-disable @typescript-eslint/no-explicit-any */
export type AnySource = SourceDefinition<Schema<any>>;
export type AnyStage = StageDefinition<Schema<any>>;
export type AnySink = SinkDefinition<Schema<any>>;
/* eslint-enable @typescript-eslint/no-explicit-any */

export type { Partition };
