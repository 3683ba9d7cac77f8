import { DROP, StageFailure, type GatheredEvent, type Log, type Stage } from "../core/component.ts";
import { errorMessage } from "../core/error.ts";
import type { LogEvent } from "../core/event.ts";
import { Path } from "../core/path.ts";
import { parseKql } from "../codec/kql/parse.ts";
import { compilePredicate } from "../codec/kql/predicate.ts";
import type { OnError, StageConfig } from "./config/types.ts";
import type { PlannedStage } from "./specialise/compile.ts";

/** What a stage did so far. `in + created = out + dropped + deadLettered` at any moment between batches. */
export interface StageCounts {
  in: number;
  out: number;
  /** Events beyond the first that were made of one. */
  created: number;
  /** Left out by the stage on purpose, or failed with `on_error: "drop"`. */
  dropped: number;
  /** Those of `dropped` that failed. */
  droppedOnError: number;
  deadLettered: number;
  /** Failures, whatever became of the events. */
  failed: number;
  /** Time spent in the stage. */
  milliseconds: number;
}

export interface ChainStage {
  /** Place (from 1) and type, as in messages: `2 parse_timestamp`. */
  readonly label: string;
  readonly type: string;
  readonly counts: StageCounts;
  /** How often its `when` was true and false, where it has one and that is counted. */
  readonly conditions: { met: number; unmet: number } | undefined;
  /** What it decides depends on earlier events. */
  readonly remembers: boolean;
  /** Ways through the stage, with how many events took each. */
  readonly branches: () => readonly (readonly [branch: string, events: number])[];
  readonly stage: Stage;
}

/** Called for events that a stage sends to the dead letters: with what they were when it failed. */
export type DeadLetterEvent = (event: LogEvent, stage: ChainStage, reason: string) => void;

interface Step extends ChainStage {
  readonly when: ((event: LogEvent) => boolean) | undefined;
  readonly onError: OnError;
}

/** Looks at events between stages; must not change them. */
export interface ChainWatcher {
  before(index: number, events: readonly LogEvent[]): void;
  after(index: number, events: readonly LogEvent[]): void;
}

interface ChainOptions {
  /** For dead letters that are sent again. */
  readonly isReplay?: boolean;
  /** `branches`: also what conditions decide, for the coverage of tests. */
  readonly counts?: "branches";
  readonly log?: Log | undefined;
}

const ERROR_MESSAGE = "error.message";

/** The stages of one pipeline in order, with `when`, `on_error`, counts and times. Synchronous; a call a batch. */
export class StageChain {
  readonly steps: readonly ChainStage[];
  /** The same as plans, for the specialiser. */
  readonly planned: readonly PlannedStage[];
  /** Events that went through a compiled program. */
  compiled = 0;
  /** Undefined while nobody taps. */
  watcher: ChainWatcher | undefined;
  readonly #steps: readonly Step[];
  readonly #errorPath = new Path(ERROR_MESSAGE);

  /** Throws WiretailError where options, patterns or queries do not compile. */
  constructor(
    configs: readonly StageConfig[],
    now: () => number,
    { isReplay = false, counts: counted, log }: ChainOptions = {},
  ) {
    this.#steps = configs.map((config, index) => {
      const stage = config.definition.create(config.options, { now, baseDir: config.baseDir, log });
      const matches = config.when === undefined ? undefined : compilePredicate(parseKql(config.when));
      const conditions = counted === undefined || matches === undefined ? undefined : { met: 0, unmet: 0 };
      const when =
        conditions === undefined
          ? matches
          : (event: LogEvent): boolean => {
              const isMet = matches!(event);
              conditions[isMet ? "met" : "unmet"]++;
              return isMet;
            };
      return {
        label: `${index + 1} ${config.definition.type}`,
        type: config.definition.type,
        counts: noCounts(),
        conditions,
        remembers: stage.remembers === true || stage.kept !== undefined,
        branches: () => stage.branches?.() ?? [],
        stage,
        when: isReplay && stage.remembers === true ? () => false : when,
        onError: config.onError,
      };
    });
    this.steps = this.#steps;
    this.planned = this.#steps.map(({ label, stage }, i) => ({ label, plan: stage.plan, when: configs[i]!.when }));
  }

  /** Tells the stages whose events come next. */
  enter(partitionId: string): void {
    for (const { stage } of this.#steps) stage.enter?.(partitionId);
  }

  /** What becomes of an event may depend on those before it: running one for a try changes what comes. */
  get remembers(): boolean {
    return this.#steps.some(({ remembers }) => remembers);
  }

  /** Lets go of what stages hold. */
  close(): void {
    for (const { stage } of this.#steps) stage.close?.();
  }

  /** Runs all stages over the events, in place, and returns the same array with those that are left. */
  run(events: LogEvent[], deadLetter: DeadLetterEvent): LogEvent[] {
    const { watcher } = this;
    for (let index = 0; index < this.#steps.length; index++) {
      if (watcher !== undefined) watcher.before(index, events);
      this.runOne(index, events, deadLetter);
      if (watcher !== undefined) watcher.after(index, events);
    }
    return events;
  }

  /**
   * Runs the stages behind stage `index` over events that it made of those it had gathered: in place, and returns the
   * same array with those that are left.
   */
  runMade(index: number, events: LogEvent[], deadLetter: DeadLetterEvent): LogEvent[] {
    const { counts } = this.#steps[index]!;
    counts.created += events.length;
    counts.out += events.length;
    for (let next = index + 1; next < this.#steps.length; next++) this.runOne(next, events, deadLetter);
    return events;
  }

  /**
   * The end of all input, for trials and tests: what stages still hold goes through those behind them. `toEvent` makes
   * an event of what a stage made. Returns what is left at the end of the chain.
   */
  finish(nowMs: number, toEvent: (made: GatheredEvent) => LogEvent, deadLetter: DeadLetterEvent): LogEvent[] {
    return this.#steps.flatMap(({ stage }, index) => {
      const made = stage.finish?.(nowMs, true) ?? [];
      return made.length === 0 ? [] : this.runMade(index, made.map(toEvent), deadLetter);
    });
  }

  /**
   * Counts events that went through all stages in a compiled program; of these `dropped[i]` were left out by stage i.
   * The time is the first stage's: a program is not measured in parts.
   */
  countCompiled(events: number, dropped: Int32Array, milliseconds: number): void {
    this.compiled += events;
    let left = events;
    for (const [index, { counts }] of this.#steps.entries()) {
      counts.in += left;
      counts.dropped += dropped[index]!;
      left -= dropped[index]!;
      counts.out += left;
    }
    if (this.#steps.length > 0) this.#steps[0]!.counts.milliseconds += milliseconds;
  }

  /** Runs one stage: what `try` shows step by step. */
  runOne(index: number, events: LogEvent[], deadLetter: DeadLetterEvent): void {
    this.#apply(this.#steps[index]!, this.#steps[index]!.counts, events, deadLetter);
  }

  /**
   * Runs one stage over copies of events without counting them: what becomes of the events that they are copies of is
   * decided elsewhere. Not for stages that remember events.
   */
  probe(index: number, events: LogEvent[], deadLetter: DeadLetterEvent = () => undefined): void {
    this.#apply(this.#steps[index]!, noCounts(), events, deadLetter);
  }

  #apply(step: Step, counts: StageCounts, events: LogEvent[], deadLetter: DeadLetterEvent): void {
    const { stage, when } = step;
    const began = performance.now();
    const count = events.length;
    let kept = 0;
    let i = 0;
    let several: Map<number, readonly LogEvent[]> | undefined;
    while (i < count) {
      try {
        for (; i < count; i++) {
          const event = events[i]!;
          if (when === undefined || when(event)) {
            const outcome = stage.apply(event);
            if (outcome !== undefined) {
              if (Array.isArray(outcome)) (several ??= new Map()).set(kept, outcome as readonly LogEvent[]);
              else if (!this.#settle(step, counts, event, outcome as StageFailure | typeof DROP, deadLetter)) continue;
            }
          }
          events[kept++] = event;
        }
      } catch (error) {
        // A defect of the stage must not cost the batch: the event is treated as one that failed.
        const event = events[i++]!;
        const failure = new StageFailure(`defect in the stage: ${errorMessage(error)}`);
        if (this.#settle(step, counts, event, failure, deadLetter)) events[kept++] = event;
      }
    }
    events.length = kept;
    counts.in += count;
    if (several !== undefined) {
      insert(events, several);
      counts.created += events.length - kept;
    }
    counts.out += events.length;
    counts.milliseconds += performance.now() - began;
  }

  /** Returns whether the event goes on. */
  #settle(
    step: Step,
    counts: StageCounts,
    event: LogEvent,
    outcome: StageFailure | typeof DROP,
    deadLetter: DeadLetterEvent,
  ): boolean {
    if (outcome === DROP) {
      counts.dropped++;
      return false;
    }
    counts.failed++;
    const reason = `${step.type}: ${outcome.message}`;
    if (step.onError === "drop") {
      counts.dropped++;
      counts.droppedOnError++;
      return false;
    }
    if (step.onError === "dead_letter") {
      counts.deadLettered++;
      deadLetter(event, step, reason);
      return false;
    }
    const earlier = event.get(this.#errorPath);
    event.set(this.#errorPath, typeof earlier === "string" ? `${earlier}; ${reason}` : reason);
    return true;
  }
}

function noCounts(): StageCounts {
  return { in: 0, out: 0, created: 0, dropped: 0, droppedOnError: 0, deadLettered: 0, failed: 0, milliseconds: 0 };
}

/** Puts the lists in the places of the events that they were made of. */
function insert(events: LogEvent[], several: ReadonlyMap<number, readonly LogEvent[]>): void {
  const before = events.slice();
  events.length = 0;
  for (let i = 0; i < before.length; i++) {
    const made = several.get(i);
    if (made === undefined) events.push(before[i]!);
    else for (const event of made) events.push(event);
  }
}
