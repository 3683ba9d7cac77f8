import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { firstLines, lastLines, offsetOfLast, offsetOfTime } from "../../../../src/cli/tail/start.ts";
import { temporaryFolder } from "../../../support/folders.ts";

async function rest(file: string, offset: number): Promise<string> {
  const { readFile } = await import("node:fs/promises");
  return (await readFile(file)).subarray(offset).toString("utf8");
}

test("the last lines are counted from the end, with and without a last line end, and beyond blocks", async (t) => {
  const file = join(await temporaryFolder(t), "a.log");
  const lines = Array.from({ length: 5000 }, (_, i) => `é line ${i} ${"x".repeat(i % 100)}`);
  for (const end of ["\n", ""]) {
    await writeFile(file, lines.join("\n") + end);
    for (const count of [1, 2, 3000, 4999])
      assert.equal(await rest(file, await offsetOfLast(file, count)), lines.slice(-count).join("\n") + end, `${count}`);
    assert.equal(await offsetOfLast(file, 5000), 0);
    assert.equal(await offsetOfLast(file, 6000), 0);
  }
  assert.equal(await rest(file, await offsetOfLast(file, 0)), "");
});

test("a stack trace counts as one line", async (t) => {
  const file = join(await temporaryFolder(t), "a.log");
  await writeFile(file, "one\ntwo\n\tat a.b.C(D.java:1)\nCaused by: x\n\tat e\nthree\n");
  assert.equal(
    await rest(file, await offsetOfLast(file, 2)),
    "two\n\tat a.b.C(D.java:1)\nCaused by: x\n\tat e\nthree\n",
  );
});

test("one very long line is found from its beginning", async (t) => {
  const file = join(await temporaryFolder(t), "a.log");
  await writeFile(file, `first\n${"y".repeat(300_000)}\nlast\n`);
  assert.equal(await offsetOfLast(file, 2), 6);
});

test("a time is found by halving, never too late", async (t) => {
  const file = join(await temporaryFolder(t), "a.log");
  const count = 60_000;
  await writeFile(file, Array.from({ length: count }, (_, i) => `${i} some text of a line\n`).join(""));
  let asked = 0;
  const timeOf = (line: string): number | undefined => {
    asked++;
    return /^\d+ /.test(line) ? parseInt(line, 10) : undefined;
  };
  for (const wanted of [0, 1, 12_345, 59_999, 70_000]) {
    const first = parseInt(await rest(file, await offsetOfTime(file, wanted, timeOf)), 10);
    assert.ok(first <= wanted, `begins with ${first} for ${wanted}`);
    if (wanted > 20_000) assert.ok(first > Math.min(wanted, count) - 10_000, `begins far too early: ${first}`);
  }
  assert.ok(asked < count, "the whole file was not read");
  assert.equal(await offsetOfTime(file, 50_000, () => undefined), 0);
});

test("the first and last lines are whole ones", async (t) => {
  const file = join(await temporaryFolder(t), "a.log");
  await writeFile(file, "\ufeffone\n\ntwo\nthr");
  assert.deepEqual(await firstLines(file, 10), ["one", "two"]);
  assert.deepEqual(await lastLines(file, 10), ["two"]);
  await writeFile(file, "only");
  assert.deepEqual(await firstLines(file, 10), ["only"]);
});
