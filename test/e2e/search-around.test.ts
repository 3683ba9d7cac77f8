import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { wiretail, writeHost } from "../support/e2e.ts";

/** Two files of different lengths of lines, one error each. */
let folder = "";
let host = "";
const search = (...args: string[]) => wiretail(["search", "-c", host, "--utc", ...args]);

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "wiretail-test-"));
  const short = Array.from({ length: 200 }, (_, i) => (i === 100 ? "boom at one hundred" : `a${i}`));
  const long = Array.from({ length: 40 }, (_, i) => `${i === 1 ? "boom in b" : `b${i}`} ${"x".repeat(3000)}`);
  await writeFile(join(folder, "a.log"), short.join("\n") + "\n");
  await writeFile(join(folder, "b.log"), long.join("\n") + "\n");
  host = await writeHost(folder, {
    sources: { in: { type: "file", include: [join(folder, "?.log")] }, pipe: { type: "stdin" } },
    pipelines: { all: { from: ["in", "pipe"], to: ["here"] } },
    sinks: { here: { type: "local", path: join(folder, "store") } },
  });
  const { code, stderr } = await wiretail(["run", "-c", host, "--once"], { input: "boom from a pipe\n" });
  assert.equal(code, 0, stderr);
});
after(() => rm(folder, { recursive: true, force: true }));

const messages = (json: string): string[] =>
  json.trim().split("\n").map((line) => (JSON.parse(line) as { message: string }).message.slice(0, 9)); // prettier-ignore

test("-A, -B and -C show what stands around in the same file, however long lines are", async () => {
  const one = await search("hundred", "-B", "2", "-A", "3", "--json");
  assert.deepEqual(messages(one.stdout), ["a98", "a99", "boom at o", "a101", "a102", "a103"], one.stderr);
  const far = await search('"boom in b"', "-C", "5", "--json");
  assert.deepEqual(messages(far.stdout).map((text) => text.split(" ")[0]), ["b0", "boom", "b2", "b3", "b4", "b5", "b6"]); // prettier-ignore
});

test("groups are parted, matches are marked, and an event of no file stands alone", async () => {
  const { stdout, stderr } = await search("boom", "-C", "1");
  const lines = stdout.trim().split("\n");
  assert.equal(lines.filter((line) => line === "--").length, 2, stdout.slice(0, 2000));
  assert.equal(lines.filter((line) => line.startsWith("> ")).length, 3);
  assert.equal(lines.filter((line) => /^ {2}.*a(99|101)$/.test(line)).length, 2);
  assert.match(stderr, /1 are from no file/);
});

test("neighbours that touch are one group", async () => {
  const { stdout } = await search("message: (a150 or a152)", "-C", "1", "--json", "--limit", "50");
  assert.deepEqual(messages(stdout), ["a149", "a150", "a151", "a152", "a153"]);
});

test("--id shows one event whole", async () => {
  const [line = ""] = (await search("hundred", "--json")).stdout.split("\n");
  const id = (JSON.parse(line) as { _id: string })._id;
  const { code, stdout } = await search("--id", id);
  assert.equal(code, 0);
  assert.deepEqual(JSON.parse(stdout), JSON.parse(line));
  assert.match(stdout, /^ {2}"message": "boom at one hundred"/m);
  const none = await search("--id", "nothing", "--fail-if-empty");
  assert.equal(none.code, 1);
  assert.match(none.stderr, /no event has the id nothing/);
});

test("a search is saved under a name, and what is said beside it is added or wins", async () => {
  assert.match((await search("boom", "--limit", "2", "--save", "booms")).stderr, /wiretail search --saved booms/);
  assert.equal((await search("--saved", "booms", "--json")).stdout.trim().split("\n").length, 2);
  assert.equal((await search("--saved", "booms", "--json", "--limit", "9")).stdout.trim().split("\n").length, 3);
  assert.deepEqual(messages((await search("--saved", "booms", "hundred", "--json")).stdout), ["boom at o"]);
  const wrong = await search("--saved", "boms");
  assert.equal(wrong.code, 2);
  assert.match(wrong.stderr, /did you mean "booms"\?/);
  assert.equal((await search("boom", "--save", "../x")).code, 2);
});

test("wrong use of context is refused", async () => {
  for (const args of [
    ["-C", "x"],
    ["-C", "1", "--histogram"],
    ["-A", "1", "--limit", "0"],
  ])
    assert.equal((await search("boom", ...args)).code, 2, args.join(" "));
});
