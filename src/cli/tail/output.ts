import { rowLines, type Row, type ViewOptions } from "./view.ts";

/** Rows that can be looked at again with the keys. */
const KEPT_ROWS = 5000;

export interface TailOutput {
  write(text: string): void;
}

/**
 * Prints rows as they come, all of a turn of the event loop at once, keeps the last ones, and counts. While it is held
 * nothing is printed; what came meanwhile is printed at the release.
 */
export class RowPrinter {
  readonly #output: TailOutput;
  readonly #view: ViewOptions;
  readonly #rows: Row[] = [];
  #text = "";
  #isHeld = false;
  #heldRows = 0;
  shown = 0;
  errors = 0;
  /** Called after a row was added. */
  onRow: (() => void) | undefined;

  constructor(output: TailOutput, view: ViewOptions) {
    this.#output = output;
    this.#view = view;
  }

  get view(): ViewOptions {
    return this.#view;
  }
  /** The last rows, oldest first. */
  get rows(): readonly Row[] {
    return this.#rows;
  }
  /** Rows that came since `hold`. */
  get heldRows(): number {
    return this.#heldRows;
  }

  add(row: Row): void {
    this.shown++;
    if (row.severity === "error") this.errors++;
    this.#rows.push(row);
    if (this.#rows.length > KEPT_ROWS * 2) this.#rows.splice(0, KEPT_ROWS);
    if (this.#isHeld) this.#heldRows++;
    else this.#print(rowLines(row, this.#view).join("\n") + "\n");
    this.onRow?.();
  }

  /** Text that is no row: a JSON document. */
  addText(text: string): void {
    this.shown++;
    this.#print(text);
  }

  hold(): void {
    this.flush();
    this.#isHeld = true;
    this.#heldRows = 0;
  }

  release(): void {
    this.#isHeld = false;
    const came = this.#heldRows === 0 ? [] : this.#rows.slice(-this.#heldRows);
    const missing = this.#heldRows - came.length;
    if (missing > 0) this.#print(`… ${missing} more rows came meanwhile\n`);
    for (const row of came) this.#print(rowLines(row, this.#view).join("\n") + "\n");
    this.#heldRows = 0;
  }

  flush(): void {
    if (this.#text === "") return;
    const text = this.#text;
    this.#text = "";
    this.#output.write(text);
  }

  #print(text: string): void {
    if (this.#text === "") setImmediate(() => this.flush());
    this.#text += text;
    if (this.#text.length > 65_536) this.flush();
  }
}
