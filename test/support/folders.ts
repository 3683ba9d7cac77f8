import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";

/** A folder that is removed when the test ends. */
export async function temporaryFolder(test: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "wiretail-test-"));
  test.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** The same where something works in it that has to be ended first, by `end`. */
export async function folderInUse(test: TestContext, end: () => Promise<unknown>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "wiretail-test-"));
  test.after(async () => {
    await end();
    await rm(folder, { recursive: true, force: true });
  });
  return folder;
}
