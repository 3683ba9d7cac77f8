import { Ajv } from "ajv";
import { DROP, StageFailure, type AnyStage, type Stage } from "../../src/core/component.ts";
import { LogEvent, type Envelope } from "../../src/core/event.ts";
import { Path } from "../../src/core/path.ts";

/** The clock of stage tests: 2026-11-21T10:00:00Z. */
export const TEST_NOW_MS = Date.parse("2026-11-21T10:00:00Z");

export const TEST_ENVELOPE: Envelope = {
  paths: ["host.name", "ecs.version", "log.file.path"].map((name) => new Path(name)),
  values: ["test-host", "8.17.0", "/var/log/test.log"],
  offsetPath: new Path("log.offset"),
};

/** An event as a source would make it of a line, or with the fields of a document. */
export function eventOf(input: string | Readonly<Record<string, unknown>>, offset = 0): LogEvent {
  if (typeof input === "string") return new LogEvent(input, TEST_NOW_MS, offset, TEST_ENVELOPE);
  const event = new LogEvent("", TEST_NOW_MS, offset, TEST_ENVELOPE);
  event.delete(new Path("message"));
  for (const [key, value] of Object.entries(structuredClone(input))) event.setTopLevel(key, value);
  return event;
}

/** A stage from options as a user writes them: validated and with defaults, as the runtime does. */
export function stageOf(definition: AnyStage, options: Readonly<Record<string, unknown>>): Stage {
  const validated = structuredClone(options);
  const ajv = new Ajv({ useDefaults: true, strict: false, allErrors: true });
  if (!ajv.validate(definition.schema, validated)) throw new Error(ajv.errorsText());
  const faults = definition.validate?.(validated) ?? [];
  if (faults.length > 0) throw new Error(faults.map((fault) => fault.join(" ")).join("; "));
  return definition.create(validated, { now: () => TEST_NOW_MS, baseDir: "." });
}

/** What a stage makes of an input: of the event what `taken` says, the reason of a failure, or "dropped". */
export function outcomeOf(
  definition: AnyStage,
  options: Readonly<Record<string, unknown>>,
  input: string | Readonly<Record<string, unknown>>,
  taken: (event: LogEvent) => unknown = ownFields,
): unknown {
  const event = eventOf(input);
  const outcome = stageOf(definition, options).apply(event);
  if (outcome instanceof StageFailure) return outcome.message;
  return outcome === DROP ? "dropped" : taken(event);
}

/** The fields of an event and its time, without those that its source gave it. */
export function timedFields(event: LogEvent): Record<string, unknown> {
  const { host: _host, ecs: _ecs, log: _log, ...fields } = event.toObject();
  return fields;
}

/** The same without the time. */
export function ownFields(event: LogEvent): Record<string, unknown> {
  const { "@timestamp": _time, ...own } = timedFields(event);
  return own;
}
