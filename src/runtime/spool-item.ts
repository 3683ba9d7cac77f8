import { destinationRuns, encodeRecord, type EncodedRecord } from "../disk/journal/record.ts";
import { joinRanges } from "../disk/journal/ranges.ts";
import type { JournalFeed } from "./journal-feed.ts";
import type { OutboxEntry } from "./outbox.ts";
import type { PendingBatch, RouteProgress } from "./progress.ts";
import type { QueuedSlice } from "./sink-queue.ts";

/** A sink that needs a batch from the journal. */
export interface SpoolNeed {
  readonly feed: JournalFeed;
  readonly progress: RouteProgress;
  readonly pending: PendingBatch;
  /** Documents that are not settled: from, to, from, to, … */
  readonly ranges: readonly number[];
  /** Those of them that are not in memory for the sink, if any. */
  away: readonly number[] | undefined;
  /** Some of them were sent already. */
  readonly sentBefore?: boolean;
}

/** A batch on its way to the journal. */
export interface SpoolItem {
  readonly entry: OutboxEntry;
  needs: readonly SpoolNeed[];
  record: EncodedRecord | undefined;
}

/** What the journal keeps of a batch. */
export function recordOf({ entry, needs }: SpoolItem): EncodedRecord {
  const { destinations } = entry.batch;
  const readers = needs.map(({ feed, ranges, pending, sentBefore = false }) => ({
    ...{ sink: feed.options.sink, ranges, start: pending.start, sentBefore },
    ...(destinations === undefined ? {} : { destinations: destinationRuns(destinations, feed.options.name) }),
  }));
  return encodeRecord(entry.batch, readers, new Set(needs.map(({ feed }) => feed.options.runner.encoding)));
}

/** Slices by their batch, with what of it they are. */
export function groupByBatch(
  slices: readonly QueuedSlice[],
): Map<PendingBatch, { readonly slice: QueuedSlice; ranges: number[] }> {
  const groups = new Map<PendingBatch, { readonly slice: QueuedSlice; ranges: number[] }>();
  for (const slice of slices) {
    const group = groups.get(slice.pending);
    if (group === undefined) groups.set(slice.pending, { slice, ranges: [slice.from, slice.to] });
    else group.ranges.push(slice.from, slice.to);
  }
  for (const group of groups.values()) group.ranges = joinRanges(group.ranges);
  return groups;
}
