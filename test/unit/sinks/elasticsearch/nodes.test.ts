import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Nodes } from "../../../../src/sinks/elasticsearch/nodes.ts";
import { settled } from "../../../support/clock.ts";

function setUp(...names: string[]) {
  const world = { nowMs: 0, down: new Set<string>(), hanging: new Set<string>(), probes: [] as string[], said: [""] };
  const answer: (() => void)[] = [];
  const nodes = new Nodes(names, {
    monotonicMs: () => world.nowMs,
    random: () => 1,
    nameOf: (name) => name,
    log: (message) => void world.said.push(message),
    probe: async (name, signal) => {
      world.probes.push(name);
      if (world.hanging.has(name)) {
        await new Promise<void>((resolve) => {
          answer.push(resolve);
          signal.addEventListener("abort", () => resolve());
        });
      }
      return world.down.has(name) ? `${name} is down` : undefined;
    },
  });
  const take = async (): Promise<string> => {
    const taken = await nodes.take();
    return "target" in taken ? taken.target : `none, ${taken.waitMs} ms: ${taken.reason}`;
  };
  const node = (name: string) => nodes.all.find((each) => each.target === name)!;
  return { world, nodes, take, node, answer };
}

describe("elasticsearch: circuit breakers of nodes", () => {
  test("calls take turns on all nodes that work", async () => {
    const { take } = setUp("a", "b", "c");
    const taken = [];
    for (let i = 0; i < 6; i++) taken.push(await take());
    assert.deepEqual(taken, ["a", "b", "c", "a", "b", "c"]);
  });

  test("a node that failed is left alone, then probed beside the traffic, and takes calls when it answers", async () => {
    const { world, nodes, take, node } = setUp("a", "b", "c");
    world.down.add("b");
    nodes.failed(node("b"), "reset");
    for (let i = 0; i < 6; i++) assert.notEqual(await take(), "b");
    assert.deepEqual(nodes.notes(), ["b is left out: reset"]);
    assert.deepEqual(world.probes, []);
    world.nowMs = 1000;
    assert.notEqual(await take(), "b", "the call that begins the probe does not wait for it");
    await settled();
    assert.deepEqual(world.probes, ["b"]);
    assert.equal(node("b").state, "open");
    world.down.clear();
    world.nowMs = 2999;
    await take();
    await settled();
    assert.deepEqual(world.probes, ["b"], "the pause doubled");
    world.nowMs = 3000;
    await take();
    await settled();
    assert.deepEqual(new Set([await take(), await take(), await take()]), new Set(["a", "b", "c"]));
  });

  test("half open: one probe at a time, and no event goes to a node that is being probed", async () => {
    const { world, nodes, take, node, answer } = setUp("a", "b");
    world.hanging.add("b");
    nodes.failed(node("b"), "no answer");
    world.nowMs = 5000;
    for (let i = 0; i < 5; i++) assert.equal(await take(), "a");
    assert.deepEqual(world.probes, ["b"]);
    assert.equal(node("b").state, "half_open");
    answer[0]!();
    await settled();
    assert.deepEqual(new Set([await take(), await take()]), new Set(["a", "b"]));
  });

  test("a node that answers probes and fails calls is left alone for longer each time, up to a minute", () => {
    const { world, nodes, node } = setUp("a", "b");
    const pauses = [];
    for (let i = 0; i < 9; i++) {
      nodes.failed(node("b"), "no answer");
      pauses.push(node("b").probeAtMs - world.nowMs);
      node("b").state = "closed";
    }
    assert.deepEqual(pauses, [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000]);
    nodes.worked(node("b"));
    nodes.failed(node("b"), "no answer");
    assert.equal(node("b").probeAtMs - world.nowMs, 1000, "a call that went well forgets all");
  });

  test("pauses are drawn from their upper half, so that agents spread out", () => {
    const pauses = [0, 0.5].map((random) => {
      const nodes = new Nodes(["a"], {
        ...{ monotonicMs: () => 0, random: () => random, nameOf: String, log: () => undefined },
        probe: () => Promise.resolve(undefined),
      });
      nodes.failed(nodes.all[0]!, "x");
      return nodes.all[0]!.probeAtMs;
    });
    assert.deepEqual(pauses, [500, 750]);
  });

  test("when no node works, the next call probes all and takes the first that answers, however long others hang", async () => {
    const { world, nodes, take, node } = setUp("a", "b");
    world.hanging.add("a");
    nodes.failed(node("a"), "no answer");
    nodes.failed(node("b"), "reset");
    assert.equal(await take(), "b");
    assert.deepEqual(world.probes, ["a", "b"]);
    await nodes.close();
  });

  test("when none answers, a call is told why", async () => {
    const { world, nodes, take, node } = setUp("a");
    world.down.add("a");
    nodes.failed(node("a"), "reset");
    assert.equal(await take(), "none, 0 ms: a is down");
  });

  test("a pause that a node asked for is kept, even when there is no other", async () => {
    const { world, nodes, take, node } = setUp("a", "b");
    nodes.failed(node("a"), "HTTP 503", 30_000);
    nodes.paused(node("b"), 10_000);
    assert.match(await take(), /^none, 10000 ms: asked for a pause/);
    assert.deepEqual(world.probes, []);
    world.nowMs = 10_000;
    assert.equal(await take(), "b");
    assert.equal(await take(), "b");
    world.nowMs = 30_000;
    await take();
    await settled();
    assert.deepEqual(new Set([await take(), await take()]), new Set(["a", "b"]));
  });

  test("closing gives up probes under way", async () => {
    const { world, nodes, take, node } = setUp("a", "b");
    world.hanging.add("b");
    nodes.failed(node("b"), "no answer");
    world.nowMs = 5000;
    await take();
    await nodes.close();
    assert.notEqual(node("b").state, "half_open");
  });
});
