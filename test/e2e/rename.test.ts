import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { assertExactlyOnce, NumberedWriter, numbersIn, startAgent, waitFor, writeHost } from "../support/e2e.ts";
import { temporaryFolder } from "../support/folders.ts";

const QUICK = { max_age_ms: 50 };

test("sources, sinks and pipelines that are renamed, and sources and sinks that change names, go on where they were", async (t) => {
  const folder = await temporaryFolder(t);
  const writers = ["a", "b"].map((name) => new NumberedWriter(join(folder, `in/${name}.log`)));
  const host = (
    names: readonly [string, string],
    pipelines: readonly [string, string],
    sinks: readonly [string, string],
  ) => {
    const source = (file: string) => ({ type: "file", include: [join(folder, `in/${file}.log`)] });
    const sink = (file: string) => ({ type: "file", path: join(folder, `out/${file}.ndjson`), batch: QUICK });
    const entries: [string, unknown][][] = [
      [
        [names[0], source("a")],
        [names[1], source("b")],
      ],
      [
        [pipelines[0], { from: [names[0]], to: [sinks[0]] }],
        [pipelines[1], { from: [names[1]], to: [sinks[1]] }],
      ],
      [
        [sinks[0], sink("a")],
        [sinks[1], sink("b")],
      ],
    ];
    const [s, p, k] = entries.map((each) => Object.fromEntries(names[0] > "m" ? each.reverse() : each));
    return writeHost(folder, { sources: s, pipelines: p, sinks: k });
  };
  const file = await host(["a", "b"], ["pa", "pb"], ["oa", "ob"]);
  let agent = await startAgent(file);
  const all = async (): Promise<void> => {
    for (const [i, name] of ["a", "b"].entries()) {
      await waitFor(
        `all of ${name}`,
        async () => (await numbersIn(join(folder, `out/${name}.ndjson`))).length >= writers[i]!.count,
        { explain: () => agent.stderr },
      );
    }
  };
  try {
    for (const writer of writers) await writer.write(500);
    await all();
    assert.equal(await agent.stop(), 0);
    // Other names, in another order.
    await host(["x", "y"], ["px", "py"], ["ox", "oy"]);
    agent = await startAgent(file);
    for (const writer of writers) await writer.write(500);
    await all();
    // Names of sources and sinks change places while it runs.
    await host(["y", "x"], ["px", "py"], ["oy", "ox"]);
    await agent.reload();
    for (const writer of writers) await writer.write(500);
    await all();
    assert.equal(await agent.stop(), 0);
  } finally {
    await agent.kill9();
  }
  for (const [i, name] of ["a", "b"].entries())
    assertExactlyOnce(await numbersIn(join(folder, `out/${name}.ndjson`)), writers[i]!.count);
});
