import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { fileMatcher } from "../../../../src/sources/file/glob.ts";
import { newGenerationId } from "../../../../src/sources/file/generation.ts";
import { Tracker } from "../../../../src/sources/file/tracker.ts";
import { temporaryFolder } from "../../../support/folders.ts";
import { Durable, MemoryOutput, sourceContext } from "../../../support/source-output.ts";

test("a file that changes while the source starts is still the one of the checkpoint", async (t) => {
  const folder = await temporaryFolder(t);
  const [log, fresh] = [join(folder, "app.log"), join(folder, "fresh.log")];
  await writeFile(log, "line 1\nline 2\n");
  const durable = new Durable();
  const start = async (early: readonly string[], found: readonly string[]): Promise<Set<string>> => {
    const output = new MemoryOutput(durable);
    const stop = new AbortController();
    const tracker = new Tracker(
      {
        matcher: fileMatcher([join(folder, "*.log")], []),
        rules: { maxLineBytes: 1024 },
        startAtEnd: false,
        rotateGraceMs: 1_000,
        maxOpenFiles: 10,
      },
      sourceContext(join(folder, "state"), { once: false }),
      output,
      () => undefined,
      stop.signal,
    );
    // Told by the system before the files of the checkpoint were looked for.
    for (const path of early) tracker.changed(path);
    await tracker.begin(found, false);
    while (!tracker.settled) await new Promise((resolve) => setImmediate(resolve));
    stop.abort();
    await tracker.close();
    return new Set(output.opened.map(({ id }) => id));
  };
  const [first] = [...(await start([], [log]))];
  assert.equal(first?.length, newGenerationId().length);
  assert.deepEqual(await start([log], [log]), new Set([first]));
  await writeFile(fresh, "came while it started\n");
  const both = await start([log, fresh], [log]);
  assert.ok(both.has(first), "known");
  assert.equal(both.size, 2, "and what was not found in the folder is looked at too");
});

test("a start that fails is said, so that the source is started again", async (t) => {
  const folder = await temporaryFolder(t);
  const output = new MemoryOutput();
  Object.defineProperty(output, "known", {
    get: () => {
      throw Object.assign(new Error("too many open files"), { code: "EMFILE" });
    },
  });
  const stop = new AbortController();
  const options = { rules: { maxLineBytes: 1024 }, startAtEnd: false, rotateGraceMs: 1_000, maxOpenFiles: 10 };
  const tracker = new Tracker(
    { matcher: fileMatcher([join(folder, "*.log")], []), ...options },
    sourceContext(join(folder, "state"), { once: false }),
    output,
    () => undefined,
    stop.signal,
  );
  await assert.rejects(tracker.begin([], false), /too many open files/);
  stop.abort();
  await tracker.close();
});
