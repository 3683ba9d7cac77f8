import type { LogEvent } from "../../core/event.ts";
import { Path } from "../../core/path.ts";
import { PLAIN, prettyLine } from "../../sinks/stdout/pretty.ts";
import { severityOfFields, severityOfText, type Severity } from "./severity.ts";
import type { Row } from "./view.ts";

const LEVEL = new Path("log.level");
const STATUS = new Path("http.response.status_code");
const MESSAGE = new Path("message");

/** How an event's row is made. */
export interface RowMaker {
  /** JSON lines are hard to read: time, level, message and fields are shown instead of the line. */
  readonly isPretty: boolean;
  readonly label: string | undefined;
}

/** The row of an event that went through its pipeline. */
export function rowOf(event: LogEvent, { isPretty, label }: RowMaker): Row {
  return { label, lines: isPretty ? prettyLines(event) : event.line.split("\n"), severity: severityOf(event) };
}

function severityOf(event: LogEvent): Severity {
  return severityOfFields(event.get(LEVEL), event.get(STATUS)) ?? severityOfText(event.line);
}

function prettyLines(event: LogEvent): string[] {
  const message = event.get(MESSAGE);
  if (message === event.line) return event.line.split("\n");
  const [first = "", ...more] = typeof message === "string" ? message.trimEnd().split("\n") : [];
  const line = prettyLine({ ...event.toObject(), message: first }, PLAIN).trimEnd();
  return [line, ...more];
}
