import type { FileHandle } from "node:fs/promises";
import type { Log } from "../core/component.ts";
import { errorMessage, WiretailError } from "../core/error.ts";
import { askAgent } from "./control.ts";
import { lockStateDir } from "./state-lock.ts";

/** Where a running agent is asked to release its state directory, on the control socket. */
export const TAKEOVER_PATH = "/takeover";

export interface TakeoverRequest {
  readonly pid: number;
  /**
   * Until when the asking process waits, in milliseconds of the host's monotonic clock. An agent that hung and reads this
   * later must not end: nobody would go on in its place.
   */
  readonly until_ms: number;
}

/** The host's monotonic clock: the same in all its processes, and never set. */
export function hostMonotonicMs(): number {
  return Number(process.hrtime.bigint() / 1_000_000n);
}

/**
 * Takes the lock of a state directory from the agent that has it: asks it to stop reading, to deliver what it read and
 * to end, and waits for that. Where no agent runs it takes the lock at once. The old agent is never killed: throws
 * WT_TAKEOVER_FAILED, with everything as it was, when it does not let go within `timeoutMs`.
 */
export async function takeOver(stateDir: string, timeoutMs: number, log: Log): Promise<FileHandle> {
  let holder: WiretailError;
  try {
    return await lockStateDir(stateDir);
  } catch (error) {
    if (!(error instanceof WiretailError) || error.code !== "WT_STATE_LOCKED") throw error;
    holder = error;
  }
  const untilMs = hostMonotonicMs() + timeoutMs;
  log.info("asking the running agent to release the state directory", { state_dir: stateDir });
  let leftMs = timeoutMs;
  for (;;) {
    let refusal: string | undefined;
    try {
      const request: TakeoverRequest = { pid: process.pid, until_ms: untilMs };
      await askAgent(stateDir, TAKEOVER_PATH, { body: request, timeoutMs: Math.max(1, leftMs) });
    } catch (error) {
      // It may be about to end anyway: the lock decides. One that has no descriptor left to answer with is asked again.
      refusal = errorMessage(error);
    }
    leftMs = untilMs - hostMonotonicMs();
    try {
      const waitMs = refusal === undefined ? leftMs : Math.min(leftMs, ASK_AGAIN_MS);
      const handle = await lockStateDir(stateDir, Math.max(1000, waitMs));
      log.info("took over from the agent that ran before");
      return handle;
    } catch (error) {
      if (!(error instanceof WiretailError) || error.code !== "WT_STATE_LOCKED") throw error;
      if (refusal !== undefined && hostMonotonicMs() < untilMs) continue;
      throw failed(holder, error, refusal, timeoutMs);
    }
  }
}

/** An agent that could not be asked to end is asked again after so long. */
const ASK_AGAIN_MS = 2_000;

function failed(holder: WiretailError, cause: unknown, refusal: string | undefined, timeoutMs: number): WiretailError {
  const why =
    refusal === undefined
      ? `it was asked to end and did not within ${timeoutMs / 1000} s`
      : `it could not be asked (${refusal}), and did not end within ${timeoutMs / 1000} s`;
  return new WiretailError("WT_TAKEOVER_FAILED", `${holder.message}: ${why}; it goes on, and this one does not start`, {
    cause,
    hint: "look at its log and at wiretail status; when it hangs, kill -9 it (nothing is lost by that) and start again, or give it longer with --takeover-timeout",
  });
}
