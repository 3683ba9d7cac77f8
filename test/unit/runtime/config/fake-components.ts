import { defineSink, defineSource, defineStage } from "../../../../src/core/component.ts";
import { DELIVERED } from "../../../../src/core/component.ts";
import { WiretailError } from "../../../../src/core/error.ts";
import { JSON_ENCODING } from "../../../../src/core/batch.ts";
import { t } from "../../../../src/core/schema.ts";
import type { ComponentLists } from "../../../../src/runtime/config/load.ts";

// Small components with every kind of option: the loader must not depend on the real ones.

const tail = defineSource({
  type: "tail",
  summary: "A source for tests",
  stability: "stable",
  rereadable: true,
  schema: t.object({
    include: t.array(t.string({ "x-syntax": "glob" }), {
      description: "Patterns of files.",
      minItems: 1,
      "x-identity": true,
    }),
    exclude: t.array(t.string({ "x-syntax": "glob" }), { description: "Patterns to leave out.", default: [] }),
    start_at: t.enum(["beginning", "end"], { description: "Where new files begin.", default: "beginning" }),
    start_pattern: t.optional(t.string({ description: "The first line of an event.", "x-syntax": "regex" })),
    max_line_bytes: t.integer({
      description: "Bytes of a line.",
      default: 1_048_576,
      minimum: 16,
      maximum: 16_777_216,
    }),
  }),
  examples: [],
  create: () => ({ run: async () => undefined, inputs: () => [] }),
});

const label = defineStage({
  type: "label",
  summary: "A stage for tests",
  stability: "stable",
  schema: t.object({
    field: t.string({ description: "The field to set.", "x-syntax": "field" }),
    value: t.anyOf([t.string(), t.integer(), t.object({ copy: t.string(), trim: t.boolean({ default: true }) })], {
      description: "What to set it to.",
    }),
    pattern: t.optional(t.string({ description: "Compiled by the stage." })),
  }),
  examples: [],
  create: ({ pattern }) => {
    if (pattern?.includes("(a+)+") === true)
      throw new WiretailError("WT_PATTERN_REFUSED", "this pattern may take exponential time", { hint: "simplify it" });
    return { apply: () => undefined };
  },
});

const server = defineSink({
  type: "server",
  summary: "A sink for tests",
  stability: "stable",
  schema: t.object({
    endpoint: t.string({ description: "URL of the server. More follows.", "x-identity": true }),
    api_key: t.optional(t.secret({ description: "The key." })),
    index: t.string({ description: "Index.", default: "logs-{date}", "x-syntax": "template", "x-identity": true }),
    gzip: t.boolean({ description: "Compress.", default: true }),
    retries: t.number({ description: "Tries.", default: 1.5 }),
    headers: t.map(t.string(), { description: "Headers.", default: {} }),
  }),
  examples: [],
  validate: ({ endpoint }) =>
    endpoint.startsWith("http") ? [] : [["/endpoint", `found "${endpoint}", expected a URL that begins with http`]],
  create: () => ({
    encoding: JSON_ENCODING,
    limits: { maxBytes: 1000, maxEvents: 10, maxAgeMs: 100, concurrency: 1 },
    write: async () => DELIVERED,
    close: async () => undefined,
  }),
});

const disk = defineSink({
  type: "disk",
  summary: "A sink with a path, for tests",
  stability: "stable",
  schema: t.object({ path: t.string({ description: "The file.", "x-syntax": "path", "x-identity": true }) }),
  examples: [],
  create: () => ({
    encoding: JSON_ENCODING,
    limits: { maxBytes: 1000, maxEvents: 10, maxAgeMs: 100, concurrency: 1 },
    write: async () => DELIVERED,
    close: async () => undefined,
  }),
});

export const components: ComponentLists = { sources: [tail], stages: [label], sinks: [server, disk] };
