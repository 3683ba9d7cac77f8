import assert from "node:assert/strict";
import { test } from "node:test";
import { StageChain } from "../../../src/runtime/stage-chain.ts";
import { stageConfig } from "../../support/pipelines.ts";
import { eventOf } from "../../support/stages.ts";

const STAGES = [
  stageConfig({ type: "dedupe" }),
  stageConfig({ type: "throttle", options: { limit: 1, window_seconds: 60 } }),
];

function run(chain: StageChain, lines: readonly string[]): unknown[] {
  const events = lines.map((line, i) => eventOf(line, i));
  return chain.run(events, () => assert.fail("no dead letters")).map(({ line }) => line);
}

test("what stages leave out on purpose is counted as dropped", () => {
  const chain = new StageChain(STAGES, Date.now);
  chain.enter("partition");
  assert.deepEqual(run(chain, ["a", "a", "b"]), ["a"]);
  assert.deepEqual(
    chain.steps.map(({ counts }) => [counts.in, counts.out, counts.dropped, counts.droppedOnError]),
    [
      [3, 2, 1, 0],
      [2, 1, 1, 0],
    ],
  );
});

test("events that come again, for a sink that catches up, are decided on as before", () => {
  const chain = new StageChain(STAGES, Date.now);
  for (let time = 0; time < 3; time++) {
    chain.enter("partition");
    assert.deepEqual(run(chain, ["a", "a", "b"]), ["a"]);
  }
});

test("dead letters that are sent again pass stages by that remember events", () => {
  const chain = new StageChain(STAGES, Date.now, { isReplay: true });
  assert.deepEqual(run(chain, ["a", "a", "b"]), ["a", "a", "b"]);
});
