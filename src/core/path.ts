import type { Layout, Slot } from "./layout.ts";

/**
 * A field's name, compiled once when a component is made: `http.response.status_code`, `@timestamp`, `message`.
 * A dot separates levels. Where an input has a literal dotted key (`{"a.b": 1}`), the same name finds that too.
 *
 * `cachedLayout`/`cachedSlot` are a one-entry inline cache: a stage sees the same layout for nearly every event, so a
 * look-up is one comparison and one array read. The cache lives in the Path, so make one Path per place of use.
 */
export class Path {
  readonly name: string;
  readonly parts: readonly string[];
  cachedLayout: Layout | undefined = undefined;
  cachedSlot: Slot | undefined = undefined;

  constructor(name: string) {
    this.name = name;
    this.parts = name.split(".");
  }
}

/** Looks up `parts[from…]` inside a plain value, taking literal dotted keys too. `undefined` when it is not there. */
export function getIn(value: unknown, parts: readonly string[], from: number): unknown {
  if (from === parts.length) return value;
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  const object = value as Record<string, unknown>;
  let key = parts[from]!;
  for (let end = from + 1; ; end++) {
    if (Object.hasOwn(object, key)) {
      const found = getIn(object[key], parts, end);
      if (found !== undefined) return found;
    }
    if (end === parts.length) return undefined;
    key += "." + parts[end]!;
  }
}

/**
 * Sets `parts[from…]` inside a plain object, making objects on the way. An existing literal dotted key is overwritten
 * in place. Returns false, changing nothing, where a value that is not an object stands in the way.
 */
export function setIn(
  object: Record<string, unknown>,
  parts: readonly string[],
  from: number,
  value: unknown,
): boolean {
  const dotted = parts.slice(from).join(".");
  const last = parts.length - 1;
  if (from < last && Object.hasOwn(object, dotted)) {
    object[dotted] = value;
    return true;
  }
  const key = parts[from]!;
  if (from === last) {
    define(object, key, value);
    return true;
  }
  const child = Object.hasOwn(object, key) ? object[key] : undefined;
  if (child === undefined) {
    const made: Record<string, unknown> = {};
    setIn(made, parts, from + 1, value);
    define(object, key, made);
    return true;
  }
  if (typeof child !== "object" || child === null || Array.isArray(child)) return false;
  return setIn(child as Record<string, unknown>, parts, from + 1, value);
}

/** Whether `setIn` would set `parts[from…]`. */
export function canSetIn(object: Record<string, unknown>, parts: readonly string[], from: number): boolean {
  if (from === parts.length - 1 || Object.hasOwn(object, parts.slice(from).join("."))) return true;
  const child = Object.hasOwn(object, parts[from]!) ? object[parts[from]!] : undefined;
  if (child === undefined) return true;
  if (typeof child !== "object" || child === null || Array.isArray(child)) return false;
  return canSetIn(child as Record<string, unknown>, parts, from + 1);
}

/** Removes `parts[from…]` from a plain object, and objects that became empty by it. Returns whether it was there. */
export function deleteIn(object: Record<string, unknown>, parts: readonly string[], from: number): boolean {
  let key = parts[from]!;
  for (let end = from + 1; ; end++) {
    if (Object.hasOwn(object, key)) {
      if (end === parts.length) return delete object[key];
      const child = object[key];
      if (typeof child === "object" && child !== null && !Array.isArray(child)) {
        if (deleteIn(child as Record<string, unknown>, parts, end)) {
          if (Object.keys(child).length === 0) delete object[key];
          return true;
        }
      }
    }
    if (end === parts.length) return false;
    key += "." + parts[end]!;
  }
}

/** Assigns as an own property even for `__proto__`, which a plain assignment would turn into a prototype. */
function define(object: Record<string, unknown>, key: string, value: unknown): void {
  if (key === "__proto__") {
    Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
  } else {
    object[key] = value;
  }
}
