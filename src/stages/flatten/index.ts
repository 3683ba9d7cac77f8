import { defineStage, StageFailure, type Stage } from "../../core/component.ts";
import type { LogEvent } from "../../core/event.ts";
import { KeySequence } from "../../core/key-sequence.ts";
import { Layout } from "../../core/layout.ts";
import { isObject, ownFields } from "../../core/leaves.ts";
import { getIn } from "../../core/path.ts";
import { t, type Infer } from "../../core/schema.ts";

const schema = t.object({
  fields: t.optional(
    t.array(t.string({ "x-syntax": "field" }), {
      minItems: 1,
      description: "Fields whose objects are flattened. Without it all fields of the event are.",
    }),
  ),
  separator: t.string({ default: ".", description: "Text between the parts of a name: `.`, `_`, `__`, …" }),
  prefix: t.optional(
    t.string({
      description:
        "Text that names begin with in place of the field's own name and a separator; empty lifts what a field holds to the top. Only with `fields`.",
    }),
  ),
  max_depth: t.optional(
    t.integer({ minimum: 1, description: "Parts that a name may have: what lies deeper stays an object." }),
  ),
  arrays: t.enum(["keep", "index"], {
    default: "keep",
    description: "`index` makes a field of each item as well, with its number from 0 as the last part of the name.",
  }),
});

type Put = (name: string, value: unknown) => void;

class Flatten implements Stage {
  readonly #options: Infer<typeof schema>;
  readonly #fields: readonly (readonly string[])[];
  readonly #maxDepth: number;
  readonly #keys = new KeySequence();

  constructor(options: Infer<typeof schema>) {
    this.#options = options;
    this.#fields = (options.fields ?? []).map((name) => name.split("."));
    this.#maxDepth = options.max_depth ?? Infinity;
  }

  apply(event: LogEvent): undefined | StageFailure {
    const { fields, separator, prefix } = this.#options;
    const flat: Record<string, unknown> = {};
    let clash: string | undefined;
    const put: Put = (name, value) => {
      if (name in flat && Object.hasOwn(flat, name)) clash ??= name;
      else define(flat, name, value);
    };
    let rest = ownFields(event);
    if (fields === undefined) {
      this.#members("", 0, rest, put);
      rest = {};
    }
    for (const parts of this.#fields) {
      const value = getIn(rest, parts, 0);
      if (value === undefined) continue;
      rest = without(rest, parts, 0) ?? rest;
      if (prefix !== undefined && this.#isSpread(value)) this.#members(prefix, prefix === "" ? 0 : 1, value, put);
      else this.#spread(parts.join(separator), parts.length, value, put);
    }
    for (const name in rest) put(name, rest[name]);
    if (clash !== undefined) return new StageFailure(`two fields would be called ${clash.slice(0, 100)}`);
    this.#replace(event, flat);
    return undefined;
  }

  /** Puts a value, or what it holds, `depth` being the parts of its name. */
  #spread(name: string, depth: number, value: unknown, put: Put): void {
    if (depth >= this.#maxDepth || !this.#isSpread(value)) put(name, value);
    else this.#members(name + this.#options.separator, depth, value, put);
  }

  #members(before: string, depth: number, value: object, put: Put): void {
    for (const key in value) this.#spread(before + key, depth + 1, (value as Record<string, unknown>)[key], put);
  }

  #isSpread(value: unknown): value is object {
    if (Array.isArray(value)) return this.#options.arrays === "index" && value.length > 0;
    return isObject(value) && Object.keys(value).length > 0;
  }

  /** Gives the event these fields and no others; what it hid of its source's fields stays hidden. */
  #replace(event: LogEvent, flat: Record<string, unknown>): void {
    const { paths, offsetPath } = event.envelope;
    const hidden = (offsetPath === undefined ? paths : [...paths, offsetPath]).filter(
      (path) => event.get(path) === undefined,
    );
    event.layout = Layout.message;
    event.values = [undefined];
    this.#keys.setAll(event, flat);
    for (const path of hidden) event.delete(path);
  }
}

/** Assigns as an own property even for `__proto__`. */
function define(object: Record<string, unknown>, key: string, value: unknown): void {
  if (key === "__proto__")
    Object.defineProperty(object, key, { value, enumerable: true, writable: true, configurable: true });
  else object[key] = value;
}

/** The object without `parts[from…]`, and without objects that became empty by it; undefined when it is not there. */
function without(
  object: Record<string, unknown>,
  parts: readonly string[],
  from: number,
): Record<string, unknown> | undefined {
  let key = parts[from]!;
  for (let end = from + 1; ; end++) {
    if (Object.hasOwn(object, key)) {
      const child = object[key];
      const inner = end < parts.length && isObject(child) ? without(child, parts, end) : undefined;
      if (end === parts.length || inner !== undefined) {
        const copy = { ...object };
        if (inner === undefined || Object.keys(inner).length === 0) delete copy[key];
        else define(copy, key, inner);
        return copy;
      }
    }
    if (end === parts.length) return undefined;
    key += "." + parts[end]!;
  }
}

/** Makes nested fields flat. */
export const flatten = defineStage({
  type: "flatten",
  summary: "Makes nested objects flat: one field for each value",
  description: [
    "For destinations that know no nesting. Names are joined by `separator`; the fields of the source (`log.file.path`, …) are left as they are.",
    "With `.` names stay what queries and other stages call them: `http.request.method` is found either way.",
    "",
    "Where two fields would get one name the stage fails and changes nothing.",
  ].join("\n"),
  stability: "stable",
  schema,
  examples: [
    {
      title: "All of the event, with underscores",
      options: { separator: "_" },
      input: [{ level: "info", req: { method: "GET", user: { id: 7 } }, tags: ["a"] }],
      output: [{ level: "info", req: null, req_method: "GET", req_user_id: 7, tags: ["a"] }],
    },
    {
      title: "What one object holds, lifted to the top, and items of arrays as fields",
      options: { fields: ["payload"], prefix: "", separator: "_", arrays: "index" },
      input: [{ payload: { id: 7, tags: ["a", "b"] }, meta: { x: 1 } }],
      output: [{ payload: null, id: 7, tags_0: "a", tags_1: "b", "meta.x": 1 }],
    },
  ],
  validate: (options) =>
    options.prefix !== undefined && options.fields === undefined
      ? [["/prefix", "a prefix takes the place of the names in fields, which says none"] as const]
      : [],
  create: (options) => new Flatten(options),
});
