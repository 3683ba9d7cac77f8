import assert from "node:assert/strict";
import { equationsOf } from "../../src/runtime/equations.ts";
import type { AgentStatus } from "../../src/runtime/status.ts";

/**
 * Checks the first promise in the agent's own numbers: for every source, pipeline, stage and sink, what went in is what
 * came out and what became of the rest. To be called at the end of every end-to-end test, while the agent runs.
 */
export function checkEquations(status: AgentStatus): void {
  // Worked out here once more: what the agent says of them is not to be trusted.
  const equations = equationsOf(status);
  const broken = equations.filter(({ left, right }) => total(left) !== total(right));
  assert.deepEqual(
    broken.map(({ of, name, text }) => `${of} ${name}: ${text}`),
    [],
  );
  assert.deepEqual(
    status.equations.map(({ text, holds }) => [text, holds]),
    equations.map(({ text }) => [text, true]),
    "wiretail status says the same",
  );
  for (const { name } of status.sinks) assert.ok(equations.some((each) => each.of === "sink" && each.name === name));
  for (const { name, into_pipelines_events, read_events } of status.sources) {
    if (read_events > 0) assert.ok(Object.keys(into_pipelines_events).length > 0, `source ${name} feeds a pipeline`);
  }
  for (const { name, into_pipelines_events } of status.sources) {
    for (const [pipeline, events] of Object.entries(into_pipelines_events)) {
      const known = status.pipelines.find((each) => each.name === pipeline);
      if (known !== undefined) assert.ok(events <= known.in_events, `${name} gave ${pipeline} no more than it took`);
    }
  }
}

function total(terms: Readonly<Record<string, number>>): number {
  return Object.values(terms).reduce((sum, each) => sum + each, 0);
}
