import assert from "node:assert/strict";
import { mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { wiretail } from "../support/e2e.ts";
import { temporaryFolder } from "../support/folders.ts";

test("init writes a host file that check accepts, asks nothing off a terminal, and says what comes next", async (t) => {
  const file = join(await temporaryFolder(t), "new/host.json");
  const { code, stdout, stderr } = await wiretail(["init", "--output", file]);
  assert.deepEqual([code, stdout], [0, ""], stderr);
  assert.match(stderr, /is written, and right\. Next:\n {2}wiretail check .*\n {2}wiretail run -c /);
  const checked = await wiretail(["check", file]);
  assert.equal(checked.code, 0, checked.stdout);
  assert.match(await readFile(file, "utf8"), /^\/\/ Made by wiretail init/);
  assert.equal((await stat(file)).mode & 0o777, 0o640);
});

test("init replaces no file unless it is told to", async (t) => {
  const file = join(await temporaryFolder(t), "host.json");
  await writeFile(file, "mine");
  const refused = await wiretail(["init", "--output", file, "--yes"]);
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /is there already.*\nhint: .*--force/);
  assert.equal(await readFile(file, "utf8"), "mine");
  assert.equal((await wiretail(["init", "--output", file, "--yes", "--force"])).code, 0);
});

test("init --output - shows the file, with where to ship to, and keeps passwords out of it", async (t) => {
  const folder = await temporaryFolder(t);
  const args = ["init", "--output", "-", "--to", "https://ada:s3cret@es.example.com:9200/logs-app-test"];
  const { code, stdout, stderr } = await wiretail(args);
  assert.equal(code, 0, stderr);
  assert.doesNotMatch(stdout, /s3cret/);
  assert.match(stdout, /"password": \{ "\$env": "ES_PASSWORD" \}/);
  await mkdir(folder, { recursive: true });
  const file = join(folder, "host.json");
  await writeFile(file, stdout);
  assert.equal((await wiretail(["check", file], { env: { ES_PASSWORD: "x" } })).code, 0);
});

test("init refuses an address that it cannot ship to before it looks at anything", async () => {
  const { code, stderr } = await wiretail(["init", "--output", "-", "--to", "kafka://x"]);
  assert.equal(code, 2);
  assert.match(stderr, /hint: give https/);
});
