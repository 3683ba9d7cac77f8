import { t, type Infer } from "../../core/schema.ts";

const field = t.string({ "x-syntax": "field" });

export const schema = t.object({
  events: t.string({ "x-syntax": "kql", description: "KQL: the events that wait for a partner." }),
  partners: t.string({ "x-syntax": "kql", description: "KQL: the events that are partners, of the same pipeline." }),
  keys: t.map(field, {
    default: {},
    description:
      "Fields that have to be equal: a field of the event, and the partner's. An event without one of them does not wait.",
  }),
  partner_id: t.optional(
    t.string({
      "x-syntax": "field",
      description: "Field by which several events are one partner, such as `flow.id`; the first of them counts.",
    }),
  ),
  partner_time: t.string({
    default: "@timestamp",
    "x-syntax": "field",
    description: "The partner's field whose time is compared with the event's `@timestamp`.",
  }),
  earlier_ms: t.number({
    default: 1000,
    minimum: 0,
    description: "How many milliseconds earlier than the event the partner's time may be.",
  }),
  later_ms: t.number({
    default: 0,
    minimum: 0,
    description: "How many milliseconds later than the event the partner's time may be.",
  }),
  fields: t.map(field, { description: "What the event gets: a field of the partner, and the event's field to set." }),
  candidates: t.optional(
    t.string({
      "x-syntax": "field",
      description: "Field that gets how many partners the event could have had: with more than one it is a guess.",
    }),
  ),
  max_wait_seconds: t.number({
    default: 75,
    minimum: 1,
    description:
      "Seconds of the host's clock that an event waits for partners that come later than it, and partners wait for events. At the end of all input nothing waits any longer.",
  }),
  keep_partners: t.boolean({ default: false, description: "Whether partners go on through the pipeline." }),
  max_events: t.integer({
    default: 10_000,
    minimum: 1,
    description: "Events that wait at the same time; one more goes on at once, without a partner.",
  }),
  max_partners: t.integer({
    default: 100_000,
    minimum: 1,
    description: "Partners that are remembered; for one more, the oldest is forgotten.",
  }),
});
export type JoinConfig = Infer<typeof schema>;
