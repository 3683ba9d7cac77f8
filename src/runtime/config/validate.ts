import type { ErrorObject, ValidateFunction } from "ajv";
import type { JsonSchema } from "../../core/schema.ts";
import { compileSchema } from "./ajv.ts";
import type { Place } from "./document.ts";
import { nearestName, suggestion } from "./nearest.ts";
import { precompiled } from "./precompiled.ts";
import type { ProblemList } from "./problems.ts";
import { fitsType, walkSchema } from "./walk-schema.ts";

const compiled = new WeakMap<JsonSchema, ValidateFunction>();

function compile(schema: JsonSchema): ValidateFunction {
  let validate = compiled.get(schema);
  if (validate === undefined) {
    validate = precompiled(schema) ?? compileSchema(schema);
    compiled.set(schema, validate);
  }
  return validate;
}

/**
 * Validates a value in place, filling in defaults, and reports every fault where it stands. Returns whether it is valid.
 *
 * @param place where `value` was written; `secretPointers` are places below it whose values are not printed.
 * @param word what a member is called in messages: "option", "setting".
 */
export function validateValue(
  schema: JsonSchema,
  value: unknown,
  place: Place,
  problems: ProblemList,
  { word = "option", secretPointers = [] as readonly string[] } = {},
): boolean {
  const validate = compile(schema);
  if (validate(value)) {
    fillBranchDefaults(schema, value);
    return true;
  }
  for (const error of chosenErrors(validate.errors ?? [], place)) report(error, place, problems, word, secretPointers);
  return false;
}

/** Ajv fills no defaults inside `anyOf`: this does, with the first branch that is valid. */
function fillBranchDefaults(schema: JsonSchema, value: unknown): void {
  walkSchema(schema, value, (described) => {
    if (typeof described.value !== "object" || described.value === null) return;
    for (const branch of described.schema.anyOf ?? []) {
      const copy: unknown = structuredClone(described.value);
      if (!fitsType(branch, copy) || !compile(branch)(copy)) continue;
      if (Array.isArray(described.value)) described.value.splice(0, described.value.length, ...(copy as unknown[]));
      else Object.assign(described.value, copy);
      return;
    }
  });
}

/**
 * Of an `anyOf` that failed, Ajv tells the faults of all branches. The reader wants those of the one branch that was
 * meant: the one whose JSON type fits; without such a branch, one message that names them all.
 */
function chosenErrors(errors: readonly ErrorObject[], place: Place): ErrorObject[] {
  const dropped = new Set<ErrorObject>();
  for (const error of errors) {
    if (error.keyword !== "anyOf" || dropped.has(error)) continue;
    const branches = (error.schema as readonly JsonSchema[]).map((schema, index) => {
      const prefix = `${error.schemaPath}/${index}/`;
      return {
        schema,
        errors: errors.filter(
          (each) => each.schemaPath.startsWith(prefix) && each.instancePath.startsWith(error.instancePath),
        ),
      };
    });
    const objectLike = (schema: JsonSchema): boolean => fitsType({ ...schema, required: [] }, error.data);
    const meant = branches
      .filter((branch) => objectLike(branch.schema))
      .sort((a, b) => a.errors.length - b.errors.length)[0];
    for (const branch of branches) if (branch !== meant) for (const each of branch.errors) dropped.add(each);
    if (meant !== undefined && meant.errors.length > 0) dropped.add(error);
  }
  return errors.filter((error) => !dropped.has(error) && !isMisspelt(error, errors, place));
}

/** A required member that is missing because it is there under a wrong name: that one is reported. */
function isMisspelt(error: ErrorObject, errors: readonly ErrorObject[], root: Place): boolean {
  if (error.keyword !== "required") return false;
  const { missingProperty } = error.params as { missingProperty: string };
  return errors.some(
    (each) =>
      each.keyword === "additionalProperties" &&
      each.instancePath === error.instancePath &&
      nearestName((each.params as { additionalProperty: string }).additionalProperty, absentMembers(each, root)) ===
        missingProperty,
  );
}

/** The members that the schema knows and that were not written: what an unknown one may have been meant for. */
function absentMembers({ parentSchema, instancePath }: ErrorObject, root: Place): string[] {
  const written = root.descend(instancePath).members();
  return Object.keys((parentSchema as JsonSchema | undefined)?.properties ?? {}).filter((name) => !written.has(name));
}

function report(
  error: ErrorObject,
  root: Place,
  problems: ProblemList,
  word: string,
  secretPointers: readonly string[],
): void {
  const place = root.descend(error.instancePath);
  const schema = (error.parentSchema ?? {}) as JsonSchema;
  const isSecret =
    schema["x-secret"] === true ||
    secretPointers.some((pointer) => error.instancePath.startsWith(pointer) && pointer !== "");
  const found = isSecret ? "a secret" : describeValue(error.data);
  switch (error.keyword) {
    case "additionalProperties": {
      const name = String((error.params as { additionalProperty: unknown }).additionalProperty);
      const here = place.members().get(name) ?? place;
      const at = { ...here.nameLocation, pointer: place.pointer };
      problems.error(at, `unknown ${word} "${name}"${suggestion(name, absentMembers(error, root))}`);
      return;
    }
    case "required": {
      const name = String((error.params as { missingProperty: unknown }).missingProperty);
      const wanted = schema.properties?.[name];
      const words =
        wanted === undefined
          ? ""
          : `; expected ${describeSchema(wanted)}${wanted.description === undefined ? "" : `: ${firstSentence(wanted.description)}`}`;
      problems.error(place.nameLocation, `the ${word} "${name}" is missing${words}`);
      return;
    }
    case "enum": {
      const known = (schema.enum ?? []).map(String);
      const near = typeof error.data === "string" ? suggestion(error.data, known) : "";
      problems.error(
        place.location,
        `found ${found}, expected ${oneOf(schema.enum ?? [])}${near.startsWith("; did") ? near : ""}`,
      );
      return;
    }
    case "type":
      problems.error(
        place.location,
        `found ${found}, expected ${describeSchema(schema)}${remedy(error.data, schema, isSecret)}`,
      );
      return;
    case "anyOf":
      problems.error(place.location, `found ${found}, expected ${describeSchema(schema)}`);
      return;
    case "uniqueItems": {
      const { i } = error.params as { i: number };
      problems.error(place.descend(`/${i}`).location, `this item is in the list twice`);
      return;
    }
    default:
      problems.error(place.location, `found ${found}, expected ${limitWords(error, schema)}`);
  }
}

function limitWords(error: ErrorObject, schema: JsonSchema): string {
  const { limit } = error.params as { limit?: number };
  switch (error.keyword) {
    case "minimum":
    case "maximum":
      return `${describeSchema({ ...schema, description: "" })}`;
    case "minLength":
      return limit === 1 ? "a string that is not empty" : `at least ${limit} characters`;
    case "maxLength":
      return `at most ${limit} characters`;
    case "minItems":
      return `a list with at least ${limit === 1 ? "one item" : `${limit} items`}`;
    case "maxItems":
      return `a list with at most ${limit} items`;
    case "pattern":
      return `a string that matches ${schema.pattern}`;
    case "const":
      return describeValue(schema.const);
    default:
      return error.message ?? "something else";
  }
}

/** Short words for a value in a message: `the string "10"`, `the number 3`, `a list`. */
export function describeValue(value: unknown): string {
  if (typeof value === "string") {
    return value === ""
      ? "an empty string"
      : `the string ${JSON.stringify(value.length > 60 ? value.slice(0, 57) + "…" : value)}`;
  }
  if (typeof value === "number") return `the number ${value}`;
  if (value === null || typeof value === "boolean") return String(value);
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : "a list";
  return typeof value === "object" ? "an object" : "nothing";
}

/** Short words for what a schema takes: `a whole number from 1 to 100`, `"a" or "b"`. */
export function describeSchema(schema: JsonSchema): string {
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum !== undefined) return oneOf(schema.enum);
  if (schema.anyOf !== undefined) return [...new Set(schema.anyOf.map(describeSchema))].join(" or ");
  if (schema["x-secret"] === true) return 'a string, better given as { "$env": "NAME" } or { "$file": "PATH" }';
  const types = typeof schema.type === "string" ? [schema.type] : (schema.type ?? []);
  return types.length === 0 ? "any value" : types.map((type) => typeWords(type, schema)).join(" or ");
}

function typeWords(type: string, schema: JsonSchema): string {
  switch (type) {
    case "integer":
      return `a whole number${rangeWords(schema)}`;
    case "number":
      return `a number${rangeWords(schema)}`;
    case "string":
      return "a string";
    case "boolean":
      return "true or false";
    case "array": {
      const item = schema.items;
      return item?.type === "string" && item.enum === undefined ? "a list of strings" : "a list";
    }
    default:
      return type === "null" ? "null" : "an object";
  }
}

function rangeWords({ minimum, maximum }: JsonSchema): string {
  if (minimum !== undefined && maximum !== undefined) return ` from ${minimum} to ${maximum}`;
  if (minimum !== undefined) return `, ${minimum} or more`;
  return maximum === undefined ? "" : `, ${maximum} or less`;
}

function oneOf(values: readonly unknown[]): string {
  const words = values.map((value) => JSON.stringify(value));
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;
}

/** What to write instead, for slips of type where that is plain. */
function remedy(value: unknown, schema: JsonSchema, isSecret: boolean): string {
  if (isSecret) return "";
  const write = (fixed: unknown): string => `; write ${JSON.stringify(fixed)}`;
  if (schema.type === "array" && schema.items?.type === typeof value) return write([value]);
  if (typeof value === "string") {
    if (
      (schema.type === "integer" || schema.type === "number") &&
      value.trim() !== "" &&
      Number.isFinite(Number(value))
    ) {
      return schema.type === "number" || Number.isInteger(Number(value)) ? write(Number(value)) : "";
    }
    if (schema.type === "boolean" && /^(true|false)$/i.test(value)) return write(value.toLowerCase() === "true");
  }
  return schema.type === "string" && (typeof value === "number" || typeof value === "boolean")
    ? write(String(value))
    : "";
}

function firstSentence(text: string): string {
  return /^[\s\S]*?[.:;](?=\s|$)/.exec(text)?.[0].replace(/[.:;]$/, "") ?? text;
}
