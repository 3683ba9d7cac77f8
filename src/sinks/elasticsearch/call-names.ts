import { randomBytes } from "node:crypto";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Context } from "../../core/component.ts";
import { errorMessage, systemErrorCode, WiretailError } from "../../core/error.ts";
import { writeFileAtomic } from "../../disk/atomic-file.ts";

/**
 * The values of `X-Opaque-Id` that bulk calls go out with. A bulk outlives its client: the server works on when the
 * connection or the whole agent is gone. By these names it can be found in the server's list of tasks.
 *
 * All begin with the sink's own prefix, that is kept over restarts. A name is used again when its call got a clear
 * answer, so that there are few: the server's deprecation log keeps each in memory. The name of a call without an
 * answer is not used again: whatever runs under it is lost to us.
 */
export class CallNames {
  readonly prefix: string;
  readonly #run = randomBytes(3).toString("hex");
  readonly #live = new Set<string>();
  readonly #free: string[] = [];
  #made = 0;

  constructor(prefix: string) {
    this.prefix = prefix;
  }

  /** Makes the prefix, or reads the one made before. A sink that is only probed keeps nothing. */
  static async open(context: Context): Promise<CallNames> {
    const fresh = (): string => `wiretail/${nameInHeader(context.id)}/${randomBytes(9).toString("base64url")}`;
    if (context.probing === true) return new CallNames(fresh());
    const path = join(context.stateDir, FILE);
    try {
      const kept = await read(path);
      if (kept !== undefined) return new CallNames(kept);
      const prefix = fresh();
      await mkdir(context.stateDir, { recursive: true, mode: 0o700 });
      await writeFileAtomic(path, JSON.stringify({ format: 1, opaque_id: prefix }) + "\n");
      return new CallNames(prefix);
    } catch (error) {
      throw new WiretailError("WT_STATE_UNWRITABLE", `cannot keep ${path}: ${errorMessage(error)}`, {
        cause: error,
        hint: "give the agent's user the right to write to state_dir",
      });
    }
  }

  /** A name for a call that begins now. Give it back with `end`. */
  begin(): string {
    const name = this.#free.pop() ?? `${this.prefix}/${this.#run}${this.#made++}`;
    this.#live.add(name);
    return name;
  }

  /** The call is over; `isAnswered`: nothing of it can still be at work on the server. */
  end(name: string, isAnswered: boolean): void {
    this.#live.delete(name);
    if (isAnswered) this.#free.push(name);
  }

  /** Whether a task of the server with this name belongs to a call of ours that nobody waits for any more. */
  isLost(name: string): boolean {
    return name.startsWith(`${this.prefix}/`) && !this.#live.has(name);
  }
}

async function read(path: string): Promise<string | undefined> {
  try {
    const kept = JSON.parse(await readFile(path, "utf8")) as { opaque_id?: unknown };
    return typeof kept.opaque_id === "string" && /^[\w/.-]{1,120}$/.test(kept.opaque_id) ? kept.opaque_id : undefined;
  } catch (error) {
    // Damaged or not there: a new one is made. Only a bulk that is still at work from before is not recognised then.
    if (error instanceof SyntaxError || systemErrorCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

function nameInHeader(id: string): string {
  return id.replace(/[^\w.-]/g, "_").slice(0, 40);
}

const FILE = "elasticsearch-client.json";
