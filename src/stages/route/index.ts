import { parseKql } from "../../codec/kql/parse.ts";
import { compilePredicate } from "../../codec/kql/predicate.ts";
import { defineStage, DROP, StageFailure, type Log, type Stage } from "../../core/component.ts";
import type { LogEvent } from "../../core/event.ts";
import { Path } from "../../core/path.ts";
import { t, type Infer } from "../../core/schema.ts";
import { fieldsIn, longestPlace, Places, type Target as PlaceTarget, type Way } from "./places.ts";

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
  { description: "Another place in a sink than its own. In its names `${field}` stands for a field's value." },
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
  default_value: t.string({
    default: "other",
    pattern: "^[a-z0-9][a-z0-9_.]{0,59}$",
    description:
      "Stands for a `${field}` in the name of a place that an event does not have, or whose value leaves nothing of a name.",
  }),
  max_targets: t.integer({
    default: 50,
    minimum: 1,
    maximum: 100,
    description:
      "Places that values of fields may make, all rules together. Events that would need another one go to the place of `default_value`; that is counted and warned of once.",
  }),
  name_field: t.optional(
    t.string({
      description: "Field that gets the `name` of the rule that decided, where it has one.",
      "x-syntax": "field",
    }),
  ),
});
type Config = Infer<typeof schema>;

interface Rule {
  readonly way: Way;
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

function placeTarget(target: Target): PlaceTarget {
  return { sink: sinkOf(target), place: destinationOf(target) };
}

/** The same as `check` looks at it. */
function longest(target: Target): Readonly<Record<string, unknown>> | undefined {
  const destination = destinationOf(target);
  return destination === undefined ? undefined : longestPlace(destination);
}

/** Texts of a place, by where they stand in it. */
function textsOf(target: Target): (readonly [pointer: string, text: string])[] {
  const walk = (value: unknown, pointer: string): (readonly [string, string])[] =>
    typeof value === "string"
      ? [[pointer, value]]
      : Object.entries(value ?? {}).flatMap(([key, inner]) => walk(inner, `${pointer}/${key}`));
  return walk(destinationOf(target), "");
}

class Route implements Stage {
  readonly #rules: readonly Rule[];
  readonly #otherwise: Way | undefined;
  readonly #places: Places;
  readonly #nameField: Path | undefined;
  /** Events that each rule decided on, and, last, those of no rule. */
  readonly #taken: number[];

  constructor(options: Config, log: Log | undefined) {
    const limits = { defaultValue: options.default_value, maxTargets: options.max_targets };
    this.#places = new Places(limits, () => {
      const what = `there are more than ${options.max_targets} places by values of fields (max_targets)`;
      log?.warn(`route: ${what}: other events go to the place for "${options.default_value}"`);
    });
    const wayOf = (targets: readonly Target[]): Way => this.#places.way(targets.map(placeTarget));
    this.#rules = options.rules.map(({ when, to, name }) => ({
      ...{ matches: compilePredicate(parseKql(when)), name },
      way: wayOf(to),
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
      const { way } = rule;
      if (way.sinks.length === 0) return DROP;
      const destinations = way.destinationsFor(event);
      if (rule.name !== undefined && this.#nameField !== undefined) {
        const refusal = event.set(this.#nameField, rule.name);
        if (refusal !== undefined) return new StageFailure(refusal);
      }
      event.sinks = way.sinks;
      event.destinations = destinations;
      return undefined;
    }
    this.#taken[rules.length]!++;
    const otherwise = this.#otherwise;
    if (otherwise?.sinks.length === 0) return DROP;
    event.sinks = otherwise?.sinks;
    event.destinations = otherwise?.destinationsFor(event);
    return undefined;
  }

  counters(): Readonly<Record<string, number>> {
    return { route_places: this.#places.made, route_events_beyond_max_targets: this.#places.beyond };
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
    'A place may be named by values: `"data_stream": { "dataset": "${service.name}" }`, `"log_group_name": "/app/${service.name}"`. A value becomes part of a name by this rule: in an index or data stream lower case; whatever such a name cannot have becomes `_` (all but letters, digits, `_`, `.`, in an index also `-`; in a log group all but letters, digits and `.-_/#`; in a log stream `:`, `*`, braces and control characters), what index names cannot begin with is taken off, and the first 60 characters count. A field that is missing, holds a list or an object, or leaves nothing is `default_value`. Which values get a place of their own is decided by who comes first, up to `max_targets`, anew after each start.',
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
    const nameless = lists.flatMap(([pointer, targets]) =>
      targets.flatMap((each, k) =>
        textsOf(each)
          .filter(([, text]) => fieldsIn(text).some((field) => field === "" || /\s/.test(field)))
          .map(([inside]): [string, string] => [
            `${pointer}/${k}${inside}`,
            "has a ${} that names no field: write ${service.name}",
          ]),
      ),
    );
    const twice = lists.flatMap(([pointer, targets]) => {
      const names = targets.map(sinkOf);
      return names.flatMap((name, k): [string, string][] =>
        names.indexOf(name) === k
          ? []
          : [[`${pointer}/${k}`, `names "${name}" again: an event goes to one place in a sink`]],
      );
    });
    return [...twice, ...nameless];
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
    {
      title: "A data stream and a log group for each service",
      options: {
        rules: [
          {
            when: "service.name: *",
            to: [
              { sink: "search", data_stream: { dataset: "${service.name}" } },
              { sink: "cloudwatch", log_group_name: "/app/${service.name}" },
            ],
          },
        ],
        max_targets: 20,
      },
      input: [{ service: { name: "Shop Front" } }],
      output: [{ "service.name": "Shop Front" }],
    },
  ],
  sinksOf: (options) => [
    ...options.rules.flatMap(({ to }, i) =>
      to.map((each, k) => [`/rules/${i}/to/${k}`, sinkOf(each), longest(each)] as const),
    ),
    ...(options.otherwise ?? []).map((each, k) => [`/otherwise/${k}`, sinkOf(each), longest(each)] as const),
  ],
  create: (options, { log }) => new Route(options, log),
});
