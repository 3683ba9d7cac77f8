import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { stackOf } from "../../../src/cli/stack-trace.ts";
import { temporaryFolder } from "../../support/folders.ts";

function errorAt(...places: string[]): Error {
  const error = new Error("no");
  error.stack = ["Error: no", ...places.map((place) => `    at f (${place})`)].join("\n");
  return error;
}

test("a stack names the modules that a bundle was made of, and leaves other places alone", async (t) => {
  const folder = await temporaryFolder(t);
  const bundle = join(folder, "wiretail.cjs");
  // Line 2 of the bundle is line 1 of a.js from column 3 on, line 3 is line 2 of it.
  const map = { version: 3, sources: ["src/a.js"], names: [], mappings: ";AAAE;AACF" };
  await writeFile(`${bundle}.map`, JSON.stringify(map));
  const error = errorAt(`${bundle}:2:1`, "node:fs:10:3", `${bundle}:3:1`, `${bundle}`);
  assert.deepEqual(stackOf(error, bundle).split("\n"), [
    "Error: no",
    `    at f (${join(folder, "src/a.js")}:1:3)`,
    "    at f (node:fs:10:3)",
    `    at f (${join(folder, "src/a.js")}:2:1)`,
    `    at f (${bundle})`,
  ]);
});

test("without its source map, and without a bundle, a stack stays as it is", async (t) => {
  const bundle = join(await temporaryFolder(t), "wiretail.cjs");
  const error = errorAt(`${bundle}:2:1`);
  assert.equal(stackOf(error, bundle), error.stack);
  assert.equal(stackOf(error), error.stack);
});
