import { fork, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import os from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { AgentStatus } from "../src/runtime/status.ts";
import { startCloudWatchDouble } from "../test/support/doubles/cloudwatch.ts";
import { wiretail } from "../test/support/e2e.ts";
import { FolderArrivals, Lags, percentile, TimedWriter } from "../test/support/lags.ts";
import { CASES, writeHostFile } from "./cases.ts";
import { inputFile } from "./input.ts";
import { launcherCommand } from "./launcher.ts";
import { measure, message, stats, stop, warmPageCache } from "./measure.ts";
import { median, pairedSlowdown } from "./statistics.ts";

const HELP = `npm run bench:journal: what the journal costs, and what an outage does to others.

  npm run bench:journal                              through, catch-up and lag
  npm run bench:journal -- --parts lag --outage-seconds 600
  npm run bench:journal -- --parts idle --baseline ../wiretail-before --repeats 15

  --parts A,B         of these:
                        through   everything is written to the journal (lines from stdin) against no journal
                        catch-up  how fast a sink gets what the journal holds, against lines straight from the file
                        lag       of CloudWatch and the local store while Elasticsearch is down, against before
                        idle      CPU time with the journal idle, in turns with another build (needs --baseline)
  --lines N           lines of nginx's access log (1000000)
  --repeats N         runs of each, in turns; medians (3; of idle 15)
  --outage-seconds N  (30)
  --control-seconds N how long lag is measured with all sinks up, before and after (15)
  --lines-per-second N  that are written in the part lag (400)
  --baseline DIR      a checkout of the build to compare with, built (npm run build)
  --node PATH         the Node that runs the agent (this one)
  --json              print JSON only

What is measured: bench/README.md
`;

const { values } = parseArgs({
  options: {
    help: { type: "boolean", short: "h", default: false },
    parts: { type: "string" },
    lines: { type: "string", default: "1000000" },
    repeats: { type: "string" },
    "outage-seconds": { type: "string", default: "30" },
    "control-seconds": { type: "string", default: "15" },
    "lines-per-second": { type: "string", default: "400" },
    baseline: { type: "string" },
    node: { type: "string", default: process.execPath },
    json: { type: "boolean", default: false },
  },
});

const PARTS = ["through", "catch-up", "lag", "idle"] as const;
type Part = (typeof PARTS)[number];
type Figures = Readonly<Record<string, number>>;

const lines = Number(values.lines);
const TIMEOUT_MS = 600_000;
const NGINX = CASES.find(({ name }) => name === "nginx-raw")!;
const say = (text: string): void => {
  if (!values.json) process.stderr.write(text + "\n");
};

function chosenParts(): readonly Part[] {
  if (values.parts === undefined) return PARTS.filter((part) => part !== "idle" || values.baseline !== undefined);
  return values.parts.split(",").map((name) => {
    const part = PARTS.find((each) => each === name);
    if (part === undefined) throw new Error(`unknown part "${name}"; known are ${PARTS.join(", ")}`);
    if (part === "idle" && values.baseline === undefined) throw new Error("the part idle needs --baseline DIR");
    return part;
  });
}

/** A folder that is removed afterwards. */
async function inFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(path.join(os.tmpdir(), "wiretail-bench-"));
  try {
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** In a fresh inode, which no checkpoint can know. */
function freshInput(folder: string): string {
  const input = path.join(folder, "input.log");
  copyFileSync(inputFile("nginx", lines), input);
  return input;
}

const elasticsearch = (url: string) => ({
  ...{ type: "elasticsearch", nodes: [url], data_stream: { dataset: "bench" }, compression: "none" },
});

function writeHost(folder: string, host: Readonly<Record<string, unknown>>): string {
  const file = path.join(folder, "agent.json");
  writeFileSync(file, JSON.stringify({ state_dir: path.join(folder, "state"), ...host }));
  return file;
}

const runCommand = (host: string): string[] => [...launcherCommand(values.node), "run", "--config", host];

/** Lines a second from `stdin`, all of it in the journal, or without a journal. */
async function fromStdin(journalBytes: number): Promise<number> {
  return inFolder(async (folder) => {
    const input = freshInput(folder);
    const { eventsPerSecond, missing, doubled } = await measure({
      ...{ kind: "nginx", lines, inputs: [input], logFile: path.join(folder, "sender.log") },
      ...{ timeoutMs: TIMEOUT_MS, settleMs: 500 },
      command: (url) => {
        const host = writeHost(folder, {
          journal: { max_bytes: journalBytes },
          sources: { input: { type: "stdin" } },
          pipelines: { bench: { from: ["input"], to: ["es"] } },
          sinks: { es: elasticsearch(url) },
        });
        return { argv: ["/bin/sh", "-c", 'exec "$@" < "$0"', input, ...runCommand(host)], cwd: process.cwd() };
      },
    });
    checkCounts(missing, doubled);
    return eventsPerSecond;
  });
}

async function measureThrough(): Promise<Figures> {
  const [through, direct]: [number[], number[]] = [[], []];
  for (let i = 0; i < Number(values.repeats ?? 3); i++) {
    through.push(await fromStdin(8 * 2 ** 30));
    direct.push(await fromStdin(0));
    say(`  through the journal ${rate(through.at(-1)!)}, without one ${rate(direct.at(-1)!)}`);
  }
  return { through: median(through), direct: median(direct), share: median(through) / median(direct) };
}

/** An agent with its output in a file. */
function spawnAgent(host: string, folder: string): ChildProcess {
  const log = openSync(path.join(folder, "agent.log"), "w");
  const [program, ...args] = runCommand(host);
  const agent = spawn(program!, args, { stdio: ["ignore", log, log] });
  closeSync(log);
  return agent;
}

function forkServer(port: number, expected: number): ChildProcess {
  const script = fileURLToPath(new URL("./bulk-server.js", import.meta.url));
  return fork(script, ["--kind", "nginx", "--lines", String(expected), "--port", String(port)]);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

async function statusOf(host: string): Promise<AgentStatus | undefined> {
  const { stdout } = await wiretail(["status", "--json", "-c", host]);
  return stdout === "" ? undefined : (JSON.parse(stdout) as AgentStatus);
}

/**
 * Lines a second between the first and the last call that the server gets: with the server there from the start, or
 * only when another sink has all and the rest is in the journal.
 */
async function arrivalRate(isOutage: boolean): Promise<number> {
  return inFolder(async (folder) => {
    const input = freshInput(folder);
    warmPageCache(input);
    const port = await freePort();
    const others = isOutage ? { out: { type: "file", path: path.join(folder, "out.ndjson") } } : {};
    const host = writeHost(folder, {
      journal: { max_bytes: 8 * 2 ** 30 },
      sources: { input: { type: "file", include: [input], start_at: "beginning" } },
      pipelines: { bench: { from: ["input"], to: ["es", ...Object.keys(others)] } },
      sinks: { es: elasticsearch(`http://127.0.0.1:${port}`), ...others },
    });
    let server: ChildProcess | undefined;
    let agent: ChildProcess | undefined;
    try {
      if (isOutage) {
        agent = spawnAgent(host, folder);
        await untilJournaled(host, agent, folder);
      }
      server = forkServer(port, lines);
      await message(server, "listening", 10_000);
      const done = message(server, "done", TIMEOUT_MS);
      agent ??= spawnAgent(host, folder);
      await done;
      await sleep(500);
      const { firstAtMs, lastAtMs, missing, doubled } = await stats(server);
      checkCounts(missing, doubled);
      return (lines / (lastAtMs - firstAtMs)) * 1000;
    } finally {
      await stop(agent);
      server?.kill("SIGKILL");
    }
  });
}

async function untilJournaled(host: string, agent: ChildProcess, folder: string): Promise<void> {
  for (const deadline = Date.now() + TIMEOUT_MS; ;) {
    await sleep(1000);
    const sinks = (await statusOf(host))?.sinks ?? [];
    if (sinks.find(({ name }) => name === "out")?.delivered_events === lines) return;
    if (agent.exitCode !== null || Date.now() > deadline) {
      throw new Error(`the other sink did not get all: ${readFileSync(path.join(folder, "agent.log"), "utf8")}`);
    }
  }
}

async function measureCatchUp(): Promise<Figures> {
  const [catchUp, direct]: [number[], number[]] = [[], []];
  for (let i = 0; i < Number(values.repeats ?? 3); i++) {
    catchUp.push(await arrivalRate(true));
    direct.push(await arrivalRate(false));
    say(`  catching up ${rate(catchUp.at(-1)!)}, direct ${rate(direct.at(-1)!)}`);
  }
  return { catch_up: median(catchUp), direct: median(direct), share: median(catchUp) / median(direct) };
}

/** 95th percentiles of the time from writing a line to its arrival, in milliseconds. */
async function measureLag(): Promise<Figures> {
  return inFolder(async (folder) => {
    const [outageMs, controlMs] = [Number(values["outage-seconds"]) * 1000, Number(values["control-seconds"]) * 1000];
    const lags = { cloudwatch: new Lags(), local: new Lags() };
    const cloudwatch = await startCloudWatchDouble({
      refuses: ({ message: text }) => {
        lags.cloudwatch.arrived(text, Date.now());
        return false;
      },
    });
    const port = await freePort();
    const batch = { max_age_ms: 50 };
    const host = writeHost(folder, {
      sources: { app: { type: "file", include: [path.join(folder, "in/*.log")] } },
      pipelines: { all: { from: ["app"], to: ["es", "cloudwatch", "here"] } },
      sinks: {
        es: { ...elasticsearch(`http://127.0.0.1:${port}`), batch },
        cloudwatch: {
          ...{ type: "cloudwatch_logs", endpoint: cloudwatch.url, region: "eu-west-1", log_group_name: "bench" },
          ...{ log_stream_name: "all", access_key_id: "AKIDEXAMPLE", secret_access_key: "secret" },
          ...{ message: "original", batch },
        },
        here: { type: "local", path: path.join(folder, "store"), batch },
      },
    });
    const writer = new TimedWriter(path.join(folder, "in"), 2);
    const store = new FolderArrivals(path.join(folder, "store"), (line, atMs) => lags.local.arrived(line, atMs));
    let server = forkServer(port, 0);
    let agent: ChildProcess | undefined;
    try {
      await message(server, "listening", 10_000);
      await writer.write(10);
      agent = spawnAgent(host, folder);
      store.start();
      writer.start(Math.max(1, Math.round(Number(values["lines-per-second"]) / 100)), 10);
      await sleep(5000);
      const began = Date.now();
      await sleep(controlMs);
      const down = Date.now();
      server.kill("SIGKILL");
      await sleep(outageMs);
      const up = Date.now();
      const behind = await statusOf(host);
      server = forkServer(port, 0);
      await message(server, "listening", 10_000);
      await untilCaughtUp(host);
      const after = Date.now();
      await sleep(controlMs);
      const ended = Date.now();
      await writer.stop();
      // What was written last is to arrive, too.
      await sleep(1000);
      const figures: Record<string, number> = {
        outage_seconds: outageMs / 1000,
        catch_up_seconds: (after - up) / 1000,
        journal_bytes: behind?.journal?.used_bytes ?? 0,
        memory_queued_bytes: behind?.memory.queued_bytes ?? 0,
        resident_bytes: behind?.memory.resident_bytes ?? 0,
      };
      for (const [name, lag] of Object.entries(lags)) {
        figures[`${name}_control_ms`] = percentile([...lag.between(began, down), ...lag.between(after, ended)], 95);
        figures[`${name}_outage_ms`] = percentile(lag.between(down, up), 95);
        figures[`${name}_catch_up_ms`] = percentile(lag.between(up, after), 95);
      }
      return figures;
    } finally {
      await writer.stop();
      await store.stop();
      await stop(agent);
      server.kill("SIGKILL");
      await cloudwatch.stop();
    }
  });
}

async function untilCaughtUp(host: string): Promise<void> {
  for (const deadline = Date.now() + TIMEOUT_MS; ;) {
    await sleep(1000);
    const status = await statusOf(host);
    if (status?.journal?.used_bytes === 0) return;
    if (Date.now() > deadline) throw new Error(`Elasticsearch does not catch up: ${JSON.stringify(status?.sinks)}`);
  }
}

/** CPU seconds a million lines, of two builds in turns; which one is first changes from pair to pair. */
async function measureIdle(baseline: string): Promise<Figures> {
  // Without all that a build makes an agent runs, and is slow.
  if (!["all", "product"].some((name) => existsSync(path.join(baseline, `dist/.built-${name}`)))) {
    throw new Error(`${baseline} is not built: run npm run build there`);
  }
  const [now, before]: [number[], number[]] = [[], []];
  const cpu = async (checkout: string): Promise<number> =>
    inFolder(async (folder) => {
      const input = freshInput(folder);
      const { cpuSecondsPerMillion, missing, doubled } = await measure({
        ...{ kind: "nginx", lines, inputs: [input], logFile: path.join(folder, "sender.log") },
        ...{ timeoutMs: TIMEOUT_MS, settleMs: 200 },
        command: (url) => {
          const host = writeHostFile(NGINX, folder, input, url);
          return { argv: [...launcherCommand(values.node, checkout), "run", "--config", host], cwd: process.cwd() };
        },
      });
      checkCounts(missing, doubled);
      return cpuSecondsPerMillion;
    });
  for (let i = 0; i < Number(values.repeats ?? 15); i++) {
    if (i % 2 === 0) now.push(await cpu("."));
    before.push(await cpu(baseline));
    if (i % 2 === 1) now.push(await cpu("."));
    say(`  pair ${i + 1}: ${now.at(-1)!.toFixed(3)} CPU s per million, baseline ${before.at(-1)!.toFixed(3)}`);
  }
  const { mean, upper95 } = pairedSlowdown(now, before);
  return { now: median(now), baseline: median(before), slowdown: mean, slowdown_upper_95: upper95 };
}

function checkCounts(missing: number, doubled: number): void {
  if (missing > 0 || doubled > 0) throw new Error(`${missing} lines are missing, ${doubled} arrived twice`);
}

function rate(perSecond: number): string {
  return `${Math.round(perSecond).toLocaleString("en")}/s`;
}

const MEASURES: Readonly<Record<Part, () => Promise<Figures>>> = {
  through: measureThrough,
  "catch-up": measureCatchUp,
  lag: measureLag,
  idle: () => measureIdle(values.baseline!),
};

async function main(): Promise<void> {
  if (values.help) {
    process.stdout.write(HELP);
    return;
  }
  const figures: Partial<Record<Part, Figures>> = {};
  for (const part of chosenParts()) {
    say(part);
    figures[part] = await MEASURES[part]();
    if (!values.json) {
      for (const [name, value] of Object.entries(figures[part])) {
        process.stdout.write(`${part} ${name} ${Number(value.toPrecision(6))}\n`);
      }
    }
  }
  if (values.json) process.stdout.write(JSON.stringify({ at: new Date().toISOString(), lines, figures }) + "\n");
}

try {
  await main();
} catch (error) {
  process.stderr.write(`error: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
