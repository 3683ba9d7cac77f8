import { fork, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdtempSync, openSync, closeSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { inputFile } from "./input.ts";
import { launcherCommand } from "./launcher.ts";
import { message, stats, stop, warmPageCache } from "./measure.ts";
import { treeUse } from "./process-tree.ts";
import { median } from "./statistics.ts";

/**
 * How long a start takes: from just before the process is started until the first bulk request is at the server, with
 * one source (a file of 1,000 lines) and one sink (`elasticsearch`, on a state directory that does not exist yet).
 * Bare Node (`node -e 0`) and `wiretail --version` take turns with it, so that ratios are of the same minutes.
 *
 * `npm run bench:startup -- --runs 15 --checkout DIR,DIR --node PATH`: several built checkouts take turns, too.
 */
const { values } = parseArgs({
  options: {
    runs: { type: "string", default: "15" },
    checkout: { type: "string", default: "." },
    node: { type: "string", default: process.execPath },
  },
});
const LINES = 1000;
const TIMEOUT_MS = 60_000;

/** Milliseconds of wall time, and for what was measured CPU milliseconds and the highest resident memory in MB. */
interface Start {
  readonly ms: number;
  readonly cpuMs?: number;
  readonly peakMegabytes?: number;
}

async function untilFirstBulk(checkout: string): Promise<Start> {
  const folder = mkdtempSync(path.join(os.tmpdir(), "wiretail-bench-"));
  const server = fork(fileURLToPath(new URL("./bulk-server.js", import.meta.url)), ["--lines", String(LINES)]);
  let agent: ChildProcess | undefined;
  try {
    const { port } = await message<{ port: number }>(server, "listening", TIMEOUT_MS);
    const input = path.join(folder, "access.log");
    copyFileSync(inputFile("nginx", LINES), input);
    warmPageCache(input);
    const host = {
      state_dir: path.join(folder, "state"),
      sources: { log: { type: "file", include: [input] } },
      pipelines: { log: { from: ["log"], to: ["es"] } },
      sinks: { es: { type: "elasticsearch", nodes: [`http://127.0.0.1:${port}`], data_stream: { dataset: "bench" } } },
    };
    const config = path.join(folder, "host.json");
    writeFileSync(config, JSON.stringify(host));
    const arrived = message(server, "done", TIMEOUT_MS);
    const output = path.join(folder, "agent.log");
    const log = openSync(output, "w");
    const [program, ...args] = [...launcherCommand(values.node, checkout), "run", "-c", config];
    const startMs = performance.timeOrigin + performance.now();
    agent = spawn(program, args, { stdio: ["ignore", log, log] });
    closeSync(log);
    const ended = once(agent, "exit").then(([code]) => {
      throw new Error(`the agent ended with ${String(code)}\n${readFileSync(output, "utf8").slice(-2000)}`);
    });
    await Promise.race([arrived, ended]);
    ended.catch(() => undefined);
    const { cpuSeconds, peakBytes } = treeUse(agent.pid!);
    const { firstAtMs } = await stats(server);
    return { ms: firstAtMs - startMs, cpuMs: cpuSeconds * 1000, peakMegabytes: peakBytes / 1e6 };
  } finally {
    await stop(agent);
    server.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  }
}

async function untilExit(command: readonly string[]): Promise<Start> {
  const startMs = performance.now();
  const child = spawn(command[0]!, command.slice(1), { stdio: "ignore" });
  await once(child, "exit");
  return { ms: performance.now() - startMs };
}

const checkouts = values.checkout.split(",").map((folder) => path.resolve(folder));
const label = (checkout: string): string => (checkouts.length === 1 ? "" : ` (${checkout})`);
const cases: (readonly [name: string, run: () => Promise<Start>])[] = [
  ["`node -e 0`", () => untilExit([values.node, "-e", "0"])],
  ...checkouts.flatMap((checkout) => [
    [
      `\`wiretail --version\`${label(checkout)}`,
      () => untilExit([...launcherCommand(values.node, checkout), "--version"]),
    ] as const,
    [`first bulk request at the server${label(checkout)}`, () => untilFirstBulk(checkout)] as const,
  ]),
];
const starts = new Map<string, Start[]>(cases.map(([name]) => [name, []]));
for (let run = 0; run < Number(values.runs); run++)
  for (const [name, start] of cases) starts.get(name)!.push(await start());

const bare = median(starts.get(cases[0]![0])!.map(({ ms }) => ms));
const of = (all: readonly (number | undefined)[]): string =>
  all[0] === undefined ? "" : median(all as number[]).toFixed(0);
const rows = [...starts].map(([name, all]) => {
  const ms = all.map((each) => each.ms);
  const [least, most] = [Math.min(...ms).toFixed(0), Math.max(...ms).toFixed(0)];
  const ratio = (median(ms) / bare).toFixed(1);
  return `| ${name} | ${of(ms)} (${least}–${most}) | ${ratio} | ${of(all.map((each) => each.cpuMs))} | ${of(all.map((each) => each.peakMegabytes))} |`;
});
process.stdout.write(
  [
    `Node ${process.version}, ${os.cpus()[0]?.model.trim() ?? "unknown"}, ${os.cpus().length} cores; medians of ${values.runs} turns (least–most).`,
    "",
    "| until | ms | × bare Node | CPU ms | peak MB |",
    "| --- | --- | --- | --- | --- |",
    ...rows,
    "",
  ].join("\n"),
);
