import { compileLetterQuery } from "../../disk/dead-letters/query.ts";
import type { DeadLetterStore } from "../../disk/dead-letters/store.ts";
import type { HostConfig } from "../config/types.ts";
import { dryRun } from "./dry-run.ts";
import type { Replays } from "./replays.ts";

/** What is asked of the dead letters of a running agent, on its control socket. */
export const DEAD_LETTER_PATHS = {
  dryRun: "/dead-letters/dry-run",
  replay: "/dead-letters/replay",
  replayStatus: "/dead-letters/replay-status",
  stopReplay: "/dead-letters/stop-replay",
  purge: "/dead-letters/purge",
} as const;

export interface DeadLetterRequest {
  readonly query?: string;
  readonly as_it_was?: boolean;
}

/** Does it; undefined for paths of others. */
export function deadLetterCommand(
  parts: { readonly config: HostConfig; readonly store: DeadLetterStore; readonly replays: Replays },
  path: string,
  body: unknown,
  nowMs: () => number,
): Promise<unknown> | undefined {
  const { query = "", as_it_was = false } = (body ?? {}) as DeadLetterRequest;
  const { config, store, replays } = parts;
  switch (path) {
    case DEAD_LETTER_PATHS.dryRun:
      return dryRun(config, query, as_it_was, nowMs);
    case DEAD_LETTER_PATHS.replay:
      return replays.start(query, as_it_was);
    case DEAD_LETTER_PATHS.replayStatus:
      return Promise.resolve(replays.status);
    case DEAD_LETTER_PATHS.stopReplay:
      return replays.cancel();
    case DEAD_LETTER_PATHS.purge:
      return purge(store, query);
    default:
      return undefined;
  }
}

/** Removes the letters that a query selects. */
export async function purge(store: DeadLetterStore, query: string): Promise<{ removed: number }> {
  const isSelected = compileLetterQuery(query);
  return { removed: await store.change((letter) => (isSelected(letter) ? "remove" : "keep")) };
}
