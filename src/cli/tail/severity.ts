/** How an event is coloured, and which ones the keys for errors jump to. */
export type Severity = "error" | "warning" | "normal" | "quiet";

const LEVELS: Readonly<Record<string, Severity>> = {
  emerg: "error", emergency: "error", fatal: "error", panic: "error", critical: "error", crit: "error", alert: "error", error: "error",
  err: "error", severe: "error", warning: "warning", warn: "warning", notice: "normal", info: "normal", information: "normal",
  informational: "normal", log: "normal", debug: "quiet", trace: "quiet", verbose: "quiet", fine: "quiet", finer: "quiet", finest: "quiet",
}; // prettier-ignore

/** Numbers of bunyan and pino. */
const NUMBERS: readonly (readonly [above: number, Severity])[] = [[50, "error"], [40, "warning"], [30, "normal"], [1, "quiet"]]; // prettier-ignore

/** A word in capitals, or in brackets or behind `level=`, among the first words of a line. */
const SAID =
  /\b(EMERG|FATAL|PANIC|CRITICAL|CRIT|ALERT|SEVERE|ERROR|ERR|WARNING|WARN|NOTICE|INFO|DEBUG|TRACE)\b|[\[(<](fatal|panic|critical|crit|error|err|warning|warn|notice|info|debug|trace)[\])>:]|\blevel=["']?(fatal|panic|error|err|warning|warn|info|debug|trace)\b|\b(error|warning|warn|fatal): /;

const TRACE =
  /^(?:Traceback \(most recent call last\)|panic: |Exception in thread |[\w.$]*(?:Error|Exception)(?::|$))/m;

/** The severity that a document's fields say: the level, or an HTTP status. Undefined: they say nothing. */
export function severityOfFields(level: unknown, status: unknown): Severity | undefined {
  if (typeof level === "string") return LEVELS[level.toLowerCase()];
  if (typeof level === "number") return NUMBERS.find(([above]) => level >= above)?.[1];
  if (typeof status === "number" && status >= 400 && status < 600) return status >= 500 ? "error" : "warning";
  return undefined;
}

/** The severity that a text shows to a reader: a level near its beginning, or a stack trace. */
export function severityOfText(text: string): Severity {
  const found = SAID.exec(text.slice(0, 200));
  const word = found?.slice(1).find((each) => each !== undefined);
  if (word !== undefined) return LEVELS[word.toLowerCase()] ?? "normal";
  return TRACE.test(text.slice(0, 4096)) ? "error" : "normal";
}
