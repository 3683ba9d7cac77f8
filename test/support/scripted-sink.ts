import { forEachDocument, encodingKey, JSON_ENCODING, type SinkBatch } from "../../src/core/batch.ts";
import {
  DELIVERED,
  type BatchLimits,
  type ResumePoint,
  type Sink,
  type WriteResult,
} from "../../src/core/component.ts";

/** One call that a ScriptedSink saw. */
export interface SinkCall {
  readonly messages: readonly string[];
  readonly destination: string;
  readonly attempt: number;
  readonly signal: AbortSignal;
}

type Answer = (messages: readonly string[], signal: AbortSignal, attempt: number) => WriteResult | Promise<WriteResult>;

/** A sink that remembers its calls and answers as told: by default everything is delivered. */
export class ScriptedSink implements Sink {
  readonly encoding = JSON_ENCODING;
  readonly calls: SinkCall[] = [];
  /** Messages of the documents that it has, in the order of arrival. */
  readonly delivered: string[] = [];
  readonly limits: BatchLimits;
  answer: Answer;
  isClosed = false;
  destinationOf?: (timeMs: number, named?: string) => string;
  maxTimeSpanMs?: number;
  overheadBytesPerEvent?: number;
  asksWhatArrived?: boolean;
  position?: (partitionId: string, pipeline: string) => ResumePoint | undefined;

  /** `answers` are given in turn, then everything is delivered; a function answers every call. */
  constructor(answers: readonly WriteResult[] | Answer = [], limits: Partial<BatchLimits> = {}) {
    this.limits = { maxBytes: 1_000_000, maxEvents: 1000, maxAgeMs: 1000, concurrency: 1, ...limits };
    const rest = typeof answers === "function" ? [] : [...answers];
    this.answer = typeof answers === "function" ? answers : () => rest.shift() ?? DELIVERED;
  }

  async write(batch: SinkBatch, signal: AbortSignal, attempt: number): Promise<WriteResult> {
    if (this.isClosed) throw new Error("written after close");
    const messages = messagesOf(batch);
    this.calls.push({ messages, destination: batch.destination, attempt, signal });
    const result = await this.answer(messages, signal, attempt);
    if (result.outcome === "delivered") this.delivered.push(...messages);
    if (result.outcome === "mixed") {
      messages.forEach((message, i) => {
        if ((result.verdicts.get(i)?.outcome ?? "delivered") === "delivered") this.delivered.push(message);
      });
    }
    return result;
  }

  async close(): Promise<void> {
    this.isClosed = true;
  }
}

/** The `message` of each document of a call in plain JSON. */
export function messagesOf(batch: SinkBatch): string[] {
  const messages: string[] = [];
  forEachDocument(batch, encodingKey(JSON_ENCODING), (bytes) => {
    messages.push((JSON.parse(bytes.toString("utf8")) as { message: string }).message);
  });
  return messages;
}

/** Answers only when told. */
export class Gate {
  readonly #waiting: ((result: WriteResult) => void)[] = [];

  /** Calls that wait for an answer. */
  get size(): number {
    return this.#waiting.length;
  }
  readonly answer = (): Promise<WriteResult> => new Promise((resolve) => this.#waiting.push(resolve));
  /** Answers the oldest call that waits. */
  open(result: WriteResult = DELIVERED): void {
    const resolve = this.#waiting.shift();
    if (resolve === undefined) throw new Error("no call waits");
    resolve(result);
  }
}
