import type { LogEvent } from "./event.ts";
import { Layout } from "./layout.ts";

const MAX_STEPS = 16_384;

/** What setting one key does to an event of the layout before it: that depends on the two and on nothing else. */
interface Step {
  readonly key: string;
  /** Where the key's value goes; -1 for `@timestamp`, which has no slot. */
  readonly slot: number;
  /** The event's layout once the key is set. */
  readonly layout: Layout;
  /** The key that came next last time, and all that ever did. */
  next: Step | undefined;
  readonly known: Map<string, Step>;
}

/**
 * Gives events the keys of parsed objects. Objects of one source mostly have the same keys in the same order, so the
 * ways from key to key are remembered, and values then go straight into their slots. Make one for each place of use.
 */
export class KeySequence {
  #root = makeStep("", -1, Layout.message);
  #steps = 0;

  /** `event.setTopLevel` for every key of an object, in order. */
  setAll(event: LogEvent, object: Readonly<Record<string, unknown>>): void {
    if (this.#root.layout !== event.layout) this.#restart(event.layout);
    const values = event.values;
    let step: Step | undefined = this.#root;
    for (const key in object) {
      if (step === undefined) {
        event.setTopLevel(key, object[key]);
        continue;
      }
      let next: Step | undefined = step.next;
      if (next === undefined || next.key !== key) {
        next = step.known.get(key);
        if (next === undefined) {
          event.layout = step.layout;
          event.setTopLevel(key, object[key]);
          step = this.#learn(step, key, event.layout);
          continue;
        }
        step.next = next;
      }
      if (next.slot >= 0) values[next.slot] = object[key];
      else event.setTopLevel(key, object[key]);
      step = next;
    }
    if (step !== undefined) event.layout = step.layout;
  }

  #restart(layout: Layout): void {
    this.#root = makeStep("", -1, layout);
    this.#steps = 0;
  }

  /** Undefined where slots mean nothing any more. */
  #learn(step: Step, key: string, layout: Layout): Step | undefined {
    const slot = key === "@timestamp" ? -1 : layout.tree.get(key);
    if (layout === Layout.generic || typeof slot !== "number") return undefined;
    const next = makeStep(key, slot, layout);
    if (this.#steps++ < MAX_STEPS) {
      step.known.set(key, next);
      step.next = next;
    }
    return next;
  }
}

function makeStep(key: string, slot: number, layout: Layout): Step {
  return { key, slot, layout, next: undefined, known: new Map() };
}
