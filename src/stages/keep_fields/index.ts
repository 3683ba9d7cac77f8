import { defineStage, type Stage } from "../../core/component.ts";
import type { LogEvent } from "../../core/event.ts";
import { eachLeaf } from "../../core/leaves.ts";
import type { StagePlan } from "../../core/plan.ts";
import { t, type Infer } from "../../core/schema.ts";
import { FieldPatterns } from "../field-patterns.ts";
import { PathCache } from "../path-cache.ts";

const schema = t.object({
  fields: t.array(t.string(), {
    minItems: 1,
    description: "Names of the fields that stay. `*` stands for any characters, dots included: `http.*`, `*.id`.",
  }),
});

/** What says that something went wrong before is not lost by a list that does not think of it. */
const ALWAYS = ["error.message"];

class KeepFields implements Stage {
  readonly plan: StagePlan | undefined;
  readonly #fields: FieldPatterns;
  readonly #paths = new PathCache();

  constructor(options: Infer<typeof schema>) {
    const fields = [...options.fields, ...ALWAYS];
    this.#fields = new FieldPatterns(fields);
    if (!fields.some((name) => name.includes("*"))) this.plan = { kind: "keep", fields };
  }

  apply(event: LogEvent): undefined {
    const names: string[] = [];
    eachLeaf(event, (name) => {
      if (this.#fields.match(name) !== "all" && !isOfEnvelope(event, name)) names.push(name);
    });
    for (let i = 0; i < names.length; i++) event.delete(this.#paths.get(names[i]!));
    return undefined;
  }
}

/** A field of the source that a stage gave another value. */
function isOfEnvelope({ envelope }: LogEvent, name: string): boolean {
  const { paths, offsetPath } = envelope;
  if (offsetPath?.name === name) return true;
  for (let i = 0; i < paths.length; i++) if (paths[i]!.name === name) return true;
  return false;
}

/** Keeps some fields and drops all others. */
export const keepFields = defineStage({
  type: "keep_fields",
  summary: "Keeps the named fields and drops all others",
  description:
    "A name keeps the field and all that it holds. `@timestamp`, the fields of the source (`host.name`, `log.file.path`, `log.offset`, `ecs.version`) and `error.message`, which says what failed before, always stay; [drop_fields](drop_fields.md) drops them. Fields inside arrays are not looked at.",
  stability: "stable",
  schema,
  examples: [
    {
      title: "What a dashboard needs",
      options: { fields: ["message", "http.*", "user.id"] },
      input: [{ message: "hi", http: { request: { method: "GET" } }, user: { id: 7, name: "ada" }, debug: true }],
      output: [{ message: "hi", "http.request.method": "GET", "user.id": 7, "user.name": null, debug: null }],
    },
  ],
  create: (options) => new KeepFields(options),
});
