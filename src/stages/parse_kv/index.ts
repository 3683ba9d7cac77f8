import { KeyValueParser } from "../../codec/key-value.ts";
import { isAscii } from "../../codec/value-type.ts";
import { defineStage, StageFailure, type Stage } from "../../core/component.ts";
import type { LogEvent } from "../../core/event.ts";
import type { StagePlan } from "../../core/plan.ts";
import { t, type Infer } from "../../core/schema.ts";
import { SOURCE_OPTIONS } from "../parsed-fields.ts";
import { ParsedObject, TARGET_OPTION } from "../parsed-object.ts";
import { TypedValues, TYPES_OPTION } from "../typed-values.ts";

const schema = t.object({
  ...SOURCE_OPTIONS,
  ...TARGET_OPTION,
  key_value_delimiter: t.string({ default: "=", minLength: 1, description: "Text between a key and its value." }),
  pair_delimiter: t.string({
    default: " ",
    minLength: 1,
    description:
      "Text between pairs, such as `&` or `, `. Spaces around pairs never count; one space stands for any white space.",
  }),
  quotes: t.string({
    default: "\"'",
    description:
      "Characters that keys and values may be quoted with. In quotes a backslash escapes the next character, `\\n` and `\\u00e9` as in JSON.",
  }),
  bare_words: t.enum(["true", "skip", "fail"], {
    default: "true",
    description:
      "What a word without a value is: `true` makes it a field with the value true, `skip` leaves it out, `fail` refuses the text.",
  }),
  duplicates: t.enum(["list", "first", "last"], {
    default: "list",
    description: "A key that is there again: `list` collects all its values, otherwise the first or last one counts.",
  }),
  empty_values: t.enum(["skip", "keep"], {
    default: "skip",
    description: "A key with nothing behind the delimiter: `skip` gives no field, `keep` gives an empty text.",
  }),
  ...TYPES_OPTION,
});

class ParseKv implements Stage {
  readonly plan: StagePlan | undefined;
  readonly #object: ParsedObject;
  readonly #parser: KeyValueParser;
  readonly #types: TypedValues;

  constructor(options: Infer<typeof schema>) {
    this.plan = planOf(options);
    this.#object = new ParsedObject(options);
    this.#types = new TypedValues(options.types);
    this.#parser = new KeyValueParser({
      keyValueDelimiter: options.key_value_delimiter,
      pairDelimiter: options.pair_delimiter,
      quotes: options.quotes,
      bareWords: options.bare_words,
      duplicates: options.duplicates,
      emptyValues: options.empty_values,
    });
  }

  apply(event: LogEvent): undefined | StageFailure {
    const text = this.#object.read(event);
    if (typeof text !== "string") return text;
    const found = this.#parser.parse(text);
    if (typeof found === "string") return new StageFailure(found);
    const mistake = this.#types.convert(found);
    if (mistake !== undefined) return new StageFailure(mistake);
    return this.#object.write(event, found);
  }
}

/** Keys that are there again, and what is quoted in unusual ways, are left to `apply`. */
function planOf(options: Infer<typeof schema>): StagePlan | undefined {
  const { field, keep_original: keepsOriginal, key_value_delimiter: between, quotes } = options;
  const isPlain = options.target === undefined && options.pair_delimiter === " " && /^[!-~]$/.test(between);
  if (!isPlain || !isAscii(quotes) || quotes.length > 2 || quotes.includes("\\")) return undefined;
  const [bareWords, keepsEmpty] = [options.bare_words, options.empty_values === "keep"];
  const types = Object.entries(options.types);
  return { kind: "parse_pairs", field, keepsOriginal, between, quotes, bareWords, keepsEmpty, types };
}

/** Parses pairs of keys and values. */
export const parseKv = defineStage({
  type: "parse_kv",
  summary: "Parses pairs of keys and values: logfmt, query strings, and the like",
  description: [
    "Keys become fields of the event under the names they have in the text; a key with dots stays one key that queries find under its name too.",
    "Values are text unless `types` says otherwise. A text without a single pair is a failure.",
  ].join("\n"),
  stability: "stable",
  schema,
  examples: [
    {
      title: "logfmt",
      options: { types: { status: "integer" } },
      input: ['level=info msg="request done" status=200 user= cached'],
      output: [{ level: "info", msg: "request done", status: 200, user: null, cached: true, message: null }],
    },
    {
      title: "A query string into a field of its own",
      options: { field: "url.query", target: "labels", pair_delimiter: "&", quotes: "", bare_words: "skip" },
      input: [{ url: { query: "room=1&tag=a&tag=b&debug" } }],
      output: [{ labels: { room: "1", tag: ["a", "b"] }, "url.query": null }],
    },
  ],
  create: (options) => new ParseKv(options),
});
