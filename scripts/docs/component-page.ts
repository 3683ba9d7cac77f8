import type { AnySink, AnySource, AnyStage, Example } from "../../src/core/component.ts";
import { BATCH, STAGE_COMMON, WHEN_FULL } from "../../src/runtime/config/host-schema.ts";
import { code, GENERATED, optionRows, table } from "./markdown.ts";

type AnyDefinition = AnySource | AnyStage | AnySink;

/** The reference page of one component. */
export function componentPage(definition: AnyDefinition): string {
  const { type, kind, summary, description, stability } = definition;
  const parts = [`# ${code(type)} ${kind}\n\n${summary}. Stability: ${stability}.\n`];
  if (description !== undefined) parts.push(`${description.trim()}\n`);
  parts.push(...optionsOf(definition), ...examplesOf(definition));
  if (definition.metrics !== undefined && definition.metrics.length > 0) {
    const rows = definition.metrics.map((metric) => [
      code(metricName(metric)),
      metric.kind,
      metric.unit,
      metric.description,
    ]);
    parts.push(`## Metrics\n\n${table(["Metric", "Kind", "Unit", "Meaning"], rows)}`);
  }
  return GENERATED + parts.join("\n");
}

/** A metric's name in /metrics. */
export function metricName({ name, kind }: { name: string; kind: "counter" | "gauge" }): string {
  return `wiretail_${name}${kind === "counter" ? "_total" : ""}`;
}

const HEAD = ["Option", "Type", "Default", "Meaning"];

function optionsOf(definition: AnyDefinition): string[] {
  const rows = optionRows(definition.schema);
  const parts = [`## Options\n\n${rows.length === 0 ? "None of its own.\n" : table(HEAD, rows)}`];
  if (definition.kind === "stage") {
    const common = optionRows({ properties: STAGE_COMMON, required: [] });
    parts.push(`Every stage also takes:\n\n${table(HEAD, common)}`);
  }
  if (definition.kind === "sink") {
    const common = optionRows({ properties: { batch: BATCH, when_full: WHEN_FULL }, required: [] });
    parts.push(`Every sink also takes:\n\n${table(HEAD, common)}`);
  }
  if (rows.some(([, type]) => type === "secret")) {
    parts.push(
      'A secret is given as `{ "$env": "NAME" }` or `{ "$file": "PATH" }`; see [configuration](../../configuration.md#secrets).\n',
    );
  }
  return parts;
}

function examplesOf(definition: AnyDefinition): string[] {
  if (definition.examples.length === 0) return [];
  return ["## Examples\n", ...definition.examples.map((example) => exampleText(definition, example))];
}

function exampleText(definition: AnyDefinition, example: Example): string {
  const { type: _type, ...options } = example.options;
  const written = definition.kind === "stage" ? { [definition.type]: options } : { type: definition.type, ...options };
  const parts = [`### ${example.title}\n`, fence(written)];
  if (example.input !== undefined) parts.push(`In:\n\n${fence(...example.input)}`);
  if (example.output !== undefined) {
    parts.push(
      example.output.length === 0
        ? "Out: nothing, the event is left out.\n"
        : `Out, among other fields (null: not there):\n\n${fence(...example.output)}`,
    );
  }
  return parts.join("\n");
}

function fence(...values: readonly unknown[]): string {
  const isText = values.every((value) => typeof value === "string");
  const text = values.map((value) => (isText ? String(value) : JSON.stringify(value, null, 2))).join("\n");
  const ticks = text.includes("```") ? "````" : "```";
  return `${ticks}${isText ? "text" : "json"}\n${text}\n${ticks}\n`;
}
