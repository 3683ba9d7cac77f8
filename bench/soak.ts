import { fork, spawn, type ChildProcess } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, renameSync, rmSync, statSync, writeSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { CASES, writeHostFile } from "./cases.ts";
import { lineSource } from "./input.ts";
import { launcherCommand } from "./launcher.ts";
import { message, stats, stop } from "./measure.ts";
import { treeUse } from "./process-tree.ts";

const HELP = `npm run bench:soak: whether memory stays flat over 100 million lines.

A log is appended to a little ahead of the agent and rotated (renamed) each --rotate-mb; rotated files are removed once
their lines have arrived, so that little disk is used. The resident size is sampled all the time. Exits with 1 when its
median over the last tenth is more than 5 % above that over the second tenth, or a line is missing or doubled.

  --lines N       millions of lines (100)
  --case NAME     what is done with them: short-raw, nginx-raw or nginx-parsed (short-raw)
  --rotate-mb N   size of a file, 1e6 bytes (64)
  --node PATH     the Node that runs the agent (this one)
`;

const { values } = parseArgs({
  options: {
    help: { type: "boolean", short: "h", default: false },
    lines: { type: "string", default: "100" },
    case: { type: "string", default: "short-raw" },
    "rotate-mb": { type: "string", default: "64" },
    node: { type: "string", default: process.execPath },
  },
});

const SEED = 1;
const BLOCK_LINES = 50_000;
/** The writer waits while so many lines have not arrived. */
const AHEAD_LINES = 4_000_000;
const SAMPLE_EVERY_MS = 250;
const GROWTH_LIMIT = 1.05;
const STALL_MS = 120_000;

interface Sample {
  readonly lines: number;
  readonly residentBytes: number;
}

function residentBytes(pid: number): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) * 1024;
}

function medianMegabytes(samples: readonly Sample[], from: number, to: number): number {
  const sizes = samples.filter(({ lines }) => lines >= from && lines <= to).map((sample) => sample.residentBytes);
  sizes.sort((a, b) => a - b);
  return (sizes[sizes.length >> 1] ?? NaN) / 1e6;
}

async function run(total: number, folder: string): Promise<number> {
  const one = CASES.find(({ name }) => name === values.case);
  if (one === undefined) throw new Error(`unknown case "${values.case}"`);
  const server = fork(fileURLToPath(new URL("./bulk-server.js", import.meta.url)), [
    ...["--kind", one.kind, "--lines", String(total)],
  ]);
  let agent: ChildProcess | undefined;
  const samples: Sample[] = [];
  try {
    const { port } = await message<{ port: number }>(server, "listening", 10_000);
    const host = writeHostFile(one, folder, path.join(folder, "input.log"), `http://127.0.0.1:${port}`);
    const input = path.join(folder, "input.log");
    let descriptor = openSync(input, "a");
    const log = openSync(path.join(folder, "agent.log"), "w");
    const argv = [...launcherCommand(values.node), "run", "--config", host];
    agent = spawn(argv[0]!, argv.slice(1), { stdio: ["ignore", log, log] });
    closeSync(log);
    const next = lineSource(one.kind, SEED);
    const rotated: { path: string; upTo: number }[] = [];
    let written = 0;
    let arrived = 0;
    let progressAtMs = performance.now();
    let sampledAtMs = 0;
    const beganMs = performance.now();
    while (arrived < total) {
      if (written < total && written - arrived < AHEAD_LINES) {
        const block: string[] = [];
        for (const end = Math.min(total, written + BLOCK_LINES); written < end; written++) block.push(next(written));
        writeSync(descriptor, block.join("\n") + "\n");
        if (statSync(input).size > Number(values["rotate-mb"]) * 1e6) {
          closeSync(descriptor);
          const name = `${input}.${rotated.length}-${written}`;
          renameSync(input, name);
          rotated.push({ path: name, upTo: written });
          descriptor = openSync(input, "a");
        }
      } else await sleep(20);
      const now = performance.now();
      if (now - sampledAtMs < SAMPLE_EVERY_MS) continue;
      sampledAtMs = now;
      if (agent.exitCode !== null) throw new Error(readFileSync(path.join(folder, "agent.log"), "utf8").slice(-2000));
      const { distinct } = await stats(server);
      if (distinct > arrived) progressAtMs = now;
      else if (now - progressAtMs > STALL_MS) throw new Error(`nothing arrives any more: ${arrived} of ${total} lines`);
      arrived = distinct;
      samples.push({ lines: arrived, residentBytes: residentBytes(agent.pid!) });
      // What comes after it has arrived, so it was read to its end long ago.
      while (rotated.length > 0 && rotated[0]!.upTo < arrived - AHEAD_LINES) rmSync(rotated.shift()!.path);
    }
    closeSync(descriptor);
    await sleep(2_000);
    const { missing, doubled, unknown } = await stats(server);
    const { cpuSeconds, peakBytes } = treeUse(agent.pid!);
    const early = medianMegabytes(samples, total / 10, total / 5);
    const late = medianMegabytes(samples, (total * 9) / 10, total);
    const isFlat = late <= early * GROWTH_LIMIT;
    const tenths = Array.from({ length: 10 }, (_, i) =>
      Math.round(medianMegabytes(samples, (total * i) / 10, (total * (i + 1)) / 10)),
    );
    const result = {
      ...{ at: new Date().toISOString(), case: one.name, lines: total, seconds: (performance.now() - beganMs) / 1000 },
      ...{ node: process.version, cpu: os.cpus()[0]?.model ?? "", cores: os.cpus().length },
      ...{ residentMegabytesByTenth: tenths, earlyMegabytes: early, lateMegabytes: late },
      ...{ peakMegabytes: peakBytes / 1e6, cpuSecondsPerMillion: (cpuSeconds / total) * 1e6 },
      ...{ missing, doubled, unknown, isFlat },
    };
    process.stdout.write(JSON.stringify(result, null, 2) + "\n");
    return isFlat && missing + doubled + unknown === 0 ? 0 : 1;
  } finally {
    await stop(agent);
    server.kill("SIGKILL");
  }
}

async function main(): Promise<number> {
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const folder = mkdtempSync(path.join(os.tmpdir(), "wiretail-soak-"));
  try {
    return await run(Math.round(Number(values.lines) * 1e6), folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

process.exitCode = await main();
