import { resolve } from "node:path";
import type { Place } from "./document.ts";
import { SETTINGS, type SettingName, type Settings } from "./host-schema.ts";
import type { MergedHost } from "./merge.ts";
import type { ProblemList } from "./problems.ts";
import { resolveValue, type ConfigWorld } from "./secrets.ts";
import type { HostConfig } from "./types.ts";
import { checkSyntax } from "./syntax.ts";
import { describeValue, validateValue } from "./validate.ts";

export type HostSettings = Omit<HostConfig, "file" | "sources" | "pipelines" | "sinks">;

/** The settings of a host with defaults, or undefined when there are faults (which are then in `problems`). */
export function readSettings(host: MergedHost, world: ConfigWorld, problems: ProblemList): HostSettings | undefined {
  const before = problems.errorCount;
  const read = <N extends SettingName>(name: N): unknown =>
    readSetting(name, host.settings.get(name) ?? [], world, problems);
  read("$schema");
  const settings = {
    state_dir: read("state_dir"),
    memory_budget_bytes: read("memory_budget_bytes"),
    shutdown_timeout_ms: read("shutdown_timeout_ms"),
    log: read("log"),
    dead_letters: read("dead_letters"),
    journal: read("journal"),
    http: host.settings.has("http") ? read("http") : undefined,
  } as Settings;
  if (problems.errorCount > before) return undefined;
  const httpPlace =
    host.settings.get("http")?.find((place) => place.members().has("address")) ?? host.settings.get("http")?.[0];
  const http = settings.http === undefined ? undefined : readAddress(settings.http, httpPlace!, problems);
  const stateDirPlace = host.settings.get("state_dir")?.[0];
  return {
    stateDir: resolve(stateDirPlace?.document.folder ?? ".", settings.state_dir),
    memoryBudgetBytes: settings.memory_budget_bytes,
    shutdownTimeoutMs: settings.shutdown_timeout_ms,
    log: settings.log,
    http,
    deadLetters: {
      maxBytes: settings.dead_letters.max_bytes,
      maxAgeMs: settings.dead_letters.max_age_ms,
      whenFull: settings.dead_letters.when_full,
    },
    journal: { maxBytes: settings.journal.max_bytes },
  };
}

/** One setting from all places that say something of it: objects are merged by key. */
function readSetting(name: SettingName, places: readonly Place[], world: ConfigWorld, problems: ProblemList): unknown {
  const schema = SETTINGS[name];
  const values = places.map((place) => {
    const { value, secretPointers } = resolveValue(place, world, problems);
    const isValid = validateValue(schema, structuredClone(value), place, problems, { word: "setting", secretPointers });
    if (isValid) checkSyntax(schema, value, place, problems);
    return isValid ? value : undefined;
  });
  if (schema.type !== "object") return values[0] ?? schema.default;
  const merged: Record<string, unknown> = {};
  for (const value of values) Object.assign(merged, value);
  const place = places[0];
  if (place !== undefined) validateValue(schema, merged, place, problems, { word: "setting" });
  else for (const [key, member] of Object.entries(schema.properties ?? {})) merged[key] = member.default;
  return merged;
}

/** Splits `address:port` and refuses addresses that others can reach, unless that is asked for. */
function readAddress(
  http: { address: string; allow_remote: boolean },
  place: Place,
  problems: ProblemList,
): HostConfig["http"] {
  const at = place.descend("/address").location;
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(http.address);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || port > 65_535) {
    problems.error(
      at,
      `found ${describeValue(http.address)}, expected address:port such as "127.0.0.1:9600" or "[::1]:9600"`,
    );
    return undefined;
  }
  if (!isLoopback(host) && !http.allow_remote) {
    problems.error(
      at,
      `found ${describeValue(http.address)}, expected an address of this host only, such as "127.0.0.1:${port}": there is no authentication`,
      'to let other hosts read metrics all the same, say "allow_remote": true',
    );
  }
  return { host, port };
}

/** Whether only this host can reach the address. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host);
}
