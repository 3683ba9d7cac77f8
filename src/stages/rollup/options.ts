import { t, type Infer } from "../../core/schema.ts";
import { METRIC_TYPES } from "./metrics.ts";

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

/** The options of the stage. */
export const schema = t.object({
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
export type RollupConfig = Infer<typeof schema>;

/** What the schema cannot say is wrong with options: JSON pointers and messages. */
export function validate(options: RollupConfig): readonly (readonly [pointer: string, message: string])[] {
  return [
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
  ];
}

function pointer(key: string): string {
  return key.replaceAll("~", "~0").replaceAll("/", "~1");
}
