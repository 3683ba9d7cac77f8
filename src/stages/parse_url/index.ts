import { parseUrlParts, type UrlParts } from "../../codec/url.ts";
import { defineStage, StageFailure, type Stage } from "../../core/component.ts";
import { WiretailError } from "../../core/error.ts";
import type { LogEvent } from "../../core/event.ts";
import { Path } from "../../core/path.ts";
import { t, type Infer } from "../../core/schema.ts";
import { FOUND, noText, ParsedFields } from "../parsed-fields.ts";

const schema = t.object({
  field: t.string({
    default: "url.original",
    description: "Field that holds the URL, or a part of one such as `/path?query`.",
    "x-syntax": "field",
  }),
  target: t.string({
    default: "url",
    description: "Field whose members the parts become: `url.domain`, `url.path` and so on.",
    "x-syntax": "field",
  }),
  keep_field: t.boolean({ default: true, description: "Leave the field that was read in the event." }),
});

const PARTS: readonly (keyof UrlParts)[] = [
  ...(["scheme", "username", "domain", "port", "path", "extension", "query", "fragment"] as const),
];

class ParseUrl implements Stage {
  readonly #source: Path;
  readonly #target: ParsedFields;
  readonly #keeps: boolean;
  readonly #found: unknown[];

  constructor(options: Infer<typeof schema>) {
    const fields = PARTS.map((part) => `${options.target}.${part}`);
    this.#source = new Path(options.field);
    this.#keeps = options.keep_field;
    const clash = fields.find((field) => field === options.field || field.startsWith(options.field + "."));
    if (clash !== undefined && options.keep_field)
      throw new WiretailError("WT_FORMAT_INVALID", `${clash} would take the place of ${options.field}`, {
        hint: "Set keep_field to false, or another target.",
      });
    // With a field of its own that is there already, the source stays.
    this.#target = new ParsedFields(options.keep_field ? [...fields, options.field] : fields, options.field, false);
    this.#found = [...PARTS, ""].map(() => undefined);
  }

  apply(event: LogEvent): undefined | StageFailure {
    const text = event.get(this.#source);
    if (typeof text !== "string") return noText(this.#source, text);
    const parts = parseUrlParts(text);
    if (typeof parts === "string") return new StageFailure(`${this.#source.name} ${parts}`);
    const found = this.#found;
    for (let i = 0; i < PARTS.length; i++) found[i] = parts[PARTS[i]!];
    found[PARTS.length] = this.#keeps ? text : undefined;
    return this.#target.write(event, found, FOUND);
  }
}

/** Takes a URL apart. */
export const parseUrl = defineStage({
  type: "parse_url",
  summary: "Takes a URL apart into scheme, host, port, path, query and fragment",
  description: [
    "Gives `url.scheme`, `username`, `domain`, `port`, `path`, `extension`, `query` and `fragment`, those that the URL has, as they stand in it: nothing is decoded.",
    'A password is not taken out. `parse_kv` reads a query: `{ "field": "url.query", "pair_delimiter": "&", "quotes": "", "target": "labels" }`.',
  ].join("\n"),
  stability: "stable",
  schema,
  examples: [
    {
      title: "A whole URL, and what access logs have",
      options: {},
      input: [
        { url: { original: "https://ada@example.org:8443/a/b.html?room=1#top" } },
        { url: { original: "/chat?room=1" } },
      ],
      output: [
        {
          "url.original": "https://ada@example.org:8443/a/b.html?room=1#top",
          "url.scheme": "https",
          "url.username": "ada",
          "url.domain": "example.org",
          "url.port": 8443,
          "url.path": "/a/b.html",
          "url.extension": "html",
          "url.query": "room=1",
          "url.fragment": "top",
        },
        { "url.path": "/chat", "url.query": "room=1", "url.domain": null },
      ],
    },
  ],
  create: (options) => new ParseUrl(options),
});
