import assert from "node:assert/strict";
import { lstat, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { isCopyInProgress } from "../../../../src/sources/file/copy-check.ts";
import { FileTable } from "../../../../src/sources/file/file-table.ts";
import { Generation, placeKey, placeOf } from "../../../../src/sources/file/generation.ts";
import type { Tracking } from "../../../../src/sources/file/tracking.ts";
import { temporaryFolder } from "../../../support/folders.ts";

const GRACE_MS = 300;

/** app.log is read; asks whether app.log.1, with what is in it at each moment, is a copy of it that is being made. */
async function askOver(
  t: TestContext,
  moments: readonly (readonly [atMs: number, text: string | undefined, original?: { error?: string; text?: string }])[],
): Promise<boolean[]> {
  const folder = await temporaryFolder(t);
  const [log, copy] = [join(folder, "app.log"), join(folder, "app.log.1")];
  await writeFile(log, "line 1\nline 2\n");
  const table = new FileTable();
  const place = placeOf(log, await stat(log, { bigint: true }));
  const envelope = { paths: [], values: [], offsetPath: undefined };
  const gen = new Generation("a", log, place, "test", envelope, { maxLineBytes: 1024 });
  gen.head = Buffer.from("line 1\nline 2\n");
  gen.announced = true;
  table.add(gen);
  let nowMs = 0;
  const tracking = { table, options: { rotateGraceMs: GRACE_MS }, context: { monotonicMs: () => nowMs } };
  const answers: boolean[] = [];
  for (const [atMs, text, original] of moments) {
    nowMs = atMs;
    gen.error = original?.error;
    await writeFile(log, original?.text ?? "line 1\nline 2\n");
    // Undefined: it cannot be opened.
    if (text === undefined) await symlink(copy, copy).catch(() => undefined);
    else await writeFile(copy, text);
    const stats = await lstat(copy, { bigint: true });
    const key = placeKey(stats);
    answers.push(await isCopyInProgress(table.stateOf(copy), key, stats.size, tracking as unknown as Tracking));
  }
  return answers;
}

test("a copy is known for one as long as it grows, and from the moment when it is made and empty", async (t) => {
  const moments = [
    [0, ""],
    [10, "line 1\n"],
    [GRACE_MS + 5, "line 1\nline 2\n"],
  ] as const;
  assert.deepEqual(await askOver(t, moments), [true, true, true]);
});

test("what has nothing in it, or does not grow, for the grace time is a file of its own", async (t) => {
  const empty = [0, GRACE_MS / 2, GRACE_MS].map((atMs) => [atMs, ""] as const);
  assert.deepEqual(await askOver(t, empty), [true, true, false]);
  const still = [0, GRACE_MS / 2, GRACE_MS].map((atMs) => [atMs, "line 1\n"] as const);
  assert.deepEqual(await askOver(t, still), [true, true, false]);
});

test("as long as the original cannot be read, nobody knows that it was not truncated, and what begins like it waits", async (t) => {
  const moments = [
    [0, "line 1\n"],
    [GRACE_MS, "line 1\n", { error: "EMFILE" }],
    [2 * GRACE_MS, "line 1\n", { error: "EMFILE" }],
    [3 * GRACE_MS - 1, "line 1\n"],
    [3 * GRACE_MS, "line 1\n"],
  ] as const;
  assert.deepEqual(await askOver(t, moments), [true, true, true, true, false]);
});

test("as long as nobody has seen that the original was truncated, its reader will take the copy", async (t) => {
  const moments = [
    [0, "line 1\n"],
    [GRACE_MS, "line 1\n", { text: "" }],
    [3 * GRACE_MS, "line 1\n", { text: "line 9\nline 10\n" }],
  ] as const;
  assert.deepEqual(await askOver(t, moments), [true, true, true]);
});

test("what cannot be opened in the moment when it is made may be a copy", async (t) => {
  assert.deepEqual(
    await askOver(t, [
      [0, undefined],
      [GRACE_MS, undefined],
    ]),
    [true, false],
  );
});

test("a file that begins in another way is no copy", async (t) => {
  assert.deepEqual(await askOver(t, [[0, "line 7\n"]]), [false]);
});
