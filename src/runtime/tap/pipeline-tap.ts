import type { LineBatch } from "../../core/batch.ts";
import type { LogEvent } from "../../core/event.ts";
import { toEvents, toEventsOfBytes } from "../batch-encoder.ts";
import type { PipelineRunner } from "../pipeline-runner.ts";
import type { ChainWatcher } from "../stage-chain.ts";
import type { Spread } from "./budget.ts";

/** Who wants to see the events at one place of a pipeline. */
export interface EventViewer {
  /** These were looked at; what they hold is only true during the call. */
  see(events: readonly LogEvent[], idPrefix: string): void;
  /** So many came by and were not looked at. */
  skip(count: number): void;
}

/** The viewers of a pipeline, by place. */
export interface PipelineViewers {
  /** By the number of stages that events have passed: 0 … stages. */
  readonly passed: ReadonlyMap<number, readonly EventViewer[]>;
  /** What a stage leaves out or sends to the dead letters, by its index. */
  readonly dropped: ReadonlyMap<number, readonly EventViewer[]>;
}

/**
 * Shows events between the stages of a pipeline. A compiled pipeline has none there, so a share of the lines is taken
 * through the same stages once more, event by event, without being counted. Stages that remember events (`dedupe`,
 * `throttle`) would decide differently the second time: pipelines with one are never compiled, and their own events
 * are looked at while they pass.
 */
export class PipelineTap implements ChainWatcher {
  readonly #pipeline: PipelineRunner;
  readonly #viewers: PipelineViewers;
  readonly #spread: Spread;
  /** Of the batch that is processed. */
  #idPrefix = "";
  #before: { readonly index: number; readonly events: readonly LogEvent[] } | undefined;

  constructor(pipeline: PipelineRunner, viewers: PipelineViewers, spread: Spread) {
    this.#pipeline = pipeline;
    this.#viewers = viewers;
    this.#spread = spread;
  }

  /** A batch enters the pipeline. */
  readonly see = (batch: LineBatch): void => {
    const { chain, idPart } = this.#pipeline;
    this.#idPrefix = `${batch.partition.id}.${idPart}.`;
    if (chain.remembers) return;
    const skipped = this.#spread.look(batch.count, (indexes) => {
      let events = indexes.flatMap((i) => eventOf(batch, i));
      const { when } = this.#pipeline;
      if (when !== undefined) events = events.filter(when);
      this.#show(this.#viewers.passed.get(0), events);
      for (let index = 0; index < chain.steps.length; index++) {
        this.#note(index, events);
        chain.probe(index, events);
        this.#shown(index, events);
      }
    });
    if (skipped > 0) this.#skip(skipped);
  };

  before(index: number, events: readonly LogEvent[]): void {
    if (index === 0) this.#look(this.#viewers.passed.get(0), events);
    this.#note(index, events);
  }

  after(index: number, events: readonly LogEvent[]): void {
    this.#look(this.#viewers.passed.get(index + 1), events);
    if (this.#before?.index !== index) return;
    const { events: before } = this.#before;
    this.#look(this.#viewers.dropped.get(index), before, (chosen) => withoutThose(chosen, events));
  }

  #note(index: number, events: readonly LogEvent[]): void {
    this.#before = this.#viewers.dropped.has(index) ? { index, events: events.slice() } : undefined;
  }

  #shown(index: number, events: readonly LogEvent[]): void {
    this.#show(this.#viewers.passed.get(index + 1), events);
    if (this.#before?.index !== index) return;
    this.#show(this.#viewers.dropped.get(index), withoutThose(this.#before.events, events));
  }

  #show(viewers: readonly EventViewer[] | undefined, events: readonly LogEvent[]): void {
    for (const viewer of viewers ?? []) viewer.see(events, this.#idPrefix);
  }

  /** The same for events that are the pipeline's own: not more of them than there is time for. */
  #look(
    viewers: readonly EventViewer[] | undefined,
    events: readonly LogEvent[],
    pick: (chosen: readonly LogEvent[]) => readonly LogEvent[] = (chosen) => chosen,
  ): void {
    if (viewers === undefined || events.length === 0) return;
    const skipped = this.#spread.look(events.length, (indexes) => {
      const chosen = indexes.length === events.length ? events : indexes.map((i) => events[i]!);
      this.#show(viewers, pick(chosen));
    });
    if (skipped > 0) for (const viewer of viewers) viewer.skip(skipped);
  }

  #skip(count: number): void {
    const all = [...this.#viewers.passed.values(), ...this.#viewers.dropped.values()].flat();
    for (const viewer of new Set(all)) viewer.skip(count);
  }
}

/** The events of which nothing is left in `after`, nor what was made of them. */
function withoutThose(events: readonly LogEvent[], after: readonly LogEvent[]): readonly LogEvent[] {
  const left = new Set(after.map(({ offset }) => offset));
  return events.filter(({ offset }) => !left.has(offset));
}

/** Line i of a batch as an event of its own. */
export function eventOf(batch: LineBatch, i: number): LogEvent[] {
  const { lines, flags } = batch;
  // Lines as bytes need not be decoded for one of them.
  return lines !== undefined && flags === undefined
    ? toEventsOfBytes(batch, lines, i, i + 1)
    : toEvents(batch, i, i + 1);
}
