import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { loadConfig } from "../../../../src/runtime/config/load.ts";
import { formatProblem } from "../../../../src/runtime/config/problems.ts";
import { packageRoot } from "../../../../src/runtime/package-root.ts";
import { components } from "./fake-components.ts";

// Whole bad configurations and every message about them. UPDATE_GOLDEN=1 writes the files: then read the difference.

const folder = join(packageRoot(), "test/golden/config");
const names = readdirSync(folder).filter((name) => name.endsWith(".json"));

for (const name of names) {
  test(`every fault of ${name} is reported at its place, in words that say what to write`, async () => {
    const { config, problems } = await loadConfig(name, {
      components,
      env: { WIRETAIL_TEST_KEY: "sesame-open" },
      shippedFolder: "/no-such-folder",
      readFile(path) {
        const file = join(folder, path);
        if (!existsSync(file))
          throw Object.assign(new Error(`ENOENT: no such file or directory, open '${path}'`), { code: "ENOENT" });
        return readFileSync(file, "utf8");
      },
      readDir() {
        throw Object.assign(new Error("ENOENT"), { code: "ENOENT" });
      },
    });
    assert.equal(config, undefined);
    const actual = problems.map((problem) => formatProblem(problem) + "\n").join("");
    assert.doesNotMatch(actual, /sesame|in-plain-text/, "no secret is printed");
    const goldenFile = join(folder, name.replace(/\.json$/, ".txt"));
    if (process.env["UPDATE_GOLDEN"] !== undefined) writeFileSync(goldenFile, actual);
    assert.equal(actual, readFileSync(goldenFile, "utf8"));
  });
}

test("there are golden files to compare with", () => {
  assert.ok(names.length >= 9);
});
