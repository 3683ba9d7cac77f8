import assert from "node:assert/strict";
import { rm, writeFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { WiretailError } from "../../src/core/error.ts";
import { AgentProcess, waitFor } from "../support/e2e.ts";

/** Debian's libfaketime, which steps the clock of the agent alone. */
const LIBFAKETIME = [
  "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
  "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1",
];
/** Whom the agent runs as: not root, so that permissions mean something. */
export const AGENT_USER = 65_534;
const START_MS = 60_000;
const RESTART_MS = 500;

export interface ChaosAgentOptions {
  readonly launcher: string;
  readonly host: string;
  /** Holds the agent's offset from the real time; `+0` to begin with. */
  readonly clockFile: string;
  /** Its library, found by the caller. */
  readonly libfaketime: string;
  readonly log: (text: string) => void;
}

/** The agent as an init system runs it: when it ends although nobody asked for that, it is noted and started again. */
export class ChaosAgent {
  /** Ends that nobody asked for. */
  readonly crashes: string[] = [];
  /** What ended agents said. */
  readonly pastLogs: string[] = [];
  lives = 0;
  /** A start may fail for now: there is nowhere to write. */
  mayFail = false;
  /** It cannot take a connection that asks for its status. */
  isShortOfDescriptors = false;
  readonly #options: ChaosAgentOptions;
  #process: AgentProcess | undefined;
  readonly #pids: number[] = [];
  #isWanted = false;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: ChaosAgentOptions) {
    this.#options = options;
  }

  /** What happens to the agent's process happens one after the other. */
  alone<T>(task: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(task);
    this.#turn = done.catch(() => undefined);
    return done;
  }

  /** Undefined while it is down. */
  get pid(): number | undefined {
    return this.#process === undefined || this.#process.isEnded ? undefined : this.#process.child.pid;
  }

  get current(): AgentProcess {
    assert.ok(this.#process !== undefined, "the agent was never started");
    return this.#process;
  }

  /** Resolves when it runs, with what it has said until then. */
  async start(args: readonly string[] = []): Promise<string> {
    this.#isWanted = true;
    let heard = "";
    for (const deadline = Date.now() + START_MS; ;) {
      const next = this.#spawn(args);
      this.#process = next;
      // A fault may be over before what it did to a process has ended that.
      let mayFail = false;
      const hasBegun = (): boolean => {
        mayFail ||= this.mayFail;
        return /wiretail \S+ runs/.test(next.stderr) || next.isEnded;
      };
      try {
        await waitFor("the start", hasBegun, { withinMs: START_MS });
      } catch {
        this.crashes.push(`did not start within ${START_MS / 1000} s: ${tail(next.stderr)}`);
        await next.kill9();
      }
      heard += next.stderr;
      if (!next.isEnded) {
        this.#watch(next);
        return heard;
      }
      const said = this.#buried(next);
      if (!mayFail) this.crashes.push(`ended at its start: ${said}`);
      if (Date.now() > deadline || this.lives === 1) throw new Error(`the agent cannot be started: ${said}`);
      await sleep(RESTART_MS);
    }
  }

  async kill9(): Promise<void> {
    this.#isWanted = false;
    await this.#process?.kill9();
  }

  /** SIGTERM; resolves with the exit code. SIGKILL when it takes longer than it may, which counts as a crash. */
  async stop(withinMs = 30_000): Promise<number | string> {
    this.#isWanted = false;
    const running = this.current;
    const timer = setTimeout(() => {
      this.crashes.push(`did not end within ${withinMs / 1000} s of SIGTERM: ${tail(running.stderr)}`);
      void running.kill9();
    }, withinMs);
    let code: number | string;
    try {
      if (!running.isEnded) {
        await running.status().catch((error: unknown) => {
          const isUnheard = error instanceof WiretailError && error.code === "WT_NO_AGENT";
          if (!this.isShortOfDescriptors || !isUnheard) throw error;
        });
      }
      code = await running.terminate();
    } finally {
      clearTimeout(timer);
    }
    if (code !== 0 && code !== "SIGKILL") this.crashes.push(`SIGTERM ended it with ${code}: ${tail(running.stderr)}`);
    return code;
  }

  /** A second process takes over from the running one. */
  async takeover(): Promise<string> {
    const old = this.current;
    if (old.isEnded) return "the agent was down";
    this.#isWanted = false;
    try {
      await this.start(["--takeover"]);
    } catch (error) {
      // It goes on, and is the one that later faults mean; what it said tells why it did not let go.
      if (!old.isEnded) {
        this.#process = old;
        this.#isWanted = true;
        this.pastLogs.push(`— the old process —\n${old.stderr}`);
      }
      throw error;
    }
    const code = await Promise.race([old.ended(), sleep(30_000).then(() => "still there")]);
    if (code !== 0) this.crashes.push(`takeover: the old process: ${code}: ${tail(old.stderr)}`);
    if (!old.isEnded) await old.kill9();
    return "taken over";
  }

  signal(name: NodeJS.Signals): void {
    if (this.pid !== undefined) this.current.child.kill(name);
  }

  /** Sets the agent's wall clock, in seconds from the real time. */
  async stepClock(offsetSeconds: number): Promise<void> {
    await writeFile(this.#options.clockFile, `${offsetSeconds >= 0 ? "+" : ""}${offsetSeconds}\n`);
  }

  /** The agent's whole log, of all its lives. */
  get log(): string {
    return [...this.pastLogs, this.#process?.stderr ?? ""].join("\n— next life —\n");
  }

  #spawn(args: readonly string[]): AgentProcess {
    const { launcher, host, clockFile, libfaketime } = this.#options;
    const become = ["setpriv", `--reuid=${AGENT_USER}`, `--regid=${AGENT_USER}`, "--clear-groups", "--no-new-privs"];
    this.lives++;
    // Only once it is that user: libfaketime's semaphore belongs to whom it was loaded by.
    const clock = [
      ...["env", `LD_PRELOAD=${libfaketime}`, `FAKETIME_TIMESTAMP_FILE=${clockFile}`, "FAKETIME_CACHE_DURATION=1"],
      // Durations are measured by another clock, which nobody can set.
      ...["FAKETIME_DONT_FAKE_MONOTONIC=1", "DONT_FAKE_MONOTONIC=1", "NO_FAKE_STAT=1"],
    ];
    const command = [...become, ...clock, process.execPath, launcher];
    return new AgentProcess(host, { args, command, env: { HOME: "/nonexistent" } });
  }

  #watch(running: AgentProcess): void {
    void running.ended().then(async (code) => {
      const said = this.#buried(running);
      if (!this.#isWanted || running !== this.#process) return;
      this.crashes.push(`ended by itself with ${code}: ${said}`);
      await sleep(RESTART_MS);
      await this.alone(async () => {
        if (this.#isWanted && running === this.#process) await this.start();
      }).catch((error: unknown) => this.#options.log(String(error)));
    });
  }

  /** libfaketime's shared memory, which a killed process leaves behind: another with its number could not open it. */
  async removeLitter(): Promise<void> {
    for (const pid of this.#pids.splice(0)) {
      for (const name of ["faketime_shm", "sem.faketime_sem"]) await rm(`/dev/shm/${name}_${pid}`, { force: true });
    }
  }

  /** Returns what it said last. */
  #buried(ended: AgentProcess): string {
    const said = tail(ended.stderr);
    this.pastLogs.push(ended.stderr);
    ended.stderr = "";
    if (ended.child.pid !== undefined) this.#pids.push(ended.child.pid);
    return said;
  }
}

export function findLibfaketime(exists: (path: string) => boolean): string | undefined {
  return LIBFAKETIME.find(exists);
}

function tail(text: string): string {
  return text.trim().split("\n").slice(-4).join(" | ").slice(-800);
}
