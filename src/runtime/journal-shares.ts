import type { Journal } from "../disk/journal/journal.ts";
import { countRanges } from "../disk/journal/ranges.ts";
import type { RecordPlace } from "../disk/journal/segment-index.ts";

/** What the journal holds for a sink. Counts of records that several sinks need are those of whole records. */
export interface JournalShare {
  readonly records: number;
  readonly events: number;
  readonly bytes: number;
}

/** What the journal holds for a sink behind its cursor, as far as that is known without reading it. */
export function shareOf(journal: Journal, sink: string): JournalShare {
  const sum = { records: 0, events: 0, bytes: 0 };
  for (const place of placesOf(journal, sink)) {
    sum.records++;
    sum.events += place.count;
    sum.bytes += place.length;
  }
  return sum;
}

/** How many documents the journal holds for a sink behind its cursor, as its records say. */
export async function backlogOf(journal: Journal, sink: string): Promise<number> {
  let events = 0;
  for (const place of placesOf(journal, sink)) {
    const head = await journal.readHead(place).catch(() => undefined);
    const reader = head?.readers.find((each) => each.sink === sink);
    events += reader === undefined ? place.count : countRanges(reader.ranges);
  }
  return events;
}

/** Identities of sinks that are not configured and that the journal holds something for. */
export function orphansOf(journal: Journal, isConfigured: (sink: string) => boolean): string[] {
  const waits = (sink: string): boolean => journal.find(journal.cursor(sink), sink) !== undefined;
  return [...journal.sinks].filter((sink) => !isConfigured(sink) && waits(sink));
}

function* placesOf(journal: Journal, sink: string): Generator<RecordPlace> {
  let place = journal.find(journal.cursor(sink), sink);
  for (; place !== undefined; place = journal.find(place.sequence + 1, sink)) yield place;
}
