import type { Envelope } from "../core/event.ts";
import { LogEvent } from "../core/event.ts";
import { KeySequence } from "../core/key-sequence.ts";
import { Path } from "../core/path.ts";

const MESSAGE = new Path("message");
const keys = new KeySequence();

/**
 * The event of a document that a source made (`LineBatch.areDocuments`): its members are the event's fields, its
 * `@timestamp` is the event's time; without one that is `timeMs`. Text that is no JSON object is a message.
 */
export function documentEvent(
  text: string,
  timeMs: number,
  offset: number,
  envelope: Envelope,
  subIndex = 0,
): LogEvent {
  const event = new LogEvent(text, timeMs, offset, envelope, subIndex);
  const members = parseObject(text);
  if (members === undefined) return event;
  event.delete(MESSAGE);
  keys.setAll(event, members);
  return event;
}

function parseObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as never) : undefined;
  } catch {
    return undefined;
  }
}
