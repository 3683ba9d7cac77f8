import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { prepareServers, talk } from "./application-traffic.ts";

const run = promisify(execFile);

/**
 * Two hosts (network namespaces) on a link of their own, with programs that talk: ping, dnsmasq, a resolver, a DHCP
 * client, curl and a web server, over IPv4 and IPv6, with fragments and a port that nobody listens on. Captured by tcpdump on the link and
 * on all interfaces of one host. Needs root. Resolves with the files, everything ended and removed.
 */
export async function captureTraffic(folder: string): Promise<{ veth: string; any: string }> {
  const [a, b] = [`wta${process.pid}`, `wtb${process.pid}`];
  const started: ChildProcess[] = [];
  const inside = async (host: string, ...command: string[]): Promise<string> =>
    (await run("ip", ["netns", "exec", host, ...command])).stdout;
  const start = (host: string, ...command: string[]): ChildProcess => {
    const child = spawn("ip", ["netns", "exec", host, ...command], { stdio: ["ignore", "ignore", "pipe"] });
    child.stderr.resume();
    started.push(child);
    return child;
  };
  // Each packet takes the snap length of the buffer, however short it is: the default of 2 MiB holds eight, and a busy
  // machine loses some. 70,000 bytes are a segment as large as it leaves a program.
  const capture = (device: string, file: string, ...more: string[]): ChildProcess =>
    start(
      a,
      ...["tcpdump", "-n", "-i", device, "-U", "--immediate-mode", "-Z", "root", "-s", "70000", "-B", "65536"],
      ...[...more, "-w", file],
    );
  const files = { veth: join(folder, "veth.pcap"), any: join(folder, "any.pcap") };
  try {
    for (const host of [a, b]) await run("ip", ["netns", "add", host]);
    await run("ip", ["link", "add", "v0", "netns", a, "type", "veth", "peer", "name", "v0", "netns", b]);
    for (const [host, last] of [
      [a, "1"],
      [b, "2"],
    ] as const) {
      await inside(host, "ip", "link", "set", "lo", "up");
      await inside(host, "ip", "addr", "add", `10.9.0.${last}/24`, "dev", "v0");
      await inside(host, "ip", "-6", "addr", "add", `fd00:9::${last}/64`, "dev", "v0", "nodad");
      await inside(host, "ip", "link", "set", "v0", "up");
    }
    const captures = [capture("v0", files.veth, "--time-stamp-precision=nano"), capture("any", files.any)];
    await Promise.all(captures.map(listening));
    const servers = await prepareServers(folder);
    start(
      b,
      "dnsmasq",
      "-k",
      "-C",
      "/dev/null",
      "--no-resolv",
      "--no-hosts",
      "--pid-file=",
      "--bind-interfaces",
      "--interface=v0",
      "--address=/test/10.9.0.2",
      "--address=/test/fd00:9::2",
      "--dhcp-range=10.9.0.100,10.9.0.120",
      "--leasefile-ro",
      ...servers.dns,
    );
    start(b, "nginx", "-c", servers.nginx);
    start(b, "chronyd", "-x", "-d", "-f", servers.chrony);
    start(b, process.execPath, "-e", SERVER);
    const patiently = async (...command: string[]): Promise<void> => {
      const deadline = Date.now() + 20_000;
      for (;;) {
        try {
          await inside(a, ...command);
          return;
        } catch (error) {
          if (Date.now() > deadline) throw error;
          await sleep(100);
        }
      }
    };
    for (const address of ["10.9.0.2", "[fd00:9::2]"])
      await patiently("curl", "-s", "-m", "5", `http://${address}:8080/big`);
    await patiently("curl", "-s", "-m", "5", "-o", "/dev/null", "http://10.9.0.2/index.html");
    for (const server of ["10.9.0.2", "[fd00:9::2]"]) await patiently(process.execPath, "-e", RESOLVE, server);
    await inside(a, "busybox", "udhcpc", "-i", "v0", "-f", "-q", "-n", "-s", "/bin/true", "-x", "hostname:client");
    await inside(a, "ping", "-n", "-c", "2", "-i", "0.2", "10.9.0.2");
    await inside(a, "ping", "-n", "-c", "2", "-i", "0.2", "fd00:9::2");
    await inside(a, "ping", "-n", "-c", "1", "-s", "4000", "10.9.0.2");
    await inside(a, "ping", "-n", "-c", "1", "-s", "4000", "fd00:9::2");
    await talk((...command) => inside(a, ...command));
    // Refused connections and unreachable ports: RST, and ICMP that quotes.
    await inside(a, "curl", "-s", "-m", "5", "http://10.9.0.2:9/").catch(() => undefined);
    await inside(a, process.execPath, "-e", UNREACHABLE);
    for (const capture of captures) {
      const ended = once(capture, "exit");
      capture.kill("SIGINT");
      await ended;
    }
  } finally {
    for (const child of started) if (child.exitCode === null && child.signalCode === null) child.kill("SIGTERM");
    for (const host of [a, b]) await run("ip", ["netns", "del", host]).catch(() => undefined);
  }
  return files;
}

const SERVER = `require("node:http").createServer((request, response) => {
  if (request.url !== "/chunked") return response.end("x".repeat(100_000));
  response.write("one");
  setTimeout(() => response.write("y".repeat(5000)), 20);
  setTimeout(() => response.end("three"), 40);
}).listen(8080, "::")`;
const RESOLVE = `const { Resolver } = require("node:dns/promises");
const resolver = new Resolver({ timeout: 1000, tries: 1 });
resolver.setServers([process.argv[1]]);
resolver.resolve4("host.test").then(() => resolver.resolve6("other.test").then(() => resolver.resolve4("other.invalid")).catch(() => {}));`;
const UNREACHABLE = `const socket = require("node:dgram").createSocket("udp4");
socket.send("hello", 9, "10.9.0.2", () => setTimeout(() => socket.close(), 200));`;

/** tcpdump says on stderr when it captures. What it says later is read, too, so that it need not wait. */
function listening(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let said = "";
    child.stderr!.on("data", (chunk: Buffer) => {
      said += chunk.toString();
      if (said.includes("listening on")) resolve();
    });
    child.once("exit", () => reject(new Error(`tcpdump ended: ${said}`)));
    child.once("error", reject);
  });
}
