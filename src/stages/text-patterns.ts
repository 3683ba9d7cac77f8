import type { Pattern } from "../codec/pattern.ts";
import { notOfType, VALUE_CONVERTERS, type ValueType } from "../codec/value-type.ts";
import { StageFailure, type Stage } from "../core/component.ts";
import { WiretailError } from "../core/error.ts";
import type { LogEvent } from "../core/event.ts";
import { UNFIT, type StagePlan, type TextCapture, type TextPattern } from "../core/plan.ts";
import { FOUND, ParsedFields, type Filler } from "./parsed-fields.ts";

/** A regular expression and what its captures become. Its plan has no `ips`, `needs` or escapes. */
export interface CompiledPattern {
  readonly regex: RegExp;
  readonly plan: TextPattern;
  /** The types of captures by field, for messages about those that do not fit. */
  readonly types?: Readonly<Record<string, string>>;
}

/** The fields of a user's pattern, which are text but for those that have a type. */
export function compiledPattern(
  { regex, captures, fields }: Pattern,
  types: Readonly<Record<string, ValueType>> = {},
): CompiledPattern {
  const plan: TextPattern = {
    source: regex.source,
    captures: captures.map(({ group, field }) => {
      const name = fields[field]!;
      return { group, field: name, take: Object.hasOwn(types, name) ? typed(types[name]!) : "text" };
    }),
    ...{ ips: [], needs: [], time: undefined, absent: "", escape: "none" },
  };
  return { regex, plan, types };
}

function typed(type: ValueType): (text: string) => unknown {
  const convert = VALUE_CONVERTERS[type];
  return (text) => convert(text) ?? UNFIT;
}

class Alternative implements Filler {
  readonly regex: RegExp;
  readonly target: ParsedFields;
  readonly #found: unknown[];
  /** All captures are text and go straight to their fields. */
  readonly #isPlain: boolean;
  readonly #pattern: CompiledPattern;
  readonly #groups: Int32Array;
  readonly #fields: Int32Array;
  readonly #takes: readonly (((text: string) => unknown) | undefined)[];
  readonly #absent: string;

  constructor(pattern: CompiledPattern, field: string, keepOriginal: boolean) {
    const { captures } = pattern.plan;
    const fields = [...new Set(captures.map((capture) => capture.field))];
    this.regex = pattern.regex;
    this.#pattern = pattern;
    try {
      this.target = new ParsedFields(fields, field, keepOriginal);
    } catch (error) {
      throw new WiretailError("WT_PATTERN_REFUSED", `pattern: ${(error as Error).message}: one holds the other`, {
        cause: error,
      });
    }
    this.#groups = Int32Array.from(captures, ({ group }) => group);
    this.#fields = Int32Array.from(captures, (capture) => fields.indexOf(capture.field));
    this.#takes = captures.map(({ take }) => takerOf(take));
    this.#absent = pattern.plan.absent;
    this.#found = fields.map(() => undefined);
    this.#isPlain = pattern.plan.time === undefined && this.#takes.every((take) => take === undefined);
  }

  /** Gives the event what was matched, and its time where the pattern has one. */
  apply(event: LogEvent, match: RegExpExecArray): undefined | StageFailure {
    if (this.#isPlain) return this.target.write(event, match, this);
    const found = this.#found;
    const takes = this.#takes;
    found.fill(undefined);
    const { time, captures } = this.#pattern.plan;
    let timeMs = event.timeMs;
    if (time !== undefined) {
      const text = match[time.group] ?? "";
      timeMs = time.reader.read(text);
      if (timeMs !== timeMs) return new StageFailure(`${JSON.stringify(text.slice(0, 60))} is not a time`);
    }
    for (let i = 0; i < takes.length; i++) {
      const text = match[this.#groups[i]!];
      if (text === undefined) continue;
      const take = takes[i];
      if (take === undefined) found[this.#fields[i]!] = text;
      else if (text !== "" && text !== this.#absent) {
        const value = take(text);
        if (value === UNFIT) {
          const { field } = captures[i]!;
          return new StageFailure(notOfType(field, text, this.#pattern.types?.[field] ?? "string"));
        }
        if (value !== undefined) found[this.#fields[i]!] = value;
      }
    }
    const failure = this.target.write(event, found, FOUND);
    if (failure === undefined && time !== undefined) event.timeMs = timeMs;
    return failure;
  }

  fill(match: RegExpExecArray, values: unknown[], slots: Int32Array): void {
    const groups = this.#groups;
    const fields = this.#fields;
    for (let i = 0; i < groups.length; i++) {
      const text = match[groups[i]!];
      if (text !== undefined) values[slots[fields[i]!]!] = text;
    }
  }
}

function takerOf(take: TextCapture["take"]): ((text: string) => unknown) | undefined {
  if (take === "text") return undefined;
  if (take === "present") return (text) => text;
  if (take === "integer") return (text) => (/^\d{1,15}$/.test(text) ? Number(text) : undefined);
  return take;
}

/** A stage that takes fields out of text by the first of some patterns that matches. */
export class TextPatternStage implements Stage {
  readonly plan: StagePlan;
  readonly #alternatives: readonly Alternative[];
  readonly #explain: (text: string) => string;

  /** `explain` says why a text matches none. Throws WT_PATTERN_REFUSED for fields that lie inside each other. */
  constructor(
    patterns: readonly CompiledPattern[],
    { field, keep_original: keepsOriginal }: { readonly field: string; readonly keep_original: boolean },
    explain: (text: string) => string,
  ) {
    this.#alternatives = patterns.map((pattern) => new Alternative(pattern, field, keepsOriginal));
    this.plan = { kind: "parse_text", field, patterns: patterns.map(({ plan }) => plan), keepsOriginal };
    this.#explain = explain;
  }

  apply(event: LogEvent): undefined | StageFailure {
    const alternatives = this.#alternatives;
    const text = alternatives[0]!.target.read(event);
    if (typeof text !== "string") return text;
    for (let i = 0; i < alternatives.length; i++) {
      const alternative = alternatives[i]!;
      const match = alternative.regex.exec(text);
      if (match !== null) return alternative.apply(event, match);
    }
    return new StageFailure(this.#explain(text));
  }
}
