import { defineStage } from "../../core/component.ts";
import { Join } from "./join.ts";
import { schema } from "./options.ts";

const flow = (id: string, start: string, ip: string): Record<string, unknown> => ({
  "@timestamp": "2026-11-21T10:01:30Z",
  event: { dataset: "flow", start },
  flow: { id },
  source: { ip },
  destination: { port: 8080 },
});
const line = (time: string): Record<string, unknown> => ({
  "@timestamp": time,
  event: { action: "connected" },
  destination: { port: 8080 },
});

/** Gives events fields of other events with the same keys at about the same time. */
export const join = defineStage({
  type: "join",
  summary: "Gives events fields of other events of about the same time, such as those of a connection's flow",
  description: [
    "Of one pipeline, which may read from several sources: some events wait, others are partners, the rest passes. A partner fits an event when all `keys` are equal and its time is at most `earlier_ms` before and `later_ms` behind the event's. Each partner goes to one event: in the order of their times, each event gets the earliest partner that is left. An event without a partner goes on as it is.",
    "",
    "Events wait for `max_wait_seconds` in any case, and are then decided on: so it makes no difference what comes first, and every event is late by that time. Give it some seconds more than partners take to come: flows tell of themselves each `active_seconds`. At the end of all input (`run --once`) all are decided on at once.",
    "",
    'What waits is kept with the checkpoint, as for `rollup`: after a crash nothing that waited is lost, and what was decided on goes out with the same content and id. What goes on is a new event with the fields of the one that waited; its original line is not kept. With a sink that says `"when_full": "reread"` the stage cannot be used.',
  ].join("\n"),
  stability: "beta",
  gathers: true,
  schema,
  examples: [
    {
      title: "Who connected: the client of the connection that began in the second before a line",
      options: {
        events: "event.action: connected",
        partners: "event.dataset: flow",
        keys: { "destination.port": "destination.port" },
        partner_id: "flow.id",
        partner_time: "event.start",
        fields: { "source.ip": "source.ip" },
        candidates: "candidates",
      },
      input: [
        line("2026-11-21T10:00:00.250Z"),
        line("2026-11-21T10:00:09.000Z"),
        flow("a", "2026-11-21T10:00:00.240Z", "192.0.2.1"),
        flow("b", "2026-11-21T10:00:05.000Z", "192.0.2.2"),
      ],
      output: [
        { "@timestamp": "2026-11-21T10:00:00.250Z", "source.ip": "192.0.2.1", candidates: 1 },
        { "@timestamp": "2026-11-21T10:00:09.000Z", "source.ip": null, candidates: null },
      ],
    },
  ],
  validate: (options) =>
    Object.keys(options.fields).length === 0 ? [["/fields", "say what events get of their partners"]] : [],
  create: (options, context) => new Join(options, context),
});
