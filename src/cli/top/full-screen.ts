/** Takes a terminal's whole screen, and gives it back as it was: on `close`, when the process ends, whatever happens. */
export class FullScreen {
  readonly #out: NodeJS.WriteStream;
  readonly #in: NodeJS.ReadStream;
  readonly #onKey: (key: string) => void;
  #shown: string[] = [];
  #isOpen = false;
  readonly #restore = (): void => {
    this.close();
  };
  readonly #again = (): void => {
    this.open();
    this.#onKey("");
  };

  /** `onKey` is told each key as the terminal sends it; "" when the screen was resized or came back. */
  constructor(out: NodeJS.WriteStream, input: NodeJS.ReadStream, onKey: (key: string) => void) {
    this.#out = out;
    this.#in = input;
    this.#onKey = onKey;
  }

  get columns(): number {
    return this.#out.columns;
  }
  get rows(): number {
    return this.#out.rows;
  }

  open(): void {
    if (this.#isOpen) return;
    this.#isOpen = true;
    // Alternate screen, no cursor, no wrapping.
    this.#out.write("\u001b[?1049h\u001b[?25l\u001b[?7l\u001b[2J");
    this.#shown = [];
    process.once("exit", this.#restore);
    this.#in.setRawMode(true);
    this.#in.setEncoding("utf8");
    this.#in.on("data", this.#read);
    this.#in.resume();
    this.#out.on("resize", this.#resized);
    process.off("SIGCONT", this.#again);
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    process.off("exit", this.#restore);
    this.#out.off("resize", this.#resized);
    this.#in.off("data", this.#read);
    this.#in.setRawMode(false);
    this.#in.pause();
    this.#out.write("\u001b[?7h\u001b[?25h\u001b[?1049l");
  }

  /** Shows lines; only those that changed are written, in one go. */
  show(lines: readonly string[]): void {
    if (!this.#isOpen) return;
    let text = "";
    for (let i = 0; i < Math.max(lines.length, this.#shown.length); i++) {
      const line = lines[i] ?? "";
      if (line !== this.#shown[i]) text += `\u001b[${i + 1};1H${line}\u001b[K`;
    }
    this.#shown = [...lines];
    // Synchronised: terminals that can show it all at once.
    if (text !== "") this.#out.write(`\u001b[?2026h${text}\u001b[?2026l`);
  }

  readonly #resized = (): void => {
    this.#shown = [];
    this.#out.write("\u001b[2J");
    this.#onKey("");
  };

  readonly #read = (text: Buffer | string): void => {
    for (const key of text.toString().match(/\u001b\[[0-9;]*[A-Za-z~]|\u001b|[^]/gu) ?? []) {
      if (key === "\u001a") this.#suspend();
      else this.#onKey(key);
    }
  };

  /** Ctrl-Z: the shell gets its screen back until the process is continued. */
  #suspend(): void {
    this.close();
    process.once("SIGCONT", this.#again);
    process.kill(process.pid, "SIGTSTP");
  }
}
