import { dissect, dissectRegex, parseDissectPattern, type DissectPattern } from "../../codec/dissect.ts";
import { notOfType, VALUE_CONVERTERS } from "../../codec/value-type.ts";
import { defineStage, StageFailure, type Stage } from "../../core/component.ts";
import { WiretailError } from "../../core/error.ts";
import type { LogEvent } from "../../core/event.ts";
import { UNFIT, type StagePlan, type TextCapture } from "../../core/plan.ts";
import { t, type Infer } from "../../core/schema.ts";
import { FOUND, ParsedFields, SOURCE_OPTIONS } from "../parsed-fields.ts";

const schema = t.object({
  pattern: t.string({
    description:
      "Text and keys in turns: `%{field}` takes all up to the text behind it. `%{}` or `%{?name}` leaves a part out, `%{+field}` joins one to a field that is there (`%{+field/2}` at its second place), `%{field->}` lets the text behind it stand several times, `%{field|integer}` gives a type (`integer`, `float`, `boolean`, `string`, `ip`).",
  }),
  ...SOURCE_OPTIONS,
});

/** Parts of one field: indexes of keys, in the order they are joined in. */
interface Joined {
  readonly field: string;
  readonly keys: readonly number[];
}

class ParseDissect implements Stage {
  readonly plan: StagePlan | undefined;
  readonly #pattern: DissectPattern;
  readonly #joined: readonly Joined[];
  readonly #target: ParsedFields;
  readonly #values: string[] = [];
  readonly #found: unknown[];

  constructor(options: Infer<typeof schema>) {
    this.#pattern = parseDissectPattern(options.pattern);
    const { keys } = this.#pattern;
    const names = [...new Set(keys.flatMap(({ field }) => field ?? []))];
    this.#joined = names.map((field) => {
      const own = [...keys.keys()].filter((i) => keys[i]!.field === field);
      return { field, keys: own.sort((a, b) => keys[a]!.order - keys[b]!.order) };
    });
    this.#found = names.map(() => undefined);
    try {
      this.#target = new ParsedFields(names, options.field, options.keep_original);
    } catch (error) {
      throw new WiretailError("WT_FORMAT_INVALID", `pattern: ${(error as Error).message}: one holds the other`, {
        cause: error,
      });
    }
    this.plan = planOf(this.#pattern, options);
  }

  apply(event: LogEvent): undefined | StageFailure {
    const text = this.#target.read(event);
    if (typeof text !== "string") return text;
    const values = this.#values;
    const fault = dissect(this.#pattern, text, values);
    if (fault !== undefined) return new StageFailure(fault);
    const { keys } = this.#pattern;
    for (let i = 0; i < this.#joined.length; i++) {
      const parts = this.#joined[i]!.keys;
      let value = values[parts[0]!]!;
      for (let k = 1; k < parts.length; k++) value += (keys[parts[k]!]!.joinedBy ?? "") + values[parts[k]!]!;
      const { type } = keys[parts[0]!]!;
      this.#found[i] = value;
      if (type === undefined) continue;
      this.#found[i] = value === "" ? undefined : VALUE_CONVERTERS[type](value);
      if (value !== "" && this.#found[i] === undefined)
        return new StageFailure(notOfType(this.#joined[i]!.field, value, type));
    }
    return this.#target.write(event, this.#found, FOUND);
  }
}

/** Undefined for what no regular expression says exactly: joined parts and unusual delimiters. */
function planOf(
  pattern: DissectPattern,
  { field, keep_original: keepsOriginal }: Infer<typeof schema>,
): StagePlan | undefined {
  const source = dissectRegex(pattern);
  if (source === undefined || pattern.keys.some(({ joinedBy }) => joinedBy !== undefined)) return undefined;
  const captures = pattern.keys
    .filter((key) => key.field !== undefined)
    .map(({ field: name, type }, i): TextCapture => {
      const convert = type === undefined ? undefined : VALUE_CONVERTERS[type];
      return { group: i + 1, field: name!, take: convert === undefined ? "text" : (text) => convert(text) ?? UNFIT };
    });
  const text = { source, captures, ips: [], needs: [], time: undefined, absent: "", escape: "none" } as const;
  return { kind: "parse_text", field, patterns: [text], keepsOriginal };
}

/** Cuts text at known places. */
export const parseDissect = defineStage({
  type: "parse_dissect",
  summary: "Cuts text into fields at the text between them, without regular expressions",
  description: [
    "The patterns are those of Filebeat, Logstash and Elasticsearch. A part ends at the first place where the text behind it stands; the whole text must fit.",
    "",
    "It suits lines that all have the same parts, and is the cheapest way to read them. Where parts are optional use `parse_grok` or `parse_regex`.",
  ].join("\n"),
  stability: "stable",
  schema,
  examples: [
    {
      title: "Parts between spaces and brackets",
      options: {
        pattern: "%{source.ip} [%{time}] %{?thread} %{log.level->} %{http.response.status_code|integer} %{message}",
      },
      input: ["203.0.113.7 [11/Dec/2019] main WARN   503 upstream is down"],
      output: [
        {
          "source.ip": "203.0.113.7",
          time: "11/Dec/2019",
          thread: null,
          "log.level": "WARN",
          "http.response.status_code": 503,
          message: "upstream is down",
        },
      ],
    },
    {
      title: "Parts of a time joined",
      options: { pattern: "%{time} %{+time} %{+time} %{host.hostname} %{message}" },
      input: ["Dec 11 20:47:14 gate link is up"],
      output: [{ time: "Dec 11 20:47:14", "host.hostname": "gate", message: "link is up" }],
    },
  ],
  create: (options) => new ParseDissect(options),
});
