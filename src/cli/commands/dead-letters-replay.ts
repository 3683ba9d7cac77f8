import { setTimeout as sleep } from "node:timers/promises";
import { Command } from "commander";
import { WiretailError } from "../../core/error.ts";
import type { DryRun } from "../../runtime/replay/dry-run.ts";
import type { ReplayStatus } from "../../runtime/replay/replays.ts";
import { dryRunLines, replayLine } from "../dead-letters-view.ts";
import { EXIT_CODES } from "../exit-code.ts";
import { loadHost, placeholdersOf, stateDirOf } from "../load-host.ts";
import { compileQuery, withStateOptions, type LetterOptions } from "../letter-options.ts";
import { refuseAsRoot } from "../ownership.ts";
import { formatCount, terminalOf, visible } from "../terminal.ts";

interface ReplayOptions extends LetterOptions {
  readonly yes?: boolean;
  readonly apply?: boolean;
  readonly asItWas?: boolean;
  readonly each?: boolean;
  readonly wait: boolean;
  readonly follow?: boolean;
  readonly stop?: boolean;
}

/** `wiretail dead-letters replay`: a dry run, or the thing itself with `--yes`. */
export function replayCommand(): Command {
  return withStateOptions(new Command("replay"))
    .summary("send letters once more, through the present pipeline; a dry run without --yes")
    .description(
      "Takes dead letters through the present pipeline, from their original line, and sends them to the sinks that they did " +
        "not reach, with the ids that they had. Without --yes it only says what would happen. Letters whose original line is " +
        "not known are sent as they were. A letter goes only when every sink that it was for has it.",
    )
    .argument("[kql...]", "which ones; all without it")
    .option("--yes", "do it")
    .option("--apply", "the same as --yes")
    .option("--as-it-was", "send what a sink refused without taking it through the pipeline again")
    .option("--each", "in a dry run, print what happens to each")
    .option("--no-wait", "begin, and leave it to the running agent")
    .option("--follow", "begin nothing: wait for the replay that is under way")
    .option("--stop", "end the replay that is under way")
    .addHelpText(
      "after",
      `
Without a running agent, --config is needed, and the replay runs in this process.

Examples:
  wiretail dead-letters replay -c config/host.json 'pipeline: web' --each
  wiretail dead-letters replay -c config/host.json 'sink: es and reason: *mapper_parsing*' --yes

Exit codes: 0 all were delivered, or (without --yes) would be; 1 some stay; 2 wrong use; 3 no agent, and no --config;
4 not allowed; 130 Ctrl-C: what was not sent stays among the dead letters`,
    )
    .action(async (words: string[], options: ReplayOptions) => {
      process.exitCode = await replay(words.join(" "), options);
    });
}

/** What asks for a replay: the running agent, or an agent without sources in this process. */
interface Replayer {
  dryRun(query: string, asItWas: boolean): Promise<DryRun>;
  start(query: string, asItWas: boolean): Promise<void>;
  status(): Promise<ReplayStatus>;
  stop(): Promise<void>;
  close(): Promise<void>;
  /** It goes on when this process ends. */
  readonly outlivesUs: boolean;
}

async function replay(query: string, options: ReplayOptions): Promise<number> {
  await compileQuery(query);
  const stateDir = await stateDirOf(options);
  const isDoing = options.yes === true || options.apply === true;
  const running = await runningReplayer(stateDir);
  if (running === undefined && (options.stop === true || options.follow === true))
    throw new WiretailError("WT_NO_AGENT", "no agent runs, so no replay is under way");
  if (options.stop === true) {
    await running!.stop();
    process.stderr.write("the replay ends after what is under way\n");
    return EXIT_CODES.ok;
  }
  if (options.follow === true) return follow(running!, options);
  if (!isDoing) return showDryRun(running ?? (await ownReplayer(options, false)), query, options);
  const replayer = running ?? (await ownReplayer(options, true));
  try {
    await replayer.start(query, options.asItWas === true);
    if (!options.wait && replayer.outlivesUs) {
      process.stderr.write("begun; see wiretail dead-letters replay --follow\n");
      return EXIT_CODES.ok;
    }
    return await follow(replayer, options);
  } finally {
    await replayer.close();
  }
}

async function showDryRun(replayer: Replayer, query: string, options: ReplayOptions): Promise<number> {
  const run = await replayer.dryRun(query, options.asItWas === true);
  const terminal = terminalOf(process.stdout, process.env);
  const lines =
    options.json === true ? [JSON.stringify(run)] : dryRunLines(run, terminal, options.each === true ? Infinity : 0);
  process.stdout.write(lines.join("\n") + "\n");
  if (run.outcomes.deliver > 0) process.stderr.write("this was a dry run; to do it, say the same again with --yes\n");
  return run.outcomes.deliver === run.selected ? EXIT_CODES.ok : EXIT_CODES.bad;
}

/** Waits for the end of a replay, saying how far it is. Ctrl-C ends it. */
async function follow(replayer: Replayer, options: ReplayOptions): Promise<number> {
  const interrupted = new AbortController();
  const onInterrupt = (): void => {
    interrupted.abort();
  };
  process.once("SIGINT", onInterrupt);
  try {
    let shown = 0;
    for (;;) {
      const status = await replayer.status();
      const isOver = status.state !== "running" && status.state !== "stopping";
      if (isOver) return finish(status, options);
      if (interrupted.signal.aborted) {
        await replayer.stop();
        process.stderr.write(`\nstopping: ${replayLine(status)}; what was not sent stays among the dead letters\n`);
        return EXIT_CODES.interrupted;
      }
      const everyMs = process.stderr.isTTY ? 500 : 10_000;
      if (performance.now() - shown >= everyMs) {
        shown = performance.now();
        const line = replayLine(status);
        process.stderr.write(process.stderr.isTTY ? `\r\u001b[K${line}` : `${line}\n`);
      }
      await sleep(100, undefined, { signal: interrupted.signal }).catch(() => undefined);
    }
  } finally {
    process.off("SIGINT", onInterrupt);
  }
}

function finish(status: ReplayStatus, options: ReplayOptions): number {
  if (process.stderr.isTTY) process.stderr.write("\r\u001b[K");
  if (options.json === true) process.stdout.write(JSON.stringify(status) + "\n");
  else {
    process.stdout.write(`${replayLine(status)}\n`);
    for (const [reason, letters] of Object.entries(status.reasons))
      process.stdout.write(`  ${formatCount(letters)} × ${visible(reason)}\n`);
    if (status.error !== null) process.stderr.write(`the replay failed: ${visible(status.error)}\n`);
  }
  return status.state === "finished" && status.delivered === status.selected ? EXIT_CODES.ok : EXIT_CODES.bad;
}

/** Undefined when no agent runs. */
async function runningReplayer(stateDir: string): Promise<Replayer | undefined> {
  const [{ askAgent }, { DEAD_LETTER_PATHS: paths }] = await Promise.all([
    import("../../runtime/control.ts"),
    import("../../runtime/replay/commands.ts"),
  ]);
  const ask = async (path: string, body: unknown): Promise<unknown> =>
    JSON.parse(await askAgent(stateDir, path, { body, timeoutMs: 120_000 }));
  try {
    await ask(paths.replayStatus, {});
  } catch (error) {
    if (error instanceof WiretailError && error.code === "WT_NO_AGENT") return undefined;
    throw error;
  }
  return {
    outlivesUs: true,
    dryRun: async (query, asItWas) => (await ask(paths.dryRun, { query, as_it_was: asItWas })) as DryRun,
    start: async (query, asItWas) => void (await ask(paths.replay, { query, as_it_was: asItWas })),
    status: async () => (await ask(paths.replayStatus, {})) as ReplayStatus,
    stop: async () => void (await ask(paths.stopReplay, {})),
    close: async () => undefined,
  };
}

/** An agent of our own with the sinks and pipelines of a configuration, and no sources. It has the lock while it lives. */
async function ownReplayer(options: ReplayOptions, isDoing: boolean): Promise<Replayer> {
  if (options.config === undefined) {
    throw new WiretailError("WT_NO_AGENT", "no agent runs, and without one the configuration is needed", {
      hint: "say -c FILE, or start the agent",
    });
  }
  const config = { ...(await loadHost(options.config)), sources: [], http: undefined };
  const { dryRun } = await import("../../runtime/replay/dry-run.ts");
  if (isDoing) await refuseAsRoot(config.stateDir);
  const plan = (query: string, asItWas: boolean): Promise<DryRun> => dryRun(config, query, asItWas, Date.now);
  if (!isDoing) {
    const none = (): never => {
      throw new WiretailError("WT_INTERNAL", "a dry run does nothing");
    };
    return { dryRun: plan, start: none, status: none, stop: none, close: none, outlivesUs: false };
  }
  const [{ Agent }, { createLog }, { systemClock }, { packageVersion }] = await Promise.all([
    import("../../runtime/agent.ts"),
    import("../../runtime/log.ts"),
    import("../../runtime/clock.ts"),
    import("../version.ts"),
  ]);
  const log = (component?: string) =>
    createLog(
      { format: config.log.format, level: "warn", now: Date.now, write: (line) => void process.stderr.write(line) },
      component,
    );
  const agent = await Agent.start({
    ...{ config, log, clock: systemClock, once: true, version: packageVersion() },
    placeholders: await placeholdersOf(config, log()),
  });
  const stopped = new AbortController();
  let begun: Promise<void> | undefined;
  let failure: unknown;
  return {
    outlivesUs: false,
    dryRun: plan,
    start: async (query, asItWas) => {
      begun = agent.replayDeadLetters(query, asItWas, stopped.signal).catch((error: unknown) => {
        failure = error;
      });
      await Promise.resolve();
    },
    status: async () => {
      await Promise.race([begun, sleep(50)]);
      if (failure !== undefined) throw failure instanceof Error ? failure : new Error("the replay failed");
      return agent.replayStatus;
    },
    stop: async () => {
      stopped.abort();
      await begun;
    },
    close: async () => {
      stopped.abort();
      await agent.stop(Math.min(5000, config.shutdownTimeoutMs));
    },
  };
}
