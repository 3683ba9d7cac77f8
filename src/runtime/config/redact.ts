import type { ComponentConfig, HostConfig } from "./types.ts";
import type { AnySink, AnySource } from "../../core/component.ts";
import { walkSchema } from "./walk-schema.ts";

const HIDDEN = "***";

/**
 * A host's configuration as plain values that may be printed: every secret, and everything that came from `$env` or
 * `$file`, is `***`.
 */
export function redactConfig(config: HostConfig): Record<string, unknown> {
  const byName = (components: readonly ComponentConfig<AnySource | AnySink>[]): Record<string, unknown> =>
    Object.fromEntries(
      components.map((component) => [component.name, { type: component.definition.type, ...redactOptions(component) }]),
    );
  return {
    file: config.file,
    state_dir: config.stateDir,
    memory_budget_bytes: config.memoryBudgetBytes,
    shutdown_timeout_ms: config.shutdownTimeoutMs,
    log: config.log,
    ...(config.http === undefined ? {} : { http: config.http }),
    dead_letters: {
      max_bytes: config.deadLetters.maxBytes,
      ...(config.deadLetters.maxAgeMs === undefined ? {} : { max_age_ms: config.deadLetters.maxAgeMs }),
      when_full: config.deadLetters.whenFull,
    },
    sources: byName(config.sources),
    pipelines: Object.fromEntries(
      config.pipelines.map(({ name, from, to, when, stages }) => [
        name,
        { from, to, ...(when === undefined ? {} : { when }), stages: stages.map((stage) => stage.definition.type) },
      ]),
    ),
    sinks: byName(config.sinks),
  };
}

/** The options of one component, with secrets hidden; a copy. */
export function redactOptions(component: ComponentConfig<AnySource | AnySink>): Record<string, unknown> {
  const holder = { options: structuredClone(component.options) as Record<string, unknown> };
  const hidden = component.secretPointers ?? [];
  walkSchema(component.definition.schema, holder.options, ({ schema, value, pointer, replace }) => {
    if (value !== undefined && (schema["x-secret"] === true || hidden.includes(pointer))) replace(HIDDEN);
  });
  for (const pointer of hidden) hideAt(holder.options, pointer);
  return holder.options;
}

/** The secrets in a component's options, as they are: what must not stand in anything that is written or shown. */
export function secretValues(component: ComponentConfig<AnySink | AnySource>): string[] {
  const hidden = component.secretPointers ?? [];
  const values: string[] = [];
  const add = (value: unknown): void => {
    // Shorter ones would be found everywhere.
    if (typeof value === "string" && value.length >= 6 && !values.includes(value)) values.push(value);
  };
  walkSchema(component.definition.schema, component.options, ({ schema, value, pointer }) => {
    if (schema["x-secret"] === true || hidden.includes(pointer)) add(value);
  });
  for (const pointer of hidden) add(at(component.options, pointer));
  return values;
}

function tokensOf(pointer: string): string[] {
  return pointer
    .split("/")
    .slice(1)
    .map((token) => token.replaceAll("~1", "/").replaceAll("~0", "~"));
}

function at(root: unknown, pointer: string): unknown {
  let value = root;
  for (const token of tokensOf(pointer)) value = (value as Record<string, unknown> | null | undefined)?.[token];
  return value;
}

/** For what no schema describes (members of t.any). */
function hideAt(root: unknown, pointer: string): void {
  const tokens = tokensOf(pointer);
  let object = root as Record<string, unknown> | undefined;
  for (const token of tokens.slice(0, -1)) object = object?.[token] as Record<string, unknown> | undefined;
  const last = tokens.at(-1);
  if (last !== undefined && typeof object === "object" && object !== null && Object.hasOwn(object, last))
    object[last] = HIDDEN;
}
