import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { findCapPackage } from "../src/sources/packet/drivers/cap/addon.ts";
import { launcherCommand } from "./launcher.ts";

/**
 * The rate of packets at which live captures begin to drop: packets are sent at rising rates over a pair of virtual
 * interfaces, and each program captures what it can. Needs root, tcpreplay, tcpdump, tshark and dumpcap, and a machine
 * with nothing else to do. `--sender udp` (by python3) has the kernel make the packets out of large datagrams: three times
 * as fast as tcpreplay, which makes a system call a packet.
 *
 * `node dist/bench/capture.js --rates 50000,100000,200000,400000,max --seconds 2 --programs flows,tcpdump`
 *
 * The driver `cap` is measured where Wiretail finds the package (NODE_PATH counts). `--profile FOLDER` keeps a profile of
 * the agent's processor time for each row.
 */
const { values } = parseArgs({
  options: {
    rates: { type: "string", default: "25000,50000,100000,200000,400000,max" },
    /** Parts of names: only these programs. */
    programs: { type: "string", default: "" },
    profile: { type: "string" },
    seconds: { type: "string", default: "2" },
    sender: { type: "string", default: "tcpreplay" },
    bytes: { type: "string", default: "300" },
    /** The kernel's buffer, of every program. */
    "buffer-mib": { type: "string", default: "16" },
  },
});
const SECONDS = Number(values.seconds);
const BUFFER_MIB = Number(values["buffer-mib"]);
const BUFFER_KIB = String(BUFFER_MIB * 1024);
const CONVERSATIONS = 500;
const FRAMES = 2 * CONVERSATIONS;
/** Packets for each second of a row that is sent as fast as it goes. */
const MOST = 1_000_000;
/** 4,096 packets. */
const CAP_BUFFER_BYTES = 268_435_456;
const [NEAR, FAR] = [`wtbn${process.pid}`, `wtbf${process.pid}`];
/** Nobody has the second address: what is sent there comes to the other interface, and no further. */
const [FROM, TO] = ["10.9.7.2", "10.9.7.77"];
const SEND_UDP = path.join(import.meta.dirname, "../../bench/send-udp.py");
const folder = mkdtempSync(path.join(os.tmpdir(), "wiretail-bench-"));

/** What a capture came to. */
interface Outcome {
  readonly captured: number;
  readonly dropped: number;
}

interface Capturer {
  readonly name: string;
  /** Resolves when it captures; `end` ends it and tells what it came to. */
  start(): Promise<() => Promise<Outcome>>;
}

function startIn(host: string, command: readonly string[]): { child: ChildProcess; said: () => string } {
  const child = spawn("ip", ["netns", "exec", host, ...command], { stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
  return { child, said: () => said };
}

async function until(condition: () => boolean, what: string): Promise<void> {
  for (const deadline = Date.now() + 30_000; !condition(); await sleep(20))
    if (Date.now() > deadline) throw new Error(`waited in vain for ${what}`);
}

/** A program that tells its counts when it is ended. */
function program(name: string, command: readonly string[], begun: RegExp, captured: RegExp, dropped: RegExp): Capturer {
  return {
    name,
    start: async () => {
      const { child, said } = startIn(NEAR, command);
      const exited = once(child, "close");
      await until(() => begun.test(said()), `${name}: ${said()}`);
      return async () => {
        child.kill("SIGINT");
        await exited;
        const number = (pattern: RegExp): number => Number(pattern.exec(said())?.[1] ?? 0);
        return { captured: number(captured), dropped: number(dropped) };
      };
    },
  };
}

/** The agent with the source `packet`; its events go into a file. */
function agent(output: "flows" | "packets", driver: "tcpdump" | "dumpcap" | "cap"): Capturer {
  const name = `wiretail, ${output}, by ${driver}`;
  const host = path.join(folder, "host.json");
  const words = launcherCommand(process.execPath);
  const node = words.indexOf(process.execPath) + 1;
  const profile = values.profile === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${values.profile}`];
  const launcher = [...words.slice(0, node), ...profile, ...words.slice(node)];
  const out = path.join(folder, "out.ndjson");
  return {
    name,
    start: async () => {
      const state = mkdtempSync(path.join(folder, "state-"));
      // For cap a packet of any size takes 64 KiB.
      const room = { buffer_bytes: driver === "cap" ? CAP_BUFFER_BYTES : BUFFER_MIB * 1_048_576 };
      const source = {
        ...{ type: "packet", interfaces: ["v0"], driver, outputs: [output], count_interval_seconds: 86_400 },
        ...room,
      };
      const sinks = { out: { type: "file", path: out } };
      writeFileSync(
        host,
        JSON.stringify({
          state_dir: state,
          sources: { wire: source },
          pipelines: { all: { from: ["wire"], to: ["out"] } },
          sinks,
        }),
      );
      const { child, said } = startIn(NEAR, [...launcher, "run", "-c", host]);
      const exited = once(child, "close");
      await until(() => said().includes(" runs "), said());
      const isPromiscuous = (): boolean => {
        const link = execFileSync("ip", ["netns", "exec", NEAR, "ip", "-d", "link", "show", "v0"], {
          encoding: "utf8",
        });
        return /promiscuity [1-9]/.test(link);
      };
      await until(isPromiscuous, `${name} to capture: ${said()}`);
      // Only then the kernel makes its buffer: 256 MiB take a second.
      await sleep(2000);
      return async () => {
        child.kill("SIGTERM");
        await exited;
        const lines = readFileSync(out, "utf8").trimEnd().split("\n");
        const report = lines.findLast((line) => line.includes('"packet.capture"')) ?? "{}";
        const { packet } = JSON.parse(report) as { packet?: { capture: Record<string, number> } };
        rmSync(out);
        const { decoded = 0, seen = 0 } = packet?.capture ?? {};
        return { captured: decoded, dropped: seen - decoded };
      };
    },
  };
}

const CAPTURERS: readonly Capturer[] = [
  agent("flows", "tcpdump"),
  agent("packets", "tcpdump"),
  agent("flows", "dumpcap"),
  ...(findCapPackage() === undefined ? [] : [agent("flows", "cap")]),
  program(
    "tcpdump -w /dev/null",
    ["tcpdump", "-i", "v0", "-n", "-B", BUFFER_KIB, "-w", "/dev/null"],
    /listening on/,
    /(\d+) packets? captured/,
    /(\d+) packets? dropped by kernel/,
  ),
  // As the agent has it write: each packet at once, into a pipe.
  program(
    "tcpdump -U -w - | cat",
    ["bash", "-c", `exec tcpdump -i v0 -n -B ${BUFFER_KIB} -U -w - > >(exec cat > /dev/null)`],
    /listening on/,
    /(\d+) packets? captured/,
    /(\d+) packets? dropped by kernel/,
  ),
  program(
    "dumpcap -w - | cat",
    ["bash", "-c", `exec dumpcap -i v0 -q -B ${BUFFER_MIB} -w - > >(exec cat > /dev/null)`],
    /File: /,
    /Packets captured: (\d+)/,
    /dropped on interface 'v0': \d+\/(\d+)/,
  ),
  program(
    "dumpcap -w /dev/null",
    ["dumpcap", "-i", "v0", "-q", "-B", String(BUFFER_MIB), "-w", "/dev/null"],
    /File: /,
    /Packets captured: (\d+)/,
    /dropped on interface 'v0': \d+\/(\d+)/,
  ),
  program(
    "tshark -T ek > /dev/null",
    ["tshark", "-i", "v0", "-n", "-B", String(BUFFER_MIB), "-T", "ek"],
    /Capturing on/,
    /(\d+) packets? captured/,
    /(\d+) packets? dropped/,
  ),
].filter(({ name }) => values.programs.split(",").some((part) => name.includes(part)));

/** Ethernet, IPv4 and UDP of 500 conversations. */
function frames(bytes: number): Buffer[] {
  return Array.from({ length: FRAMES }, (_, i) => {
    const frame = Buffer.alloc(bytes);
    frame.write("02000000000b02000000000a0800450000000000000040110000", 0, "hex");
    frame.writeUInt16BE(bytes - 14, 16);
    frame.writeUInt32BE(0x0a_09_07_02, 26);
    frame.writeUInt32BE(0x0a_09_07_4d, 30);
    frame.writeUInt16BE(10_000 + (i >> 1), 34);
    frame.writeUInt16BE(9, 36);
    frame.writeUInt16BE(bytes - 34, 38);
    return frame;
  });
}

/** As classic pcap. */
function capture(packets: readonly Buffer[]): Buffer {
  const header = Buffer.alloc(24);
  [0xa1b2c3d4, 0x00040002, 0, 0, 262_144, 1].forEach((word, i) => header.writeUInt32LE(word, 4 * i));
  const records = packets.map((frame, i) => {
    const record = Buffer.alloc(16);
    [1_700_000_000, i, frame.length, frame.length].forEach((word, k) => record.writeUInt32LE(word, 4 * k));
    return Buffer.concat([record, frame]);
  });
  return Buffer.concat([header, ...records]);
}

/** `rate` NaN: as fast as it can. */
function senderCommand(rate: number): string[] {
  const loops = Math.ceil(((Number.isNaN(rate) ? MOST : rate) * SECONDS) / FRAMES);
  if (values.sender === "udp") {
    const pace = Number.isNaN(rate) ? "max" : String(rate);
    return ["python3", SEND_UDP, FROM, TO, String(loops * FRAMES), values.bytes, String(CONVERSATIONS), pace];
  }
  const pace = Number.isNaN(rate) ? "--topspeed" : `--pps=${rate}`;
  return ["tcpreplay", "-q", "-K", "-i", "v0", pace, `--loop=${loops}`, path.join(folder, "frames.pcap")];
}

/** What it says it sent, and how fast. */
async function send(rate: number): Promise<{ packets: number; perSecond: number }> {
  const child = spawn("ip", ["netns", "exec", FAR, ...senderCommand(rate)], { stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (said += chunk.toString()));
  await once(child, "close");
  const [, packets = "0", seconds = "1"] = /(\d+) packets .*?in ([\d.]+) seconds/.exec(said) ?? [];
  return { packets: Number(packets), perSecond: Number(packets) / Number(seconds) };
}

try {
  const packets = frames(Number(values.bytes));
  writeFileSync(path.join(folder, "frames.pcap"), capture(packets));
  for (const host of [NEAR, FAR]) {
    execFileSync("ip", ["netns", "add", host]);
    execFileSync("ip", ["netns", "exec", host, "sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1"]);
  }
  execFileSync("ip", ["link", "add", "v0", "netns", NEAR, "type", "veth", "peer", "name", "v0", "netns", FAR]);
  for (const host of [NEAR, FAR]) execFileSync("ip", ["netns", "exec", host, "ip", "link", "set", "v0", "up"]);
  const far = (...words: readonly string[]): Buffer => execFileSync("ip", ["-n", FAR, ...words]);
  far("addr", "add", `${FROM}/24`, "dev", "v0");
  far("neigh", "add", TO, "lladdr", "02:00:00:00:00:0a", "dev", "v0");
  // Packets are cut before they are on the wire.
  far("link", "set", "v0", "gso_max_segs", "1");
  process.stdout.write(
    `| program | packets/s sent | sent | captured | lost | dropped, it says |\n| --- | ---: | ---: | ---: | ---: | ---: |\n`,
  );
  for (const rate of values.rates.split(",").map(Number)) {
    for (const capturer of CAPTURERS) {
      const end = await capturer.start();
      const { packets, perSecond } = await send(rate);
      // What waits in buffers has a second to come.
      await sleep(1500);
      const { captured, dropped } = await end();
      const lost = packets - captured;
      const share = `${((100 * lost) / packets).toFixed(2)} %`;
      process.stdout.write(
        `| ${capturer.name} | ${Math.round(perSecond)} | ${packets} | ${captured} | ${lost} (${share}) | ${dropped} |\n`,
      );
    }
  }
} finally {
  for (const host of [NEAR, FAR]) spawn("ip", ["netns", "del", host], { stdio: "ignore" });
  rmSync(folder, { recursive: true, force: true });
}
