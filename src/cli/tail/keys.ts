import { openSync } from "node:fs";
import { ReadStream } from "node:tty";
import { FullScreen } from "../top/full-screen.ts";
import type { RowPrinter } from "./output.ts";
import { Review } from "./review.ts";

/** How often what came meanwhile is counted anew on the screen. */
const REFRESH_MS = 250;

/**
 * The terminal to read keys from, also when standard input is a pipe; undefined where there is none. It is closed by
 * `destroy`.
 */
export function openKeyboard(): ReadStream | undefined {
  try {
    return new ReadStream(openSync("/dev/tty", "r"));
  } catch {
    return undefined;
  }
}

/** The keys of `tail` on a terminal: while it follows, and while somebody looks back. */
export class TailKeys {
  readonly #printer: RowPrinter;
  readonly #input: ReadStream;
  readonly #screen: FullScreen;
  readonly #quit: () => void;
  #review: Review | undefined;
  #timer: NodeJS.Timeout | undefined;
  #errorsBefore = 0;
  #isClosed = false;

  constructor(printer: RowPrinter, input: ReadStream, output: NodeJS.WriteStream, quit: () => void) {
    this.#printer = printer;
    this.#input = input;
    this.#quit = quit;
    this.#screen = new FullScreen(output, input, this.#onReviewKey);
    process.once("exit", this.#restore);
    this.#listen();
  }

  /** Gives the terminal back as it was. */
  close(): void {
    if (this.#isClosed) return;
    this.#leave();
    this.#isClosed = true;
    process.off("exit", this.#restore);
    this.#restore();
    this.#input.destroy();
  }

  readonly #restore = (): void => {
    this.#input.setRawMode(false);
  };

  readonly #listen = (): void => {
    process.off("SIGCONT", this.#listen);
    this.#input.setRawMode(true);
    this.#input.setEncoding("utf8");
    this.#input.on("data", this.#onData);
    this.#input.resume();
  };

  readonly #onData = (text: Buffer | string): void => {
    for (const key of text.toString()) {
      if (key === "q" || key === "\u0003" || key === "\u0004") this.#quit();
      else if (key === "\u001a") this.#suspend();
      else if (key === "e" || key === "E" || key === " " || key === "?") {
        this.#lookBack(key);
        return;
      }
    }
  };

  /** Ctrl-Z: the shell gets its terminal back until the process is continued. */
  #suspend(): void {
    this.#input.off("data", this.#onData).pause();
    this.#input.setRawMode(false);
    process.once("SIGCONT", this.#listen);
    process.kill(process.pid, "SIGTSTP");
  }

  #lookBack(key: string): void {
    this.#input.off("data", this.#onData);
    this.#printer.hold();
    this.#errorsBefore = this.#printer.errors;
    this.#review = new Review([...this.#printer.rows], this.#printer.view);
    this.#screen.open();
    if (key === "?") this.#review.key("?", this.#screen.rows);
    else if (key !== " ") this.#review.toLastError();
    this.#timer = setInterval(this.#draw, REFRESH_MS);
    this.#draw();
  }

  readonly #draw = (): void => {
    const came = { rows: this.#printer.heldRows, errors: this.#printer.errors - this.#errorsBefore };
    this.#screen.show(this.#review?.lines(this.#screen.rows, came) ?? []);
  };

  readonly #onReviewKey = (key: string): void => {
    // "" is no key: the screen was resized.
    const does = key === "" ? "stay" : this.#review?.key(key, this.#screen.rows);
    if (does === "stay") this.#draw();
    else {
      this.#leave();
      if (does === "quit") this.#quit();
      else this.#listen();
    }
  };

  #leave(): void {
    if (this.#review === undefined) return;
    clearInterval(this.#timer);
    this.#review = undefined;
    this.#screen.close();
    this.#printer.release();
  }
}
