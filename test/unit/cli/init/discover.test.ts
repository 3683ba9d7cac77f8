import assert from "node:assert/strict";
import { mkdir, symlink, utimes, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { components } from "../../../../src/cli/components.ts";
import { discover, type Discovery } from "../../../../src/cli/init/discover.ts";
import { hostText } from "../../../../src/cli/init/host-text.ts";
import { loadConfig } from "../../../../src/runtime/config/load.ts";
import { realWorld } from "../../../../src/runtime/config/pipeline-file.ts";
import { formatProblem } from "../../../../src/runtime/config/problems.ts";
import { shippedFormats } from "../../../../src/runtime/recognition/formats.ts";
import { temporaryFolder } from "../../../support/folders.ts";

const NOW = Date.now();
const formats = await shippedFormats(components.stages);
const ACCESS = '203.0.113.7 - - [11/Dec/2019:20:47:14 +0000] "GET / HTTP/1.1" 200 5 "-" "curl/8.5.0"\n';
const SYSLOG = "2026-11-21T17:44:12.039779+00:00 vm cron[9]: (root) CMD (true)\n";

async function put(path: string, text: string | Buffer, ageDays = 0): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
  await utimes(path, new Date(NOW), new Date(NOW - ageDays * 86_400_000));
}

async function problemsOf(found: Discovery): Promise<string[]> {
  const text = hostText({ found, stateDir: "/s", schema: undefined, destination: undefined, version: "1" });
  const world = realWorld();
  const readFile = (path: string): string => (path === "h.json" ? text : world.readFile(path));
  const { problems } = await loadConfig("h.json", { components, readFile });
  return problems.map(formatProblem);
}

test("logs are found and recognised; rotated, old and binary files are not taken for logs", async (t) => {
  const root = await temporaryFolder(t);
  await put(join(root, "log/nginx/access.log"), ACCESS.repeat(5));
  await put(join(root, "log/nginx/access.log.1"), ACCESS);
  await put(join(root, "log/nginx/error.log"), "");
  await put(join(root, "log/syslog"), SYSLOG.repeat(5));
  await put(join(root, "log/odd.log"), "some words\nand more words\n");
  await put(join(root, "log/gone.log"), "old\n", 90);
  await put(join(root, "log/data.log"), Buffer.from([1, 0, 2, 10, 3, 0, 10]));
  for (const name of ["a", "b", "c", "d"]) await put(join(root, `log/app/${name}.log`), '{"msg":"x","level":"info"}\n');
  const found = await discover({ formats, nowMs: NOW, folders: [join(root, "log")], processes: join(root, "none") });
  assert.deepEqual(
    found.logs.map(({ include, format, files }) => [include.map((path) => path.slice(root.length)), format, files]),
    [
      [["/log/app/*.log"], "json-lines", 4],
      [["/log/nginx/access.log"], "nginx-access", 1],
      [["/log/nginx/error.log"], "nginx-error", 1],
      [["/log/odd.log"], undefined, 1],
      [["/log/syslog"], "syslog", 1],
    ],
  );
  assert.deepEqual(await problemsOf(found), []);
});

test("logs that running programs have open are found wherever they are", async (t) => {
  const root = await temporaryFolder(t);
  const log = join(root, "opt/shop/shop.log");
  await put(log, "hello\n");
  await put(join(root, "proc/17/comm"), "shop\n");
  await mkdir(join(root, "proc/17/fd"));
  await symlink(log, join(root, "proc/17/fd/3"));
  await symlink("/dev/null", join(root, "proc/17/fd/1"));
  const found = await discover({ formats, nowMs: NOW, folders: [], processes: join(root, "proc") });
  assert.deepEqual(found.programs, ["shop"]);
  // Temporary folders are not looked in, and a test has no other.
  assert.deepEqual(found.logs.map(({ include }) => include), root.startsWith("/tmp/") ? [] : [[log]]); // prettier-ignore
});

test("a host with nothing to ship gives a file to begin with, that is right, too", async () => {
  const none = { logs: [], unreadable: ["/var/log/x"], programs: [], hasJournal: false, interfaces: ["eth0"] };
  assert.deepEqual(await problemsOf(none), []);
  assert.deepEqual(await problemsOf({ ...none, hasJournal: true, interfaces: [] }), []);
});

test("names of files that JSON or a comment could trip over do no harm", async () => {
  const logs = [
    { include: ['/var/log/a"b\\c.log'], files: 1, format: undefined, why: "unknown" },
    { include: ["/var/log/ü.log"], files: 1, format: undefined, why: "unknown" },
    { include: ["/x/ü.log"], files: 1, format: undefined, why: "unknown" },
  ];
  const unreadable = ["/var/log/new\nline.log"];
  assert.deepEqual(await problemsOf({ logs, unreadable, programs: [], hasJournal: false, interfaces: [] }), []);
});
