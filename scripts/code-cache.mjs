// Part of the build: has the bundle run once, as a user's would, and keeps what V8 made of the functions that it used
// on the way. With this cache a start compiles nothing. V8 takes it only in the version and with the flags that it was
// made with, so this runs the bundle with those of the launcher; for others the bundle works without a cache.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import v8 from "node:v8";
import { cacheFile, compileBundle, digestOf, runBundle } from "../bin/bundle.mjs";
import { ROOT } from "./steps.mjs";

const BUNDLE = path.join(ROOT, "dist/bundle/wiretail.cjs");
const SELF = fileURLToPath(import.meta.url);
const LINE = '192.0.2.7 - - [21/Nov/2026:10:00:00 +0000] "GET /a HTTP/1.1" 200 512 "-" "curl/8.5"\n';

const [what, ...args] = process.argv.slice(2);
if (what === "record") await record(args);
else if (what === "check") process.exitCode = compileBundle(BUNDLE).cachedDataRejected === false ? 0 : 1;
else process.exitCode = await make();

async function make() {
  const folder = mkdtempSync(path.join(os.tmpdir(), "wiretail-build-"));
  const server = createServer(answer);
  try {
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const host = writeHost(folder, `http://127.0.0.1:${server.address().port}`);
    const ran = await asLaunched("record", "run", "--once", "--timeout", "60", "-c", host);
    if (ran.code === 0 && (await asLaunched("check")).code === 0) return 0;
    // Where the agent cannot run, it can still be built.
    rmSync(cacheFile(BUNDLE), { force: true });
    console.log(`no code cache could be made, so a start takes a little longer\n${ran.output}`);
    return 0;
  } finally {
    server.close();
    server.closeAllConnections();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** In a process with the launcher's flags: runs the bundle, then writes the cache. */
async function record(wiretailArgs) {
  const script = compileBundle(BUNDLE);
  process.argv.splice(1, Infinity, path.join(ROOT, "bin/wiretail"), ...wiretailArgs);
  await runBundle(BUNDLE, script).ended;
  if (process.exitCode !== 0) return;
  // It is set by the bundle itself, so not yet when that is loaded (src/codec/pattern.ts).
  v8.setFlagsFromString("--no-enable-experimental-regexp-engine-on-excessive-backtracks");
  const cache = script.createCachedData();
  writeFileSync(cacheFile(BUNDLE), Buffer.concat([digestOf(readFileSync(BUNDLE), cache), cache]));
}

async function asLaunched(...rest) {
  const [shebang] = readFileSync(path.join(ROOT, "bin/wiretail"), "utf8").split("\n", 1);
  const flags = shebang.split(" ").filter((word) => word.startsWith("--"));
  const child = spawn(process.execPath, [...flags, SELF, ...rest], { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => (output += text));
  const [code] = await once(child, "close");
  return { code, output };
}

/** A line that is not parsed and one that is, to a server that takes everything. */
function writeHost(folder, url) {
  const log = path.join(folder, "access.log");
  writeFileSync(log, LINE.repeat(100));
  const sink = (dataset) => ({ type: "elasticsearch", nodes: [url], data_stream: { dataset } });
  const host = {
    state_dir: path.join(folder, "state"),
    sources: { log: { type: "file", include: [log] } },
    pipelines: {
      raw: { from: ["log"], to: ["raw"] },
      parsed: { from: ["log"], use: "nginx-access", to: ["parsed"] },
    },
    sinks: { raw: sink("raw"), parsed: sink("nginx.access") },
  };
  const file = path.join(folder, "host.json");
  writeFileSync(file, JSON.stringify(host));
  return file;
}

function answer(request, response) {
  request.resume().on("end", () => {
    response.setHeader("X-Elastic-Product", "Elasticsearch").setHeader("Content-Type", "application/json");
    if (request.method === "GET") response.statusCode = 404;
    const isBulk = request.url.includes("/_bulk");
    response.end(isBulk ? '{"took":1,"errors":false}' : request.method === "GET" ? "{}" : '{"acknowledged":true}');
  });
}
