import type { LogEvent } from "../../core/event.ts";
import { getIn } from "../../core/path.ts";
import { WiretailError } from "../../core/error.ts";
import { parseKql } from "../../codec/kql/parse.ts";
import { compileGetterPredicate, compilePredicate } from "../../codec/kql/predicate.ts";
import type { Clock } from "../clock.ts";
import { TapFlow } from "./flow.ts";
import type { EventViewer } from "./pipeline-tap.ts";
import type { TapAt, TapCounts, TapFrame, TapRequest } from "./protocol.ts";
import type { AnsweredDocument } from "./sink-tap.ts";

export interface TapOptions {
  readonly request: TapRequest;
  readonly clock: Clock;
  readonly random: () => number;
  /** Makes secrets of the configuration unreadable in a text. */
  readonly clean: (text: string) => string;
}

/** One tap that somebody opened: its filter, what it chose of the present frame, and its counts. */
export class Tap {
  readonly points: readonly string[];
  readonly at: TapAt;
  readonly maxPerSecond: number;
  readonly #flow: TapFlow;
  readonly #matchesEvent: ((event: LogEvent) => boolean) | undefined;
  readonly #matchesDocument: ((document: Readonly<Record<string, unknown>>) => boolean) | undefined;
  readonly #clean: (text: string) => string;
  #said: TapCounts | undefined;
  #saidAtMs = -Infinity;
  readonly #clock: Clock;

  /** Throws WiretailError for a request that cannot be meant. */
  constructor({ request, clock, random, clean }: TapOptions) {
    const { points = [], where, at = "out", max_per_second: rate = DEFAULT_PER_SECOND, limit = Infinity } = request;
    const isNumber = (value: unknown): boolean => typeof value === "number" && value >= 1;
    if (!isNumber(rate) || rate > MAX_PER_SECOND)
      throw new WiretailError("WT_USAGE", `events a second must be from 1 to ${MAX_PER_SECOND}`);
    const isText = (value: unknown): boolean => typeof value === "string";
    if (!isNumber(limit) || !AT.includes(at) || !Array.isArray(points) || !points.every(isText))
      throw new WiretailError("WT_USAGE", "this is no request for a tap");
    this.points = points;
    this.at = at;
    this.maxPerSecond = rate;
    this.#clean = clean;
    this.#clock = clock;
    this.#flow = new TapFlow({ maxPerSecond: rate, limit, random, nowMs: () => clock.monotonicMs() });
    if (where !== undefined) {
      const query = parseKql(where);
      this.#matchesEvent = compilePredicate(query, { now: () => clock.now() });
      const matches = compileGetterPredicate(query, { now: () => clock.now() });
      this.#matchesDocument = (document) => matches((path) => getIn(document, path.parts, 0));
    }
  }

  get isDone(): boolean {
    return this.#flow.isDone;
  }

  /** Looks at events of a source or pipeline. */
  viewer(point: string, hasIds: boolean): EventViewer {
    return {
      see: (events, idPrefix) => {
        this.#flow.pass(events.length);
        for (const event of events) {
          if (this.#matchesEvent?.(event) === false) continue;
          const { offset, subIndex } = event;
          const id = hasIds ? `${idPrefix}${offset}${subIndex === 0 ? "" : `.${subIndex}`}` : undefined;
          this.#flow.match(() => this.#text({ point, ...(id === undefined ? {} : { id }), event: event.toObject() }));
        }
      },
      skip: (count) => {
        this.#flow.skip(count);
      },
    };
  }

  /** Looks at what a sink answered. */
  readonly seeAnswers = (point: string, documents: readonly AnsweredDocument[]): void => {
    this.#flow.pass(documents.length);
    for (const document of documents) {
      if (this.#matchesDocument?.(document.event) === false) continue;
      this.#flow.match(() => this.#text({ point, ...document }));
    }
  };
  readonly skip = (count: number): void => {
    this.#flow.skip(count);
  };

  /**
   * Ends a frame: the line that is to be written, or undefined when there is nothing to say. When the reader cannot
   * take anything the events are lost, and the counts are said when it can.
   */
  frame(canTake: boolean): string | undefined {
    const events = this.#flow.endFrame({ canTake });
    if (!canTake) return undefined;
    const { counts, isDone } = this.#flow;
    const now = this.#clock.monotonicMs();
    const isQuiet = events.length === 0 && !isDone;
    if (isQuiet && (now - this.#saidAtMs < 950 || (isEqual(counts, this.#said) && now - this.#saidAtMs < HEARTBEAT_MS)))
      return undefined;
    this.#said = counts;
    this.#saidAtMs = now;
    const rest: Omit<TapFrame, "events" | "type"> = { counts, ...(isDone ? { ended: true } : {}) };
    return `{"type":"frame","events":[${events.join(",")}],${JSON.stringify(rest).slice(1)}\n`;
  }

  #text(event: object): string {
    return this.#clean(JSON.stringify(event));
  }
}

function isEqual(a: TapCounts, b: TapCounts | undefined): boolean {
  return b !== undefined && a.passed === b.passed && a.skipped === b.skipped;
}

const DEFAULT_PER_SECOND = 100;
const MAX_PER_SECOND = 1000;
const AT: readonly TapAt[] = ["in", "out", "dropped"];
const HEARTBEAT_MS = 10_000;
