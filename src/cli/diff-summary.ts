import { isDeepStrictEqual } from "node:util";
import type { ComponentChange, EventOutcome, Fate } from "../runtime/config-diff.ts";
import { fieldChanges, fieldsOf, type FieldChange } from "./field-changes.ts";

/** What a change of configuration does to a sample: counts by kind of change, with examples. */
export interface DiffSummary {
  /** Events of the sample, and what pipelines make of them: one event may go through several. */
  readonly events: number;
  readonly outcomes: number;
  readonly same: number;
  readonly components: readonly ComponentChange[];
  readonly changes: readonly SummedChange[];
}

/** All changes of one kind: of a field, or of where events go. */
export interface SummedChange {
  readonly kind: "field" | "fate" | "sinks" | "pipeline";
  readonly pipeline: string;
  /** What happens, in words: `+ url.path`, `sent → left out by 2 filter`, `sinks + es - cw`. */
  readonly what: string;
  readonly count: number;
  readonly examples: readonly DiffExample[];
}

export interface DiffExample {
  readonly source: string;
  readonly path: string | null;
  readonly offset: number;
  readonly text: string;
  /** Of a field: its values. */
  readonly change: FieldChange | null;
}

const MAX_EXAMPLES = 3;
const MAX_KINDS = 1000;

/** Adds up outcomes. Bounded: kinds of changes beyond a thousand are counted as one. */
export class DiffCollector {
  #outcomes = 0;
  #same = 0;
  readonly #events = new Set<unknown>();
  readonly #changes = new Map<string, SummedChange & { count: number; examples: DiffExample[] }>();

  add(outcome: EventOutcome): void {
    this.#outcomes++;
    this.#events.add(outcome.sample);
    const { before, after } = outcome;
    let isSame = true;
    const note = (kind: SummedChange["kind"], what: string, change: FieldChange | null = null): void => {
      isSame = false;
      this.#note(outcome, kind, what, change);
    };
    if (before === undefined || after === undefined)
      note(
        "pipeline",
        before === undefined ? "would be taken by this pipeline" : "would not be taken by this pipeline any more",
      );
    else {
      // Left out is left out: stages may have other numbers now.
      if (before.kind !== after.kind) note("fate", `${fateText(before)} → ${fateText(after)}`);
      if (before.kind === "sent" && after.kind === "sent") {
        const [gone, come] = [without(before.sinks, after.sinks), without(after.sinks, before.sinks)];
        if (gone.length + come.length > 0)
          note("sinks", `sinks ${[...come.map((name) => `+ ${name}`), ...gone.map((name) => `- ${name}`)].join(" ")}`);
        const [first, second] = [before.documents, after.documents];
        if (first.length !== second.length) note("fate", `${first.length} events → ${second.length} events`);
        else if (!isDeepStrictEqual(first, second)) this.#documents(first, second, note);
      }
    }
    if (isSame) this.#same++;
  }

  #documents(
    before: readonly Readonly<Record<string, unknown>>[],
    after: readonly Readonly<Record<string, unknown>>[],
    note: (kind: "field", what: string, change: FieldChange) => void,
  ): void {
    const marks = { added: "+", removed: "-", changed: "~" } as const;
    const seen = new Set<string>();
    before.forEach((document, i) => {
      for (const change of fieldChanges(fieldsOf(document), fieldsOf(after[i]!))) {
        const what = `${marks[change.how]} ${change.name}`;
        // Once an event, also where it became several.
        if (!seen.has(what)) note("field", what, change);
        seen.add(what);
      }
    });
  }

  #note(
    { sample, pipeline }: EventOutcome,
    kind: SummedChange["kind"],
    what: string,
    change: FieldChange | null,
  ): void {
    let key = `${pipeline}\u0000${kind}\u0000${what}`;
    if (!this.#changes.has(key) && this.#changes.size >= MAX_KINDS) {
      key = "other";
      what = "other changes";
    }
    let summed = this.#changes.get(key);
    if (summed === undefined) this.#changes.set(key, (summed = { kind, pipeline, what, count: 0, examples: [] }));
    summed.count++;
    const { source, path, offset, text } = sample;
    if (summed.examples.length < MAX_EXAMPLES)
      summed.examples.push({ source, path: path ?? null, offset, text, change });
  }

  summary(components: readonly ComponentChange[]): DiffSummary {
    const order = ["pipeline", "fate", "sinks", "field"];
    const changes = [...this.#changes.values()].sort(
      (a, b) => order.indexOf(a.kind) - order.indexOf(b.kind) || b.count - a.count,
    );
    return { events: this.#events.size, outcomes: this.#outcomes, same: this.#same, components, changes };
  }
}

function fateText(fate: Fate): string {
  switch (fate.kind) {
    case "sent":
      return "sent";
    case "left_out":
      return `left out by ${fate.by}`;
    case "dead_letter":
      return `dead letter of ${fate.by}`;
  }
}

function without(names: readonly string[], others: readonly string[]): string[] {
  return names.filter((name) => !others.includes(name));
}
