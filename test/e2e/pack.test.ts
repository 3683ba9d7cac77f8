import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";

const run = promisify(execFile);

test("the packed tarball installs a wiretail command that knows its version, its help and its pipelines", async () => {
  const folder = await mkdtemp(path.join(os.tmpdir(), "wiretail-pack-"));
  try {
    // The tests run on what was built a moment ago; building it again here would change files under other tests.
    const packed = await run("npm", ["pack", "--ignore-scripts", "--json", "--pack-destination", folder]);
    const [{ filename, files }] = JSON.parse(packed.stdout) as [{ filename: string; files: { path: string }[] }];
    const names = files.map((file) => file.path);
    const own =
      /^(bin|dist\/src|dist\/bundle|config|pipelines|docs|completions|man)\/|^(package\.json|README\.md|LICENSE|CHANGELOG\.md)$/;
    assert.deepEqual(
      names.filter((name) => !own.test(name)),
      [],
      "nothing but the product is in the tarball",
    );

    const prefix = path.join(folder, "prefix");
    await run("npm", [
      "install",
      "--global",
      "--prefix",
      prefix,
      "--no-audit",
      "--no-fund",
      path.join(folder, filename),
    ]);
    const elsewhere = path.join(folder, "elsewhere");
    await mkdir(elsewhere);
    const wiretail = (...args: string[]) => run(path.join(prefix, "bin/wiretail"), args, { cwd: elsewhere });

    const { version } = JSON.parse(await readFile("package.json", "utf8")) as { version: string };
    assert.match((await wiretail("--version")).stdout, new RegExp(`\\b${version.replaceAll(".", "\\.")}\\b`));
    assert.match((await wiretail("--help")).stdout, /wiretail/);
    // Fails with a non-zero exit code when one of the shipped pipelines' own tests fails.
    await wiretail("test");
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
