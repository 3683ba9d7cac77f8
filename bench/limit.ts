import { fork, type ChildProcess } from "node:child_process";
import { closeSync, copyFileSync, mkdtempSync, openSync, readSync, rmSync } from "node:fs";
import { createConnection, createServer, type AddressInfo } from "node:net";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { CASES, writeHostFile, type Case } from "./cases.ts";
import { inputFile } from "./input.ts";
import { launcherCommand } from "./launcher.ts";
import { measure, message, stop, warmPageCache } from "./measure.ts";
import { median } from "./statistics.ts";

const HELP = `node dist/bench/limit.js: what the kernel alone takes for the bytes of a case, and the share of that limit reached.

  --lines N    lines of input (2000000)
  --cases A,B  ${CASES.map((c) => c.name).join(", ")}
  --repeats N  of each, in turns; medians (3)

"bytes alone" is one process that reads the same file into one buffer and writes as many bytes as the agent sent, in
calls of 2 MiB, to a connection on loopback whose other end throws them away; "start" is the agent until its first call.
`;

/** Bytes of one write: what one call of the agent has. */
const WRITE_BYTES = 2 << 20;
const READ_BYTES = 1 << 20;

/** Reads a whole file into one buffer. Returns CPU seconds. */
function read(file: string): number {
  const before = process.cpuUsage();
  const descriptor = openSync(file, "r");
  const buffer = Buffer.allocUnsafeSlow(READ_BYTES);
  while (readSync(descriptor, buffer) > 0);
  closeSync(descriptor);
  return secondsSince(before);
}

/** Writes so many bytes to a connection and waits until its other end has them. Returns CPU seconds of this end. */
async function write(port: number, bytes: number): Promise<number> {
  const socket = createConnection({ port, host: "127.0.0.1" });
  await new Promise<void>((resolve, reject) => socket.once("connect", resolve).once("error", reject));
  const body = Buffer.alloc(WRITE_BYTES, "x");
  const before = process.cpuUsage();
  for (let left = bytes; left > 0; left -= WRITE_BYTES) {
    const part = left < WRITE_BYTES ? body.subarray(0, left) : body;
    await new Promise<void>((resolve, reject) => socket.write(part, (error) => (error ? reject(error) : resolve())));
  }
  const ended = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  socket.resume().end();
  await ended;
  return secondsSince(before);
}

function secondsSince(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}

/** In a process of its own: reads what arrives, and throws it away. */
function discard(): void {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.resume().once("end", () => socket.end());
    socket.on("error", () => undefined);
  });
  server.listen(0, "127.0.0.1", () =>
    process.send?.({ type: "listening", port: (server.address() as AddressInfo).port }),
  );
  process.on("disconnect", () => process.exit(0));
}

interface Costs {
  readonly bytesAlone: number;
  readonly agent: number;
  readonly start: number;
}

/** CPU seconds of one run of each. */
async function measureOnce(one: Case, lines: number, port: number): Promise<Costs> {
  const folder = mkdtempSync(path.join(os.tmpdir(), "wiretail-bench-"));
  try {
    const agent = async (kindLines: number): Promise<{ cpuSeconds: number; wireBytes: number }> => {
      const input = path.join(folder, `input-${kindLines}.log`);
      copyFileSync(inputFile(one.kind, kindLines), input);
      const measured = await measure({
        ...{ kind: one.kind, lines: kindLines, inputs: [input], logFile: path.join(folder, "sender.log") },
        ...{ timeoutMs: 300_000, settleMs: 500 },
        command: (url) => {
          rmSync(path.join(folder, "state"), { recursive: true, force: true });
          const host = writeHostFile(one, folder, input, url);
          return { argv: [...launcherCommand(process.execPath), "run", "--config", host], cwd: process.cwd() };
        },
      });
      return { cpuSeconds: (measured.cpuSecondsPerMillion * kindLines) / 1e6, wireBytes: measured.wireBytes };
    };
    const input = inputFile(one.kind, lines);
    warmPageCache(input);
    const whole = await agent(lines);
    const first = await agent(1_000);
    const bytesAlone = read(input) + (await write(port, whole.wireBytes));
    return { bytesAlone, agent: whole.cpuSeconds, start: first.cpuSeconds };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      help: { type: "boolean", short: "h", default: false },
      lines: { type: "string", default: "2000000" },
      cases: { type: "string" },
      repeats: { type: "string", default: "3" },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return;
  }
  const names = values.cases?.split(",") ?? CASES.filter(({ isUsual }) => isUsual).map(({ name }) => name);
  const lines = Number(values.lines);
  let server: ChildProcess | undefined;
  try {
    server = fork(fileURLToPath(import.meta.url), ["discard"]);
    const { port } = await message<{ port: number }>(server, "listening", 10_000);
    const all = new Map<Case, Costs[]>();
    for (let repeat = 0; repeat < Number(values.repeats); repeat++) {
      for (const one of CASES.filter(({ name }) => names.includes(name))) {
        all.set(one, [...(all.get(one) ?? []), await measureOnce(one, lines, port)]);
      }
    }
    const perMillion = (seconds: readonly number[]): string => ((median(seconds) / lines) * 1e6).toFixed(2).padStart(5);
    process.stdout.write(
      "| CPU s per million | bytes alone | agent | agent without its start | share of the limit |\n",
    );
    process.stdout.write("| --- | ---: | ---: | ---: | ---: |\n");
    for (const [one, costs] of all) {
      const steady = costs.map(({ agent, start }) => agent - start);
      const share = median(costs.map(({ bytesAlone }) => bytesAlone)) / median(steady);
      process.stdout.write(
        `| ${one.title} | ${perMillion(costs.map((c) => c.bytesAlone))} | ${perMillion(costs.map((c) => c.agent))} | ` +
          `${perMillion(steady)} | ${Math.round(share * 100)} % |\n`,
      );
    }
  } finally {
    await stop(server);
  }
}

if (process.argv[2] === "discard") discard();
else await main();
