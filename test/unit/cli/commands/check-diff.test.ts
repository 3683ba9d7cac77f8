import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { runCheckDiff, type DiffOptions } from "../../../../src/cli/commands/check-diff.ts";
import { components } from "../../../../src/cli/components.ts";
import type { DiffSummary } from "../../../../src/cli/diff-summary.ts";
import { temporaryFolder } from "../../../support/folders.ts";
import { memoryScreen } from "./screen.ts";

const SINKS = { a: { type: "file", path: "a.ndjson" }, b: { type: "file", path: "b.ndjson" } };
const LINES = [
  { n: 1, level: "info", user: "ann" },
  { n: 2, level: "debug", user: "bob" },
  { n: 3, level: "error", user: "cy" },
].map((event) => JSON.stringify({ message: `m${event.n}`, ...event }));

function host(stages: readonly object[], over: object = {}): object {
  return {
    state_dir: "state",
    sources: { app: { type: "file", include: ["app.log"] } },
    pipelines: { app: { from: ["app"], stages: [{ parse_json: {} }, ...stages], to: ["a", "b"] } },
    sinks: SINKS,
    ...over,
  };
}

async function diff(
  t: TestContext,
  before: object,
  after: object,
  options: Partial<DiffOptions> = {},
  lines: readonly string[] = [...LINES, "not JSON"],
) {
  const folder = await temporaryFolder(t);
  const files = [join(folder, "old.json"), join(folder, "new.json")] as const;
  await Promise.all([before, after].map((each, i) => writeFile(files[i]!, JSON.stringify(each))));
  const sample = join(folder, "sample.log");
  await writeFile(sample, lines.map((line) => `${line}\n`).join(""));
  const screen = memoryScreen();
  const code = await runCheckDiff(files, { sample, json: false, ...options }, components, screen);
  return { code, out: screen.written.out, err: screen.written.err, folder };
}

async function changesOf(t: TestContext, before: object, after: object) {
  const { code, out } = await diff(t, before, after, { json: true });
  const { changes, ...rest } = JSON.parse(out) as DiffSummary;
  return { code, rest, changes: changes.map(({ what, count }) => `${count} ${what}`) };
}

test("the same configuration changes nothing, and neither does another spelling of it: exit code 0", async (t) => {
  const same = await diff(t, host([]), host([]));
  assert.equal(same.code, 0, same.err);
  assert.match(same.out, /^4 events from .*sample\.log\n✓ all of them stay as they are\n$/);
  const spelled = await diff(t, host([{ remove: { fields: ["x"] } }]), host([{ remove: { fields: ["x", "y"] } }]));
  assert.equal(spelled.code, 0);
  assert.match(spelled.out, /~ pipeline app {2}written differently, with the same outcome/);
});

test("fields that are added, removed and changed are counted, with examples", async (t) => {
  const after = host([{ set: { fields: { "labels.team": "x", level: "fixed" } } }, { remove: { fields: ["user"] } }]);
  const { code, changes, rest } = await changesOf(t, host([]), after);
  assert.equal(code, 1);
  assert.deepEqual([rest.events, rest.same], [4, 0]);
  assert.deepEqual(changes.sort(), ["1 + level", "3 - user", "3 ~ level", "4 + labels.team"]);
  const { out } = await diff(t, host([]), after);
  assert.match(out, /3 {2}- user\n +"ann"\n +"bob"\n/);
  assert.match(out, /3 {2}~ level\n +"info" → "fixed"/);
});

test("events that would be left out, be dead letters, or go to other sinks are counted", async (t) => {
  const filtered = await changesOf(t, host([]), host([{ filter: { drop: "level: debug" } }]));
  assert.deepEqual(filtered.changes, ["1 sent → left out by 2 filter"]);
  const renumbered = await changesOf(
    t,
    host([{ filter: { drop: "level: debug" } }]),
    host([{ remove: { fields: ["x"] } }, { filter: { drop: "level: debug" } }]),
  );
  assert.deepEqual([renumbered.code, renumbered.changes], [0, []]);
  const refused = host([], {
    pipelines: { app: { from: ["app"], stages: [{ parse_json: { on_error: "dead_letter" } }], to: ["a", "b"] } },
  });
  assert.deepEqual((await changesOf(t, host([]), refused)).changes, ["1 sent → dead letter of 1 parse_json"]);
  const routed = host([{ route: { rules: [{ when: "level: error", to: ["a"] }] } }]);
  assert.deepEqual((await changesOf(t, host([]), routed)).changes, ["1 sinks - b"]);
});

test("sources, pipelines and sinks that come, go or change are said, and are changes", async (t) => {
  const other = { app2: { type: "file", include: ["other.log"] } };
  const pipelines = { app: { from: ["app2"], to: ["a", "c"] } };
  const { code, out, err } = await diff(
    t,
    host([]),
    host([], { sources: other, pipelines, sinks: { a: SINKS.a, c: SINKS.b } }),
    { source: "app" },
  );
  assert.equal(code, 1, err);
  for (const line of ["+ source app2", "- source app", "~ pipeline app", "+ sink c", "- sink b"])
    assert.ok(out.includes(`  ${line}\n`), out);
  assert.match(out, /4 {2}would not be taken by this pipeline any more/);
  const sinkOnly = host([], { sinks: { ...SINKS, b: { ...SINKS.b, max_bytes: 1_000_000 } } });
  const gzipped = await diff(t, host([]), sinkOnly);
  assert.equal(gzipped.code, 1, gzipped.err);
});

test("a file with errors, a sample without a line, and an unknown source are said: nothing is compared", async (t) => {
  const wrong = await diff(t, host([]), host([{ fliter: {} }]));
  assert.equal(wrong.code, 2);
  assert.match(wrong.err, /unknown stage "fliter"[^]*new\.json has errors: nothing was compared/);
  await assert.rejects(diff(t, host([]), host([]), {}, []), { code: "WT_USAGE", message: /no whole line/ });
  await assert.rejects(diff(t, host([]), host([]), { source: "apq" }), { message: /no source "apq"/ });
  await assert.rejects(diff(t, host([]), host([]), { sample: undefined }), { message: /has left events/ });
});

test("the sample is cut into events as the source does it, and only its last events are taken", async (t) => {
  const sources = {
    app: { type: "file", include: ["app.log"], multiline: { start_pattern: "^\\d" } },
  };
  const before = host([], { sources, pipelines: { app: { from: ["app"], to: ["a"] } }, sinks: { a: SINKS.a } });
  const after = { ...before, pipelines: { app: { from: ["app"], to: ["a"], when: "message: *Caused*" } } };
  const lines = ["1 first", "2 boom", "  at x", "Caused by y", "3 last"];
  const all = await diff(t, before, after, { json: true }, lines);
  const { events, changes } = JSON.parse(all.out) as DiffSummary;
  assert.deepEqual([events, changes[0]?.count], [3, 2]);
  const last = await diff(t, before, after, { json: true, limit: 2 }, lines);
  assert.equal((JSON.parse(last.out) as DiffSummary).events, 2);
});
