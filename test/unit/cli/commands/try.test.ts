import assert from "node:assert/strict";
import { createReadStream, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { after, test } from "node:test";
import { runTry, type TryOptions } from "../../../../src/cli/commands/try.ts";
import { dedupe } from "../../../../src/stages/dedupe/index.ts";
import { memoryScreen } from "./screen.ts";
import { stages } from "./stages.ts";

const folder = mkdtempSync(join(tmpdir(), "wiretail-try-"));
after(() => rmSync(folder, { recursive: true, force: true }));

async function run(lines: string, options: Partial<TryOptions>, stage: object = { target: "shout.text" }) {
  const file = join(folder, "pipeline.json");
  writeFileSync(file, JSON.stringify({ name: "p", stages: [{ upper: stage }] }));
  const screen = memoryScreen();
  const code = await runTry(
    file,
    { open: () => Readable.from([lines]), path: "/var/log/a.log" },
    { json: false, ...options },
    stages,
    screen,
  );
  return { code, ...screen.written };
}

test("try shows each line, the fields that a stage adds, and the stage's time", async () => {
  const { code, out } = await run("hello\n", {});
  assert.equal(code, 0);
  assert.match(out, /^line 1 {2}hello\n {2}1 upper {2}\d+ µs\n {4}\+ shout\.text "HELLO"\n/);
  assert.match(out, /1 upper +1 +1 +0 +0 +[\d.]+\n/);
});

test("try says which events were dropped, dead-lettered or failed, and why", async () => {
  assert.match((await run("drop me\n", {})).out, /1 upper {2}\d+ µs {2}no change\n {4}dropped/);
  assert.match((await run("bad\n", {})).out, /failed\n {4}\+ error\.message "upper: no text"/);
  assert.match(
    (await run("bad\n", {}, { target: "a", on_error: "dead_letter" })).out,
    /to the dead letters: upper: no text/,
  );
});

test("try --json prints nested events, one a line, and refused events on the other stream", async () => {
  const { out, err } = await run("one\nbad\ntwo\n", { json: true }, { target: "a.b", on_error: "dead_letter" });
  const events = out
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as { a: { b: string }; log: { offset: number; file: { path: string } } });
  assert.deepEqual(
    events.map((event) => [event.a.b, event.log.offset, event.log.file.path]),
    [
      ["ONE", 0, "/var/log/a.log"],
      ["TWO", 8, "/var/log/a.log"],
    ],
  );
  assert.match(err, /line 2: to the dead letters: upper: no text/);
});

test("try shows what becomes of events that are decided on by those before them", async () => {
  const file = join(folder, "thin.json");
  writeFileSync(file, JSON.stringify({ name: "p", stages: [{ dedupe: {} }] }));
  const screen = memoryScreen();
  const open = (): Readable => Readable.from(["a\na\nb\n"]);
  await runTry(file, { open, path: undefined }, { json: false }, [dedupe], screen);
  assert.match(screen.written.out, /1 dedupe +3 +2 +1 +0 /);
});

test("try stops at its limit and says so", async () => {
  const { out, err } = await run("a\nb\nc\n", { limit: 2 });
  assert.match(out, /line 2 /);
  assert.doesNotMatch(out, /line 3 /);
  assert.match(err, /stopped after 2 lines; --limit 0 takes all/);
});

test("escape sequences in a line do not reach the terminal", async () => {
  const { out } = await run("\u001b]52;c;evil\u0007 \u009b31m\n", {});
  assert.doesNotMatch(out, /[\u001b\u0007\u009b]/);
  assert.match(out, /\\u001b\]52/);
});

test("a pipeline with errors is reported in place and nothing runs", async () => {
  const { code, out, err } = await run("a\n", {}, { targit: "a" });
  assert.equal(code, 1);
  assert.equal(out, "");
  assert.match(err, /pipeline\.json:1:\d+ \/stages\/0\/upper: unknown option "targit"; did you mean "target"\?/);
});

test("an input that cannot be read is an error with a code, not a crash", async () => {
  const file = join(folder, "pipeline.json");
  writeFileSync(file, JSON.stringify({ name: "p", stages: [] }));
  for (const path of [join(folder, "missing"), folder]) {
    const input = { open: () => createReadStream(path), path };
    await assert.rejects(runTry(file, input, { json: true }, stages, memoryScreen()), { code: "WT_SOURCE_FAILED" });
  }
});
