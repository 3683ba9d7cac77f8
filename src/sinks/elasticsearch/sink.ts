import { gzip } from "../../codec/gzip/gzip.ts";
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
import { BULK_ENCODING, BULK_FILTER, bulkBody, bulkOutcome, type BulkReply } from "./bulk.ts";
import type { CallNames } from "./call-names.ts";
import { CallFailed, readReply, type Call, type Connection, type Reply } from "./client.ts";
import { installTemplate, type TemplateTarget } from "./index-template.ts";
import { LostBulks } from "./lost-bulks.ts";
import type { ElasticsearchOptions } from "./options.ts";
import { probe } from "./probe.ts";
import { RolloverGuard } from "./rollover.ts";
import { Targets, type Target } from "./target.ts";

// Larger calls are no faster here (bench/README.md). How many at a time help, the runtime finds out (CallPace).
const LIMITS: BatchLimits = { maxBytes: 2 << 20, maxEvents: 30_000, maxAgeMs: 1_000, concurrency: 20 };
/** For the small parts of bodies, which are put together. */
const BODY_BUFFERS_BYTES = 4 << 20;
const KEY = encodingKey(BULK_ENCODING);

/** Where a call goes. */
type Place = ReturnType<Targets["read"]>;

export class ElasticsearchSink implements Sink {
  readonly encoding = BULK_ENCODING;
  readonly limits = LIMITS;
  readonly asksWhatArrived = true;
  readonly unknownErrorTimeoutMs: number;
  readonly #options: ElasticsearchOptions;
  readonly #context: Context;
  readonly #connection: Connection;
  readonly #targets: Targets;
  readonly #names: CallNames;
  readonly #rollover: RolloverGuard;
  readonly #query: Readonly<Record<string, string>>;
  readonly #buffers = new BufferPool(BODY_BUFFERS_BYTES);
  /** Of places whose template was looked after, by the template's name. */
  readonly #ready = new Map<string, Promise<void>>();
  readonly #warned = new Set<string>();

  constructor(options: ElasticsearchOptions, context: Context, connection: Connection, names: CallNames) {
    this.unknownErrorTimeoutMs = options.unknown_error_timeout_ms;
    this.#options = options;
    this.#names = names;
    this.#context = context;
    this.#connection = connection;
    this.#targets = new Targets(options, context);
    const lostBulks = new LostBulks(connection, names, context);
    this.#rollover = new RolloverGuard(connection, lostBulks, context);
    this.#query = {
      filter_path: BULK_FILTER,
      ...(options.pipeline === undefined ? {} : { pipeline: options.pipeline }),
    };
  }

  destinationOf(timeMs: number, named?: string): string {
    return this.#targets.destinationOf(timeMs, named);
  }

  async write(batch: SinkBatch, signal: AbortSignal, attempt: number): Promise<WriteResult> {
    if (batch.count === 0) return DELIVERED;
    const place = this.#targets.read(batch.destination, this.#context.now());
    this.#rollover.begin(batch, attempt);
    let isSent = false;
    try {
      await this.#prepare(place.target, signal);
      const there = await this.#rollover.delivered(batch, place, signal, attempt);
      isSent = true;
      return await this.#bulk(batch, place, there, signal);
    } catch (error) {
      if (!isSent) this.#rollover.notLookedUp(batch);
      if (!(error instanceof CallFailed)) throw error;
      if (isSent && !error.isClear) this.#rollover.unclear(batch);
      return error.result;
    }
  }

  async #bulk(
    batch: SinkBatch,
    place: Place,
    leaveOut: ReadonlySet<number> | undefined,
    signal: AbortSignal,
  ): Promise<WriteResult> {
    const { metrics } = this.#context;
    const count = batch.count - (leaveOut?.size ?? 0);
    if (leaveOut !== undefined && leaveOut.size > 0) metrics.counter("elasticsearch_duplicates").add(leaveOut.size);
    if (count === 0) return DELIVERED;
    const body = bulkBody(batch, KEY, this.#buffers, leaveOut);
    const { spare } = body;
    const gzipped = this.#options.compression === "gzip";
    const pieces = gzipped ? [await gzip(body.pieces, this.#options.compression_level, this.#gzipFailed)] : body.pieces;
    if (gzipped && spare !== undefined) this.#buffers.give(spare);
    metrics.counter("elasticsearch_bulk_requests").add(1);
    metrics.counter("elasticsearch_sent_bytes").add(gzipped ? pieces[0]!.length : body.byteLength);
    const reply = await this.#callBulk(place, { pieces, gzipped }, signal);
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
    if (outcome.indexMissing) this.#ready.delete(place.target.template.name);
    if (outcome.isUnclear) this.#rollover.unclear(batch);
    return outcome.result;
  }

  readonly #gzipFailed = (error: Error): void => {
    const text = "bodies are compressed in a slower way: the thread for it failed; it is tried again after a minute";
    this.#context.log.warn(text, { error: error.message });
  };

  async #callBulk({ name, target }: Place, bulk: NonNullable<Call["bulk"]>, signal: AbortSignal): Promise<Reply> {
    const path = `/${encodeURIComponent(name)}/_bulk`;
    const opaqueId = this.#names.begin();
    let isAnswered = false;
    try {
      // A missing template must not make a plain index of the data stream's name.
      const query = target.dataStream === undefined ? this.#query : { ...this.#query, require_data_stream: "true" };
      const call = { method: "POST", path, query, bulk, opaqueId } as const;
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

  /** Once for each place, before the first write; again after a failure. Calls at the same time share it. */
  #prepare({ template }: Target, signal: AbortSignal): Promise<void> {
    let preparing = this.#ready.get(template.name);
    if (preparing === undefined) {
      const begun = this.#doPrepare(template, signal).catch((error: unknown) => {
        if (this.#ready.get(template.name) === begun) this.#ready.delete(template.name);
        throw error;
      });
      preparing = begun;
      this.#ready.set(template.name, begun);
    }
    return preparing;
  }

  async #doPrepare(template: TemplateTarget, signal: AbortSignal): Promise<void> {
    const { log } = this.#context;
    if (!this.#options.install_template) return;
    try {
      const done = await installTemplate(this.#connection, template, log, signal);
      if (done.state === "foreign")
        log.info(`the index template ${done.name} is for ${template.example}: ours is not installed`);
    } catch (error) {
      const mayPass =
        !(error instanceof CallFailed) || error.status === 401 || error.status === 429 || error.status >= 500;
      if (mayPass || error.status < 400) throw error;
      // Who may write need not be allowed to install templates; there may be a data stream already.
      if (!this.#warned.has(template.name)) {
        log.warn(`the index template ${template.name} could not be looked up or installed: writing without it`, {
          error: error.message,
          hint: 'give the cluster privilege manage_index_templates, or set "install_template": false',
        });
      }
      this.#warned.add(template.name);
    }
  }

  notes(): string[] {
    return [...this.#rollover.notes(), ...this.#connection.notes()];
  }

  probe(signal: AbortSignal): Promise<ProbeResult[]> {
    return probe({
      connection: this.#connection,
      options: this.#options,
      target: this.#targets.own,
      name: this.#targets.own.nameAt(this.#context.now()),
      signal,
    });
  }

  close(): Promise<void> {
    return this.#connection.close();
  }
}
