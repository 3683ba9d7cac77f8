import { Command, Option } from "commander";
import type { Log } from "../../core/component.ts";
import { errorMessage, WiretailError } from "../../core/error.ts";
import type { Agent } from "../../runtime/agent.ts";
import { EXIT_CODES } from "../exit-code.ts";
import { loadHost, placeholdersOf } from "../load-host.ts";

interface RunOptions {
  config: string;
  once?: boolean;
  timeout?: number;
  takeover?: boolean;
  takeoverTimeout?: number;
}

/** `wiretail run`: the agent, in the foreground. */
export function runCommand(): Command {
  return new Command("run")
    .summary("run the agent in the foreground")
    .description(
      "Runs the agent in the foreground until it is told to stop. SIGTERM and Ctrl-C deliver what was read (within " +
        "shutdown_timeout_ms) and exit 0; SIGHUP reads the configuration again and keeps what did not change.",
    )
    .requiredOption("-c, --config <file>", "the host's configuration file")
    .option(
      "--once",
      "end when every source is at its end and every sink has everything; exit 1 if anything was dropped or dead-lettered",
    )
    .addOption(
      new Option("--timeout <seconds>", "with --once: give up after this long, with exit code 1").argParser(
        secondsFor("--timeout"),
      ),
    )
    .option(
      "--takeover",
      "when an agent runs with the same state directory: have it deliver what it read and end, then go on from there",
    )
    .addOption(
      new Option(
        "--takeover-timeout <seconds>",
        `with --takeover: wait so long for it to end (default: ${TAKEOVER_SECONDS}); it is never killed`,
      ).argParser(secondsFor("--takeover-timeout")),
    )
    .addHelpText(
      "after",
      `
Examples:
  wiretail run -c config/host.json
  wiretail run -c config/host.json --takeover     a new version takes over from the old one
  tcpdump -l -i eth0 | wiretail run -c config/stdin.json --once

Exit codes: 0 stopped as asked; 1 the configuration has errors, --once lost something, or the running agent could not be taken over from; 4 the state directory is not writable`,
    )
    .action(async (options: RunOptions) => {
      process.exitCode = await run(options);
    });
}

/** How long the running agent is given by default to deliver what it read: longer than a SIGTERM gives it by default. */
const TAKEOVER_SECONDS = 60;

function secondsFor(option: string): (text: string) => number {
  return (text) => {
    const seconds = Number(text);
    if (!(seconds > 0))
      throw new WiretailError("WT_USAGE", `${option} takes a number of seconds above 0, not "${text}"`);
    return seconds;
  };
}

/** SIGHUP, which would end the process if nobody listened. */
interface HangUps {
  /** Calls `act` for each from now on, and for those that came before there was anybody to follow them. */
  follow(act: () => void): void;
  close(): void;
}

function listenForHangUps(): HangUps {
  let early = false;
  let follow = (): void => {
    early = true;
  };
  const onHangUp = (): void => {
    follow();
  };
  process.on("SIGHUP", onHangUp);
  return {
    follow: (act) => {
      follow = act;
      if (early) act();
    },
    close: () => process.off("SIGHUP", onHangUp),
  };
}

async function run(options: RunOptions): Promise<number> {
  if (options.timeout !== undefined && options.once !== true)
    throw new WiretailError("WT_USAGE", "--timeout goes with --once");
  if (options.takeoverTimeout !== undefined && options.takeover !== true)
    throw new WiretailError("WT_USAGE", "--takeover-timeout goes with --takeover");
  const hangUps = listenForHangUps();
  try {
    return await runAgent(options, hangUps);
  } finally {
    hangUps.close();
  }
}

async function runAgent(options: RunOptions, hangUps: HangUps): Promise<number> {
  const config = await loadHost(options.config);
  // Loaded here: `--help` and wrong arguments must not wait for the agent's modules.
  const [{ Agent }, { createLog }, { systemClock }, { packageVersion }] = await Promise.all([
    import("../../runtime/agent.ts"),
    import("../../runtime/log.ts"),
    import("../../runtime/clock.ts"),
    import("../version.ts"),
  ]);
  const log = (component?: string) =>
    createLog({ ...config.log, now: Date.now, write: (line) => void process.stderr.write(line) }, component);
  const agentLog = log();
  const takenOver = new AbortController();
  const stop = AbortSignal.any([stopSignal(), takenOver.signal]);
  let stopWithinMs = Infinity;
  // Once it runs there may be no file left that it could open.
  const version = packageVersion();
  const agent = await Agent.start({
    ...{ config, log, clock: systemClock, once: options.once === true },
    placeholders: await placeholdersOf(config, agentLog),
    version,
    ...(options.takeover === true ? { takeoverTimeoutMs: (options.takeoverTimeout ?? TAKEOVER_SECONDS) * 1000 } : {}),
    onTakeover: (timeoutMs) => {
      // The other side waits no longer: what is not delivered by then it reads again.
      stopWithinMs = timeoutMs * 0.8;
      takenOver.abort();
    },
  });
  agentLog.info(`wiretail ${version} runs`, {
    config: config.file,
    state_dir: config.stateDir,
    pid: process.pid,
  });
  hangUps.follow(() => {
    void reload(agent, options.config, agentLog).catch((error: unknown) => {
      // Half a configuration is in force, and nobody knows which half: the process ends and is started again.
      if (error instanceof WiretailError && error.code === "WT_INTERNAL") throw error;
      agentLog.error(`reload failed, the old configuration stays in force: ${errorMessage(error)}`);
    });
  });
  return options.once === true ? runOnce(agent, stop, options.timeout) : runUntilStopped(agent, stop);

  async function runUntilStopped(running: Agent, signal: AbortSignal): Promise<number> {
    await aborted(signal);
    const { undelivered } = await running.stop(Math.min(running.config.shutdownTimeoutMs, stopWithinMs));
    if (takenOver.signal.aborted) agentLog.info("ended: another process takes over", { undelivered });
    else if (undelivered > 0) {
      agentLog.warn("stopped with events not delivered; they will be read again where their source keeps them", {
        undelivered,
      });
    } else agentLog.info("stopped; everything that was read is delivered");
    return EXIT_CODES.ok;
  }

  async function runOnce(running: Agent, signal: AbortSignal, timeoutSeconds: number | undefined): Promise<number> {
    const limit =
      timeoutSeconds === undefined ? signal : AbortSignal.any([signal, AbortSignal.timeout(timeoutSeconds * 1000)]);
    await Promise.race([running.sourcesEnded(), aborted(limit)]);
    await running.drain(limit);
    const isLate = limit.aborted;
    const { undelivered } = await running.stop(isLate ? 1000 : running.config.shutdownTimeoutMs);
    const lost = running.lostAnything;
    if (undelivered > 0)
      agentLog.error(signal.aborted ? "stopped before the end" : "--timeout passed before the end", { undelivered });
    else if (isLate)
      agentLog.error(
        signal.aborted ? "stopped before the end of the input" : "--timeout passed before the end of the input",
      );
    if (lost) agentLog.error("some events were dropped or dead-lettered: see the messages above and the dead letters");
    return isLate || lost || undelivered > 0 ? EXIT_CODES.bad : EXIT_CODES.ok;
  }
}

async function reload(agent: Agent, file: string, log: Log): Promise<void> {
  const config = await loadHost(file);
  await agent.reload(config, await placeholdersOf(config, log));
}

/** Aborts at the first SIGTERM or SIGINT; the second SIGINT ends the process at once. */
function stopSignal(): AbortSignal {
  const controller = new AbortController();
  process.once("SIGTERM", () => {
    controller.abort();
  });
  process.once("SIGINT", () => {
    controller.abort();
    process.once("SIGINT", () => {
      process.kill(process.pid, "SIGKILL");
    });
  });
  return controller.signal;
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    signal.addEventListener("abort", () => {
      resolve();
    });
  });
}
