import {
  DROP,
  type GatheredEvent,
  type KeptState,
  type Log,
  type Stage,
  type StageContext,
} from "../../core/component.ts";
import type { LogEvent } from "../../core/event.ts";
import { Path } from "../../core/path.ts";
import { formatIsoTime } from "../../core/time.ts";
import { EventKey, shortened } from "../event-key.ts";
import { keptState } from "../kept-state.ts";
import { Positions, type SavedPositions } from "../positions.ts";
import { metricOf, type Metric } from "./metrics.ts";
import type { RollupConfig } from "./options.ts";
import { Group, loadGroup, putDimensions, Window, type SavedGroup } from "./windows.ts";

/** How far the events of an input have come, and when it gave the last ones by the clock of the host. */
interface InputTime {
  latestMs: number;
  seenMs: number;
}

interface Saved {
  readonly positions: SavedPositions;
  readonly finished_before: number | null;
  readonly windows: readonly (readonly [startMs: number, dueMs: number | null, groups: [string, SavedGroup][]])[];
  readonly counts: Readonly<Record<string, number>>;
}

/** Counts events by group and interval, and makes metrics of intervals that are finished. */
export class Rollup implements Stage {
  readonly kept: KeptState;
  readonly #options: RollupConfig;
  readonly #metrics: readonly Metric[];
  readonly #paths: readonly Path[];
  readonly #key: EventKey;
  readonly #intervalMs: number;
  readonly #latenessMs: number;
  readonly #now: () => number;
  readonly #log: Log | undefined;
  readonly #positions = new Positions();
  readonly #inputs = new Map<string, InputTime>();
  #input: InputTime;
  /** By when they start; late ones have a further entry. */
  readonly #windows = new Map<string, Window>();
  #groups = 0;
  /** Intervals that end before are finished. */
  #finishedBeforeMs = -Infinity;
  #beganMs: number | undefined;
  #saidFull: Window | undefined;
  #version = 0;
  readonly #counts = { late: 0, lateDropped: 0, overflow: 0, notNumbers: 0 };

  constructor(options: RollupConfig, { now, log }: StageContext) {
    this.#options = options;
    this.#metrics = Object.entries(options.metrics).map(([name, config]) => metricOf(name, config));
    this.#paths = options.by.map((name) => new Path(name));
    this.#key = new EventKey(options.by);
    this.#intervalMs = options.interval_seconds * 1000;
    this.#latenessMs = options.allowed_lateness_seconds * 1000;
    this.#now = now;
    this.#log = log;
    this.#input = this.#inputOf("");
    this.kept = keptState<Saved>(
      () => this.#version,
      (isKnown) => this.#save(isKnown),
      (saved) => {
        this.#load(saved);
      },
    );
  }

  enter(partitionId: string): void {
    this.#positions.enter(partitionId);
    this.#input = this.#inputOf(partitionId);
    this.#input.seenMs = this.#now();
  }

  apply(event: LogEvent): undefined | typeof DROP {
    if (event.timeMs > this.#input.latestMs) this.#input.latestMs = event.timeMs;
    if (!this.#positions.isAgain(event)) this.#count(event);
    return this.#options.keep_events ? undefined : DROP;
  }

  finish(nowMs: number, isEnd: boolean): readonly GatheredEvent[] {
    if (this.#windows.size === 0) return [];
    let isIdle = true;
    let timeMs = Infinity;
    for (const [id, { latestMs, seenMs }] of this.#inputs) {
      if (nowMs - seenMs >= this.#idleMs) {
        if (this.#inputs.size > MAX_INPUTS) this.#inputs.delete(id);
        continue;
      }
      if (latestMs === -Infinity) continue;
      isIdle = false;
      // A clock that is ahead must not finish intervals of others.
      timeMs = Math.min(timeMs, latestMs, nowMs);
    }
    if (isIdle) timeMs = nowMs;
    // At first nobody knows how many inputs there are, and how far behind.
    const isEarly = this.#beganMs === undefined || nowMs - this.#beganMs < this.#idleMs;
    if (!isEarly) this.#finishBefore(timeMs - this.#latenessMs);
    const made: GatheredEvent[] = [];
    const windows = [...this.#windows].sort(([, a], [, b]) => a.startMs - b.startMs);
    for (const [key, window] of windows) {
      if (!isEnd && !this.#isFinished(window, nowMs, isIdle && !isEarly)) continue;
      this.#windows.delete(key);
      this.#groups -= window.groups.size;
      this.#version++;
      for (const group of window.groups.values()) this.#make(window, group, made);
    }
    return made;
  }

  counters(): Readonly<Record<string, number>> {
    const { late, lateDropped, overflow, notNumbers } = this.#counts;
    return {
      open_intervals: this.#windows.size,
      open_groups: this.#groups,
      late_events: late,
      late_dropped_events: lateDropped,
      overflow_events: overflow,
      values_not_numbers: notNumbers,
    };
  }

  get #idleMs(): number {
    return Math.max(1000, this.#latenessMs);
  }

  #inputOf(id: string): InputTime {
    let input = this.#inputs.get(id);
    if (input === undefined) this.#inputs.set(id, (input = { latestMs: -Infinity, seenMs: this.#now() }));
    return input;
  }

  #count(event: LogEvent): void {
    this.#version++;
    const { timeMs } = event;
    const startMs = Math.floor(timeMs / this.#intervalMs) * this.#intervalMs;
    const isLate = startMs + this.#intervalMs <= this.#finishedBeforeMs;
    if (isLate) {
      this.#counts.late++;
      if (this.#options.late_events === "drop") {
        this.#counts.lateDropped++;
        this.#log?.warn("events came when their interval was finished, and are left out", {
          ...{ so_far: this.#counts.lateDropped, interval: formatIsoTime(startMs) },
        });
        return;
      }
    }
    const window = this.#window(startMs, isLate);
    if (this.#group(window, event).add(event) > 0) this.#counts.notNumbers++;
  }

  #window(startMs: number, isLate: boolean): Window {
    const key = windowKey(startMs, isLate);
    let window = this.#windows.get(key);
    const nowMs = this.#input.seenMs;
    this.#beganMs ??= nowMs;
    if (window === undefined) {
      window = new Window(startMs, isLate ? this.#finishedBeforeMs + this.#intervalMs : undefined, nowMs);
      this.#windows.set(key, window);
    }
    window.touchedMs = nowMs;
    return window;
  }

  #group(window: Window, event: LogEvent): Group {
    const key = "g" + shortened(this.#key.of(event) ?? "");
    let group = window.groups.get(key);
    if (group !== undefined) return group;
    if (this.#groups < this.#options.max_groups) {
      const dimensions = this.#paths.map((path) => cut(event.get(path)));
      group = new Group(this.#metrics, dimensions, false);
      window.groups.set(key, group);
      this.#groups++;
      return group;
    }
    this.#counts.overflow++;
    if (this.#saidFull !== window) {
      this.#saidFull = window;
      this.#log?.error(
        `rollup holds max_groups (${this.#options.max_groups}) groups: events of further ones are counted together, without their fields`,
        { interval: formatIsoTime(window.startMs) },
      );
    }
    group = window.groups.get(OVERFLOW);
    if (group === undefined) {
      window.groups.set(OVERFLOW, (group = new Group(this.#metrics, [], true)));
      this.#groups++;
    }
    return group;
  }

  #finishBefore(timeMs: number): void {
    const endMs = Math.floor(timeMs / this.#intervalMs) * this.#intervalMs;
    if (!(endMs > this.#finishedBeforeMs)) return;
    this.#finishedBeforeMs = endMs;
    this.#version++;
  }

  #isFinished(window: Window, nowMs: number, isIdle: boolean): boolean {
    if (window.dueMs !== undefined) return isIdle || this.#finishedBeforeMs >= window.dueMs;
    if (window.startMs + this.#intervalMs <= this.#finishedBeforeMs) return true;
    // Of a clock that is ahead: nobody knows when its interval is over.
    return window.startMs > nowMs && nowMs - window.touchedMs >= this.#intervalMs + this.#idleMs;
  }

  #make(window: Window, group: Group, made: GatheredEvent[]): void {
    const { startMs: timeMs, dueMs } = window;
    const event = {
      kind: "metric",
      start: formatIsoTime(timeMs),
      end: formatIsoTime(timeMs + this.#intervalMs),
    };
    const flags = { ...(dueMs === undefined ? {} : { late: true }), ...(group.isOverflow ? { overflow: true } : {}) };
    const add = (fields: Record<string, unknown>): void => {
      putDimensions(fields, this.#paths, group.dimensions);
      made.push({ timeMs, fields });
    };
    const results = group.results();
    if (this.#options.documents === "metric") {
      for (const [name, value, unit] of results)
        add({ event, metric: { name, value, ...(unit === undefined ? {} : { unit }), ...flags } });
      return;
    }
    const metrics = Object.fromEntries(results.map(([name, value]) => [name, value]));
    add({ event, ...(Object.keys(flags).length > 0 ? { metric: flags } : {}), metrics });
  }

  #save(isKnown: (partitionId: string) => boolean): Saved {
    const { late, lateDropped, overflow, notNumbers } = this.#counts;
    return {
      positions: this.#positions.save(isKnown),
      finished_before: Number.isFinite(this.#finishedBeforeMs) ? this.#finishedBeforeMs : null,
      windows: [...this.#windows.values()].map(({ startMs, dueMs, groups }) => [
        ...([startMs, dueMs ?? null] as const),
        [...groups].map(([key, group]) => [key, group.save()]),
      ]),
      counts: { late, lateDropped, overflow, notNumbers },
    };
  }

  #load(saved: Saved): void {
    const nowMs = this.#now();
    const windows = saved.windows.map(([startMs, dueMs, groups]) => {
      const window = new Window(startMs, dueMs ?? undefined, nowMs);
      for (const [key, group] of groups) window.groups.set(key, loadGroup(this.#metrics, group));
      return window;
    });
    this.#positions.load(saved.positions);
    this.#finishedBeforeMs = saved.finished_before ?? -Infinity;
    for (const window of windows) {
      this.#windows.set(windowKey(window.startMs, window.dueMs !== undefined), window);
      this.#groups += window.groups.size;
      this.#beganMs = nowMs;
    }
    Object.assign(this.#counts, saved.counts);
  }
}

const OVERFLOW = "overflow";
const MAX_INPUTS = 10_000;
const MAX_DIMENSION_CHARACTERS = 1024;

function windowKey(startMs: number, isLate: boolean): string {
  return isLate ? `${startMs} late` : String(startMs);
}

/** A value as groups keep it: long ones are told apart by a hash, and shown by their beginning. */
function cut(value: unknown): unknown {
  if (typeof value === "object" && value !== null) return structuredClone(value);
  return typeof value === "string" && value.length > MAX_DIMENSION_CHARACTERS
    ? value.slice(0, MAX_DIMENSION_CHARACTERS) + "…"
    : value;
}
