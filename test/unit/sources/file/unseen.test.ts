import assert from "node:assert/strict";
import { rm, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { gzipSync } from "node:zlib";
import type { Announcing } from "../../../../src/sources/file/announcing.ts";
import { FileTable } from "../../../../src/sources/file/file-table.ts";
import { placeOf } from "../../../../src/sources/file/generation.ts";
import type { Tracking } from "../../../../src/sources/file/tracking.ts";
import { Unseen } from "../../../../src/sources/file/unseen.ts";
import { temporaryFolder } from "../../../support/folders.ts";
import { sourceContext } from "../../../support/source-output.ts";

const lines = (name: string): string => Array.from({ length: 40 }, (_, i) => `${name} line ${i}\n`).join("");

/** app.log was found as app.log.1; then that was compressed, and others were rotated after it. */
async function findAfterCompression(t: TestContext, newer: readonly string[]): Promise<string[]> {
  const folder = await temporaryFolder(t);
  const log = join(folder, "app.log");
  const rotated = join(folder, "app.log.1");
  await writeFile(rotated, lines("known"));
  const place = placeOf(rotated, await stat(rotated, { bigint: true }));
  const { mtimeMs } = await stat(rotated);
  const names = [...newer, "known"];
  for (const [i, name] of names.entries()) {
    const path = join(folder, `app.log.${i + 1}.gz`);
    await writeFile(path, gzipSync(lines(name)));
    // Written to after it was looked at last.
    const later = (mtimeMs + 1_000 + 1_000 * (names.length - i)) / 1_000;
    await utimes(path, later, later);
  }
  await rm(rotated);
  await writeFile(log, lines("new"));
  const begun: string[] = [];
  const tracking = {
    context: sourceContext(join(folder, "state"), { once: false }),
    signal: new AbortController().signal,
    table: new FileTable(),
  } as unknown as Tracking;
  const announcing = {
    createRotated: (_path: string, { path }: { path: string }) => {
      begun.push(path.slice(folder.length + 1));
      return Promise.resolve({ head: Buffer.alloc(0), presentEnd: () => 0 });
    },
  } as unknown as Announcing;
  const unseen = new Unseen(
    tracking,
    announcing,
    () => false,
    () => false,
  );
  const head = Buffer.from(lines("known")).subarray(0, 512);
  await unseen.find(log, { found: { place, mtimeMs: mtimeMs - 60_000, head }, lost: [] });
  return begun;
}

test("a file that is compressed while it is looked for is not taken for one that was never seen", async (t) => {
  assert.deepEqual(await findAfterCompression(t, []), []);
});

test("what was rotated after a file that has been compressed is still found", async (t) => {
  assert.deepEqual(await findAfterCompression(t, ["younger"]), ["app.log.1.gz"]);
});
