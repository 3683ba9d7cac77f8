import { defineStage, StageFailure, type Stage } from "../../core/component.ts";
import type { LogEvent } from "../../core/event.ts";
import type { StagePlan } from "../../core/plan.ts";
import { t, type Infer } from "../../core/schema.ts";
import { SOURCE_OPTIONS } from "../parsed-fields.ts";
import { ParsedObject, TARGET_OPTION } from "../parsed-object.ts";

const schema = t.object({
  ...SOURCE_OPTIONS,
  ...TARGET_OPTION,
});

const BEGINS_AS_JSON = /^[ \t\r\n]*(?:[{["0-9-]|true|false|null)/;

class ParseJson implements Stage {
  readonly plan: StagePlan | undefined;
  readonly #object: ParsedObject;

  constructor(options: Infer<typeof schema>) {
    this.#object = new ParsedObject(options);
    if (options.target === undefined)
      this.plan = { kind: "parse_json", field: options.field, keepsOriginal: options.keep_original };
  }

  apply(event: LogEvent): undefined | StageFailure {
    const text = this.#object.read(event);
    if (typeof text !== "string") return text;
    // An exception costs ten times what parsing does: plain text among JSON lines is told without one.
    if (!BEGINS_AS_JSON.test(text)) {
      return new StageFailure(`is not JSON: it begins with ${JSON.stringify(text.slice(0, 20))}`);
    }
    let root: unknown;
    try {
      root = JSON.parse(text);
    } catch (error) {
      return new StageFailure(`is not JSON: ${(error as Error).message.slice(0, 160)}`);
    }
    if (typeof root !== "object" || root === null || Array.isArray(root)) {
      return new StageFailure(
        `is JSON, but ${root === null ? "null" : Array.isArray(root) ? "an array" : `a ${typeof root}`} and no object`,
      );
    }
    return this.#object.write(event, root as Record<string, unknown>);
  }
}

/** Parses a JSON object. */
export const parseJson = defineStage({
  type: "parse_json",
  summary: "Parses a JSON object into fields",
  description:
    'Keys of the object become fields of the event; nested objects stay nested, and a key with dots (`"http.method"`) stays one key that queries find under its name too. Anything but an object is a failure.',
  stability: "stable",
  schema,
  examples: [
    {
      title: "One JSON object a line",
      options: {},
      input: ['{"level":"warn","req":{"id":7},"message":"slow"}'],
      output: [{ level: "warn", "req.id": 7, message: "slow" }],
    },
    {
      title: "Into a field of its own",
      options: { target: "app", keep_original: true },
      input: ['{"level":"warn"}'],
      output: [{ "app.level": "warn", message: null, "event.original": '{"level":"warn"}' }],
    },
  ],
  create: (options) => new ParseJson(options),
});
