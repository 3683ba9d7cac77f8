import { readFile, rename } from "node:fs/promises";
import { systemErrorCode, WiretailError, errorMessage } from "../core/error.ts";
import { writeFileAtomic } from "./atomic-file.ts";

/**
 * Where every route of every partition got to. One JSON file, replaced as a whole:
 *
 *     { "format": 1, "partitions": { "<partition id>": {
 *         "source": "chat", "source_identity": "…", "identity": …,
 *         "routes": { "<pipeline>|<sink identity>": [position, resume, sent] },
 *         "in_journal": { "<pipeline>|<sink identity>": [[from, resume, to], …] } } },
 *       "pipelines": { "<pipeline>": "<its identity>" }, "knows_journal": true,
 *       "stages": { "<pipeline>": [{ "type": "rollup", "options": …, "state": …, "made": … }] } }
 *
 * `source_identity` and `pipelines` find renamed sources and pipelines again; files of older versions have neither.
 * `sent` is only there for sinks that look up what they may have sent before: nothing at or behind that position was
 * ever sent. What lies between `position` and `sent` may have been. `in_journal` says what before `position` only the
 * journal has; without `knows_journal`, an older version wrote the file and it is not known. `stages` is what stages
 * remember of all events that they were given before the file was written, which is never less than up to the positions.
 */
export interface CheckpointData {
  partitions: Record<string, PartitionCheckpoint>;
  /** What each pipeline was, by name. */
  pipelines?: Readonly<Record<string, string>>;
  knows_journal?: boolean;
  stages?: Readonly<Record<string, readonly KeptStage[]>>;
}

/** What a stage of a pipeline remembers. */
export interface KeptStage {
  readonly type: string;
  /** What it was made with: with others its state means nothing. */
  readonly options: unknown;
  readonly state: unknown;
  /** The events that it makes have a partition of their own, in which they are numbered from 0. */
  readonly made?: {
    readonly partition: string;
    /** The number of the next one. */
    readonly next: number;
    /** Those that not every sink has, in order. */
    readonly waiting: readonly (readonly [number: number, timeMs: number, fields: Readonly<Record<string, unknown>>])[];
  };
}
export interface PartitionCheckpoint {
  source: string;
  /** What the source was when it last opened the partition. */
  source_identity?: string;
  identity: unknown;
  routes: Record<string, readonly [position: number, resume: unknown, sent?: number]>;
  in_journal?: Record<string, readonly (readonly [from: number, resume: unknown, to: number])[]>;
}

/**
 * Reads it. `damage` says what was wrong with a file that had to be set aside (it is then beside it, renamed, unless
 * `keepDamaged`).
 */
export async function readCheckpoint(
  path: string,
  options: { readonly keepDamaged?: boolean } = {},
): Promise<{ data: CheckpointData; damage: string | undefined }> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if (systemErrorCode(error) === "ENOENT") return { data: { partitions: {} }, damage: undefined };
    throw new WiretailError("WT_STATE_UNWRITABLE", `cannot read ${path}: ${errorMessage(error)}`, { cause: error });
  }
  const problem = { text: "" };
  const data = parse(text, problem);
  if (data !== undefined) return { data, damage: undefined };
  if (options.keepDamaged === true) return { data: { partitions: {} }, damage: `${path} is damaged (${problem.text})` };
  const aside = `${path}.damaged-${Date.now()}`;
  await rename(path, aside);
  return {
    data: { partitions: {} },
    damage: `${path} is damaged (${problem.text}); kept as ${aside}, starting without it`,
  };
}

/** `stages` may be given as JSON, by pipeline. */
export async function writeCheckpoint(
  path: string,
  data: CheckpointData,
  stages: ReadonlyMap<string, string> = new Map(),
): Promise<void> {
  let text = JSON.stringify({ format: 1, ...data });
  if (stages.size > 0) {
    const members = [...stages].map(([pipeline, json]) => `${JSON.stringify(pipeline)}:${json}`);
    text = `${text.slice(0, -1)},"stages":{${members.join(",")}}}`;
  }
  await writeFileAtomic(path, text + "\n");
}

function parse(text: string, problem: { text: string }): CheckpointData | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    problem.text = errorMessage(error);
    return undefined;
  }
  if (typeof value !== "object" || value === null || (value as { format?: unknown }).format !== 1) {
    problem.text = "not a checkpoint of format 1";
    return undefined;
  }
  const partitions = (value as { partitions?: unknown }).partitions;
  if (typeof partitions !== "object" || partitions === null || !Object.values(partitions).every(isPartition)) {
    problem.text = "a partition entry has the wrong shape";
    return undefined;
  }
  const { pipelines = {}, knows_journal } = value as { pipelines?: unknown; knows_journal?: unknown };
  if (
    typeof pipelines !== "object" ||
    pipelines === null ||
    Object.values(pipelines).some((each) => typeof each !== "string")
  ) {
    problem.text = "the list of pipelines has the wrong shape";
    return undefined;
  }
  const { stages } = value as { stages?: unknown };
  if (stages !== undefined && !isStages(stages)) {
    problem.text = "what stages keep has the wrong shape";
    return undefined;
  }
  return {
    partitions: partitions as Record<string, PartitionCheckpoint>,
    pipelines: pipelines as Record<string, string>,
    ...(knows_journal === true ? { knows_journal } : {}),
    ...(stages === undefined ? {} : { stages }),
  };
}

function isStages(value: unknown): value is NonNullable<CheckpointData["stages"]> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  return Object.values(value).every((list: unknown) => Array.isArray(list) && list.every(isKeptStage));
}

function isKeptStage(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const { type, made } = value as { type?: unknown; made?: unknown };
  if (typeof type !== "string") return false;
  if (made === undefined) return true;
  if (typeof made !== "object" || made === null) return false;
  const { partition, next, waiting } = made as Record<"partition" | "next" | "waiting", unknown>;
  if (typeof partition !== "string" || !isPosition(next) || !Array.isArray(waiting)) return false;
  return waiting.every(
    (each: unknown) =>
      Array.isArray(each) &&
      each.length === 3 &&
      isPosition(each[0]) &&
      typeof each[1] === "number" &&
      typeof each[2] === "object" &&
      each[2] !== null,
  );
}

function isPartition(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  type Key = "source" | "source_identity" | "routes" | "in_journal";
  const { source, source_identity, routes, in_journal = {} } = value as Record<Key, unknown>;
  if (source_identity !== undefined && typeof source_identity !== "string") return false;
  if (typeof source !== "string" || typeof routes !== "object" || routes === null) return false;
  if (typeof in_journal !== "object" || in_journal === null) return false;
  return (
    Object.values(routes).every(
      (entry: unknown) =>
        Array.isArray(entry) &&
        (entry.length === 2 || (entry.length === 3 && isPosition(entry[2]))) &&
        isPosition(entry[0]),
    ) && Object.values(in_journal).every((ranges: unknown) => Array.isArray(ranges) && ranges.every(isRange))
  );
}

function isRange(value: unknown): boolean {
  return Array.isArray(value) && value.length === 3 && isPosition(value[0]) && isPosition(value[2]);
}

function isPosition(value: unknown): boolean {
  return typeof value === "number" && value >= 0;
}
