import { compileTimeFormats, dependsOnClock, type TimeParser } from "../../codec/time/format.ts";
import { defineStage, StageFailure, type Stage } from "../../core/component.ts";
import type { LogEvent } from "../../core/event.ts";
import { Path } from "../../core/path.ts";
import type { StagePlan } from "../../core/plan.ts";
import { t, type Infer } from "../../core/schema.ts";
import { formatIsoTime } from "../../core/time.ts";

const schema = t.object({
  field: t.string({ description: "Field that holds the time as text or a number.", "x-syntax": "field" }),
  formats: t.array(t.string({ "x-syntax": "time_format" }), {
    minItems: 1,
    description:
      "Formats tried in order: `iso8601`, `epoch_s`, `epoch_ms`, `epoch_us`, `epoch_ns`, or strptime directives such as `%Y-%m-%d %H:%M:%S.%f`. `%L` is three digits of milliseconds, `%4L` milliseconds padded to four.",
  }),
  zone: t.optional(
    t.string({
      description:
        "Zone of times that name none: an IANA name such as `Europe/Madrid`, `+02:00`, `UTC` (the default) or `local`.",
    }),
  ),
  target: t.string({
    default: "@timestamp",
    description: "Field to set. `@timestamp` is the event's time; other fields are set to ISO 8601 text in UTC.",
    "x-syntax": "field",
  }),
  remove_field: t.boolean({ default: true, description: "Remove the field the time was read from." }),
});

class ParseTimestamp implements Stage {
  readonly plan: StagePlan;
  readonly #source: Path;
  readonly #target: Path;
  readonly #isEventTime: boolean;
  readonly #removes: boolean;
  readonly #parse: TimeParser;
  readonly #formats: string;

  constructor(options: Infer<typeof schema>, now: () => number) {
    this.#source = new Path(options.field);
    this.#target = new Path(options.target);
    this.#isEventTime = options.target === "@timestamp";
    this.#removes =
      options.remove_field && options.field !== options.target && !options.target.startsWith(options.field + ".");
    this.#parse = compileTimeFormats(options.formats, { zone: options.zone, now });
    this.#formats = options.formats.join(", ");
    this.plan = {
      kind: "parse_time",
      ...{ field: options.field, target: options.target, removesField: this.#removes },
      reader: { read: this.#parse, dependsOnClock: options.formats.some(dependsOnClock) },
    };
  }

  apply(event: LogEvent): undefined | StageFailure {
    const value = event.get(this.#source);
    const text = typeof value === "string" ? value : typeof value === "number" ? String(value) : undefined;
    if (text === undefined) {
      return new StageFailure(
        value === undefined
          ? `there is no field ${this.#source.name}`
          : `field ${this.#source.name} is no text or number`,
      );
    }
    const timeMs = this.#parse(text);
    if (timeMs !== timeMs) {
      return new StageFailure(
        `${this.#source.name} ${JSON.stringify(text.slice(0, 60))} does not fit ${this.#formats}`,
      );
    }
    if (this.#isEventTime) event.timeMs = timeMs;
    else {
      const refusal = event.set(this.#target, formatIsoTime(timeMs));
      if (refusal !== undefined) return new StageFailure(refusal);
    }
    if (this.#removes) event.delete(this.#source);
    return undefined;
  }
}

/** Reads a time out of a field. */
export const parseTimestamp = defineStage({
  type: "parse_timestamp",
  summary: "Reads a time out of a field, by one or several formats",
  description: [
    "The whole text must fit a format. Directives: `%Y %y %m %b %B %d %e %j %a %A %H %k %I %l %M %S %p %f %L %s %z %Z %T %F %D %R %r %n %t %%`;",
    "`%f` is a fraction of 1 to 9 digits (`%3f`: exactly 3), `%z` an offset or `Z`, `%Z` `UTC` or another abbreviation with one meaning. Names are English.",
    "",
    "A clock reading that occurs twice when clocks are set back is the first one; one that is skipped when they are set forward lands after the gap.",
    "Without a year it is this year, or last year where that would be over 30 days ahead; without a date it is today, or yesterday where that would be over an hour ahead.",
  ].join("\n"),
  stability: "stable",
  schema,
  examples: [
    {
      title: "Milliseconds padded to four digits",
      options: { field: "time", formats: ["%Y.%m.%d, %H:%M:%S.%4L UTC"] },
      input: [{ time: "2019.12.11, 20:47:14.0285 UTC" }],
      output: [{ "@timestamp": "2019-12-11T20:47:14.285Z", time: null }],
    },
    {
      title: "Local times of a zone, or seconds since 1970",
      options: { field: "ts", formats: ["%F %T", "epoch_s"], zone: "Europe/Madrid", remove_field: false },
      input: [{ ts: "2019-12-11 21:47:14" }, { ts: 1576097234.5 }],
      output: [
        { "@timestamp": "2019-12-11T20:47:14.000Z" },
        { "@timestamp": "2019-12-11T20:47:14.500Z", ts: 1576097234.5 },
      ],
    },
  ],
  create: (options, context) => new ParseTimestamp(options, context.now),
});
