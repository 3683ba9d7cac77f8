import { StageFailure } from "../core/component.ts";
import type { LogEvent } from "../core/event.ts";
import { KeySequence } from "../core/key-sequence.ts";
import { Path } from "../core/path.ts";
import { t } from "../core/schema.ts";
import { noText, ParsedFields, type Filler } from "./parsed-fields.ts";

/** The option `target` of parsers whose findings have names that stand in the text. */
export const TARGET_OPTION = {
  target: t.optional(
    t.string({
      description: "Field to put the parsed object in. Without it the object's keys become fields of the event itself.",
      "x-syntax": "field",
    }),
  ),
};

interface ParsedObjectOptions {
  readonly field: string;
  readonly keep_original: boolean;
  readonly target?: string;
}

const WHOLE: Filler<Readonly<Record<string, unknown>>> = {
  fill: (object, values, slots) => {
    values[slots[0]!] = object;
  },
};

/**
 * Moves a parsed object into events: its keys become fields of the event, or it becomes the field `target`. Removes the
 * source field and keeps the original line as the options say. The object is the event's afterwards.
 */
export class ParsedObject {
  readonly #source: Path;
  readonly #original: Path | undefined;
  readonly #keys = new KeySequence();
  readonly #target: Path | undefined;
  /** The target lies inside the source field, which goes first. */
  readonly #isInside: boolean;
  /** The fast way; undefined without a target, and for one that cannot be set at once with all else. */
  readonly #fields: ParsedFields | undefined;

  constructor({ field, keep_original: keepOriginal, target }: ParsedObjectOptions) {
    this.#source = new Path(field);
    this.#original = keepOriginal ? new Path("event.original") : undefined;
    this.#target = target === undefined ? undefined : new Path(target);
    this.#isInside = target?.startsWith(field + ".") === true;
    if (target !== undefined && !this.#isInside && !(keepOriginal && target === "event"))
      this.#fields = new ParsedFields([target], field, keepOriginal);
  }

  /** The text of the source field, or why there is none. */
  read(event: LogEvent): string | StageFailure {
    const value = event.get(this.#source);
    return typeof value === "string" ? value : noText(this.#source, value);
  }

  /** Gives the event the object. Fails, changing nothing, where the target cannot be set. */
  write(event: LogEvent, object: Readonly<Record<string, unknown>>): undefined | StageFailure {
    if (this.#fields !== undefined) return this.#fields.write(event, object, WHOLE);
    const target = this.#target;
    const refusal = target === undefined || this.#isInside ? undefined : event.refusal(target, object);
    if (refusal !== undefined) return new StageFailure(refusal);
    event.delete(this.#source);
    if (target !== undefined) event.set(target, object);
    else this.#keys.setAll(event, object);
    if (this.#original !== undefined && event.refusal(this.#original, "") === undefined)
      event.set(this.#original, event.line);
    return undefined;
  }
}
