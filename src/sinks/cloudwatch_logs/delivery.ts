import type { SinkBatch } from "../../core/batch.ts";
import { DELIVERED, type Counter, type Verdict, type WriteResult } from "../../core/component.ts";
import type { RejectedLogEventsInfo } from "@aws-sdk/client-cloudwatch-logs";
import type { LogsApi } from "./api.ts";
import { runsOf, type CallLog, type Run } from "./call-log.ts";
import { destinationKey } from "./destination.ts";
import { classify, type Fault } from "./faults.ts";
import { OLD_MAX_MESSAGE_BYTES, OVERHEAD_BYTES_PER_EVENT } from "./limits.ts";
import type { DeliveryMemory } from "./memory.ts";
import { Documents, encodeRequest, Packer, type Oversized, type PackedRequest } from "./pack.ts";
import { toVerdict, type Destination, type Provisioner } from "./provision.ts";

/** What all calls of a sink share. */
export interface DeliveryContext {
  readonly api: LogsApi;
  readonly provisioner: Provisioner;
  readonly memory: DeliveryMemory;
  /** Undefined for a sink that is only probed. */
  readonly calls: CallLog | undefined;
  readonly oversized: Oversized;
  readonly counters: {
    readonly requests: Counter;
    readonly ambiguous: Counter;
    readonly split: Counter;
    readonly truncated: Counter;
  };
  readonly limit: MessageLimit;
}

/** The largest message that the service takes, in bytes, as far as it is known by now. */
export class MessageLimit {
  #maxBytes: number;
  readonly #onLowered: (maxBytes: number) => void;

  constructor(maxBytes: number, onLowered: (maxBytes: number) => void) {
    this.#maxBytes = maxBytes;
    this.#onLowered = onLowered;
  }

  get maxBytes(): number {
    return this.#maxBytes;
  }

  lower(maxBytes: number): void {
    if (maxBytes >= this.#maxBytes) return;
    this.#maxBytes = maxBytes;
    this.#onLowered(maxBytes);
  }
}

/** So many events refused one by one, and none taken: then it is not the events. */
const MAX_LONE_REFUSALS = 16;
/** The packer went back: the rest of the request is to be packed anew. */
const REPACK = Symbol("repack");
type Stop = Verdict | typeof REPACK | undefined;

/** One call of `Sink.write`: as many PutLogEvents as it takes, and a verdict for each document. */
export class Delivery {
  readonly #context: DeliveryContext;
  readonly #destination: Destination;
  readonly #signal: AbortSignal;
  /** For the call log. */
  readonly #destinationKey: string;
  readonly #documents: Documents;
  readonly #packer: Packer;
  readonly #verdicts: (Verdict | undefined)[];
  readonly #refused: number[] = [];
  #taken = 0;
  #provisioned = false;

  constructor(
    context: DeliveryContext,
    batch: SinkBatch,
    key: string,
    destination: Destination,
    signal: AbortSignal,
    attempt: number,
  ) {
    this.#context = context;
    this.#destination = destination;
    this.#signal = signal;
    this.#destinationKey = destinationKey(destination);
    const documents = (this.#documents = new Documents(batch, key));
    this.#verdicts = new Array<Verdict | undefined>(documents.count).fill(undefined);
    const { memory, calls } = context;
    if (calls?.isEmpty === false) this.#recall(calls, attempt);
    this.#packer = new Packer(documents, {
      oversized: context.oversized,
      maxMessageBytes: context.limit.maxBytes,
      isSkipped: (document) => this.#verdicts[document] !== undefined,
      resumeAt: memory.hasPartial ? (document) => memory.deliveredBytes(documents.idOf(document)) : () => 0,
    });
  }

  /** What an earlier process had an answer for is not sent again; what it had none for is counted when it is. */
  #recall(calls: CallLog, attempt: number): void {
    let document = 0;
    for (const slice of this.#documents.slices) {
      const answered = calls.answered(this.#destinationKey, slice);
      const unanswered = attempt === 1 ? calls.unanswered(this.#destinationKey, slice) : undefined;
      for (let i = slice.from; i < slice.to; i++, document++) {
        if (answered?.(i) === true) this.#verdicts[document] = DELIVERED;
        else if (unanswered?.(i) === true) this.#context.memory.addUnanswered(this.#documents.idOf(document));
      }
    }
  }

  async run(): Promise<WriteResult> {
    this.#rejectImpossibleTimes();
    let stop: Stop;
    for (let request = this.#packer.next(); request !== undefined; request = this.#packer.next()) {
      stop = await this.#send(request, 0, request.documents.length);
      if (stop !== undefined && stop !== REPACK) break;
    }
    return this.#result(stop === REPACK ? undefined : stop);
  }

  #rejectImpossibleTimes(): void {
    const { timesMs, count } = this.#documents;
    for (let i = 0; i < count; i++) {
      if (!(timesMs[i]! >= 0))
        this.#verdicts[i] = { outcome: "rejected", reason: "CloudWatch Logs takes no times before 1970" };
    }
  }

  /** Sends events `from` … `to` - 1. Returns why to stop, if so. */
  async #send(request: PackedRequest, from: number, to: number): Promise<Stop> {
    const { api, calls, counters, provisioner } = this.#context;
    const body = encodeRequest(this.#documents, request, from, to, this.#destination, this.#context.oversized);
    const call = calls?.sent(this.#destinationKey, this.#runs(request, from, to));
    // A call that nobody remembers after a crash would be made again, although it had an answer.
    if (calls !== undefined && call === undefined) return { outcome: "hold", reason: calls.failure ?? "not noted" };
    this.#countAmbiguous(request, from, to);
    counters.requests.add(1);
    let rejected: RejectedLogEventsInfo | undefined;
    try {
      rejected = await api.putLogEvents(body, this.#signal);
    } catch (error) {
      const fault = classify(error, "logs:PutLogEvents");
      if (call !== undefined && fault.kind !== "unanswered" && fault.kind !== "accepted") calls?.refusedCall(call);
      if (fault.kind === "missing" && !this.#provisioned) {
        this.#provisioned = true;
        return (await provisioner.provision(this.#destination, this.#signal)) ?? (await this.#send(request, from, to));
      }
      if (fault.kind !== "accepted") return this.#failed(fault, request, from, to);
    }
    this.#settle(request, from, to, rejected);
    if (call !== undefined) this.#logAnswer(call, request, from, to);
    return undefined;
  }

  #runs(request: PackedRequest, from: number, to: number, wanted = (_event: number): boolean => true): Run[] {
    const marks = new Uint8Array(this.#documents.count);
    for (let i = from; i < to; i++) if (wanted(i)) marks[request.documents[i]!] = 1;
    return runsOf(this.#documents.slices, (document) => marks[document] === 1);
  }

  #logAnswer(call: number, request: PackedRequest, from: number, to: number): void {
    const { calls, memory } = this.#context;
    const isDelivered = (event: number): boolean => this.#verdicts[request.documents[event]!] === DELIVERED;
    let isWhole = true;
    for (let i = from; i < to && isWhole; i++) isWhole = isDelivered(i);
    if (isWhole) {
      calls?.answeredCall(call);
      return;
    }
    const partial: Record<string, number> = {};
    for (let i = from; i < to; i++) {
      if (this.#verdicts[request.documents[i]!] !== undefined) continue;
      const id = this.#documents.idOf(request.documents[i]!);
      partial[id] = memory.deliveredBytes(id);
    }
    calls?.answeredCall(call, { delivered: this.#runs(request, from, to, isDelivered), partial });
  }

  async #failed(fault: Fault, request: PackedRequest, from: number, to: number): Promise<Stop> {
    switch (fault.kind) {
      case "event_too_large":
        return this.#lowerLimit(request, from, (fault.limitBytes ?? NaN) - OVERHEAD_BYTES_PER_EVENT)
          ? REPACK
          : this.#bisect(fault.reason, request, from, to);
      case "invalid":
        return this.#bisect(fault.reason, request, from, to);
      case "unanswered": {
        const { memory } = this.#context;
        for (let i = from; i < to; i++) memory.addUnanswered(this.#documents.idOf(request.documents[i]!));
        return toVerdict(fault);
      }
      case "credentials":
        this.#context.api.renew();
        return toVerdict(fault);
      default:
        return toVerdict(fault);
    }
  }

  /** Finds the events that are to blame by halves; the others are delivered. */
  async #bisect(reason: string, request: PackedRequest, from: number, to: number): Promise<Stop> {
    if (to - from > 1) {
      const middle = (from + to) >>> 1;
      return (await this.#send(request, from, middle)) ?? (await this.#send(request, middle, to));
    }
    const size = request.tos[from]! - request.froms[from]!;
    if (size > OLD_MAX_MESSAGE_BYTES && this.#lowerLimit(request, from, OLD_MAX_MESSAGE_BYTES)) return REPACK;
    const document = request.documents[from]!;
    this.#verdicts[document] = { outcome: "rejected", reason };
    this.#refused.push(document);
    if (this.#context.memory.hasPartial) this.#context.memory.forget(this.#documents.idOf(document));
    if (this.#taken > 0 || this.#refused.length < MAX_LONE_REFUSALS) return undefined;
    for (const each of this.#refused) this.#verdicts[each] = undefined;
    return { outcome: "hold", reason: `every event is refused: ${reason}` };
  }

  #lowerLimit(request: PackedRequest, from: number, maxMessageBytes: number): boolean {
    if (!(maxMessageBytes >= 1) || maxMessageBytes >= this.#packer.maxMessageBytes) return false;
    this.#packer.repack(request, from, maxMessageBytes);
    this.#context.limit.lower(maxMessageBytes);
    return true;
  }

  #settle(request: PackedRequest, from: number, to: number, rejected: RejectedLogEventsInfo | undefined): void {
    const { counters } = this.#context;
    const {
      tooOldLogEventEndIndex: tooOld = 0,
      expiredLogEventEndIndex: expired = 0,
      tooNewLogEventStartIndex: tooNew = Infinity,
    } = rejected ?? {};
    for (let i = from; i < to; i++) {
      const document = request.documents[i]!;
      const index = i - from;
      const isLast = this.#packer.isLast(request, i);
      const reason =
        index < tooOld
          ? "older than 14 days: CloudWatch Logs takes no such events"
          : index < expired
            ? "older than the retention of the log group"
            : index >= tooNew
              ? "more than 2 hours in the future"
              : undefined;
      if (reason !== undefined) this.#verdicts[document] = { outcome: "rejected", reason };
      else {
        this.#taken++;
        if (isLast) this.#verdicts[document] ??= DELIVERED;
      }
      this.#rememberProgress(document, request.tos[i]!, isLast || reason !== undefined);
      if (request.tos[i] !== this.#documents.ends[document]) {
        if (this.#context.oversized === "truncate") counters.truncated.add(1);
        else if (request.froms[i] === this.#documents.starts[document]) counters.split.add(1);
      }
    }
  }

  /** Parts that arrived are not sent again when a later part of the same document has to be. */
  #rememberProgress(document: number, to: number, isDone: boolean): void {
    const { memory } = this.#context;
    if (isDone) {
      if (memory.hasPartial) memory.forget(this.#documents.idOf(document));
    } else memory.setDeliveredBytes(this.#documents.idOf(document), to - this.#documents.starts[document]!);
  }

  #countAmbiguous(request: PackedRequest, from: number, to: number): void {
    const { memory, counters } = this.#context;
    if (!memory.hasUnanswered) return;
    let count = 0;
    for (let i = from; i < to; i++) if (memory.takeUnanswered(this.#documents.idOf(request.documents[i]!))) count++;
    if (count > 0) counters.ambiguous.add(count);
  }

  #result(stop: Verdict | undefined): WriteResult {
    const verdicts = new Map<number, Verdict>();
    for (let i = 0; i < this.#verdicts.length; i++) {
      const verdict = this.#verdicts[i] ?? stop ?? { outcome: "retry", reason: "not sent" };
      if (verdict.outcome !== "delivered") verdicts.set(i, verdict);
    }
    if (verdicts.size === 0) return DELIVERED;
    // Nothing was taken and nothing rejected: one verdict for the whole call.
    if (
      stop !== undefined &&
      verdicts.size === this.#verdicts.length &&
      this.#verdicts.every((each) => each === undefined)
    )
      return stop;
    return { outcome: "mixed", verdicts };
  }
}
