import { formatCount, paint } from "../terminal.ts";
import type { Severity } from "./severity.ts";
import { rowLines, type Row, type ViewOptions } from "./view.ts";

/** What a key does while looking back. */
export type ReviewKey = "stay" | "leave" | "quit";

const HELP = [
  "e  E          next, previous error",
  "w  W          next, previous warning or error",
  "↓  ↑  (j  k)  next, previous row;  PgDn  PgUp  a screen;  Home  End  (g  G)  first, newest",
  "Enter         show a stack trace whole, and fold it again",
  "Space, Esc    back to following;  q  the end",
];

/** Rows to look back at: which one is looked at, and what the screen shows. No input or output of its own. */
export class Review {
  readonly #rows: readonly Row[];
  readonly #view: ViewOptions;
  readonly #unfolded = new Set<number>();
  #at: number;
  #showsHelp = false;
  #said = "";

  /** Looks at the newest row. */
  constructor(rows: readonly Row[], view: ViewOptions) {
    this.#rows = rows;
    this.#view = view;
    this.#at = Math.max(0, rows.length - 1);
  }

  get at(): number {
    return this.#at;
  }

  /** Goes to the newest error, staying when there is none. */
  toLastError(): void {
    if (this.#rows[this.#at]?.severity !== "error") this.#jump(-1, isError, "no error among these rows");
  }

  /** `screenRows`: lines of the screen, the one at the bottom included. */
  key(key: string, screenRows: number): ReviewKey {
    this.#said = "";
    const page = Math.max(1, screenRows - 3);
    const wasHelp = this.#showsHelp;
    this.#showsHelp = false;
    if (key === "q" || key === "\u0003") return "quit";
    if (key === "\u001b" || key === " ") return wasHelp ? "stay" : "leave";
    if (key === "?") this.#showsHelp = !wasHelp;
    else if (key === "e") this.#jump(1, isError, "no later error");
    else if (key === "E") this.#jump(-1, isError, "no earlier error");
    else if (key === "w") this.#jump(1, isTrouble, "no later warning");
    else if (key === "W") this.#jump(-1, isTrouble, "no earlier warning");
    else if (key === "j" || key === "\u001b[B") this.#move(1);
    else if (key === "k" || key === "\u001b[A") this.#move(-1);
    else if (key === "\u001b[6~") this.#move(page);
    else if (key === "\u001b[5~") this.#move(-page);
    else if (key === "g" || key === "\u001b[H" || key === "\u001b[1~") this.#move(-Infinity);
    else if (key === "G" || key === "\u001b[F" || key === "\u001b[4~") this.#move(Infinity);
    else if (key === "\r" && !this.#unfolded.delete(this.#at)) this.#unfolded.add(this.#at);
    return "stay";
  }

  #move(by: number): void {
    this.#at = Math.min(Math.max(0, this.#rows.length - 1), Math.max(0, this.#at + by));
  }

  #jump(by: 1 | -1, wanted: (severity: Severity) => boolean, none: string): void {
    for (let i = this.#at + by; i >= 0 && i < this.#rows.length; i += by) {
      if (!wanted(this.#rows[i]!.severity)) continue;
      this.#at = i;
      return;
    }
    this.#said = none;
  }

  /** The screen's lines: rows around the one that is looked at, and a line that says where that is. */
  lines(screenRows: number, came: { readonly rows: number; readonly errors: number }): string[] {
    const room = Math.max(1, screenRows - 1);
    const body = this.#showsHelp ? HELP.map((line) => `  ${line}`) : this.#body(room);
    while (body.length < room) body.push("");
    return [...body.slice(0, room), this.#statusLine(came)];
  }

  #body(room: number): string[] {
    const shown = (i: number): string[] => {
      const lines = rowLines(this.#rows[i]!, this.#view, !this.#unfolded.has(i));
      const mark = i === this.#at ? paint(this.#view.terminal, "bold", "› ") : "  ";
      return lines.map((line, n) => (n === 0 ? mark : "  ") + line);
    };
    if (this.#rows.length === 0) return [];
    let lines = shown(this.#at);
    const above: string[] = [];
    let [before, after] = [this.#at - 1, this.#at + 1];
    while (above.length + lines.length < room && (before >= 0 || after < this.#rows.length)) {
      if (after < this.#rows.length) lines = [...lines, ...shown(after++)];
      if (before >= 0) above.unshift(...shown(before--));
    }
    // The row that is looked at stays on the screen, whatever is tall above it.
    return [...above.slice(-Math.max(0, room - lines.length)), ...lines];
  }

  #statusLine({ rows, errors }: { readonly rows: number; readonly errors: number }): string {
    const errorsAt = this.#rows.flatMap(({ severity }, i) => (severity === "error" ? [i] : []));
    const nth = errorsAt.indexOf(this.#at);
    const parts = [
      "paused",
      `row ${formatCount(Math.min(this.#at + 1, this.#rows.length))} of ${formatCount(this.#rows.length)}`,
      nth === -1 ? `${formatCount(errorsAt.length)} errors` : `error ${nth + 1} of ${formatCount(errorsAt.length)}`,
      ...(rows > 0 ? [`${formatCount(rows)} new, ${formatCount(errors)} errors`] : []),
      ...(this.#said === "" ? [] : [this.#said]),
      "e E error  Enter unfold  ? keys  Space back",
    ];
    return paint(this.#view.terminal, "inverse", ` ${parts.join(" · ")} `);
  }
}

function isError(severity: Severity): boolean {
  return severity === "error";
}

function isTrouble(severity: Severity): boolean {
  return severity === "error" || severity === "warning";
}
