import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { chmod } from "node:fs/promises";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import type { TapCounts, TappedEvent } from "../../src/runtime/tap/protocol.ts";
import {
  NumberedWriter,
  startAgent,
  WIRETAIL,
  wiretail,
  waitFor,
  writeHost,
  type AgentProcess,
} from "../support/e2e.ts";
import { folderInUse } from "../support/folders.ts";
import { TestTerminal, withoutTmux } from "../support/terminal.ts";

type JsonLine = ({ type: "event" } & TappedEvent) | ({ type: "counts" } & TapCounts);

/** An agent that follows a file of numbered lines through two stages into a file. */
async function start(t: TestContext): Promise<{ host: string; writer: NumberedWriter; agent: AgentProcess }> {
  let end = (): Promise<unknown> => Promise.resolve();
  const folder = await folderInUse(t, () => end());
  const writer = new NumberedWriter(join(folder, "app.log"));
  const host = await writeHost(folder, {
    sources: { app: { type: "file", include: [writer.path] } },
    pipelines: {
      app: {
        from: ["app"],
        stages: [
          { parse_regex: { pattern: "^line (?<n>\\d+) (?<hash>\\d+) (?<message>.*)$" } },
          { convert: { fields: { n: "integer" } } },
        ],
        to: ["out"],
      },
    },
    sinks: { out: { type: "file", path: join(folder, "out.ndjson"), batch: { max_age_ms: 50 } } },
  });
  const agent = await startAgent(host);
  end = () => Promise.all([writer.stop(), agent.kill9()]);
  return { host, writer, agent };
}

function parsed(stdout: string): JsonLine[] {
  return stdout
    .split("\n")
    .filter(Boolean)
    .map((text) => JSON.parse(text) as JsonLine);
}

test("piped, a tap prints events and counts that add up, and says the counts on standard error", async (t) => {
  const { host, writer, agent } = await start(t);
  writer.start(5, 50);
  const { code, stdout, stderr } = await wiretail(["tap", "app/convert", "-c", host, "--json", "-n", "20"]);
  assert.equal(code, 0, stderr);
  const lines = parsed(stdout);
  const events = lines.flatMap((line) => (line.type === "event" ? [line] : []));
  assert.equal(events.length, 20);
  for (const { event, id, point } of events) {
    assert.equal(typeof event["n"], "number");
    assert.match(id!, /^[\w-]{16}\.[\w-]{4}\.\d+$/);
    assert.equal(point, "app/2 convert");
  }
  const last = lines.at(-1)!;
  assert.ok(last.type === "counts");
  assert.equal(last.matched, last.shown + last.sampled + last.lost);
  assert.equal(last.shown, 20);
  assert.match(stderr, /matched = 20 shown \+ \d+ sampled \+ 0 lost/);
  assert.doesNotMatch(stderr + stdout, /\u001b/);
  const matching = await wiretail(["tap", "-c", host, "-q", "n: *7", "-n", "2", "--utc"]);
  assert.equal(matching.code, 0, matching.stderr);
  assert.equal(matching.stdout.split("\n").filter(Boolean).length, 2);
  assert.match(matching.stderr, /2 matched = 2 shown \+ 0 sampled \+ 0 lost, of [\d,]+ looked at/);
  const sink = await wiretail(["tap", "out", "-c", host, "-n", "1"]);
  assert.match(sink.stdout, /^delivered {2}/);
  await writer.stop();
  assert.equal(await agent.stop(), 0);
});

test("what a slow reader cannot take is lost and counted, and the agent delivers everything meanwhile", async (t) => {
  const { host, writer, agent } = await start(t);
  writer.start(200, 50);
  const child = spawn(process.execPath, [WIRETAIL, "tap", "app", "-c", host, "--json", "--max-per-second", "1000"], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  const ended = new Promise((done) => child.once("close", done));
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
  await waitFor("the first events", () => text.includes('"event"'));
  child.stdout.pause();
  const before = writer.count;
  await waitFor("much more to be written", () => writer.count > before + 16_000, { withinMs: 40_000 });
  child.stdout.resume();
  const lost = (): number =>
    Math.max(
      0,
      ...text
        .split("\n")
        .slice(0, -1)
        .map((line) => JSON.parse(line) as JsonLine)
        .map((line) => (line.type === "counts" ? line.lost : 0)),
    );
  await waitFor("counts with losses", () => lost() > 0, { explain: () => text.slice(-500) });
  child.kill("SIGINT");
  assert.equal(await ended, 130);
  await writer.stop();
  await waitFor("everything to be delivered", async () => {
    const { sinks } = await agent.status();
    return sinks[0]!.delivered_events === writer.count;
  });
  assert.equal(await agent.stop(), 0);
});

test("the reader may close the pipe, and without an agent the way to one is said", async (t) => {
  const { host, writer, agent } = await start(t);
  writer.start(5, 50);
  const child = spawn("sh", ["-c", `"${process.execPath}" "${WIRETAIL}" tap -c "${host}" | head -3`], {
    env: { ...process.env, NO_COLOR: "1" },
  });
  let stdout = "";
  child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  assert.equal(await new Promise((done) => child.once("close", done)), 0);
  assert.equal(stdout.split("\n").length, 4);
  await writer.stop();
  assert.equal(await agent.stop(), 0);
  const none = await wiretail(["tap", "-c", host]);
  assert.equal(none.code, 3);
  assert.match(none.stderr, /hint: start it with: wiretail run/);
});

test("a tap ends with the agent, and says so", async (t) => {
  const { host, writer, agent } = await start(t);
  writer.start(5, 50);
  const tapping = wiretail(["tap", "-c", host, "--seconds", "60"]);
  await waitFor("the tap", async () => (await wiretail(["tap", "-c", host, "-n", "1"])).code === 0);
  await agent.stop();
  const { code, stderr } = await tapping;
  assert.equal(code, 3, stderr);
  assert.match(stderr, /the agent has ended/);
});

test(
  "who may not ask for the status may not tap either",
  { skip: process.getuid?.() !== 0 && "needs root" },
  async (t) => {
    const { host, agent } = await start(t);
    const folder = join(host, "..");
    await chmod(folder, 0o755);
    const run = (command: string): Promise<{ code: number | null; stderr: string }> =>
      new Promise((done) => {
        const args = ["--reuid", "65534", "--regid", "65534", "--clear-groups", process.execPath, WIRETAIL, command];
        const child = spawn("setpriv", [...args, "--state-dir", join(folder, "state")]);
        let stderr = "";
        child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
        child.once("close", (code) => done({ code, stderr }));
      });
    for (const command of ["status", "tap"]) {
      const { code, stderr } = await run(command);
      assert.equal(code, 3, stderr);
      assert.match(stderr, /permission denied|EACCES/);
    }
    await agent.stop();
  },
);

test("on a terminal the counts stay on the last line, and Ctrl-C ends with them", async (t) => {
  const skip = await withoutTmux();
  if (skip !== false) return void t.skip(skip);
  const { host, writer } = await start(t);
  const command = `"${process.execPath}" "${WIRETAIL}" tap app -c "${host}"`;
  const terminal = await TestTerminal.open(t, command, { columns: 100, rows: 12 });
  await terminal.until(/nothing passed here for [3-9] s/);
  writer.start(5, 50);
  const screen = await terminal.until(
    /the quick brown fox[^]*\d+ matched = \d+ shown \+ 0 sampled \+ 0 lost · [\d.]+\/s/,
  );
  assert.match(screen.trimEnd().split("\n").at(-1)!, /matched =/);
  assert.match(await terminal.screen(true), /\u001b\[7m/);
  await terminal.press("C-c");
  const last = await terminal.until(/exit=130/);
  assert.match(last, /matched = [\d,]+ shown \+ [\d,]+ sampled \+ [\d,]+ lost, in [\d.]+ s\nexit=130/);
  assert.equal(last.split("matched =").length, 2, "the line that stayed is gone");
});
