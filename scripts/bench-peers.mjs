// npm run bench:peers: our agent in the harness that measures other log shippers on the same work. The harness is kept
// outside this repository; WIRETAIL_PEER_HARNESS names its folder (default: ../shared/bench beside the checkout).
//
//   npm run bench:peers -- connections nginx:regex jsonl:json --lines 2000000
//   npm run bench:peers -- nginx --gzip yes --gzip-level 6
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { ROOT, runScript, StepError } from "./steps.mjs";

const CASES = ["connections:none", "nginx:none", "nginx:regex", "jsonl:json"];

await runScript(() => {
  const harness = path.resolve(ROOT, process.env.WIRETAIL_PEER_HARNESS ?? "../shared/bench");
  if (!existsSync(path.join(harness, "run.py"))) {
    throw new StepError(
      `the peer harness is not at ${harness}: it is no part of this repository\n` +
        "hint: set WIRETAIL_PEER_HARNESS to the folder that holds its run.py; `npm run bench` measures Wiretail without it",
    );
  }
  const args = process.argv.slice(2);
  const first = args.findIndex((arg) => arg.startsWith("-"));
  const named = first < 0 ? args : args.slice(0, first);
  const options = first < 0 ? [] : args.slice(first);
  // Ours: the harness knows nothing of levels.
  const level = options.indexOf("--gzip-level");
  const [, gzipLevel = "1"] = level < 0 ? [] : options.splice(level, 2);
  const gzip = /--gzip[ =]yes/.test(options.join(" ")) ? Number(gzipLevel) : undefined;
  const folder = mkdtempSync(path.join(os.tmpdir(), "wiretail-peers-"));
  try {
    for (const one of named.length > 0 ? named : CASES) {
      const [workload, parse = "none"] = one.split(":");
      const env = { ...process.env, ...agentEnvironment(workload, parse, gzip, folder) };
      const run = [path.join(harness, "run.py"), "agent", workload, "--parse", parse, ...options];
      const { status } = spawnSync("python3", run, { stdio: "inherit", env });
      if (status !== 0) throw new StepError(`${one}: the harness ended with ${status}`);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return 0;
});

function agentEnvironment(workload, parse, gzip, folder) {
  const source = path.join(ROOT, "bench/harness", `${workload}-${parse}.json`);
  if (!existsSync(source)) throw new StepError(`no case ${workload}:${parse}; known are ${CASES.join(" ")}`);
  const template = path.join(folder, `${workload}-${parse}.json`);
  const text = readFileSync(source, "utf8");
  writeFileSync(
    template,
    gzip === undefined
      ? text
      : text.replace('"compression": "none"', `"compression": "gzip", "compression_level": ${gzip}`),
  );
  return {
    AGENT_CMD: `${path.join(ROOT, "bin/wiretail")} run`,
    AGENT_VERSION: JSON.parse(readFileSync(path.join(ROOT, "package.json"), "utf8")).version,
    AGENT_CONFIG: template,
    [`AGENT_CONFIG_${workload.toUpperCase()}_${parse.toUpperCase()}`]: template,
  };
}
