import type { Path } from "./path.ts";

// Above the class: its static members count too.
let layoutCount = 0;

/**
 * What fields an event has and where their values are: event.values[slot] for each field in `slots`.
 *
 * Events of one source nearly all have the same fields in the same order, so they share one Layout, and everything
 * that depends only on names is worked out once for the layout instead of once an event: look-ups (Path's inline
 * cache), and the JSON text between the values (codec/document.ts). Adding a field moves an event to the next layout;
 * that step is remembered, as V8 does with hidden classes. Removing a field only empties its slot.
 *
 * Figures: bench/results (a generic object and JSON.stringify take about twice the CPU on parsed access logs).
 */
export class Layout {
  /** The fields in order; each a list of keys from the document's root. A key may itself hold dots (`{"a.b": 1}`). */
  readonly slots: readonly (readonly string[])[];
  /** The same as a tree: a number is a slot, a map is an object that holds further fields. */
  readonly tree: LayoutTree;
  /** By slot: the value's JSON where it is the same for every event of this layout, otherwise undefined. */
  readonly constants: readonly (string | undefined)[];
  readonly hasConstants: boolean;
  /** Whatever encoders prepare for this layout, by encoder. */
  readonly prepared = new Map<object, unknown>();
  readonly #next = new Map<string, Layout | null>();
  /** The last answer of `with`: one place of use asks with the same array again and again. */
  #lastKeys: readonly string[] | undefined = undefined;
  #lastNext: Layout | null = null;
  readonly #found = new Map<string, Slot>();

  readonly #unfixed = new Map<number, Layout>();

  private constructor(slots: readonly (readonly string[])[], constants: readonly (string | undefined)[] = []) {
    this.slots = slots;
    this.constants = constants;
    this.hasConstants = constants.some((json) => json !== undefined);
    this.tree = new Map();
    slots.forEach((keys, index) => {
      let node: LayoutTree = this.tree;
      for (const key of keys.slice(0, -1)) {
        let child = node.get(key);
        if (!(child instanceof Map)) node.set(key, (child = new Map()));
        node = child;
      }
      node.set(keys.at(-1)!, index);
    });
    layoutCount++;
  }

  /** Only `message`: what every line starts with. */
  static readonly message = new this([["message"]]);
  /**
   * One slot that holds a whole document as a plain object. Events whose names vary without end (more than
   * MAX_LAYOUTS different layouts) end here: slower, but bounded.
   */
  static readonly generic = new this([[]]);

  /** Where a field is. The answer for a name never changes, so it is remembered. */
  find(path: Path): Slot {
    if (path.cachedLayout === this) return path.cachedSlot!;
    let slot = this.#found.get(path.name);
    if (slot === undefined) this.#found.set(path.name, (slot = this.#walk(path)));
    path.cachedLayout = this;
    path.cachedSlot = slot;
    return slot;
  }

  /**
   * The layout in which slot `index` holds any value again: for an event whose value there is about to differ.
   * `Layout.generic` when there are too many layouts already.
   */
  unfixed(index: number): Layout {
    if (this.constants[index] === undefined) return this;
    let next = this.#unfixed.get(index);
    if (next === undefined) {
      if (layoutCount >= MAX_LAYOUTS) return Layout.generic;
      const constants = this.constants.slice();
      constants[index] = undefined;
      this.#unfixed.set(index, (next = new Layout(this.slots, constants)));
    }
    return next;
  }

  /**
   * The layout with one more field, or `null` when a field of this layout stands in the way (its value decides what
   * happens then), or `Layout.generic` when there are too many layouts already. With `json` the field is a constant: every
   * event of the new layout holds the value that this is the JSON of, in its slot too.
   */
  with(keys: readonly string[], json?: string): Layout | null {
    if (keys === this.#lastKeys && json === undefined) return this.#lastNext;
    const path = keys.length === 1 ? keys[0]! : keys.join("\u0000");
    const name = json === undefined ? path : `${path}\u0001${json}`;
    let next = this.#next.get(name);
    if (next === undefined) {
      if (layoutCount >= MAX_LAYOUTS || this.slots.length >= MAX_SLOTS) return Layout.generic;
      next = this.#fits(keys) ? this.#extended(keys, json) : null;
      this.#next.set(name, next);
    }
    if (json === undefined) {
      this.#lastKeys = keys;
      this.#lastNext = next;
    }
    return next;
  }

  #extended(keys: readonly string[], json: string | undefined): Layout {
    const constants = this.constants.slice();
    if (json !== undefined) constants[this.slots.length] = json;
    return new Layout([...this.slots, keys], constants);
  }

  #fits(keys: readonly string[]): boolean {
    let node: LayoutTree = this.tree;
    for (const key of keys.slice(0, -1)) {
      const child = node.get(key);
      if (child === undefined) return true;
      if (!(child instanceof Map)) return false;
      node = child;
    }
    return !node.has(keys.at(-1)!);
  }

  #walk(path: Path): Slot {
    if (path.parts[0] === "@timestamp") return TIME_SLOT;
    if (this === Layout.generic) return { index: 0, rest: 0, tree: undefined };
    return walk(this.tree, path.parts, 0) ?? ABSENT_SLOT;
  }
}

/** A field's place: `index` ≥ 0 is a slot, and `path.parts[rest…]` then lead on inside its value. */
export interface Slot {
  readonly index: number;
  readonly rest: number;
  /** Set when the name is that of an object made of several slots (`index` is then SLOT_OBJECT). */
  readonly tree: LayoutTree | undefined;
}
export type LayoutTree = Map<string, number | LayoutTree>;

export const SLOT_ABSENT = -1;
export const SLOT_OBJECT = -2;
export const SLOT_TIME = -3;
const ABSENT_SLOT: Slot = { index: SLOT_ABSENT, rest: 0, tree: undefined };
const TIME_SLOT: Slot = { index: SLOT_TIME, rest: 0, tree: undefined };

const MAX_LAYOUTS = 4096;
const MAX_SLOTS = 256;

/** The slot for `parts[from…]`; literal dotted keys are tried after plain ones. */
function walk(tree: LayoutTree, parts: readonly string[], from: number): Slot | undefined {
  let key = parts[from]!;
  for (let end = from + 1; ; end++) {
    const child = tree.get(key);
    if (typeof child === "number") return { index: child, rest: end, tree: undefined };
    if (child !== undefined) {
      if (end === parts.length) return { index: SLOT_OBJECT, rest: end, tree: child };
      const found = walk(child, parts, end);
      if (found !== undefined) return found;
    }
    if (end === parts.length) return undefined;
    key += "." + parts[end]!;
  }
}
