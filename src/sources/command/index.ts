import { spawn, type ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import type { Readable } from "node:stream";
import { pumpLines } from "../../codec/line-stream.ts";
import { LineSplitter } from "../../codec/lines.ts";
import { encodingOption } from "../../codec/text-encoding.ts";
import {
  defineSource,
  type InputStatus,
  type Source,
  type SourceContext,
  type SourceOutput,
} from "../../core/component.ts";
import { WiretailError } from "../../core/error.ts";
import { Path } from "../../core/path.ts";
import { t, type Infer } from "../../core/schema.ts";
import { encodingFaults, maxLineBytes, streamEncoding } from "../line-options.ts";

const options = t.object({
  command: t.array(t.string(), {
    minItems: 1,
    description: 'The program and its arguments, each for itself. There is no shell: `["sh", "-c", "…"]` starts one.',
    examples: [["tcpdump", "-l", "-n", "-i", "eth0"]],
  }),
  working_dir: t.optional(
    t.string({ "x-syntax": "path", description: "The folder in which it runs. Default: the agent's." }),
  ),
  environment: t.map(t.string(), { default: {}, description: "Environment variables to set beside the agent's own." }),
  restart: t.boolean({
    default: true,
    description: "Start it again when it exits, after a pause. With `run --once` it runs once.",
  }),
  restart_min_delay_ms: t.integer({
    default: 1000,
    minimum: 1,
    maximum: 3_600_000,
    description:
      "Milliseconds to the first restart. Each further pause is about twice as long; a run of a minute starts over.",
  }),
  restart_max_delay_ms: t.integer({
    default: 60_000,
    minimum: 1,
    maximum: 86_400_000,
    description: "The longest pause, in milliseconds.",
  }),
  stderr: t.enum(["log", "events", "ignore"], {
    default: "log",
    description:
      "Lines of standard error: into the agent's own log (at most 20 in 10 seconds), events too (with `stream: stderr`), or nowhere.",
  }),
  kill_grace_ms: t.integer({
    default: 5000,
    minimum: 0,
    maximum: 600_000,
    description: "Milliseconds between SIGTERM and SIGKILL when the agent stops.",
  }),
  max_line_bytes: maxLineBytes,
  encoding: streamEncoding,
});
type CommandOptions = Infer<typeof options>;

/** Runs a program and reads what it prints. */
export const command = defineSource({
  type: "command",
  summary: "Runs a program and reads the lines it prints",
  description:
    "The program gets SIGTERM when the agent stops, with all that it started (its process group). What it printed and was not " +
    "yet delivered is lost when the agent is killed.",
  stability: "stable",
  schema: options,
  rereadable: false,
  examples: [
    {
      title: "Packets as tcpdump prints them",
      options: { type: "command", command: ["tcpdump", "-l", "-n", "-i", "eth0"] },
    },
    {
      title: "The journal of a unit",
      options: { type: "command", command: ["journalctl", "-f", "-n", "0", "-u", "ssh", "-o", "cat"] },
    },
  ],
  validate: ({ encoding }) => encodingFaults(encoding),
  create: (given, context) => new CommandSource(given, context),
});

const STREAM = new Path("stream");
/** A run this long was a success: the next pause is the shortest again. */
const STABLE_MS = 60_000;
const STDERR_LINES = 20;
const STDERR_WINDOW_MS = 10_000;

class CommandSource implements Source {
  readonly #options: CommandOptions;
  readonly #context: SourceContext;
  #partition: string | undefined;
  #state: InputStatus["state"] = "waiting";
  #bytes = 0;
  #error: string | undefined;

  constructor(given: CommandOptions, context: SourceContext) {
    this.#options = given;
    this.#context = context;
  }

  async run(output: SourceOutput, signal: AbortSignal): Promise<void> {
    for (const session of output.known) output.forget(session.id);
    const { log } = this.#context;
    const name = this.#options.command[0]!;
    const restarts = this.#options.restart && !this.#context.once;
    let failures = 0;
    while (!signal.aborted) {
      const startedMs = this.#context.monotonicMs();
      const how = await this.#runOnce(output, signal);
      if (signal.aborted) break;
      this.#state = how.ok ? "finished" : "failed";
      this.#error = how.ok ? undefined : how.text;
      if (!restarts) {
        if (how.ok) log.info(`${name} ${how.text}`);
        else if (how.notStarted) throw new WiretailError("WT_SOURCE_FAILED", `cannot start ${name}: ${how.text}`);
        else log.error(`${name} ${how.text}`);
        return;
      }
      failures = this.#context.monotonicMs() - startedMs >= STABLE_MS ? 0 : failures + 1;
      const { restart_min_delay_ms: min, restart_max_delay_ms: max } = this.#options;
      const delayMs = Math.round(Math.min(max, min * 2 ** Math.min(failures - 1, 30)) * (0.75 + Math.random() / 2));
      log.warn(`${name} ${how.text}; started again in ${delayMs} ms`);
      this.#state = "waiting";
      await this.#context.sleep(delayMs, signal);
    }
    this.#state = "finished";
  }

  /** Starts the program and reads it to its end. */
  async #runOnce(
    output: SourceOutput,
    signal: AbortSignal,
  ): Promise<{ ok: boolean; notStarted: boolean; text: string }> {
    const { command: argv, stderr, environment, working_dir: cwd } = this.#options;
    // Before the program runs: Node throws away what nobody reads when it ends.
    const id = await this.#open(output);
    const errorId = stderr === "events" ? await this.#open(output) : undefined;
    this.#partition = id;
    this.#state = "reading";
    const child = spawn(argv[0]!, argv.slice(1), {
      ...(cwd === undefined ? {} : { cwd }),
      env: { ...process.env, ...environment },
      stdio: ["ignore", "pipe", stderr === "ignore" ? "ignore" : "pipe"],
      // A process group of its own, so that what it started is stopped with it.
      detached: true,
    });
    const exited = new Promise<{ ok: boolean; notStarted: boolean; text: string }>((resolve) => {
      child.once("error", (error) => {
        if (child.pid === undefined) resolve({ ok: false, notStarted: true, text: `did not start: ${error.message}` });
      });
      child.once("exit", (code, by) =>
        resolve({
          ok: code === 0,
          notStarted: false,
          text: by === null ? `exited with code ${code}` : `was ended by ${by}`,
        }),
      );
    });
    // Without descriptors for its output there is no program, and no stream.
    if ((child.stdout as typeof child.stdout | undefined) === undefined) return exited;
    // Reading goes on while the program is asked to stop, so that what it prints last arrives.
    const readersDone = new AbortController();
    const pumps = [this.#pump(child.stdout!, id, undefined, output, readersDone.signal)];
    if (child.stderr !== null && errorId !== undefined) {
      pumps.push(this.#pump(child.stderr, errorId, "stderr", output, readersDone.signal));
    } else if (child.stderr !== null) {
      pumps.push(this.#logLines(child.stderr, argv[0]!, readersDone.signal));
    }
    const stopper = this.#stopOnAbort(child, signal);
    const how = await exited;
    // Something that the program left behind may hold its output open for ever.
    const grace = setTimeout(() => readersDone.abort(), this.#options.kill_grace_ms);
    await Promise.all(pumps);
    clearTimeout(grace);
    stopper();
    child.stdout?.destroy();
    child.stderr?.destroy();
    return how;
  }

  async #open(output: SourceOutput): Promise<string> {
    const id = randomBytes(12).toString("base64url");
    await output.open({ id, identity: { started_ms: this.#context.now() }, startPosition: 0 });
    return id;
  }

  async #pump(
    input: Readable,
    id: string,
    stream: string | undefined,
    output: SourceOutput,
    signal: AbortSignal,
  ): Promise<void> {
    const { paths, values } = this.#context.envelope;
    const envelope =
      stream === undefined
        ? { paths, values, offsetPath: undefined }
        : { paths: [...paths, STREAM], values: [...values, stream], offsetPath: undefined };
    const { encoding } = encodingOption(this.#options.encoding);
    const rules = { maxLineBytes: this.#options.max_line_bytes, encoding };
    const partition = { id, source: this.#context.id, envelope };
    const onProgress = (bytes: number): void => void (this.#bytes += bytes);
    const error = await pumpLines(input, rules, partition, output, () => this.#context.now(), signal, onProgress);
    if (error !== undefined) this.#context.log.warn(`reading ${this.#options.command[0]!} failed: ${error.message}`);
    output.forget(id);
  }

  /** Standard error as lines of our own log, so many at most, and how many were left out. */
  async #logLines(input: Readable, name: string, signal: AbortSignal): Promise<void> {
    const splitter = new LineSplitter({ maxLineBytes: 4096 });
    let carry = Buffer.alloc(0);
    let windowMs = -Infinity;
    let lines = 0;
    let omitted = 0;
    const tell = (text: string): void => {
      const nowMs = this.#context.monotonicMs();
      if (nowMs - windowMs >= STDERR_WINDOW_MS) {
        if (omitted > 0) this.#context.log.warn(`${name}: ${omitted} lines of standard error left out`);
        [windowMs, lines, omitted] = [nowMs, 0, 0];
      }
      if (lines++ < STDERR_LINES) this.#context.log.warn(`${name}: ${text}`);
      else omitted++;
    };
    const take = (end: "open" | "all"): void => {
      for (;;) {
        const split = splitter.split(carry, 1, end);
        for (let i = 0; i < split.count; i++) tell(split.text.slice(split.starts[i], split.ends[i]));
        carry = carry.subarray(split.consumed);
        if (split.consumed === 0) return;
      }
    };
    await new Promise<void>((resolve) => {
      input.on("data", (chunk: Buffer) => {
        carry = Buffer.concat([carry, chunk]);
        take("open");
      });
      input.once("close", resolve).once("error", () => resolve());
      signal.addEventListener("abort", () => resolve(), { once: true });
    });
    take("all");
    if (omitted > 0) this.#context.log.warn(`${name}: ${omitted} lines of standard error left out`);
  }

  /** SIGTERM to the process group on abort, SIGKILL after the grace time. Returns what undoes it. */
  #stopOnAbort(child: ChildProcess, signal: AbortSignal): () => void {
    let timer: NodeJS.Timeout | undefined;
    const send = (name: "SIGTERM" | "SIGKILL"): void => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, name);
      } catch {
        // It is gone already.
      }
    };
    const onAbort = (): void => {
      send("SIGTERM");
      timer = setTimeout(() => send("SIGKILL"), this.#options.kill_grace_ms);
    };
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
    return () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
    };
  }

  inputs(): readonly InputStatus[] {
    const input = { name: this.#options.command.join(" "), partition: this.#partition, state: this.#state };
    return [{ ...input, sizeBytes: undefined, readBytes: this.#bytes, error: this.#error }];
  }
}
