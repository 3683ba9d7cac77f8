import { isAbsolute, resolve } from "node:path";
import type { AnySink, AnySource, BatchLimits } from "../../core/component.ts";
import type { Infer } from "../../core/schema.ts";
import type { Place } from "./document.ts";
import { fingerprintOf, identityOf } from "./fingerprint.ts";
import { BATCH, WHEN_FULL } from "./host-schema.ts";
import { suggestion } from "./nearest.ts";
import type { ProblemList } from "./problems.ts";
import { resolveValue, type ConfigWorld } from "./secrets.ts";
import { checkSyntax } from "./syntax.ts";
import type { ComponentConfig, SinkConfig, SourceConfig, WhenFull } from "./types.ts";
import { describeValue, validateValue } from "./validate.ts";
import { walkSchema } from "./walk-schema.ts";

/** Reads one entry of `sources`. Undefined, with problems, when it is not valid. */
export function readSource(
  name: string,
  place: Place,
  definitions: readonly AnySource[],
  world: ConfigWorld,
  problems: ProblemList,
): SourceConfig | undefined {
  return readComponent("source", name, place, definitions, world, problems)?.component;
}

/** Reads one entry of `sinks`. Undefined, with problems, when it is not valid. */
export function readSink(
  name: string,
  place: Place,
  definitions: readonly AnySink[],
  world: ConfigWorld,
  problems: ProblemList,
): SinkConfig | undefined {
  const read = readComponent("sink", name, place, definitions, world, problems);
  if (read === undefined) return undefined;
  return { ...read.component, batch: batchLimits(read.batch), whenFull: read.whenFull };
}

function readComponent<D extends AnySource | AnySink>(
  kind: "source" | "sink",
  name: string,
  place: Place,
  definitions: readonly D[],
  world: ConfigWorld,
  problems: ProblemList,
): { component: ComponentConfig<D>; batch: Infer<typeof BATCH>; whenFull: WhenFull } | undefined {
  checkName(kind, name, place, problems);
  if (place.node.type !== "object") {
    problems.error(
      place.location,
      `found ${describeValue(place.toValue())}, expected an object with the ${kind}'s type and options`,
    );
    return undefined;
  }
  const definition = definitionOf(kind, place, definitions, problems);
  if (definition === undefined) return undefined;
  const before = problems.errorCount;
  const { value, secretPointers } = resolveValue(place, world, problems);
  const written: unknown = structuredClone(value);
  const { type: _type, ...options } = value as Record<string, unknown>;
  let batch: Infer<typeof BATCH> = {};
  if (kind === "sink" && Object.hasOwn(options, "batch")) {
    const said = options["batch"];
    delete options["batch"];
    if (validateValue(BATCH, said, place.descend("/batch"), problems)) batch = said as Infer<typeof BATCH>;
  }
  let whenFull: WhenFull = "block";
  if (kind === "sink" && Object.hasOwn(options, "when_full")) {
    const said = options["when_full"];
    delete options["when_full"];
    if (validateValue(WHEN_FULL, said, place.descend("/when_full"), problems)) whenFull = said as WhenFull;
  }
  if (!validateValue(definition.schema, options, place, problems, { secretPointers })) return undefined;
  checkSyntax(definition.schema, options, place, problems);
  warnOfPlainSecrets(definition, options, place, secretPointers, problems);
  resolvePaths(definition, options, place.document.folder);
  if (problems.errorCount === before) {
    for (const [pointer, message] of definition.validate?.(options) ?? [])
      problems.error(place.descend(pointer).location, message);
  }
  if (problems.errorCount > before) return undefined;
  const component = {
    name,
    definition,
    options,
    location: place.nameLocation,
    fingerprint: fingerprintOf(written),
    identity: identityOf(definition.type, name, definition.schema, options),
    secretPointers,
  };
  return { component, batch, whenFull };
}

/** Names go into file names, metrics and messages. */
export function checkName(kind: string, name: string, place: Place, problems: ProblemList): void {
  if (/^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/.test(name)) return;
  problems.error(
    place.nameLocation,
    `${JSON.stringify(name)} cannot be the name of a ${kind}: letters, digits, "_", "-" and ".", at most 64, the first a letter or digit`,
  );
}

function definitionOf<D extends AnySource | AnySink>(
  kind: string,
  place: Place,
  definitions: readonly D[],
  problems: ProblemList,
): D | undefined {
  const known = definitions.map((definition) => definition.type);
  const said = place.members().get("type");
  const list = known.map((type) => `"${type}"`).join(", ");
  if (said === undefined) {
    problems.error(place.nameLocation, `"type" is missing; expected the type of a ${kind}: ${list}`);
    return undefined;
  }
  const type: unknown = said.toValue();
  if (typeof type !== "string") {
    problems.error(said.location, `found ${describeValue(type)}, expected the type of a ${kind}: ${list}`);
    return undefined;
  }
  const definition = definitions.find((each) => each.type === type);
  if (definition === undefined)
    problems.error(said.location, `unknown ${kind} type "${type}"${suggestion(type, known)}`);
  return definition;
}

function warnOfPlainSecrets(
  definition: AnySource | AnySink,
  options: unknown,
  place: Place,
  secretPointers: readonly string[],
  problems: ProblemList,
): void {
  walkSchema(definition.schema, options, ({ schema, value, pointer }) => {
    if (schema["x-secret"] !== true || typeof value !== "string" || secretPointers.includes(pointer)) return;
    const at = place.descend(pointer);
    if (at.pointer !== place.pointer + pointer) return;
    problems.hide(value);
    problems.warning(
      at.location,
      'a secret in plain text; { "$env": "NAME" } or { "$file": "PATH" } keep it out of this file',
    );
  });
}

/**
 * Relative paths and globs start at the folder of the file that says them. A glob without a slash that takes files out
 * goes for names in any folder, and stays as it is.
 */
function resolvePaths(definition: AnySource | AnySink, options: unknown, folder: string): void {
  walkSchema(definition.schema, options, ({ schema, value, pointer, replace }) => {
    const syntax = schema["x-syntax"];
    if ((syntax !== "path" && syntax !== "glob") || typeof value !== "string" || isAbsolute(value)) return;
    if (syntax === "glob" && isExclusion(pointer) && !value.includes("/")) return;
    replace(resolve(folder, value));
  });
}

/** Whether the option at a pointer takes files out rather than in. */
export function isExclusion(pointer: string): boolean {
  return pointer.split("/").includes("exclude");
}

function batchLimits(batch: Infer<typeof BATCH>): Partial<BatchLimits> {
  return {
    ...(batch.max_bytes === undefined ? {} : { maxBytes: batch.max_bytes }),
    ...(batch.max_events === undefined ? {} : { maxEvents: batch.max_events }),
    ...(batch.max_age_ms === undefined ? {} : { maxAgeMs: batch.max_age_ms }),
    ...(batch.concurrency === undefined ? {} : { concurrency: batch.concurrency }),
  };
}
