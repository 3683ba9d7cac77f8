import { compilePattern, type Pattern } from "../../codec/pattern.ts";
import { defineStage, StageFailure, type Stage } from "../../core/component.ts";
import { WiretailError } from "../../core/error.ts";
import type { LogEvent } from "../../core/event.ts";
import type { StagePlan, TextPattern } from "../../core/plan.ts";
import { t, type Infer } from "../../core/schema.ts";
import { ParsedFields, SOURCE_OPTIONS, type Filler } from "../parsed-fields.ts";

const schema = t.object({
  pattern: t.anyOf([t.string(), t.array(t.string(), { minItems: 1 })], {
    description:
      "Regular expression in JavaScript's syntax, or a list tried in order until one matches. A named group gives the field of its name, dots and all: `(?<http.request.method>[A-Z]+)`. It may match anywhere in the text: begin with `^` and end with `$` for all of it.",
  }),
  ...SOURCE_OPTIONS,
  allow_backtracking: t.boolean({
    default: false,
    description:
      "Accept patterns with look-around, back-references or large counted repeats. V8's protection against exponential time does not cover them, so a hostile line may stall the agent.",
  }),
});

class Alternative implements Filler {
  readonly regex: RegExp;
  readonly target: ParsedFields;
  readonly #groups: Int32Array;
  readonly #fields: Int32Array;

  constructor(pattern: Pattern, options: Infer<typeof schema>) {
    this.regex = pattern.regex;
    try {
      this.target = new ParsedFields(pattern.fields, options.field, options.keep_original);
    } catch (error) {
      throw new WiretailError("WT_PATTERN_REFUSED", `pattern: ${(error as Error).message}: one holds the other`, {
        cause: error,
      });
    }
    this.#groups = Int32Array.from(pattern.captures, ({ group }) => group);
    this.#fields = Int32Array.from(pattern.captures, ({ field }) => field);
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

class ParseRegex implements Stage {
  readonly plan: StagePlan;
  readonly #alternatives: readonly Alternative[];
  readonly #explain: (text: string) => string;

  constructor(options: Infer<typeof schema>) {
    const sources = typeof options.pattern === "string" ? [options.pattern] : options.pattern;
    const patterns = sources.map((source) => compilePattern(source, { allowBacktracking: options.allow_backtracking }));
    this.#alternatives = patterns.map((pattern) => new Alternative(pattern, options));
    this.plan = {
      kind: "parse_text",
      ...{ field: options.field, patterns: patterns.map(textPattern), keepsOriginal: options.keep_original },
    };
    this.#explain =
      patterns.length === 1 ? patterns[0]!.explain : () => `matches none of the ${patterns.length} patterns`;
  }

  apply(event: LogEvent): undefined | StageFailure {
    const alternatives = this.#alternatives;
    const text = alternatives[0]!.target.read(event);
    if (typeof text !== "string") return text;
    for (let i = 0; i < alternatives.length; i++) {
      const alternative = alternatives[i]!;
      const match = alternative.regex.exec(text);
      if (match !== null) return alternative.target.write(event, match, alternative);
    }
    return new StageFailure(this.#explain(text));
  }
}

function textPattern({ regex, captures, fields }: Pattern): TextPattern {
  return {
    source: regex.source,
    captures: captures.map(({ group, field }) => ({ group, field: fields[field]!, take: "text" })),
    ...{ ips: [], needs: [], time: undefined, absent: "", escape: "none" },
  };
}

/** Takes fields out of text by a regular expression. */
export const parseRegex = defineStage({
  type: "parse_regex",
  summary: "Takes fields out of text by a regular expression with named groups",
  description: [
    "Values are text: `convert` makes numbers of them. A group that took no part in the match gives no field.",
    "",
    "Patterns run at full speed; one that backtracks too much on a hostile line is finished by V8's linear-time engine.",
    "Patterns which that engine cannot run are refused unless `allow_backtracking` says otherwise. For letters in either case write `[Gg]`.",
  ].join("\n"),
  stability: "stable",
  schema,
  examples: [
    {
      title: "A line of its own format",
      options: { pattern: "^(?<log.level>[A-Z]+) (?<service.name>[^:]+): (?<message>.*)$" },
      input: ["WARN billing: card expired"],
      output: [{ "log.level": "WARN", "service.name": "billing", message: "card expired" }],
    },
    {
      title: "Several shapes, the whole line kept",
      options: {
        pattern: ["^login (?<user.name>\\S+)$", "^logout (?<user.name>\\S+) after (?<event.duration>\\d+)s$"],
        keep_original: true,
      },
      input: ["login ada", "logout ada after 12s"],
      output: [
        { "user.name": "ada", "event.duration": null, message: null, "event.original": "login ada" },
        { "user.name": "ada", "event.duration": "12", message: null, "event.original": "logout ada after 12s" },
      ],
    },
  ],
  create: (options) => new ParseRegex(options),
});
