import { expandGrok } from "../../codec/grok/expand.ts";
import { compilePattern } from "../../codec/pattern.ts";
import { defineStage } from "../../core/component.ts";
import { WiretailError } from "../../core/error.ts";
import { t, type Infer } from "../../core/schema.ts";
import { SOURCE_OPTIONS } from "../parsed-fields.ts";
import { compiledPattern, TextPatternStage } from "../text-patterns.ts";

const schema = t.object({
  pattern: t.anyOf([t.string(), t.array(t.string(), { minItems: 1 })], {
    description:
      "Grok pattern, or a list tried in order until one matches: regular expressions with `%{NAME}`, `%{NAME:field}` and `%{NAME:field:type}` (`int`, `float`, `boolean`, `ip`). `(?<field>…)` gives a field too. It may match anywhere in the text: begin with `^` and end with `$` for all of it.",
  }),
  pattern_definitions: t.map(t.string(), {
    default: {},
    description: "Patterns of your own by name; they may use others, and go before shipped ones of the same name.",
  }),
  ...SOURCE_OPTIONS,
  allow_backtracking: t.boolean({
    default: false,
    description:
      "Accept patterns with look-around, back-references or large counted repeats. V8's protection against exponential time does not cover them, so a hostile line may stall the agent.",
  }),
});

function create(options: Infer<typeof schema>): TextPatternStage {
  const sources = typeof options.pattern === "string" ? [options.pattern] : options.pattern;
  const compiled = sources.map((source) => {
    try {
      const { source: expanded, types } = expandGrok(source, options.pattern_definitions);
      const pattern = compilePattern(expanded, { allowBacktracking: options.allow_backtracking });
      return { pattern, types };
    } catch (error) {
      if (!(error instanceof WiretailError)) throw error;
      const hint = error.hint === undefined ? {} : { hint: error.hint };
      throw new WiretailError(error.code, `grok ${JSON.stringify(source.slice(0, 60))}: ${error.message}`, {
        ...{ cause: error, ...hint },
      });
    }
  });
  return new TextPatternStage(
    compiled.map(({ pattern, types }) => compiledPattern(pattern, types)),
    options,
    compiled.length === 1 ? compiled[0]!.pattern.explain : () => `matches none of the ${compiled.length} patterns`,
  );
}

/** Takes fields out of text by grok patterns. */
export const parseGrok = defineStage({
  type: "parse_grok",
  summary: "Takes fields out of text by grok patterns: regular expressions with named parts",
  description: [
    "Shipped are the usual names, among them `WORD NOTSPACE DATA GREEDYDATA INT NUMBER QUOTEDSTRING UUID IP IPORHOST HOSTNAME HOSTPORT PATH URI URIPATHPARAM`,",
    "`TIMESTAMP_ISO8601 SYSLOGTIMESTAMP HTTPDATE DATE TIME LOGLEVEL SYSLOGBASE COMMONAPACHELOG COMBINEDAPACHELOG JAVACLASS`. Those with fields of their own have ECS fields.",
    "They look at no characters around them: where Logstash's need a word boundary, put what stands there into the pattern.",
    "",
    "A pattern becomes one regular expression in JavaScript's syntax and runs as one of `parse_regex` does, with the same protection:",
    "what could take exponential time is refused unless `allow_backtracking` says otherwise. Values are text unless a type is given.",
  ].join("\n"),
  stability: "stable",
  schema,
  examples: [
    {
      title: "Fields with types",
      options: {
        pattern:
          "^%{IP:source.ip} %{WORD:http.request.method} %{URIPATHPARAM:url.original} %{INT:http.response.status_code:int} %{NUMBER:took:float}$",
      },
      input: ["203.0.113.7 GET /chat?room=1 200 0.043"],
      output: [
        {
          "source.ip": "203.0.113.7",
          "http.request.method": "GET",
          "url.original": "/chat?room=1",
          "http.response.status_code": 200,
          took: 0.043,
          message: null,
        },
      ],
    },
    {
      title: "A pattern of one's own",
      options: {
        pattern: "^%{ORDER:labels.order} %{GREEDYDATA:message}$",
        pattern_definitions: { ORDER: "[A-Z]{2}-%{INT}" },
      },
      input: ["AB-4711 is paid"],
      output: [{ "labels.order": "AB-4711", message: "is paid" }],
    },
  ],
  create,
});
