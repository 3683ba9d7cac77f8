import { defineStage, DROP, type KeptState, type Stage } from "../../core/component.ts";
import type { LogEvent } from "../../core/event.ts";
import { t, type Infer } from "../../core/schema.ts";
import { BoundedMap } from "../bounded-map.ts";
import { EventKey, shortened } from "../event-key.ts";
import { keptState } from "../kept-state.ts";
import { Positions, type SavedPositions } from "../positions.ts";

const schema = t.object({
  fields: t.optional(
    t.array(t.string({ "x-syntax": "field" }), {
      minItems: 1,
      description:
        "Fields that make events equal. An event that has none of them always passes. Without it the text as it was read, which seldom repeats where there is a time in it.",
    }),
  ),
  window_seconds: t.number({
    default: 60,
    minimum: 0.001,
    description: "Seconds, by `@timestamp`, in which repeats of an event are left out. Then one passes again.",
  }),
  max_keys: t.integer({
    default: 10_000,
    minimum: 1,
    description:
      "Different events that are remembered, up to 800 bytes each; beyond, the oldest is forgotten, and a repeat of it passes.",
  }),
});

/** The event that passed. */
interface First {
  readonly timeMs: number;
  readonly partition: string;
  readonly offset: number;
  readonly subIndex: number;
}

interface Saved {
  readonly positions: SavedPositions;
  readonly firsts: readonly (readonly [
    key: string,
    timeMs: number,
    partition: string,
    offset: number,
    subIndex: number,
  ])[];
}

class Dedupe implements Stage {
  readonly remembers = true;
  readonly kept: KeptState;
  readonly #key: EventKey | undefined;
  readonly #windowMs: number;
  readonly #firsts: BoundedMap<First>;
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
    this.#key = options.fields === undefined ? undefined : new EventKey(options.fields);
    this.#windowMs = options.window_seconds * 1000;
    this.#firsts = new BoundedMap(options.max_keys);
  }

  enter(partitionId: string): void {
    this.#positions.enter(partitionId);
  }

  apply(event: LogEvent): undefined | typeof DROP {
    const text = this.#key === undefined ? event.line : this.#key.of(event);
    const isAgain = this.#positions.isAgain(event);
    this.#version++;
    if (text === undefined) return undefined;
    const key = shortened(text);
    const first = this.#firsts.get(key);
    if (first !== undefined) {
      if (isAgain && this.#isSame(first, event)) return undefined;
      const distanceMs = event.timeMs - first.timeMs;
      if (Math.abs(distanceMs) < this.#windowMs) return DROP;
      // An older one, of an input that is behind, must not make the present ones new.
      if (distanceMs < 0 && !isAgain) return undefined;
    }
    const { timeMs, offset, subIndex } = event;
    this.#firsts.set(key, { timeMs, partition: this.#positions.partition, offset, subIndex });
    return undefined;
  }

  #save(isKnown: (partitionId: string) => boolean): Saved {
    const firsts = this.#firsts
      .entries()
      .map(([key, { timeMs, partition, offset, subIndex }]) => [key, timeMs, partition, offset, subIndex] as const);
    return { positions: this.#positions.save(isKnown), firsts };
  }

  #load({ positions, firsts }: Saved): void {
    const read = firsts.map(([key, timeMs, partition, offset, subIndex]) => {
      return [key, { timeMs, partition, offset, subIndex }] as const;
    });
    this.#positions.load(positions);
    for (const [key, first] of read) this.#firsts.set(key, first);
  }

  #isSame(first: First, event: LogEvent): boolean {
    return (
      first.offset === event.offset &&
      first.subIndex === event.subIndex &&
      first.partition === this.#positions.partition
    );
  }
}

/** Leaves repeats out. */
export const dedupe = defineStage({
  type: "dedupe",
  drops: true,
  summary: "Leaves out events that repeat an earlier one",
  description: [
    "The first of equal events passes, its repeats within the window are counted as dropped by this stage. Values are compared whole, in their types; those over 256 characters by 128 bits of their SHA-256.",
    "",
    "What passed is kept with the checkpoint, at most a second behind, so that a restart forgets nothing (changed options do). For events that were forgotten a repeat passes once more; an event is never taken for a repeat of itself when it is read again. This is about events that a program logs twice: that none is _delivered_ twice needs no stage.",
  ].join("\n"),
  stability: "stable",
  schema,
  examples: [
    {
      title: "The same message of the same host once in five minutes",
      options: { fields: ["message", "host.name"], window_seconds: 300 },
      input: ["disk is full", "disk is full", "disk is well"],
      output: [{ message: "disk is full" }, { message: "disk is well" }],
    },
  ],
  create: (options) => new Dedupe(options),
});
