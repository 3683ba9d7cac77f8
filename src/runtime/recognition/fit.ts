import type { LogEvent } from "../../core/event.ts";
import type { PipelineFile } from "../config/pipeline-file.ts";
import { sampleEvent } from "../sample-events.ts";
import { StageChain } from "../stage-chain.ts";

/** How well lines fit one format. */
export interface Fit {
  /** The pipeline's name. */
  readonly name: string;
  /** Lines that it understood. */
  readonly fits: number;
  /** Lines that it was given and did not leave out on purpose, such as the headers of W3C logs. */
  readonly lines: number;
  /** What it found in each line: a field counts 1, a message or a level 1.5. NaN: it did not understand the line. */
  readonly gains: Float64Array;
  /** How many stages it has: of two that find the same, the one with fewer is the plainer. */
  readonly stages: number;
  /** The type of its first stage: what it takes lines for. */
  readonly begins: string | undefined;
}

/** Fields without which lines are more likely something plainer, by pipeline. */
const EXPECTED: ReadonlyMap<string, readonly string[]> = new Map([["docker", ["stream"]]]);

/** Fields that a pipeline gives to every event, or that say that it failed. */
const SAYS_NOTHING = new Set(["@timestamp", "event", "error", "ecs", "host", "data_stream"]);

/** What stands where a host's name would be, in lines that only look like syslog. */
const NO_HOST = /^(?:[A-Z]+|[\[(<].*|.*[\])>:,=])$/;

/** Runs the lines through a pipeline of its own and counts what it makes of them. Nothing is kept of it. */
export function fitOf(pipeline: PipelineFile, lines: readonly string[], nowMs: number): Fit {
  // A time that no line has: an event that still has it was given none.
  const noTimeMs = Math.floor(nowMs) + 0.125;
  const chain = new StageChain(pipeline.stages, () => nowMs);
  let fits = 0;
  let leftOut = 0;
  const gains = new Float64Array(lines.length).fill(NaN);
  const expected = EXPECTED.get(pipeline.name) ?? [];
  try {
    for (const [i, line] of lines.entries()) {
      let refused = false;
      const events = chain.run([sampleEvent(line, noTimeMs, i)], () => void (refused = true));
      if (events.length === 0) {
        if (!refused) leftOut++;
        continue;
      }
      const found = gainOf(events[0]!, line, noTimeMs, expected);
      if (found === undefined) continue;
      fits++;
      gains[i] = found;
    }
  } finally {
    chain.close();
  }
  return {
    ...{ name: pipeline.name, fits, lines: lines.length - leftOut, gains },
    ...{ stages: pipeline.stages.length, begins: pipeline.stages[0]?.definition.type },
  };
}

/** What was found in a line, or undefined when it was not understood. */
function gainOf(event: LogEvent, line: string, noTimeMs: number, expected: readonly string[]): number | undefined {
  const document = event.toObject();
  if (document["error"] !== undefined && hasMessage(document["error"])) return undefined;
  const fields = new Map<string, unknown>();
  collect(document, "", fields);
  const message = document["message"];
  const hasText = typeof message === "string" && message.length < line.length;
  const level = fields.get("log.level");
  const hasTime = event.timeMs !== noTimeMs;
  if (!hasTime && !(hasText && level !== undefined) && !isJsonObject(line)) return undefined;
  if (!isPlausibleSyslog(fields) || !expected.every((field) => fields.has(field))) return undefined;
  let gain = 0;
  for (const name of fields.keys()) if (name !== "message" && name !== "log.level") gain++;
  return gain + (hasText ? 1.5 : 0) + (level === undefined ? 0 : 1.5);
}

function hasMessage(error: unknown): boolean {
  return typeof (error as { message?: unknown } | null)?.message === "string";
}

/**
 * A time, a word and some text are no proof of syslog, although its grammar allows them: logs of many programs begin so.
 * A program's name or a priority is.
 */
function isPlausibleSyslog(fields: ReadonlyMap<string, unknown>): boolean {
  const host = fields.get("log.syslog.hostname");
  if (fields.has("log.syslog.priority")) return true;
  if (host === undefined) return !fields.has("log.syslog.appname") || fields.has("process.pid");
  return fields.has("process.name") && typeof host === "string" && !NO_HOST.test(host);
}

function isJsonObject(line: string): boolean {
  if (!line.startsWith("{") || !line.trimEnd().endsWith("}")) return false;
  try {
    return Object.keys(JSON.parse(line) as object).length > 1;
  } catch {
    return false;
  }
}

/** The document's fields by their whole names, without those that say nothing. */
function collect(object: object, prefix: string, into: Map<string, unknown>): void {
  for (const [key, value] of Object.entries(object) as [string, unknown][]) {
    if (prefix === "" && SAYS_NOTHING.has(key)) continue;
    const isGroup = typeof value === "object" && value !== null && !Array.isArray(value);
    if (isGroup) collect(value, `${prefix}${key}.`, into);
    else into.set(prefix + key, value);
  }
}
