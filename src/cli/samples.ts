import { join } from "node:path";
import { errorMessage, WiretailError } from "../core/error.ts";
import { readCheckpoint } from "../disk/checkpoint-file.ts";
import type { SampleEvent } from "../runtime/config-diff.ts";
import type { HostConfig } from "../runtime/config/types.ts";
import { parseEventId } from "../runtime/replay/planner.ts";
import { eventAt, findFile, lastEvents, rulesOf, type OriginalEvent } from "./origin.ts";

export interface Samples {
  readonly events: readonly SampleEvent[];
  /** Where they are from, in words. */
  readonly from: string;
}

/** The last lines of a file, as events of a source. */
export async function samplesOfFile(
  path: string,
  source: string,
  limit: number,
  configs: readonly HostConfig[],
): Promise<Samples> {
  const config = configs.flatMap(({ sources }) => sources).find(({ name }) => name === source);
  const rules = (config === undefined ? undefined : rulesOf(config)) ?? { maxLineBytes: 1 << 20 };
  try {
    const events = await lastEvents(path, limit, rules);
    return { events: events.map((event) => ({ ...event, source, path })), from: path };
  } catch (error) {
    throw new WiretailError("WT_USAGE", `cannot read the sample: ${errorMessage(error)}`, { cause: error });
  }
}

/** Finds the newest documents of the local store, as JSON with `_id`. */
export type NewestDocuments = (limit: number) => Promise<readonly string[]>;

type Place = { readonly path: string } | { readonly fault: string };
type Partitions = Readonly<Record<string, { readonly source: string; readonly identity: unknown }>>;

/**
 * The last events that an agent with this configuration really read: the ends of the files that its checkpoint knows,
 * as they stand there, so that what it left out is among them; and, where these do not suffice, the events of the local
 * store, with their lines from `event.original` or from the files.
 */
export async function lastRealEvents(
  config: HostConfig,
  limit: number,
  newest: NewestDocuments | undefined,
): Promise<Samples> {
  const { data } = await readCheckpoint(join(config.stateDir, "checkpoints.json"), { keepDamaged: true });
  const places = new Map<string, Promise<Place>>();
  const placeOf = (id: string): Promise<Place> => {
    let found = places.get(id);
    if (found === undefined) places.set(id, (found = findFile(data.partitions[id]?.identity)));
    return found;
  };
  const { events, seen, files } = await endsOfFiles(config, limit, data.partitions, placeOf);
  const from = files === 0 ? [] : [files === 1 ? "the end of a file" : `the ends of ${files} files`];
  if (events.length < limit && newest !== undefined) {
    const stored = await storedEvents(config, await newest(limit), data.partitions, placeOf, seen);
    if (stored.length > 0) from.push("the local store");
    events.push(...stored.slice(0, limit - events.length));
  }
  return { events, from: from.join(" and ") };
}

/** Events of the local store that are not among `seen`, as far as their lines are known. */
async function storedEvents(
  config: HostConfig,
  documents: readonly string[],
  partitions: Partitions,
  placeOf: (id: string) => Promise<Place>,
  seen: Set<string>,
): Promise<SampleEvent[]> {
  const events: SampleEvent[] = [];
  for (const json of documents) {
    const document = JSON.parse(json) as { _id?: unknown; event?: { original?: unknown } };
    const id = typeof document._id === "string" ? parseEventId(document._id) : undefined;
    if (id === undefined) continue;
    const partitionId = id.prefix.split(".")[0]!;
    const partition = partitions[partitionId];
    const source = config.sources.find(({ name }) => name === partition?.source);
    // Another pipeline's event of the same line, or another one made of it.
    const key = `${partitionId}.${id.offset}`;
    if (source === undefined || seen.has(key)) continue;
    seen.add(key);
    const path = pathOf(partition?.identity);
    const rules = rulesOf(source);
    if (typeof document.event?.original === "string")
      events.push({ source: source.name, text: document.event.original, offset: id.offset, flags: undefined, path });
    else if (rules !== undefined) {
      const place = await placeOf(partitionId);
      const event = "fault" in place ? place : await eventAt(place.path, id.offset, rules).catch(() => undefined);
      if (event !== undefined && !("fault" in event)) events.push({ ...event, source: source.name, path });
    }
  }
  return events;
}

async function endsOfFiles(
  config: HostConfig,
  limit: number,
  partitions: Partitions,
  placeOf: (id: string) => Promise<Place>,
): Promise<{ events: SampleEvent[]; seen: Set<string>; files: number }> {
  const files: { id: string; source: string; path: string | undefined; events: readonly OriginalEvent[] }[] = [];
  const newestFirst = Object.entries(partitions).sort(([, a], [, b]) => mtimeOf(b.identity) - mtimeOf(a.identity));
  for (const [id, { source, identity }] of newestFirst.slice(0, MAX_FILES)) {
    const written = config.sources.find(({ name }) => name === source);
    const rules = written === undefined ? undefined : rulesOf(written);
    if (rules === undefined) continue;
    const place = await placeOf(id);
    const events = "fault" in place ? [] : await lastEvents(place.path, limit, rules).catch(() => []);
    if (events.length > 0) files.push({ id, source, path: pathOf(identity), events });
  }
  // Evenly: what the short ones leave is for the others.
  files.sort((a, b) => a.events.length - b.events.length);
  const seen = new Set<string>();
  const chosen: SampleEvent[] = [];
  files.forEach(({ id, source, path, events }, i) => {
    const share = Math.ceil((limit - chosen.length) / (files.length - i));
    for (const event of share === 0 ? [] : events.slice(-share)) {
      chosen.push({ ...event, source, path });
      seen.add(`${id}.${event.offset}`);
    }
  });
  return { events: chosen, seen, files: files.length };
}

function pathOf(identity: unknown): string | undefined {
  const { path } = (identity ?? {}) as { path?: unknown };
  return typeof path === "string" ? path : undefined;
}

function mtimeOf(identity: unknown): number {
  const { mtimeMs } = (identity ?? {}) as { mtimeMs?: unknown };
  return typeof mtimeMs === "number" ? mtimeMs : 0;
}

const MAX_FILES = 100;
