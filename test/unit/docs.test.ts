import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { existsSync } from "node:fs";
import { components } from "../../src/cli/components.ts";
import { EXIT_CODES } from "../../src/cli/exit-code.ts";
import { loadConfig } from "../../src/runtime/config/load.ts";
import { loadPipelineFile } from "../../src/runtime/config/pipeline-file.ts";
import { formatProblem } from "../../src/runtime/config/problems.ts";
import { packageRoot } from "../../src/runtime/package-root.ts";
import { runPipelineTests } from "../../src/runtime/pipeline-test.ts";

const docs = join(packageRoot(), "docs");
const folder = mkdtempSync(join(tmpdir(), "wiretail-docs-"));
after(() => rmSync(folder, { recursive: true, force: true }));

/** The blocks of a page that are whole files: those fenced as jsonc. */
function wholeFiles(page: string): string[] {
  const text = readFileSync(join(docs, page), "utf8");
  return [...text.matchAll(/```jsonc\n([\s\S]*?)```/g)].map((match) => match[1]!);
}

test("the host file in the configuration page is valid", async () => {
  const [text] = wholeFiles("configuration.md");
  const file = join(folder, "host.json");
  writeFileSync(file, text!);
  const { config, problems } = await loadConfig(file, { components, env: { ES_API_KEY: "key" } });
  assert.deepEqual(problems.map(formatProblem), []);
  assert.ok(config);
});

test("the pipeline file in the pipelines page is valid and passes its own test", async () => {
  const [text] = wholeFiles("pipelines.md");
  writeFileSync(join(folder, "shop.json"), text!);
  const { pipeline, problems } = await loadPipelineFile("./shop.json", folder, { stages: components.stages });
  assert.deepEqual(problems.map(formatProblem), []);
  const results = runPipelineTests(pipeline!);
  assert.equal(results.length, 1);
  for (const result of results) assert.deepEqual([result.ok, result.differences, result.error], [true, [], undefined]);
});

test("the exit codes in the operations page are those of the code", () => {
  const text = readFileSync(join(docs, "operations.md"), "utf8");
  const codes = [...text.matchAll(/^\| (\d+) +\|/gm)].map((match) => Number(match[1]));
  assert.deepEqual(codes, Object.values(EXIT_CODES));
});

test("links between pages lead somewhere", () => {
  const pages = readdirSync(docs, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".md"));
  const broken: string[] = [];
  for (const page of pages) {
    const text = readFileSync(join(docs, page), "utf8").replaceAll(/```[\s\S]*?```/g, "");
    for (const [, target = ""] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      const path = target.split("#")[0]!;
      if (path === "" || /^[a-z]+:/.test(path)) continue;
      if (!existsSync(join(docs, dirname(page), path))) broken.push(`${page}: ${target}`);
    }
  }
  assert.deepEqual(broken, []);
});

test("files of this repository that pages name are there", () => {
  const root = packageRoot();
  const folders = ["docs", "docs/decisions", "bench/results"];
  const inFolders = folders.flatMap((name) => readdirSync(join(root, name)).map((page) => join(name, page)));
  const pages = [
    "README.md",
    "CONTRIBUTING.md",
    "bench/README.md",
    ...inFolders.filter((name) => name.endsWith(".md")),
  ];
  const missing: string[] = [];
  for (const page of pages) {
    const text = readFileSync(join(root, page), "utf8");
    for (const [, path = ""] of text.matchAll(/`((?:src|test|scripts|bench|bin|pipelines|examples)\/[\w./-]+)`/g)) {
      if (!existsSync(join(root, path))) missing.push(`${page}: ${path}`);
    }
  }
  assert.ok(pages.length > 10, "it looked at the pages");
  assert.deepEqual(missing, []);
});
