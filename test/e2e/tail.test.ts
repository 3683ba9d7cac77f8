import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { appendFile, mkdtemp, readdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { ElasticsearchDouble } from "../support/doubles/elasticsearch.ts";
import { waitFor, wiretail, WIRETAIL } from "../support/e2e.ts";
import { temporaryFolder } from "../support/folders.ts";

const access = (path: string, status = 200, time = "11/Dec/2019:20:47:14 +0000"): string =>
  `203.0.113.7 - - [${time}] "GET ${path} HTTP/1.1" ${status} 5 "-" "curl/8.5.0"\n`;

/** A running `wiretail tail`; stopped at the end of the test. */
function tail(t: TestContext, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const child = spawn(process.execPath, [WIRETAIL, "tail", ...args], { env: { ...process.env, ...env } });
  const running = {
    child,
    ...{ stdout: "", stderr: "" },
    ended: new Promise<number | string>((done) => child.once("close", (code, signal) => done(code ?? signal ?? ""))),
    async saw(text: string): Promise<void> {
      await waitFor(text, () => running.stdout.includes(text), { explain: () => running.stdout + running.stderr });
    },
  };
  child.stdout.setEncoding("utf8").on("data", (text: string) => (running.stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (running.stderr += text));
  t.after(async () => {
    child.kill("SIGKILL");
    await running.ended;
  });
  return running;
}

test("the last lines of a file are shown as they are, and its format is said on standard error", async (t) => {
  const file = join(await temporaryFolder(t), "access.log");
  const lines = Array.from({ length: 30 }, (_, i) => access(`/page/${i}`));
  await writeFile(file, lines.join(""));
  const { code, stdout, stderr } = await wiretail(["tail", file, "--no-follow"]);
  assert.deepEqual([code, stdout], [0, lines.slice(-10).join("")]);
  assert.match(stderr, /nginx-access \(all 30 lines looked at fit; apache would, too/);
  assert.equal((await wiretail(["tail", file, "--no-follow", "-n", "all"])).stdout, lines.join(""));
  assert.equal((await wiretail(["tail", file, "--no-follow", "-n", "0"])).stdout, "");
});

test("KQL finds fields of a recognised format, --since and --until its times, --json gives the events", async (t) => {
  const file = join(await temporaryFolder(t), "access.log");
  await writeFile(
    file,
    access("/a", 200, "11/Dec/2019:20:00:00 +0000") +
      access("/b", 500, "11/Dec/2019:21:00:00 +0000") +
      access("/c", 404, "11/Dec/2019:22:00:00 +0000"),
  );
  const shown = async (...args: string[]): Promise<string> =>
    (await wiretail(["tail", file, "--no-follow", ...args])).stdout;
  assert.equal(await shown("-q", "http.response.status_code >= 500"), access("/b", 500, "11/Dec/2019:21:00:00 +0000"));
  assert.match(
    await shown("--since", "2019-12-11T20:30:00Z", "--until", "2019-12-11T21:30:00Z"),
    /^[^\n]*\/b [^\n]*\n$/,
  );
  const event = JSON.parse(await shown("--json", "-n", "1")) as { "@timestamp": string; http: { response: object } };
  assert.equal(event["@timestamp"], "2019-12-11T22:00:00.000Z");
  assert.deepEqual((event.http.response as { status_code: number }).status_code, 404);
});

test("what is in several files is shown in the order of time, each line with its file", async (t) => {
  const folder = await temporaryFolder(t);
  const [web, api] = [join(folder, "web.log"), join(folder, "api.log")];
  const at = (second: number): string => `11/Dec/2019:20:47:${String(second).padStart(2, "0")} +0000`;
  const line = (second: number): string => access(`/${second}`, 200, at(second));
  await writeFile(web, [1, 2, 5, 8, 9, 30].map(line).join(""));
  await writeFile(
    api,
    [3, 4, 6, 7, 20]
      .map((second) => `time=2019-12-11T20:47:${String(second).padStart(2, "0")}Z level=info msg=/${second}\n`)
      .join(""),
  );
  const running = tail(t, [web, api]);
  await running.saw("/30");
  const order = [...running.stdout.matchAll(/^(web|api)\.log .*?(?:GET |msg=)\/(\d+)/gm)].map(([, file, second]) => [
    file,
    Number(second),
  ]);
  const expected = [1, 2, 3, 4, 5, 6, 7, 8, 9, 20, 30];
  assert.deepEqual(
    order,
    expected.map((second) => [[3, 4, 6, 7, 20].includes(second) ? "api" : "web", second]),
  );
  await appendFile(api, "time=2019-12-11T20:47:25Z level=info msg=/25\n");
  await running.saw("/25");
  running.child.kill("SIGINT");
  assert.equal(await running.ended, 0, running.stderr);
});

test("a file is followed through rotation, and one that is not there yet is waited for", async (t) => {
  const folder = await temporaryFolder(t);
  const [old, later] = [join(folder, "old.log"), join(folder, "later.log")];
  await writeFile(old, "one\ntwo\n");
  const running = tail(t, [old, later]);
  await running.saw("two");
  await appendFile(old, "three\n");
  await rename(old, `${old}.1`);
  await writeFile(old, "four is in a new file\n");
  await running.saw("four is in a new file");
  await writeFile(later, access("/late"));
  await running.saw("/late");
  await appendFile(later, access("/later"));
  await running.saw("/later");
  running.child.kill("SIGINT");
  assert.equal(await running.ended, 0, running.stderr);
  assert.deepEqual(
    running.stdout.split("\n").filter((line) => line.startsWith("old.log")),
    ["one", "two", "three", "four is in a new file"].map((line) => `old.log   ${line}`),
  );
  assert.match(running.stderr, /later\.log: does not exist yet/);
  assert.match(running.stderr, /old\.log: unknown format, shown as text/);
  assert.match(running.stderr, /wiretail try/);
});

test("files that appear later under a pattern are shown", async (t) => {
  const folder = await temporaryFolder(t);
  await writeFile(join(folder, "a.log"), "first\n");
  const running = tail(t, [join(folder, "*.log")]);
  await running.saw("first");
  await writeFile(join(folder, "b.log"), "second\n");
  await running.saw("second");
  assert.match(running.stdout, /^b\.log second$/m);
});

test("standard input is shown at once, traces as one event, and a slow pipe is not waited for to fill", async (t) => {
  const running = tail(t, ["-", "--json"]);
  running.child.stdin.write('{"time":"2026-11-21T10:00:00Z","level":"info","msg":"one"}\n');
  await running.saw('"message":"one"');
  running.child.stdin.write('{"time":"2026-11-21T10:00:01Z","level":"error","msg":"two"}\n');
  await running.saw('"message":"two"');
  running.child.stdin.end();
  assert.equal(await running.ended, 0);
  assert.match(running.stderr, /-: json-lines/);
  const trace = "Error: no\n    at f (a.js:1:1)\n    at g (b.js:2:2)\nnext\n";
  const { stdout } = await wiretail(["tail", "--format", "text", "--json"], { input: trace });
  const messages = stdout.trim().split("\n").map((line) => (JSON.parse(line) as { message: string }).message); // prettier-ignore
  assert.deepEqual(messages, ["Error: no\n    at f (a.js:1:1)\n    at g (b.js:2:2)", "next"]);
});

test("--to ships what is shown, each event once, and goes on there with --state-dir", async (t) => {
  const server = await ElasticsearchDouble.start();
  t.after(() => server.stop());
  const folder = await temporaryFolder(t);
  const file = join(folder, "app.log");
  const state = join(folder, "state");
  await writeFile(file, "alpha\nbeta\ngamma\n");
  const args = ["tail", file, "--no-follow", "-n", "all", "--to", `${server.url}/logs-app-test`, "--state-dir", state];
  const first = await wiretail([...args, "-q", "not beta"]);
  assert.deepEqual([first.code, first.stdout], [0, "alpha\ngamma\n"], first.stderr);
  assert.match(first.stderr, /shipped 2 events to http:.*\/logs-app-test/);
  assert.deepEqual([...server.documents.values()].sort(), ["alpha", "gamma"]);
  await appendFile(file, "delta\n");
  const second = await wiretail([...args, "-q", "not beta"]);
  assert.deepEqual([second.code, second.stdout], [0, "delta\n"], second.stderr);
  assert.deepEqual([...server.documents.values()].sort(), ["alpha", "delta", "gamma"]);
});

test("a server that takes nothing ends --to with 1 and a word about what it did not take", async (t) => {
  const server = await ElasticsearchDouble.start();
  server.answer = ({ path }) =>
    path.endsWith("_bulk") ? { status: 403, body: { error: { type: "security_exception" } } } : undefined;
  t.after(() => server.stop());
  const running = tail(t, ["-", "--to", server.url]);
  running.child.stdin.write("alpha\n");
  await running.saw("alpha");
  running.child.kill("SIGINT");
  assert.equal(await running.ended, 1);
  assert.match(running.stderr, /1 were NOT taken/);
});

test("nothing is left behind, also when nobody reads any more", async (t) => {
  const folder = await temporaryFolder(t);
  const TMPDIR = await mkdtemp(join(folder, "tmp-"));
  const file = join(folder, "big.log");
  await writeFile(file, "a line of text\n".repeat(100_000));
  const running = tail(t, [file, "-n", "all"], { TMPDIR });
  await running.saw("a line");
  running.child.stdout.destroy();
  assert.equal(await running.ended, 0);
  assert.equal((await wiretail(["tail", file, "--no-follow"], { env: { TMPDIR } })).code, 0);
  assert.deepEqual(await readdir(TMPDIR), []);
});

test("wrong use says what to do", async (t) => {
  const folder = await temporaryFolder(t);
  await writeFile(join(folder, "a.log.gz"), "");
  const faults: [args: string[], code: number, said: RegExp][] = [
    [[folder], 2, /is a folder[^]*hint: wiretail tail '.*\/\*\.log'/],
    [[join(folder, "a.log.gz")], 2, /compressed[^]*hint: zcat .* \| wiretail tail -/],
    [[join(folder, "none.log"), "--no-follow"], 1, /does not exist/],
    [["-", "--format", "ngix"], 2, /no shipped pipeline is called "ngix"/],
    [["-", "--to", "kafka://x"], 2, /nothing is known of kafka:[^]*hint: give https/],
    [["-", "-n", "few"], 2, /"few" is not a whole number/],
    [["-", "--since", "tea"], 2, /"tea" is not a time[^]*15m/],
    [["-", "-q", "a: ("], 2, /KQL, column/],
    [["-", "--state-dir", "x"], 2, /--state-dir goes with --to/],
  ];
  for (const [args, code, said] of faults) {
    const found = await wiretail(["tail", ...args]);
    assert.equal(found.code, code, `${args.join(" ")}: ${found.stderr}`);
    assert.match(found.stderr, said);
    assert.equal(found.stdout, "");
  }
});
