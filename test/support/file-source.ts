import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Ajv } from "ajv";
import type { Source } from "../../src/core/component.ts";
import { file } from "../../src/sources/file/index.ts";
import type { FileOptions } from "../../src/sources/file/options.ts";
import { Durable, MemoryOutput, sourceContext } from "./source-output.ts";

const ajv = new Ajv({ useDefaults: true, strict: false });
const validate = ajv.compile(file.schema);

/** Options as the runtime would give them: defaults filled in. */
export function fileOptionsWith(options: Partial<FileOptions> & Pick<FileOptions, "include">): FileOptions {
  const filled = structuredClone(options) as FileOptions;
  if (!validate(filled)) throw new Error(ajv.errorsText(validate.errors));
  return filled;
}

/** A source that runs until it is stopped (orderly) or killed (nothing that it does afterwards counts). */
export interface Running {
  readonly output: MemoryOutput;
  readonly source: Source;
  readonly messages: string[];
  stop(): Promise<void>;
  kill(): Promise<void>;
}

/** Timings with which rotations are noticed soon and nothing waits for the end of a line. */
export const FAST = { idle_line_flush_ms: 60_000, poll_interval_ms: 100, rotate_grace_ms: 300 };

/** A folder with logs, and the sources that read them. */
export class Bench {
  readonly dir: string;
  readonly durable = new Durable();
  readonly #running = new Set<Running>();

  private constructor(dir: string) {
    this.dir = dir;
  }

  static async make(): Promise<Bench> {
    const bench = new Bench(await mkdtemp(join(tmpdir(), "wiretail-file-")));
    // logrotate leaves folders alone that others may write to.
    await mkdir(bench.path(""), { mode: 0o755 });
    return bench;
  }

  path(name: string): string {
    return join(this.dir, "logs", name);
  }

  start(
    options: Partial<FileOptions> & Pick<FileOptions, "include">,
    set: { once?: boolean; output?: MemoryOutput; now?: () => number } = {},
  ): Running {
    const context = sourceContext(join(this.dir, "state"), { once: set.once ?? false });
    if (set.now !== undefined) context.now = set.now;
    const output = set.output ?? new MemoryOutput(this.durable);
    const source = file.create(fileOptionsWith(options), context) as Source;
    const controller = new AbortController();
    const done = source.run(output, controller.signal);
    done.catch(() => undefined);
    const end = async (): Promise<void> => {
      controller.abort();
      this.#running.delete(running);
      await done;
    };
    const running: Running = {
      output,
      source,
      messages: context.messages,
      stop: end,
      kill: () => {
        output.killed = true;
        return end();
      },
    };
    this.#running.add(running);
    return running;
  }

  /** One pass over all that is there. */
  async once(
    options: Partial<FileOptions> & Pick<FileOptions, "include">,
    output = new MemoryOutput(this.durable),
  ): Promise<MemoryOutput> {
    const context = sourceContext(join(this.dir, "state"), { once: true });
    const source = file.create(fileOptionsWith(options), context) as Source;
    await source.run(output, new AbortController().signal);
    return output;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const running of this.#running) await running.stop();
    await rm(this.dir, { recursive: true, force: true });
  }
}
