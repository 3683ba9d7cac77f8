import { Command, InvalidArgumentError, Option } from "commander";
import { KqlSyntaxError, pointAtFault } from "../../codec/kql/error.ts";
import { parseKql } from "../../codec/kql/parse.ts";
import type { TapAt, TapCounts, TapLine, TapPoint, TapRequest, TapStart } from "../../runtime/tap/protocol.ts";
import { EXIT_CODES } from "../exit-code.ts";
import { stateDirOf } from "../load-host.ts";
import { countsText, startText, tapStatusLine, tappedLine, type TapView } from "../tap-view.ts";
import { alignColumns, displayWidth, paint, quietWriter, terminalOf } from "../terminal.ts";

interface TapCommandOptions {
  config?: string;
  stateDir?: string;
  where?: string;
  at: TapAt;
  limit?: number;
  seconds?: number;
  maxPerSecond?: number;
  fields?: string;
  list?: boolean;
  json?: boolean;
  utc?: boolean;
  color: boolean;
}

/** `wiretail tap`: live events at any point of a running agent. */
export function tapCommand(): Command {
  return new Command("tap")
    .summary("watch events live, at any point of the running agent")
    .description(
      [
        "Shows events as they pass a source, a stage, a pipeline or a sink of the running agent; without a name, what leaves every pipeline. At a sink it shows what was sent, with the sink's answer.",
        "",
        "Nothing is left out in silence: matched = shown + sampled + lost. What is above --max-per-second is sampled evenly, what this terminal or pipe cannot take is lost, and a busy agent looks at a share of its events only (a tap costs it 2 % of a core at most) and says how many it did not look at.",
      ].join("\n"),
    )
    .argument("[points...]", "SOURCE, SINK, PIPELINE, PIPELINE/STAGE (by number or type), or a stage's type")
    .option("-c, --config <file>", "the host's configuration file, for its state_dir")
    .option("--state-dir <folder>", "the agent's state directory (default: /var/lib/wiretail)")
    .option("-q, --where <kql>", "only events that match")
    .addOption(
      new Option("--at <side>", "of a stage or pipeline: what goes in, comes out, or is dropped (or dead-lettered)")
        .choices(["in", "out", "dropped"])
        .default("out"),
    )
    .option("-n, --limit <n>", "end after so many events", wholeNumber)
    .option("--seconds <n>", "end after so many seconds", wholeNumber)
    .option("--max-per-second <n>", "show at most so many events a second, up to 1000 (default: 100)", wholeNumber)
    .option("--fields <names>", "show these fields, separated by commas")
    .option("--list", "list the points that can be tapped, and end")
    .option("--json", "print events and counts as JSON, one object a line")
    .option("--utc", "show times in UTC instead of local time")
    .option("--no-color", "no colours")
    .addHelpText(
      "after",
      `
Examples:
  wiretail tap -c config/host.json                          what leaves the pipelines
  wiretail tap web -q 'message: *timeout*'                  what a source reads
  wiretail tap web/parse_nginx --at dropped                 what a stage leaves out
  wiretail tap es --json -n 5 | jq 'select(.type == "event") | .outcome'

Exit codes: 0 the limit or the time is reached; 2 wrong use, or a query that does not parse; 3 no agent runs, or it ended; 4 not allowed to ask it; 130 Ctrl-C`,
    )
    .action(async (points: string[], options: TapCommandOptions) => {
      process.exitCode = await runTap(points, options);
    });
}

async function runTap(points: readonly string[], options: TapCommandOptions): Promise<number> {
  const [{ askAgent, followAgent }, { TAP_PATH, TAP_POINTS_PATH }] = await Promise.all([
    import("../../runtime/control.ts"),
    import("../../runtime/tap/protocol.ts"),
  ]);
  const stateDir = await stateDirOf(options);
  if (options.list === true) {
    const list = JSON.parse(await askAgent(stateDir, TAP_POINTS_PATH, { body: {} })) as TapPoint[];
    process.stdout.write(listText(list, options.json === true));
    return EXIT_CODES.ok;
  }
  if (options.where !== undefined) checkQuery(options.where);
  const request: TapRequest = {
    ...{ points, at: options.at },
    ...(options.where === undefined ? {} : { where: options.where }),
    ...(options.maxPerSecond === undefined ? {} : { max_per_second: options.maxPerSecond }),
    ...(options.limit === undefined ? {} : { limit: options.limit }),
  };
  const stop = new AbortController();
  let outcome: "agent ended" | "interrupted" | "done" = "agent ended";
  const end = (why: "interrupted" | "done") => (): void => {
    outcome = why;
    stop.abort();
  };
  const interrupt = end("interrupted");
  process.once("SIGINT", interrupt);
  process.once("SIGTERM", interrupt);
  const timer = options.seconds === undefined ? undefined : setTimeout(end("done"), options.seconds * 1000);
  const view = new TapPrinter(options, stop.signal);
  try {
    for await (const text of followAgent(stateDir, TAP_PATH, request, stop.signal)) {
      const line = JSON.parse(text) as TapLine;
      if (line.type === "start") view.start(line);
      else {
        const isRead = await view.frame(line.events, line.counts);
        if (line.ended === true || !isRead) outcome = "done";
        if (!isRead) break;
      }
    }
  } finally {
    clearTimeout(timer);
    process.off("SIGINT", interrupt);
    process.off("SIGTERM", interrupt);
    view.end();
  }
  if ((outcome as string) === "agent ended") {
    process.stderr.write("the agent has ended\n");
    return EXIT_CODES.noAgent;
  }
  return (outcome as string) === "interrupted" ? EXIT_CODES.interrupted : EXIT_CODES.ok;
}

type Frame = Extract<TapLine, { type: "frame" }>;

/** Prints events to standard output, and counts where they are seen: the last line of the terminal, or standard error. */
class TapPrinter {
  readonly #options: TapCommandOptions;
  readonly #signal: AbortSignal;
  readonly #out = terminalOf(process.stdout, process.env);
  readonly #err;
  readonly #write = quietWriter(process.stdout);
  readonly #startedMs = performance.now();
  #view: TapView;
  #counts: TapCounts = { passed: 0, matched: 0, shown: 0, sampled: 0, lost: 0, skipped: 0 };
  #ticker: NodeJS.Timeout | undefined;
  #hasStatus = false;
  /** Of the last seconds: when, and how many had matched. */
  #recent: { readonly atMs: number; readonly matched: number }[] = [];
  #passedAtMs = performance.now();
  #saidAtMs = performance.now();
  #saidLeftOut = 0;
  #isBusy = false;
  #isStarted = false;

  constructor(options: TapCommandOptions, signal: AbortSignal) {
    this.#options = options;
    this.#signal = signal;
    const fields = options.fields?.split(",").map((field) => field.trim());
    const terminal = terminalOf(process.stdout, process.env, !options.color);
    this.#err = terminalOf(process.stderr, process.env, !options.color);
    this.#view = { terminal, fields, utc: options.utc === true, pointWidth: 0 };
  }

  start(start: TapStart): void {
    this.#isStarted = true;
    if (start.points.length > 1) {
      const width = Math.min(32, Math.max(...start.points.map(({ name }) => displayWidth(name))));
      this.#view = { ...this.#view, pointWidth: width };
    }
    process.stderr.write(paint(this.#err, "dim", startText(start)) + "\n");
    if (this.#err.isTerminal) {
      this.#drawStatus();
      this.#ticker = setInterval(() => {
        if (!this.#isBusy) this.#drawStatus();
      }, 1000);
    }
  }

  /** Resolves with false when nobody reads the output any more. */
  async frame(events: Frame["events"], counts: TapCounts): Promise<boolean> {
    const now = performance.now();
    if (counts.passed + counts.skipped > this.#counts.passed + this.#counts.skipped) this.#passedAtMs = now;
    this.#counts = counts;
    this.#recent = [...this.#recent.filter(({ atMs }) => now - atMs < RATE_MS), { atMs: now, matched: counts.matched }];
    let text = "";
    for (const event of events)
      text +=
        (this.#options.json === true ? JSON.stringify({ type: "event", ...event }) : tappedLine(event, this.#view)) +
        "\n";
    if (this.#options.json === true && (events.length > 0 || this.#isLater(now)))
      text += JSON.stringify({ type: "counts", ...counts }) + "\n";
    let isRead = true;
    if (text !== "" && !this.#signal.aborted) {
      if (this.#out.isTerminal) this.#clearStatus();
      this.#isBusy = true;
      isRead = await this.#write(text);
      this.#isBusy = false;
    }
    if (this.#err.isTerminal) this.#drawStatus();
    else this.#sayLeftOut(now);
    return isRead;
  }

  /** Prints the counts for the last time. */
  end(): void {
    clearInterval(this.#ticker);
    this.#clearStatus();
    if (!this.#isStarted) return;
    const seconds = ((performance.now() - this.#startedMs) / 1000).toFixed(1);
    process.stderr.write(paint(this.#err, "dim", `${countsText(this.#counts)}, in ${seconds} s`) + "\n");
  }

  #isLater(now: number): boolean {
    if (now - this.#saidAtMs < 1000) return false;
    this.#saidAtMs = now;
    return true;
  }

  /** Without a terminal: says it when something was left out, not more often than every ten seconds. */
  #sayLeftOut(now: number): void {
    const { sampled, lost, skipped } = this.#counts;
    const leftOut = sampled + lost + skipped;
    if (leftOut === this.#saidLeftOut || now - this.#saidAtMs < 10_000) return;
    this.#saidLeftOut = leftOut;
    this.#saidAtMs = now;
    process.stderr.write(countsText(this.#counts) + "\n");
  }

  #drawStatus(): void {
    const now = performance.now();
    const first = this.#recent[0];
    const matched = this.#counts.matched - (first?.matched ?? 0);
    const perSecond = first === undefined ? 0 : (matched * 1000) / Math.max(1000, now - first.atMs);
    const quietSeconds = Math.floor((now - this.#passedAtMs) / 1000);
    const quiet = quietSeconds < 3 ? "" : `nothing passed here for ${quietSeconds} s`;
    const terminal = { ...this.#err, width: process.stderr.columns };
    process.stderr.write(`\r\u001b[K${tapStatusLine(this.#counts, perSecond, quiet, terminal)}`);
    this.#hasStatus = true;
  }

  #clearStatus(): void {
    if (!this.#hasStatus) return;
    this.#hasStatus = false;
    process.stderr.write("\r\u001b[K");
  }
}

function listText(points: readonly TapPoint[], asJson: boolean): string {
  const lines = asJson
    ? points.map((point) => JSON.stringify(point))
    : alignColumns(points.map(({ name, kind }) => [kind, name.includes(" ") ? `'${name}'` : name]));
  return lines.map((line) => `${line}\n`).join("");
}

/** Shows where a query is wrong; the agent would only say that it is. */
function checkQuery(text: string): void {
  try {
    parseKql(text);
  } catch (error) {
    if (error instanceof KqlSyntaxError) process.stderr.write(`${pointAtFault(text, error)}\n`);
    throw error;
  }
}

function wholeNumber(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError("expected a whole number above 0");
  return Number(text);
}

const RATE_MS = 10_000;
