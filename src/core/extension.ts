import type { LogEvent } from "./event.ts";
import { Layout } from "./layout.ts";
import type { Path } from "./path.ts";

/**
 * A fixed list of fields that a stage gives to every event, with the way from the last layout seen to the layout that
 * has them all. So a parser's captures go straight into their slots, and finding the slots costs one comparison.
 *
 * Make one for each place of use. `slots[i]` is where field i goes, once `LogEvent.extend` has returned true.
 */
export class Extension {
  readonly paths: readonly Path[];
  readonly slots: Int32Array;
  /** The layout and envelope names that the answer below is for. */
  from: Layout | undefined = undefined;
  envelopePaths: readonly Path[] | undefined = undefined;
  /** The layout with all the fields; undefined where values decide and each field has to be set by itself. */
  to: Layout | undefined = undefined;

  readonly #constants: readonly (string | undefined)[];

  /**
   * `constants[i]` is the JSON of field i's value where that is always the same: encoders then write it as constant
   * text. The value itself still has to be put into its slot, and is shared by all events: frozen, or no object.
   * Throws when a field is named twice or lies inside another one: both would write to one place.
   */
  constructor(paths: readonly Path[], constants: readonly (string | undefined)[] = []) {
    for (const path of paths) {
      const clash = paths.find(
        (other) => other !== path && (other.name === path.name || other.name.startsWith(path.name + ".")),
      );
      if (clash !== undefined) throw new RangeError(`fields ${path.name} and ${clash.name} overlap`);
    }
    this.#constants = constants;
    this.paths = paths;
    this.slots = new Int32Array(paths.length);
  }

  /** Works the way out for an event's layout and envelope. */
  prepare(event: LogEvent): void {
    this.from = event.layout;
    this.envelopePaths = event.envelope.paths;
    this.to = undefined;
    if (event.layout === Layout.generic) return;
    let layout = event.layout;
    for (let i = 0; i < this.paths.length; i++) {
      const path = this.paths[i]!;
      // An empty slot would hide the envelope's value from the reader.
      if (event.envelope.offsetPath !== undefined && overlap(event.envelope.offsetPath, path)) return;
      if (event.envelope.paths.some((each) => overlap(each, path))) return;
      const slot = event.layout.find(path);
      if (slot.index >= 0) {
        if (slot.rest !== path.parts.length) return;
        this.slots[i] = slot.index;
        layout = layout.unfixed(slot.index);
        if (layout === Layout.generic) return;
        continue;
      }
      const next = path.name === "@timestamp" ? null : layout.with(path.parts, this.#constants[i]);
      if (next === null || next === Layout.generic) return;
      this.slots[i] = layout.slots.length;
      layout = next;
    }
    this.to = layout;
  }
}

function overlap(a: Path, b: Path): boolean {
  return a.name === b.name || a.name.startsWith(b.name + ".") || b.name.startsWith(a.name + ".");
}
