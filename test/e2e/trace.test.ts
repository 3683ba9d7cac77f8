import assert from "node:assert/strict";
import { appendFile, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import type { DiffSummary } from "../../src/cli/diff-summary.ts";
import type { Trace } from "../../src/cli/trace/trace.ts";
import { startAgent, waitFor, wiretail, writeHost } from "../support/e2e.ts";
import { folderInUse } from "../support/folders.ts";

const LINES = [
  JSON.stringify({ message: "fine", level: "info" }),
  JSON.stringify({ message: "noise", level: "debug" }),
  "broken",
  JSON.stringify({ message: "only here", level: "audit" }),
];
const OFFSETS = LINES.map((_, i) => LINES.slice(0, i).reduce((sum, line) => sum + Buffer.byteLength(line) + 1, 0));

async function start(t: TestContext) {
  let end = (): Promise<unknown> => Promise.resolve();
  const folder = await folderInUse(t, () => end());
  const log = join(folder, "app.log");
  await writeFile(log, LINES.map((line) => `${line}\n`).join(""));
  const host = await writeHost(folder, {
    sources: { app: { type: "file", include: [`${log}*`], start_at: "beginning" } },
    pipelines: {
      app: {
        from: ["app"],
        stages: [
          { parse_json: { on_error: "dead_letter" } },
          { filter: { drop: "level: debug" } },
          { route: { rules: [{ when: "level: audit", to: ["here"] }] } },
        ],
        to: ["here", "es"],
      },
    },
    sinks: {
      here: { type: "local", path: join(folder, "store"), batch: { max_age_ms: 50 } },
      // Nobody listens there.
      es: { type: "elasticsearch", nodes: ["http://127.0.0.1:9"], install_template: false },
    },
  });
  const agent = await startAgent(host);
  end = () => agent.kill9();
  await waitFor("the store and the failing sink", async () => {
    const { sinks, dead_letters } = await agent.status();
    const [here, es] = sinks;
    return here!.delivered_events === 2 && es!.state !== "working" && dead_letters.letters === 1;
  });
  // The checkpoint is written once a second.
  await waitFor("the checkpoint", async () => {
    const text = await readFile(join(folder, "state/checkpoints.json"), "utf8").catch(() => "");
    const { partitions = {} } = JSON.parse(text || "{}") as {
      partitions?: Record<string, { routes: Record<string, [number]> }>;
    };
    return Object.values(partitions).some(({ routes }) => Object.values(routes).some(([position]) => position > 100));
  });
  const stored = await wiretail(["search", "-c", host, "--json", "fine"]);
  const { _id: first } = JSON.parse(stored.stdout) as { _id: string };
  const idAt = (line: number): string => first.replace(/\d+$/, String(OFFSETS[line]!));
  const trace = async (line: number): Promise<Trace> => {
    const { code, stdout, stderr } = await wiretail(["search", "-c", host, "--trace", idAt(line), "--json"]);
    assert.equal(code, 0, stderr);
    return JSON.parse(stdout) as Trace;
  };
  return { folder, log, host, agent, idAt, trace };
}

const verdicts = (trace: Trace): Record<string, string> =>
  Object.fromEntries(trace.sinks.map(({ sink, verdict }) => [sink, verdict]));

test("the journey of an event: its line, each stage, and what every sink has of it", async (t) => {
  const { log, trace, agent } = await start(t);
  const fine = await trace(0);
  assert.deepEqual(
    [fine.read.source, fine.read.path, fine.read.offset, fine.read.line, fine.read.line_from],
    ["app", log, 0, LINES[0], "file"],
  );
  assert.deepEqual(
    fine.stages?.map(({ stage, result }) => `${stage}: ${result}`),
    ["1 parse_json: changed", "2 filter: unchanged", "3 route: unchanged"],
  );
  assert.deepEqual(verdicts(fine), { here: "delivered", es: "waiting" });
  assert.match(fine.sinks[1]!.detail, /the sink is (retrying|holding): .*events wait for it, \d+ were sent again/);
  assert.deepEqual(fine.stored?.differences, []);
  const noise = await trace(1);
  assert.equal(noise.stages?.at(-1)?.result, "left_out");
  assert.deepEqual(verdicts(noise), { here: "not_for_it", es: "not_for_it" });
  assert.match(noise.sinks[0]!.detail, /left out by stage 2 filter \(recomputed\)/);
  const broken = await trace(2);
  assert.equal(broken.stages?.[0]?.result, "dead_letter");
  assert.deepEqual(verdicts(broken), { here: "dead_letter", es: "dead_letter" });
  assert.equal(broken.dead_letters[0]?.letter.original, "broken");
  const audit = await trace(3);
  assert.deepEqual(verdicts(audit), { here: "delivered", es: "not_for_it" });
  assert.match(audit.sinks[1]!.detail, /routed to others: here/);
  await agent.kill9();
});

test("a file that was rotated is found again; one that is gone is said to be, and what is left is shown", async (t) => {
  const { folder, log, trace, host, idAt } = await start(t);
  await rename(log, `${log}.1`);
  const rotated = await trace(0);
  assert.deepEqual([rotated.read.path, rotated.read.line], [`${log}.1`, LINES[0]]);
  await rename(`${log}.1`, join(folder, "away"));
  await writeFile(join(folder, "away"), "");
  const gone = await trace(0);
  assert.equal(gone.read.line, null);
  assert.match(gone.read.unknown.join(), /is gone, or another file by now/);
  assert.equal(verdicts(gone)["here"], "delivered");
  const broken = await trace(2);
  assert.deepEqual([broken.read.line, broken.read.line_from], ["broken", "dead_letter"]);
  const text = await wiretail(["search", "-c", host, "--trace", idAt(0)]);
  assert.match(
    text.stdout,
    /READ[^]*! .* is gone[^]*STAGES of app {2}recomputed now[^]*SINKS\n {2}here {2}✓ delivered/,
  );
  assert.doesNotMatch(text.stdout, /\u001b/);
});

test("an id of nothing is refused with what an id is, and a place where no event begins is no event", async (t) => {
  const { host, idAt } = await start(t);
  for (const wrong of ["nope", "aaaaaaaaaaaaaaaa.bbbb.1"])
    assert.equal((await wiretail(["search", "-c", host, "--trace", wrong])).code, 2);
  assert.equal((await wiretail(["search", "--trace", idAt(0)])).code, 2);
  const between = await wiretail(["search", "-c", host, "--trace", idAt(0).replace(/\d+$/, "3"), "--json"]);
  const trace = JSON.parse(between.stdout) as Trace;
  assert.match(trace.read.unknown.join(), /no line begins at byte 3/);
  assert.deepEqual(verdicts(trace), { here: "unknown", es: "unknown" });
});

test("check --diff compares with what the agent really read, the left out and refused included", async (t) => {
  const { folder, host, log } = await start(t);
  await appendFile(log, "half a line");
  const after = join(folder, "new.json");
  const text = await readFile(host, "utf8");
  await writeFile(after, text.replace("level: debug", "level: info"));
  const { code, stdout, stderr } = await wiretail(["check", "--diff", host, after, "--json"]);
  assert.equal(code, 1, stderr);
  const { events, same, changes } = JSON.parse(stdout) as DiffSummary;
  assert.deepEqual([events, same], [4, 2]);
  assert.deepEqual(
    changes.map(({ what, count }) => `${count} ${what}`),
    ["1 sent → left out by 2 filter", "1 left out by 2 filter → sent"],
  );
  assert.equal((await wiretail(["check", "--diff", host, host])).code, 0);
  assert.equal((await wiretail(["check", "--diff", host])).code, 2);
});
