import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { checkEnvironment } from "../../../../src/runtime/config/environment.ts";
import { loadConfig } from "../../../../src/runtime/config/load.ts";
import { components } from "./fake-components.ts";

const folder = mkdtempSync(join(tmpdir(), "wiretail-environment-"));
after(() => rmSync(folder, { recursive: true, force: true }));

mkdirSync(join(folder, "logs/app"), { recursive: true });
writeFileSync(join(folder, "logs/app/a.log"), "");
writeFileSync(join(folder, "a-file"), "");

async function problemsOf(include: string[], stateDir = "state"): Promise<string[]> {
  const file = join(folder, "host.json");
  const sources = { app: { type: "tail", include } };
  const host = {
    state_dir: stateDir,
    sources,
    pipelines: { p: { from: ["app"], to: ["d"] } },
    sinks: { d: { type: "disk", path: "out" } },
  };
  writeFileSync(file, JSON.stringify(host));
  const { config, problems } = await loadConfig(file, { components });
  assert.deepEqual(problems, []);
  return checkEnvironment(config!).map((problem) => `${problem.severity} ${problem.message}`);
}

test("patterns that match files, and a state directory that can still be made, are fine", async () => {
  assert.deepEqual(await problemsOf(["logs/**/*.log", "logs/app/a.log"], "not/yet/there"), []);
});

test("a pattern that matches nothing is a warning, with the nearest folder that exists", async () => {
  assert.deepEqual(await problemsOf(["logs/*.txt"]), [`warning ${join(folder, "logs/*.txt")} matches no file now`]);
  assert.deepEqual(await problemsOf(["lgos/app/*.log"]), [
    `warning ${join(folder, "lgos/app/*.log")} matches no file now: ${join(folder, "lgos")} does not exist; did you mean ${join(folder, "logs")}?`,
  ]);
  assert.deepEqual(await problemsOf(["logs/app"]), [
    `warning ${join(folder, "logs/app")} matches no file now: it is not a file`,
  ]);
});

test("a state directory that is a file, or below one, is an error", async () => {
  const [message] = await problemsOf(["logs/**/*.log"], "a-file");
  assert.match(message!, /^error the state directory .*a-file cannot be used: .*a-file is not a folder/);
  const [below] = await problemsOf(["logs/**/*.log"], "a-file/state");
  assert.match(below!, /^error the state directory .* cannot be /);
});
