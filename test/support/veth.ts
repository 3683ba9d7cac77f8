import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Two hosts (network namespaces) with a link of their own, `v0` in both: 10.9.7.1 is `near`, 10.9.7.2 is `far`. */
export interface VethPair {
  readonly near: string;
  readonly far: string;
  /** Runs a command in a host to its end. */
  inside(host: string, ...command: string[]): Promise<string>;
  /** Removes both hosts, and the link with them. */
  remove(): Promise<void>;
}

/** Needs root. IPv6 is off, so that nobody says anything unasked. */
export async function makeVethPair(): Promise<VethPair> {
  const [near, far] = [`wtn${process.pid}`, `wtf${process.pid}`];
  const inside = async (host: string, ...command: string[]): Promise<string> =>
    (await run("ip", ["netns", "exec", host, ...command], { maxBuffer: 1 << 28 })).stdout;
  const remove = async (): Promise<void> => {
    for (const host of [near, far]) await run("ip", ["netns", "del", host]).catch(() => undefined);
  };
  try {
    for (const host of [near, far]) {
      await run("ip", ["netns", "add", host]);
      await inside(host, "sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1");
    }
    await run("ip", ["link", "add", "v0", "netns", near, "type", "veth", "peer", "name", "v0", "netns", far]);
    for (const [host, last] of [[near, "1"] as const, [far, "2"] as const]) {
      await inside(host, "ip", "addr", "add", `10.9.7.${last}/24`, "dev", "v0");
      await inside(host, "ip", "link", "set", "lo", "up");
      await inside(host, "ip", "link", "set", "v0", "up");
    }
  } catch (error) {
    await remove();
    throw error;
  }
  return { near, far, inside, remove };
}

/** Starts a program in a host. */
export function startIn(host: string, command: readonly string[]): ChildProcess {
  return spawn("ip", ["netns", "exec", host, ...command], { stdio: ["ignore", "pipe", "pipe"] });
}

/** Ends a program, and waits for that. */
export async function ended(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill(signal);
  await once(child, "exit");
}
