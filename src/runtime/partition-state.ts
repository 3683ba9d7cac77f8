import type { PartitionCheckpoint } from "../disk/checkpoint-file.ts";
import { RouteProgress } from "./progress.ts";
import { SentMark } from "./sent-mark.ts";

/** What is known of a partition and of the routes that its events take. */
export interface PartitionState {
  source: string;
  sourceIdentity: string | undefined;
  identity: unknown;
  readonly routes: Map<string, RouteProgress>;
  /** Its input is gone: dropped once everything is settled. */
  isForgotten: boolean;
}

/** A partition of the checkpoint. */
export function loadPartition(entry: PartitionCheckpoint): PartitionState {
  const routes = new Map<string, RouteProgress>();
  for (const [route, [position, resume, sent]] of Object.entries(entry.routes)) {
    const ranges = (entry.in_journal?.[route] ?? []).map(([from, fromResume, to]) => ({
      ...{ from: { position: from, resume: fromResume }, to },
    }));
    const progress = new RouteProgress({ position, resume }, ranges);
    if (sent !== undefined) progress.sentMark = new SentMark(sent, position);
    routes.set(route, progress);
  }
  return {
    ...{ source: entry.source, sourceIdentity: entry.source_identity },
    ...{ identity: entry.identity, routes, isForgotten: false },
  };
}

/** A mark of what may have been sent, to be told once `written` is on disk. */
export interface WrittenMark {
  readonly mark: SentMark;
  readonly written: number;
}

/** The same as the checkpoint keeps it. `marks` gets the marks that it writes; after `isLast` nothing is sent any more. */
export function savePartition(state: PartitionState, isLast: boolean, marks: WrittenMark[]): PartitionCheckpoint {
  const routes: PartitionCheckpoint["routes"] = {};
  const inJournal: NonNullable<PartitionCheckpoint["in_journal"]> = {};
  for (const [route, { position, resume, sentMark, journaled }] of state.routes) {
    if (journaled.length > 0)
      inJournal[route] = journaled.map(({ from, to }) => [from.position, from.resume, to] as const);
    if (sentMark === undefined) routes[route] = [position, resume];
    else {
      const written = isLast ? sentMark.last() : sentMark.next();
      marks.push({ mark: sentMark, written });
      routes[route] = [position, resume, written];
    }
  }
  return {
    source: state.source,
    ...(state.sourceIdentity === undefined ? {} : { source_identity: state.sourceIdentity }),
    ...{ identity: state.identity, routes },
    ...(Object.keys(inJournal).length === 0 ? {} : { in_journal: inJournal }),
  };
}
