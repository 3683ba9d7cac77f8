import assert from "node:assert/strict";
import { rename, rm, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import type { OpenPartition } from "../../../../src/core/component.ts";
import { fileMatcher } from "../../../../src/disk/glob.ts";
import { newGenerationId, type Generation } from "../../../../src/sources/file/generation.ts";
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

test("what was rotated unseen is found once, although the next file is rotated before it can be opened", async (t) => {
  const folder = await temporaryFolder(t);
  const log = join(folder, "app.log");
  const text = (name: string): string => Array.from({ length: 40 }, (_, i) => `${name} ${i}\n`).join("");
  let minute = 0;
  const compressed = async (name: string): Promise<void> => {
    const path = `${log}-20261121-100${++minute}.gz`;
    await writeFile(path, gzipSync(text(name)));
    const atSeconds = Date.now() / 1000 - 600 + 60 * minute;
    await utimes(path, atSeconds, atSeconds);
  };
  const opened: string[] = [];
  const output = new MemoryOutput();
  const open = output.open.bind(output);
  output.open = async (partition: OpenPartition) => {
    const { path, at = path } = partition.identity as { path: string; at?: string };
    opened.push(at.slice(folder.length + 1));
    if (opened.length === 4) {
      // Rotated again, and seen to be, while it is announced.
      await compressed("e");
      await writeFile(`${log}.new`, text("f"));
      await rename(`${log}.new`, log);
      await tracker.serial(() => tracker.look(log));
      throw Object.assign(new Error("gone before it was opened"), { code: "ENOENT" });
    }
    return open(partition);
  };
  const stop = new AbortController();
  const context = sourceContext(join(folder, "state"), { once: false });
  const options = { rules: { maxLineBytes: 1024 }, startAtEnd: false, rotateGraceMs: 1_000, maxOpenFiles: 10 };
  // Compressed files are at their end as soon as they are begun.
  const schedule = (gen: Generation): void => void (gen.compressed !== undefined && tracker.end(gen, undefined));
  const matcher = fileMatcher([log], []);
  const tracker: Tracker = new Tracker({ matcher, ...options }, context, output, schedule, stop.signal);
  try {
    await writeFile(log, text("a"));
    const longAgo = Date.now() / 1000 - 600;
    await utimes(log, longAgo, longAgo);
    await tracker.begin([log], false);
    while (!tracker.settled) await new Promise((resolve) => setImmediate(resolve));
    await rm(log);
    for (const name of ["b", "c"]) await compressed(name);
    await writeFile(log, text("d"));
    await tracker.serial(() => tracker.look(log));
    while (!tracker.settled) await new Promise((resolve) => setImmediate(resolve));
  } finally {
    stop.abort();
    await tracker.close();
  }
  const rotated = opened.filter((name) => name.endsWith(".gz"));
  assert.deepEqual(
    rotated,
    [1, 2, 3].map((at) => `app.log-20261121-100${at}.gz`),
  );
  assert.equal(opened.at(-1), "app.log");
});

test("a rotated file is not let go of before it is looked for under a name that matches, too", async (t) => {
  const folder = await temporaryFolder(t);
  const log = join(folder, "app.log");
  await writeFile(log, "line 1\n");
  const output = new MemoryOutput();
  const stop = new AbortController();
  const options = { rules: { maxLineBytes: 1024 }, startAtEnd: false, rotateGraceMs: 1_000, maxOpenFiles: 10 };
  const context = sourceContext(join(folder, "state"), { once: false });
  const matcher = fileMatcher([join(folder, "app.log*")], []);
  const tracker = new Tracker({ ...options, matcher }, context, output, () => undefined, stop.signal);
  const settled = async (): Promise<void> => {
    while (!tracker.settled) await new Promise((resolve) => setImmediate(resolve));
  };
  await tracker.begin([log], false);
  await settled();
  const [gen] = tracker.generations;
  await rename(log, `${log}.1`);
  await writeFile(log, "line 2\n");
  // The system told of one name only, so far.
  await tracker.look(log);
  await settled();
  assert.notEqual(gen!.detachedAtMs, undefined);
  gen!.drained = true;
  tracker.tick(context.monotonicMs() + 5_000);
  await settled();
  assert.equal(gen!.closing, false);
  assert.equal(gen!.place.path, `${log}.1`);
  await tracker.look(`${log}.1`);
  await settled();
  assert.equal(output.opened.length, 2, "each file once");
  stop.abort();
  await tracker.close();
});
