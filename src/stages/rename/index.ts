import { defineStage, StageFailure, type Stage } from "../../core/component.ts";
import type { LogEvent } from "../../core/event.ts";
import { Path } from "../../core/path.ts";
import type { StagePlan } from "../../core/plan.ts";
import { t, type Infer } from "../../core/schema.ts";

const schema = t.object({
  fields: t.map(t.string({ "x-syntax": "field" }), {
    description: "New names by present names. A field that has the new name already is replaced.",
  }),
  ignore_missing: t.boolean({ default: true, description: "Pass events that lack a field; otherwise they fail." }),
});

interface Move {
  readonly from: Path;
  readonly to: Path;
  readonly isInside: boolean;
}

class Rename implements Stage {
  readonly plan: StagePlan;
  readonly #moves: readonly Move[];
  readonly #ignoresMissing: boolean;
  readonly #found: unknown[];

  constructor(options: Infer<typeof schema>) {
    this.#moves = Object.entries(options.fields).map(([from, to]) => ({
      from: new Path(from),
      to: new Path(to),
      isInside: to.startsWith(from + "."),
    }));
    this.#ignoresMissing = options.ignore_missing;
    this.plan = { kind: "rename", moves: Object.entries(options.fields), needsAll: !options.ignore_missing };
    this.#found = this.#moves.map(() => undefined);
  }

  apply(event: LogEvent): undefined | StageFailure {
    const moves = this.#moves;
    const found = this.#found;
    for (let i = 0; i < moves.length; i++) {
      const { from, to, isInside } = moves[i]!;
      found[i] = event.get(from);
      if (found[i] === undefined) {
        if (!this.#ignoresMissing) return new StageFailure(`there is no field ${from.name}`);
        continue;
      }
      const refusal = isInside ? undefined : event.refusal(to, found[i]);
      if (refusal !== undefined) return new StageFailure(refusal);
    }
    for (let i = 0; i < moves.length; i++) if (found[i] !== undefined) event.delete(moves[i]!.from);
    for (let i = 0; i < moves.length; i++) if (found[i] !== undefined) event.set(moves[i]!.to, found[i]);
    return undefined;
  }
}

/** Gives fields other names. */
export const rename = defineStage({
  type: "rename",
  summary: "Gives fields other names",
  description:
    "All are taken out before any is put back, so two fields can swap their names. An object moves with all it holds.",
  stability: "stable",
  schema,
  examples: [
    {
      title: "To ECS names",
      options: { fields: { lvl: "log.level", req: "http.request" } },
      input: [{ lvl: "warn", req: { id: "7" } }],
      output: [{ lvl: null, "log.level": "warn", req: null, "http.request.id": "7" }],
    },
  ],
  validate: (options) => Object.entries(options.fields).flatMap(([from, to]) => fault(from, to)),
  create: (options) => new Rename(options),
});

function fault(from: string, to: string): [pointer: string, message: string][] {
  const pointer = `/fields/${from.replaceAll("~", "~0").replaceAll("/", "~1")}`;
  if (from === "@timestamp")
    return [[pointer, "every event has @timestamp, so it cannot be renamed; copy it with set"]];
  return from === to ? [[pointer, "the new name is the old one"]] : [];
}
