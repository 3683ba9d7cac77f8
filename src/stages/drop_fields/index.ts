import { defineStage, type Stage } from "../../core/component.ts";
import type { LogEvent } from "../../core/event.ts";
import { eachLeaf, isObject } from "../../core/leaves.ts";
import type { StagePlan } from "../../core/plan.ts";
import { Path } from "../../core/path.ts";
import { t, type Infer } from "../../core/schema.ts";
import { FieldPatterns } from "../field-patterns.ts";
import { PathCache } from "../path-cache.ts";

const schema = t.object({
  fields: t.array(t.string(), {
    default: [],
    description: "Names of the fields. `*` stands for any characters, dots included: `debug.*`, `*.password`, `tmp_*`.",
  }),
  except: t.array(t.string(), { default: [], description: "Names, or patterns, of fields that stay in any case." }),
  empty: t.boolean({
    default: false,
    description: "Also drop what holds nothing, whatever its name: null, empty text, empty objects and empty arrays.",
  }),
});

class DropFields implements Stage {
  readonly plan: StagePlan | undefined;
  readonly #plain: readonly Path[] | undefined;
  readonly #fields: FieldPatterns;
  readonly #except: FieldPatterns;
  readonly #dropsEmpty: boolean;
  readonly #paths = new PathCache();

  constructor(options: Infer<typeof schema>) {
    this.#fields = new FieldPatterns(options.fields);
    this.#except = new FieldPatterns(options.except);
    this.#dropsEmpty = options.empty;
    const isPlain = !options.empty && options.except.length === 0 && !options.fields.some((each) => each.includes("*"));
    this.#plain = isPlain ? options.fields.map((name) => new Path(name)) : undefined;
    this.plan = isPlain ? { kind: "remove", fields: options.fields } : undefined;
  }

  apply(event: LogEvent): undefined {
    const plain = this.#plain;
    if (plain !== undefined) {
      for (let i = 0; i < plain.length; i++) event.delete(plain[i]!);
      return undefined;
    }
    const names: string[] = [];
    const { paths, offsetPath } = event.envelope;
    eachLeaf(event, (name, value) => {
      if (this.#drops(name) || (this.#dropsEmpty && isNothing(value) && this.#except.match(name) !== "all"))
        names.push(name);
    });
    for (let i = 0; i < paths.length; i++) if (this.#drops(paths[i]!.name)) names.push(paths[i]!.name);
    if (offsetPath !== undefined && this.#drops(offsetPath.name)) names.push(offsetPath.name);
    for (let i = 0; i < names.length; i++) event.delete(this.#paths.get(names[i]!));
    return undefined;
  }

  #drops(name: string): boolean {
    return this.#fields.match(name) === "all" && this.#except.match(name) !== "all";
  }
}

function isNothing(value: unknown): boolean {
  if (value === null || value === "") return true;
  return Array.isArray(value) ? value.length === 0 : isObject(value) && Object.keys(value).length === 0;
}

/** Drops fields by name or pattern. */
export const dropFields = defineStage({
  type: "drop_fields",
  summary: "Drops fields by name or pattern",
  description:
    "Like [remove](remove.md), with patterns, exceptions, and fields that hold nothing. A name drops the field and all that it holds; `@timestamp` stays. Fields inside arrays are not looked at.",
  stability: "stable",
  schema,
  examples: [
    {
      title: "Whatever is for debugging, and what holds nothing",
      options: { fields: ["debug.*", "*.password"], except: ["debug.id"], empty: true },
      input: [{ debug: { id: 7, stack: "x" }, user: { name: "ada", password: "x" }, tags: [], note: "" }],
      output: [
        { "debug.id": 7, "debug.stack": null, "user.name": "ada", "user.password": null, tags: null, note: null },
      ],
    },
  ],
  validate: (options) => {
    if (options.fields.length === 0 && !options.empty) return [["", 'name fields, or say "empty": true'] as const];
    return options.fields.flatMap((name, i) =>
      name === "@timestamp" ? [[`/fields/${i}`, "every event has @timestamp, so it cannot be dropped"] as const] : [],
    );
  },
  create: (options) => new DropFields(options),
});
