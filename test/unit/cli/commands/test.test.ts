import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { runTest } from "../../../../src/cli/commands/test.ts";
import { memoryScreen } from "./screen.ts";
import { stages } from "./stages.ts";

const folder = mkdtempSync(join(tmpdir(), "wiretail-test-"));
after(() => rmSync(folder, { recursive: true, force: true }));

async function run(tests: object[], options = { json: false }) {
  const file = join(folder, "p.json");
  writeFileSync(
    file,
    JSON.stringify({ name: "p", stages: [{ upper: { target: "a.b", on_error: "dead_letter" } }], tests }),
  );
  const screen = memoryScreen();
  const code = await runTest([file], options, stages, screen);
  return { code, out: screen.written.out };
}

test("tests that hold pass with exit code 0; only named fields are compared, and null means absent", async () => {
  const { code, out } = await run([
    {
      name: "capitals",
      input: ["x"],
      expect: [
        { a: { b: "X" }, "a.b": "X", message: "x", "log.level": null, "@timestamp": "2026-01-01T00:00:00+00:00" },
      ],
    },
    {
      name: "documents go in too",
      input: [{ message: "y", "@timestamp": "2020-01-01T00:00:00Z" }],
      expect: [{ "@timestamp": "2020-01-01T00:00:00.000Z", "a.b": "Y" }],
    },
    { name: "dropped events are not in the output", input: ["drop me", "z"], expect: [{ message: "z" }] },
  ]);
  assert.match(out, /✓ 3 tests passed, 0 failed\n$/);
  assert.equal(code, 0);
});

test("a test that fails shows each field as expected and as it is", async () => {
  const { code, out } = await run([{ name: "wrong", input: ["x"], expect: [{ "a.b": "Y", message: null, c: 1 }] }]);
  assert.equal(code, 1);
  assert.match(out, /✗ wrong\n/);
  assert.match(out, /- a\.b: "Y"\n +\+ a\.b: "X"\n +- message: absent\n +\+ message: "x"\n +- c: 1\n +\+ c: absent\n/);
});

test("too many, too few and dead-lettered events fail a test, with the reason", async () => {
  assert.match(
    (await run([{ name: "n", input: ["x", "y"], expect: [{}] }])).out,
    /event 1: one too many\n +\+ \{.*"Y"/,
  );
  const { code, out } = await run([{ name: "n", input: ["bad"], expect: [{ message: "bad" }] }]);
  assert.equal(code, 1);
  assert.match(out, /event 0: missing\n.*\n +dead-lettered: upper: no text/);
});

test("test --json prints one object a test", async () => {
  const { out } = await run([{ name: "n", input: ["x"], expect: [{ message: "y" }] }], { json: true });
  const result = JSON.parse(out) as { name: string; ok: boolean; differences: { fields: unknown[] }[] };
  assert.equal(result.ok, false);
  assert.deepEqual(result.differences[0]?.fields, [{ path: "message", expected: "y", actual: "x" }]);
});

test("a pipeline file with errors counts as failed", async () => {
  const { code, out } = await run([{ name: "no input" }]);
  assert.equal(code, 1);
  assert.match(out, /\/tests\/0: the key "input" is missing/);
});
