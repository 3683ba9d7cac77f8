import { defineStage } from "../../core/component.ts";
import { Path } from "../../core/path.ts";
import { t } from "../../core/schema.ts";

/** Removes fields. */
export const remove = defineStage({
  type: "remove",
  summary: "Removes fields",
  description: "The name of an object removes all that it holds. Fields that an event does not have are passed over.",
  stability: "stable",
  schema: t.object({
    fields: t.array(t.string({ "x-syntax": "field" }), { minItems: 1, description: "Names of the fields." }),
  }),
  examples: [
    {
      title: "A field and an object",
      options: { fields: ["password", "debug"] },
      input: [{ user: "ada", password: "x", debug: { a: 1 } }],
      output: [{ user: "ada", password: null, debug: null }],
    },
  ],
  validate: (options) =>
    options.fields.flatMap((name, i) =>
      name === "@timestamp" ? [[`/fields/${i}`, "every event has @timestamp, so it cannot be removed"] as const] : [],
    ),
  create: (options) => {
    const paths = options.fields.map((name) => new Path(name));
    return {
      plan: { kind: "remove", fields: options.fields },
      apply(event) {
        for (let i = 0; i < paths.length; i++) event.delete(paths[i]!);
        return undefined;
      },
    };
  },
});
