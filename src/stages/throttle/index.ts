import { parseKql } from "../../codec/kql/parse.ts";
import { compilePredicate } from "../../codec/kql/predicate.ts";
import { defineStage, DROP, type KeptState, type Stage } from "../../core/component.ts";
import type { LogEvent } from "../../core/event.ts";
import { t, type Infer } from "../../core/schema.ts";
import { BoundedMap } from "../bounded-map.ts";
import { EventKey, shortened } from "../event-key.ts";
import { keptState } from "../kept-state.ts";
import { isBehind, Positions, type SavedPositions } from "../positions.ts";

const schema = t.object({
  limit: t.integer({ minimum: 1, description: "Events that pass in each window, for each key." }),
  window_seconds: t.number({
    default: 1,
    minimum: 0.001,
    description: "Length of a window in seconds. Windows begin at whole multiples of it since 1970.",
  }),
  key: t.array(t.string({ "x-syntax": "field" }), {
    default: [],
    description: "Fields that are limited by their values, each value by itself. Events without them share one limit.",
  }),
  keep: t.optional(
    t.string({ "x-syntax": "kql", description: "KQL: events that match pass in any case, and are not counted." }),
  ),
  max_keys: t.integer({
    default: 10_000,
    minimum: 1,
    description:
      "Keys and windows that are remembered, up to 900 bytes each; beyond, the oldest is forgotten and counts from 0.",
  }),
});

/** What passed of one key in one window. */
interface Passed {
  count: number;
  /** Up to where events passed, by partition: those before passed too. */
  readonly upTo: Map<string, { offset: number; subIndex: number }>;
}

interface Saved {
  readonly positions: SavedPositions;
  readonly windows: readonly (readonly [key: string, count: number, upTo: SavedPositions])[];
}

class Throttle implements Stage {
  readonly remembers = true;
  readonly kept: KeptState;
  readonly #limit: number;
  readonly #windowMs: number;
  readonly #key: EventKey;
  readonly #keep: ((event: LogEvent) => boolean) | undefined;
  readonly #windows: BoundedMap<Passed>;
  readonly #positions = new Positions();
  #version = 0;

  constructor(options: Infer<typeof schema>) {
    this.kept = keptState<Saved>(
      () => this.#version,
      (isKnown) => this.#save(isKnown),
      (saved) => {
        this.#load(saved);
      },
    );
    this.#limit = options.limit;
    this.#windowMs = options.window_seconds * 1000;
    this.#windows = new BoundedMap(options.max_keys);
    this.#key = new EventKey(options.key);
    this.#keep = options.keep === undefined ? undefined : compilePredicate(parseKql(options.keep));
  }

  enter(partitionId: string): void {
    this.#positions.enter(partitionId);
  }

  apply(event: LogEvent): undefined | typeof DROP {
    if (this.#keep?.(event) === true) return undefined;
    const isAgain = this.#positions.isAgain(event);
    this.#version++;
    const key = `${Math.floor(event.timeMs / this.#windowMs)} ${shortened(this.#key.of(event) ?? "")}`;
    const { partition } = this.#positions;
    let window = this.#windows.get(key);
    if (isAgain) {
      const upTo = window?.upTo.get(partition);
      if (window === undefined) return undefined;
      return upTo === undefined || isBehind(event, upTo.offset, upTo.subIndex) ? DROP : undefined;
    }
    if (window === undefined) {
      this.#windows.set(key, (window = { count: 0, upTo: new Map() }));
    }
    if (window.count >= this.#limit) return DROP;
    window.count++;
    const upTo = window.upTo.get(partition);
    if (upTo === undefined) window.upTo.set(partition, { offset: event.offset, subIndex: event.subIndex });
    else {
      upTo.offset = event.offset;
      upTo.subIndex = event.subIndex;
    }
    return undefined;
  }

  #save(isKnown: (partitionId: string) => boolean): Saved {
    const windows = this.#windows.entries().map(([key, { count, upTo }]) => {
      const places = [...upTo].map(([id, { offset, subIndex }]) => [id, offset, subIndex] as const);
      return [key, count, places.filter(([id]) => isKnown(id))] as const;
    });
    return { positions: this.#positions.save(isKnown), windows };
  }

  #load({ positions, windows }: Saved): void {
    const read = windows.map(([key, count, upTo]) => {
      const places = upTo.map(([id, offset, subIndex]) => [id, { offset, subIndex }] as const);
      return [key, { count, upTo: new Map(places) }] as const;
    });
    this.#positions.load(positions);
    for (const [key, passed] of read) this.#windows.set(key, passed);
  }
}

/** Limits how many events pass in a time. */
export const throttle = defineStage({
  type: "throttle",
  drops: true,
  summary: "Lets only so many events pass in a time, for each key",
  description: [
    "What is over the limit is counted as dropped by this stage. Windows go by `@timestamp`, not by the clock of the host: an agent that catches up on hours of events drops no more than it would have at the time. So put this stage behind the one that reads the time.",
    "",
    "Counts are kept with the checkpoint, at most a second behind: a restart begins no window anew (changed options do). For keys that were forgotten one begins anew, and up to `limit` more of its events pass: never fewer. Events that come again, for a sink that catches up, are decided as before.",
  ].join("\n"),
  stability: "stable",
  schema,
  examples: [
    {
      title: "Two events a minute of each logger, and all errors",
      options: { limit: 2, window_seconds: 60, key: ["log.logger"], keep: "log.level: error" },
      input: [
        { n: 1, log: { logger: "a" } },
        { n: 2, log: { logger: "a" } },
        { n: 3, log: { logger: "a" } },
        { n: 4, log: { logger: "b" } },
        { n: 5, log: { logger: "a", level: "error" } },
      ],
      output: [{ n: 1 }, { n: 2 }, { n: 4 }, { n: 5 }],
    },
  ],
  create: (options) => new Throttle(options),
});
