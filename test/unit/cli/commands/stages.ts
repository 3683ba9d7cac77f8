import { defineStage, DROP, StageFailure, type AnyStage } from "../../../../src/core/component.ts";
import { Path } from "../../../../src/core/path.ts";
import { t } from "../../../../src/core/schema.ts";

const message = new Path("message");

const upper = defineStage({
  type: "upper",
  summary: "For tests: message in capitals into a field",
  stability: "stable",
  schema: t.object({ target: t.string({ description: "Where to put it.", "x-syntax": "field" }) }),
  examples: [],
  create: ({ target }) => {
    const path = new Path(target);
    return {
      apply(event) {
        const text = event.get(message);
        if (typeof text !== "string" || text === "bad") return new StageFailure("no text");
        if (text === "drop me") return DROP;
        event.set(path, text.toUpperCase());
        return undefined;
      },
    };
  },
});

export const stages: AnyStage[] = [upper];
