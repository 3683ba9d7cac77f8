import { defineStage, StageFailure, type Stage } from "../../core/component.ts";
import type { LogEvent } from "../../core/event.ts";
import { eachLeaf } from "../../core/leaves.ts";
import { Path } from "../../core/path.ts";
import type { StagePlan } from "../../core/plan.ts";
import { t, type Infer } from "../../core/schema.ts";
import { FieldPatterns } from "../field-patterns.ts";
import { PathCache } from "../path-cache.ts";
import { namedFinder, PATTERN_NAMES } from "./named-patterns.ts";
import { ownFinder } from "./own-pattern.ts";
import { hashing, masking, Redactor, replacing, type Replacer } from "./redactor.ts";

const schema = t.object({
  fields: t.optional(
    t.array(t.string(), {
      minItems: 1,
      description:
        "Fields to look at, with all that they hold; `*` stands for any characters (`*.password`). Without it all fields of the event, which needs `patterns` or `regexes`.",
    }),
  ),
  patterns: t.array(t.enum(PATTERN_NAMES), {
    default: [],
    description:
      "What to look for in the fields' text. `credit_card` checks issuer and check digit (Luhn), `ip` is IPv4 and IPv6, `iban` checks its check digits, `assigned_secret` is what follows `password=`, `token:` and the like, `url_password` the password in `scheme://user:password@host`.",
  }),
  regexes: t.array(t.string(), {
    default: [],
    description:
      "Regular expressions of your own. With a group, only what it captures is redacted: `session=([0-9a-f]+)`. Without `patterns` and `regexes` the fields are redacted as a whole.",
  }),
  action: t.enum(["replace", "mask", "hash"], {
    default: "replace",
    description:
      "`replace` by a text; `mask` letters and digits; `hash` with a key, so that equal values can still be told to be equal.",
  }),
  replacement: t.string({
    default: "[REDACTED]",
    description:
      "The text for `replace`. `{name}` in it is the pattern's name (`regex` for your own, `field` for whole fields).",
  }),
  mask_character: t.string({
    default: "*",
    minLength: 1,
    maxLength: 2,
    description: "Character that stands for each letter and digit with `mask`.",
  }),
  keep_first: t.integer({
    default: 0,
    minimum: 0,
    description: "Letters and digits at the beginning that `mask` leaves readable.",
  }),
  keep_last: t.integer({
    default: 0,
    minimum: 0,
    description:
      "Letters and digits at the end that `mask` leaves readable. Never more than half of all stay, with `keep_first`.",
  }),
  key: t.optional(
    t.secret({
      minLength: 16,
      description: "Key for `hash`, of at least 16 characters: who does not have it cannot find values by trying.",
    }),
  ),
  hash_length: t.integer({
    default: 32,
    minimum: 16,
    maximum: 64,
    description: "Hexadecimal digits of a hash that are kept; 4 bits each.",
  }),
  allow_backtracking: t.boolean({
    default: false,
    description: "Accept regular expressions that may take exponential time on some texts.",
  }),
});
type Config = Infer<typeof schema>;

class Redact implements Stage {
  readonly plan: StagePlan | undefined;
  readonly #redactor: Redactor;
  readonly #isWhole: boolean;
  /** Named without wildcards; undefined when all fields have to be gone through. */
  readonly #plain: readonly Path[] | undefined;
  readonly #fields: FieldPatterns | undefined;
  readonly #paths = new PathCache();
  /** What was found in the present event. */
  readonly #targets: Path[] = [];
  readonly #values: unknown[] = [];
  readonly #earlier: unknown[] = [];

  constructor(options: Config) {
    const { fields, patterns, regexes } = options;
    this.#isWhole = patterns.length === 0 && regexes.length === 0;
    const finders = [
      ...patterns.map((name) => namedFinder(name)),
      ...regexes.map((source) => ownFinder(source, options.allow_backtracking)),
    ];
    this.#redactor = new Redactor(this.#isWhole ? undefined : finders, replacerOf(options));
    this.#fields = fields === undefined ? undefined : new FieldPatterns(fields);
    const isPlain = fields?.some((name) => name.includes("*")) === false;
    this.#plain = isPlain ? fields.map((name) => new Path(name)) : undefined;
    if (isPlain && this.#isWhole && options.action === "replace") {
      const json = JSON.stringify(options.replacement.replaceAll("{name}", "field"));
      this.plan = { kind: "replace", fields, json };
    }
  }

  apply(event: LogEvent): undefined | StageFailure {
    const [targets, values, earlier] = [this.#targets, this.#values, this.#earlier];
    targets.length = values.length = earlier.length = 0;
    if (this.#plain === undefined) this.#walk(event, this.#fields);
    else {
      for (let i = 0; i < this.#plain.length; i++) {
        const path = this.#plain[i]!;
        const value = event.get(path);
        // An object may be made of several fields: they are changed one by one.
        if (typeof value === "object" && value !== null && !Array.isArray(value))
          this.#walk(event, new FieldPatterns([path.name]));
        else this.#note(path, value);
      }
    }
    for (let i = 0; i < targets.length; i++) {
      const refusal = event.refusal(targets[i]!, values[i]);
      if (refusal !== undefined) return new StageFailure(refusal);
    }
    for (let i = 0; i < targets.length; i++) event.set(targets[i]!, values[i]);
    if (targets.length > 0) this.#redactLine(event);
    return undefined;
  }

  #walk(event: LogEvent, fields: FieldPatterns | undefined): void {
    eachLeaf(event, (name, value) => {
      if (fields === undefined || fields.match(name) === "all") this.#note(this.#paths.get(name), value);
    });
  }

  #note(path: Path, value: unknown): void {
    if (value === undefined) return;
    const redacted = this.#redactor.value(value);
    if (redacted === value) return;
    this.#targets.push(path);
    this.#values.push(redacted);
    this.#earlier.push(value);
  }

  /** The line as it was read goes to dead letters, and to sinks that ask for it. */
  #redactLine(event: LogEvent): void {
    const [values, earlier] = [this.#values, this.#earlier];
    const same = earlier.indexOf(event.line);
    if (same >= 0) event.line = values[same] as string;
    else if (!this.#isWhole) event.line = this.#redactor.text(event.line);
    else for (let i = 0; i < earlier.length; i++) event.line = withoutText(event.line, earlier[i], values[i]);
  }
}

/** A line in which a field's text is redacted wherever it is found, plain or as in JSON. */
function withoutText(line: string, earlier: unknown, value: unknown): string {
  if (Array.isArray(earlier) && Array.isArray(value))
    return earlier.reduce<string>((text, item, i) => withoutText(text, item, value[i]), line);
  const text = typeof earlier === "string" || typeof earlier === "number" ? String(earlier) : "";
  if (text.length < MIN_LENGTH || typeof value !== "string") return line;
  const inJson = JSON.stringify(text).slice(1, -1);
  const replaced = line.split(text).join(value);
  return inJson === text ? replaced : replaced.split(inJson).join(JSON.stringify(value).slice(1, -1));
}

/** Shorter texts would be found everywhere. */
const MIN_LENGTH = 3;

function replacerOf(options: Config): Replacer {
  if (options.action === "mask") return masking(options.mask_character, options.keep_first, options.keep_last);
  if (options.action === "hash") return hashing(options.key ?? "", options.hash_length);
  return replacing(options.replacement);
}

/** Makes sensitive values unreadable. */
export const redact = defineStage({
  type: "redact",
  summary: "Makes sensitive values unreadable: whole fields, or what patterns find in text",
  description: [
    "Text, numbers and items of arrays are looked at; names of fields and `@timestamp` are not. A hash is HMAC-SHA-256.",
    "",
    "The line as it was read, which dead letters keep and sinks can be told to send, is redacted too as soon as anything in the event is: by the same patterns, or, for whole fields, wherever their text (of 3 characters or more) stands in it. Put this stage before others that may fail, for dead letters hold the event as it was before the stage that failed.",
    "Patterns find what is usual and no more: look at real events with `wiretail try` before you rely on them.",
  ].join("\n"),
  stability: "stable",
  schema,
  examples: [
    {
      title: "What patterns find, anywhere in the event",
      options: { patterns: ["email", "credit_card", "bearer_token"], replacement: "<{name}>" },
      input: [
        { message: "ada@example.com paid with 4111 1111 1111 1111, not 4111 1111 1111 1112", tags: ["x@y.example"] },
        "GET / Authorization: Bearer abcdef123456.xyz",
      ],
      output: [
        { message: "<email> paid with <credit_card>, not 4111 1111 1111 1112", tags: ["<email>"] },
        { message: "GET / Authorization: Bearer <bearer_token>" },
      ],
    },
    {
      title: "Fields as a whole",
      options: { fields: ["*.password", "session"] },
      input: [{ user: { name: "ada", password: "x" }, session: 4711 }],
      output: [{ "user.name": "ada", "user.password": "[REDACTED]", session: "[REDACTED]" }],
    },
    {
      title: "All but the last four digits, and one group of an expression",
      options: { regexes: ["card=([0-9-]+)"], action: "mask", keep_last: 4 },
      input: ["card=5500-0000-0000-0004 ok"],
      output: [{ message: "card=****-****-****-0004 ok" }],
    },
    {
      title: "Pseudonyms",
      options: { fields: ["user.name"], action: "hash", key: "a long and random key", hash_length: 16 },
      input: [{ user: { name: "ada" } }],
      output: [{ "user.name": "6f9cbb889d4fe1d3" }],
    },
  ],
  validate: (options) => {
    const faults: (readonly [string, string])[] = [];
    const isWhole = options.patterns.length === 0 && options.regexes.length === 0;
    if (isWhole && options.fields === undefined)
      faults.push(["", "say what to redact: fields, patterns or regexes"] as const);
    if (options.action === "hash" && options.key === undefined)
      faults.push(["", 'the action hash needs a key: { "$env": "NAME" } or { "$file": "PATH" }'] as const);
    options.fields?.forEach((name, i) => {
      if (name === "@timestamp") faults.push([`/fields/${i}`, "@timestamp is always a time"] as const);
    });
    return faults;
  },
  create: (options) => new Redact(options),
});
