import { parseKql } from "../../codec/kql/parse.ts";
import { compilePredicate } from "../../codec/kql/predicate.ts";
import { defineStage, DROP, StageFailure, type Stage } from "../../core/component.ts";
import type { LogEvent } from "../../core/event.ts";
import { Path } from "../../core/path.ts";
import { t, type Infer } from "../../core/schema.ts";

const rule = t.object({
  when: t.string({ "x-syntax": "kql", description: "KQL: the events that this rule is for." }),
  to: t.array(t.string(), {
    description: "Names of sinks, all of them among those in the pipeline's `to`. An empty list leaves the events out.",
  }),
  name: t.optional(t.string({ description: "What `name_field` is set to, for events of this rule." })),
});

const schema = t.object({
  rules: t.array(rule, { minItems: 1, description: "Tried in order: the first one that an event matches decides." }),
  otherwise: t.optional(
    t.array(t.string(), {
      description:
        "Names of sinks for events that match no rule. By default all sinks of the pipeline; an empty list leaves the events out.",
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

interface Rule {
  readonly matches: (event: LogEvent) => boolean;
  readonly to: readonly string[];
  readonly name: string | undefined;
}

class Route implements Stage {
  readonly #rules: readonly Rule[];
  readonly #otherwise: readonly string[] | undefined;
  readonly #nameField: Path | undefined;
  /** Events that each rule decided on, and, last, those of no rule. */
  readonly #taken: number[];

  constructor(options: Config) {
    this.#rules = options.rules.map(({ when, to, name }) => ({
      ...{ matches: compilePredicate(parseKql(when)), to, name },
    }));
    this.#otherwise = options.otherwise;
    this.#taken = new Array<number>(options.rules.length + 1).fill(0);
    this.#nameField = options.name_field === undefined ? undefined : new Path(options.name_field);
  }

  apply(event: LogEvent): undefined | StageFailure | typeof DROP {
    const rules = this.#rules;
    for (let i = 0; i < rules.length; i++) {
      const { matches, to, name } = rules[i]!;
      if (!matches(event)) continue;
      this.#taken[i]!++;
      if (to.length === 0) return DROP;
      if (name !== undefined && this.#nameField !== undefined) {
        const refusal = event.set(this.#nameField, name);
        if (refusal !== undefined) return new StageFailure(refusal);
      }
      event.sinks = to;
      return undefined;
    }
    this.#taken[rules.length]!++;
    if (this.#otherwise?.length === 0) return DROP;
    event.sinks = this.#otherwise;
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

/** Sends events to some of the pipeline's sinks. */
export const route = defineStage({
  type: "route",
  summary: "Sends events to some of the pipeline's sinks, by KQL",
  description: [
    "The pipeline's `to` names all sinks that may be meant; without this stage each event goes to all of them. Another index, data stream, log group or file is another sink: define one for each and name them here. A later `route` decides anew.",
    "",
    "`status` counts for each sink what was routed elsewhere; what an empty list leaves out is counted as dropped by this stage. Dead letters that are sent again go where the rules say then.",
  ].join("\n"),
  stability: "stable",
  schema,
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
  ],
  sinksOf: (options) => [
    ...options.rules.flatMap(({ to }, i) => to.map((name, k) => [`/rules/${i}/to/${k}`, name] as const)),
    ...(options.otherwise ?? []).map((name, k) => [`/otherwise/${k}`, name] as const),
  ],
  create: (options) => new Route(options),
});
