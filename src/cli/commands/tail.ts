import { uptime } from "node:os";
import { Command } from "commander";
import { KqlSyntaxError, pointAtFault } from "../../codec/kql/error.ts";
import { parseKql } from "../../codec/kql/parse.ts";
import { compileTime, TIME_EXAMPLES } from "../../codec/time-range.ts";
import { WiretailError } from "../../core/error.ts";
import { DESTINATION_FORMS } from "../tail/destination.ts";
import type { TailOptions } from "../tail/run-tail.ts";

interface TailCommandOptions {
  lines?: string;
  since?: string;
  until?: string;
  where?: string;
  follow: boolean;
  format?: string;
  highlight?: string[];
  json?: boolean;
  raw?: boolean;
  fold: boolean;
  to?: string;
  stateDir?: string;
  utc?: boolean;
  color: boolean;
}

/** Lines of each file to begin with, unless -n or --since say otherwise; and with --where, lines to look through. */
const DEFAULT_LINES = 10;
const DEFAULT_LINES_WITH_WHERE = 1000;

/** `wiretail tail`: logs on the screen, with no configuration. */
export function tailCommand(): Command {
  const command = new Command("tail");
  return command
    .summary("show log files as they grow, with no configuration")
    .description(
      "Shows the last lines of files and what is added to them, through rotation. The format is recognised from the first " +
        "lines: levels are coloured, stack traces folded, and KQL finds fields. What is in several files already is shown in the order of time. With --to it ships what it shows.",
    )
    .argument("[files...]", "files, or patterns in quotes, which also show files that are new; - is standard input")
    .option(
      "-n, --lines <n>",
      `begin with the last n lines of each file, or "all" (default: ${DEFAULT_LINES}; with --since all since then; with --where those that match of the last ${DEFAULT_LINES_WITH_WHERE})`,
    )
    .option("--since <time>", `only events from this time on: ${TIME_EXAMPLES}, yesterday, boot`)
    .option("--until <time>", "only events before this time; ends when it has come")
    .option("-q, --where <kql>", "only events that match")
    .option("--no-follow", "end at the end of the files")
    .option(
      "--format <name>",
      "take the lines for this: a shipped pipeline, the path of your own, or text (default: as recognised)",
    )
    .option("--highlight <text>", "mark this text; may be given several times", (text: string, all: string[] = []) => [
      ...all,
      text,
    ])
    .option("--json", "print events as JSON, one a line")
    .option("--raw", "show JSON lines as they are, not as time, level, message and fields")
    .option("--no-fold", "show stack traces whole (as is done where the output is no terminal)")
    .option("--to <url>", `also ship what is shown: ${DESTINATION_FORMS}`)
    .option("--state-dir <folder>", "with --to: remember there what was shipped, and go on from it next time")
    .option("--utc", "read times in UTC instead of local time")
    .option("--no-color", "no colours")
    .addHelpText(
      "after",
      `
Keys while it follows, on a terminal: E the previous error, e the next one, Space a pause to look back, ? all keys, q the end.

Examples:
  wiretail tail /var/log/nginx/access.log
  wiretail tail '/var/log/app/*.log' --since 15m -q 'log.level: error'
  journalctl -f -o short-iso | wiretail tail - --highlight timeout
  wiretail tail app.log --no-follow -n all --json | jq .message
  wiretail tail access.log --to http://localhost:9200/logs-nginx-default

Credentials for --to: in the URL, or ES_API_KEY, or ES_USERNAME and ES_PASSWORD; for CloudWatch Logs those of the AWS tools.

Exit codes: 0 ended, also by Ctrl-C; 1 a file cannot be read, or --to did not take everything; 2 wrong use`,
    )
    .action(async (files: string[], options: TailCommandOptions) => {
      if (files.length === 0 && process.stdin.isTTY)
        command.error("error: which files? Standard input is a terminal", {
          exitCode: 2,
        });
      const { runTail } = await import("../tail/run-tail.ts");
      process.exitCode = await runTail(files.length === 0 ? ["-"] : files, toOptions(options));
    });
}

function toOptions(options: TailCommandOptions): TailOptions {
  const nowMs = Date.now();
  const fromMs = timeOf("--since", options.since, nowMs, options.utc === true);
  const toMs = timeOf("--until", options.until, nowMs, options.utc === true);
  if (fromMs !== undefined && toMs !== undefined && fromMs >= toMs)
    throw new WiretailError("WT_USAGE", "--since is not before --until");
  if (options.stateDir !== undefined && options.to === undefined)
    throw new WiretailError("WT_USAGE", "--state-dir goes with --to");
  if (options.where !== undefined) checkKql(options.where);
  return {
    ...{ fromMs, toMs, where: options.where, format: options.format, to: options.to, stateDir: options.stateDir },
    lines: linesOf(options, fromMs),
    follows: options.follow && (toMs === undefined || toMs > nowMs),
    highlight: options.highlight ?? [],
    ...{ json: options.json === true, raw: options.raw === true, folds: options.fold, hasColor: options.color },
  };
}

function linesOf(options: TailCommandOptions, fromMs: number | undefined): number | undefined {
  const said = options.lines;
  if (said === undefined) {
    if (fromMs !== undefined) return undefined;
    return options.where === undefined ? DEFAULT_LINES : DEFAULT_LINES_WITH_WHERE;
  }
  if (said === "all") return undefined;
  if (!/^\d{1,9}$/.test(said))
    throw new WiretailError("WT_USAGE", `-n "${said}" is not a whole number`, { hint: "-n all shows everything" });
  return Number(said);
}

function timeOf(name: string, said: string | undefined, nowMs: number, utc: boolean): number | undefined {
  if (said === undefined) return undefined;
  const expression = compileTime(said, utc ? "utc" : "local", nowMs - uptime() * 1000);
  if (expression === undefined)
    throw new WiretailError("WT_USAGE", `${name} "${said}" is not a time`, {
      hint: `times look like ${TIME_EXAMPLES}`,
    });
  return expression(nowMs).fromMs;
}

function checkKql(text: string): void {
  try {
    parseKql(text);
  } catch (error) {
    if (error instanceof KqlSyntaxError) process.stderr.write(`${pointAtFault(text, error)}\n`);
    throw error;
  }
}
