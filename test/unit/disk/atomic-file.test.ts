import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { writeFileAtomic } from "../../../src/disk/atomic-file.ts";

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "wiretail-atomic-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

test("a file is replaced as a whole and nothing is left beside it", async () => {
  const path = join(folder, "state.json");
  await writeFileAtomic(path, "old");
  await writeFileAtomic(path, Buffer.from("new"));
  assert.equal(await readFile(path, "utf8"), "new");
  assert.deepEqual(await readdir(folder), ["state.json"]);
});

test("a new file is not readable by others, and the mode can be chosen", async () => {
  const path = join(folder, "state.json");
  await writeFileAtomic(path, "x");
  assert.equal((await stat(path)).mode & 0o007, 0);
  await writeFileAtomic(path, "x", { mode: 0o600 });
  assert.equal((await stat(path)).mode & 0o777, 0o600);
});

test("a leftover of a crash is never written through, not even a link", async () => {
  const path = join(folder, "state.json");
  const victim = join(folder, "victim");
  await writeFile(victim, "untouched");
  await symlink(victim, `${path}.tmp`);
  await writeFileAtomic(path, "x");
  assert.equal(await readFile(victim, "utf8"), "untouched");
  assert.equal(await readFile(path, "utf8"), "x");
});

test("when the new content cannot be put in place the old one stays and no litter does", async () => {
  const path = join(folder, "state.json");
  await writeFileAtomic(path, "old");
  await assert.rejects(writeFileAtomic(join(path, "under-a-file"), "x"));
  assert.equal(await readFile(path, "utf8"), "old");
  const taken = join(folder, "taken");
  await mkdir(taken);
  await assert.rejects(writeFileAtomic(taken, "x"));
  assert.deepEqual((await readdir(folder)).sort(), ["state.json", "taken"]);
});
