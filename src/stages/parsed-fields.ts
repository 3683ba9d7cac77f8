import { StageFailure } from "../core/component.ts";
import type { LogEvent } from "../core/event.ts";
import { Extension } from "../core/extension.ts";
import { Path } from "../core/path.ts";
import { t } from "../core/schema.ts";

/** Options that all parsers of text have. */
export const SOURCE_OPTIONS = {
  field: t.string({
    default: "message",
    description: "Field that holds the text to parse. It is removed after a successful parse.",
    "x-syntax": "field",
  }),
  keep_original: t.boolean({
    default: false,
    description:
      "Keep the line as it was read in `event.original`. A failed parse always keeps it, in the field itself.",
  }),
};

/** Puts what a parser found in a text: field i is what `fill` writes to `values[slots[i]]`; what it does not write is absent. */
export interface Filler<Found = RegExpExecArray> {
  fill(found: Found, values: unknown[], slots: Int32Array): void;
}

/** For findings that stand in the order of the fields. */
export const FOUND: Filler<readonly unknown[]> = {
  fill: (found, values, slots) => {
    for (let i = 0; i < found.length; i++) if (found[i] !== undefined) values[slots[i]!] = found[i];
  },
};

/**
 * Moves a parser's findings into events: straight into their slots where the layout allows it, field by field
 * otherwise. Removes the source field and keeps the original line as the options say.
 */
export class ParsedFields {
  readonly #extension: Extension;
  readonly #ownSlots: Int32Array;
  readonly #source: Path;
  /** The same name, for look-ups in the layout after `extend`: a Path remembers one layout. */
  readonly #sourceAfter: Path;
  readonly #removesSource: boolean;
  /** Index of `event.original` among the fields, or -1. */
  readonly #original: number;

  /** Throws RangeError when fields overlap. */
  constructor(fields: readonly string[], source: string, keepOriginal: boolean) {
    const addsOriginal = keepOriginal && !fields.includes("event.original");
    const all = addsOriginal ? [...fields, "event.original"] : fields;
    this.#extension = new Extension(all.map((name) => new Path(name)));
    this.#ownSlots = Int32Array.from(all.keys());
    this.#source = new Path(source);
    this.#sourceAfter = new Path(source);
    this.#removesSource = !all.some((name) => name === source || name.startsWith(source + "."));
    this.#original = addsOriginal ? all.length - 1 : -1;
  }

  /** The text of the source field, or why there is none. */
  read(event: LogEvent): string | StageFailure {
    const value = event.get(this.#source);
    return typeof value === "string" ? value : noText(this.#source, value);
  }

  /** Gives the event the findings of a parser. Fails, changing nothing, where a field cannot be set. */
  write<Found>(event: LogEvent, found: Found, filler: Filler<Found>): undefined | StageFailure {
    const extension = this.#extension;
    if (event.extend(extension)) {
      const values = event.values;
      // Before the fields: one of them may be the source's own.
      const isTarget = !this.#removesSource;
      if (isTarget) this.#clearSource(event, found, filler);
      else {
        filler.fill(found, values, extension.slots);
        event.delete(this.#sourceAfter);
      }
      if (this.#original >= 0) values[extension.slots[this.#original]!] = event.line;
      return undefined;
    }
    const values: unknown[] = extension.paths.map(() => undefined);
    filler.fill(found, values, this.#ownSlots);
    if (this.#original >= 0) values[this.#original] = event.line;
    for (let i = 0; i < values.length; i++) {
      // The source field itself is gone by the time that something is set inside it.
      const isFree = values[i] === undefined || extension.paths[i]!.name.startsWith(this.#source.name + ".");
      const refusal = isFree ? undefined : event.refusal(extension.paths[i]!, values[i]);
      if (refusal !== undefined) return new StageFailure(refusal);
    }
    event.delete(this.#source);
    for (let i = 0; i < values.length; i++) {
      if (values[i] !== undefined) event.set(extension.paths[i]!, values[i]);
    }
    return undefined;
  }

  #clearSource<Found>(event: LogEvent, found: Found, filler: Filler<Found>): void {
    event.delete(this.#sourceAfter);
    filler.fill(found, event.values, this.#extension.slots);
  }
}

/** The failure of a stage whose field is not there or no text. */
export function noText(path: Path, value: unknown): StageFailure {
  return new StageFailure(value === undefined ? `there is no field ${path.name}` : `field ${path.name} is not text`);
}
