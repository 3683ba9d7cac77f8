import assert from "node:assert/strict";
import { appendFile, mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { AgentProcess, startAgent, touch, waitFor, writeHost, type AgentProcessOptions } from "../support/e2e.ts";
import { temporaryFolder } from "../support/folders.ts";
import { buildMutant } from "../support/mutant.ts";
import { randomBelow } from "../support/random.ts";

const KEYS = 7;

/** Appends lines whose times go on by 5 ms each, but for up to three seconds back and forth: many come late. */
class Traffic {
  readonly #path: string;
  count = 0;
  constructor(path: string) {
    this.#path = path;
  }
  async write(lines: number): Promise<void> {
    let text = "";
    for (let i = 0; i < lines; i++, this.count++) {
      const at = new Date(Date.UTC(2026, 10, 21, 10) + this.count * 5 + ((this.count * 7919) % 3000)).toISOString();
      text += JSON.stringify({ n: this.count, "@timestamp": at, key: this.count % KEYS }) + "\n";
    }
    await appendFile(this.#path, text);
  }
}

interface Sums {
  count: number;
  sum: number;
}

/** What the metric events in a file say for each key, all intervals together; and how many of them there are. */
async function sumsIn(path: string): Promise<{ sums: Sums[]; documents: number }> {
  const sums = Array.from({ length: KEYS }, (): Sums => ({ count: 0, sum: 0 }));
  const text = await readFile(path, "utf8").catch(() => "");
  let documents = 0;
  for (const line of text.split("\n")) {
    if (line === "") continue;
    const { key, metrics } = JSON.parse(line) as { key: number; metrics?: Sums };
    // The events themselves, where they are kept.
    if (metrics === undefined) continue;
    documents++;
    sums[key]!.count += metrics.count;
    sums[key]!.sum += metrics.sum;
  }
  return { sums, documents };
}

function expectedSums(lines: number): Sums[] {
  return Array.from({ length: KEYS }, (_, key) => {
    let [count, sum] = [0, 0];
    for (let n = key; n < lines; n += KEYS) {
      count++;
      sum += n;
    }
    return { count, sum };
  });
}

/** Writes lines while the agent is killed again and again, then lets it end, and returns what came out. */
async function killed(t: TestContext, kills: number, seed: number, options: AgentProcessOptions = {}) {
  const random = randomBelow(seed);
  const folder = await temporaryFolder(t);
  await mkdir(join(folder, "in"));
  const input = join(folder, "in/app.log");
  await touch(input);
  const traffic = new Traffic(input);
  const out = ["one", "two"].map((name) => join(folder, `out/${name}.ndjson`));
  // The second one has inputs read again after each kill.
  const sink = (path: string, i: number) => ({ type: "file", path, batch: { max_age_ms: i === 0 ? 20 : 1500 } });
  const stages = [
    { parse_json: {} },
    {
      rollup: {
        ...{ interval_seconds: 1, by: ["key"], documents: "group", allowed_lateness_seconds: 0, keep_events: true },
        metrics: { count: { type: "count" }, sum: { type: "sum", field: "n" } },
      },
    },
    // What a stage behind it does is done to its events, too.
    { set: { fields: { "labels.made": true } } },
  ];
  const config = await writeHost(folder, {
    sources: { app: { type: "file", include: [input], start_at: "beginning" } },
    pipelines: { main: { from: ["app"], stages, to: ["one", "two"] } },
    sinks: { one: sink(out[0]!, 0), two: sink(out[1]!, 1) },
  });
  let agent = await startAgent(config, options);
  try {
    for (let kill = 0; kill < kills; kill++) {
      const until = Date.now() + 300 + random(2200);
      while (Date.now() < until) {
        await traffic.write(150 + random(300));
        await sleep(20);
      }
      await agent.kill9();
      await traffic.write(200);
      agent = await startAgent(config, options);
    }
    if (options.command === undefined) assert.equal(await agent.stop(), 0, agent.stderr);
    else await agent.kill9();
    // The end of all input: what is open is finished.
    agent = new AgentProcess(config, { ...options, args: ["--once"] });
    assert.equal(await agent.ended(), 0, agent.stderr);
  } finally {
    await agent.kill9();
  }
  const found = await Promise.all(out.map((path) => sumsIn(path)));
  return { found, expected: expectedSums(traffic.count), lines: traffic.count, stderr: agent.stderr };
}

test("rollup: after ten kill -9 at random points every line is counted once, at every sink", async (t) => {
  const { found, expected, lines } = await killed(t, 10, 41);
  t.diagnostic(`${lines} lines, ${found[0]!.documents} metric events`);
  for (const { sums, documents } of found) {
    assert.deepEqual(sums, expected);
    assert.ok(documents > 50);
  }
});

const MUTANTS = [
  {
    what: "forgets which events it has counted",
    file: "stages/rollup/rollup.js",
    from: "this.#positions.load(saved.positions)",
    to: "void saved.positions",
  },
  {
    what: "forgets what waits to be sent",
    file: "runtime/kept-stages.js",
    from: "waiting: [...made.waiting]",
    to: "waiting: []",
  },
];

for (const { what, file, from, to } of MUTANTS) {
  test(`rollup: that test finds an agent that ${what}`, async (t) => {
    const command = [process.execPath, await buildMutant(t, [{ file: `src/${file}`, from, to }])];
    for (let seed = 1; seed <= 4; seed++) {
      const { found, expected } = await killed(t, 6, seed, { command });
      if (found.some(({ sums }) => JSON.stringify(sums) !== JSON.stringify(expected))) return;
    }
    assert.fail("no run found it");
  });
}

test("rollup: a changed stage gives what it had gathered, and a reload counts nothing twice", async (t) => {
  const folder = await temporaryFolder(t);
  await mkdir(join(folder, "in"));
  const input = join(folder, "in/app.log");
  await touch(input);
  const traffic = new Traffic(input);
  const out = join(folder, "out/one.ndjson");
  const write = (by: string[], maxAgeMs: number) =>
    writeHost(folder, {
      sources: { app: { type: "file", include: [input], start_at: "beginning" } },
      pipelines: {
        main: {
          from: ["app"],
          stages: [
            { parse_json: {} },
            {
              rollup: {
                ...{ interval_seconds: 3600, by, documents: "group" },
                metrics: { count: { type: "count" }, sum: { type: "sum", field: "n" } },
              },
            },
          ],
          to: ["one"],
        },
      },
      sinks: { one: { type: "file", path: out, batch: { max_age_ms: maxAgeMs } } },
    });
  const config = await write(["key"], 20);
  let agent = await startAgent(config);
  const taken = async (events: number): Promise<void> => {
    await waitFor("the lines", async () => (await agent.status()).pipelines[0]!.in_events >= events, {
      explain: () => agent.stderr,
    });
  };
  try {
    await traffic.write(700);
    await taken(700);
    // Another sink object: the pipeline is made anew, and its stage goes on.
    await write(["key"], 30);
    await agent.reload();
    await traffic.write(300);
    await taken(300);
    assert.equal((await agent.status()).pipelines[0]!.stages[1]!.own!["open_groups"], KEYS);
    assert.equal(await agent.stop(), 0, agent.stderr);
    assert.equal((await sumsIn(out)).documents, 0);
    // Over a restart: other options.
    await write(["key", "log.file.path"], 30);
    agent = await startAgent(config);
    await waitFor("what it had gathered", async () => (await sumsIn(out)).documents === KEYS);
    assert.deepEqual((await sumsIn(out)).sums, expectedSums(1000));
    await traffic.write(400);
    await taken(400);
    // And while it runs.
    await write(["key"], 30);
    await agent.reload();
    await waitFor("the rest", async () => (await sumsIn(out)).documents === 2 * KEYS);
    assert.equal(await agent.stop(), 0, agent.stderr);
  } finally {
    await agent.kill9();
  }
  assert.deepEqual((await sumsIn(out)).sums, expectedSums(1400));
});
