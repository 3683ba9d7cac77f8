import { defineStage, StageFailure, type Stage, type StageOutcome } from "../../core/component.ts";
import { MAX_SUB_INDEX, type LogEvent } from "../../core/event.ts";
import { KeySequence } from "../../core/key-sequence.ts";
import { Path } from "../../core/path.ts";
import { t, type Infer } from "../../core/schema.ts";

const schema = t.object({
  field: t.string({
    default: "message",
    description: "Field that holds a list, or with `delimiter` a text, of what becomes events of their own.",
    "x-syntax": "field",
  }),
  delimiter: t.optional(
    t.string({
      minLength: 1,
      description:
        "Text that a text is cut at. Parts are taken without the white space around them; empty ones are left out.",
    }),
  ),
  target: t.optional(
    t.string({
      description: "Field to put each item in. Without it an item takes the place of the list.",
      "x-syntax": "field",
    }),
  ),
  merge: t.boolean({
    default: false,
    description:
      "Items are objects, and the keys of each become fields of its event. What they name replaces what the event has.",
  }),
});

class Split implements Stage {
  readonly #source: Path;
  readonly #target: Path;
  readonly #delimiter: string | undefined;
  readonly #merges: boolean;
  readonly #keys = new KeySequence();

  constructor(options: Infer<typeof schema>) {
    this.#source = new Path(options.field);
    this.#target = new Path(options.target ?? options.field);
    this.#delimiter = options.delimiter;
    this.#merges = options.merge;
  }

  apply(event: LogEvent): StageOutcome {
    const items = this.#items(event.get(this.#source));
    if (!Array.isArray(items)) return items as StageFailure;
    if (items.length === 0) return undefined;
    if (items.length > MAX_SUB_INDEX)
      return new StageFailure(`${this.#source.name} has ${items.length} items; at most ${MAX_SUB_INDEX} become events`);
    const fault = this.#fault(event, items);
    if (fault !== undefined) return new StageFailure(fault);
    // Not copied for each of them.
    event.delete(this.#source);
    const events: LogEvent[] = [];
    for (let i = 0; i < items.length; i++) {
      const each = items.length === 1 ? event : event.fork(i + 1);
      if (this.#merges) this.#keys.setAll(each, structuredClone(items[i]) as Record<string, unknown>);
      else each.set(this.#target, items[i]);
      events.push(each);
    }
    return events.length === 1 ? undefined : events;
  }

  #items(value: unknown): readonly unknown[] | StageFailure {
    if (Array.isArray(value)) return value as readonly unknown[];
    const { name } = this.#source;
    if (value === undefined) return new StageFailure(`there is no field ${name}`);
    if (typeof value !== "string")
      return new StageFailure(`field ${name} is no list${this.#delimiter === undefined ? "" : " or text"}`);
    if (this.#delimiter === undefined)
      return new StageFailure(`field ${name} is text, and there is no delimiter to cut it at`);
    const parts: string[] = [];
    for (const part of value.split(this.#delimiter)) {
      const text = part.trim();
      if (text !== "") parts.push(text);
    }
    return parts;
  }

  /** Why an item cannot become an event. */
  #fault(event: LogEvent, items: readonly unknown[]): string | undefined {
    const target = this.#target;
    const isInside = target.name.startsWith(this.#source.name + ".");
    for (let i = 0; i < items.length; i++) {
      const item = items[i];
      if (this.#merges) {
        if (typeof item !== "object" || item === null || Array.isArray(item))
          return `item ${i + 1} of ${this.#source.name} is not an object, so that it has no keys to merge`;
      } else if (!isInside) {
        const refusal = event.refusal(target, item);
        if (refusal !== undefined) return refusal;
      }
    }
    return undefined;
  }
}

/** Makes several events of one. */
export const split = defineStage({
  type: "split",
  summary: "Makes an event of each item of a list, or of each part of a text",
  description: [
    "All other fields, the time among them, are the same in each. Ids get a number behind the offset, the same on every reading.",
    "An empty list leaves the event as it is.",
    "",
    "A pipeline can have one such stage. An event that fails before it cannot be replayed from the dead letters: its line has to be read again.",
  ].join("\n"),
  stability: "stable",
  makesSeveral: () => true,
  schema,
  examples: [
    {
      title: "Records of one document, each an event with its own fields",
      options: { field: "Records", merge: true },
      input: [{ Records: [{ id: 1, name: "a" }, { id: 2 }], region: "eu-west-1" }],
      output: [
        { id: 1, name: "a", region: "eu-west-1", Records: null },
        { id: 2, name: null, region: "eu-west-1", Records: null },
      ],
    },
    {
      title: "Parts of a text",
      options: { delimiter: ";", target: "command" },
      input: ["start a; start b;"],
      output: [
        { command: "start a", message: null },
        { command: "start b", message: null },
      ],
    },
  ],
  create: (options) => new Split(options),
});
