import { fork, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync, readSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { BulkStats } from "./bulk-server.ts";
import type { InputKind } from "./input.ts";
import { machineBusySeconds, treeUse } from "./process-tree.ts";

/** One run of a sender (the agent, or the bare loop) against the counting server. */
export interface Measurement {
  readonly events: number;
  readonly inputBytes: number;
  /** From just before the sender was started until the last line had arrived: its start-up is included. */
  readonly seconds: number;
  readonly eventsPerSecond: number;
  /** Input megabytes (1e6) a second. */
  readonly megabytesPerSecond: number;
  /** Of the sender and its children alone, at the moment the last line arrived. */
  readonly cpuSecondsPerMillion: number;
  readonly peakMegabytes: number;
  readonly missing: number;
  readonly doubled: number;
  /** Documents without a key: 0 unless the sender garbles them. */
  readonly unknown: number;
  /** Of one document a request that was parsed: how many were no JSON. */
  readonly invalid: number;
  readonly requests: number;
  /** Of all bulk requests, as they were sent. */
  readonly wireBytes: number;
  /** Documents that the server refused with 429 in an answer of 200. */
  readonly refusedItems: number;
  readonly serverCpuSeconds: number;
  /** What everything else on the machine used meanwhile: a large value spoils `seconds`, less so CPU time. */
  readonly otherCpuSeconds: number;
  /** The first documents as they arrived, each after its action line. */
  readonly samples: readonly string[];
}

export interface MeasureOptions {
  readonly kind: InputKind;
  readonly lines: number;
  /** Files that hold them. */
  readonly inputs: readonly string[];
  /** The command to start, given the server's address. */
  readonly command: (url: string) => { readonly argv: readonly string[]; readonly cwd: string };
  /** Where the sender's own output goes, for the message when it fails. */
  readonly logFile: string;
  /** Give up when this long passes without the run ending. */
  readonly timeoutMs: number;
  /** Time for late doubles after the last line, before they are counted. */
  readonly settleMs: number;
  readonly latencyMs?: number;
  /** Part of the bulk requests that are answered with 429. */
  readonly refuse?: number;
  /** Part of the documents in others that are refused with 429. */
  readonly refuseItems?: number;
}

/** Throws when the sender ends or the time is up before every line has arrived, with the end of the sender's output. */
export async function measure(options: MeasureOptions): Promise<Measurement> {
  for (const input of options.inputs) warmPageCache(input);
  const server = fork(fileURLToPath(new URL("./bulk-server.js", import.meta.url)), [
    ...["--kind", options.kind, "--lines", String(options.lines)],
    ...["--latency-ms", String(options.latencyMs ?? 0), "--refuse", String(options.refuse ?? 0)],
    ...["--refuse-items", String(options.refuseItems ?? 0)],
  ]);
  let sender: ChildProcess | undefined;
  try {
    const { port } = await message<{ port: number }>(server, "listening", options.timeoutMs);
    const before = await stats(server);
    const { argv, cwd } = options.command(`http://127.0.0.1:${port}`);
    const log = openSync(options.logFile, "w");
    const busyBefore = machineBusySeconds();
    const startMs = performance.timeOrigin + performance.now();
    sender = spawn(argv[0]!, argv.slice(1), { cwd, stdio: ["ignore", log, log] });
    closeSync(log);
    const failed = once(sender, "exit").then(([code]) => {
      throw new Error(`the sender ended with ${String(code)}`);
    });
    const arrived = message<{ atMs: number }>(server, "done", options.timeoutMs);
    const { atMs } = await Promise.race([arrived, failed]).catch(async (error: unknown) => {
      const { distinct } = await stats(server);
      const reason = error instanceof Error ? error.message : String(error);
      throw new Error(`${distinct} of ${options.lines} lines arrived: ${reason}\n${tail(options.logFile)}`);
    });
    failed.catch(() => undefined);
    const use = treeUse(sender.pid!);
    const busy = machineBusySeconds() - busyBefore;
    const atDone = await stats(server);
    await new Promise((resolve) => setTimeout(resolve, options.settleMs));
    const after = await stats(server);
    const seconds = (atMs - startMs) / 1000;
    const inputBytes = options.inputs.reduce((sum, input) => sum + statSync(input).size, 0);
    const serverCpuSeconds = atDone.cpuSeconds - before.cpuSeconds;
    return {
      events: options.lines,
      inputBytes,
      seconds,
      eventsPerSecond: options.lines / seconds,
      megabytesPerSecond: inputBytes / 1e6 / seconds,
      cpuSecondsPerMillion: (use.cpuSeconds / options.lines) * 1e6,
      peakMegabytes: use.peakBytes / 1e6,
      missing: after.missing,
      doubled: after.doubled,
      unknown: after.unknown,
      invalid: after.invalid,
      requests: after.requests,
      wireBytes: after.wireBytes,
      refusedItems: after.refusedItems,
      serverCpuSeconds,
      otherCpuSeconds: Math.max(0, busy - use.cpuSeconds - serverCpuSeconds),
      samples: after.samples,
    };
  } finally {
    await stop(sender);
    server.kill("SIGKILL");
  }
}

/** Ends a process: SIGTERM, and after 20 seconds SIGKILL. */
export async function stop(child: ChildProcess | undefined): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  const limit = setTimeout(() => child.kill("SIGKILL"), 20_000);
  await ended;
  clearTimeout(limit);
}

/** What the counting server has counted. */
export async function stats(server: ChildProcess): Promise<BulkStats> {
  server.send("stats");
  return message<BulkStats>(server, "stats", 60_000);
}

/** The next message of this type from a forked process. */
export function message<T>(child: ChildProcess, type: string, timeoutMs: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const limit = setTimeout(
      () => finish(() => reject(new Error(`no "${type}" within ${timeoutMs / 1000} s`))),
      timeoutMs,
    );
    const onMessage = (value: unknown): void => {
      if ((value as { type?: string }).type === type) finish(() => resolve(value as T));
    };
    const finish = (then: () => void): void => {
      clearTimeout(limit);
      child.removeListener("message", onMessage);
      then();
    };
    child.on("message", onMessage);
  });
}

/** Reads a file once. */
export function warmPageCache(file: string): void {
  const descriptor = openSync(file, "r");
  const buffer = Buffer.allocUnsafe(1 << 22);
  while (readSync(descriptor, buffer) > 0);
  closeSync(descriptor);
}

function tail(file: string): string {
  return readFileSync(file, "utf8").slice(-2000);
}
