import type { JsonSchema } from "../../core/schema.ts";
import { escapePointer } from "./document.ts";

/** One value with the schema that describes it. */
export interface Described {
  readonly schema: JsonSchema;
  readonly value: unknown;
  /** JSON pointer from the root that the walk began at. */
  readonly pointer: string;
  /** Puts another value in its place; does nothing for the root. */
  readonly replace: (value: unknown) => void;
}

const nothing = (): void => undefined;

/**
 * Visits every value that a schema describes, parents before children. Of an `anyOf`, the first branch is taken whose
 * JSON type fits the value. Visiting goes on with the value as it is after `visit`.
 */
export function walkSchema(schema: JsonSchema, value: unknown, visit: (described: Described) => void): void {
  walk(schema, value, "", nothing, visit);
}

function walk(
  schema: JsonSchema,
  value: unknown,
  pointer: string,
  replace: (value: unknown) => void,
  visit: (described: Described) => void,
): void {
  visit({ schema, value, pointer, replace });
  if (schema.anyOf !== undefined) {
    const branch = schema.anyOf.find((each) => fitsType(each, value));
    if (branch !== undefined) walk(branch, value, pointer, replace, visit);
  }
  if (Array.isArray(value)) {
    const { items } = schema;
    if (items === undefined) return;
    value.forEach((item, index) => walk(items, item, `${pointer}/${index}`, (other) => (value[index] = other), visit));
  } else if (typeof value === "object" && value !== null) {
    const object = value as Record<string, unknown>;
    for (const key of Object.keys(object)) {
      const member = memberSchema(schema, key);
      if (member === undefined) continue;
      const set = (other: unknown): unknown => (object[key] = other);
      walk(member, object[key], `${pointer}/${escapePointer(key)}`, set, visit);
    }
  }
}

function memberSchema(schema: JsonSchema, key: string): JsonSchema | undefined {
  if (schema.properties !== undefined && Object.hasOwn(schema.properties, key)) return schema.properties[key];
  return typeof schema.additionalProperties === "object" ? schema.additionalProperties : undefined;
}

/** Whether a value's JSON type is one that the schema takes. For objects, required members must be there too. */
export function fitsType(schema: JsonSchema, value: unknown): boolean {
  if (schema.const !== undefined) return schema.const === value;
  if (schema.enum !== undefined) return schema.enum.includes(value);
  if (schema.anyOf !== undefined) return schema.anyOf.some((branch) => fitsType(branch, value));
  if (schema.type === undefined) return true;
  const types = typeof schema.type === "string" ? [schema.type] : schema.type;
  if (!types.some((type) => isType(type, value))) return false;
  if (typeof value !== "object" || value === null || Array.isArray(value)) return true;
  return (schema.required ?? []).every((key) => Object.hasOwn(value, key));
}

function isType(type: string, value: unknown): boolean {
  switch (type) {
    case "integer":
      return Number.isInteger(value);
    case "array":
      return Array.isArray(value);
    case "null":
      return value === null;
    case "object":
      return typeof value === "object" && value !== null && !Array.isArray(value);
    default:
      return typeof value === type;
  }
}
