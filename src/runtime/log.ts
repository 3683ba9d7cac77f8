import type { Log } from "../core/component.ts";

export type LogLevel = "debug" | "info" | "warn" | "error";
const LEVELS: readonly LogLevel[] = ["debug", "info", "warn", "error"];

export interface LogOptions {
  readonly format: "text" | "json";
  readonly level: LogLevel;
  /** Where lines go: standard error. */
  readonly write: (line: string) => void;
  readonly now: () => number;
}

/**
 * The agent's own log: one line a message, text for people or JSON for programs. Equal messages of a component are
 * written once and then at most every ten seconds, with how often they came.
 */
export function createLog(options: LogOptions, component?: string): Log {
  const recent = new Map<string, { atMs: number; suppressed: number }>();
  const say = (level: LogLevel, message: string, fields?: Record<string, unknown>): void => {
    if (LEVELS.indexOf(level) < LEVELS.indexOf(options.level)) return;
    const now = options.now();
    // What the agent itself did (started, reloaded) is news each time.
    const isNews = component === undefined && level === "info";
    const last = isNews ? undefined : recent.get(message);
    if (last !== undefined && now - last.atMs < REPEAT_MS) {
      last.suppressed++;
      return;
    }
    if (recent.size > 1000) recent.clear();
    if (!isNews) recent.set(message, { atMs: now, suppressed: 0 });
    const all = last !== undefined && last.suppressed > 0 ? { ...fields, repeated: last.suppressed } : fields;
    options.write(
      options.format === "json"
        ? jsonLine(now, level, component, message, all)
        : textLine(now, level, component, message, all),
    );
  };
  return {
    debug: (message, fields) => say("debug", message, fields),
    info: (message, fields) => say("info", message, fields),
    warn: (message, fields) => say("warn", message, fields),
    error: (message, fields) => say("error", message, fields),
  };
}

const REPEAT_MS = 10_000;

function jsonLine(
  now: number,
  level: LogLevel,
  component: string | undefined,
  message: string,
  fields?: Record<string, unknown>,
): string {
  return (
    JSON.stringify({
      "@timestamp": new Date(now).toISOString(),
      log: { level, ...(component === undefined ? {} : { logger: component }) },
      message,
      ...(fields === undefined ? {} : { wiretail: fields }),
    }) + "\n"
  );
}

function textLine(
  now: number,
  level: LogLevel,
  component: string | undefined,
  message: string,
  fields?: Record<string, unknown>,
): string {
  const pairs = Object.entries(fields ?? {})
    .map(([key, value]) => ` ${key}=${typeof value === "string" ? JSON.stringify(value) : String(value)}`)
    .join("");
  return `${new Date(now).toISOString()} ${level.toUpperCase().padEnd(5)} ${component === undefined ? "" : component + ": "}${visible(message)}${pairs}\n`;
}

/** Control characters must not reach a terminal, and one message is one line. */
function visible(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`);
}
