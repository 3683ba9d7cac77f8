import { styleText } from "node:util";

type Style = Parameters<typeof styleText>[0];
export type Paint = (style: Style, text: string) => string;

/** For output without colours. */
export const PLAIN: Paint = (_style, text) => text;
/** Colours whatever the stream is: whether to colour is decided once, by `wantsColour`. */
export const COLOURED: Paint = (style, text) => styleText(style, text, { validateStream: false });

/** NO_COLOR (no-color.org) and TERM=dumb switch colours off, FORCE_COLOR on; otherwise a terminal has them. */
export function wantsColour(isTerminal: boolean, environment: Readonly<Record<string, string | undefined>>): boolean {
  if ((environment["NO_COLOR"] ?? "") !== "") return false;
  const force = environment["FORCE_COLOR"];
  if (force !== undefined && force !== "") return force !== "0" && force !== "false";
  return isTerminal && environment["TERM"] !== "dumb";
}

/** Levels as people write them, shortened to a column of five. */
const LEVELS: Readonly<Record<string, readonly [text: string, style: Style]>> = {
  trace: ["TRACE", "gray"],
  debug: ["DEBUG", "gray"],
  info: ["INFO ", "green"],
  information: ["INFO ", "green"],
  notice: ["NOTE ", "cyan"],
  warn: ["WARN ", "yellow"],
  warning: ["WARN ", "yellow"],
  err: ["ERROR", "red"],
  error: ["ERROR", "red"],
  crit: ["CRIT ", ["bold", "red"]],
  critical: ["CRIT ", ["bold", "red"]],
  alert: ["ALERT", ["bold", "red"]],
  emerg: ["EMERG", ["bold", "red"]],
  fatal: ["FATAL", ["bold", "red"]],
};
const NO_LEVEL: readonly [string, Style] = ["     ", "gray"];
/** Shown by their own column, or the same for every event of a host. */
const HIDDEN = new Set([
  "@timestamp",
  "message",
  "log.level",
  "ecs.version",
  "host.name",
  "log.offset",
  "log.file.path",
  "event.original",
]);

/**
 * One event as a line for people: time (UTC), level, message, then the other fields as `name=value`. Control characters
 * of the input are shown as visible symbols, so a log line cannot give orders to the terminal.
 */
export function prettyLine(document: Readonly<Record<string, unknown>>, paint: Paint): string {
  const fields: string[] = [];
  let level = "";
  collect(document, "", (name, value) => {
    if (name === "log.level" && typeof value === "string") level = value;
    if (HIDDEN.has(name)) return;
    const text = typeof value === "string" && /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value);
    fields.push(`${paint("dim", `${visible(name)}=`)}${visible(text)}`);
  });
  const time = typeof document["@timestamp"] === "string" ? document["@timestamp"] : "";
  const [label, style] =
    LEVELS[level.toLowerCase()] ??
    (level === "" ? NO_LEVEL : ([level.slice(0, 5).toUpperCase().padEnd(5), "gray"] as const));
  const message = typeof document["message"] === "string" ? document["message"] : "";
  const parts = [paint("dim", visible(time)), paint(style, visible(label)), visible(message), ...fields];
  return parts.filter((part) => part !== "").join(" ") + "\n";
}

function collect(
  value: Readonly<Record<string, unknown>>,
  prefix: string,
  visit: (name: string, value: unknown) => void,
): void {
  for (const [key, child] of Object.entries(value)) {
    const name = prefix + key;
    if (typeof child === "object" && child !== null && !Array.isArray(child))
      collect(child as Record<string, unknown>, `${name}.`, visit);
    else visit(name, child);
  }
}

/** C0 controls as their Unicode pictures (ESC is ␛), DEL as ␡, C1 as U+FFFD. A tab stays. */
function visible(text: string): string {
  return text.replace(/[\u0000-\u0008\u000a-\u001f\u007f-\u009f]/g, (control) => {
    const code = control.charCodeAt(0);
    return code < 0x20 ? String.fromCharCode(0x2400 + code) : code === 0x7f ? "\u2421" : "\ufffd";
  });
}
