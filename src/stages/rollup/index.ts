import {
  defineStage,
  DROP,
  type GatheredEvent,
  type KeptState,
  type Log,
  type Stage,
  type StageContext,
} from "../../core/component.ts";
import type { LogEvent } from "../../core/event.ts";
import { Path } from "../../core/path.ts";
import { t, type Infer } from "../../core/schema.ts";
import { formatIsoTime } from "../../core/time.ts";
import { EventKey, shortened } from "../event-key.ts";
import { Positions, type SavedPositions } from "../positions.ts";
import { METRIC_TYPES, metricOf, type Metric } from "./metrics.ts";
import { Group, loadGroup, putDimensions, Window, type SavedGroup } from "./windows.ts";

const metric = t.object({
  type: t.enum(METRIC_TYPES, {
    description:
      "`count` of events; `sum`, `min`, `max` and `average` of a field's numbers; `distinct` values of a field (exact up to 256, beyond with a standard error of 1.6 %); `percentiles`.",
  }),
  field: t.optional(
    t.string({
      "x-syntax": "field",
      description: "The field. `count` counts events that have it, or without it all.",
    }),
  ),
  where: t.optional(t.string({ "x-syntax": "kql", description: "KQL: only events that match count for this metric." })),
  unit: t.optional(t.string({ description: "What `metric.unit` says, such as `bytes` or `s`." })),
  percentiles: t.array(t.number({ minimum: 0, maximum: 100 }), {
    default: [50, 95, 99],
    minItems: 1,
    description: "Which percentiles: each is a metric of its own, `NAME_p95`.",
  }),
  accuracy: t.number({
    default: 0.01,
    minimum: 0.001,
    maximum: 0.2,
    description: "Largest relative error of percentiles: 0.01 is 1 %.",
  }),
});

const schema = t.object({
  interval_seconds: t.number({
    default: 60,
    minimum: 1,
    description:
      "Length of an interval in seconds, by `@timestamp`. Intervals begin at whole multiples of it since 1970.",
  }),
  by: t.array(t.string({ "x-syntax": "field" }), {
    default: [],
    description: "Fields whose values make groups: each combination of values has metrics of its own.",
  }),
  metrics: t.map(metric, { description: "What is worked out for each group and interval, by name." }),
  documents: t.enum(["metric", "group"], {
    default: "metric",
    description:
      "An event for each `metric` (`metric.name`, `metric.value`, `metric.unit`), or one for each `group` with all of them (`metrics.NAME`).",
  }),
  keep_events: t.boolean({
    default: false,
    description: "Pass the events on, too, beside what is made of them.",
  }),
  allowed_lateness_seconds: t.number({
    default: 10,
    minimum: 0,
    description:
      "How far, in seconds, events of an input may be behind the latest one of it. So long after its end an interval is finished. An input that gave nothing for so long (1 s at least) is not waited for.",
  }),
  late_events: t.enum(["own_event", "drop"], {
    default: "own_event",
    description:
      "Events of intervals that are finished: counted in a further event for the interval, with `metric.late: true`, so that sums stay whole; or left out, and counted as `late_dropped_events`.",
  }),
  max_groups: t.integer({
    default: 10_000,
    minimum: 1,
    description:
      "Groups that are held, of all open intervals together. Events of further ones are counted in one group without dimensions, with `metric.overflow: true`.",
  }),
});
type Config = Infer<typeof schema>;

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

class Rollup implements Stage {
  readonly kept: KeptState;
  readonly #options: Config;
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

  constructor(options: Config, { now, log }: StageContext) {
    this.#options = options;
    this.#metrics = Object.entries(options.metrics).map(([name, config]) => metricOf(name, config));
    this.#paths = options.by.map((name) => new Path(name));
    this.#key = new EventKey(options.by);
    this.#intervalMs = options.interval_seconds * 1000;
    this.#latenessMs = options.allowed_lateness_seconds * 1000;
    this.#now = now;
    this.#log = log;
    this.#input = this.#inputOf("");
    const version = (): number => this.#version;
    this.kept = {
      get version() {
        return version();
      },
      save: (isKnown) => this.#save(isKnown),
      load: (state) => {
        this.#load(state as Saved);
      },
    };
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

/** Makes metrics of events. */
export const rollup = defineStage({
  type: "rollup",
  summary: "Makes metrics of events: counts, sums, percentiles by fields and interval",
  description: [
    "What it makes of an interval are events of their own, with `event.kind: metric`, the interval's beginning as `@timestamp`, `event.start` and `event.end`, and the fields in `by`. They go through the stages behind this one. The events themselves go no further, unless `keep_events` says so; `status` counts them as dropped by this stage. To ship both in different ways, let two pipelines read from one source.",
    "",
    "An interval is finished when all inputs that still give events are past its end by `allowed_lateness_seconds`: a file that is behind is waited for, one that is silent is not. What comes later is counted, and goes by `late_events`.",
    "",
    'The open intervals are kept with the checkpoint, and what was made is on disk before it is sent: after a crash each event of a file is counted once, and each metric goes out with the same content and id. Of `stdin` and `command` a crash loses up to a second. When its options change, what was open is finished as it is. With a sink that says `"when_full": "reread"` it cannot be used.',
  ].join("\n"),
  stability: "stable",
  gathers: true,
  schema,
  examples: [
    {
      title: "Requests, errors, bytes and latencies of each service and minute",
      options: {
        by: ["service.name"],
        metrics: {
          requests: { type: "count" },
          errors: { type: "count", where: "http.response.status_code >= 500" },
          sent: { type: "sum", field: "http.response.body.bytes", unit: "bytes" },
          duration: { type: "percentiles", field: "event.duration", percentiles: [50], unit: "ns" },
        },
        documents: "group",
      },
      input: [
        ...[200, 503].map((status_code, i) => ({
          "@timestamp": `2026-11-21T10:00:0${i}Z`,
          service: { name: "shop" },
          http: { response: { status_code, body: { bytes: 512 } } },
          event: { duration: 1000 },
        })),
        { "@timestamp": "2026-11-21T10:01:00Z", service: { name: "shop" } },
      ],
      output: [
        {
          "@timestamp": "2026-11-21T10:00:00.000Z",
          "event.kind": "metric",
          "event.end": "2026-11-21T10:01:00.000Z",
          "service.name": "shop",
          "metrics.requests": 2,
          "metrics.errors": 1,
          "metrics.sent": 1024,
          "metrics.duration_p50": 1000,
        },
        { "metrics.requests": 1, "metrics.errors": 0, "metrics.sent": 0, "metrics.duration_p50": null },
      ],
    },
    {
      title: "How many people a day",
      options: { interval_seconds: 86400, metrics: { users: { type: "distinct", field: "user.id" } } },
      input: [{ user: { id: "ada" } }, { user: { id: "bob" } }, { user: { id: "ada" } }],
      output: [{ "metric.name": "users", "metric.value": 2, "@timestamp": "2026-11-21T00:00:00.000Z" }],
    },
  ],
  validate: (options) => [
    ...(Object.keys(options.metrics).length === 0 ? [["/metrics", "say at least one metric"] as const] : []),
    ...Object.entries(options.metrics).flatMap(([name, { type, field }]) => [
      ...(/^[A-Za-z][A-Za-z0-9_]{0,63}$/.test(name)
        ? []
        : [
            [
              `/metrics/${pointer(name)}`,
              "a metric's name has letters, digits and _, and begins with a letter",
            ] as const,
          ]),
      ...(type === "count" || field !== undefined
        ? []
        : [[`/metrics/${pointer(name)}`, `${type} needs "field"`] as const]),
    ]),
  ],
  create: (options, context) => new Rollup(options, context),
});

function pointer(key: string): string {
  return key.replaceAll("~", "~0").replaceAll("/", "~1");
}
