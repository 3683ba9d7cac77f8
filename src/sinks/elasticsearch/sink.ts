import { compileTemplate } from "../../codec/template.ts";
import { encodingKey, type SinkBatch } from "../../core/batch.ts";
import { BufferPool } from "../../core/buffer-pool.ts";
import {
  DELIVERED,
  type BatchLimits,
  type Context,
  type ProbeResult,
  type Sink,
  type WriteResult,
} from "../../core/component.ts";
import { BULK_ENCODING, BULK_FILTER, bulkBody, bulkOutcome, gzipBody, type BulkReply } from "./bulk.ts";
import type { CallNames } from "./call-names.ts";
import { CallFailed, readReply, type Connection, type Reply } from "./client.ts";
import { installTemplate, type TemplateTarget } from "./index-template.ts";
import { LostBulks } from "./lost-bulks.ts";
import { dataStreamName, type ElasticsearchOptions } from "./options.ts";
import { probe } from "./probe.ts";
import { RolloverGuard } from "./rollover.ts";

// Larger calls are no faster here, and two of them are in memory twice: as what waits, and put together (bench/README.md).
// How many at a time help, the runtime finds out (CallPace).
const LIMITS: BatchLimits = { maxBytes: 2 << 20, maxEvents: 30_000, maxAgeMs: 1_000, concurrency: 8 };
/** Bodies that are put together and sent at the same time. */
const BODY_BUFFERS_BYTES = 12 << 20;
const KEY = encodingKey(BULK_ENCODING);

/** Where documents go: a data stream, or an index whose name may depend on each event's time. */
export interface Target {
  readonly dataStream: string | undefined;
  nameAt(timeMs: number): string;
  readonly template: TemplateTarget;
}

export function targetOf(options: ElasticsearchOptions, context: Pick<Context, "placeholders">): Target {
  const dataStream = dataStreamName(options);
  if (dataStream !== undefined) {
    const [type = "", dataset = ""] = dataStream.split("-");
    const pattern = `${type}-${dataset}-*`;
    return {
      dataStream,
      nameAt: () => dataStream,
      template: { name: `wiretail-${type}-${dataset}`, pattern, example: dataStream, dataStream: { type, dataset } },
    };
  }
  const index = options.index ?? "";
  const name = compileTemplate(index, context.placeholders);
  const pattern = compileTemplate(index.replace(/\{date[^{}]*\}/g, "*"), context.placeholders)
    .at(0)
    .toLowerCase();
  return {
    dataStream: undefined,
    // Host names may have capitals; index names may not.
    nameAt:
      name.constant === undefined ? (timeMs) => name.at(timeMs).toLowerCase() : constantly(name.constant.toLowerCase()),
    template: {
      name: `wiretail-${pattern.replace(/\*/g, "x")}`,
      pattern,
      example: name.at(0).toLowerCase(),
      dataStream: undefined,
    },
  };
}

function constantly(text: string): () => string {
  return () => text;
}

export class ElasticsearchSink implements Sink {
  readonly encoding = BULK_ENCODING;
  readonly limits = LIMITS;
  readonly asksWhatArrived = true;
  readonly unknownErrorTimeoutMs: number;
  readonly #options: ElasticsearchOptions;
  readonly #context: Context;
  readonly #connection: Connection;
  readonly #target: Target;
  readonly #names: CallNames;
  readonly #rollover: RolloverGuard;
  readonly #query: Record<string, string>;
  readonly #buffers = new BufferPool(BODY_BUFFERS_BYTES);
  #ready: Promise<void> | undefined;
  #warned = false;

  constructor(options: ElasticsearchOptions, context: Context, connection: Connection, names: CallNames) {
    this.unknownErrorTimeoutMs = options.unknown_error_timeout_ms;
    this.#options = options;
    this.#names = names;
    this.#context = context;
    this.#connection = connection;
    this.#target = targetOf(options, context);
    const { dataStream } = this.#target;
    const lostBulks = new LostBulks(connection, names, context);
    this.#rollover = new RolloverGuard(connection, lostBulks, context, dataStream !== undefined);
    this.#query = {
      filter_path: BULK_FILTER,
      // A missing template must not make a plain index of the data stream's name.
      ...(dataStream === undefined ? {} : { require_data_stream: "true" }),
      ...(options.pipeline === undefined ? {} : { pipeline: options.pipeline }),
    };
  }

  destinationOf(timeMs: number): string {
    return this.#target.nameAt(timeMs);
  }

  async write(batch: SinkBatch, signal: AbortSignal, attempt: number): Promise<WriteResult> {
    if (batch.count === 0) return DELIVERED;
    const name = batch.destination === "" ? this.#target.nameAt(this.#context.now()) : batch.destination;
    this.#rollover.begin(batch, attempt);
    let isSent = false;
    try {
      await this.#prepare(signal);
      const there = await this.#rollover.delivered(batch, name, signal, attempt);
      isSent = true;
      return await this.#bulk(batch, name, there, signal);
    } catch (error) {
      if (!isSent) this.#rollover.notLookedUp(batch);
      if (!(error instanceof CallFailed)) throw error;
      if (isSent && !error.isClear) this.#rollover.unclear(batch);
      return error.result;
    }
  }

  async #bulk(
    batch: SinkBatch,
    name: string,
    leaveOut: ReadonlySet<number> | undefined,
    signal: AbortSignal,
  ): Promise<WriteResult> {
    const { metrics } = this.#context;
    const count = batch.count - (leaveOut?.size ?? 0);
    if (leaveOut !== undefined && leaveOut.size > 0) metrics.counter("elasticsearch_duplicates").add(leaveOut.size);
    if (count === 0) return DELIVERED;
    const { bytes, spare } = bulkBody(batch, KEY, this.#buffers, leaveOut);
    const gzipped = this.#options.compression === "gzip";
    const body = gzipped ? await gzipBody(bytes, this.#options.compression_level) : bytes;
    if (gzipped && spare !== undefined) this.#buffers.give(spare);
    metrics.counter("elasticsearch_bulk_requests").add(1);
    metrics.counter("elasticsearch_sent_bytes").add(body.length);
    const reply = await this.#callBulk(name, body, gzipped, signal);
    if (!gzipped && spare !== undefined) this.#buffers.give(spare);
    const said = reply.body as BulkReply | undefined;
    if (typeof said !== "object" || (said as unknown) === null || typeof said.errors !== "boolean") {
      this.#rollover.unclear(batch);
      return { outcome: "hold", reason: "the answer is not that of a bulk call: is there a proxy in between?" };
    }
    if (!said.errors && said.items === undefined) return DELIVERED;
    const outcome = readReply("_bulk", () => bulkOutcome(said, count, leaveOut));
    if (outcome.duplicates > 0) metrics.counter("elasticsearch_duplicates").add(outcome.duplicates);
    if (outcome.failureStore > 0) metrics.counter("elasticsearch_failure_store").add(outcome.failureStore);
    // Perhaps our template was deleted meanwhile: the next attempt looks again.
    if (outcome.indexMissing) this.#ready = undefined;
    if (outcome.isUnclear) this.#rollover.unclear(batch);
    return outcome.result;
  }

  async #callBulk(name: string, body: Buffer, gzipped: boolean, signal: AbortSignal): Promise<Reply> {
    const path = `/${encodeURIComponent(name)}/_bulk`;
    const opaqueId = this.#names.begin();
    let isAnswered = false;
    try {
      const call = { method: "POST", path, query: this.#query, body, gzipped, opaqueId } as const;
      const reply = await this.#connection.call(call, signal);
      isAnswered = true;
      return reply;
    } catch (error) {
      isAnswered = error instanceof CallFailed && error.isClear;
      throw error;
    } finally {
      this.#names.end(opaqueId, isAnswered);
    }
  }

  /** Once, before the first write; again after a failure. Calls at the same time share it. */
  #prepare(signal: AbortSignal): Promise<void> {
    if (this.#ready === undefined) {
      const preparing = this.#doPrepare(signal).catch((error: unknown) => {
        if (this.#ready === preparing) this.#ready = undefined;
        throw error;
      });
      this.#ready = preparing;
    }
    return this.#ready;
  }

  async #doPrepare(signal: AbortSignal): Promise<void> {
    const { log } = this.#context;
    if (!this.#options.install_template) return;
    const { template } = this.#target;
    try {
      const done = await installTemplate(this.#connection, template, log, signal);
      if (done.state === "foreign")
        log.info(`the index template ${done.name} is for ${template.example}: ours is not installed`);
    } catch (error) {
      const mayPass =
        !(error instanceof CallFailed) || error.status === 401 || error.status === 429 || error.status >= 500;
      if (mayPass || error.status < 400) throw error;
      // Who may write need not be allowed to install templates; there may be a data stream already.
      if (!this.#warned) {
        log.warn(`the index template ${template.name} could not be looked up or installed: writing without it`, {
          error: error.message,
          hint: 'give the cluster privilege manage_index_templates, or set "install_template": false',
        });
      }
      this.#warned = true;
    }
  }

  notes(): string[] {
    return [...this.#rollover.notes(), ...this.#connection.notes()];
  }

  probe(signal: AbortSignal): Promise<ProbeResult[]> {
    return probe({
      connection: this.#connection,
      options: this.#options,
      target: this.#target,
      name: this.#target.nameAt(this.#context.now()),
      signal,
    });
  }

  close(): Promise<void> {
    return this.#connection.close();
  }
}
