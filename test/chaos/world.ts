import type { ElasticsearchServer } from "../support/servers/elasticsearch.ts";
import type { ElasticsearchProbe } from "../support/servers/elasticsearch-client.ts";
import type { FaultProxy } from "../support/doubles/fault-proxy.ts";
import type { ChaosAgent } from "./chaos-agent.ts";
import type { CloudWatchCalls } from "./cloudwatch-calls.ts";
import type { HostVariant } from "./host-config.ts";
import type { LogFile, Unreadable } from "./log-file.ts";

/** All that a fault may lay hands on. */
export interface World {
  readonly folder: string;
  readonly stateDir: string;
  /** Below it all logs are. */
  readonly logDir: string;
  readonly agent: ChaosAgent;
  readonly elasticsearch: ElasticsearchServer;
  readonly probe: ElasticsearchProbe;
  readonly elasticsearchProxy: FaultProxy;
  readonly cloudwatchProxy: FaultProxy;
  readonly cloudwatchCalls: CloudWatchCalls;
  readonly dataStream: string;
  /** As the agent is set. */
  readonly memoryBudgetBytes: number;
  /** Logs that are written to all the time. */
  readonly writing: LogFile[];
  /** All there are, also those that were written once. */
  readonly logs: LogFile[];
  /** What was destroyed before it was read. */
  readonly unreadable: Unreadable[];
  /** All lines of files that are gone. */
  readonly destroyed: Set<string>;
  /** Lists what of a log's present file is not settled now, as unreadable; returns how many lines. Within `alone`. */
  list(log: LogFile, why: string): Promise<number>;
  /** Writes the agent's configuration. */
  writeHost(variant: HostVariant): Promise<void>;
  /** Why single faults may make dead letters that are no conflicts. */
  readonly allowedDeadLetters: Set<"too_large">;
}

/** Faults of a lane come one after the other; those of different lanes at the same time. */
export type Lane = "agent" | "files" | "elasticsearch" | "cloudwatch" | "host";

/** What a drawn fault is told, to be printed. */
export type Draw = Readonly<Record<string, string | number | boolean>>;

export interface FaultKind {
  readonly name: string;
  readonly lane: Lane;
  /** How often it is drawn, against 1. */
  readonly weight: number;
  /** Draws how it goes: the same for the same random numbers. */
  draw(random: () => number): Draw;
  /** Does it, undoes it, and says what came of it. `random` is the fault's own. */
  run(world: World, draw: Draw, random: () => number): Promise<string>;
}

export function between(random: () => number, from: number, to: number): number {
  return Math.round(from + random() * (to - from));
}

export function pick<T>(random: () => number, items: readonly T[]): T {
  const item = items[Math.floor(random() * items.length)];
  if (item === undefined) throw new Error("nothing to choose from");
  return item;
}
