import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import type { TestContext } from "node:test";

const run = promisify(execFile);

/** Whether tmux is there: `false`, or why a test has to be skipped. */
export async function withoutTmux(): Promise<string | false> {
  return run("tmux", ["-V"]).then(
    () => false,
    () => "tmux is not installed",
  );
}

/** A terminal of its own, made by tmux, in which a command runs: what a person would see and type. */
export class TestTerminal {
  readonly #socket: string;

  private constructor(socket: string) {
    this.#socket = socket;
  }

  /** Starts a shell command; the terminal stays when it has ended, and shows its exit code as `exit=N`. */
  static async open(
    t: TestContext,
    command: string,
    { columns = 100, rows = 30 }: { columns?: number; rows?: number } = {},
  ): Promise<TestTerminal> {
    const folder = await mkdtemp(join(tmpdir(), "wiretail-test-"));
    const terminal = new TestTerminal(join(folder, "tmux"));
    // In this order: without its socket the server could not be ended.
    t.after(async () => {
      await terminal.#tmux("kill-server").catch(() => undefined);
      await rm(folder, { recursive: true, force: true });
    });
    // Ctrl-C is for the command alone.
    const shell = `trap : INT; ${command}; echo "exit=$?"; exec sleep 600`;
    const size = ["-x", String(columns), "-y", String(rows)];
    const args = [
      "-f",
      "/dev/null",
      "new-session",
      "-d",
      ...size,
      "env",
      "-u",
      "NO_COLOR",
      "LC_ALL=C.UTF-8",
      "sh",
      "-c",
    ];
    await terminal.#tmux(...args, shell);
    return terminal;
  }

  /** The lines on the screen, without colours, or with their escape sequences. */
  async screen(withColours = false): Promise<string> {
    return this.#tmux("capture-pane", "-p", ...(withColours ? ["-e"] : []));
  }

  /** Keys as tmux names them: `q`, `Enter`, `C-c`, `Down`. */
  async press(...keys: string[]): Promise<void> {
    await this.#tmux("send-keys", ...keys);
  }

  async resize(columns: number, rows: number): Promise<void> {
    await this.#tmux("resize-window", "-x", String(columns), "-y", String(rows));
  }

  /** What tmux knows of the terminal, such as `alternate_on` or `cursor_flag`. */
  async state(variable: string): Promise<string> {
    return (await this.#tmux("display-message", "-p", `#{${variable}}`)).trim();
  }

  /** Waits until the screen shows something, and gives it. */
  async until(what: RegExp, withinMs = 20_000): Promise<string> {
    for (const deadline = Date.now() + withinMs; ;) {
      const screen = await this.screen();
      if (what.test(screen)) return screen;
      assert.ok(Date.now() < deadline, `waited in vain for ${String(what)}; the screen shows:\n${screen}`);
      await sleep(50);
    }
  }

  async #tmux(...args: string[]): Promise<string> {
    const { stdout } = await run("tmux", ["-S", this.#socket, ...args]);
    return stdout;
  }
}
