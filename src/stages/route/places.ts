import type { DestinationOptions } from "../../core/component.ts";
import type { Destinations, LogEvent } from "../../core/event.ts";
import { Path } from "../../core/path.ts";

/** A sink's name, and another place in it than its own, if any. */
export interface Target {
  readonly sink: string;
  /** In the words of the sink's options; texts may hold `${field}`. */
  readonly place: DestinationOptions | undefined;
}

export interface PlaceLimits {
  /** Stands for a value that is missing or gives no name. */
  readonly defaultValue: string;
  /** Places that values of fields may make, for all rules of a stage. */
  readonly maxTargets: number;
}

/** Longer values are cut off. */
export const MAX_VALUE_CHARACTERS = 60;

const FIELD = /\$\{([^{}]*)\}/g;

/** What a name may have, by the option that it stands in: anything else becomes `_`. */
const CLEANERS: Readonly<Record<string, (value: string) => string>> = {
  // Lower case; not at the beginning what index names must not begin with.
  index: (value) => value.toLowerCase().replace(/[^a-z0-9_.-]/g, "_").replace(/^[-_.]+/, ""), // prettier-ignore
  type: part,
  dataset: part,
  namespace: part,
  log_group_name: (value) => value.replace(/[^.\-_/#A-Za-z0-9]/g, "_"),
  log_stream_name: (value) => value.replace(/[:*{}$\p{Cc}\p{Cs}]/gu, "_"),
};

/** Of a data stream's name: hyphens are between its parts. */
function part(value: string): string {
  return value.toLowerCase().replace(/[^a-z0-9_.]/g, "_").replace(/^[_.]+/, ""); // prettier-ignore
}

/** Whether a text has fields in it; throws nothing. */
export function fieldsIn(text: string): string[] {
  return [...text.matchAll(FIELD)].map(([, name]) => name!);
}

/** A place with every field replaced by the longest text that its value may become, as `check` looks at it. */
export function longestPlace(place: DestinationOptions): DestinationOptions {
  return filled(place, () => "x".repeat(MAX_VALUE_CHARACTERS));
}

/** The place with its fields filled in: `valueOf` is given the field and the option that it stands in. */
function filled(place: DestinationOptions, valueOf: (field: string, option: string) => string): DestinationOptions {
  return Object.fromEntries(
    Object.entries(place).map(([option, text]) => [
      option,
      typeof text === "string"
        ? text.replace(FIELD, (_, field: string) => valueOf(field, option))
        : filled(text as DestinationOptions, valueOf),
    ]),
  );
}

/** A field's value as part of a name, or undefined where it gives none. */
function clean(value: unknown, option: string): string | undefined {
  if (typeof value !== "string" && typeof value !== "number" && typeof value !== "boolean") return undefined;
  const text = CLEANERS[option]!(String(value));
  const short = text.length > MAX_VALUE_CHARACTERS ? text.slice(0, MAX_VALUE_CHARACTERS) : text;
  // Half a surrogate pair is no text.
  const whole = /[\ud800-\udbff]$/.test(short) ? short.slice(0, -1) : short;
  return /[^_.\-/\s]/.test(whole) ? whole : undefined;
}

/** Where the events of one rule go. */
export interface Way {
  readonly sinks: readonly string[];
  /** The places in these sinks, for an event. One object for all events of the same places. */
  readonly destinationsFor: (event: LogEvent) => Destinations | undefined;
}

/** Makes the ways of a stage's rules, and counts the places that values of fields made. */
export class Places {
  /** Distinct places by values so far, and events that went to the default one because there were too many. */
  made = 0;
  beyond = 0;
  readonly #limits: PlaceLimits;
  readonly #onFull: () => void;

  /** `onFull` is called once, when a place is needed that is one too many. */
  constructor(limits: PlaceLimits, onFull: () => void) {
    this.#limits = limits;
    this.#onFull = onFull;
  }

  way(targets: readonly Target[]): Way {
    const sinks = targets.map(({ sink }) => sink);
    const fields = new Map<string, { readonly path: Path; readonly option: string }>();
    for (const { place } of targets) {
      if (place !== undefined)
        filled(place, (field, option) => {
          fields.set(`${option} ${field}`, { path: new Path(field), option });
          return "";
        });
    }
    const { defaultValue } = this.#limits;
    const byDefault = destinationsOf(targets, () => defaultValue);
    if (fields.size === 0) return { sinks, destinationsFor: () => byDefault };
    const inOrder = [...fields.values()];
    const keys = [...fields.keys()];
    const known = new Map<string, Destinations | undefined>([
      [inOrder.map(() => defaultValue).join("\u0000"), byDefault],
    ]);
    const destinationsFor = (event: LogEvent): Destinations | undefined => {
      let key = "";
      for (let i = 0; i < inOrder.length; i++) {
        const { path, option } = inOrder[i]!;
        key += (i === 0 ? "" : "\u0000") + (clean(event.get(path), option) ?? defaultValue);
      }
      const destinations = known.get(key);
      if (destinations !== undefined) return destinations;
      if (this.made >= this.#limits.maxTargets) {
        if (this.beyond++ === 0) this.#onFull();
        return byDefault;
      }
      this.made++;
      const values = key.split("\u0000");
      const made = destinationsOf(targets, (field, option) => values[keys.indexOf(`${option} ${field}`)]!);
      known.set(key, made);
      return made;
    };
    return { sinks, destinationsFor };
  }
}

function destinationsOf(
  targets: readonly Target[],
  valueOf: (field: string, option: string) => string,
): Destinations | undefined {
  const named = targets.flatMap(({ sink, place }) =>
    place === undefined ? [] : [[sink, JSON.stringify(filled(place, valueOf))] as const],
  );
  return named.length === 0 ? undefined : Object.fromEntries(named);
}
