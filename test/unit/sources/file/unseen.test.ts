import assert from "node:assert/strict";
import { rm, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { gzipSync } from "node:zlib";
import type { Announcing } from "../../../../src/sources/file/announcing.ts";
import { FileTable } from "../../../../src/sources/file/file-table.ts";
import { Generation, placeOf } from "../../../../src/sources/file/generation.ts";
import { headOf } from "../../../../src/sources/file/identity.ts";
import type { Tracking } from "../../../../src/sources/file/tracking.ts";
import { Unseen } from "../../../../src/sources/file/unseen.ts";
import { temporaryFolder } from "../../../support/folders.ts";
import { sourceContext } from "../../../support/source-output.ts";

const lines = (name: string): string => Array.from({ length: 40 }, (_, i) => `${name} line ${i}\n`).join("");

/** What is begun of rotated files, as names in the folder. */
function unseenIn(folder: string, table: FileTable): { unseen: Unseen; begun: string[] } {
  const begun: string[] = [];
  const tracking = {
    ...{ context: sourceContext(join(folder, "state"), { once: false }), table },
    signal: new AbortController().signal,
  } as unknown as Tracking;
  const announcing = {
    createRotated: (_path: string, { path }: { path: string }) => {
      begun.push(path.slice(folder.length + 1));
      return Promise.resolve({ head: Buffer.alloc(0), presentEnd: () => 0 });
    },
  } as unknown as Announcing;
  const never = (): boolean => false;
  return { unseen: new Unseen(tracking, announcing, never, never), begun };
}

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
  const { unseen, begun } = unseenIn(folder, new FileTable());
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

for (const isShort of [false, true]) {
  test(`a copy that was compressed at once, of a file that is read, was not rotated unseen${isShort ? ", however short" : ""}`, async (t) => {
    const folder = await temporaryFolder(t);
    const [log, rotated] = [join(folder, "app.log"), join(folder, "app.log.1")];
    const text = isShort ? "x\n" : lines("new");
    await writeFile(log, text);
    await writeFile(rotated, lines("old"));
    const { mtimeMs } = await stat(rotated);
    const table = new FileTable();
    const envelope = { paths: [], values: [], offsetPath: undefined };
    const inLog = placeOf(log, await stat(log, { bigint: true }));
    const gen = new Generation("a", log, inLog, "test", envelope, { maxLineBytes: 1024 });
    gen.head = Buffer.from(text).subarray(0, 1024);
    table.add(gen);
    const { unseen, begun } = unseenIn(folder, table);
    await rm(rotated);
    await writeFile(`${rotated}.gz`, gzipSync(text));
    const later = (mtimeMs + 5_000) / 1_000;
    await utimes(`${rotated}.gz`, later, later);
    const lost = { mtimeMs: mtimeMs - 60_000, head: headOf(Buffer.from(lines("old"))), key: "1:1" };
    await unseen.find(rotated, { found: undefined, lost: [lost] });
    assert.deepEqual(begun, []);
    // Nobody reads it any more: then it is what came and went.
    table.remove(gen);
    await unseen.find(rotated, { found: undefined, lost: [lost] });
    assert.deepEqual(begun, ["app.log.1.gz"]);
  });
}
