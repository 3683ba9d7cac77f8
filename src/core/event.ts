import type { Extension } from "./extension.ts";
import { Layout, SLOT_ABSENT, SLOT_OBJECT, SLOT_TIME, type LayoutTree } from "./layout.ts";
import { canSetIn, deleteIn, getIn, type Path, setIn } from "./path.ts";
import { formatIsoTime, parseIsoTime } from "./time.ts";

/** What new events begin with: as many empty slots as events have needed so far, so that their arrays need not grow. */
const blankValues: unknown[] = [undefined];
const MAX_ROOM = 48;

/** How many events may be made of one: batches keep their numbers in 16 bits. */
export const MAX_SUB_INDEX = 0xffff;

/**
 * Fields that every event of a partition has and that no event carries itself: `host.name`, `ecs.version`,
 * `log.file.path`. Encoders write them as constant text; a field that the event itself has wins over them.
 */
export interface Envelope {
  /** Field names in the order they are written. Envelopes with equal names share prepared encoders. */
  readonly paths: readonly Path[];
  readonly values: readonly unknown[];
  /** Where the event's position in its input is written (`log.offset`), or undefined to leave it out. */
  readonly offsetPath: Path | undefined;
}

/**
 * Other places than the sinks' own that an event is for, by the sink's name: what `Sink.destinationOf` is given, JSON
 * text. Shared by many events; not to be changed.
 */
export type Destinations = Readonly<Record<string, string>>;

/**
 * One log event in the middle of a pipeline. Read and write it by `Path` only.
 *
 * Values are what JSON can hold; `undefined` means "not there". Objects and arrays that `get` gives are only to be read
 * (other fields and events may share them, and constants are frozen): change them with `set` and `delete`.
 */
export class LogEvent {
  layout: Layout;
  /** By slot; entries behind the layout's last slot, if any, are undefined. */
  values: unknown[];
  /** The event's time, in milliseconds since the epoch (fractions allowed): what `@timestamp` shows. */
  timeMs: number;
  /** Where the event begins in its partition: a byte offset in a file, a sequence number elsewhere. */
  readonly offset: number;
  /** Which of the events made from one input this is; 0 unless a stage made several of one. */
  readonly subIndex: number;
  readonly envelope: Envelope;
  /** The text as it was read, whatever stages did since, without what had to be made unreadable. */
  line: string;

  /** The names of the sinks that it is for, of those of its pipeline; undefined: all of them. */
  sinks: readonly string[] | undefined = undefined;

  /** Where in these sinks, where that is not the sink's own place. */
  destinations: Destinations | undefined = undefined;

  constructor(line: string, timeMs: number, offset: number, envelope: Envelope, subIndex = 0) {
    this.layout = Layout.message;
    const values = blankValues.slice();
    values[0] = line;
    this.values = values;
    this.timeMs = timeMs;
    this.offset = offset;
    this.subIndex = subIndex;
    this.envelope = envelope;
    this.line = line;
  }

  /**
   * An event of its own with the same fields: one of several that a stage makes of this one. `subIndex` counts them
   * from 1 to MAX_SUB_INDEX.
   */
  fork(subIndex: number): LogEvent {
    const copy = new LogEvent(this.line, this.timeMs, this.offset, this.envelope, subIndex);
    copy.sinks = this.sinks;
    copy.destinations = this.destinations;
    copy.layout = this.layout;
    copy.values = this.values.slice();
    for (let i = 0; i < copy.values.length; i++) {
      const value = copy.values[i];
      // Constants are shared by all events anyway.
      if (typeof value === "object" && value !== null && this.layout.constants[i] === undefined)
        copy.values[i] = structuredClone(value);
    }
    return copy;
  }

  /** The field's value, or undefined. A name of an object made of several fields gives that object, freshly built. */
  get(path: Path): unknown {
    const slot = path.cachedLayout === this.layout ? path.cachedSlot! : this.layout.find(path);
    if (slot.index >= 0) {
      const value = this.values[slot.index];
      if (slot.rest === path.parts.length) return value;
      const found = getIn(value, path.parts, slot.rest);
      return found !== undefined
        ? found
        : value === undefined
          ? this.#fromEnvelope(path)
          : this.#unlessHidden(path, value, slot.rest);
    }
    if (slot.index === SLOT_TIME) return path.parts.length === 1 ? formatIsoTime(this.timeMs) : undefined;
    if (slot.index === SLOT_OBJECT) return getIn(this.toObject(), path.parts, 0);
    return this.#fromEnvelope(path);
  }

  /**
   * Sets a field, making objects on the way. Returns why it cannot (a value that is not an object stands in the way,
   * or `@timestamp` is given something that is no time), or undefined when it was done.
   */
  set(path: Path, value: unknown): string | undefined {
    // What is set into an event may be changed inside later.
    if (typeof value === "object" && value !== null) value = structuredClone(value);
    const slot = path.cachedLayout === this.layout ? path.cachedSlot! : this.layout.find(path);
    if (slot.index >= 0) {
      if (slot.rest === path.parts.length) {
        this.#put(slot.index, value);
        return undefined;
      }
      if (!this.#unshare(slot.index)) return this.set(path, value);
      return this.#setInside(path, slot.index, slot.rest, value);
    }
    if (slot.index === SLOT_TIME) return path.parts.length === 1 ? this.#setTime(value) : blocked(path);
    if (slot.index === SLOT_OBJECT) {
      this.#generalise();
      return this.set(path, value);
    }
    this.#add(path.parts, value);
    return undefined;
  }

  /**
   * Makes room for several fields at once. True: `values[extension.slots[i]]` is the place of field i, empty where the
   * event did not have it. False, changing nothing: the event's own values decide, so `set` each field by itself.
   */
  extend(extension: Extension): boolean {
    if (extension.from !== this.layout || extension.envelopePaths !== this.envelope.paths) extension.prepare(this);
    const to = extension.to;
    if (to === undefined) return false;
    if (to !== this.layout) {
      if (this.values.length < to.slots.length) this.#grow(to.slots.length);
      this.layout = to;
    }
    return true;
  }

  /** Why `set(path, value)` would refuse, or undefined when it would not. */
  refusal(path: Path, value: unknown): string | undefined {
    const slot = path.cachedLayout === this.layout ? path.cachedSlot! : this.layout.find(path);
    if (slot.index === SLOT_TIME) {
      if (path.parts.length > 1) return blocked(path);
      return isTime(value) ? undefined : NOT_A_TIME;
    }
    if (slot.index < 0 || slot.rest === path.parts.length) return undefined;
    const inside = this.values[slot.index];
    if (inside === undefined || inside === null) return undefined;
    const fits =
      typeof inside === "object" &&
      !Array.isArray(inside) &&
      canSetIn(inside as Record<string, unknown>, path.parts, slot.rest);
    return fits ? undefined : blocked(path);
  }

  /**
   * Sets a top-level field by its exact key, dots and all: what an input's own keys are given to. An `@timestamp` that
   * is no time is left out, and the event keeps its own.
   */
  setTopLevel(key: string, value: unknown): void {
    if (key === "@timestamp") {
      this.#setTime(value);
      return;
    }
    const tree = this.layout.tree;
    const child = tree.get(key);
    if (typeof child === "number" && this.layout !== Layout.generic) {
      this.#put(child, value);
      return;
    }
    this.#add([key], value);
  }

  /** Removes a field (or an object with all its fields). Returns whether it was there. `@timestamp` stays. */
  delete(path: Path): boolean {
    const slot = path.cachedLayout === this.layout ? path.cachedSlot! : this.layout.find(path);
    if (slot.index >= 0 && slot.rest === path.parts.length) {
      if (this.values[slot.index] === undefined) return false;
      this.#put(slot.index, undefined);
      return true;
    }
    if (slot.index === SLOT_TIME || this.get(path) === undefined) return false;
    if (slot.index >= 0) {
      if (!this.#unshare(slot.index)) return this.delete(path);
      const inside = this.values[slot.index];
      if (
        typeof inside === "object" &&
        inside !== null &&
        deleteIn(inside as Record<string, unknown>, path.parts, slot.rest)
      ) {
        const isEmpty = Object.keys(inside).length === 0;
        if (isEmpty && this.layout !== Layout.generic) this.values[slot.index] = undefined;
        if (!envelopeHas(this.envelope, path.name)) return true;
      }
    } else if (slot.index === SLOT_OBJECT) {
      const slots = slotsIn(slot.tree!);
      for (const index of slots) if (!this.#unshare(index)) return this.delete(path);
      for (const index of slots) this.values[index] = undefined;
    }
    this.#hideEnvelope(path);
    return true;
  }

  /** The whole document as a plain object of its own: what the JSON encoding of this event parses to. */
  toObject(): Record<string, unknown> {
    let own: Record<string, unknown> = {};
    if (this.layout === Layout.generic) own = this.values[0] as Record<string, unknown>;
    else fillObject(own, this.layout.tree, this.values);
    const object = JSON.parse(JSON.stringify({ "@timestamp": formatIsoTime(this.timeMs), ...own })) as Record<
      string,
      unknown
    >;
    const { paths, values, offsetPath } = this.envelope;
    for (let i = 0; i < paths.length; i++) if (!this.#hides(paths[i]!)) setIn(object, paths[i]!.parts, 0, values[i]);
    if (offsetPath !== undefined && !this.#hides(offsetPath)) setIn(object, offsetPath.parts, 0, this.offset);
    return object;
  }

  #grow(length: number): void {
    const values = this.values;
    for (let i = values.length; i < length; i++) values[i] = undefined;
    while (blankValues.length < Math.min(length, MAX_ROOM)) blankValues.push(undefined);
  }

  #add(keys: readonly string[], value: unknown): void {
    const next = this.layout === Layout.generic ? Layout.generic : this.layout.with(keys);
    if (next === null || next === Layout.generic) {
      this.#generalise();
      const root = this.values[0] as Record<string, unknown>;
      if (keys.length === 1)
        Object.defineProperty(root, keys[0]!, { value, writable: true, enumerable: true, configurable: true });
      else setIn(root, keys, 0, value);
      return;
    }
    const index = this.layout.slots.length;
    if (index >= this.values.length) this.#grow(index + 1);
    this.values[index] = value;
    this.layout = next;
  }

  /** Puts a value into a slot, which may hold a constant of the layout so far. */
  #put(index: number, value: unknown): void {
    if (this.layout.hasConstants && this.layout.constants[index] !== undefined) {
      const layout = this.layout.unfixed(index);
      if (layout === Layout.generic) {
        this.values[index] = value;
        this.#generalise();
        return;
      }
      this.layout = layout;
    }
    this.values[index] = value;
  }

  /**
   * Makes a slot's value the event's own before it is changed in place: a constant is shared with other events. False
   * when the event had to be generalised for that, so that slots mean nothing any more.
   */
  #unshare(index: number): boolean {
    if (this.layout.constants[index] === undefined) return true;
    this.#put(index, structuredClone(this.values[index]));
    return this.layout !== Layout.generic;
  }

  #setInside(path: Path, index: number, rest: number, value: unknown): string | undefined {
    const inside = this.values[index];
    if (inside === undefined || inside === null) {
      const made: Record<string, unknown> = {};
      setIn(made, path.parts, rest, value);
      this.values[index] = made;
      return undefined;
    }
    if (
      typeof inside === "object" &&
      !Array.isArray(inside) &&
      setIn(inside as Record<string, unknown>, path.parts, rest, value)
    ) {
      return undefined;
    }
    return blocked(path);
  }

  #setTime(value: unknown): string | undefined {
    const timeMs = timeOf(value);
    if (!(Math.abs(timeMs) <= 8.64e15)) return NOT_A_TIME;
    this.timeMs = timeMs;
    return undefined;
  }

  /** Turns the event into one plain object, for the rare changes that a layout cannot express. */
  #generalise(): void {
    if (this.layout === Layout.generic) return;
    const object: Record<string, unknown> = {};
    const hidden = this.envelope.paths.filter((path) => this.#hides(path));
    fillObject(object, this.layout.tree, this.layout.hasConstants ? structuredClone(this.values) : this.values);
    for (const path of hidden) setIn(object, path.parts, 0, undefined);
    this.layout = Layout.generic;
    this.values = [object];
  }

  #fromEnvelope(path: Path): unknown {
    const { paths, values, offsetPath } = this.envelope;
    for (let i = 0; i < paths.length; i++) if (paths[i]!.name === path.name) return values[i];
    if (offsetPath !== undefined && offsetPath.name === path.name) return this.offset;
    const prefix = path.name + ".";
    const isAbove = paths.some((p) => p.name.startsWith(prefix)) || offsetPath?.name.startsWith(prefix) === true;
    return isAbove && this.layout.find(path).index === SLOT_ABSENT ? getIn(this.toObject(), path.parts, 0) : undefined;
  }

  #unlessHidden(path: Path, value: unknown, rest: number): unknown {
    if (typeof value !== "object" || value === null || hasIn(value, path.parts, rest)) return undefined;
    return this.#fromEnvelope(path);
  }

  /** Whether the event has its own (perhaps emptied) place for a name of the envelope. */
  #hides(path: Path): boolean {
    const slot = this.layout.find(path);
    if (slot.index < 0) return slot.index === SLOT_OBJECT;
    if (slot.rest === path.parts.length) return true;
    return hasIn(this.values[slot.index], path.parts, slot.rest);
  }

  #hideEnvelope(path: Path): void {
    const { paths, offsetPath } = this.envelope;
    const names = offsetPath === undefined ? paths : [...paths, offsetPath];
    for (const each of names) {
      if (each.name !== path.name && !each.name.startsWith(path.name + ".")) continue;
      this.set(each, undefined);
    }
  }
}

const NOT_A_TIME = "cannot set @timestamp: not an ISO 8601 time or milliseconds since the epoch";

function timeOf(value: unknown): number {
  return typeof value === "number" ? value : typeof value === "string" ? parseIsoTime(value) : NaN;
}

function isTime(value: unknown): boolean {
  return Math.abs(timeOf(value)) <= 8.64e15;
}

function blocked(path: Path): string {
  return `cannot set ${path.name}: a field above it holds a value that is not an object`;
}

function envelopeHas(envelope: Envelope, name: string): boolean {
  return envelope.offsetPath?.name === name || envelope.paths.some((path) => path.name === name);
}

/** Whether `parts[from…]` is an own property chain, even one that ends in undefined. */
function hasIn(value: unknown, parts: readonly string[], from: number): boolean {
  if (from === parts.length) return true;
  if (typeof value !== "object" || value === null) return value !== undefined;
  return Object.hasOwn(value, parts[from]!) && hasIn((value as Record<string, unknown>)[parts[from]!], parts, from + 1);
}

function slotsIn(tree: LayoutTree): number[] {
  return [...tree.values()].flatMap((child) => (typeof child === "number" ? [child] : slotsIn(child)));
}

function fillObject(object: Record<string, unknown>, tree: LayoutTree, values: readonly unknown[]): void {
  for (const [key, child] of tree) {
    let value: unknown;
    if (typeof child === "number") value = values[child];
    else {
      const inner: Record<string, unknown> = {};
      fillObject(inner, child, values);
      if (Object.keys(inner).length > 0) value = inner;
    }
    if (value !== undefined)
      Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
  }
}
