import assert from "node:assert/strict";
import { stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { Announcing } from "../../../../src/sources/file/announcing.ts";
import { FileTable } from "../../../../src/sources/file/file-table.ts";
import { placeOf } from "../../../../src/sources/file/generation.ts";
import type { Tracking } from "../../../../src/sources/file/tracking.ts";
import { temporaryFolder } from "../../../support/folders.ts";
import { MemoryOutput, sourceContext, until } from "../../../support/source-output.ts";

/** A look saw the file of app.log.1 at app.log, made when `born` says; returns where it is read now, if anywhere. */
async function follow(t: TestContext, born?: string): Promise<string | undefined> {
  const folder = await temporaryFolder(t);
  const [log, rotated] = [join(folder, "app.log"), join(folder, "app.log.1")];
  await writeFile(rotated, "old\n");
  await writeFile(log, "new\n");
  const seen = placeOf(log, await stat(rotated, { bigint: true }));
  const looked: string[] = [];
  const table = new FileTable();
  const tracking = {
    ...{ context: sourceContext(join(folder, "state"), { once: false }), output: new MemoryOutput(), table },
    signal: new AbortController().signal,
    options: { matcher: { matches: () => true }, rules: { maxLineBytes: 1024 } },
    ...{ schedule: () => undefined, release: () => undefined },
    serial: (task: () => Promise<void>) => task(),
    look: (path: string) => {
      looked.push(path);
      return Promise.resolve();
    },
  } as unknown as Tracking;
  const announcing = new Announcing(tracking, () => assert.fail("it can be read"));
  announcing.create(table.stateOf(log), { ...seen, born: born ?? seen.born }, false);
  await until(() => announcing.count === 0);
  const [gen] = table.generations;
  assert.deepEqual(looked, gen === undefined ? [log] : []);
  await table.close();
  return gen?.place.path.slice(folder.length + 1);
}

test("a file that was renamed between the look and the opening is followed to its new name", async (t) => {
  assert.equal(await follow(t), "app.log.1");
});

test("another file that has got the inode of one that is gone is not taken for it", async (t) => {
  assert.equal(await follow(t, "1"), undefined);
});
