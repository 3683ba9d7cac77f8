import { parseUrlParts, type UrlParts } from "../../codec/url.ts";
import { defineStage } from "../../core/component.ts";
import type { StagePlan } from "../../core/plan.ts";
import { t } from "../../core/schema.ts";
import { TextParts, type TextPartsOptions } from "../text-parts.ts";

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

function takeUrlApart(text: string, found: unknown[]): string | undefined {
  const parts = parseUrlParts(text);
  if (typeof parts === "string") return parts;
  for (let i = 0; i < PARTS.length; i++) found[i] = parts[PARTS[i]!];
  return undefined;
}

/** Of URLs with a user, an address in brackets and the like only `apply` knows. */
function planOf({ field, target, keep_field: keepsField }: TextPartsOptions): StagePlan {
  const captures = PARTS.map((part, i) => {
    const take = part === "port" ? ("integer" as const) : ("present" as const);
    return { group: i + 1, field: `${target}.${part}`, take };
  });
  const source = { kind: "url" } as const;
  const pattern = { source, captures, ips: [], needs: [], time: undefined, absent: "", escape: "none" } as const;
  return { kind: "parse_text", field, patterns: [pattern], keepsOriginal: false, keepsField };
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
  create: (options) => new TextParts(options, PARTS, takeUrlApart, planOf(options)),
});
