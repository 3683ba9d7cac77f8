import type { GatheredEvent } from "../core/component.ts";
import type { Envelope } from "../core/event.ts";
import { LogEvent } from "../core/event.ts";
import { Path } from "../core/path.ts";

const MESSAGE = new Path("message");

/** An envelope without any field: what events of pipeline tests have. */
export const EMPTY_ENVELOPE: Envelope = { paths: [], values: [], offsetPath: undefined };

/**
 * An event made by hand, for pipeline tests and `try`: of a line, or of a document (whose `@timestamp`, if it has one,
 * is the event's time). `offset` is its place in the input.
 */
export function sampleEvent(
  input: unknown,
  timeMs: number,
  offset: number,
  envelope: Envelope = EMPTY_ENVELOPE,
): LogEvent {
  if (typeof input === "string") return new LogEvent(input, timeMs, offset, envelope);
  const document = input as Readonly<Record<string, unknown>>;
  const message = document["message"];
  const event = new LogEvent(
    typeof message === "string" ? message : JSON.stringify(document),
    timeMs,
    offset,
    envelope,
  );
  event.delete(MESSAGE);
  for (const [key, value] of Object.entries(document)) event.setTopLevel(key, structuredClone(value));
  return event;
}

/** The event of a document that a stage made. Its line is that document. */
export function madeEvent({ timeMs, fields }: GatheredEvent, offset: number, envelope: Envelope): LogEvent {
  const event = new LogEvent("", timeMs, offset, envelope);
  event.delete(MESSAGE);
  for (const [key, value] of Object.entries(fields)) event.setTopLevel(key, value);
  event.line = JSON.stringify(event.toObject());
  return event;
}
