import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cp, readFile, symlink, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { temporaryFolder } from "../../support/folders.ts";

/** The file source, broken on purpose: the torture by logrotate must find it out. */
const MUTANTS = [
  {
    does: "is as it should be",
    changes: [],
    found: undefined,
  },
  {
    does: "skips the tail of a rotated file",
    changes: [
      {
        file: "recovery.js",
        from: "await gen.startAt(position, ",
        to: 'await gen.startAt(found.rule === "same_file" ? position : Math.max(position, found.size), ',
      },
    ],
    found: /waited in vain for|AssertionError/,
  },
  {
    does: "gives a new generation the id of the one before, also after copytruncate",
    changes: [
      {
        file: "announcing.js",
        from: "const gen = this.generation(newGenerationId(), state.path,",
        to: 'const gen = this.generation("one-generation--", state.path,',
      },
    ],
    found: /waited in vain for|conflict|not ok/,
  },
];

for (const { does, changes, found } of MUTANTS) {
  test(`the torture by logrotate ${found === undefined ? "passes" : "finds out"} a file source that ${does}`, async (t) => {
    const folder = await temporaryFolder(t);
    for (const part of ["dist/src", "dist/test", "package.json", "docs", "pipelines"])
      await cp(resolve(part), join(folder, part), { recursive: true });
    await symlink(resolve("node_modules"), join(folder, "node_modules"));
    for (const { file, from, to } of changes) {
      const path = join(folder, "dist/src/sources/file", file);
      const code = await readFile(path, "utf8");
      assert.equal(code.split(from).length, 2, `${file} has no longer the one place to change: ${from}`);
      await writeFile(
        path,
        code.replace(from, () => to),
      );
    }
    const env: NodeJS.ProcessEnv = { ...process.env, WIRETAIL_TORTURE_FIRST: "8", WIRETAIL_TORTURE_SEEDS: "1" };
    if (found !== undefined) env["WIRETAIL_TORTURE_WAIT_MS"] = "5000";
    // It would tell the child to report to this run.
    delete env["NODE_TEST_CONTEXT"];
    const { status, stdout } = spawnSync(
      process.execPath,
      ["--test", "dist/test/integration/sources/file-logrotate-torture.test.js"],
      { cwd: folder, env, encoding: "utf8", timeout: 120_000 },
    );
    if (found === undefined) assert.equal(status, 0, stdout);
    else {
      assert.notEqual(status, 0, "nothing was noticed");
      assert.match(stdout, found);
    }
  });
}
