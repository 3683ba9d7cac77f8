import {
  notOfType,
  VALUE_CONVERTERS,
  VALUE_TYPES,
  type ValueConverter,
  type ValueType,
} from "../../codec/value-type.ts";
import { defineStage, StageFailure, type Stage } from "../../core/component.ts";
import type { LogEvent } from "../../core/event.ts";
import { Path } from "../../core/path.ts";
import type { StagePlan } from "../../core/plan.ts";
import { t, type Infer } from "../../core/schema.ts";

const schema = t.object({
  fields: t.map(t.enum(VALUE_TYPES), {
    description:
      "Types by field. `integer`: whole numbers up to 2^53. `boolean`: true, yes, on, 1 and their opposites, in any case. `string`: JSON text for objects. `ip`: checks that it is an address. Every item of an array is converted. Fields that an event lacks are passed over.",
  }),
});

class Convert implements Stage {
  readonly plan: StagePlan;
  readonly #paths: readonly Path[];
  readonly #types: readonly ValueType[];
  readonly #converters: readonly ValueConverter[];
  readonly #worked: unknown[];

  constructor(options: Infer<typeof schema>) {
    this.#paths = Object.keys(options.fields).map((name) => new Path(name));
    this.#types = Object.values(options.fields);
    this.plan = { kind: "convert", fields: Object.entries(options.fields) };
    this.#converters = this.#types.map((type) => VALUE_CONVERTERS[type]);
    this.#worked = this.#paths.map(() => undefined);
  }

  apply(event: LogEvent): undefined | StageFailure {
    const paths = this.#paths;
    const worked = this.#worked;
    for (let i = 0; i < paths.length; i++) {
      const value = event.get(paths[i]!);
      worked[i] = undefined;
      if (value === undefined || value === null) continue;
      worked[i] = Array.isArray(value) ? convertItems(value, this.#converters[i]!) : this.#converters[i]!(value);
      if (worked[i] === undefined) {
        return new StageFailure(notOfType(paths[i]!.name, value, this.#types[i]!));
      }
    }
    for (let i = 0; i < paths.length; i++) if (worked[i] !== undefined) event.set(paths[i]!, worked[i]);
    return undefined;
  }
}

function convertItems(items: readonly unknown[], converter: ValueConverter): unknown[] | undefined {
  const converted = items.map((item) => (item === null ? null : converter(item)));
  return converted.includes(undefined) ? undefined : converted;
}

/** Changes the types of fields. */
export const convert = defineStage({
  type: "convert",
  summary: "Changes the types of fields",
  description: "Where one value is not of its type the stage fails and no field is changed.",
  stability: "stable",
  schema,
  examples: [
    {
      title: "Numbers out of text",
      options: { fields: { status: "integer", took: "float", ok: "boolean", id: "string", addr: "ip" } },
      input: [{ status: "200", took: "0.25", ok: "yes", id: 7, addr: "2001:db8::1" }],
      output: [{ status: 200, took: 0.25, ok: true, id: "7", addr: "2001:db8::1" }],
    },
  ],
  validate: (options) =>
    Object.hasOwn(options.fields, "@timestamp")
      ? [["/fields/@timestamp", "@timestamp is always a time; parse_timestamp sets it"] as const]
      : [],
  create: (options) => new Convert(options),
});
