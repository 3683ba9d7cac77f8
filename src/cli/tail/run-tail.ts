import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Agent } from "../../runtime/agent.ts";
import { systemClock } from "../../runtime/clock.ts";
import { createLog } from "../../runtime/log.ts";
import { EXIT_CODES } from "../exit-code.ts";
import { placeholdersOf } from "../load-host.ts";
import { formatCount, paint, terminalOf } from "../terminal.ts";
import { packageVersion } from "../version.ts";
import { tailComponents } from "./components.ts";
import { parseDestination, type Destination } from "./destination.ts";
import { tailHost } from "./host.ts";
import { findArgument } from "./inputs.ts";
import { openKeyboard, TailKeys } from "./keys.ts";
import { RowPrinter } from "./output.ts";
import { formatsFor, TailSession } from "./session.ts";
import { lookAtStdin } from "./stdin-look.ts";
import { highlightPattern } from "./view.ts";

/** What `wiretail tail` was asked for. Times in milliseconds since the epoch. */
export interface TailOptions {
  readonly fromMs: number | undefined;
  readonly toMs: number | undefined;
  readonly lines: number | undefined;
  readonly where: string | undefined;
  readonly follows: boolean;
  readonly format: string | undefined;
  readonly highlight: readonly string[];
  readonly json: boolean;
  readonly raw: boolean;
  readonly folds: boolean;
  readonly hasColor: boolean;
  readonly to: string | undefined;
  readonly stateDir: string | undefined;
}

/** How often files without a line are looked at again. */
const LOOK_AGAIN_MS = 200;
/** How long what was read may take to be shipped when it ends, and after Ctrl-C. */
const DRAIN_MS = 60_000;
const DRAIN_STOPPED_MS = 5000;

/** `wiretail tail`: resolves with the exit code. */
export async function runTail(files: readonly string[], options: TailOptions): Promise<number> {
  const terminal = terminalOf(process.stdout, process.env, !options.hasColor);
  const errors = terminalOf(process.stderr, process.env, !options.hasColor);
  const say = (line: string): void => void process.stderr.write(`${paint(errors, "dim", line)}\n`);
  const destination = options.to === undefined ? undefined : parseDestination(options.to, process.env);
  const formats = await formatsFor(options.format);
  const hasStdin = files.includes("-");
  const found = await Promise.all(
    files.filter((file) => file !== "-").map((file) => findArgument(file, options.follows)),
  );
  const stop = stopController(options);
  const look = hasStdin ? await lookAtStdin(process.stdin, stop.signal) : undefined;
  const printer = new RowPrinter(process.stdout, {
    terminal,
    folds: options.folds && terminal.isTerminal,
    highlight: options.highlight.map(highlightPattern),
    labels: TailSession.labels(found, hasStdin),
  });
  const isBlocked = (): boolean => process.stdout.writableNeedDrain;
  const ready = (): Promise<void> | undefined =>
    isBlocked() ? new Promise((done) => process.stdout.once("drain", done)) : undefined;
  const session = new TailSession({ ...options, formats, say, ready, isBlocked }, printer, found, look);
  await session.begin();
  const stateDir = openStateDir(options.stateDir);
  const keyboard = terminal.isTerminal && options.follows && !options.json ? openKeyboard() : undefined;
  const keys = keyboard === undefined ? undefined : new TailKeys(printer, keyboard, process.stdout, stop.stop);
  try {
    const result = await follow(session, destination, stateDir.path, options, stop);
    session.end();
    printer.flush();
    if (destination !== undefined) sayShipped(result, destination, printer, say);
    return result.isWhole ? EXIT_CODES.ok : EXIT_CODES.bad;
  } finally {
    // Whatever went wrong, what was read is shown.
    session.end();
    printer.flush();
    keys?.close();
    stateDir.close();
    stop.close();
    // Somebody may still hold its other end.
    if (hasStdin) process.stdin.destroy();
  }
}

interface Result {
  readonly undelivered: number;
  /** Nothing that was to be shipped was left behind, or lost. */
  readonly isWhole: boolean;
}

async function follow(
  session: TailSession,
  destination: Destination | undefined,
  stateDir: string,
  options: TailOptions,
  stop: StopController,
): Promise<Result> {
  const components = tailComponents(session);
  const log = (component?: string) =>
    createLog(
      { format: "text", level: "warn", now: Date.now, write: (line) => void process.stderr.write(line) },
      component,
    );
  const load = () => tailHost({ groups: session.groups, stateDir, where: options.where, destination }, components);
  let agent: Agent | undefined;
  const { signal } = stop;
  try {
    for (;;) {
      if (agent === undefined && session.groups.length > 0) {
        const config = await load();
        agent = await Agent.start({
          ...{ config, log, clock: systemClock, once: !options.follows, version: packageVersion() },
          placeholders: await placeholdersOf(config, log()),
        });
      }
      if (!session.waits || signal.aborted) break;
      await sleep(LOOK_AGAIN_MS, undefined, { signal }).catch(() => undefined);
      if (!signal.aborted && (await session.lookAgain(Date.now())) && agent !== undefined) {
        const config = await load();
        await agent.reload(config, await placeholdersOf(config, log()));
      }
    }
    if (agent === undefined) return { undelivered: 0, isWhole: true };
    await Promise.race([agent.sourcesEnded(), aborted(signal)]);
    await agent.drain(signal.aborted ? AbortSignal.timeout(DRAIN_STOPPED_MS) : limited(signal));
    const { undelivered } = await agent.stop(DRAIN_STOPPED_MS);
    return { undelivered, isWhole: destination === undefined || (undelivered === 0 && !agent.lostAnything) };
  } catch (error) {
    await agent?.stop(1).catch(() => undefined);
    throw error;
  }
}

function limited(signal: AbortSignal): AbortSignal {
  return AbortSignal.any([signal, AbortSignal.timeout(DRAIN_MS)]);
}

function sayShipped(
  { undelivered, isWhole }: Result,
  { label }: Destination,
  printer: RowPrinter,
  say: (line: string) => void,
): void {
  const shipped = formatCount(printer.shown - undelivered);
  if (undelivered > 0) say(`shipped ${shipped} events to ${label}; ${formatCount(undelivered)} were NOT taken in time`);
  else if (isWhole) say(`shipped ${shipped} events to ${label}`);
  else say(`shipped to ${label}, but some events were refused: see the messages above`);
}

/** A state directory for this run alone, or the one that was asked for. */
function openStateDir(said: string | undefined): { readonly path: string; close(): void } {
  if (said !== undefined) return { path: resolve(said), close: () => undefined };
  const path = mkdtempSync(join(tmpdir(), "wiretail-tail-"));
  const remove = (): void => {
    try {
      rmSync(path, { recursive: true, force: true });
    } catch {
      // It is the system's folder for what may be left behind.
    }
  };
  // `… | head` ends the process at once.
  process.once("exit", remove);
  return {
    path,
    close: () => {
      process.off("exit", remove);
      remove();
    },
  };
}

interface StopController {
  readonly signal: AbortSignal;
  readonly stop: () => void;
  close(): void;
}

/** Aborts at Ctrl-C, SIGTERM and `--until`; a second Ctrl-C ends the process at once. */
function stopController({ toMs, follows }: TailOptions): StopController {
  const controller = new AbortController();
  const stop = (): void => {
    if (controller.signal.aborted) process.exit(EXIT_CODES.interrupted);
    controller.abort();
  };
  process.on("SIGINT", stop).on("SIGTERM", stop).on("SIGHUP", stop);
  const timer =
    follows && toMs !== undefined
      ? setTimeout(() => controller.abort(), Math.min(toMs - Date.now(), 0x7fffffff))
      : undefined;
  return {
    signal: controller.signal,
    stop: () => controller.abort(),
    close: () => {
      clearTimeout(timer);
      process.off("SIGINT", stop).off("SIGTERM", stop).off("SIGHUP", stop);
    },
  };
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    if (signal.aborted) done();
    else signal.addEventListener("abort", () => done(), { once: true });
  });
}
