import assert from "node:assert/strict";
import { appendFile, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import type { DryRun } from "../../src/runtime/replay/dry-run.ts";
import type { LetterSummary } from "../../src/cli/dead-letters-view.ts";
import { startAgent, waitFor, wiretail, writeHost } from "../support/e2e.ts";
import { temporaryFolder } from "../support/folders.ts";

const QUICK = { max_age_ms: 50 };

/** A host whose pipeline takes lines of JSON; `mended` also takes those that begin with "bad". */
async function hostOf(folder: string, mended: boolean): Promise<string> {
  const isBad = { when: "message: bad*" };
  const stages = mended
    ? [
        { parse_regex: { ...isBad, pattern: "^bad (?<n>[0-9]+)$" } },
        { parse_json: { on_error: "dead_letter", when: "not n: *" } },
      ]
    : [{ parse_json: { on_error: "dead_letter" } }];
  return writeHost(folder, {
    sources: { app: { type: "file", include: [join(folder, "in/*.log")] } },
    pipelines: { web: { from: ["app"], to: ["out", "store"], stages } },
    sinks: {
      out: { type: "file", path: join(folder, "out/all.ndjson"), batch: QUICK },
      store: { type: "local", path: join(folder, "store"), batch: QUICK },
    },
  });
}

/** Writes numbered lines, every tenth of which no stage can parse; returns how many are bad. */
async function writeLines(folder: string, count: number): Promise<number> {
  await writeFile(join(folder, "in/app.log"), "", { flag: "a" });
  let text = "";
  let bad = 0;
  for (let n = 0; n < count; n++) {
    if (n % 10 === 3) bad++;
    text += n % 10 === 3 ? `bad ${n}\n` : `{"n":"${n}"}\n`;
  }
  await appendFile(join(folder, "in/app.log"), text);
  return bad;
}

async function numbersOf(t: TestContext, file: string): Promise<number[]> {
  const text = await readFile(file, "utf8").catch(() => "");
  t.diagnostic(`${file}: ${text.length} bytes`);
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => Number((JSON.parse(line) as { n: string }).n))
    .sort((a, b) => a - b);
}

async function listed(host: string, ...args: string[]): Promise<LetterSummary> {
  const { code, stdout, stderr } = await wiretail(["dead-letters", "list", "-c", host, "--json", ...args]);
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout) as LetterSummary;
}

async function begin(t: TestContext): Promise<string> {
  const folder = await temporaryFolder(t);
  const { mkdir } = await import("node:fs/promises");
  await mkdir(join(folder, "in"));
  return folder;
}

test("dead letters of a stage are listed, shown, dry-run, and replayed through the mended pipeline by the running agent, each once", async (t) => {
  const folder = await begin(t);
  const bad = await writeLines(folder, 1000);
  const host = await hostOf(folder, false);
  const agent = await startAgent(host);
  try {
    await waitFor("all is settled", async () => {
      const { sources, sinks } = await agent.status();
      return sources[0]!.lag_bytes === 0 && sinks.every((sink) => sink.delivered_events === 1000 - bad);
    });
    const summary = await listed(host);
    assert.equal(summary.letters, bad);
    assert.deepEqual(summary.by_stage, { "web / 1 parse_json": bad });
    assert.equal((await listed(host, "message: bad and not message: *13")).letters, bad - 11);
    const shown = await wiretail(["dead-letters", "show", "-c", host, 'message: "bad 993"']);
    assert.match(shown.stdout, /original +bad 993\n/);
    assert.match(shown.stdout, /did not reach +out, store\n/);
    assert.match(shown.stdout, /reason +parse_json: /);

    const before = await wiretail(["dead-letters", "replay", "-c", host, "--json"]);
    assert.equal(before.code, 1);
    assert.deepEqual((JSON.parse(before.stdout) as DryRun).outcomes, {
      ...{ deliver: 0, fails: bad, left_out: 0, impossible: 0 },
    });
    await hostOf(folder, true);
    await agent.reload();
    const dry = await wiretail(["dead-letters", "replay", "-c", host, "--json"]);
    assert.equal(dry.code, 0, dry.stderr);
    const run = JSON.parse(dry.stdout) as DryRun;
    assert.deepEqual(run.outcomes, { deliver: bad, fails: 0, left_out: 0, impossible: 0 });
    assert.deepEqual(run.to, { out: bad, store: bad });
    assert.equal((await listed(host)).letters, bad, "a dry run changes nothing");

    const done = await wiretail(["dead-letters", "replay", "-c", host, "--yes"]);
    assert.equal(done.code, 0, done.stderr + done.stdout);
    assert.match(done.stdout, new RegExp(`${bad} of ${bad} delivered`));
    assert.equal((await listed(host)).letters, 0);
    assert.equal(await agent.stop(), 0);
  } finally {
    await agent.kill9();
  }
  const all = Array.from({ length: 1000 }, (_, n) => n);
  assert.deepEqual(await numbersOf(t, join(folder, "out/all.ndjson")), all);
  assert.deepEqual(await numbersOf(t, join(folder, "store/0000000001.ndjson")), all);
  const ids = (await readFile(join(folder, "store/0000000001.ndjson"), "utf8")).match(/"_id":"[^"]+"/g)!;
  assert.equal(new Set(ids).size, 1000);
});

test("without an agent letters are replayed by the command itself, some, and purged after a yes", async (t) => {
  const folder = await begin(t);
  const bad = await writeLines(folder, 200);
  const once = await wiretail(["run", "--once", "-c", await hostOf(folder, false)]);
  assert.equal(once.code, 1);
  const host = await hostOf(folder, true);
  const some = await wiretail(["dead-letters", "replay", "-c", host, "--apply", 'dead_letter.original: "bad 13"']);
  assert.equal(some.code, 0, some.stderr);
  assert.equal((await listed(host)).letters, bad - 1);
  const unsaid = await wiretail(["dead-letters", "purge", "-c", host, "message: bad"]);
  assert.equal(unsaid.code, 2);
  assert.match(unsaid.stderr, /--yes/);
  assert.equal((await wiretail(["dead-letters", "purge", "-c", host, "--yes"])).code, 2);
  const purged = await wiretail(["dead-letters", "purge", "-c", host, "--yes", 'message: "bad 23"']);
  assert.match(purged.stdout, /^1 dead letters were removed/);
  const rest = await wiretail(["dead-letters", "replay", "-c", host, "--apply"]);
  assert.equal(rest.code, 0, rest.stderr);
  assert.equal((await listed(host)).letters, 0);
  assert.deepEqual(
    await numbersOf(t, join(folder, "out/all.ndjson")),
    Array.from({ length: 200 }, (_, n) => n).filter((n) => n !== 23),
  );
});

test("a replay cut short by kill -9, again and again, is continued by the next agent: nothing is lost, nothing is doubled", async (t) => {
  const folder = await begin(t);
  const count = 40_000;
  const bad = await writeLines(folder, count);
  const once = await wiretail(["run", "--once", "-c", await hostOf(folder, false)]);
  assert.equal(once.code, 1, once.stderr);
  const host = await hostOf(folder, true);
  let agent = await startAgent(host);
  try {
    const begun = await wiretail(["dead-letters", "replay", "-c", host, "--yes", "--no-wait"]);
    assert.equal(begun.code, 0, begun.stderr);
    let continued = 0;
    for (let kills = 0; kills < 5; kills++) {
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 150));
      await agent.kill9();
      agent = await startAgent(host);
      if (agent.stderr.includes("continuing a replay")) continued++;
    }
    t.diagnostic(`continued ${continued} times`);
    assert.ok(continued > 0);
    await waitFor("the letters are gone", async () => (await listed(host)).letters === 0, {
      withinMs: 60_000,
      explain: () => agent.stderr,
    });
    assert.equal(await agent.stop(), 0);
  } finally {
    await agent.kill9();
  }
  assert.ok(bad === count / 10);
  const all = Array.from({ length: count }, (_, n) => n);
  assert.deepEqual(await numbersOf(t, join(folder, "out/all.ndjson")), all);
  assert.deepEqual(await numbersOf(t, join(folder, "store/0000000001.ndjson")), all);
});
