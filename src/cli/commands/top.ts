import { spawnSync } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { Command, InvalidArgumentError } from "commander";
import { errorMessage } from "../../core/error.ts";
import type { AgentStatus } from "../../runtime/status.ts";
import { EXIT_CODES } from "../exit-code.ts";
import { stateDirOf } from "../load-host.ts";
import { FullScreen } from "../top/full-screen.ts";
import { arranged, SORTS, topRows, type TopRow, type TopSort } from "../top/model.ts";
import { nextSort, topScreen, type TopChoice } from "../top/view.ts";
import { terminalOf, type Terminal } from "../terminal.ts";

interface TopCommandOptions {
  config?: string;
  stateDir?: string;
  interval: number;
  once?: boolean;
  sort: TopSort;
  filter?: string;
  json?: boolean;
  color: boolean;
}

/** `wiretail top`: the pipeline as a table that updates. */
export function topCommand(): Command {
  return new Command("top")
    .summary("watch rates, lag, queues, errors and time of every source, stage and sink")
    .description(
      "Shows what runs in the agent as a table in the order in which events pass it, and updates it in place. Where the output is no terminal, or with --once, it prints one table and ends.",
    )
    .option("-c, --config <file>", "the host's configuration file, for its state_dir")
    .option("--state-dir <folder>", "the agent's state directory (default: /var/lib/wiretail)")
    .option("-i, --interval <seconds>", "time between two looks; rates are over it", interval, 1)
    .option("--once", "print one table and end")
    .option("--sort <by>", `order of the rows: ${SORTS.join(", ")}`, sortNamed, "pipeline")
    .option("--filter <text>", "only rows that contain the text")
    .option("--json", "print the rows as JSON, one a line, and end")
    .option("--no-color", "no colours")
    .addHelpText(
      "after",
      `
Examples:
  wiretail top -c config/host.json
  wiretail top -c config/host.json --once --sort time
  wiretail top -c config/host.json --json | jq 'select(.errors > 0)'

Keys: s sort, / filter, arrows or j k mark a row, Enter taps it, Space pause, ? help, q quit.

Exit codes: 0 fine; 2 wrong use; 3 no agent runs; 4 not allowed to ask it`,
    )
    .action(async (options: TopCommandOptions) => {
      process.exitCode = await runTop(options);
    });
}

async function runTop(options: TopCommandOptions): Promise<number> {
  const { askAgent } = await import("../../runtime/control.ts");
  const stateDir = await stateDirOf(options);
  const ask = async (): Promise<AgentStatus> => JSON.parse(await askAgent(stateDir, "/status")) as AgentStatus;
  const terminal = terminalOf(process.stdout, process.env, !options.color);
  const isLive = terminal.isTerminal && process.stdin.isTTY && options.once !== true && options.json !== true;
  const first = await ask();
  if (isLive) {
    await new LiveTop(options, stateDir, ask, terminal).run(first);
    return EXIT_CODES.ok;
  }
  await sleep(options.interval * 1000);
  const second = await ask();
  const rows = arranged(topRows(first, second), options.sort, options.filter ?? "");
  const lines =
    options.json === true
      ? rows.map((row) => JSON.stringify(jsonRow(row)))
      : topScreen(second, rows, {
          // Nothing is cut or left out where nobody's screen is too narrow.
          terminal: terminal.isTerminal ? terminal : { ...terminal, width: Math.max(160, terminal.width) },
          ...{ height: Infinity, history: new Map(), problem: undefined },
          choice: choiceOf(options),
        });
  process.stdout.write(lines.map((line) => `${line.trimEnd()}\n`).join(""));
  return EXIT_CODES.ok;
}

function choiceOf({ sort, filter = "" }: TopCommandOptions): TopChoice {
  return { sort, filter, isTyping: false, isPaused: false, showsHelp: false, selected: 0 };
}

function jsonRow(row: TopRow): object {
  return {
    ...{ point: row.point, kind: row.kind, type: row.type || null, state: row.state || null },
    ...{ in_per_second: row.inPerSecond, out_per_second: row.outPerSecond },
    ...{ bytes_per_second: row.bytesPerSecond ?? null, lag_bytes: row.lagBytes ?? null },
    ...{ lag_seconds: row.lagSeconds ?? null, queued_events: row.queued ?? null, dropped: row.dropped },
    ...{ errors: row.errors, new_errors: row.newErrors, time_share: row.share ?? null, trouble: row.trouble ?? null },
  };
}

/** The table on a terminal, until somebody quits. */
class LiveTop {
  readonly #options: TopCommandOptions;
  readonly #stateDir: string;
  readonly #ask: () => Promise<AgentStatus>;
  readonly #terminal: Terminal;
  readonly #screen: FullScreen;
  readonly #quit = new AbortController();
  readonly #history = new Map<string, number[]>();
  #choice: TopChoice;
  #status: AgentStatus | undefined;
  #rows: readonly TopRow[] = [];
  #problem: string | undefined;

  constructor(options: TopCommandOptions, stateDir: string, ask: () => Promise<AgentStatus>, terminal: Terminal) {
    this.#options = options;
    this.#stateDir = stateDir;
    this.#ask = ask;
    this.#terminal = terminal;
    this.#choice = choiceOf(options);
    this.#screen = new FullScreen(process.stdout, process.stdin, (key) => {
      this.#pressed(key);
      this.#draw();
    });
  }

  async run(first: AgentStatus): Promise<void> {
    const { signal } = this.#quit;
    const quit = (): void => {
      this.#quit.abort();
    };
    process.once("SIGTERM", quit);
    process.once("SIGHUP", quit);
    let before = first;
    this.#status = first;
    this.#rows = topRows(first, first);
    this.#screen.open();
    try {
      this.#draw();
      while (!signal.aborted) {
        await sleep(this.#options.interval * 1000, undefined, { signal }).catch(() => undefined);
        if (signal.aborted || this.#choice.isPaused) continue;
        try {
          const now = await this.#ask();
          this.#problem = undefined;
          // Another process: what it says cannot be compared.
          this.#rows = topRows(now.pid === before.pid ? before : now, now);
          before = now;
          this.#status = now;
          this.#remember();
        } catch (error) {
          this.#problem = errorMessage(error);
        }
        this.#draw();
      }
    } finally {
      this.#screen.close();
      process.off("SIGTERM", quit);
      process.off("SIGHUP", quit);
    }
  }

  #remember(): void {
    const points = new Set(this.#rows.map(({ point }) => point));
    for (const point of this.#history.keys()) if (!points.has(point)) this.#history.delete(point);
    for (const { point, inPerSecond } of this.#rows)
      this.#history.set(point, [...(this.#history.get(point) ?? []).slice(-59), inPerSecond]);
  }

  get #shown(): readonly TopRow[] {
    return arranged(this.#rows, this.#choice.sort, this.#choice.filter);
  }

  #draw(): void {
    const rows = this.#shown;
    const selected = Math.max(0, Math.min(this.#choice.selected, rows.length - 1));
    this.#choice = { ...this.#choice, selected };
    const terminal = { ...this.#terminal, width: this.#screen.columns };
    this.#screen.show(
      topScreen(this.#status, rows, {
        ...{ terminal, height: this.#screen.rows, choice: this.#choice },
        ...{ history: this.#history, problem: this.#problem },
      }),
    );
  }

  #pressed(key: string): void {
    const choice = this.#choice;
    const change = (to: Partial<TopChoice>): void => {
      this.#choice = { ...choice, ...to };
    };
    if (key === "\u0003") this.#quit.abort();
    else if (choice.isTyping) {
      if (key === "\r") change({ isTyping: false });
      else if (key === "\u001b") change({ isTyping: false, filter: "" });
      else if (key === "\u007f" || key === "\b") change({ filter: choice.filter.slice(0, -1) });
      else if (/^[^\u0000-\u001f\u001b]$/u.test(key)) change({ filter: choice.filter + key, selected: 0 });
    } else if (key === "q") this.#quit.abort();
    else if (key === "?" || (choice.showsHelp && key === "\u001b")) change({ showsHelp: !choice.showsHelp });
    else if (key === "\u001b") change({ filter: "" });
    else if (key === "s") change({ sort: nextSort(choice.sort), selected: 0 });
    else if (key === "/") change({ isTyping: true, showsHelp: false });
    else if (key === " ") change({ isPaused: !choice.isPaused });
    else if (key === "j" || key === "\u001b[B") change({ selected: choice.selected + 1 });
    else if (key === "k" || key === "\u001b[A") change({ selected: choice.selected - 1 });
    else if (key === "\u001b[6~") change({ selected: choice.selected + this.#screen.rows - 4 });
    else if (key === "\u001b[5~") change({ selected: choice.selected - this.#screen.rows + 4 });
    else if (key === "\r") this.#tap();
  }

  /** Shows the events of the marked row until Ctrl-C, which is for that command alone. */
  #tap(): void {
    const row = this.#shown[this.#choice.selected];
    if (row === undefined) return;
    this.#screen.close();
    const ignore = (): void => undefined;
    process.on("SIGINT", ignore);
    spawnSync(process.execPath, [process.argv[1]!, "tap", row.point, "--state-dir", this.#stateDir], {
      stdio: "inherit",
    });
    process.off("SIGINT", ignore);
    this.#screen.open();
  }
}

function interval(text: string): number {
  const seconds = Number(text);
  if (!(seconds >= 0.2 && seconds <= 3600)) throw new InvalidArgumentError("expected seconds, from 0.2 to 3600");
  return seconds;
}

function sortNamed(text: string): TopSort {
  const found = SORTS.find((sort) => sort === text);
  if (found === undefined) throw new InvalidArgumentError(`expected one of ${SORTS.join(", ")}`);
  return found;
}
