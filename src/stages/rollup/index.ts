import { defineStage } from "../../core/component.ts";
import { schema, validate } from "./options.ts";
import { Rollup } from "./rollup.ts";

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
  validate,
  create: (options, context) => new Rollup(options, context),
});
