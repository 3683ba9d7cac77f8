import { fork, spawn, type ChildProcess } from "node:child_process";
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { launcherCommand } from "./launcher.ts";
import { message, stop } from "./measure.ts";
import { treeUse } from "./process-tree.ts";
import type { Received } from "./trickle-server.ts";

const HELP = `npm run bench:trickle: what a little costs, and how soon it arrives.

  trickle   the time from writing a line to its arrival at the server, at --rate lines a second over --files files
  idle      CPU time with --quiet files in which nothing happens
  many      as trickle, over --busy files among --many in one folder

Both with \`watch: "notify"\` and \`watch: "poll"\`. Exits with 1 when \`notify\` does not keep a limit of bench/README.md;
\`poll\` looks at each file once a second, and has none.

  --seconds N       how long each of the four parts is measured, after settling (60)
  --rate N          lines a second (100)
  --files N         files that they are written to (50)
  --quiet N         quiet files (500)
  --many N          files of the part many (10000)
  --busy N          files of them that are written to (20)
  --max-age-ms N    the sink's batch.max_age_ms (1000)
  --node PATH       the Node that runs the agent (this one)
  --parts A,B       trickle, idle, many (the first two)
  --json            print JSON only
`;

const { values } = parseArgs({
  options: {
    help: { type: "boolean", short: "h", default: false },
    seconds: { type: "string", default: "60" },
    rate: { type: "string", default: "100" },
    files: { type: "string", default: "50" },
    quiet: { type: "string", default: "500" },
    many: { type: "string", default: "10000" },
    busy: { type: "string", default: "20" },
    "max-age-ms": { type: "string", default: "1000" },
    node: { type: "string", default: process.execPath },
    parts: { type: "string", default: "trickle,idle" },
    json: { type: "boolean", default: false },
  },
});

const SETTLE_MS = 10_000;
const SETTLE_MANY_MS = 20_000;
/** Files that grew a minute ago are still looked at more closely: that is not quiet yet. */
const SETTLE_QUIET_MS = 65_000;
const LATENCY_ALLOWANCE_MS = 50;
const IDLE_LIMIT_PERCENT = 0.5;
const seconds = Number(values.seconds);
const maxAgeMs = Number(values["max-age-ms"]);
type Watch = "notify" | "poll";

interface Part {
  readonly part: string;
  readonly watch: Watch;
  readonly p50Ms?: number;
  readonly p95Ms?: number;
  readonly maxMs?: number;
  readonly lines?: number;
  readonly cpuPercent: number;
  readonly isKept: boolean;
}

/** Runs the agent on the logs of a folder of its own. `during` is given the folder of the logs and the server. */
async function withAgent<T>(
  watch: Watch,
  fill: (logs: string) => void,
  during: (logs: string, server: ChildProcess, agent: ChildProcess) => Promise<T>,
): Promise<T> {
  const folder = mkdtempSync(path.join(os.tmpdir(), "wiretail-trickle-"));
  const server = fork(fileURLToPath(new URL("./trickle-server.js", import.meta.url)));
  let agent: ChildProcess | undefined;
  try {
    const logs = path.join(folder, "logs");
    mkdirSync(logs);
    fill(logs);
    const { port } = await message<{ port: number }>(server, "listening", 10_000);
    const host = path.join(folder, "agent.json");
    writeFileSync(
      host,
      JSON.stringify({
        state_dir: path.join(folder, "state"),
        sources: { logs: { type: "file", include: [path.join(logs, "*.log")], watch } },
        pipelines: { bench: { from: ["logs"], to: ["es"] } },
        sinks: { es: { type: "elasticsearch", nodes: [`http://127.0.0.1:${port}`], batch: { max_age_ms: maxAgeMs } } },
      }),
    );
    const argv = [...launcherCommand(values.node), "run", "--config", host];
    const log = openSync(path.join(folder, "agent.log"), "w");
    agent = spawn(argv[0]!, argv.slice(1), { stdio: ["ignore", log, log] });
    closeSync(log);
    await sleep(SETTLE_MS);
    if (agent.exitCode !== null) throw new Error(readFileSync(path.join(folder, "agent.log"), "utf8").slice(-2000));
    return await during(logs, server, agent);
  } finally {
    await stop(agent);
    server.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  }
}

/** `beside`: files with a line each that are there from the beginning, and are not written to but for the first. */
async function trickle(watch: Watch, part: string, files: number, beside: number): Promise<Part> {
  return withAgent(
    watch,
    (logs) => {
      for (let i = 0; i < beside; i++) writeFileSync(path.join(logs, `${i}.log`), `at=0 line of ${i}\n`);
    },
    async (logs, server, agent) => {
      const descriptors = Array.from({ length: files }, (_, i) => openSync(path.join(logs, `${i}.log`), "a"));
      try {
        const write = (index: number): void => {
          writeSync(descriptors[index % files]!, `at=${Date.now()} a line of a quiet service, number ${index}\n`);
        };
        // Files are announced before they are read: that is not what is measured.
        for (let i = 0; i < files; i++) write(i);
        await sleep((beside > 0 ? SETTLE_MANY_MS : 5_000) + maxAgeMs);
        server.send("reset");
        const cpuBefore = treeUse(agent.pid!).cpuSeconds;
        const beganMs = performance.now();
        const total = seconds * Number(values.rate);
        for (let i = 0; i < total; i++) {
          // Spread over the files, and not in step with any timer of the agent.
          write(i * 7 + Math.floor(Math.random() * files));
          await sleep(Math.max(0, beganMs + ((i + Math.random()) * 1000) / Number(values.rate) - performance.now()));
        }
        const elapsed = (performance.now() - beganMs) / 1000;
        const cpuPercent = ((treeUse(agent.pid!).cpuSeconds - cpuBefore) / elapsed) * 100;
        await sleep(2_000 + 2 * maxAgeMs);
        server.send("latencies");
        const { latenciesMs } = await message<Received>(server, "latencies", 10_000);
        if (latenciesMs.length !== total) throw new Error(`${latenciesMs.length} of ${total} lines arrived`);
        const sorted = latenciesMs.sort((a, b) => a - b);
        const at = (part: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))]!;
        const isKept = watch === "poll" || at(0.95) <= maxAgeMs + LATENCY_ALLOWANCE_MS;
        return {
          ...{ part, watch, p50Ms: at(0.5), p95Ms: at(0.95), maxMs: at(1), lines: total },
          ...{ cpuPercent, isKept },
        };
      } finally {
        for (const descriptor of descriptors) closeSync(descriptor);
      }
    },
  );
}

async function idle(watch: Watch): Promise<Part> {
  const fill = (logs: string): void => {
    for (let i = 0; i < Number(values.quiet); i++) writeFileSync(path.join(logs, `${i}.log`), `at=0 line of ${i}\n`);
  };
  return withAgent(watch, fill, async (_logs, _server, agent) => {
    await sleep(SETTLE_QUIET_MS);
    const before = treeUse(agent.pid!).cpuSeconds;
    const beganMs = performance.now();
    await sleep(seconds * 1000);
    const elapsed = (performance.now() - beganMs) / 1000;
    const cpuPercent = ((treeUse(agent.pid!).cpuSeconds - before) / elapsed) * 100;
    return { part: "idle", watch, cpuPercent, isKept: watch === "poll" || cpuPercent < IDLE_LIMIT_PERCENT };
  });
}

async function main(): Promise<number> {
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const parts: Part[] = [];
  for (const part of values.parts.split(",")) {
    for (const watch of ["notify", "poll"] as const) {
      if (!values.json) process.stderr.write(`${part}, watch: ${watch}\n`);
      if (part === "idle") parts.push(await idle(watch));
      else if (part === "many") parts.push(await trickle(watch, part, Number(values.busy), Number(values.many)));
      else parts.push(await trickle(watch, part, Number(values.files), 0));
    }
  }
  if (values.json) process.stdout.write(JSON.stringify(parts, null, 2) + "\n");
  else {
    process.stdout.write(
      "| part | watch | p50 ms | p95 ms | max ms | CPU % of a core | kept |\n|---|---|--:|--:|--:|--:|---|\n",
    );
    for (const { part, watch, p50Ms, p95Ms, maxMs, cpuPercent, isKept } of parts) {
      const cells = [part, watch, p50Ms ?? "", p95Ms ?? "", maxMs ?? "", cpuPercent.toFixed(2), isKept ? "yes" : "no"];
      process.stdout.write(`| ${cells.join(" | ")} |\n`);
    }
  }
  return parts.every(({ isKept }) => isKept) ? 0 : 1;
}

process.exitCode = await main();
