import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { SinkBatch, Slice } from "../../../../src/core/batch.ts";
import { BULK_ENCODING } from "../../../../src/sinks/elasticsearch/bulk.ts";
import { CallNames } from "../../../../src/sinks/elasticsearch/call-names.ts";
import { CallFailed, type Call, type Caller, type Reply } from "../../../../src/sinks/elasticsearch/client.ts";
import { LostBulks } from "../../../../src/sinks/elasticsearch/lost-bulks.ts";
import { RolloverGuard, type RolledPlace } from "../../../../src/sinks/elasticsearch/rollover.ts";
import { makeBatch, makeSinkBatch } from "../../../support/batches.ts";
import { makeContext } from "../../../support/context.ts";

const { signal } = new AbortController();
const refused = (status: number, reason = "no"): CallFailed =>
  new CallFailed(status, { outcome: "hold", reason }, true);

/** A server in memory: backing indices with the ids in them, and running tasks. */
class World implements Caller {
  resolved: unknown = {};
  readonly indices = new Map<string, Set<string>>();
  tasks: string[] = [];
  readonly calls: string[] = [];
  fail: (call: Call) => CallFailed | undefined = () => undefined;
  nowMs = 0;
  /** Called instead of real sleeping. */
  onSleep: () => void = () => undefined;
  readonly names = new CallNames("wiretail/es/x");
  readonly context = makeContext({
    now: () => this.nowMs,
    sleep: async (ms) => {
      this.nowMs += ms;
      this.onSleep();
    },
  });
  readonly guard: RolloverGuard;

  readonly place: RolledPlace;

  constructor(isDataStream = true) {
    this.place = { name: "logs", target: { dataStream: isDataStream ? "logs" : undefined } };
    this.guard = new RolloverGuard(this, new LostBulks(this, this.names, this.context), this.context);
  }

  dataStream(...backing: string[]): this {
    for (const name of backing) this.indices.set(name, this.indices.get(name) ?? new Set());
    this.resolved = { data_streams: [{ backing_indices: backing.length === 1 ? backing[0] : backing }] };
    return this;
  }

  async call(call: Call): Promise<Reply> {
    this.calls.push(`${call.method} ${decodeURIComponent(call.path)}`);
    const failure = this.fail(call);
    if (failure !== undefined) throw failure;
    if (call.path.startsWith("/_resolve/")) return { status: 200, body: this.resolved };
    if (call.path === "/_tasks") {
      assert.equal(call.query?.["actions"], "*bulk*");
      assert.equal(call.query["detailed"], "true");
      const tasks = this.tasks.map((name, i) => [i, { running_time_in_nanos: 3e9, headers: { "X-Opaque-Id": name } }]);
      return { status: 200, body: { nodes: { n: { tasks: Object.fromEntries(tasks) as unknown } } } };
    }
    const index = decodeURIComponent(call.path.split("/")[1]!);
    const { ids } = call.body as { ids: string[] };
    return { status: 200, body: { docs: ids.map((id) => ({ found: this.indices.get(index)!.has(id) })) } };
  }

  counted(name: string): number {
    return this.context.measured.get(`elasticsearch_${name}`) ?? 0;
  }
}

function sinkBatch(count: number, maybeSent = false, firstOffset = 0): SinkBatch {
  const lines = Array.from({ length: count }, (_, i) => `m${i}`);
  const batch = makeBatch({ lines, encoding: BULK_ENCODING, firstOffset });
  const slice: Slice = { batch, from: 0, to: count, maybeSent };
  return makeSinkBatch([slice], BULK_ENCODING, "logs");
}
const id = (i: number): string => `partition-000001-test-${i * 100}`;

async function ask(world: World, batch: SinkBatch, attempt = 1): Promise<number[]> {
  world.guard.begin(batch, attempt);
  return [...((await world.guard.delivered(batch, world.place, signal, attempt)) ?? [])];
}

describe("elasticsearch: what may have been sent before is looked up", () => {
  test("documents that are sent for the first time cost no call", async () => {
    const world = new World().dataStream("a", "b");
    assert.deepEqual(await ask(world, sinkBatch(10)), []);
    assert.deepEqual(world.calls, []);
  });

  test("what an earlier process may have sent is asked for by id in the newest backing indices, the present one among them", async () => {
    const newest = ["a", "b", "c", "d", "e", ...Array.from({ length: 14 }, (_, i) => `e${i}`), "f"];
    const world = new World().dataStream("too old", ...newest);
    world.indices.get("a")!.add(id(1));
    world.indices.get("c")!.add(id(3));
    // Its own 409 would be no help: it may roll over before the call comes to it.
    world.indices.get("f")!.add(id(4));
    assert.deepEqual((await ask(world, sinkBatch(6, true))).sort(), [1, 3, 4]);
    const looked = newest.map((index) => `POST /${index}/_mget`);
    assert.deepEqual(world.calls, ["GET /_tasks", "GET /_resolve/index/logs", ...looked]);
    assert.equal(world.counted("looked_up_events"), 6);
    assert.equal(world.counted("unchecked_events"), 0);
  });

  test("only marked slices of a call are asked for, and found ones keep their places in it", async () => {
    const world = new World().dataStream("a", "b");
    const old = sinkBatch(3, true, 1000).slices[0]!;
    const fresh = sinkBatch(5).slices[0]!;
    world.indices.get("a")!.add(id(11)).add(id(1));
    const batch = makeSinkBatch([fresh, old], BULK_ENCODING, "logs");
    assert.deepEqual(await ask(world, batch), [6]);
  });

  test("a retry is looked up when an attempt had no clear answer, and not when every answer was clear", async () => {
    const world = new World().dataStream("a", "b");
    const clear = sinkBatch(3);
    await ask(world, clear);
    await ask(world, clear, 2);
    assert.deepEqual(world.calls, [], "the server said no to the first attempt");
    const unclear = sinkBatch(3);
    await ask(world, unclear);
    world.guard.unclear(unclear);
    world.indices.get("a")!.add(id(2));
    assert.deepEqual(await ask(world, unclear, 2), [2]);
    assert.deepEqual(
      await ask(world, sinkBatch(3), 2),
      [2],
      "a repeated attempt of which nothing is known counts as unclear",
    );
  });

  test("what was found is left out of the next attempt, too, when the call without it was refused as a whole", async () => {
    const world = new World().dataStream("a", "b");
    const batch = sinkBatch(3, true);
    world.indices.get("a")!.add(id(1));
    assert.deepEqual(await ask(world, batch), [1]);
    assert.deepEqual(await ask(world, batch, 2), [1], "the server's clear no was to the others");
  });

  test("a look-up that failed is made again with the next attempt", async () => {
    const world = new World().dataStream("a", "b");
    const batch = sinkBatch(3, true);
    world.fail = () => new CallFailed(0, { outcome: "retry", reason: "not reached" }, true);
    await assert.rejects(ask(world, batch), /not reached/);
    world.guard.notLookedUp(batch);
    world.fail = () => undefined;
    world.indices.get("a")!.add(id(0));
    assert.deepEqual(await ask(world, batch, 2), [0]);
  });

  test("many ids go in several calls", async () => {
    const world = new World().dataStream("a", "b");
    world.indices.get("a")!.add(id(5_000)).add(id(11_999));
    assert.deepEqual(await ask(world, sinkBatch(12_000, true)), [5_000, 11_999]);
    assert.equal(world.calls.filter((call) => call === "POST /a/_mget").length, 3);
  });

  test("ids that are too many for the server, or a proxy before it, go in smaller calls", async () => {
    const world = new World().dataStream("a", "b");
    world.fail = ({ body }) =>
      ((body as { ids?: string[] } | undefined)?.ids?.length ?? 0) > 3 ? refused(413) : undefined;
    for (const i of [0, 2, 3, 9]) world.indices.get("a")!.add(id(i));
    world.indices.get("b")!.add(id(5));
    assert.deepEqual((await ask(world, sinkBatch(10, true))).sort(), [0, 2, 3, 5, 9]);
    assert.equal(world.counted("unchecked_events"), 0);
    // A call that cannot be made smaller is given up, and counted.
    world.fail = ({ body }) => ((body as { ids?: string[] } | undefined)?.ids === undefined ? undefined : refused(413));
    assert.deepEqual(await ask(world, sinkBatch(2, true)), []);
    assert.equal(world.counted("unchecked_events"), 4);
  });

  test("a plain index needs no look-up: it answers 409 for what it has", async () => {
    const world = new World(false);
    world.resolved = {};
    assert.deepEqual(await ask(world, sinkBatch(3, true)), []);
    assert.deepEqual(world.calls, ["GET /_resolve/index/logs"]);
  });

  test("an alias is looked up in all of its indices: it may roll over as a data stream does", async () => {
    const world = new World(false);
    world.resolved = { aliases: [{ indices: ["app-1", "app-2"] }] };
    for (const name of ["app-1", "app-2"]) world.indices.set(name, new Set());
    world.indices.get("app-1")!.add(id(2));
    assert.deepEqual(await ask(world, sinkBatch(3, true)), [2]);
    world.resolved = { aliases: [{ indices: "app-1" }] };
    assert.deepEqual(await ask(world, sinkBatch(3, true)), [2]);
    assert.ok(world.calls.includes("GET /_tasks"), "a bulk from before may come after a rollover");
  });

  test("an index that was deleted meanwhile holds nothing", async () => {
    const world = new World().dataStream("a", "b");
    world.fail = (call) => (call.path === "/a/_mget" ? refused(404) : undefined);
    assert.deepEqual(await ask(world, sinkBatch(3, true)), []);
    assert.equal(world.counted("unchecked_events"), 0);
  });

  test("where privileges are missing events go out all the same, a warning says so once, and they are counted", async () => {
    const world = new World().dataStream("a", "b");
    world.fail = (call) => (call.path.startsWith("/_resolve") ? refused(403) : undefined);
    assert.deepEqual(await ask(world, sinkBatch(3, true)), []);
    assert.deepEqual(await ask(world, sinkBatch(4, true)), []);
    assert.equal(world.counted("unchecked_events"), 7);
    assert.match(world.guard.notes().join(), /^7 events were sent again without knowing/);
    assert.equal(world.context.logged.filter(({ level }) => level === "warn").length, 1);

    const blind = new World().dataStream("a", "b");
    blind.fail = (call) => (call.path === "/_tasks" ? refused(403) : undefined);
    blind.indices.get("a")!.add(id(1));
    assert.deepEqual(await ask(blind, sinkBatch(3, true)), [1], "what can be looked up is");
    assert.equal(blind.counted("unchecked_events"), 3);
    assert.match(blind.context.logged[0]?.message ?? "", /cluster privilege monitor/);
  });

  test("a server that is busy or credentials that are refused stop the call instead of skipping the look-up", async () => {
    for (const status of [401, 429, 500, 503]) {
      for (const path of ["/_tasks", "/_resolve/index/logs", "/a/_mget"]) {
        const world = new World().dataStream("a", "b");
        world.fail = (call) => (call.path === path ? refused(status) : undefined);
        await assert.rejects(ask(world, sinkBatch(3, true)), CallFailed, `${status} of ${path}`);
        assert.equal(world.counted("unchecked_events"), 0);
      }
    }
  });
});

describe("elasticsearch: bulks that outlive their client", () => {
  test("nothing is looked up before the server has ended what it was sent", async () => {
    const world = new World().dataStream("a", "b");
    world.tasks = ["wiretail/es/x/old0", "someone/else"];
    let naps = 0;
    world.onSleep = () => {
      if (++naps < 4) return;
      world.tasks = ["someone/else"];
      world.indices.get("a")!.add(id(1));
    };
    assert.deepEqual(await ask(world, sinkBatch(3, true)), [1]);
    assert.equal(naps, 4);
    assert.deepEqual(world.guard.notes(), []);
  });

  test("calls of our own that are under way are not waited for", async () => {
    const world = new World().dataStream("a");
    world.tasks = [world.names.begin()];
    await ask(world, sinkBatch(3, true));
    assert.equal(world.calls.filter((call) => call === "GET /_tasks").length, 1);
  });

  test("the wait is bounded, and says what it waits for", async () => {
    const world = new World().dataStream("a", "b");
    world.tasks = ["wiretail/es/x/old0"];
    await assert.rejects(
      ask(world, sinkBatch(3, true)),
      /still works on 1 bulk task sent before.*wiretail\/es\/x.*3\.0 s/,
    );
    assert.ok(world.nowMs >= 20_000 && world.nowMs < 30_000);
    assert.match(world.guard.notes().join(), /^waiting: the server still works on 1 bulk task/);
    const batch = sinkBatch(3, true);
    for (let attempt = 1; world.nowMs < 700_000; attempt++) {
      const outcome = await ask(world, batch, attempt).catch(() => undefined);
      if (outcome !== undefined) break;
      world.guard.notLookedUp(batch);
    }
    assert.ok(world.nowMs > 600_000 && world.nowMs < 660_000, `${world.nowMs}`);
    assert.equal(world.counted("unchecked_events"), 3, "it goes on at last, and counts what may be there twice");
  });

  test("a cluster of which some nodes do not answer is not taken for idle", async () => {
    const world = new World().dataStream("a", "b");
    const call = world.call.bind(world);
    world.call = async (each) =>
      each.path === "/_tasks" ? { status: 200, body: { nodes: {}, node_failures: [{}] } } : call(each);
    await assert.rejects(ask(world, sinkBatch(3, true)), /node_failures/);
  });

  test("an abort ends the wait", async () => {
    const world = new World().dataStream("a", "b");
    world.tasks = ["wiretail/es/x/old0"];
    const batch = sinkBatch(1, true);
    world.guard.begin(batch, 1);
    await assert.rejects(world.guard.delivered(batch, world.place, AbortSignal.abort(), 1), CallFailed);
    assert.ok(world.nowMs < 1000);
  });
});
