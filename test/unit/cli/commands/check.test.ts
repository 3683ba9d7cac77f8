import assert from "node:assert/strict";
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { runCheck } from "../../../../src/cli/commands/check.ts";
import { defineSink, type ProbeResult } from "../../../../src/core/component.ts";
import { t } from "../../../../src/core/schema.ts";
import { file as fileSink } from "../../../../src/sinks/file/index.ts";
import { makeContext } from "../../../support/context.ts";
import { components as fakes } from "../../runtime/config/fake-components.ts";
import { memoryScreen } from "./screen.ts";

const folder = mkdtempSync(join(tmpdir(), "wiretail-check-test-"));
after(() => rmSync(folder, { recursive: true, force: true }));
writeFileSync(join(folder, "a.log"), "");

let closed = 0;
let probe: () => Promise<ProbeResult[]> = async () => [];
const probed = defineSink({
  type: "probed",
  summary: "For tests",
  stability: "stable",
  schema: t.object({}),
  examples: [],
  create: (_options, context) => {
    const disk = fakes.sinks[1]!.create({ path: "/x" }, context) as Awaited<
      ReturnType<(typeof fakes.sinks)[number]["create"]>
    >;
    return { ...disk, probe: () => probe(), close: async () => void closed++ };
  },
});
const components = { ...fakes, sinks: [...fakes.sinks, probed] };

async function check(sinks: object, options: { connect?: boolean; json?: boolean } = {}, colour = false) {
  const file = join(folder, "host.json");
  const sources = { app: { type: "tail", include: ["*.log"] } };
  writeFileSync(
    file,
    JSON.stringify({ state_dir: "state", sources, pipelines: { p: { from: ["app"], to: Object.keys(sinks) } }, sinks }),
  );
  const screen = memoryScreen(colour);
  const code = await runCheck(file, { connect: false, json: false, ...options }, components, screen);
  return { code, file, out: screen.written.out };
}

test("a valid file ends with one line that says so, and exit code 0", async () => {
  const { code, out, file } = await check({ d: { type: "disk", path: "out" } });
  assert.equal(code, 0);
  assert.equal(out, `✓ ${file} is valid: 1 source, 1 pipeline, 1 sink\n`);
});

test("errors come one a line with their places, the count last, and exit code 1", async () => {
  const { code, out, file } = await check({ d: { type: "disk", pth: "out" }, e: { type: "server", endpoint: "x" } });
  assert.equal(code, 1);
  const lines = out.trimEnd().split("\n");
  assert.match(lines[0]!, /host\.json:1:\d+ \/sinks\/d: unknown option "pth"; did you mean "path"\?/);
  assert.match(lines[1]!, /\/sinks\/e\/endpoint: found "x", expected a URL/);
  assert.equal(lines.at(-1), `✗ ${file}: 2 errors`);
});

test("without colour no escape byte is written, with colour the places stand out", async () => {
  const bad = { d: { type: "disk", pth: "out" } };
  assert.doesNotMatch((await check(bad)).out, /\u001b/);
  assert.match((await check(bad, {}, true)).out, /\u001b\[1m.*host\.json:1:\d+/);
});

test("check --json is one object with every problem's place", async () => {
  const { code, out } = await check({ d: { type: "disk", pth: "out" } }, { json: true });
  const result = JSON.parse(out) as { ok: boolean; problems: { line: number; pointer: string; severity: string }[] };
  assert.equal(code, 1);
  assert.equal(result.ok, false);
  assert.deepEqual(
    [result.problems[0]?.line, result.problems[0]?.pointer, result.problems[0]?.severity],
    [1, "/sinks/d", "error"],
  );
});

test("check --connect asks each sink, shows what to do when it fails, and closes it", async () => {
  closed = 0;
  probe = async () => [
    { check: "reachable", ok: true, detail: "https://es:9200" },
    { check: "privileges", ok: false, detail: "no create_index on logs-*", hint: "give the key that privilege" },
  ];
  const { code, out } = await check({ p: { type: "probed" } }, { connect: true });
  assert.equal(code, 1);
  assert.equal(closed, 1);
  assert.match(
    out,
    /✓ p reachable: https:\/\/es:9200\n✗ p privileges: no create_index on logs-\*\n {2}hint: give the key that privilege\n✗ .*: 1 failed probe\n$/,
  );
});

test("a probe that throws is a failed probe, not a crash", async () => {
  probe = () => Promise.reject(new Error("connect ECONNREFUSED"));
  const { code, out } = await check({ p: { type: "probed" } }, { connect: true });
  assert.equal(code, 1);
  assert.match(out, /✗ p connect: connect ECONNREFUSED/);
});

test("nothing is connected to without --connect, nor when the file has errors", async () => {
  probe = () => Promise.reject(new Error("must not be asked"));
  assert.equal((await check({ p: { type: "probed" } })).code, 0);
  assert.doesNotMatch((await check({ p: { type: "probed", x: 1 } }, { connect: true })).out, /must not be asked/);
});

test("check --connect does not touch the file of an agent that runs", async () => {
  const path = join(folder, "live.ndjson");
  const context = makeContext();
  const sink = await fileSink.create({ path, format: "json", mode: "0640", gzip: false }, context);
  await sink.close();
  context.dispose();
  // What the agent has written and not committed yet.
  appendFileSync(path, '{"n":1}\n');
  const file = join(folder, "live.json");
  const sources = { app: { type: "tail", include: ["*.log"] } };
  const sinks = { out: { type: "file", path }, fresh: { type: "file", path: join(folder, "new/out.ndjson") } };
  writeFileSync(
    file,
    JSON.stringify({ state_dir: "state", sources, pipelines: { p: { from: ["app"], to: ["out", "fresh"] } }, sinks }),
  );
  const screen = memoryScreen();
  const code = await runCheck(file, { connect: true, json: false }, { ...components, sinks: [fileSink] }, screen);
  assert.equal(code, 0, screen.written.out);
  assert.equal(readFileSync(path, "utf8"), '{"n":1}\n');
  assert.ok(!existsSync(join(folder, "new")), "nothing is created");
});
