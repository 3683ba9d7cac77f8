import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cp, readFile, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { test, type TestContext } from "node:test";
import { WIRETAIL } from "../support/e2e.ts";
import { temporaryFolder } from "../support/folders.ts";

const BUNDLE = "dist/bundle/wiretail.cjs";
const HELP = "Ships logs: tails files";

interface Ended {
  readonly code: number | string;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program with Node's flags as the launcher's first line has them. */
async function launch(program: string, ...args: string[]): Promise<Ended> {
  const [shebang = ""] = (await readFile(WIRETAIL, "utf8")).split("\n");
  const flags = shebang.split(" ").filter((word) => word.startsWith("--"));
  return new Promise((done) => {
    const env = { ...process.env, NO_COLOR: "1" };
    execFile(process.execPath, [...flags, program, ...args], { env }, (error, stdout, stderr) => {
      done({ code: error === null ? 0 : (error.code ?? "killed"), stdout, stderr });
    });
  });
}

/** A copy of what is installed, with the bundle changed. Returns its folder. */
async function copyWith(t: TestContext, from: string, to: string): Promise<string> {
  const folder = await temporaryFolder(t);
  for (const part of ["bin", "dist/src", "dist/bundle", "pipelines", "package.json"])
    await cp(resolve(part), join(folder, part), { recursive: true });
  await symlink(resolve("node_modules"), join(folder, "node_modules"));
  const code = await readFile(join(folder, BUNDLE), "latin1");
  assert.equal(code.split(from).length, 2, `the bundle has no longer the one place to change: ${from}`);
  await writeFile(
    join(folder, BUNDLE),
    code.replace(from, () => to),
    "latin1",
  );
  return folder;
}

test("a start takes the code cache that the build made", async () => {
  const { code, stderr } = await launch("scripts/code-cache.mjs", "check");
  assert.equal(code, 0, stderr);
});

test("what runs is the bundle, and a cache for another text of the same length is not taken", async (t) => {
  const changed = HELP.replace("Ships", "SHIPS");
  const folder = await copyWith(t, HELP, changed);
  const { code, stdout } = await launch(join(folder, "bin/wiretail"), "--help");
  assert.equal(code, 0);
  assert.ok(stdout.includes(changed), stdout);
});

test("without a bundle, and with one that is older than the modules, these run", async (t) => {
  const folder = await copyWith(t, HELP, "old");
  const wiretail = join(folder, "bin/wiretail");
  await writeFile(join(folder, "dist/.tsbuildinfo"), "");
  await utimes(join(folder, BUNDLE), 1, 1);
  assert.ok((await launch(wiretail, "--help")).stdout.includes(HELP));
  await rm(join(folder, "dist/bundle"), { recursive: true });
  assert.ok((await launch(wiretail, "--help")).stdout.includes(HELP));
});

test("a cache that is damaged, cut off or gone costs nothing but time", async (t) => {
  const folder = await copyWith(t, HELP, HELP);
  const cache = join(folder, `${BUNDLE}.cache`);
  const whole = await readFile(cache);
  const damaged = Buffer.from(whole);
  damaged.fill(0xff, whole.length >> 1, (whole.length >> 1) + 1000);
  for (const bytes of [damaged, whole.subarray(0, whole.length >> 1), whole.subarray(0, 40), Buffer.alloc(0)]) {
    await writeFile(cache, bytes);
    assert.equal((await launch(join(folder, "bin/wiretail"), "--version")).code, 0);
  }
  await rm(cache);
  assert.equal((await launch(join(folder, "bin/wiretail"), "--version")).code, 0);
});

test("a stack trace names modules, not the bundle: with --debug, and when a defect ends the process", async (t) => {
  const missing = await launch(WIRETAIL, "run", "--debug", "--config", "/nowhere/host.json");
  assert.equal(missing.code, 1);
  assert.match(missing.stderr, /at .*dist\/src\/cli\/load-host\.js:\d+:\d+/);
  assert.ok(!missing.stderr.includes(BUNDLE), missing.stderr);

  const defect = 'setTimeout(() => { throw new TypeError("a defect"); }); ';
  const folder = await copyWith(t, "async function main() {", `async function main() { ${defect}`);
  const { code, stderr } = await launch(join(folder, "bin/wiretail"), "test");
  assert.equal(code, 1, stderr);
  assert.match(stderr, /TypeError: a defect\n {4}at .*dist\/src\/cli\/main\.js:\d+:\d+/);
});
