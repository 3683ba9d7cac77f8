import assert from "node:assert/strict";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { CallNames } from "../../../../src/sinks/elasticsearch/call-names.ts";
import { makeContext } from "../../../support/context.ts";

describe("elasticsearch: names of bulk calls (X-Opaque-Id)", () => {
  test("the sink's own prefix is the same after a restart, and fits into a header", async () => {
    const context = makeContext({ id: "Суть: es" });
    const first = await CallNames.open(context);
    const second = await CallNames.open(context);
    assert.equal(first.prefix, second.prefix);
    assert.match(first.prefix, /^wiretail\/[\w.-]+\/[\w-]{12}$/);
    assert.ok(second.isLost(first.begin()), "what the process before sent is lost");
    const other = await CallNames.open(makeContext({ id: "Суть: es" }));
    assert.notEqual(other.prefix, first.prefix);
    assert.ok(!other.isLost(first.begin()), "what other agents send is not");
    context.dispose();
  });

  test("a damaged file is replaced, and a sink that is only probed writes none", async () => {
    const context = makeContext();
    for (const damage of ["{", '{"opaque_id":"with\\nnewline"}', "[]"]) {
      writeFileSync(join(context.stateDir, "elasticsearch-client.json"), damage);
      assert.match((await CallNames.open(context)).prefix, /^wiretail\//);
    }
    const probing = Object.assign(makeContext(), { probing: true });
    await CallNames.open(probing);
    assert.deepEqual(readdirSync(probing.stateDir), []);
    context.dispose();
    probing.dispose();
  });

  test("a name is used again after a clear answer, and never after none: what runs under it is lost", () => {
    const names = new CallNames("p");
    const a = names.begin();
    const b = names.begin();
    assert.notEqual(a, b);
    assert.ok(!names.isLost(a));
    names.end(a, true);
    assert.equal(names.begin(), a);
    names.end(b, false);
    assert.ok(names.isLost(b));
    assert.ok(![names.begin(), names.begin()].includes(b));
    assert.ok(!names.isLost("someone/else"));
  });
});
