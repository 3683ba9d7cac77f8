/**
 * What a tap costs the agent: CPU nanoseconds an event of a whole agent (file, nginx-access, file) that works off a
 * backlog as fast as it can, with nobody tapping and with somebody who looks at a stage, by turns; and how long it took.
 * The reader is a process of its own and is not counted.
 *
 *     node dist/bench/micro/tap.js [LINES]
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { components } from "../../src/cli/components.ts";
import { Agent } from "../../src/runtime/agent.ts";
import { systemClock } from "../../src/runtime/clock.ts";
import { loadConfig } from "../../src/runtime/config/load.ts";

const [, , wantedLines = "1500000"] = process.argv;
const LINES = Number(wantedLines);
const ROUNDS = 4;
const nothing = (): void => undefined;
const quiet = { debug: nothing, info: nothing, warn: nothing, error: console.error };
const placeholders = { hostname: "bench", instanceId: "", ipAddress: "", awsRegion: "", accountId: "" };

async function makeInput(path: string): Promise<void> {
  const file = await open(path, "w");
  for (let i = 0; i < LINES; i += 1000) {
    let text = "";
    for (let n = i; n < i + 1000; n++)
      text += `203.0.113.${n % 250} - - [21/Nov/2026:10:${String(Math.floor(n / 60) % 60).padStart(2, "0")}:${String(n % 60).padStart(2, "0")} +0000] "GET /item/${n} HTTP/1.1" ${n % 7 === 0 ? 404 : 200} ${n} "-" "Mozilla/5.0 (X11; Linux x86_64)"\n`;
    await file.write(text);
  }
  await file.close();
}

/** Nanoseconds an event: CPU of this process, and by the clock. */
async function measure(folder: string, tap: readonly string[] | undefined): Promise<[cpu: number, wall: number]> {
  const run = await mkdtemp(join(folder, "run-"));
  const host = join(run, "host.json");
  await writeFile(
    host,
    JSON.stringify({
      state_dir: "state",
      sources: { web: { type: "file", include: [join(folder, "access.log")] } },
      pipelines: { web: { from: ["web"], use: "nginx-access", to: ["out"] } },
      sinks: { out: { type: "file", path: join(run, "out.ndjson") } },
    }),
  );
  const { config } = await loadConfig(host, { components });
  if (config === undefined) throw new Error("the configuration is wrong");
  const agent = await Agent.start({
    ...{ config, placeholders, version: "0", clock: systemClock, log: () => quiet, once: true },
  });
  const args = ["bin/wiretail", "tap", ...(tap ?? []), "--json", "--state-dir", config.stateDir];
  const reader = tap === undefined ? undefined : spawn(process.execPath, args, { stdio: ["ignore", "ignore", "pipe"] });
  // It may end before the agent has stopped.
  const closed = reader === undefined ? undefined : once(reader, "close");
  let said = "";
  reader?.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
  const began = process.cpuUsage();
  const beganMs = performance.now();
  await agent.sourcesEnded();
  await agent.drain(AbortSignal.timeout(60_000));
  const { user, system } = process.cpuUsage(began);
  const ms = performance.now() - beganMs;
  await agent.stop(10_000);
  if (reader !== undefined) {
    await closed;
    console.log(`  the reader: ${said.split("\n").find((line) => line.includes("matched")) ?? said}`);
  }
  await rm(run, { recursive: true, force: true });
  return [((user + system) * 1000) / LINES, (ms * 1e6) / LINES];
}

const folder = await mkdtemp(join(tmpdir(), "wiretail-tap-"));
try {
  await makeInput(join(folder, "access.log"));
  await measure(folder, undefined);
  const results: Record<string, [number, number][]> = { "no tap": [], "a tap on a stage": [] };
  for (let round = 0; round < ROUNDS; round++) {
    results["no tap"]!.push(await measure(folder, undefined));
    results["a tap on a stage"]!.push(
      await measure(folder, ["web/parse_nginx", "-q", "http.response.status_code: 404"]),
    );
  }
  for (const [name, runs] of Object.entries(results)) {
    const texts = runs.map(([cpu, wall]) => `${cpu.toFixed(0)} (${wall.toFixed(0)})`);
    const best = Math.min(...runs.map(([cpu]) => cpu));
    console.log(`${name.padEnd(18)} ${best.toFixed(0).padStart(6)} ns of CPU an event, best of ${texts.join(", ")}`);
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
