import type { Context } from "../../core/component.ts";
import type { CallNames } from "./call-names.ts";
import { CallFailed, readReply, type Caller } from "./client.ts";

/** One write waits so long at a time; the runtime then makes it again after a pause. */
const WAIT_AT_A_TIME_MS = 20_000;
/** After that the server's list of tasks is not believed any more: a bulk waits at most a minute for its shards. */
const WAIT_IN_ALL_MS = 600_000;
const LONGEST_PAUSE_MS = 2_000;

interface Tasks {
  readonly nodes?: Readonly<Record<string, { readonly tasks?: Readonly<Record<string, Task>> }>>;
  readonly node_failures?: readonly unknown[];
}
interface Task {
  readonly running_time_in_nanos?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * Waits until no bulk of ours is at work on the server that nobody waits for any more: one whose connection broke, or
 * that an earlier process sent before it was killed. Documents that it has not written yet would be looked up in vain.
 */
export class LostBulks {
  readonly #connection: Caller;
  readonly #names: CallNames;
  readonly #context: Context;
  #waitingSinceMs: number | undefined;
  #isBlind = false;
  /** What is waited for at this moment, for `status`. */
  note: string | undefined;

  constructor(connection: Caller, names: CallNames, context: Context) {
    this.#connection = connection;
    this.#names = names;
    this.#context = context;
  }

  /**
   * Resolves with true when none is at work, false when that cannot be known. Throws CallFailed (`retry`) when some
   * still are after a while, saying what is waited for, and where the server is not reached.
   */
  async ended(signal: AbortSignal): Promise<boolean> {
    const context = this.#context;
    const begunAtMs = context.monotonicMs();
    for (let pauseMs = 50; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
      const running = await this.#running(signal);
      if (running === undefined) return false;
      if (running.length === 0) {
        this.#waitingSinceMs = undefined;
        this.note = undefined;
        return true;
      }
      const now = context.monotonicMs();
      this.#waitingSinceMs ??= now;
      const longest = Math.max(...running.map((task) => Number(task.running_time_in_nanos ?? 0) / 1e9));
      const what = `the server still works on ${running.length} bulk task${running.length === 1 ? "" : "s"} sent before (X-Opaque-Id ${this.#names.prefix}/…), the longest for ${longest.toFixed(1)} s`;
      if (now - this.#waitingSinceMs > WAIT_IN_ALL_MS) {
        this.#waitingSinceMs = undefined;
        this.note = undefined;
        context.log.warn(`${what}: waited for ${WAIT_IN_ALL_MS / 60_000} minutes and go on, events may appear twice`);
        return false;
      }
      this.note = what;
      if (now - begunAtMs > WAIT_AT_A_TIME_MS || signal.aborted)
        throw new CallFailed(0, { outcome: "retry", reason: `waiting: ${what}` }, true);
      await context.sleep(pauseMs, signal);
    }
  }

  /** Undefined when that may not be looked at. */
  async #running(signal: AbortSignal): Promise<Task[] | undefined> {
    if (this.#isBlind) return undefined;
    let body: unknown;
    try {
      const query = { actions: "*bulk*", detailed: "true", filter_path: TASK_FILTER };
      const reply = await this.#connection.call({ method: "GET", path: "/_tasks", query }, signal);
      body = reply.body;
    } catch (error) {
      if (!(error instanceof CallFailed) || ![400, 403, 404, 405].includes(error.status)) throw error;
      this.#isBlind = true;
      this.#context.log.warn(
        "cannot see the server's tasks, and so not whether it still works on calls without an answer: events that are sent again around a rollover may appear twice; give the cluster privilege monitor",
        { error: error.message },
      );
      return undefined;
    }
    return readReply("_tasks", () => {
      const said = (body ?? {}) as Tasks;
      if ((said.node_failures?.length ?? 0) > 0) {
        const reason = "some nodes of the cluster do not say what they work on (node_failures in _tasks)";
        throw new CallFailed(0, { outcome: "retry", reason }, true);
      }
      return Object.values(said.nodes ?? {})
        .flatMap((node) => Object.values(node.tasks ?? {}))
        .filter((task) => this.#names.isLost(task.headers?.["X-Opaque-Id"] ?? ""));
    });
  }
}

const TASK_FILTER = "nodes.*.tasks.*.headers,nodes.*.tasks.*.running_time_in_nanos,node_failures";
