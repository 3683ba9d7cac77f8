import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { CASES, MEMORY_FLOOR_MEGABYTES, writeHostFile, type Case } from "./cases.ts";
import { inputFile } from "./input.ts";
import { launcherCommand } from "./launcher.ts";
import { measure, type Measurement } from "./measure.ts";
import { markdownTable, resultText, type Result } from "./report.ts";

const HELP = `npm run bench: how many events a second the built agent ships, and what that costs.

  npm run bench                                the usual cases, one run each of 2 million lines
  npm run bench -- --cases nginx-raw,nginx-parsed --repeats 3
  npm run bench -- --node /opt/node24/bin/node another Node for the agent
  npm run bench -- --save                      keep the result under bench/results

  --lines N        lines of input (2000000)
  --cases A,B      ${CASES.filter((c) => c.isUsual)
    .map((c) => c.name)
    .join(", ")} (the usual ones), or
                   ${CASES.filter((c) => !c.isUsual)
                     .map((c) => c.name)
                     .join(", ")}
  --repeats N      runs of each case, in turns; the table shows medians (1)
  --node PATH      the Node that runs the agent (this one)
  --bare-loop      also measure the same sends without an agent, and show the share of that bound that is reached
  --latency-ms N   the server waits this long before it answers (0)
  --refuse P       the server refuses this part of the requests with 429 (0)
  --refuse-items P the server refuses this part of the documents with 429, in answers of 200 (0)
  --disturbed      also measure each case with 5 ms, with 50 ms, and with 5 % of the documents refused, in turns
  --samples        print the first documents as they arrived
  --json           print JSON only
  --check          exit 1 when a floor is not reached, or a line is missing or doubled

Cases, fields and how to compare with other shippers: bench/README.md
`;

const { values } = parseArgs({
  options: {
    help: { type: "boolean", short: "h", default: false },
    lines: { type: "string", default: "2000000" },
    cases: { type: "string" },
    repeats: { type: "string", default: "1" },
    node: { type: "string", default: process.execPath },
    "bare-loop": { type: "boolean", default: false },
    "latency-ms": { type: "string", default: "0" },
    refuse: { type: "string", default: "0" },
    "refuse-items": { type: "string", default: "0" },
    disturbed: { type: "boolean", default: false },
    samples: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    check: { type: "boolean", default: false },
    save: { type: "boolean", default: false },
  },
});

const lines = Number(values.lines);
const say = (text: string): void => {
  if (!values.json) process.stderr.write(text + "\n");
};

function chosenCases(): Case[] {
  if (values.cases === undefined) return CASES.filter((one) => one.isUsual);
  return values.cases.split(",").map((name) => {
    const found = CASES.find((one) => one.name === name);
    if (found === undefined)
      throw new Error(`unknown case "${name}"; known are ${CASES.map((c) => c.name).join(", ")}`);
    return found;
  });
}

function linesOf(one: Case): number {
  return Math.ceil(lines * (one.share ?? 1));
}

/** How the server behaves in a run. */
interface Server {
  readonly latencyMs: number;
  readonly refuse: number;
  readonly refuseItems: number;
}

const SERVER: Server = {
  latencyMs: Number(values["latency-ms"]),
  refuse: Number(values.refuse),
  refuseItems: Number(values["refuse-items"]),
};
const DISTURBED: readonly Server[] = [
  { ...SERVER, latencyMs: 5 },
  { ...SERVER, latencyMs: 50 },
  { ...SERVER, refuseItems: 0.05 },
];

/** One run in a folder of its own. The input is copied: a fresh inode, which no checkpoint can know. */
async function runOnce(one: Case, sender: "agent" | "bare loop", server: Server): Promise<Measurement> {
  const folder = mkdtempSync(path.join(os.tmpdir(), "wiretail-bench-"));
  try {
    const inputs = placeInput(one, folder);
    const input = inputs.length === 1 ? inputs[0]! : path.join(folder, "input-*.log");
    return await measure({
      kind: one.kind,
      lines: linesOf(one),
      inputs,
      logFile: path.join(folder, "sender.log"),
      timeoutMs: 300_000,
      settleMs: 1000,
      ...server,
      command: (url) => ({
        argv: sender === "agent" ? agentCommand(one, folder, input, url) : bareLoopCommand(one, input, url),
        cwd: process.cwd(),
      }),
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function placeInput(one: Case, folder: string): string[] {
  const source = inputFile(one.kind, linesOf(one));
  if (one.files === undefined) {
    copyFileSync(source, path.join(folder, "input.log"));
    return [path.join(folder, "input.log")];
  }
  const bytes = readFileSync(source);
  const inputs: string[] = [];
  for (let i = 0, at = 0; i < one.files; i++) {
    const to =
      i === one.files - 1 ? bytes.length : bytes.indexOf(10, Math.floor((bytes.length * (i + 1)) / one.files)) + 1;
    const input = path.join(folder, `input-${i}.log`);
    writeFileSync(input, bytes.subarray(at, to));
    inputs.push(input);
    at = to;
  }
  return inputs;
}

function agentCommand(one: Case, folder: string, input: string, url: string): string[] {
  return [...launcherCommand(values.node), "run", "--config", writeHostFile(one, folder, input, url)];
}

function bareLoopCommand(one: Case, input: string, url: string): string[] {
  const script = fileURLToPath(new URL("./bare-loop.js", import.meta.url));
  return [values.node, script, "--input", input, "--url", url, "--work", one.bareLoop!];
}

function hostDescription(): Result["host"] {
  const cpus = os.cpus();
  return {
    cpu: cpus[0]?.model.trim() ?? "unknown",
    cores: cpus.length,
    memory_gib: Math.round(os.totalmem() / 2 ** 30),
    kernel: `${os.type()} ${os.release()}`,
    node: execFileSync(values.node, ["--version"], { encoding: "utf8" }).trim(),
  };
}

function commit(): string {
  try {
    const hash = execFileSync("git", ["rev-parse", "--short=12", "HEAD"], { encoding: "utf8" }).trim();
    const changed = execFileSync("git", [
      "status",
      "--porcelain",
      "--",
      "src",
      "bin",
      "pipelines",
      "package-lock.json",
    ]);
    return changed.length === 0 ? hash : `${hash} with changes`;
  } catch {
    return "unknown";
  }
}

function save(result: Result): string {
  const host = `${result.host.cpu}-${result.host.cores}cores-node${result.host.node.replace(/^v/, "")}`;
  const name = `${result.at.slice(0, 10)}-${host.toLowerCase().replace(/[^a-z0-9.]+/g, "-")}`;
  mkdirSync("bench/results", { recursive: true });
  const free = (n: number): string => {
    const base = path.join("bench/results", n === 1 ? name : `${name}-${n}`);
    return existsSync(`${base}.json`) ? free(n + 1) : base;
  };
  const base = free(1);
  writeFileSync(`${base}.json`, JSON.stringify(result, null, 2) + "\n");
  writeFileSync(`${base}.md`, resultText(result));
  return base;
}

async function main(): Promise<number> {
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const cases = chosenCases();
  for (const one of cases) {
    say(`input for ${one.name}: ${linesOf(one).toLocaleString("en")} lines in .cache/bench (made on first use)`);
    inputFile(one.kind, linesOf(one));
  }
  const runs: Result["runs"] = [];
  for (let repeat = 1; repeat <= Number(values.repeats); repeat++) {
    for (const one of cases) {
      const senders =
        values["bare-loop"] && one.bareLoop !== undefined ? (["agent", "bare loop"] as const) : (["agent"] as const);
      for (const sender of senders) {
        for (const server of values.disturbed && sender === "agent" ? [SERVER, ...DISTURBED] : [SERVER]) {
          say(`run ${repeat}: ${one.name}, ${sender}${serverText(server)}`);
          const { samples, ...measured } = await runOnce(one, sender, server);
          if (values.samples) say(samples.join("\n"));
          runs.push({ case: one.name, sender, repeat, server: serverText(server), ...measured });
          say(`  ${Math.round(measured.eventsPerSecond).toLocaleString("en")} events/s`);
        }
      }
    }
  }
  const result: Result = {
    at: new Date().toISOString(),
    commit: commit(),
    host: hostDescription(),
    lines,
    runs,
  };
  process.stdout.write(values.json ? JSON.stringify(result, null, 2) + "\n" : markdownTable(result));
  if (values.save) say(`kept as ${save(result)}.json and .md`);
  const faults = floorFaults(result);
  for (const fault of faults) say(`! ${fault}`);
  return values.check && faults.length > 0 ? 1 : 0;
}

/** What is unusual about the server, after a comma. */
function serverText({ latencyMs, refuse, refuseItems }: Server): string {
  return (
    (latencyMs > 0 ? `, answers after ${latencyMs} ms` : "") +
    (refuse > 0 ? `, ${refuse * 100} % of requests refused` : "") +
    (refuseItems > 0 ? `, ${refuseItems * 100} % of documents refused` : "")
  );
}

function floorFaults(result: Result): string[] {
  const faults: string[] = [];
  for (const run of result.runs.filter((one) => one.sender === "agent")) {
    const floor = CASES.find((one) => one.name === run.case)?.floor;
    if (run.missing !== 0) faults.push(`${run.case}: ${run.missing} lines are missing`);
    if (run.doubled !== 0) faults.push(`${run.case}: ${run.doubled} lines arrived twice`);
    if (run.unknown !== 0) faults.push(`${run.case}: ${run.unknown} documents have no key`);
    if (run.invalid !== 0) faults.push(`${run.case}: ${run.invalid} documents are no JSON`);
    if (floor !== undefined && run.eventsPerSecond < floor) {
      faults.push(`${run.case}: ${Math.round(run.eventsPerSecond)} events/s is below the floor of ${floor}`);
    }
    if (run.peakMegabytes > MEMORY_FLOOR_MEGABYTES) {
      faults.push(
        `${run.case}: ${Math.round(run.peakMegabytes)} MB is above the limit of ${MEMORY_FLOOR_MEGABYTES} MB`,
      );
    }
  }
  return faults;
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`error: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
