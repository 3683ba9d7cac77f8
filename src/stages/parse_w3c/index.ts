import { CsvParser } from "../../codec/csv.ts";
import { notOfType, VALUE_CONVERTERS } from "../../codec/value-type.ts";
import { defineStage, DROP, StageFailure, type Stage } from "../../core/component.ts";
import type { LogEvent } from "../../core/event.ts";
import { Path } from "../../core/path.ts";
import type { StagePlan, TextCapture, TextPattern, TimeReader } from "../../core/plan.ts";
import { parseIsoTime } from "../../core/time.ts";
import { t, type Infer } from "../../core/schema.ts";
import { BoundedMap } from "../bounded-map.ts";
import { FOUND, ParsedFields, SOURCE_OPTIONS } from "../parsed-fields.ts";
import { COLUMNS, INTEGERS } from "./columns.ts";

const schema = t.object({
  ...SOURCE_OPTIONS,
  header_field: t.string({
    default: "log.header",
    "x-syntax": "field",
    description:
      "Field with the header line that is in force, as the file source gives it with `header_prefix`. It is removed. Without it the last header line that came before counts.",
  }),
  columns: t.map(t.string({ "x-syntax": "field" }), {
    default: {},
    description:
      'Fields for columns, by the names in the header line; `""` leaves a column out. What is not named here, and is none of the usual columns, goes to `w3c.<name>`.',
  }),
});

const PREFIX = "#Fields:";
/** #Software: and its like describe the log. */
const DIRECTIVE = /^#[A-Za-z][A-Za-z-]*:/;
const TIMESTAMP = new Path("@timestamp");
/** Inputs whose header lines are remembered; the file source keeps those of files itself. */
const REMEMBERED = 1024;
/** Header lines that differ, of which the compiled form is kept. */
const COMPILED = 256;

/** What a header line says, ready to use. */
interface Header {
  readonly count: number;
  readonly fields: ParsedFields;
  readonly wanted: readonly { readonly at: number; readonly name: string; readonly isInteger: boolean }[];
  /** Places of the columns `date` and `time`, or -1. */
  readonly date: number;
  readonly time: number;
}

interface SeenHeader {
  readonly offset: number;
  readonly line: string;
}

class ParseW3c implements Stage {
  readonly plan: StagePlan;
  readonly #options: Infer<typeof schema>;
  readonly #field: Path;
  readonly #headerField: Path;
  readonly #compiled = new BoundedMap<Header | string>(COMPILED);
  /** By partition, in their order: an event that comes again is under the line that it was under before. */
  readonly #remembered = new BoundedMap<SeenHeader[]>(REMEMBERED);
  readonly #quoted = new CsvParser({ delimiter: " ", quote: '"', escape: "", trims: false });
  #partition = "";

  constructor(options: Infer<typeof schema>) {
    this.#options = options;
    this.plan = { kind: "by_header", field: options.header_field, of: (header) => this.#planOf(header) };
    this.#field = new Path(options.field);
    this.#headerField = new Path(options.header_field);
  }

  enter(partitionId: string): void {
    this.#partition = partitionId;
  }

  apply(event: LogEvent): undefined | StageFailure | typeof DROP {
    const text = event.get(this.#field);
    if (typeof text === "string" && text.startsWith("#") && DIRECTIVE.test(text)) {
      if (text.startsWith(PREFIX)) this.#remember(text, event.offset);
      return DROP;
    }
    const given = event.get(this.#headerField);
    const line = typeof given === "string" && given.startsWith(PREFIX) ? given : this.#recall(event.offset);
    if (line === undefined) return new StageFailure(`no line ${PREFIX} came before it`);
    const header = this.#header(line);
    if (typeof header === "string") return new StageFailure(header);
    const read = header.fields.read(event);
    if (typeof read !== "string") return read;
    const failure = this.#write(event, read, header);
    if (failure === undefined) event.delete(this.#headerField);
    return failure;
  }

  #remember(line: string, offset: number): void {
    const seen = this.#remembered.get(this.#partition) ?? [];
    if (seen.length > 0 && seen.at(-1)!.offset >= offset) return;
    seen.push({ offset, line });
    if (seen.length > COMPILED) seen.shift();
    this.#remembered.set(this.#partition, seen);
  }

  #recall(offset: number): string | undefined {
    return this.#remembered.get(this.#partition)?.findLast((each) => each.offset <= offset)?.line;
  }

  #write(event: LogEvent, text: string, header: Header): undefined | StageFailure {
    const values = this.#values(text);
    if (values.length !== header.count)
      return new StageFailure(`has ${values.length} values for ${header.count} fields of the line ${PREFIX}`);
    const found: unknown[] = [];
    for (const { at, name, isInteger } of header.wanted) {
      const value = values[at]!;
      const isNone = value === "-" || value === "";
      const converted = isInteger && !isNone ? VALUE_CONVERTERS.integer(value) : value;
      if (converted === undefined) return new StageFailure(notOfType(name, value, "integer"));
      found.push(isNone ? undefined : converted);
    }
    const time = header.date >= 0 && header.time >= 0 ? `${values[header.date]!}T${values[header.time]!}Z` : undefined;
    const refusal = time === undefined ? undefined : event.refusal(TIMESTAMP, time);
    if (refusal !== undefined) return new StageFailure(refusal);
    const failure = header.fields.write(event, found, FOUND);
    if (failure !== undefined) return failure;
    if (time !== undefined) event.set(TIMESTAMP, time);
    return undefined;
  }

  #values(text: string): string[] {
    // CloudFront separates values by tabs.
    if (text.includes("\t")) return text.split("\t");
    if (!text.startsWith('"') && !text.includes(' "')) return text.split(" ");
    const values: string[] = [];
    return this.#quoted.parse(text, values) === undefined ? values : text.split(" ");
  }

  #header(line: string): Header | string {
    let header = this.#compiled.get(line);
    if (header === undefined) this.#compiled.set(line, (header = this.#compile(line)));
    return header;
  }

  #compile(line: string): Header | string {
    const names = line.slice(PREFIX.length).trim().split(/\s+/);
    const [date, time] = [names.indexOf("date"), names.indexOf("time")];
    const hasTime = date >= 0 && time >= 0;
    const wanted = names.flatMap((column, at) => {
      if (hasTime && (at === date || at === time)) return [];
      const name = this.#nameOf(column);
      return name === "" ? [] : [{ at, name, isInteger: INTEGERS.has(name) }];
    });
    try {
      const { field, keep_original: keepOriginal } = this.#options;
      const fields = new ParsedFields(
        wanted.map(({ name }) => name),
        field,
        keepOriginal,
      );
      return { count: names.length, fields, wanted, date, time };
    } catch (error) {
      return `the line ${PREFIX}: ${(error as Error).message}: one holds the other`;
    }
  }

  /** What lines are under a header line. Header lines themselves are left to `apply`. */
  #planOf(line: string): StagePlan | undefined {
    const header = line.startsWith(PREFIX) ? this.#header(line) : undefined;
    if (header === undefined || typeof header === "string") return undefined;
    const { count: columns, wanted, date, time } = header;
    const hasTime = date >= 0 && time >= 0;
    if (hasTime && time !== date + 1) return undefined;
    const captures = wanted.map(({ at, name, isInteger }): TextCapture => {
      return { group: at + 1, field: name, take: "present", type: isInteger ? "integer" : undefined };
    });
    const pattern = (delimiter: string, quote: string, without: string): TextPattern => ({
      source: { kind: "separated", delimiter, quote, columns, beginning: "#", without },
      ...{ captures, ips: [], needs: [], absent: "-", escape: "none" },
      time: hasTime ? { group: date + 1, through: time + 1, reader: timeBetween(delimiter) } : undefined,
    });
    const patterns = [pattern(" ", '"', "\t"), ...(columns > 1 ? [pattern("\t", "", "")] : [])];
    const { field, keep_original: keepsOriginal } = this.#options;
    return { kind: "parse_text", field, patterns, keepsOriginal };
  }

  #nameOf(column: string): string {
    const { columns } = this.#options;
    if (Object.hasOwn(columns, column)) return columns[column]!;
    const usual = COLUMNS.get(column.toLowerCase());
    if (usual !== undefined) return usual;
    const plain = column.toLowerCase().replace(/[^a-z0-9]+/g, "_");
    return `w3c.${plain.replace(/^_|_$/g, "") || "unnamed"}`;
  }
}

/** Reads a date and a time of day with a character between them. */
function timeBetween(delimiter: string): TimeReader {
  const read = (text: string): number => {
    const [date, time, ...more] = text.split(delimiter);
    const timeMs = more.length > 0 ? NaN : parseIsoTime(`${date!}T${time!}Z`);
    return Math.abs(timeMs) <= 8.64e15 ? timeMs : NaN;
  };
  return { read, dependsOnClock: false };
}

/** Parses W3C extended logs by the header lines that they bring. */
export const parseW3c = defineStage({
  type: "parse_w3c",
  summary: "Parses W3C extended logs (IIS and others) by the fields that their header lines name",
  description: [
    "A line `#Fields:` says which values the lines after it have; a server writes one whenever it starts or its settings",
    'change. Give the file source `header_prefix: "#Fields:"`: it keeps the line that is in force with its position, so',
    "that a file is parsed rightly also when reading begins in the middle. Header lines themselves are left out.",
    "",
    "The usual columns become ECS fields, `date` and `time` (UTC) the event's time; `-` means that there is no value.",
  ].join("\n"),
  stability: "stable",
  schema,
  examples: [
    {
      title: "The header line says what the values are",
      options: {},
      input: [
        "#Software: Microsoft Internet Information Services 10.0",
        "#Fields: date time c-ip cs-method cs-uri-stem sc-status time-taken X-Forwarded-For",
        "2026-11-21 08:09:10 203.0.113.7 GET /index.html 200 15 -",
      ],
      output: [
        {
          "@timestamp": "2026-11-21T08:09:10.000Z",
          "source.address": "203.0.113.7",
          "http.request.method": "GET",
          "url.path": "/index.html",
          "http.response.status_code": 200,
          "iis.access.time_taken_ms": 15,
          "w3c.x_forwarded_for": null,
          message: null,
        },
      ],
    },
    {
      title: "A column of one's own",
      options: { columns: { "X-Request-ID": "http.request.id", "cs-method": "" } },
      input: ["#Fields: cs-method X-Request-ID", "GET a1"],
      output: [{ "http.request.id": "a1", "http.request.method": null }],
    },
  ],
  create: (options) => new ParseW3c(options),
});
