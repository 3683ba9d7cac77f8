import { eventId, type SinkBatch } from "../../core/batch.ts";
import type { Log } from "../../core/component.ts";
import { CallFailed, type Connection } from "./client.ts";

/** Ids asked for in one call. */
const IDS_PER_CALL = 5_000;
/** Older backing indices that are looked into: retries that span more rollovers than that are not to be expected. */
const MAX_OLDER = 5;

/**
 * An `_id` protects from duplicates only inside one backing index: what is sent again after the data stream rolled
 * over would be indexed twice. So before a repeated attempt the documents are looked up, by id, in the backing indices
 * that were written to since this sink began. Without a rollover in between that costs one small call a retry.
 */
export class RolloverGuard {
  readonly #connection: Connection;
  readonly #dataStream: string;
  readonly #log: Log;
  /** The write index when this sink began; undefined when there was no data stream yet. */
  #first: string | undefined;
  #blind = false;

  constructor(connection: Connection, dataStream: string, log: Log) {
    this.#connection = connection;
    this.#dataStream = dataStream;
    this.#log = log;
  }

  /** To be called before the first write. Throws CallFailed where the server is not reached. */
  async begin(signal: AbortSignal): Promise<void> {
    this.#first = (await this.#backingIndices(signal)).at(-1);
  }

  /** Indexes in the batch of documents that older backing indices have already. Throws CallFailed. */
  async delivered(batch: SinkBatch, signal: AbortSignal): Promise<ReadonlySet<number>> {
    const found = new Set<number>();
    if (this.#blind) return found;
    const all = await this.#backingIndices(signal);
    const older = all
      .slice(this.#first === undefined ? 0 : Math.max(0, all.indexOf(this.#first)), -1)
      .slice(-MAX_OLDER);
    if (older.length === 0) return found;
    const ids: string[] = [];
    for (const { batch: events, from, to } of batch.slices)
      for (let i = from; i < to; i++) ids.push(eventId(events, i));
    for (const index of older) {
      for (let at = 0; at < ids.length; at += IDS_PER_CALL) {
        const reply = await this.#connection.call(
          {
            method: "POST",
            path: `/${encodeURIComponent(index)}/_mget`,
            query: { _source: "false", filter_path: "docs.found,docs.error.type" },
            body: { ids: ids.slice(at, at + IDS_PER_CALL) },
          },
          signal,
        );
        const docs = (reply.body as { docs?: { found?: boolean }[] }).docs ?? [];
        docs.forEach((doc, i) => {
          if (doc.found === true) found.add(at + i);
        });
      }
    }
    return found;
  }

  /** Oldest first; the last one is written to. */
  async #backingIndices(signal: AbortSignal): Promise<readonly string[]> {
    try {
      const reply = await this.#connection.call(
        {
          method: "GET",
          path: `/_resolve/index/${encodeURIComponent(this.#dataStream)}`,
          query: { filter_path: "data_streams.backing_indices" },
        },
        signal,
      );
      // One index alone comes as a string.
      const listed = (reply.body as { data_streams?: { backing_indices?: string | string[] }[] } | undefined)
        ?.data_streams?.[0];
      return [listed?.backing_indices ?? []].flat();
    } catch (error) {
      if (!(error instanceof CallFailed) || error.status < 400 || error.status >= 500 || error.status === 429)
        throw error;
      if (error.status === 404) return [];
      this.#blind = true;
      this.#log.warn(
        `cannot look into the backing indices of ${this.#dataStream}: events that are sent again after a rollover may appear twice; give the privileges view_index_metadata and read`,
        { error: error.message },
      );
      return [];
    }
  }
}
