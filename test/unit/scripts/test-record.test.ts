import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";

interface Outcome {
  readonly outcome: string;
  readonly name: string;
  readonly reason?: string;
}

const TESTS = `
import test, { describe, it } from "node:test";
test("good", () => {});
test("bad", () => { throw new Error("no"); });
test("left out", { skip: "no server" }, () => {});
test("left out later", (t) => t.skip("no tool"));
test("some day", { todo: true }, () => {});
describe("a suite", () => { it("inside", () => {}); it("bad inside", () => { throw new Error("no"); }); });
describe("a suite left out", { skip: "not here" }, () => { it("never", () => {}); });
`;

test("the record of a test run has every test once, with its outcome and the reason for a skip", () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), "wiretail-record-"));
  try {
    writeFileSync(path.join(folder, "a.test.mjs"), TESTS);
    writeFileSync(path.join(folder, "broken.test.mjs"), "this is no JavaScript");
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const reporter = path.resolve("scripts/test-record.mjs");
    const files = ["a.test.mjs", "broken.test.mjs"].map((name) => path.join(folder, name));
    const { stdout } = spawnSync(process.execPath, ["--test", `--test-reporter=${reporter}`, ...files], {
      env,
      encoding: "utf8",
    });
    const outcomes = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Outcome);
    const found = outcomes.map(({ outcome, name, reason }) => [outcome, path.basename(name), reason ?? ""].join(": "));
    assert.deepEqual(found.sort(), [
      "failed: bad inside: ",
      "failed: bad: ",
      "failed: broken.test.mjs: ",
      "passed: good: ",
      "passed: inside: ",
      "skipped: a suite left out: not here",
      "skipped: left out later: no tool",
      "skipped: left out: no server",
      "todo: some day: ",
    ]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
