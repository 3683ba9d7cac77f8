import { join } from "node:path";

/** What differs from one reload to the next. */
export interface HostVariant {
  readonly elasticsearchName: string;
  readonly maxAgeMs: number;
  readonly reversed: boolean;
}

export const FIRST_VARIANT: HostVariant = { elasticsearchName: "es", maxAgeMs: 50, reversed: false };

/** Bytes of a line; the rest is given up, and counted. */
export const MAX_LINE_BYTES = 200_000;
/** Milliseconds after which a line without its end is sent. */
export const IDLE_FLUSH_MS = 5_000;

/** How the agent of a run is set: the same for the same random numbers. */
export interface HostDraw {
  readonly readChunkBytes: number;
  readonly maxOpenFiles: number;
  readonly memoryBudgetBytes: number;
  readonly compression: "gzip" | "none";
}

export interface HostParts {
  readonly folder: string;
  readonly stateDir: string;
  readonly logDir: string;
  readonly elasticsearchUrl: string;
  readonly cloudwatchUrl: string;
  readonly dataset: string;
  readonly draw: HostDraw;
}

export const GROUP_STREAM = "all";

/** The agent's configuration: two sources, two pipelines, three sinks. */
export function hostConfig(parts: HostParts, variant: HostVariant): Record<string, unknown> {
  const { folder, stateDir, logDir, draw, dataset } = parts;
  const batch = { max_age_ms: variant.maxAgeMs };
  const source = (...include: string[]) => ({
    type: "file",
    include: include.map((pattern) => join(logDir, pattern)),
    read_chunk_bytes: draw.readChunkBytes,
    max_open_files: draw.maxOpenFiles,
    max_line_bytes: MAX_LINE_BYTES,
    idle_line_flush_ms: IDLE_FLUSH_MS,
    poll_interval_ms: 200,
    rotate_grace_ms: 1_500,
  });
  const es = variant.elasticsearchName;
  const to = variant.reversed ? ["here", "cw", es] : [es, "cw", "here"];
  const inOrder = (parts: Record<string, unknown>) =>
    variant.reversed ? Object.fromEntries(Object.entries(parts).reverse()) : parts;
  return {
    state_dir: stateDir,
    http: { address: "127.0.0.1:0" },
    memory_budget_bytes: draw.memoryBudgetBytes,
    shutdown_timeout_ms: 4_000,
    sources: inOrder({
      // Rotated names match in one folder and do not in the other.
      text: source("in/*.log*", "out/*.log", "many/**/*.log"),
      json: source("json/*.log"),
    }),
    pipelines: {
      text: { from: ["text"], to },
      json: { from: ["json"], stages: [{ parse_json: {} }], to },
    },
    sinks: inOrder({
      [es]: {
        type: "elasticsearch",
        nodes: [parts.elasticsearchUrl],
        data_stream: { dataset },
        compression: draw.compression,
        request_timeout_ms: 3_000,
        batch,
      },
      cw: {
        ...{ type: "cloudwatch_logs", endpoint: parts.cloudwatchUrl, region: "eu-west-1" },
        ...{ log_group_name: dataset, log_stream_name: GROUP_STREAM, message: "original", request_timeout_ms: 3_000 },
        ...{ access_key_id: "AKIDEXAMPLE", secret_access_key: "secret", batch },
      },
      here: { type: "local", path: join(folder, "store"), segment: { max_bytes: 4_000_000 }, batch },
    }),
  };
}
