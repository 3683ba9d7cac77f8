import { StageFailure, type Stage } from "../core/component.ts";
import { WiretailError } from "../core/error.ts";
import type { LogEvent } from "../core/event.ts";
import { Path } from "../core/path.ts";
import type { StagePlan } from "../core/plan.ts";
import { FOUND, noText, ParsedFields } from "./parsed-fields.ts";

export interface TextPartsOptions {
  /** The field that holds the text. */
  readonly field: string;
  /** The field whose members the parts become. */
  readonly target: string;
  readonly keep_field: boolean;
}

/** Puts the parts of a text into the first elements of `found`, in order; returns what is wrong with the text, if it is. */
export type TakeApart = (text: string, found: unknown[]) => string | undefined;

/** A stage that takes the text of a field apart and writes the parts it has as members of another: `url.domain`, … */
export class TextParts implements Stage {
  readonly plan: StagePlan | undefined;
  readonly #source: Path;
  readonly #target: ParsedFields;
  readonly #keeps: boolean;
  readonly #takeApart: TakeApart;
  readonly #count: number;
  readonly #found: unknown[];

  /** Throws where the field that is kept would be in the way of a part. */
  constructor(options: TextPartsOptions, parts: readonly string[], takeApart: TakeApart, plan?: StagePlan) {
    this.plan = plan;
    const { field, target, keep_field } = options;
    const fields = parts.map((part) => `${target}.${part}`);
    const clash = fields.find((each) => each === field || each.startsWith(field + "."));
    if (clash !== undefined && keep_field)
      throw new WiretailError("WT_FORMAT_INVALID", `${clash} would take the place of ${field}`, {
        hint: "Set keep_field to false, or another target.",
      });
    this.#source = new Path(field);
    this.#keeps = keep_field;
    // With a field of its own that is there already, the source stays.
    this.#target = new ParsedFields(keep_field ? [...fields, field] : fields, field, false);
    this.#takeApart = takeApart;
    this.#count = parts.length;
    this.#found = [...parts, ""].map(() => undefined);
  }

  apply(event: LogEvent): undefined | StageFailure {
    const text = event.get(this.#source);
    if (typeof text !== "string") return noText(this.#source, text);
    const found = this.#found;
    const fault = this.#takeApart(text, found);
    if (fault !== undefined) return new StageFailure(`${this.#source.name} ${fault}`);
    found[this.#count] = this.#keeps ? text : undefined;
    return this.#target.write(event, found, FOUND);
  }
}
