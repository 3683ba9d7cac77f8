import { CEF_FIELDS, takeExtension } from "../../codec/cef/fields.ts";
import { parseCefMessage, type CefMessage } from "../../codec/cef/parse.ts";
import { setOwn } from "../../codec/own-key.ts";
import { compileTimeFormats, dependsOnClock, type TimeParser } from "../../codec/time/format.ts";
import { defineStage, StageFailure, type Stage } from "../../core/component.ts";
import type { LogEvent } from "../../core/event.ts";
import type { StagePlan, TextCapture } from "../../core/plan.ts";
import { t, type Infer } from "../../core/schema.ts";
import { FOUND, ParsedFields, SOURCE_OPTIONS } from "../parsed-fields.ts";

const schema = t.object({
  zone: t.string({
    default: "UTC",
    description: "Zone of times that name none: an IANA name such as `Europe/Madrid`, `+02:00`, `UTC` or `local`.",
  }),
  ...SOURCE_OPTIONS,
});

const HEADER = [
  "cef.version",
  "observer.vendor",
  "observer.product",
  "observer.version",
  "event.code",
  "cef.name",
  "cef.severity",
  "event.severity",
  "cef.extensions",
] as const;
const MAPPED = Object.entries(CEF_FIELDS).map(([key, [field, take]], i) => ({
  key,
  field,
  take,
  at: HEADER.length + i,
}));
const BY_KEY = new Map(MAPPED.map((each) => [each.key, each]));
/** Severities that are words, in the middle of their ranges. */
const SEVERITIES: ReadonlyMap<string, number> = new Map([
  ["low", 2],
  ["medium", 5],
  ["high", 8],
  ["very-high", 10],
]);
const wordOfSeverity = (text: string): unknown => SEVERITIES.get(text.toLowerCase());
/** The parts of the header (severity as a number, where it is one, is 8, and otherwise 9). */
const HEADER_CAPTURES: readonly TextCapture[] = [
  ...[...HEADER.slice(0, 7).entries()].map(([i, field]): TextCapture => ({ group: i + 1, field, take: "present" })),
  { group: 8, field: "event.severity", take: "integer" },
  { group: 9, field: "event.severity", take: wordOfSeverity },
];
const TIMES = [
  "epoch_ms",
  "%b %d %Y %H:%M:%S",
  "%b %d %Y %H:%M:%S.%f",
  "%b %d %Y %H:%M:%S %Z",
  "%b %d %H:%M:%S",
  "iso8601",
];

class ParseCef implements Stage {
  readonly plan: StagePlan;
  readonly #target: ParsedFields;
  readonly #time: TimeParser;
  readonly #found: unknown[];

  constructor(options: Infer<typeof schema>, now: () => number) {
    const fields = [...HEADER, ...MAPPED.map(({ field }) => field)];
    this.#target = new ParsedFields(fields, options.field, options.keep_original);
    this.#time = compileTimeFormats(TIMES, { zone: options.zone, now });
    this.#found = fields.map(() => undefined);
    this.plan = {
      ...{ kind: "parse_cef", field: options.field, keepsOriginal: options.keep_original, header: HEADER_CAPTURES },
      extensions: MAPPED.map(({ key, field, take }) => [key, field, take] as const),
      rest: "cef.extensions",
      time: { key: "rt", reader: { read: this.#time, dependsOnClock: TIMES.some(dependsOnClock) } },
    };
  }

  apply(event: LogEvent): undefined | StageFailure {
    const text = this.#target.read(event);
    if (typeof text !== "string") return text;
    const message = parseCefMessage(text);
    if (typeof message === "string") return new StageFailure(message);
    const timeMs = this.#fill(message);
    const failure = this.#target.write(event, this.#found, FOUND);
    if (failure === undefined && timeMs === timeMs) event.timeMs = timeMs;
    return failure;
  }

  /** Puts what a message says into the fields; returns its time, or NaN. */
  #fill(message: CefMessage): number {
    const found = this.#found;
    found.fill(undefined);
    const { severity } = message;
    const number = /^\d{1,2}$/.test(severity) ? Number(severity) : wordOfSeverity(severity);
    const header = [message.version, message.vendor, message.product, message.productVersion, message.eventClassId];
    [...header, message.name, severity].forEach((value, i) => (found[i] = value === "" ? undefined : value));
    found[7] = number;
    let timeMs = NaN;
    const rest: Record<string, unknown> = {};
    let isAny = false;
    for (const [key, value] of message.extensions) {
      if (value === "") continue;
      if (key === "rt" && timeMs !== timeMs) {
        timeMs = this.#time(value);
        if (timeMs === timeMs) continue;
      }
      const mapped = BY_KEY.get(key);
      const taken = mapped === undefined ? undefined : takeExtension(mapped.take, value);
      if (mapped !== undefined && taken !== undefined) found[mapped.at] = taken;
      else {
        isAny = true;
        setOwn(rest, key, value);
      }
    }
    if (isAny) found[8] = rest;
    return timeMs;
  }
}

/** Parses ArcSight's Common Event Format. */
export const parseCef = defineStage({
  type: "parse_cef",
  summary: "Parses security events in the Common Event Format (CEF)",
  description: [
    "What stands before `CEF:`, mostly a syslog header, is passed over (`parse_syslog` reads it first). The header gives `observer.vendor`, `observer.product`,",
    "`observer.version`, `event.code`, `event.severity` (a number) and `cef.*`. Extensions that ECS has a field for go there with their types (`src`, `spt`, `act`, `request` and others),",
    "`msg` to `message`, `rt` to the event's time; all others, and values that are not of their type, to `cef.extensions` under their own names, as text.",
  ].join("\n"),
  stability: "stable",
  schema,
  examples: [
    {
      title: "An event of a firewall",
      options: {},
      input: [
        "CEF:0|Security|threatmanager|1.0|100|worm successfully stopped|10|src=10.0.0.1 dst=2.1.2.2 spt=1232 rt=1576097234285 act=blocked a \\= sign cs1=x",
      ],
      output: [
        {
          "@timestamp": "2019-12-11T20:47:14.285Z",
          "observer.vendor": "Security",
          "observer.product": "threatmanager",
          "event.code": "100",
          "event.severity": 10,
          "cef.name": "worm successfully stopped",
          "source.ip": "10.0.0.1",
          "source.port": 1232,
          "destination.ip": "2.1.2.2",
          "event.action": "blocked a = sign",
          "cef.extensions": { cs1: "x" },
          message: null,
        },
      ],
    },
  ],
  create: (options, { now }) => new ParseCef(options, now),
});
