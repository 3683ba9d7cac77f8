import { compileTemplate } from "../../codec/template.ts";
import { encodingKey, type SinkBatch } from "../../core/batch.ts";
import {
  DELIVERED,
  type BatchLimits,
  type Context,
  type ProbeResult,
  type Sink,
  type WriteResult,
} from "../../core/component.ts";
import { BodyBuffers, BULK_ENCODING, BULK_FILTER, bulkBody, bulkOutcome, gzipBody, type BulkReply } from "./bulk.ts";
import { CallFailed, type Connection } from "./client.ts";
import { installTemplate, type TemplateTarget } from "./index-template.ts";
import { dataStreamName, type ElasticsearchOptions } from "./options.ts";
import { probe } from "./probe.ts";
import { RolloverGuard } from "./rollover.ts";

const LIMITS: BatchLimits = { maxBytes: 4 << 20, maxEvents: 30_000, maxAgeMs: 1_000, concurrency: 2 };
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
  readonly #options: ElasticsearchOptions;
  readonly #context: Context;
  readonly #connection: Connection;
  readonly #target: Target;
  readonly #rollover: RolloverGuard | undefined;
  readonly #query: Record<string, string>;
  readonly #buffers = new BodyBuffers(LIMITS.maxBytes, LIMITS.concurrency);
  #ready: Promise<void> | undefined;
  #warned = false;

  constructor(options: ElasticsearchOptions, context: Context, connection: Connection) {
    this.#options = options;
    this.#context = context;
    this.#connection = connection;
    this.#target = targetOf(options, context);
    const { dataStream } = this.#target;
    this.#rollover = dataStream === undefined ? undefined : new RolloverGuard(connection, dataStream, context.log);
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
    try {
      await this.#prepare(signal);
      const there = attempt > 1 ? await this.#rollover?.delivered(batch, signal) : undefined;
      return await this.#bulk(batch, there, signal);
    } catch (error) {
      if (error instanceof CallFailed) return error.result;
      throw error;
    }
  }

  async #bulk(batch: SinkBatch, leaveOut: ReadonlySet<number> | undefined, signal: AbortSignal): Promise<WriteResult> {
    const { metrics } = this.#context;
    const count = batch.count - (leaveOut?.size ?? 0);
    if (leaveOut !== undefined && leaveOut.size > 0) metrics.counter("elasticsearch_duplicates").add(leaveOut.size);
    if (count === 0) return DELIVERED;
    const { bytes, spare } = bulkBody(batch, KEY, this.#buffers, leaveOut);
    const gzipped = this.#options.compression === "gzip";
    const body = gzipped ? await gzipBody(bytes) : bytes;
    if (gzipped && spare !== undefined) this.#buffers.give(spare);
    metrics.counter("elasticsearch_bulk_requests").add(1);
    metrics.counter("elasticsearch_sent_bytes").add(body.length);
    const name = batch.destination === "" ? this.#target.nameAt(this.#context.now()) : batch.destination;
    const path = `/${encodeURIComponent(name)}/_bulk`;
    const reply = await this.#connection.call({ method: "POST", path, query: this.#query, body, gzipped }, signal);
    if (!gzipped && spare !== undefined) this.#buffers.give(spare);
    const said = reply.body as BulkReply | undefined;
    if (typeof said !== "object" || typeof said.errors !== "boolean") {
      return { outcome: "hold", reason: "the answer is not that of a bulk call: is there a proxy in between?" };
    }
    if (!said.errors && said.items === undefined) return DELIVERED;
    const outcome = bulkOutcome(said, count, leaveOut);
    if (outcome.duplicates > 0) metrics.counter("elasticsearch_duplicates").add(outcome.duplicates);
    if (outcome.failureStore > 0) metrics.counter("elasticsearch_failure_store").add(outcome.failureStore);
    // Perhaps our template was deleted meanwhile: the next attempt looks again.
    if (outcome.indexMissing) this.#ready = undefined;
    return outcome.result;
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
    await this.#rollover?.begin(signal);
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
