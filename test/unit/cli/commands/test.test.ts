import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { components } from "../../../../src/cli/components.ts";
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
  const [first = "", second = ""] = out.split("\n");
  const result = JSON.parse(first) as { name: string; ok: boolean; differences: { fields: unknown[] }[] };
  assert.equal(result.ok, false);
  assert.deepEqual(result.differences[0]?.fields, [{ path: "message", expected: "y", actual: "x" }]);
  assert.deepEqual(Object.keys(JSON.parse(second) as object), ["pipeline", "coverage"]);
});

test("a pipeline file with errors counts as failed", async () => {
  const { code, out } = await run([{ name: "no input" }]);
  assert.equal(code, 1);
  assert.match(out, /\/tests\/0: the key "input" is missing/);
});

const BRANCHY = {
  name: "p",
  stages: [
    { upper: { target: "a", when: "message: x*", on_error: "drop" } },
    { filter: { drop: "message: *noise*" } },
    { route: { rules: [{ when: "message: x1", to: ["a"], name: "one" }], otherwise: ["b"] } },
    { upper: { target: "c", when: "message: never" } },
  ],
};

async function runBranchy(tests: object[], beside: object[] | undefined, options: object = {}) {
  const file = join(folder, "branchy.json");
  const testsFile = join(folder, "branchy.tests.json");
  const written = { ...BRANCHY, tests };
  writeFileSync(file, JSON.stringify(written, undefined, 1));
  rmSync(testsFile, { force: true });
  if (beside !== undefined) writeFileSync(testsFile, JSON.stringify({ tests: beside }));
  const screen = memoryScreen();
  const all = [...stages, ...components.stages.filter(({ type }) => type === "filter" || type === "route")];
  const code = await runTest([file], { json: false, ...options }, all, screen);
  return { code, out: screen.written.out };
}

const HALF = [{ name: "half", input: ["x1"], expect: [{ a: "X1" }] }];
const REST = [
  { name: "rest", input: ["x2", "y noise", "z"], expect: [{ message: "x2" }, { message: "z" }] },
  { name: "never", input: [{ message: "never" }], expect: [{ c: "NEVER" }] },
];

test("what no test takes is listed: conditions, filters, on_error, rules, and stages that nothing gets to", async () => {
  const { code, out } = await runBranchy(HALF, undefined);
  assert.equal(code, 0);
  assert.match(out, /coverage: 6 of 11 ways through the stages \(54 %\)/);
  const missing = Array.from(out.matchAll(/no test in which (.*) {2}\S*branchy\.json:(\d+)/g), (match) => [
    match[1],
    match[2],
  ]);
  assert.deepEqual(missing, [
    ["its `when` is false: 1 upper", "5"],
    ["an event fails (on_error: drop): 1 upper", "5"],
    ["an event is left out: 2 filter", "12"],
    ["an event matches no rule: 3 route", "17"],
    ["its `when` is true: 4 upper", "33"],
  ]);
});

test("tests in NAME.tests.json beside a pipeline count with those in it", async () => {
  const { code, out } = await runBranchy(HALF, REST);
  assert.equal(code, 0, out);
  assert.match(out, /✓ 3 tests passed, 0 failed/);
  assert.match(out, /coverage: 10 of 11/);
  assert.equal((await runBranchy([], REST)).code, 0);
  const wrong = await runBranchy(HALF, [{ name: "no input" }]);
  assert.equal(wrong.code, 1);
  assert.match(wrong.out, /branchy\.tests\.json:1:\d+ \/tests\/0: the key "input" is missing/);
});

test("--min-coverage fails a pipeline whose tests take too little of it, and --json says what they do not take", async () => {
  assert.equal((await runBranchy(HALF, undefined, { minCoverage: 54 })).code, 0);
  const low = await runBranchy(HALF, undefined, { minCoverage: 55 });
  assert.equal(low.code, 1);
  assert.match(low.out, /✗ 1 test passed, 0 failed, 1 pipeline below 55 % coverage/);
  const { out } = await runBranchy(HALF, REST, { json: true });
  const last = JSON.parse(out.trimEnd().split("\n").at(-1)!) as {
    coverage: { branches: number; taken: number; missing: object[] };
  };
  assert.deepEqual([last.coverage.branches, last.coverage.taken], [11, 10]);
  assert.deepEqual(
    last.coverage.missing.map((each) => ({ ...each, file: "" })),
    [{ stage: "1 upper", branch: "an event fails (on_error: drop)", file: "", line: 5, column: 4 }],
  );
});
