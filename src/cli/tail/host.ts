import { resolve } from "node:path";
import { WiretailError } from "../../core/error.ts";
import { loadConfig, type ComponentLists } from "../../runtime/config/load.ts";
import { realWorld } from "../../runtime/config/pipeline-file.ts";
import { formatProblem } from "../../runtime/config/problems.ts";
import type { HostConfig } from "../../runtime/config/types.ts";
import { CONTINUATION_PATTERN } from "../../runtime/recognition/continuation.ts";
import type { Destination } from "./destination.ts";

/** Inputs of one format. */
export interface Group {
  /** Patterns for the file source; undefined: standard input. */
  readonly include: readonly string[] | undefined;
  /** A shipped pipeline or a path; undefined: text. */
  readonly format: string | undefined;
}

export interface HostParts {
  readonly groups: readonly Group[];
  readonly stateDir: string;
  /** KQL: only these events are shown. */
  readonly where: string | undefined;
  readonly destination: Destination | undefined;
}

/** In the working directory, so that relative paths of `--format` begin there. It does not exist. */
const FILE = "wiretail-tail.json";

/** The configuration that `tail` runs an agent with: the same that a host file would say. */
export async function tailHost(parts: HostParts, components: ComponentLists): Promise<HostConfig> {
  const text = JSON.stringify(hostFile(parts));
  const world = realWorld();
  const { config, problems } = await loadConfig(FILE, {
    components,
    env: world.env,
    readFile: (path) => (resolve(path) === resolve(FILE) ? text : world.readFile(path)),
    // There may be a conf.d here that belongs to something else.
    readDir: (path) => (resolve(path) === resolve("conf.d") ? [] : world.readDir(path)),
  });
  if (config !== undefined) return config;
  const errors = problems.filter((problem) => problem.severity === "error");
  const own = errors.filter(({ location }) => location.file === FILE).map(({ message }) => message);
  const rest = errors.filter(({ location }) => location.file !== FILE).map(formatProblem);
  throw new WiretailError("WT_CONFIG_INVALID", [...rest, ...own].join("\n"));
}

function hostFile({ groups, stateDir, where, destination }: HostParts): object {
  const multiline = { continuation_pattern: CONTINUATION_PATTERN, flush_timeout_ms: 300, allow_backtracking: true };
  const file = (include: readonly string[], format: string | undefined): object => ({
    ...{ type: "file", include, multiline, idle_line_flush_ms: 500 },
    // The last lines mean nothing without the header, which may be far before them.
    ...(format === "w3c" ? { header_prefix: "#Fields:" } : {}),
  });
  const sources = groups.map(({ include, format }, i) => [
    `in-${i}`,
    include === undefined ? { type: "stdin" } : file(include, format),
  ]);
  const pipelines = groups.map(({ format }, i) => [
    `lines-${i}`,
    {
      from: [`in-${i}`],
      stages: [
        { reached: {} },
        ...(format === undefined ? [] : [{ use: format }]),
        ...(where === undefined ? [] : [{ filter: { keep: where } }]),
        { show: { group: i } },
      ],
      to: ["to"],
    },
  ]);
  return {
    state_dir: stateDir,
    log: { level: "warn" },
    // Files are there to be read again, and standard input waits.
    journal: { max_bytes: 0 },
    sources: Object.fromEntries(sources) as object,
    pipelines: Object.fromEntries(pipelines) as object,
    sinks: { to: destination === undefined ? { type: "shown" } : destination.options },
  };
}
