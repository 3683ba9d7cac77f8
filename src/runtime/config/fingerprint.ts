import { createHash } from "node:crypto";
import type { JsonSchema } from "../../core/schema.ts";
import { walkSchema } from "./walk-schema.ts";

/** JSON with the keys of objects in order: equal values give equal text. */
export function canonicalJson(value: unknown): string {
  return (
    JSON.stringify(value, (_key, each: unknown) => {
      if (typeof each !== "object" || each === null || Array.isArray(each)) return each;
      return Object.fromEntries(Object.entries(each).sort(([a], [b]) => (a < b ? -1 : 1)));
    }) ?? "null"
  );
}

/** SHA-256 in base64url of any plain value. */
export function fingerprintOf(value: unknown): string {
  return createHash("sha256").update(canonicalJson(value)).digest("base64url");
}

/**
 * 16 characters: a hash of a component's type and of its options marked `x-identity`. A component that marks none is
 * told apart by its name.
 */
export function identityOf(type: string, name: string, schema: JsonSchema, options: unknown): string {
  const marked: [pointer: string, value: unknown][] = [];
  walkSchema(schema, options, ({ schema: each, value, pointer }) => {
    if (each["x-identity"] === true && value !== undefined) marked.push([pointer, value]);
  });
  return fingerprintOf([type, hasIdentity(schema) ? marked : name]).slice(0, 16);
}

/** Whether any option is marked `x-identity`. */
export function hasIdentity(schema: JsonSchema): boolean {
  if (schema["x-identity"] === true) return true;
  const below: (JsonSchema | boolean | undefined)[] = [
    ...Object.values(schema.properties ?? {}),
    ...(schema.anyOf ?? []),
    schema.items,
    schema.additionalProperties,
  ];
  return below.some((each) => typeof each === "object" && hasIdentity(each));
}
