import assert from "node:assert/strict";
import { cp, readFile, symlink, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { TestContext } from "node:test";
import { temporaryFolder } from "./folders.ts";
import type { CodeChange } from "./installed-copy.ts";

/** A copy of the built agent with some places changed, to see that a test finds it out. Returns its launcher. */
export async function buildMutant(t: TestContext, changes: readonly CodeChange[]): Promise<string> {
  const folder = await temporaryFolder(t);
  for (const part of ["bin", "dist/src", "pipelines", "package.json"]) {
    await cp(resolve(part), join(folder, part), { recursive: true });
  }
  await symlink(resolve("node_modules"), join(folder, "node_modules"));
  for (const { file, from, to } of changes) {
    const path = join(folder, "dist", file);
    const code = await readFile(path, "utf8");
    assert.equal(code.split(from).length, 2, `${file} has no longer the one place to change: ${from}`);
    const changed = code.replace(from, () => to);
    await writeFile(path, changed);
  }
  return join(folder, "bin/wiretail");
}
