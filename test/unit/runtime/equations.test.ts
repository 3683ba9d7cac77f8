import assert from "node:assert/strict";
import { test } from "node:test";
import { equationsOf } from "../../../src/runtime/equations.ts";
import type { AgentStatus } from "../../../src/runtime/status.ts";

type Counted = Parameters<typeof equationsOf>[0];

/** Numbers that add up; `change` spoils some. */
function status(change: (numbers: { stage: Record<string, number>; sink: Record<string, number> }) => void): Counted {
  const stage = { in_events: 8, created_events: 1, out_events: 5, dropped_events: 2, dropped_on_error_events: 1 };
  const sink = {
    routed_events: 6,
    from_pipelines_events: 5,
    replayed_events: 1,
    delivered_events: 4,
    queued_events: 1,
  };
  const numbers = {
    stage: { ...stage, dead_lettered_events: 1, held_events: 1 } as Record<string, number>,
    sink: { ...sink, dead_lettered_events: 1 } as Record<string, number>,
  };
  change(numbers);
  return {
    sources: [{ name: "s", read_events: 10, into_pipelines_events: { p: 10 }, dropped_events: {} }],
    pipelines: [
      {
        ...{ name: "p", in_events: 10, skipped_events: 2, compiled_events: 0, out_events: 5 },
        stages: [{ stage: "1 x", ...numbers.stage }],
        routes: { k: { routed_events: 4, had_events: 1 } },
      },
    ],
    sinks: [{ name: "k", found_in_journal_events: 0, dropped_events: {}, ...numbers.sink }],
  } as unknown as Pick<AgentStatus, "sources" | "pipelines" | "sinks">;
}

const broken = (change: Parameters<typeof status>[0]): string[] =>
  equationsOf(status(change))
    .filter(({ holds }) => !holds)
    .map(({ of }) => of);

test("what adds up holds, and every term has a name", () => {
  const equations = equationsOf(status(() => undefined));
  assert.deepEqual([...new Set(equations.map(({ of }) => of))], ["source", "pipeline", "stage", "sink"]);
  assert.ok(equations.every(({ holds }) => holds));
  assert.equal(equations.at(-1)!.text, "6 routed = 4 delivered + 1 queued + 1 dead-lettered");
});

test("an event that is missing anywhere breaks the equation there", () => {
  assert.deepEqual(
    broken(({ sink }) => sink["delivered_events"]!--),
    ["sink"],
  );
  assert.deepEqual(
    broken(({ sink }) => sink["replayed_events"]!++),
    ["sink"],
  );
  assert.deepEqual(
    broken(({ stage }) => stage["dead_lettered_events"]!--),
    ["pipeline", "stage"],
  );
  assert.deepEqual(
    broken(({ stage }) => stage["in_events"]!--),
    ["stage", "stage"],
  );
});
