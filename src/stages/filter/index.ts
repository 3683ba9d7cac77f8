import { parseKql } from "../../codec/kql/parse.ts";
import { compilePredicate } from "../../codec/kql/predicate.ts";
import { defineStage, DROP } from "../../core/component.ts";
import { t } from "../../core/schema.ts";

const schema = t.object({
  keep: t.optional(t.string({ description: "KQL: events that do not match are left out.", "x-syntax": "kql" })),
  drop: t.optional(t.string({ description: "KQL: events that match are left out.", "x-syntax": "kql" })),
});

/** Leaves events out by a KQL query. */
export const filter = defineStage({
  type: "filter",
  drops: true,
  summary: "Leaves events out by a KQL query",
  description:
    "Give `keep` or `drop`, not both. What is left out is counted as dropped by this stage; it is not an error.",
  stability: "stable",
  schema,
  examples: [
    {
      title: "Only what went wrong",
      options: { keep: "http.response.status_code >= 500 or log.level: error" },
      input: [{ http: { response: { status_code: 502 } } }, { http: { response: { status_code: 200 } } }],
      output: [{ "http.response.status_code": 502 }],
    },
    {
      title: "No health checks",
      options: { drop: 'url.original: "/healthz"' },
      input: [{ url: { original: "/healthz" } }, { url: { original: "/" } }],
      output: [{ "url.original": "/" }],
    },
  ],
  validate: (options) =>
    (options.keep === undefined) === (options.drop === undefined) ? [["", "give one of keep and drop"] as const] : [],
  create: (options) => {
    const query = options.keep ?? options.drop ?? "";
    const matches = compilePredicate(parseKql(query));
    const keeps = options.keep !== undefined;
    return { plan: { kind: "filter", query, keeps }, apply: (event) => (matches(event) === keeps ? undefined : DROP) };
  },
});
