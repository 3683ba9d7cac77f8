import type { LogEvent } from "./event.ts";
import { Layout, type LayoutTree } from "./layout.ts";

/**
 * Calls `visit` with the name (dotted) and value of each of an event's own fields that is no object with members: text,
 * numbers, arrays, empty objects. Fields of the envelope are left out, except those that the event has itself. `visit`
 * must not change the event.
 */
export function eachLeaf(event: LogEvent, visit: (name: string, value: unknown) => void): void {
  if (event.layout === Layout.generic) leavesOf("", event.values[0], visit);
  else leavesOfTree("", event.layout.tree, event.values, visit);
}

/** An event's own fields as one object; what it holds may be shared, and is only to be read. */
export function ownFields(event: LogEvent): Record<string, unknown> {
  if (event.layout === Layout.generic) return event.values[0] as Record<string, unknown>;
  return objectOf(event.layout.tree, event.values);
}

/** Whether a value is an object that is no array. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function leavesOfTree(
  prefix: string,
  tree: LayoutTree,
  values: readonly unknown[],
  visit: (name: string, value: unknown) => void,
): void {
  for (const [key, child] of tree) {
    if (typeof child === "number") leavesOf(prefix + key, values[child], visit);
    else leavesOfTree(prefix + key + ".", child, values, visit);
  }
}

function leavesOf(name: string, value: unknown, visit: (name: string, value: unknown) => void): void {
  if (value === undefined) return;
  if (!isObject(value)) {
    visit(name, value);
    return;
  }
  let isEmpty = true;
  for (const key in value) {
    isEmpty = false;
    leavesOf(name === "" ? key : `${name}.${key}`, value[key], visit);
  }
  if (isEmpty && name !== "") visit(name, value);
}

function objectOf(tree: LayoutTree, values: readonly unknown[]): Record<string, unknown> {
  const object: Record<string, unknown> = {};
  for (const [key, child] of tree) {
    let value: unknown;
    if (typeof child === "number") value = values[child];
    else {
      const inner = objectOf(child, values);
      if (Object.keys(inner).length > 0) value = inner;
    }
    if (value === undefined) continue;
    // Assigned, `__proto__` would be no member.
    if (key === "__proto__")
      Object.defineProperty(object, key, { value, enumerable: true, writable: true, configurable: true });
    else object[key] = value;
  }
  return object;
}
