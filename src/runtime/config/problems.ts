import type { ConfigProblem, Location } from "./types.ts";

/** Collects faults while a configuration is read, each once. */
export class ProblemList {
  readonly #problems = new Map<string, ConfigProblem>();
  /** Files in the order in which they were first mentioned: what `sorted` goes by. */
  readonly #files = new Map<string, number>();
  /** Values that must not be printed, whatever a message says. */
  readonly #secrets = new Set<string>();

  error(location: Location, message: string, hint?: string): void {
    this.#add("error", location, message, hint);
  }

  warning(location: Location, message: string, hint?: string): void {
    this.#add("warning", location, message, hint);
  }

  /** A file's problems are listed in the order in which files were opened. */
  mentionFile(file: string): void {
    if (!this.#files.has(file)) this.#files.set(file, this.#files.size);
  }

  /** From now on the value is printed as `***`, also inside messages of components. */
  hide(secret: string): void {
    if (secret.length >= 4) this.#secrets.add(secret);
  }

  get hasErrors(): boolean {
    return [...this.#problems.values()].some((problem) => problem.severity === "error");
  }

  get errorCount(): number {
    return [...this.#problems.values()].filter((problem) => problem.severity === "error").length;
  }

  /** By file, line and column. */
  sorted(): ConfigProblem[] {
    const order = (problem: ConfigProblem): number => this.#files.get(problem.location.file) ?? Number.MAX_SAFE_INTEGER;
    return [...this.#problems.values()]
      .map((problem) => this.#withoutSecrets(problem))
      .sort(
        (a, b) =>
          order(a) - order(b) ||
          a.location.line - b.location.line ||
          a.location.column - b.location.column ||
          (a.message < b.message ? -1 : 1),
      );
  }

  #add(severity: ConfigProblem["severity"], location: Location, message: string, hint: string | undefined): void {
    this.mentionFile(location.file);
    const problem: ConfigProblem = {
      severity,
      location,
      message: oneLine(message),
      ...(hint === undefined ? {} : { hint }),
    };
    const key = `${location.file}\u0000${location.line}\u0000${location.column}\u0000${location.pointer}\u0000${message}`;
    if (!this.#problems.has(key)) this.#problems.set(key, problem);
  }

  #withoutSecrets(problem: ConfigProblem): ConfigProblem {
    let { message, hint } = problem;
    for (const secret of this.#secrets) {
      message = message.replaceAll(secret, "***");
      hint = hint?.replaceAll(secret, "***");
    }
    return { ...problem, message, ...(hint === undefined ? {} : { hint }) };
  }
}

/**
 * `file:line:column /pointer: message`, and the hint on a second line. Warnings say so after the pointer.
 * Control characters that a file may hold are shown as escapes: the text may go to a terminal.
 */
export function formatProblem(problem: ConfigProblem): string {
  const { file, line, column, pointer } = problem.location;
  const where = `${file}:${line}:${column}${pointer === "" ? "" : ` ${pointer}`}`;
  const text = `${where}: ${problem.severity === "warning" ? "warning: " : ""}${problem.message}`;
  return visible(text) + (problem.hint === undefined ? "" : `\n  hint: ${visible(problem.hint)}`);
}

function oneLine(text: string): string {
  return text.replaceAll(/\s*\n\s*/g, " ");
}

function visible(text: string): string {
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
