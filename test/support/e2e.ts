import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { appendFile, mkdir, open, readdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { gunzipSync } from "node:zlib";
import type { AgentStatus } from "../../src/runtime/status.ts";
import { stateDirOf } from "../../src/cli/load-host.ts";
import { askAgent } from "../../src/runtime/control.ts";
import { checkEquations } from "./equations.ts";

/** The launcher of this checkout. Tests run from its root. */
export const WIRETAIL = resolve("bin/wiretail");

export interface AgentProcessOptions {
  /** Arguments behind `run -c FILE`. */
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Standard input: closed unless given. */
  readonly stdin?: "pipe";
  /** Another program to start, with its first arguments, instead of this checkout's launcher. */
  readonly command?: readonly string[];
}

/** A running `wiretail run`, as its own process. */
export class AgentProcess {
  readonly child: ChildProcess;
  stdout = "";
  stderr = "";
  readonly #configFile: string;
  readonly #ended: Promise<number | string>;
  #isEnded = false;

  constructor(configFile: string, options: AgentProcessOptions = {}) {
    this.#configFile = configFile;
    const [program, ...first] = options.command ?? [process.execPath, WIRETAIL];
    this.child = spawn(program!, [...first, "run", "-c", configFile, ...(options.args ?? [])], {
      stdio: [options.stdin ?? "ignore", "pipe", "pipe"],
      env: { ...process.env, NO_COLOR: "1", ...options.env },
    });
    this.child.stdout!.setEncoding("utf8").on("data", (text: string) => (this.stdout += text));
    this.child.stderr!.setEncoding("utf8").on("data", (text: string) => (this.stderr += text));
    this.#ended = new Promise((done) => {
      this.child.once("error", (error) => done(error.message));
      this.child.once("close", (code, signal) => {
        this.#isEnded = true;
        done(code ?? signal ?? "unknown");
      });
    });
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** Exit code, or the name of the signal that ended it. */
  ended(): Promise<number | string> {
    return this.#ended;
  }

  async kill9(): Promise<void> {
    this.child.kill("SIGKILL");
    await this.#ended;
  }

  /** SIGTERM; resolves with the exit code. Before that the equations of the agent's numbers are checked. */
  async stop(): Promise<number | string> {
    if (!this.#isEnded) await this.status();
    return this.terminate();
  }

  /** SIGTERM alone; returns the exit code. */
  terminate(): Promise<number | string> {
    this.child.kill("SIGTERM");
    return this.#ended;
  }

  /** Has the configuration read again, and waits until it is in force. */
  async reload(): Promise<void> {
    const times = (): number => this.stderr.split("configuration reloaded").length;
    const before = times();
    this.child.kill("SIGHUP");
    await waitFor("the reload", () => times() > before || this.#isEnded, { explain: () => this.stderr });
    assert.ok(!this.#isEnded, this.stderr);
  }

  /**
   * What `wiretail status --json` prints, asked for without a process for each look. Its equations have to hold, whenever
   * anybody looks.
   */
  async status(): Promise<AgentStatus> {
    // The file may have been spoilt meanwhile, on purpose.
    const stateDir = /\bstate_dir"?[=:]"?([^"\s]+)/.exec(this.stderr)?.[1];
    const status = JSON.parse(
      await askAgent(stateDir ?? (await stateDirOf({ config: this.#configFile })), "/status"),
    ) as AgentStatus;
    checkEquations(status);
    return status;
  }

  async started(): Promise<this> {
    await waitFor("the start", () => /wiretail \S+ runs/.test(this.stderr) || this.#isEnded, {
      explain: () => this.stderr,
    });
    assert.ok(!this.#isEnded, `the agent ended at once: ${this.stderr}`);
    return this;
  }
}

/** Starts an agent and waits until it runs. The caller ends it, in `finally`. */
export function startAgent(configFile: string, options: AgentProcessOptions = {}): Promise<AgentProcess> {
  return new AgentProcess(configFile, options).started();
}

/** Writes a host file with `state_dir` beside it and returns its path. */
export async function writeHost(folder: string, host: Readonly<Record<string, unknown>>): Promise<string> {
  const file = join(folder, "host.json");
  await writeFile(file, JSON.stringify({ state_dir: "state", ...host }, undefined, 2));
  return file;
}

/** Runs a command of the built CLI to its end. */
export async function wiretail(
  args: readonly string[],
  options: { input?: string; env?: Readonly<Record<string, string>> } = {},
): Promise<{ code: number | string; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [WIRETAIL, ...args], {
    env: { ...process.env, NO_COLOR: "1", ...options.env },
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  child.stdin.on("error", () => undefined);
  child.stdin.end(options.input ?? "");
  const code = await new Promise<number | string>((done) => {
    child.once("close", (status, signal) => done(status ?? signal ?? "unknown"));
  });
  return { code, stdout, stderr };
}

/** Waits for a condition, looking again every few milliseconds. */
export async function waitFor(
  what: string,
  condition: () => boolean | Promise<boolean>,
  options: { withinMs?: number; everyMs?: number; explain?: () => string } = {},
): Promise<void> {
  for (const deadline = Date.now() + (options.withinMs ?? 20_000); !(await condition());) {
    assert.ok(Date.now() < deadline, `waited in vain for ${what}: ${options.explain?.() ?? ""}`);
    await sleep(options.everyMs ?? 25);
  }
}

/** Writes numbered lines, a few at a time. */
export abstract class LineWriter {
  /** Lines written so far: 0 … count - 1. */
  count = 0;
  #isStopped = false;
  #running: Promise<void> = Promise.resolve();

  abstract write(lines: number): Promise<void>;

  /** Writes a few lines every few milliseconds until `stop`. */
  start(linesEach = 20, everyMs = 5): void {
    this.#running = (async () => {
      while (!this.#isStopped) {
        await this.write(linesEach);
        await sleep(everyMs);
      }
    })();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#running;
  }
}

/** Writes numbered lines into a file as an application does: opens it by name for each batch, so that rotation works. */
export class NumberedWriter extends LineWriter {
  readonly path: string;

  constructor(path: string) {
    super();
    this.path = path;
  }

  async write(lines: number): Promise<void> {
    let text = "";
    for (let i = 0; i < lines; i++) text += `${numberedLine(this.count + i)}\n`;
    await mkdir(dirname(this.path), { recursive: true });
    await appendFile(this.path, text);
    this.count += lines;
  }
}

/** Long enough, and different enough, that a fingerprint tells files apart. */
export function numberedLine(number: number): string {
  return `line ${number} ${(number * 2_654_435_761) >>> 0} the quick brown fox jumps over the lazy dog`;
}

/** Numbers of all lines in files whose names begin with `prefix` (rotated and compressed ones too), in any order. */
export async function numbersIn(prefix: string): Promise<number[]> {
  const folder = dirname(prefix);
  const numbers: number[] = [];
  const names = await readdir(folder).catch((): string[] => []);
  for (const name of names) {
    if (!join(folder, name).startsWith(prefix) || name.endsWith(".wiretail")) continue;
    const bytes = await readFile(join(folder, name));
    const text = (name.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString("utf8");
    numbers.push(...numbersOf(text));
  }
  return numbers;
}

/** Numbers of the numbered lines in a text: raw lines or JSON documents. */
export function numbersOf(text: string): number[] {
  return Array.from(text.matchAll(/\bline (\d+) \d+ the quick brown fox/g), (match) => Number(match[1]));
}

/** Throws unless 0 … count - 1 are each there exactly once; says which are not. */
export function assertExactlyOnce(numbers: readonly number[], count: number): void {
  const times = new Map<number, number>();
  for (const number of numbers) times.set(number, (times.get(number) ?? 0) + 1);
  const missing: number[] = [];
  for (let i = 0; i < count; i++) if (!times.has(i)) missing.push(i);
  const doubled = [...times].filter(([, n]) => n > 1).map(([number]) => number);
  const unknown = [...times.keys()].filter((number) => number >= count);
  assert.deepEqual(
    { missing: missing.slice(0, 20), doubled: doubled.slice(0, 20), unknown },
    { missing: [], doubled: [], unknown: [] },
    `${missing.length} missing, ${doubled.length} doubled of ${count}`,
  );
}

/** Rotates a file with Debian's logrotate, by force. */
export async function logrotate(path: string, stateFolder: string, options: readonly string[] = []): Promise<void> {
  const config = join(stateFolder, "logrotate.conf");
  await writeFile(config, `${path} {\n  rotate 100\n  missingok\n  ${options.join("\n  ")}\n}\n`);
  // logrotate refuses files in folders that others may write to, unless it is told whose they are.
  const args = ["--force", "--state", join(stateFolder, "logrotate.state"), config];
  const child = spawn("logrotate", args, { stdio: ["ignore", "ignore", "pipe"] });
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const code = await new Promise((done) => {
    child.once("error", (error) => done(error.message));
    child.once("close", done);
  });
  assert.equal(code, 0, stderr);
}

/** Makes an empty file, so that a pattern matches from the start. */
export async function touch(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await (await open(path, "a")).close();
}
