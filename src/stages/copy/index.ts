import { defineStage, StageFailure, type Stage } from "../../core/component.ts";
import type { LogEvent } from "../../core/event.ts";
import { Path } from "../../core/path.ts";
import type { StagePlan } from "../../core/plan.ts";
import { t, type Infer } from "../../core/schema.ts";

const schema = t.object({
  fields: t.map(t.anyOf([t.string({ "x-syntax": "field" }), t.array(t.string({ "x-syntax": "field" }))]), {
    description: "Where to copy to, by the field to copy: one name or a list of names. Values keep their types.",
  }),
  overwrite: t.boolean({ default: true, description: "Replace fields that the event already has." }),
  ignore_missing: t.boolean({ default: true, description: "Pass events that lack a field; otherwise they fail." }),
});
type Config = Infer<typeof schema>;

class Copy implements Stage {
  readonly plan: StagePlan;
  readonly #from: readonly Path[];
  readonly #to: readonly Path[];
  readonly #overwrites: boolean;
  readonly #ignoresMissing: boolean;
  /** Values of one event, reused. */
  readonly #found: unknown[];

  constructor(options: Config) {
    const moves = movesOf(options);
    this.#from = moves.map(([from]) => new Path(from));
    this.#to = moves.map(([, to]) => new Path(to));
    this.#overwrites = options.overwrite;
    this.#ignoresMissing = options.ignore_missing;
    this.plan = { kind: "copy", moves, needsAll: !options.ignore_missing, overwrites: options.overwrite };
    this.#found = moves.map(() => undefined);
  }

  apply(event: LogEvent): undefined | StageFailure {
    const [from, to, found] = [this.#from, this.#to, this.#found];
    for (let i = 0; i < from.length; i++) {
      const value = event.get(from[i]!);
      found[i] = undefined;
      if (value === undefined) {
        if (!this.#ignoresMissing) return new StageFailure(`there is no field ${from[i]!.name}`);
        continue;
      }
      if (!this.#overwrites && event.get(to[i]!) !== undefined) continue;
      const refusal = event.refusal(to[i]!, value);
      if (refusal !== undefined) return new StageFailure(refusal);
      found[i] = value;
    }
    for (let i = 0; i < to.length; i++) if (found[i] !== undefined) event.set(to[i]!, found[i]);
    return undefined;
  }
}

function movesOf(options: Pick<Config, "fields">): (readonly [from: string, to: string])[] {
  return Object.entries(options.fields).flatMap(([from, to]) =>
    typeof to === "string" ? [[from, to] as const] : to.map((each) => [from, each] as const),
  );
}

/** Copies fields. */
export const copy = defineStage({
  type: "copy",
  summary: "Copies fields to other names",
  description:
    "All are read before any is set, so a copy never sees another one. An object is copied with all it holds.",
  stability: "stable",
  schema,
  examples: [
    {
      title: "One field to two names, and a default that is copied only where nothing is",
      options: { fields: { "client.ip": ["source.ip", "related.ip"], msg: "message" }, overwrite: false },
      input: [{ client: { ip: "203.0.113.7" }, msg: "in", message: "kept" }],
      output: [
        { "client.ip": "203.0.113.7", "source.ip": "203.0.113.7", "related.ip": "203.0.113.7", message: "kept" },
      ],
    },
  ],
  validate: (options) => {
    const moves = movesOf(options);
    return moves.flatMap(([from, to], i): [string, string][] => {
      const pointer = `/fields/${from.replaceAll("~", "~0").replaceAll("/", "~1")}`;
      if (from === to) return [[pointer, "the new name is the old one"]];
      const clash = moves.find(([, other], k) => k < i && overlap(other, to));
      return clash === undefined
        ? []
        : [[pointer, `${to} and ${clash[1]} overlap: both would be written to one place`]];
    });
  },
  create: (options) => new Copy(options),
});

function overlap(a: string, b: string): boolean {
  return a === b || a.startsWith(b + ".") || b.startsWith(a + ".");
}
