import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { WIRETAIL, wiretail, writeHost } from "../support/e2e.ts";
import { temporaryFolder } from "../support/folders.ts";
import { TestTerminal, withoutTmux } from "../support/terminal.ts";

// tail, tap and top have tests of their own: they live on the screen. These print, and end.
const COLUMNS = 100;
const ESCAPE = /\u001b\[/;

const quoted = (args: readonly string[]): string => args.map((arg) => `'${arg}'`).join(" ");

/** Runs a command on a terminal, gives what is on the screen when it has ended, and checks that lines fit. */
async function onTerminal(t: TestContext, args: readonly string[], exitCode = 0): Promise<string> {
  const command = `"${process.execPath}" "${WIRETAIL}" ${quoted(args)}`;
  const terminal = await TestTerminal.open(t, command, { columns: COLUMNS, rows: 40 });
  await terminal.until(/exit=\d/);
  const plain = await terminal.screen();
  assert.match(plain, new RegExp(`exit=${exitCode}`), plain);
  return terminal.screen(true);
}

/** The same command piped: the same words and no escape sequences. */
async function piped(args: readonly string[], exitCode = 0): Promise<string> {
  const { code, stdout, stderr } = await wiretail(args, { env: { NO_COLOR: "" } });
  assert.equal(code, exitCode, stderr);
  assert.doesNotMatch(stdout + stderr, ESCAPE);
  return stdout;
}

/** A folder with a log, and its events in a store. */
async function withStore(t: TestContext): Promise<{ folder: string; log: string; host: string }> {
  const folder = await temporaryFolder(t);
  const log = join(folder, "app.log");
  const lines = ["first", "ERROR the disk is full", "third"].map((message, i) =>
    JSON.stringify({ time: `2026-11-21T10:00:0${i}.000Z`, level: i === 1 ? "error" : "info", message }),
  );
  await writeFile(log, `${lines.join("\n")}\n`);
  const host = await writeHost(folder, {
    sources: { app: { type: "file", include: [log] } },
    pipelines: { app: { from: ["app"], stages: [{ use: "json-lines" }], to: ["here"] } },
    sinks: { here: { type: "local", path: join(folder, "store") } },
  });
  const { code, stderr } = await wiretail(["run", "-c", host, "--once"]);
  assert.equal(code, 0, stderr);
  return { folder, log, host };
}

test("on a terminal init asks one question, explains a wrong answer, and writes what check accepts", async (t) => {
  const skip = await withoutTmux();
  if (skip !== false) return void t.skip(skip);
  const file = join(await temporaryFolder(t), "host.json");
  const command = `"${process.execPath}" "${WIRETAIL}" init -o "${file}"`;
  const terminal = await TestTerminal.open(t, command, { columns: COLUMNS, rows: 45 });
  await terminal.until(/Ship them elsewhere, too\?[^]*Enter for no:/);
  await terminal.press("ftp://logs.example", "Enter");
  await terminal.until(/nothing is known of ftp:[^]*Enter for no:/);
  await terminal.press("Enter");
  await terminal.until(/is written, and right[^]*exit=0/);
  assert.match(await readFile(file, "utf8"), /"sinks"/);
  await piped(["check", file]);
});

test("search marks what matched on a terminal, and says the same without colours in a pipe", async (t) => {
  const skip = await withoutTmux();
  if (skip !== false) return void t.skip(skip);
  const { host } = await withStore(t);
  const around = ["search", "-c", host, "--utc", "disk", "-C", "1"];
  const text = await piped(around);
  for (const word of ["first", "the disk is full", "third"]) assert.match(text, new RegExp(word));
  assert.match(await onTerminal(t, around), /first[^]*\u001b\[[\d;]*m[^]*disk[^]*third/);
  const [event] = (await piped(["search", "-c", host, "disk", "--json"])).trim().split("\n");
  const { _id: id } = JSON.parse(event!) as { _id: string };
  for (const args of [["--trace", id], ["--id", id], ["--histogram"], ["--top", "log.level"]]) {
    const full = ["search", "-c", host, "--utc", ...args];
    const words = (await piped(full)).trim().split(/\s+/).slice(0, 2);
    const screen = await onTerminal(t, full);
    for (const word of words) assert.ok(screen.includes(word), `${args[0]!}: "${word}" in\n${screen}`);
  }
});

test("check --diff and test show on a terminal what they say in a pipe", async (t) => {
  const skip = await withoutTmux();
  if (skip !== false) return void t.skip(skip);
  const { folder, host, log } = await withStore(t);
  const next = join(folder, "next.json");
  const before = JSON.parse(await readFile(host, "utf8")) as { pipelines: { app: { stages: object[] } } };
  before.pipelines.app.stages.push({ set: { fields: { "labels.team": "shop" } } });
  await writeFile(next, JSON.stringify(before));
  const diff = ["check", "--diff", host, next, "--sample", log];
  // Like diff: 1 when something is different.
  assert.match(await piped(diff, 1), /labels\.team/);
  assert.match(await onTerminal(t, diff, 1), /\u001b\[[\d;]*m[^]*labels\.team/);
  const shipped = ["test", "pipelines/nginx-access.json"];
  assert.match(await piped(shipped), /nginx-access/);
  assert.match(await onTerminal(t, shipped), /\u001b\[[\d;]*m[^]*nginx-access|nginx-access[^]*\u001b\[/);
});
