import { CsvParser } from "../../codec/csv.ts";
import { isAscii, notOfType, VALUE_CONVERTERS, type ValueType } from "../../codec/value-type.ts";
import { defineStage, DROP, StageFailure, type Stage } from "../../core/component.ts";
import { WiretailError } from "../../core/error.ts";
import type { LogEvent } from "../../core/event.ts";
import type { StagePlan, TextCapture } from "../../core/plan.ts";
import { t, type Infer } from "../../core/schema.ts";
import { FOUND, ParsedFields, SOURCE_OPTIONS } from "../parsed-fields.ts";
import { TYPES_OPTION } from "../typed-values.ts";

const schema = t.object({
  ...SOURCE_OPTIONS,
  columns: t.optional(
    t.array(t.string({ "x-syntax": "field" }), {
      minItems: 1,
      description:
        'The field of each value in order; `""` leaves a value out. Without it the names in `header` are the fields.',
    }),
  ),
  header: t.optional(
    t.string({
      minLength: 1,
      description:
        "The header line as it stands in the files. Lines equal to it are left out, wherever they stand, and counted as dropped.",
    }),
  ),
  delimiter: t.string({ default: ",", minLength: 1, description: "Text between values, such as `;` or `\\t`." }),
  quote: t.string({
    default: '"',
    maxLength: 1,
    description:
      "The character around values that hold delimiters or line breaks; doubled inside it stands for itself. Empty: no quotes.",
  }),
  escape: t.string({
    default: "",
    maxLength: 1,
    description: "A character that makes the next one plain, such as a backslash. Empty: there is none.",
  }),
  trim: t.boolean({ default: false, description: "Take white space off both ends of values that are not quoted." }),
  null_values: t.array(t.string(), {
    default: [""],
    description: "Values that mean that there is none, such as `-` or `NULL`: they give no field.",
  }),
  strict: t.boolean({
    default: true,
    description:
      "Refuse lines with fewer or more values than columns. Otherwise missing values give no fields, and what is beyond the last column is left out.",
  }),
  ...TYPES_OPTION,
});

interface Wanted {
  readonly at: number;
  readonly name: string;
  readonly type: ValueType | undefined;
}

class ParseCsv implements Stage {
  readonly plan: StagePlan | undefined;
  readonly #parser: CsvParser;
  readonly #fields: ParsedFields;
  readonly #header: string | undefined;
  readonly #columns: readonly string[];
  /** For each column that is wanted: its place in the line and its type. */
  readonly #wanted: readonly Wanted[];
  readonly #nulls: ReadonlySet<string>;
  readonly #isStrict: boolean;
  readonly #values: string[] = [];
  readonly #found: unknown[];

  constructor(options: Infer<typeof schema>) {
    const { delimiter, quote, escape, trim, header, types } = options;
    this.#parser = new CsvParser({ delimiter, quote, escape, trims: trim });
    this.#header = header;
    this.#columns = options.columns ?? this.#namesIn(header);
    this.#wanted = this.#columns.flatMap((name, at) => (name === "" ? [] : [{ at, name, type: types[name] }]));
    this.#nulls = new Set(options.null_values);
    this.#isStrict = options.strict;
    this.#found = this.#wanted.map(() => undefined);
    this.plan = planOf(options, this.#columns.length, this.#wanted);
    try {
      const names = this.#wanted.map(({ name }) => name);
      this.#fields = new ParsedFields(names, options.field, options.keep_original);
    } catch (error) {
      throw new WiretailError("WT_FORMAT_INVALID", `columns: ${(error as Error).message}: one holds the other`, {
        cause: error,
      });
    }
  }

  apply(event: LogEvent): undefined | StageFailure | typeof DROP {
    const text = this.#fields.read(event);
    if (typeof text !== "string") return text;
    if (text === this.#header) return DROP;
    const values = this.#values;
    const fault = this.#parser.parse(text, values);
    if (fault !== undefined) return new StageFailure(fault);
    if (this.#isStrict && values.length !== this.#columns.length)
      return new StageFailure(`has ${values.length} values for ${this.#columns.length} columns`);
    const found = this.#found;
    for (let i = 0; i < found.length; i++) {
      const { at, name, type } = this.#wanted[i]!;
      const value = values[at];
      found[i] = value === undefined || this.#nulls.has(value) ? undefined : value;
      if (type === undefined || found[i] === undefined) continue;
      found[i] = VALUE_CONVERTERS[type](value);
      if (found[i] === undefined) return new StageFailure(notOfType(name, value, type));
    }
    return this.#fields.write(event, found, FOUND);
  }

  #namesIn(header: string | undefined): string[] {
    const names: string[] = [];
    const fault = header === undefined ? undefined : this.#parser.parse(header, names);
    if (fault !== undefined) throw new WiretailError("WT_FORMAT_INVALID", `header: ${fault}`);
    return names.map((name) => name.trim());
  }
}

/** Lines with escapes, doubled quotes, or another number of values are left to `apply`. */
function planOf(options: Infer<typeof schema>, columns: number, wanted: readonly Wanted[]): StagePlan | undefined {
  const { field, keep_original: keepsOriginal, delimiter, quote, header: drops } = options;
  const escape = options.escape === quote ? "" : options.escape;
  const [absent = "", ...more] = options.null_values.filter((value) => value !== "");
  const hasEmpty = options.null_values.includes("");
  const isPlain = delimiter.length === 1 && absent.length <= 1 && more.length === 0 && !options.trim;
  if (!isPlain || !isAscii(delimiter + quote + escape + absent) || (absent !== "" && !hasEmpty)) return undefined;
  const take = hasEmpty ? "present" : "text";
  const captures: TextCapture[] = wanted.map(({ at, name, type }) => ({ group: at + 1, field: name, take, type }));
  const source = { kind: "separated", delimiter, quote, columns, beginning: "", without: escape } as const;
  const pattern = { source, captures, ips: [], needs: [], time: undefined, absent, escape: "none" } as const;
  return { kind: "parse_text", field, patterns: [pattern], keepsOriginal, drops };
}

/** Parses lines of separated values. */
export const parseCsv = defineStage({
  type: "parse_csv",
  summary: "Parses lines of values separated by commas, tabs or other text",
  description: [
    "Values go to `columns`, or to fields named like the columns in `header`. They are text unless `types` says otherwise.",
    "",
    "A value in quotes may hold line breaks where the source joins the lines (`multiline`).",
  ].join("\n"),
  stability: "stable",
  schema,
  examples: [
    {
      title: "Columns by name; the header line is left out",
      options: {
        header: "time,user,amount,note",
        columns: ["time", "user.name", "amount", "message"],
        types: { amount: "float" },
      },
      input: ["time,user,amount,note", '2026-11-21T09:56:26Z,ada,12.5,"say ""hi"", twice"', "2026-11-21T09:56:27Z,,3,"],
      output: [
        { time: "2026-11-21T09:56:26Z", "user.name": "ada", amount: 12.5, message: 'say "hi", twice' },
        { time: "2026-11-21T09:56:27Z", "user.name": null, amount: 3, message: null },
      ],
    },
    {
      title: "Tabs, and a dash for nothing",
      options: {
        columns: ["source.ip", "", "http.request.method"],
        delimiter: "\t",
        quote: "",
        null_values: ["-", ""],
      },
      input: ["203.0.113.7\t-\tGET"],
      output: [{ "source.ip": "203.0.113.7", "http.request.method": "GET", message: null }],
    },
  ],
  validate: (options) => {
    if (options.columns === undefined && options.header === undefined)
      return [["", "needs columns (the fields in order) or header (the header line of the files)"] as const];
    const names = options.columns;
    const unknown = names === undefined ? [] : Object.keys(options.types).filter((name) => !names.includes(name));
    return unknown.map((name) => [`/types/${name}`, `"${name}" is not among the columns`] as const);
  },
  create: (options) => new ParseCsv(options),
});
