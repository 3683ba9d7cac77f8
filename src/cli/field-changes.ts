import { isDeepStrictEqual } from "node:util";
import { paint, visible } from "./screen.ts";

/** What happened to one field between two states of an event. */
export interface FieldChange {
  readonly name: string;
  readonly how: "added" | "removed" | "changed";
  readonly before?: unknown;
  readonly after?: unknown;
}

/** A document as field names with dots, and JSON values; empty objects are values. */
export function fieldsOf(
  object: Readonly<Record<string, unknown>>,
  prefix = "",
  into = new Map<string, unknown>(),
): Map<string, unknown> {
  for (const [key, value] of Object.entries(object)) {
    if (typeof value === "object" && value !== null && !Array.isArray(value) && Object.keys(value).length > 0) {
      fieldsOf(value as Record<string, unknown>, `${prefix}${key}.`, into);
    } else into.set(prefix + key, value);
  }
  return into;
}

/** Removed and changed fields in the order of `before`, then added ones in the order of `after`. */
export function fieldChanges(before: ReadonlyMap<string, unknown>, after: ReadonlyMap<string, unknown>): FieldChange[] {
  const changes: FieldChange[] = [];
  for (const [name, value] of before) {
    if (!after.has(name)) changes.push({ name, how: "removed", before: value });
    else if (!isDeepStrictEqual(value, after.get(name)))
      changes.push({ name, how: "changed", before: value, after: after.get(name) });
  }
  for (const [name, value] of after) if (!before.has(name)) changes.push({ name, how: "added", after: value });
  return changes;
}

/** A change as a line: `+ name value`, `- name value`, `~ name value was value`. */
export function changeLine({ name, how, before, after }: FieldChange, colour: boolean): string {
  const { green, red, yellow, dim } = paint(colour);
  const show = (value: unknown): string => visible(JSON.stringify(value));
  if (how === "removed") return red(`- ${visible(name)}`) + dim(` ${show(before)}`);
  if (how === "added") return green(`+ ${visible(name)}`) + ` ${show(after)}`;
  return yellow(`~ ${visible(name)}`) + ` ${show(after)}` + dim(` was ${show(before)}`);
}
