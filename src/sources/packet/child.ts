import { spawn, type ChildProcess } from "node:child_process";
import { closeSync } from "node:fs";
import { createInterface } from "node:readline";
import { openPipe } from "./pipe.ts";

/** Milliseconds between SIGTERM and SIGKILL. */
const GRACE_MS = 3000;

/*
 * Between the agent and the program stands a shell, for two reasons. Its standard input is a pipe that nobody writes to:
 * when the agent is gone, however it went, the pipe ends and the program is told to end, too (a parent-death signal
 * would be lost when tcpdump changes its user). And the program sits in a process group of its own, so that Ctrl-C
 * reaches the agent alone, which then stops in order. SIGUSR1 is passed on.
 */
const SCRIPT = `
exec 3<&0
"$@" </dev/null 3<&- &
child=$!
trap 'kill -TERM $child 2>/dev/null' TERM INT HUP
trap 'kill -USR1 $child 2>/dev/null' USR1
( trap '' USR1; exec >/dev/null 2>&1; read -r _ <&3; kill -TERM $child; sleep ${GRACE_MS / 1000}; kill -KILL $child ) &
watcher=$!
exec 3<&- >/dev/null
while :; do
  wait $child
  code=$?
  kill -0 $child 2>/dev/null || break
done
kill -KILL $watcher 2>/dev/null
exit $code
`;

/** How a program ended. */
export interface ChildEnd {
  readonly ok: boolean;
  /** The program is not installed. */
  readonly isMissing: boolean;
  /** The rest of a sentence that begins with its name. */
  readonly text: string;
}

/** A capture that runs: a child of ours, or of the capture service. */
export interface CaptureProcess {
  /** The capture's bytes. */
  readonly stdout: AsyncIterable<Uint8Array>;
  /** Resolves when it has ended and everything that it said is read. */
  readonly ended: Promise<ChildEnd>;
  /** Has it tell what it counted, where the program can. */
  askCounts(): void;
  /** Ends it: first kindly, so that what it captured arrives. */
  stop(): void;
}

/** A program that ends with the agent, whatever happens. */
export class CaptureChild implements CaptureProcess {
  readonly stdout: AsyncIterable<Uint8Array>;
  readonly ended: Promise<ChildEnd>;
  readonly #child: ChildProcess;
  #killTimer: NodeJS.Timeout | undefined;

  readonly #countsSignal: NodeJS.Signals | undefined;

  /** `onLine` is given what it writes to standard error; `countsSignal` has it write its counts there. */
  constructor(argv: readonly string[], onLine: (line: string) => void, countsSignal?: NodeJS.Signals) {
    this.#countsSignal = countsSignal;
    const pipe = openPipe();
    const child = spawn("/bin/sh", ["-c", SCRIPT, "wiretail-capture", ...argv], {
      stdio: ["pipe", pipe?.writeFd ?? "pipe", "pipe"],
      detached: true,
    });
    // Only the child's own end is left, so that the stream ends with it.
    if (pipe !== undefined) closeSync(pipe.writeFd);
    this.#child = child;
    this.stdout = pipe?.stream ?? child.stdout!;
    child.stdin!.on("error", () => undefined);
    const lines = createInterface({ input: child.stderr! });
    lines.on("line", (line) => onLine(line.replace(/^.*\r/, "").trimEnd()));
    const read = new Promise<void>((resolve) => lines.once("close", resolve));
    const exited = new Promise<ChildEnd>((resolve) => {
      child.once("error", (error) => resolve({ ok: false, isMissing: true, text: `did not start: ${error.message}` }));
      child.once("exit", (code, by) => {
        const isMissing = code === 127;
        const text = isMissing ? "is not installed" : by === null ? `ended with code ${code}` : `was ended by ${by}`;
        resolve({ ok: code === 0, isMissing, text });
      });
    });
    this.ended = exited.then(async (end) => {
      clearTimeout(this.#killTimer);
      await read;
      return end;
    });
  }

  askCounts(): void {
    if (this.#countsSignal !== undefined) this.#child.kill(this.#countsSignal);
  }

  stop(): void {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill("SIGTERM");
    this.#killTimer ??= setTimeout(() => {
      try {
        if (this.#child.pid !== undefined) process.kill(-this.#child.pid, "SIGKILL");
      } catch {
        // It is gone already.
      }
    }, GRACE_MS);
  }
}
