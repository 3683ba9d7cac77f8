import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { DeadLetterFile, type DeadLetter } from "../../../src/disk/dead-letters.ts";
import { temporaryFolder } from "../../support/folders.ts";

const letter = (number: number): DeadLetter => ({
  ...{ at: "2026-11-21T10:00:00.000Z", time: "2026-11-21T10:00:00.000Z", pipeline: "p", source: "s", stage: "1 x" },
  ...{ reason: "r", id: `id-${number}`, original: "x".repeat(100) },
});
const idsIn = async (path: string): Promise<string[]> =>
  (await readFile(path, "utf8").catch(() => ""))
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => (JSON.parse(line) as DeadLetter).id);

test("letters are kept in order over restarts", async (t) => {
  const path = join(await temporaryFolder(t), "letters", "dead.ndjson");
  for (const first of [0, 2]) {
    const file = new DeadLetterFile(path, 1_000_000, () => assert.fail("nothing is dropped"));
    await Promise.all([file.append([letter(first)]), file.append([letter(first + 1)])]);
    await file.close();
  }
  assert.deepEqual(await idsIn(path), ["id-0", "id-1", "id-2", "id-3"]);
});

test("letters stay within their budget: the oldest go, and every one that goes is counted, also after a restart", async (t) => {
  const path = join(await temporaryFolder(t), "dead.ndjson");
  let dropped = 0;
  for (let i = 0; i < 60; i += 20) {
    const file = new DeadLetterFile(path, 4000, (letters) => (dropped += letters));
    for (let k = i; k < i + 20; k++) await file.append([letter(k)]);
    await file.close();
  }
  const kept = [...(await idsIn(path + ".1")), ...(await idsIn(path))];
  assert.equal(kept.length + dropped, 60);
  assert.deepEqual(
    kept,
    Array.from({ length: kept.length }, (_, i) => `id-${dropped + i}`),
  );
  const bytes = (await readFile(path)).length + (await readFile(path + ".1")).length;
  assert.ok(bytes <= 4000, `${bytes} bytes`);
});
