import { compilePattern } from "../../codec/pattern.ts";
import { defineStage } from "../../core/component.ts";
import { t } from "../../core/schema.ts";
import { SOURCE_OPTIONS } from "../parsed-fields.ts";
import { compiledPattern, TextPatternStage } from "../text-patterns.ts";

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
  create: (options) => {
    const sources = typeof options.pattern === "string" ? [options.pattern] : options.pattern;
    const patterns = sources.map((source) => compilePattern(source, { allowBacktracking: options.allow_backtracking }));
    return new TextPatternStage(
      patterns.map((pattern) => compiledPattern(pattern)),
      options,
      patterns.length === 1 ? patterns[0]!.explain : () => `matches none of the ${patterns.length} patterns`,
    );
  },
});
