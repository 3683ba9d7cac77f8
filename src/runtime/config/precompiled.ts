import { createHash } from "node:crypto";
import { createRequire } from "node:module";
import type { ValidateFunction } from "ajv";
import type { ComponentLists } from "./load.ts";
import type { JsonSchema } from "../../core/schema.ts";
import { BATCH, PIPELINE, PIPELINE_FILE, SETTINGS, STAGE_COMMON, TESTS_FILE, WHEN_FULL } from "./host-schema.ts";

const require = createRequire(import.meta.url);

/**
 * The file of a schema's validator, as the build writes it (scripts/validators.mjs): named by what the schema says, so
 * one that was changed since is not found rather than wrong.
 */
export function validatorFile(schema: JsonSchema): string {
  return `${createHash("sha256").update(JSON.stringify(schema)).digest("hex").slice(0, 24)}.cjs`;
}

/**
 * The validator that the build made of a schema, or undefined. Loading Ajv and compiling what a small host file needs
 * takes some 150 ms of CPU time; this takes a few.
 */
export function precompiled(schema: JsonSchema): ValidateFunction | undefined {
  try {
    return require(`./validators/${validatorFile(schema)}`) as ValidateFunction;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "MODULE_NOT_FOUND") return undefined;
    throw error;
  }
}

/** Every schema that validateValue may be given for these components, branches of `anyOf` included. */
export function validatedSchemas({ sources, stages, sinks }: ComponentLists): JsonSchema[] {
  const found: JsonSchema[] = [
    BATCH,
    WHEN_FULL,
    PIPELINE,
    PIPELINE_FILE,
    TESTS_FILE,
    ...Object.values(SETTINGS),
    ...Object.values(STAGE_COMMON),
  ];
  for (const { schema } of [...sources, ...stages, ...sinks]) found.push(schema);
  return found.flatMap((schema) => [schema, ...branchesOf(schema)]);
}

function branchesOf(schema: JsonSchema): JsonSchema[] {
  const { anyOf = [], items, properties = {}, additionalProperties } = schema;
  const inside = [...anyOf, ...Object.values(properties)];
  if (items !== undefined) inside.push(items);
  if (typeof additionalProperties === "object") inside.push(additionalProperties);
  return [...anyOf, ...inside.flatMap(branchesOf)];
}
