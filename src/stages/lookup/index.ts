import {
  defineStage,
  DROP,
  StageFailure,
  type Log,
  type Stage,
  type StageContext,
  type StageOutcome,
} from "../../core/component.ts";
import { errorMessage } from "../../core/error.ts";
import { MAX_SUB_INDEX, type LogEvent } from "../../core/event.ts";
import { getIn, Path } from "../../core/path.ts";
import { t, type Infer } from "../../core/schema.ts";
import { indexOf, KEY_KINDS, type KeyIndex, type KeyKind } from "./key-index.ts";
import { TABLE_FORMATS } from "./rows.ts";
import { Table } from "./table.ts";

const TABLE = {
  file: t.optional(
    t.string({
      description: "The table's file; a relative path begins at the folder of the configuration that says it.",
    }),
  ),
  command: t.optional(
    t.array(t.string(), {
      minItems: 1,
      description:
        "A program, with arguments, that writes the table to its standard output, in place of a file. `check` runs it, too.",
    }),
  ),
  format: t.optional(
    t.enum(TABLE_FORMATS, {
      description:
        "`csv` and `tsv` with the names of columns in the first line, `json` (a list of objects, or an object of them by key), `ndjson`, `key_json`: lines `KEY:{…}`, or `mmdb`: a MaxMind database of addresses (GeoLite2, GeoIP2 and others), whose columns are those of its records, and `geo` and `as` with the fields of ECS. By default what the file's name ends with.",
    }),
  ),
  delimiter: t.optional(
    t.string({ minLength: 1, maxLength: 1, description: "Character between the fields of a csv table." }),
  ),
  key_column: t.optional(
    t.string({
      description:
        "Column that is compared; dots lead into objects, and of a list each item is a key. By default the key outside of the row (`json` objects, `key_json`) or the first column (csv).",
    }),
  ),
  where: t.optional(
    t.string({ "x-syntax": "kql", description: "KQL over the table's columns: other rows do not count." }),
  ),
};

const join = t.object(
  {
    ...TABLE,
    column: t.string({ description: "Column of the rows so far whose value is looked up in this table." }),
    key: t.enum(KEY_KINDS, { default: "text", description: "How keys are compared, as for the first table." }),
    as: t.string({ description: "Column that gets this table's row, as an object." }),
    join: t.enum(["left", "inner"], {
      default: "left",
      description: "`inner` leaves rows out that this table has nothing for; `left` keeps them without.",
    }),
  },
  { description: "A further table whose rows are joined to the first one's." },
);

const schema = t.object({
  ...TABLE,
  field: t.string({ description: "Field whose value is looked up; of a list every item is.", "x-syntax": "field" }),
  key: t.enum(KEY_KINDS, {
    default: "text",
    description:
      "How keys are compared: `text`; `ignore_case`; `mac` in any spelling; `ip`, where keys may be addresses, networks (`10.0.0.0/8`) and ranges (`10.0.0.1-10.0.0.9`), and the narrowest counts; `number`, with ranges (`100-199`).",
  }),
  with: t.array(join, {
    default: [],
    description: "Further tables that are joined to the rows when they are read, one after the other.",
  }),
  fields: t.map(t.string({ "x-syntax": "field" }), {
    default: {},
    description: "Fields to set, by the column that their value comes from; dots lead into objects.",
  }),
  target: t.optional(t.string({ description: "Field that gets the whole row as an object.", "x-syntax": "field" })),
  matches: t.enum(["first", "all", "events"], {
    default: "first",
    description:
      "Of several rows the first one, or `all`: then what is set are lists; or `events`: an event for each of them. A pipeline can have one stage that makes several events of one.",
  }),
  join: t.enum(["left", "inner"], {
    default: "left",
    description: "What becomes of events without a row: `left` passes them as they are, `inner` leaves them out.",
  }),
  otherwise: t.map(t.any(), { default: {}, description: "Values by field for events without a row." }),
  reload_seconds: t.number({
    default: 10,
    minimum: 1,
    description: "Seconds between looks at whether a file changed, and between runs of a command.",
  }),
  max_bytes: t.integer({
    default: 67_108_864,
    minimum: 1,
    description:
      "Largest size of each table in bytes: a larger one is refused. Its rows take about five times of it in memory.",
  }),
});
type Config = Infer<typeof schema>;
type Values = Readonly<Record<string, unknown>>;

/** A table that others are joined to, and how. */
interface Joined {
  readonly table: Table;
  readonly column: Path;
  readonly kind: KeyKind;
  readonly as: string;
  readonly isInner: boolean;
}

class Lookup implements Stage {
  readonly #field: Path;
  readonly #kind: KeyKind;
  readonly #table: Table;
  readonly #joins: readonly Joined[];
  readonly #columns: readonly Path[];
  readonly #targets: readonly Path[];
  readonly #otherwise: readonly (readonly [Path, unknown])[];
  readonly #takesAll: boolean;
  readonly #makesEvents: boolean;
  readonly #isInner: boolean;
  readonly #reloadMs: number;
  readonly #log: Log | undefined;
  #index: KeyIndex<Values>;
  #timer: NodeJS.Timeout | undefined;
  readonly #stop = new AbortController();
  readonly #worked: unknown[] = [];

  constructor(options: Config, context: StageContext) {
    const { baseDir } = context;
    const common = { baseDir, maxBytes: options.max_bytes };
    this.#field = new Path(options.field);
    this.#kind = options.key;
    this.#table = new Table({ ...tableOptions(options), ...common });
    this.#joins = options.with.map((each) => ({
      ...{ table: new Table({ ...tableOptions(each), ...common }), column: new Path(each.column) },
      ...{ kind: each.key, as: each.as, isInner: each.join === "inner" },
    }));
    // The whole row comes first, so that fields may lie inside of it.
    const whole = options.target === undefined ? [] : [[WHOLE_ROW, new Path(options.target)] as const];
    const parts = Object.entries(options.fields).map(([column, field]) => [new Path(column), new Path(field)] as const);
    this.#columns = [...whole, ...parts].map(([column]) => column);
    this.#targets = [...whole, ...parts].map(([, field]) => field);
    this.#otherwise = Object.entries(options.otherwise).map(([name, value]) => [new Path(name), value]);
    this.#takesAll = options.matches === "all";
    this.#makesEvents = options.matches === "events";
    this.#isInner = options.join === "inner";
    this.#reloadMs = options.reload_seconds * 1000;
    this.#log = context.log;
    for (const table of this.#tables) table.load();
    this.#index = this.#makeIndex();
  }

  get #tables(): readonly Table[] {
    return [this.#table, ...this.#joins.map(({ table }) => table)];
  }

  /** Events come: from now on the tables are looked at again. */
  enter(): void {
    if (this.#timer !== undefined || this.#stop.signal.aborted) return;
    this.#schedule();
  }

  close(): void {
    this.#stop.abort();
    clearTimeout(this.#timer);
  }

  apply(event: LogEvent): StageOutcome {
    const rows = this.#find(event.get(this.#field));
    if (rows === undefined || rows.length === 0) return this.#isInner ? DROP : this.#without(event);
    if (!this.#makesEvents || rows.length === 1) return this.#add(event, rows);
    if (rows.length > MAX_SUB_INDEX)
      return new StageFailure(
        `${this.#field.name} has ${rows.length} rows in ${this.#table.name}; at most ${MAX_SUB_INDEX} become events`,
      );
    const events: LogEvent[] = [];
    for (let i = 0; i < rows.length; i++) {
      const each = event.fork(i + 1);
      const failure = this.#add(each, [rows[i]!]);
      if (failure !== undefined) return failure;
      events.push(each);
    }
    return events;
  }

  #add(event: LogEvent, rows: readonly Values[]): undefined | StageFailure {
    const [columns, targets, worked] = [this.#columns, this.#targets, this.#worked];
    for (let i = 0; i < columns.length; i++) {
      worked[i] = this.#takesAll ? valuesIn(rows, columns[i]!) : valueIn(rows[0]!, columns[i]!);
      const refusal = worked[i] === undefined ? undefined : event.refusal(targets[i]!, worked[i]);
      if (refusal !== undefined) return new StageFailure(refusal);
    }
    for (let i = 0; i < targets.length; i++) if (worked[i] !== undefined) event.set(targets[i]!, worked[i]);
    return undefined;
  }

  #find(value: unknown): readonly Values[] | undefined {
    if (typeof value === "string") return this.#index.find(value);
    if (typeof value === "number" || typeof value === "boolean") return this.#index.find(String(value));
    if (!Array.isArray(value)) return undefined;
    return [...new Set(value.flatMap((item) => (Array.isArray(item) ? [] : (this.#find(item) ?? []))))];
  }

  #without(event: LogEvent): undefined | StageFailure {
    for (const [path, value] of this.#otherwise) {
      const refusal = event.refusal(path, value);
      if (refusal !== undefined) return new StageFailure(refusal);
    }
    for (const [path, value] of this.#otherwise) event.set(path, value);
    return undefined;
  }

  #makeIndex(): KeyIndex<Values> {
    const joins = this.#joins.map((each) => ({
      ...each,
      others: each.table.addresses ?? indexOf(each.kind, each.table.rows),
    }));
    const join = (first: readonly Values[]): readonly Values[] => {
      let rows = first;
      for (const { column, as, isInner, others } of joins) {
        rows = rows.flatMap((values) => {
          const value = getIn(values, column.parts, 0);
          const found = typeof value === "string" || typeof value === "number" ? others.find(String(value)) : undefined;
          if (found === undefined || found.length === 0) return isInner ? [] : [values];
          return found.map((other) => ({ ...values, [as]: other }));
        });
      }
      return rows;
    };
    const { addresses } = this.#table;
    if (addresses !== undefined) {
      if (joins.length === 0) return addresses;
      return { skipped: 0, find: (value) => join(addresses.find(value) ?? []) };
    }
    const rows = this.#table.rows.flatMap(([key, values]) => join([values]).map((each) => [key, each] as const));
    const index = indexOf(this.#kind, rows);
    if (index.skipped > 0)
      this.#log?.warn(`${index.skipped} rows of the table ${this.#table.name} have a key that is no ${this.#kind}`);
    return index;
  }

  #schedule(): void {
    this.#timer = setTimeout(() => void this.#reload(), this.#reloadMs);
    // Looking for changes is no reason to live on.
    this.#timer.unref();
  }

  async #reload(): Promise<void> {
    const { signal } = this.#stop;
    let isNew = false;
    for (const table of this.#tables) {
      try {
        if (await table.reload(signal)) {
          isNew = true;
          this.#log?.info(`the table ${table.name} was read again`, { rows: table.rows.length });
        }
      } catch (error) {
        if (!signal.aborted) this.#log?.warn(`${errorMessage(error)}; its rows stay as they were`);
      }
    }
    if (signal.aborted) return;
    if (isNew) this.#index = this.#makeIndex();
    this.#schedule();
  }
}

const WHOLE_ROW = new Path("*");

function valueIn(row: Values, column: Path): unknown {
  return column === WHOLE_ROW ? row : getIn(row, column.parts, 0);
}

function valuesIn(rows: readonly Values[], column: Path): unknown {
  const values = rows.map((row) => valueIn(row, column)).filter((value) => value !== undefined);
  return values.length === 0 ? undefined : values;
}

function tableOptions(
  options: Pick<Config, keyof typeof TABLE>,
): Omit<ConstructorParameters<typeof Table>[0], "baseDir" | "maxBytes"> {
  const { file, command, format, delimiter, where } = options;
  return { file, command, format, delimiter, where, keyColumn: options.key_column };
}

function tableFaults(
  options: Pick<Config, "file" | "command" | "format">,
  pointer: string,
): (readonly [pointer: string, message: string])[] {
  if ((options.file === undefined) === (options.command === undefined))
    return [[pointer, "give one of file and command"]];
  if (options.command !== undefined && options.format === "mmdb") return [[pointer, "mmdb has to be a file"]];
  return options.command !== undefined && options.format === undefined
    ? [[pointer, "say the format of what the command writes"]]
    : [];
}

/** Adds what a table says of a value. */
export const lookup = defineStage({
  type: "lookup",
  summary: "Adds what a table says of a field's value",
  description: [
    "The table is read when the agent starts, so `check` finds faults in it, and again when its file changes; while events come, in the background. A file that is faulty then is reported, and the rows stay as they were. Replace files whole (write another one and rename it).",
    "",
    "Tables may be chained: `with` joins the rows of a second one by a column of the first, and each has a filter of its own (`where`). What `inner` leaves out is counted as dropped by this stage. An event that is read again after a table changed gets what the table says now.",
    "",
    "A MaxMind database (`.mmdb`) is not shipped with Wiretail: get GeoLite2 from MaxMind, or another one in its format, and raise `max_bytes` where it is larger. Its keys are always addresses.",
  ].join("\n"),
  stability: "stable",
  schema,
  examples: [
    {
      title: "Whose computer it is: addresses to computers, computers to people",
      options: {
        file: "examples/lookup/computers.ndjson",
        field: "source.mac",
        key: "mac",
        key_column: "macaddr",
        with: [
          {
            ...{ file: "examples/lookup/employees.txt", format: "key_json", column: "empkey", as: "employee" },
            ...{ where: "watch_flag: YES", join: "inner" },
          },
        ],
        fields: { "employee.name": "user.full_name", comp_id: "host.id" },
        join: "inner",
      },
      input: [{ source: { mac: "00-1A-2B-3C-4D-5E" } }, { source: { mac: "00:1a:2b:3c:4d:5f" } }],
      output: [{ "user.full_name": "Tom Jones", "host.id": 7 }],
    },
    {
      title: "The narrowest network that an address is in",
      options: {
        file: "examples/lookup/networks.csv",
        field: "source.ip",
        key: "ip",
        fields: { zone: "network.name" },
        otherwise: { "network.name": "outside" },
      },
      input: [{ source: { ip: "10.1.2.3" } }, { source: { ip: "10.2.0.1" } }, { source: { ip: "203.0.113.7" } }],
      output: [{ "network.name": "printers" }, { "network.name": "office" }, { "network.name": "outside" }],
    },
    {
      title: "Where an address is, in a MaxMind database",
      options: {
        file: "examples/lookup/places.mmdb",
        field: "source.ip",
        fields: { geo: "source.geo", as: "source.as" },
      },
      input: [{ source: { ip: "198.51.100.7" } }, { source: { ip: "203.0.113.1" } }, { source: { ip: "10.0.0.1" } }],
      output: [
        { "source.geo.city_name": "Springfield", "source.geo.country_iso_code": "XA", "source.as": null },
        { "source.as.number": 64500, "source.as.organization.name": "Example Networks", "source.geo": null },
        { "source.geo": null },
      ],
    },
  ],
  makesSeveral: ({ matches }) => matches === "events",
  validate: (options) => [
    ...tableFaults(options, ""),
    ...options.with.flatMap((each, i) => tableFaults(each, `/with/${i}`)),
    ...(options.target === undefined && Object.keys(options.fields).length === 0 && options.join === "left"
      ? [["", 'say what to add: fields or target; or "join": "inner" to leave events out'] as const]
      : []),
  ],
  create: (options, context) => new Lookup(options, context),
});
