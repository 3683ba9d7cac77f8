import { parseKql } from "../../codec/kql/parse.ts";
import { compilePredicate } from "../../codec/kql/predicate.ts";
import { defineStage, DROP, StageFailure, type Stage } from "../../core/component.ts";
import type { Destinations, LogEvent } from "../../core/event.ts";
import { Path } from "../../core/path.ts";
import { t, type Infer } from "../../core/schema.ts";

const place = t.object(
  {
    sink: t.string({ description: "Name of the sink." }),
    data_stream: t.optional(
      t.object(
        {
          type: t.optional(t.string({ description: "First part of the data stream's name." })),
          dataset: t.optional(t.string({ description: "Second part: what the events are about." })),
          namespace: t.optional(t.string({ description: "Third part: an environment or a team, by choice." })),
        },
        {
          description:
            "Elasticsearch: another data stream. Parts that are left out are the sink's own, or `logs`, `generic` and `default`.",
        },
      ),
    ),
    index: t.optional(
      t.string({
        description: "Elasticsearch: an index, with the placeholders of the sink's `index`.",
        minLength: 1,
        maxLength: 255,
        examples: ["audit-{date:%Y.%m}"],
      }),
    ),
    log_group_name: t.optional(
      t.string({
        description: "CloudWatch Logs: another log group, with placeholders. Left out: the sink's own.",
        minLength: 1,
        maxLength: 512,
      }),
    ),
    log_stream_name: t.optional(
      t.string({
        description: "CloudWatch Logs: another log stream, with placeholders. Left out: the sink's own.",
        minLength: 1,
        maxLength: 512,
      }),
    ),
  },
  { description: "Another place in a sink than its own." },
);
const target = t.anyOf([t.string(), place]);
type Target = Infer<typeof target>;

const rule = t.object({
  when: t.string({ "x-syntax": "kql", description: "KQL: the events that this rule is for." }),
  to: t.array(target, {
    description:
      "Names of sinks, all of them among those in the pipeline's `to`, or a sink with another place in it: an index, data stream, log group or log stream. An empty list leaves the events out.",
  }),
  name: t.optional(t.string({ description: "What `name_field` is set to, for events of this rule." })),
});

const schema = t.object({
  rules: t.array(rule, { minItems: 1, description: "Tried in order: the first one that an event matches decides." }),
  otherwise: t.optional(
    t.array(target, {
      description:
        "Sinks, as in `to`, for events that match no rule. By default all sinks of the pipeline; an empty list leaves the events out.",
    }),
  ),
  name_field: t.optional(
    t.string({
      description: "Field that gets the `name` of the rule that decided, where it has one.",
      "x-syntax": "field",
    }),
  ),
});
type Config = Infer<typeof schema>;

/** Where a rule sends events. One object a rule, shared by all its events. */
interface Way {
  readonly sinks: readonly string[];
  readonly destinations: Destinations | undefined;
}

interface Rule extends Way {
  readonly matches: (event: LogEvent) => boolean;
  readonly name: string | undefined;
}

function sinkOf(target: Target): string {
  return typeof target === "string" ? target : target.sink;
}

/** The place in the sink, in the words of the sink's options; undefined for the sink's own. */
function destinationOf(target: Target): Readonly<Record<string, unknown>> | undefined {
  if (typeof target === "string") return undefined;
  const { sink: _, ...destination } = target;
  return Object.keys(destination).length === 0 ? undefined : destination;
}

function wayOf(targets: readonly Target[]): Way {
  const named = targets.flatMap((each) => {
    const destination = destinationOf(each);
    return destination === undefined ? [] : [[sinkOf(each), JSON.stringify(destination)] as const];
  });
  return { sinks: targets.map(sinkOf), destinations: named.length === 0 ? undefined : Object.fromEntries(named) };
}

class Route implements Stage {
  readonly #rules: readonly Rule[];
  readonly #otherwise: Way | undefined;
  readonly #nameField: Path | undefined;
  /** Events that each rule decided on, and, last, those of no rule. */
  readonly #taken: number[];

  constructor(options: Config) {
    this.#rules = options.rules.map(({ when, to, name }) => ({
      ...{ matches: compilePredicate(parseKql(when)), name },
      ...wayOf(to),
    }));
    this.#otherwise = options.otherwise === undefined ? undefined : wayOf(options.otherwise);
    this.#taken = new Array<number>(options.rules.length + 1).fill(0);
    this.#nameField = options.name_field === undefined ? undefined : new Path(options.name_field);
  }

  apply(event: LogEvent): undefined | StageFailure | typeof DROP {
    const rules = this.#rules;
    for (let i = 0; i < rules.length; i++) {
      const rule = rules[i]!;
      if (!rule.matches(event)) continue;
      this.#taken[i]!++;
      if (rule.sinks.length === 0) return DROP;
      if (rule.name !== undefined && this.#nameField !== undefined) {
        const refusal = event.set(this.#nameField, rule.name);
        if (refusal !== undefined) return new StageFailure(refusal);
      }
      event.sinks = rule.sinks;
      event.destinations = rule.destinations;
      return undefined;
    }
    this.#taken[rules.length]!++;
    const otherwise = this.#otherwise;
    if (otherwise?.sinks.length === 0) return DROP;
    event.sinks = otherwise?.sinks;
    event.destinations = otherwise?.destinations;
    return undefined;
  }

  branches(): readonly (readonly [string, number])[] {
    return this.#taken.map((events, i) => {
      const { name } = this.#rules[i] ?? {};
      if (i === this.#rules.length) return ["an event matches no rule", events];
      return [`an event is for rule ${i + 1}${name === undefined ? "" : ` (${name})`}`, events];
    });
  }
}

/** Sends events to some of the pipeline's sinks, and to places in them. */
export const route = defineStage({
  type: "route",
  summary: "Sends events to some of the pipeline's sinks, and to an index or log group in them, by KQL",
  description: [
    'The pipeline\'s `to` names all sinks that may be meant; without this stage each event goes to all of them. Instead of a name, an object sends events to another place in the sink than its own: `{ "sink": "search", "index": "audit-{date}" }`, or `data_stream` for Elasticsearch, `log_group_name` and `log_stream_name` for CloudWatch Logs. All else of the sink holds for every place: its connection, its ids, its queue. An event goes to one place in a sink. All rules together may name 100 places in a sink. A file, or anything else, is another sink. A later `route` decides anew.',
    "",
    "`status` counts for each sink what was routed elsewhere; what an empty list leaves out is counted as dropped by this stage. Dead letters that are sent again go where the rules say then. Change a rule, and what the agent reads again after a crash goes to the new place, also where it is in the old one already.",
  ].join("\n"),
  stability: "stable",
  schema,
  validate: (options) => {
    const lists = [
      ...options.rules.map(({ to }, i) => [`/rules/${i}/to`, to] as const),
      ["/otherwise", options.otherwise ?? []] as const,
    ];
    return lists.flatMap(([pointer, targets]) => {
      const names = targets.map(sinkOf);
      return names.flatMap((name, k): [string, string][] =>
        names.indexOf(name) === k
          ? []
          : [[`${pointer}/${k}`, `names "${name}" again: an event goes to one place in a sink`]],
      );
    });
  },
  examples: [
    {
      title: "Errors to two sinks, health checks nowhere, all else to one",
      options: {
        rules: [
          { name: "errors", when: "http.response.status_code >= 500", to: ["search", "archive"] },
          { when: 'url.path: "/healthz"', to: [] },
        ],
        otherwise: ["archive"],
        name_field: "labels.route",
      },
      input: [
        { http: { response: { status_code: 502 } } },
        { url: { path: "/healthz" } },
        { http: { response: { status_code: 200 } } },
      ],
      output: [{ "labels.route": "errors" }, { "labels.route": null, "http.response.status_code": 200 }],
    },
    {
      title: "Logins to an index of their own, and to a log group of their own",
      options: {
        rules: [
          {
            name: "audit",
            when: "event.category: authentication",
            to: [
              { sink: "search", index: "audit-{date:%Y.%m}" },
              { sink: "cloudwatch", log_group_name: "/audit/logins" },
            ],
          },
        ],
        otherwise: ["search"],
        name_field: "labels.route",
      },
      input: [{ event: { category: ["authentication"] } }, { message: "all else" }],
      output: [{ "labels.route": "audit" }, { "labels.route": null, message: "all else" }],
    },
  ],
  sinksOf: (options) => [
    ...options.rules.flatMap(({ to }, i) =>
      to.map((each, k) => [`/rules/${i}/to/${k}`, sinkOf(each), destinationOf(each)] as const),
    ),
    ...(options.otherwise ?? []).map((each, k) => [`/otherwise/${k}`, sinkOf(each), destinationOf(each)] as const),
  ],
  create: (options) => new Route(options),
});
