import { compileFieldTemplate } from "../../codec/field-template.ts";
import { defineStage, StageFailure, type Stage } from "../../core/component.ts";
import type { LogEvent } from "../../core/event.ts";
import { Extension } from "../../core/extension.ts";
import { Path } from "../../core/path.ts";
import type { SetValue, StagePlan } from "../../core/plan.ts";
import { t, type Infer } from "../../core/schema.ts";

const schema = t.object({
  fields: t.map(t.any(), {
    description:
      "Values by field. In text, `{field}` is the value of another field (`{{` and `}}` are braces); text that is only `{field}` copies the value with its type. All are worked out before any is set.",
  }),
  overwrite: t.boolean({ default: true, description: "Replace fields that the event already has." }),
});

/** What a field is given: the same for all events, or worked out of each. */
type Value =
  | { readonly constant: unknown; readonly json: string }
  | { readonly of: (event: LogEvent) => unknown; readonly needs: string; readonly pieces: Pieces };
type Pieces = Extract<SetValue, { readonly pieces: unknown }>["pieces"];

interface Template {
  /** Which of the fields it is for. */
  readonly at: number;
  readonly of: (event: LogEvent) => unknown;
  readonly needs: string;
}

class SetFields implements Stage {
  readonly plan: StagePlan;
  readonly #paths: readonly Path[];
  readonly #templates: readonly Template[];
  readonly #overwrite: boolean;
  readonly #extension: Extension | undefined;
  /** Values of one event, reused: constants stay, the others are worked out for each. */
  readonly #worked: unknown[];

  constructor(options: Infer<typeof schema>) {
    const entries = Object.entries(options.fields);
    this.#paths = entries.map(([name]) => new Path(name));
    const values = entries.map(([, value]) => compileValue(value));
    this.#templates = values.flatMap((value, at) => ("of" in value ? [{ at, of: value.of, needs: value.needs }] : []));
    this.#overwrite = options.overwrite;
    this.plan = {
      kind: "set",
      fields: entries.map(([name], i) => [name, planOf(values[i]!)]),
      overwrites: options.overwrite,
    };
    this.#worked = values.map((value) => ("of" in value ? undefined : value.constant));
    // Without overlap the order does not matter, and all can be set at once.
    this.#extension = options.overwrite ? extensionOf(this.#paths, values) : undefined;
  }

  apply(event: LogEvent): undefined | StageFailure {
    const paths = this.#paths;
    const worked = this.#worked;
    const templates = this.#templates;
    for (let k = 0; k < templates.length; k++) {
      const { at, of, needs } = templates[k]!;
      worked[at] = of(event);
      if (worked[at] === undefined)
        return new StageFailure(`${paths[at]!.name}: the event lacks one of the fields ${needs}`);
    }
    const extension = this.#extension;
    if (extension !== undefined && event.extend(extension)) {
      const values = event.values;
      const slots = extension.slots;
      for (let i = 0; i < worked.length; i++) values[slots[i]!] = worked[i];
      return undefined;
    }
    for (let i = 0; i < paths.length; i++) {
      if (!this.#overwrite && event.get(paths[i]!) !== undefined) continue;
      const refusal = event.refusal(paths[i]!, worked[i]);
      if (refusal !== undefined) return new StageFailure(refusal);
    }
    for (let i = 0; i < paths.length; i++) {
      if (!this.#overwrite && event.get(paths[i]!) !== undefined) continue;
      event.set(paths[i]!, worked[i]);
    }
    return undefined;
  }
}

function compileValue(value: unknown): Value {
  if (typeof value === "string") {
    const template = compileFieldTemplate(value);
    return template.constant !== undefined
      ? { constant: template.constant, json: JSON.stringify(template.constant) }
      : { of: template.value, needs: template.fields.join(", "), pieces: template.pieces };
  }
  return { constant: deepFreeze(value), json: JSON.stringify(value) };
}

function planOf(value: Value): SetValue {
  return "json" in value ? { json: value.json } : { pieces: value.pieces };
}

function extensionOf(paths: readonly Path[], values: readonly Value[]): Extension | undefined {
  try {
    return new Extension(
      paths,
      values.map((value) => ("json" in value ? value.json : undefined)),
    );
  } catch {
    return undefined;
  }
}

/** Constants are shared by all events. */
function deepFreeze(value: unknown): unknown {
  if (typeof value === "object" && value !== null) Object.values(Object.freeze(value)).forEach(deepFreeze);
  return value;
}

/** Sets fields. */
export const set = defineStage({
  type: "set",
  summary: "Sets fields to constants or to text made of other fields",
  stability: "stable",
  schema,
  examples: [
    {
      title: "Constants of any type and a text with fields in it",
      options: {
        fields: { "event.kind": "event", "event.category": ["network"], "labels.room": "{service}/{id}", copy: "{id}" },
      },
      input: [{ service: "chat", id: 7 }],
      output: [{ "event.kind": "event", "event.category": ["network"], "labels.room": "chat/7", copy: 7 }],
    },
    {
      title: "A default",
      options: { fields: { "log.level": "info" }, overwrite: false },
      input: [{ log: { level: "warn" } }, { other: 1 }],
      output: [{ "log.level": "warn" }, { "log.level": "info" }],
    },
  ],
  create: (options) => new SetFields(options),
});
