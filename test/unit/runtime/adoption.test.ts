import assert from "node:assert/strict";
import { test } from "node:test";
import { adopt } from "../../../src/runtime/adoption.ts";

const of = (...pairs: [name: string, identity: string][]) => pairs.map(([name, identity]) => ({ name, identity }));
const partition = (source: string, source_identity?: string) => ({
  source,
  ...(source_identity === undefined ? {} : { source_identity }),
});

test("a source that was renamed, or swapped its name with another, keeps its checkpoints", () => {
  const partitions = { p1: partition("a", "A"), p2: partition("b", "B"), p3: partition("c", "C") };
  const sources = of(["b", "A"], ["a", "B"], ["new", "C"]);
  const { sources: moved, orphans, ambiguous } = adopt(partitions, {}, { sources, pipelines: [] });
  assert.deepEqual(
    [...moved],
    [
      ["p1", "b"],
      ["p2", "a"],
      ["p3", "new"],
    ],
  );
  assert.equal(orphans.size + ambiguous.size, 0);
});

test("a source with other options and the same name keeps its checkpoints, and so do those of older versions", () => {
  const partitions = { p1: partition("a", "A"), p2: partition("b") };
  const { sources: moved, orphans } = adopt(partitions, {}, { sources: of(["a", "A2"], ["b", "B"]), pipelines: [] });
  assert.equal(moved.size + orphans.size, 0);
});

test("of two sources that read the same the one with the same name goes on; with neither none does, and it is said", () => {
  const partitions = { p1: partition("a", "A") };
  const same = adopt(partitions, {}, { sources: of(["x", "A"], ["a", "A"]), pipelines: [] });
  assert.equal(same.sources.size + same.ambiguous.size, 0);
  const neither = adopt(partitions, {}, { sources: of(["x", "A"], ["y", "A"]), pipelines: [] });
  assert.equal(neither.sources.size, 0);
  assert.deepEqual([...neither.ambiguous], [["a", ["x", "y"]]]);
});

test("checkpoints of a source that is gone are counted", () => {
  const partitions = { p1: partition("a", "A"), p2: partition("a", "A"), p3: partition("b", "B") };
  const { orphans } = adopt(partitions, {}, { sources: of(["b", "B"]), pipelines: [] });
  assert.deepEqual([...orphans], [["a", 2]]);
});

test("a pipeline that was renamed is found by what it does, unless that could be another one", () => {
  const pipelines = of(["web2", "W"], ["kept", "K"]);
  assert.deepEqual([...adopt({}, { web: "W", kept: "K" }, { sources: [], pipelines }).pipelines], [["web", "web2"]]);
  assert.equal(adopt({}, { web: "W", also: "W" }, { sources: [], pipelines }).pipelines.size, 0);
  assert.equal(adopt({}, { web: "W" }, { sources: [], pipelines: of(["x", "W"], ["y", "W"]) }).pipelines.size, 0);
  assert.equal(adopt({}, { web: "W" }, { sources: [], pipelines: of(["x", "other"]) }).pipelines.size, 0);
  assert.equal(adopt({}, { web: "W" }, { sources: [], pipelines: of(["web", "W2"]) }).pipelines.size, 0);
});
