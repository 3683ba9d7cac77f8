import { batchKey, eventId, type SinkBatch } from "../../core/batch.ts";
import type { Context } from "../../core/component.ts";
import { CallFailed, readReply, type Caller } from "./client.ts";
import type { LostBulks } from "./lost-bulks.ts";

/** Ids asked for in one call. */
const IDS_PER_CALL = 5_000;
/**
 * Indices that are looked into, the newest ones. Several rollovers between two attempts are possible: an agent that is
 * killed again and again within a second, before a position is written, has to find what its first life sent.
 */
const MAX_INDICES = 20;

interface Resolved {
  readonly data_streams?: readonly { readonly backing_indices?: string | readonly string[] }[];
  readonly aliases?: readonly { readonly indices?: string | readonly string[] }[];
}

/** Where documents go: the name, and whether it is a data stream's. */
export interface RolledPlace {
  readonly name: string;
  readonly target: { readonly dataStream: string | undefined };
}

/** What a name stands for. */
interface Backing {
  readonly indices: readonly string[];
  /** Whether the name may come to stand for another index: a data stream or an alias. */
  readonly canRoll: boolean;
}

/**
 * An `_id` protects from duplicates only inside one index: what is sent again after a data stream or an alias rolled
 * over would be indexed twice. So documents that may have arrived before are looked up, by id, in the newest indices:
 * those that an earlier process may have sent (`maybeSent`), and those whose last call had no clear answer. Not before
 * the server has ended all that it was sent. `_mget` by index finds what no refresh has made searchable yet. The index
 * that is written to is asked, too: its 409 would help no more if it rolled over before the call comes to it.
 *
 * A plain index answers 409 for what it has, and needs none of that.
 */
export class RolloverGuard {
  readonly #connection: Caller;
  readonly #lostBulks: LostBulks;
  readonly #context: Context;
  /** Whether some call with documents of a batch, since it was handed over first, had no clear answer. */
  readonly #isUnclear = new WeakMap<object, boolean>();
  /** Names that may not be looked at. */
  readonly #blind = new Set<string>();
  #unchecked = 0;

  constructor(connection: Caller, lostBulks: LostBulks, context: Context) {
    this.#connection = connection;
    this.#lostBulks = lostBulks;
    this.#context = context;
  }

  /** To be called first: nothing is unclear yet of documents that are handed over for the first time. */
  begin(batch: SinkBatch, attempt: number): void {
    if (attempt > 1) return;
    for (const { batch: events } of batch.slices) {
      const key = batchKey(events);
      if (!this.#isUnclear.has(key)) this.#isUnclear.set(key, false);
    }
  }

  /** Indexes in the batch of documents that are there already. Throws CallFailed. `place` is where they go. */
  async delivered(
    batch: SinkBatch,
    place: RolledPlace,
    signal: AbortSignal,
    attempt: number,
  ): Promise<ReadonlySet<number> | undefined> {
    const ids: string[] = [];
    const indexes: number[] = [];
    let index = 0;
    for (const { batch: events, from, to, maybeSent } of batch.slices) {
      const isDoubtful = attempt > 1 ? this.#isUnclear.get(batchKey(events)) !== false : maybeSent === true;
      for (let i = from; i < to; i++, index++) {
        if (!isDoubtful) continue;
        ids.push(eventId(events, i));
        indexes.push(index);
      }
    }
    if (ids.length === 0) return undefined;
    const isDataStream = place.target.dataStream !== undefined;
    if (!isDataStream && (await this.#backing(place, signal))?.canRoll === false) return undefined;
    const isQuiet = await this.#lostBulks.ended(signal);
    const backing = await this.#backing(place, signal);
    if (backing?.canRoll === false) return undefined;
    const { metrics } = this.#context;
    if (backing === undefined || !isQuiet) this.#countUnchecked(ids.length);
    const indices = backing?.indices ?? [];
    if (indices.length === 0) return undefined;
    const found = new Set<number>();
    for (let at = 0; at < ids.length; at += IDS_PER_CALL) {
      const some = ids.slice(at, at + IDS_PER_CALL);
      const there = await Promise.all(indices.map((each) => this.#lookUp(each, some, signal)));
      for (const list of there) for (const i of list) found.add(indexes[at + i]!);
    }
    metrics.counter("elasticsearch_looked_up_events").add(ids.length);
    // They are left out of this call only: should it fail as a whole, the next one has to leave them out, too.
    if (found.size > 0) this.unclear(batch);
    return found;
  }

  /** Some of a call's documents may have arrived, and nobody said so. */
  unclear(batch: SinkBatch): void {
    for (const slice of batch.slices) this.#isUnclear.set(batchKey(slice.batch), true);
  }

  /** The look-up failed: what an earlier process may have sent is as unclear as before, and the next attempt asks again. */
  notLookedUp(batch: SinkBatch): void {
    for (const slice of batch.slices) if (slice.maybeSent === true) this.#isUnclear.set(batchKey(slice.batch), true);
  }

  /** Which of these ids an index has, by their places in the list. */
  async #lookUp(index: string, ids: readonly string[], signal: AbortSignal): Promise<number[]> {
    let body: unknown;
    try {
      const reply = await this.#connection.call(
        {
          method: "POST",
          path: `/${encodeURIComponent(index)}/_mget`,
          query: { _source: "false", filter_path: "docs.found,docs.error.type" },
          body: { ids },
        },
        signal,
      );
      body = reply.body;
    } catch (error) {
      if (error instanceof CallFailed && error.status === 404) return []; // Deleted meanwhile.
      if (error instanceof CallFailed && error.status === 413 && ids.length > 1) {
        const half = ids.length >>> 1;
        const first = await this.#lookUp(index, ids.slice(0, half), signal);
        const second = await this.#lookUp(index, ids.slice(half), signal);
        return [...first, ...second.map((place) => half + place)];
      }
      if (error instanceof CallFailed && isFinal(error)) return this.#giveUp(index, error.message, ids.length);
      throw error;
    }
    const { there, fault } = readReply("_mget", () => readFound(body, ids.length));
    if (fault === undefined) return there;
    if (fault === "index_closed_exception") return this.#giveUp(index, "it is closed", ids.length);
    throw new CallFailed(0, { outcome: "retry", reason: `cannot look up events in ${index}: ${fault}` }, true);
  }

  /** For `status`. */
  notes(): string[] {
    const notes = this.#lostBulks.note === undefined ? [] : [`waiting: ${this.#lostBulks.note}`];
    if (this.#unchecked > 0)
      notes.push(
        `${this.#unchecked} events were sent again without knowing whether they were there: after a rollover they may be there twice`,
      );
    return notes;
  }

  #countUnchecked(events: number): void {
    this.#unchecked += events;
    this.#context.metrics.counter("elasticsearch_unchecked_events").add(events);
  }

  #giveUp(index: string, why: string, events: number): [] {
    this.#countUnchecked(events);
    this.#context.log.warn(`cannot look into ${index} for events that may be there already: they may appear twice`, {
      error: why,
    });
    return [];
  }

  /** Undefined when that may not be looked at. */
  async #backing({ name, target }: RolledPlace, signal: AbortSignal): Promise<Backing | undefined> {
    if (this.#blind.has(name)) return undefined;
    const isDataStream = target.dataStream !== undefined;
    try {
      const reply = await this.#connection.call(
        {
          method: "GET",
          path: `/_resolve/index/${encodeURIComponent(name)}`,
          query: { filter_path: "data_streams.backing_indices,aliases.indices" },
        },
        signal,
      );
      return readReply("_resolve/index", () => readResolved((reply.body ?? {}) as Resolved, isDataStream));
    } catch (error) {
      if (!(error instanceof CallFailed) || !isFinal(error)) throw error;
      if (error.status === 404) return { indices: [], canRoll: isDataStream };
      // Names may have a date in them: few are of use at a time.
      if (this.#blind.size >= 1000) this.#blind.clear();
      this.#blind.add(name);
      this.#context.log.warn(
        `cannot look into the backing indices of ${name}: events that are sent again after a rollover may appear twice; give the privileges view_index_metadata and read`,
        { error: error.message },
      );
      return undefined;
    }
  }
}

function readResolved({ data_streams, aliases }: Resolved, isDataStream: boolean): Backing {
  // One index alone comes as a string. Backing indices come oldest first.
  const backing = [data_streams?.[0]?.backing_indices ?? []].flat();
  if (backing.length > 0) return { indices: backing.slice(-MAX_INDICES), canRoll: true };
  const indices = [aliases?.[0]?.indices ?? []].flat();
  if (indices.length > 0) return { indices: indices.sort().slice(-MAX_INDICES), canRoll: true };
  return { indices: [], canRoll: isDataStream };
}

/** What a reply of `_mget` says: the places of ids that were found, or why that is not known. */
function readFound(body: unknown, count: number): { there: number[]; fault?: string } {
  const { docs = [] } = (body ?? {}) as { docs?: readonly { found?: boolean; error?: { type?: string } }[] };
  const there: number[] = [];
  let fault = docs.length === count ? undefined : "the answer is not complete";
  docs.forEach((doc, i) => {
    if (doc.found === true) there.push(i);
    else if (doc.error !== undefined) {
      if (doc.error.type !== "index_not_found_exception") fault = String(doc.error.type);
    } else if (doc.found !== false) fault = "the answer does not say of each whether it was found";
  });
  return fault === undefined ? { there } : { there, fault };
}

/** The server said no, and would say so again. */
function isFinal(error: CallFailed): boolean {
  return error.status >= 400 && error.status < 500 && ![401, 408, 429].includes(error.status);
}
