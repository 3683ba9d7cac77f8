import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { NumberedWriter, startAgent, WIRETAIL, wiretail, writeHost, type AgentProcess } from "../support/e2e.ts";
import { folderInUse } from "../support/folders.ts";
import { TestTerminal, withoutTmux } from "../support/terminal.ts";

async function start(t: TestContext): Promise<{ host: string; agent: AgentProcess }> {
  let end = (): Promise<unknown> => Promise.resolve();
  const folder = await folderInUse(t, () => end());
  const writer = new NumberedWriter(join(folder, "app.log"));
  const host = await writeHost(folder, {
    sources: { app: { type: "file", include: [writer.path] } },
    pipelines: { app: { from: ["app"], stages: [{ filter: { drop: "message: *7*" } }], to: ["out"] } },
    sinks: { out: { type: "file", path: join(folder, "out.ndjson"), batch: { max_age_ms: 50 } } },
  });
  const agent = await startAgent(host);
  writer.start(5, 20);
  end = () => Promise.all([writer.stop(), agent.kill9()]);
  return { host, agent };
}

test("piped, top prints one table with rates, or its rows as JSON", async (t) => {
  const { host, agent } = await start(t);
  const table = await wiretail(["top", "-c", host]);
  assert.equal(table.code, 0, table.stderr);
  assert.doesNotMatch(table.stdout, /\u001b/);
  assert.match(table.stdout, /^NAME +STATE +IN\/s/m);
  assert.match(table.stdout, /^app \(source, file\) +✓ running +[1-9]/m);
  assert.match(table.stdout, /^ {4}1 filter +[\d,.]+ +[\d,.]+ +.*\d+/m);
  const json = await wiretail(["top", "-c", host, "--json", "--filter", "sink", "-i", "0.5"]);
  const rows = json.stdout
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as { point: string; out_per_second: number });
  assert.deepEqual(
    rows.map(({ point }) => point),
    ["sink:out"],
  );
  assert.ok(rows[0]!.out_per_second > 0);
  for (const wrong of [
    ["--sort", "size"],
    ["-i", "0"],
  ])
    assert.equal((await wiretail(["top", "-c", host, ...wrong])).code, 2);
  await agent.kill9();
  assert.equal((await wiretail(["top", "-c", host])).code, 3);
});

test("on a terminal the table lives, obeys its keys, and gives the screen back", async (t) => {
  const skip = await withoutTmux();
  if (skip !== false) return void t.skip(skip);
  const { host, agent } = await start(t);
  const top = `"${process.execPath}" "${WIRETAIL}" top -c "${host}" -i 0.3`;
  const terminal = await TestTerminal.open(t, top, { columns: 110, rows: 14 });
  await terminal.until(/app \(source, file\) +✓ running +[1-9][^]*1 filter[^]*out \(sink, file\) +✓ working/);
  assert.equal(await terminal.state("alternate_on"), "1");
  assert.equal(await terminal.state("cursor_flag"), "0");
  await terminal.press("s");
  await terminal.until(/sorted by rate/);
  await terminal.press("/", "s", "i", "n", "k", "Enter");
  assert.doesNotMatch(await terminal.until(/filter "sink"/), /1 filter/);
  await terminal.press("Escape");
  await terminal.until(/1 filter/);
  await terminal.press("?");
  await terminal.until(/this help, and back/);
  await terminal.press("?", "Space");
  await terminal.until(/paused/);
  await terminal.press("Space");
  await terminal.resize(44, 6);
  await terminal.until(/^NAME +IN\/s +OUT\/s( +TREND)? *$/m);
  await terminal.resize(110, 14);
  await terminal.until(/LAG\/QUEUE/);
  // Enter taps the marked row; Ctrl-C comes back to the table.
  await terminal.press("Enter");
  await terminal.until(/the quick brown fox[^]*matched =/);
  await terminal.press("C-c");
  await terminal.until(/sorted by/);
  await agent.kill9();
  await terminal.until(/✗ the last numbers, because no agent answers/);
  await terminal.press("q");
  // What stood there before the table: what the tap had printed.
  await terminal.until(/matched = [^]*exit=0/);
  assert.equal(await terminal.state("alternate_on"), "0");
  assert.equal(await terminal.state("cursor_flag"), "1");
});

test("a top that is ended from outside gives the screen back too", async (t) => {
  const skip = await withoutTmux();
  if (skip !== false) return void t.skip(skip);
  const { host } = await start(t);
  const top = `"${process.execPath}" "${WIRETAIL}" top -c "${host}"`;
  const terminal = await TestTerminal.open(t, top);
  await terminal.until(/q quit/);
  const shell = await terminal.state("pane_pid");
  const [pid = ""] = (await readFile(`/proc/${shell}/task/${shell}/children`, "utf8")).split(" ");
  process.kill(Number(pid), "SIGTERM");
  await terminal.until(/exit=0/);
  assert.equal(await terminal.state("alternate_on"), "0");
  assert.equal(await terminal.state("cursor_flag"), "1");
});
