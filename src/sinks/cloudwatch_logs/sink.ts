import { encodingKey, JSON_ENCODING, type Encoding, type SinkBatch } from "../../core/batch.ts";
import type { BatchLimits, Context, ProbeResult, Sink, WriteResult } from "../../core/component.ts";
import type { LogsApi } from "./api.ts";
import { CallLog } from "./call-log.ts";
import { Delivery, MessageLimit, type DeliveryContext } from "./delivery.ts";
import { destinationsOf, parseDestination } from "./destination.ts";
import { MAX_REQUEST_BYTES, MAX_REQUEST_EVENTS, MAX_REQUEST_SPAN_MS, OVERHEAD_BYTES_PER_EVENT } from "./limits.ts";
import { DeliveryMemory } from "./memory.ts";
import type { Oversized } from "./pack.ts";
import { probe } from "./probe.ts";
import { Provisioner, type ProvisionOptions } from "./provision.ts";

export interface SinkOptions extends ProvisionOptions {
  readonly logGroupName: string;
  readonly logStreamName: string;
  readonly message: Encoding["kind"];
  readonly maxMessageBytes: number;
  readonly oversized: Oversized;
  /** The endpoint or region, whatever tells one service from another. */
  readonly service: string;
}

/**
 * Ships documents by PutLogEvents.
 *
 * Times out of range (14 days back, 2 hours ahead, the group's retention) are left to the service to refuse, and its
 * refusals are read: it knows the retention and the right time, while a host with a wrong clock would throw away good
 * events.
 *
 * The service does not recognise what it was sent before, so a call without an answer that is repeated may double its
 * events; those are counted.
 */
export class CloudWatchLogsSink implements Sink {
  readonly encoding: Encoding;
  readonly limits: BatchLimits = {
    maxBytes: MAX_REQUEST_BYTES,
    maxEvents: MAX_REQUEST_EVENTS,
    maxAgeMs: 1_000,
    concurrency: 1,
  };
  readonly maxTimeSpanMs = MAX_REQUEST_SPAN_MS;
  readonly overheadBytesPerEvent = OVERHEAD_BYTES_PER_EVENT;
  readonly destinationOf: (timeMs: number, named?: string) => string;
  readonly #key: string;
  readonly #api: LogsApi;
  readonly #options: SinkOptions;
  readonly #context: Context;
  readonly #delivery: DeliveryContext;

  constructor(options: SinkOptions, api: LogsApi, context: Context) {
    this.encoding = options.message === "json" ? JSON_ENCODING : { kind: options.message };
    this.#key = encodingKey(this.encoding);
    this.#api = api;
    this.#options = options;
    this.#context = context;
    this.destinationOf = destinationsOf(options, context.placeholders);
    const { log, probing } = context;
    const calls =
      probing === true ? undefined : CallLog.open(context.stateDir, options.service, () => context.monotonicMs(), log);
    const memory = new DeliveryMemory();
    for (const [id, bytes] of calls?.partials ?? []) memory.setDeliveredBytes(id, bytes);
    this.#delivery = {
      ...{ api, memory, calls },
      provisioner: new Provisioner(api, options, context.log),
      oversized: options.oversized,
      counters: {
        requests: context.metrics.counter("cloudwatch_logs_requests"),
        ambiguous: context.metrics.counter("cloudwatch_logs_ambiguous_events"),
        split: context.metrics.counter("cloudwatch_logs_split_events"),
        truncated: context.metrics.counter("cloudwatch_logs_truncated_events"),
      },
      limit: new MessageLimit(options.maxMessageBytes, (bytes) => {
        const then = options.oversized === "split" ? "split" : "cut off";
        context.log.warn(`this service takes messages of at most ${bytes} bytes: larger ones are ${then} there`);
      }),
    };
  }

  async write(batch: SinkBatch, signal: AbortSignal, attempt: number): Promise<WriteResult> {
    const destination = parseDestination(
      batch.destination === "" ? this.destinationOf(this.#context.now()) : batch.destination,
    );
    await this.#delivery.provisioner.keepRetention(destination.group, signal);
    return new Delivery(this.#delivery, batch, this.#key, destination, signal, attempt).run();
  }

  probe(signal: AbortSignal): Promise<ProbeResult[]> {
    const nowMs = this.#context.now();
    return probe(
      this.#api,
      parseDestination(this.destinationOf(nowMs)),
      { create: this.#options.create, nowMs },
      signal,
    );
  }

  async close(): Promise<void> {
    this.#delivery.calls?.close();
    this.#api.close();
  }
}
