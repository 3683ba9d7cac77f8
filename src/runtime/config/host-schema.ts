import { t, type Infer, type Schema } from "../../core/schema.ts";

/**
 * The parts of a host file that are not components. `sources`, `pipelines` and `sinks` are maps by name and are read
 * by load.ts; the editor schema and the reference page are made of the same objects.
 */
export const SETTINGS = {
  $schema: t.string({ description: "Path of wiretail.schema.json, for completion in editors. The agent ignores it." }),
  state_dir: t.string({
    description:
      "Folder for checkpoints, dead letters and the control socket. A relative path starts at the file that says it.",
    default: "/var/lib/wiretail",
    minLength: 1,
    "x-syntax": "path",
  }),
  memory_budget_bytes: t.integer({
    description:
      "Bytes of encoded events that may wait in memory for sinks, all together. When it is used up, sources wait. Of more than 32 MiB half is used (at least these) while more would not help; it helps where servers are far, or a source cannot wait.",
    default: 64 * 1024 * 1024,
    minimum: 1024 * 1024,
  }),
  shutdown_timeout_ms: t.integer({
    description:
      "Milliseconds that SIGTERM may take to deliver what was read. What is left is read again at the next start.",
    default: 30_000,
    minimum: 0,
    maximum: 3_600_000,
  }),
  log: t.object(
    {
      format: t.enum(["text", "json"], {
        description: "How the agent writes its own messages to stderr.",
        default: "text",
      }),
      level: t.enum(["debug", "info", "warn", "error"], {
        description: "The least important messages that are written.",
        default: "info",
      }),
    },
    { description: "The agent's own messages, on stderr." },
  ),
  http: t.object(
    {
      address: t.string({
        description: "Where to listen for GET /metrics (Prometheus) and GET /healthz: address:port, IPv6 in brackets.",
        default: "127.0.0.1:9600",
      }),
      allow_remote: t.boolean({
        description: "Allow an address that other hosts can reach. There is no authentication.",
        default: false,
      }),
    },
    { description: "Metrics and health over HTTP. Off unless this is there; {} listens on 127.0.0.1:9600." },
  ),
  dead_letters: t.object(
    {
      max_bytes: t.integer({
        description: "Bytes of dead letters kept on disk. `when_full` says what happens when they are used up.",
        default: 256 * 1024 * 1024,
        minimum: 1024 * 1024,
      }),
      max_age_ms: t.optional(
        t.integer({
          description:
            "Dead letters older than this many milliseconds are removed, counted and logged. Not set: they stay.",
          minimum: 60_000,
        }),
      ),
      when_full: t.enum(["drop_oldest", "block"], {
        description:
          "What happens when `max_bytes` is used up: drop_oldest (the oldest eighth is removed, counted and logged) or block (what was refused stays queued, and its sink holds, until there is room: replay or purge some).",
        default: "drop_oldest",
      }),
    },
    { description: "Events that a sink or a stage refused, kept in state_dir with the reason." },
  ),
  journal: t.object(
    {
      max_bytes: t.integer({
        description:
          "Bytes of disk for events that wait for sinks that are behind, and for those that cannot be read again. 0: no journal; a sink that is down then stops all sources when memory is full.",
        default: 1024 * 1024 * 1024,
        minimum: 0,
      }),
    },
    { description: "The journal in state_dir: it lets a sink be down for long without holding up the others." },
  ),
} as const satisfies Record<string, Schema<unknown>>;

export type SettingName = keyof typeof SETTINGS;
export type Settings = { [K in Exclude<SettingName, "$schema" | "http">]: Infer<(typeof SETTINGS)[K]> } & {
  http?: Infer<(typeof SETTINGS)["http"]>;
};

/** The maps by name at the top of a host file. */
export const SECTIONS = {
  sources: "Where events come from, by name.",
  pipelines: "What happens to events between sources and sinks, by name.",
  sinks: "Where events go, by name.",
} as const;
export type SectionName = keyof typeof SECTIONS;

/** What every sink takes beside its own options. */
export const BATCH = t.object(
  {
    max_bytes: t.optional(
      t.integer({ description: "Bytes of documents in one call, at most.", minimum: 1024, maximum: 256 * 1024 * 1024 }),
    ),
    max_events: t.optional(t.integer({ description: "Events in one call, at most.", minimum: 1, maximum: 1_000_000 })),
    max_age_ms: t.optional(
      t.integer({
        description:
          "Milliseconds that an event waits for others before it is sent, at most. Once in that time what is there goes out " +
          "as soon as nothing more has come for 20 ms.",
        minimum: 1,
        maximum: 3_600_000,
      }),
    ),
    concurrency: t.optional(
      t.integer({
        description:
          "Calls at the same time, at most; 1 keeps the order. How many of them help, the agent finds out: see `allowed_requests` in `wiretail status --json`.",
        minimum: 1,
        maximum: 64,
      }),
    ),
  },
  { description: "How the sink's calls are filled. What is left out is the sink's own default." },
);

/** What else every sink takes beside its own options. */
export const WHEN_FULL = t.enum(["block", "drop_oldest", "reread"], {
  description:
    "What happens when the sink is behind and the journal is full: block (sources wait, for all sinks), drop_oldest (its oldest events are dropped, counted and logged) or reread (it gives up its share of the journal and later reads its inputs again; only where every source of it can be read again).",
  default: "block",
});

/** What every stage takes beside its own options. */
export const STAGE_COMMON = {
  when: t.string({
    description: "KQL. Only events that match go through the stage; the others pass it by.",
    "x-syntax": "kql",
  }),
  on_error: t.enum(["keep", "drop", "dead_letter"], {
    description:
      "What happens to an event that the stage cannot process: keep (it goes on, with the reason in error.message), drop (left out and counted) or dead_letter (written to the dead letters with the reason).",
    default: "keep",
  }),
} as const;

const stagesOf = t.array(t.any(), {
  description:
    'Stages in order. Each is an object with one key, the stage\'s type, or { "use": PIPELINE } for all stages of another pipeline file; with a "when" beside it, each of them goes by that condition too.',
});
const use = t.string({
  description:
    "A pipeline file: a path ending in .json, relative to the file that says it, or the name of a shipped pipeline.",
  minLength: 1,
});
const names = (description: string): Schema<string[]> =>
  t.array(t.string({ minLength: 1 }), { description, minItems: 1, uniqueItems: true });

/** One entry of `pipelines` in a host file. */
export const PIPELINE = t.object({
  from: names("Names of the sources that feed it."),
  to: names("Names of the sinks that get its events. Every one gets all of them."),
  stages: t.optional(stagesOf),
  use: t.optional(use),
  when: t.optional(
    t.string({
      description: "KQL. Only events that match enter the pipeline; the others are left out and counted.",
      "x-syntax": "kql",
    }),
  ),
});

/** One test of a pipeline file. */
export const PIPELINE_TEST = t.object({
  name: t.string({ description: "A sentence that states what holds.", minLength: 1 }),
  input: t.array(t.any(), { description: "Lines (strings) or events (objects) that go in.", minItems: 1 }),
  expect: t.array(t.map(t.any()), {
    description:
      "The events that come out, in order. Fields named here must be equal, null means absent, other fields are not looked at.",
  }),
  now: t.optional(
    t.string({
      description: "The time that the pipeline takes for now, ISO 8601; 2026-01-01T00:00:00Z when left out.",
    }),
  ),
});
export type PipelineTest = Infer<typeof PIPELINE_TEST>;

/** A pipeline file. */
export const PIPELINE_FILE = t.object({
  $schema: t.optional(t.string({ description: "For completion in editors." })),
  name: t.string({ description: "What it is called.", minLength: 1 }),
  description: t.optional(t.string({ description: "What it is for, in a sentence or two." })),
  stages: stagesOf,
  tests: t.array(PIPELINE_TEST, {
    description: "What it makes of which input; `wiretail test` runs them.",
    default: [],
  }),
});

/** Tests in a file of their own: `NAME.tests.json` beside the pipeline file `NAME.json`. */
export const TESTS_FILE = t.object({
  $schema: t.optional(t.string({ description: "For completion in editors." })),
  tests: t.array(PIPELINE_TEST, { description: "As in the pipeline file.", minItems: 1 }),
});
