import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { loadConfig } from "../../src/runtime/config/load.ts";
import { formatProblem } from "../../src/runtime/config/problems.ts";
import { components } from "../unit/runtime/config/fake-components.ts";
import { FUZZ_MS } from "../support/fuzz.ts";

async function loadTexts(host: string, other: string) {
  return loadConfig("host.json", {
    components,
    env: { KEY: "value" },
    shippedFolder: "shipped",
    readFile: (path) => {
      if (path === "host.json") return host;
      if (path === "conf.d/a.json" || path === "shipped/a.json" || path === "a.json") return other;
      throw Object.assign(new Error("ENOENT"), { code: "ENOENT" });
    },
    readDir: (path) => (path === "shipped" || path === "conf.d" ? ["a.json"] : []),
  });
}

async function holds(host: string, other: string): Promise<void> {
  const { config, problems } = await loadTexts(host, other);
  const errors = problems.filter((problem) => problem.severity === "error");
  assert.equal(config === undefined, errors.length > 0, "a configuration or errors, never both and never neither");
  for (const problem of problems) {
    const { line, column, file } = problem.location;
    assert.ok(line >= 1 && column >= 1, "a problem has a place");
    const text = file === "host.json" ? host : other;
    assert.ok(line <= text.split("\n").length, "the place is in the file");
    assert.doesNotMatch(formatProblem(problem).replace("\n  hint: ", ""), /[\u0000-\u001f]/);
  }
}

// Words that lead deep into the loader, between arbitrary ones.
const word = fc.oneof(
  fc.constantFrom(
    "type",
    "tail",
    "server",
    "disk",
    "label",
    "include",
    "from",
    "to",
    "stages",
    "use",
    "when",
    "on_error",
    "keep",
    "a",
    "./a.json",
    "$env",
    "$file",
    "KEY",
    "field",
    "value",
    "copy",
    "batch",
    "max_events",
    "http",
    "log",
    "level",
    "__proto__",
    "constructor",
    "toString",
    "",
    "name",
    "tests",
    "input",
    "expect",
  ),
  fc.string(),
);
const leaf = fc.oneof(word, fc.integer(), fc.double(), fc.boolean(), fc.constant(null));
const tree = fc.letrec((tie) => ({
  any: fc.oneof({ depthSize: "small", withCrossShrink: true }, leaf, tie("object"), tie("list")),
  list: fc.array(tie("any"), { maxLength: 4 }),
  object: fc.dictionary(word, tie("any"), { maxKeys: 5 }),
})).any;
const section = fc.dictionary(word, tree, { maxKeys: 3 });
const host = fc.record(
  {
    sources: section,
    pipelines: section,
    sinks: section,
    log: tree,
    http: tree,
    state_dir: tree,
    memory_budget_bytes: tree,
    $schema: tree,
  },
  { requiredKeys: [] },
);

test("any JSON as a configuration gives a configuration or problems with a place, and never throws", async () => {
  await fc.assert(
    fc.asyncProperty(host, tree, async (a, b) => holds(JSON.stringify(a), JSON.stringify(b) ?? "")),
    { interruptAfterTimeLimit: FUZZ_MS / 2, numRuns: 1_000_000 },
  );
});

test("any text as a configuration gives problems with a place, and never throws", async () => {
  const fragment = fc.constantFrom(
    "{",
    "}",
    "[",
    "]",
    '"',
    ":",
    ",",
    "//",
    "/*",
    "*/",
    "\\",
    "\n",
    '"sources"',
    "null",
    "1e",
    "\ufeff",
    "\u0000",
    "\ud800",
  );
  const text = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.array(fc.oneof(fragment, fc.string()), { maxLength: 40 }).map((parts) => parts.join("")),
  );
  await fc.assert(fc.asyncProperty(text, text, holds), {
    interruptAfterTimeLimit: FUZZ_MS / 2,
    numRuns: 1_000_000,
  });
});

test("a file that nests without end is refused", async () => {
  for (const opening of ["[", '{"a":']) await holds(opening.repeat(200_000), "{}");
  await holds(`{"sources":${"[".repeat(5000)}${"]".repeat(5000)}}`, "{}");
});
