import { parseKql } from "../../codec/kql/parse.ts";
import { compilePredicate } from "../../codec/kql/predicate.ts";
import { defineStage, DROP, StageFailure, type Stage } from "../../core/component.ts";
import type { LogEvent } from "../../core/event.ts";
import { Path } from "../../core/path.ts";
import { t, type Infer } from "../../core/schema.ts";
import { EventKey, hash32 } from "../event-key.ts";

const schema = t.object({
  rate: t.optional(t.integer({ minimum: 1, description: "One of so many events is kept." })),
  ratio: t.optional(
    t.number({ minimum: 0, maximum: 1, description: "The share of events that is kept: 0.1 is a tenth." }),
  ),
  key: t.optional(
    t.array(t.string({ "x-syntax": "field" }), {
      minItems: 1,
      description:
        "Fields whose values decide together: of all values so many are kept, with all their events. Events that have none of the fields are sampled one by one.",
    }),
  ),
  keep: t.optional(t.string({ "x-syntax": "kql", description: "KQL: events that match are kept in any case." })),
  rate_field: t.optional(
    t.string({
      "x-syntax": "field",
      description: "Field that says how many events each kept one stands for (1 for those that `keep` kept).",
    }),
  ),
  seed: t.string({
    default: "",
    description: "Text that changes the choice. Stages with the same seed and key choose alike, on all hosts.",
  }),
});

class Sample implements Stage {
  readonly #key: EventKey | undefined;
  readonly #below: number;
  readonly #standsFor: number;
  readonly #keep: ((event: LogEvent) => boolean) | undefined;
  readonly #rateField: Path | undefined;
  readonly #seed: number;

  constructor(options: Infer<typeof schema>) {
    const ratio = options.ratio ?? 1 / options.rate!;
    this.#below = ratio * 2 ** 32;
    this.#standsFor = options.rate ?? 1 / ratio;
    this.#key = options.key === undefined ? undefined : new EventKey(options.key);
    this.#keep = options.keep === undefined ? undefined : compilePredicate(parseKql(options.keep));
    this.#rateField = options.rate_field === undefined ? undefined : new Path(options.rate_field);
    this.#seed = hash32(options.seed, 0);
  }

  apply(event: LogEvent): undefined | StageFailure | typeof DROP {
    const isKept = this.#keep?.(event) === true;
    if (!isKept && this.#hash(event) >= this.#below) return DROP;
    if (this.#rateField === undefined) return undefined;
    const refusal = event.refusal(this.#rateField, 1);
    if (refusal !== undefined) return new StageFailure(refusal);
    event.set(this.#rateField, isKept ? 1 : this.#standsFor);
    return undefined;
  }

  #hash(event: LogEvent): number {
    const key = this.#key?.of(event);
    if (key !== undefined) return hash32(key, this.#seed);
    // Its place and its text: what of it is the same whenever and by whatever name its file is read.
    return hash32(event.line, this.#seed ^ hash32(`${event.offset}.${event.subIndex}`, 0));
  }
}

/** Keeps a share of the events. */
export const sample = defineStage({
  type: "sample",
  drops: true,
  summary: "Keeps a share of the events, chosen by a hash",
  description: [
    "Give `rate` or `ratio`. What is left out is counted as dropped by this stage.",
    "",
    "The choice is no chance: it is made by a hash of the values of `key`, or of the event's text and its place in its input. So an event that is read again, after a restart or for a sink that catches up, is chosen as before, and nothing has to be remembered.",
  ].join("\n"),
  stability: "stable",
  schema,
  examples: [
    {
      title: "All errors, and half of the traces, each with all its events",
      options: { ratio: 0.5, key: ["trace.id"], keep: "log.level: error", rate_field: "labels.sample_rate" },
      input: [
        { trace: { id: "a1" }, n: 1 },
        { trace: { id: "9c1d" }, n: 2 },
        { trace: { id: "a1" }, n: 3 },
        { trace: { id: "9c1d" }, n: 4, log: { level: "error" } },
      ],
      output: [
        { n: 1, "labels.sample_rate": 2 },
        { n: 3, "labels.sample_rate": 2 },
        { n: 4, "labels.sample_rate": 1 },
      ],
    },
  ],
  validate: (options) =>
    (options.rate === undefined) === (options.ratio === undefined) ? [["", "give one of rate and ratio"] as const] : [],
  create: (options) => new Sample(options),
});
