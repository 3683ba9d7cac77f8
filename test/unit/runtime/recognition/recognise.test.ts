import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { components } from "../../../../src/cli/components.ts";
import { shippedFormats } from "../../../../src/runtime/recognition/formats.ts";
import { fitOf } from "../../../../src/runtime/recognition/fit.ts";
import { recognise } from "../../../../src/runtime/recognition/recognise.ts";

const NOW = Date.parse("2026-11-22T00:00:00Z");
const formats = await shippedFormats(components.stages);
const formatOf = (lines: readonly string[], path?: string): string | undefined =>
  recognise(lines, formats, { nowMs: NOW, path }).format;

/** The lines of a pipeline's own tests that it understands, again and again, twenty in all. */
function twentyLines(name: string): string[] {
  const pipeline = formats.find((each) => each.name === name)!;
  const inputs = pipeline.tests.flatMap(({ input }) => input).filter((each) => typeof each === "string");
  let lines = inputs.filter((line) => fitOf(pipeline, [line], NOW).fits === 1);
  let header: string[] = [];
  if (lines.length === 0) {
    // Of W3C logs, whose lines mean nothing without the header before them.
    const whole = pipeline.tests[0]!.input.filter((each) => typeof each === "string");
    const { gains } = fitOf(pipeline, whole, NOW);
    header = whole.filter((line) => line.startsWith("#"));
    lines = whole.filter((_, i) => !Number.isNaN(gains[i]!));
  }
  assert.ok(lines.length > 0, `${name} understands no line of its own tests`);
  return [...header, ...Array.from({ length: 20 }, (_, i) => lines[i % lines.length]!)];
}

for (const { name } of formats) {
  test(`${name} is recognised from twenty of its lines`, () => {
    const found = recognise(twentyLines(name), formats, { nowMs: NOW });
    assert.ok(
      [found.format, ...found.alike].includes(name),
      `${found.format} and ${found.alike.join(", ")} instead of ${name}`,
    );
  });
}

test("a format is recognised among stack traces and a few broken lines", () => {
  const lines = twentyLines("redis").flatMap((line, i) => [
    line,
    "\tat com.example.Main.run(Main.java:7)",
    ...(i % 5 === 0 ? ["broken"] : []),
  ]);
  assert.equal(formatOf(lines), "redis");
});

test("where two pipelines understand the same, the path decides, and without one both are named", () => {
  const lines = ['203.0.113.7 - - [11/Dec/2019:20:47:14 +0000] "GET / HTTP/1.1" 200 5 "-" "curl/8.5.0"'];
  assert.equal(formatOf(lines, "/var/log/apache2/access.log"), "apache");
  assert.equal(formatOf(lines, "/var/log/nginx/access.log"), "nginx-access");
  const either = recognise(lines, formats, { nowMs: NOW });
  assert.deepEqual([either.format, ...either.alike].sort(), ["apache", "nginx-access"]);
});

test("of a few logins among other lines of syslog, the plainer pipeline is recognised; auth.log is auth", () => {
  const lines = [
    "Nov 21 17:44:15 vm cron[7]: (root) CMD (true)",
    "Nov 21 17:44:16 vm systemd[1]: Started x.service.",
    "Nov 21 17:44:17 vm kernel: eth0: link up",
    "Nov 21 17:44:18 vm sshd[9]: Failed password for root from 203.0.113.7 port 52 ssh2",
  ];
  assert.equal(formatOf(lines), "syslog");
  assert.equal(formatOf(lines, "/var/log/auth.log"), "auth");
});

test("text that only begins with a time is no syslog", () => {
  assert.notEqual(
    formatOf(["2026-11-21T10:00:00Z INFO main: starting", "2026-11-21T10:00:01Z WARN main: slow"]),
    "syslog",
  );
  assert.notEqual(formatOf(["2026-11-21T10:00:00Z [main] starting up", "2026-11-21T10:00:01Z [main] done"]), "syslog");
});

test("prose is unknown", () => {
  const pages = readdirSync("docs", { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".md"));
  assert.ok(pages.length > 20);
  for (const page of pages) {
    assert.equal(formatOf(readFileSync(join("docs", page), "utf8").split("\n")), undefined, page);
  }
});

test("source code is unknown", () => {
  const files = ["src/cli", "src/codec", "scripts", "test/support", "test/unit/codec"].flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: "utf8" })
      .filter((name) => /\.(ts|mjs|sh)$/.test(name))
      .map((name) => join(folder, name)),
  );
  assert.ok(files.length > 100);
  for (const file of files) assert.equal(formatOf(readFileSync(file, "utf8").split("\n")), undefined, file);
});

test("CSV of unknown meaning is unknown, also when it has times", () => {
  const rows = (row: (i: number) => string): string[] => Array.from({ length: 20 }, (_, i) => row(i));
  assert.equal(formatOf(["id,name,city", ...rows((i) => `${i},Ada ${i},London`)]), undefined);
  assert.equal(formatOf(["date;price", ...rows((i) => `2026-11-${10 + i};${i}.5`)]), undefined);
  assert.equal(formatOf(rows((i) => `2026-11-21 10:00:${10 + i},a,b,${i}`)), undefined);
  assert.equal(formatOf(rows((i) => `1795255${200 + i}\t17\tx\t${i}`)), undefined);
});

test("logs of programs without a pipeline are unknown, and the nearest pipelines are named only where some lines fit", () => {
  const dpkg = [
    "2026-11-21 17:00:01 startup archives unpack",
    "2026-11-21 17:00:02 status installed tmux:amd64 3.3a-3",
  ];
  assert.deepEqual(recognise(dpkg, formats, { nowMs: NOW }).nearest, []);
  const apt = [
    "Start-Date: 2026-11-21  17:00:01",
    "Commandline: apt-get install tmux",
    "End-Date: 2026-11-21  17:00:09",
  ];
  assert.equal(formatOf(apt), undefined);
  const mixed = ["just text", "8539:M 21 Nov 2026 17:42:58.589 * Ready to accept connections", "more text"];
  assert.deepEqual(
    recognise(mixed, formats, { nowMs: NOW }).nearest.map(({ name, fits, lines }) => [name, fits, lines]),
    [["redis", 1, 3]],
  );
});

test("nothing, empty lines and binary data are unknown", () => {
  assert.equal(formatOf([]), undefined);
  assert.equal(formatOf(["", "  "]), undefined);
  assert.equal(formatOf(["\u0000\u0001\u0002", "\ufffd\ufffd{}", "{", "}"]), undefined);
});
