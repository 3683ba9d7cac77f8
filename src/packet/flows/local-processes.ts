import { readdir, readFile, readlink } from "node:fs/promises";
import { networkInterfaces } from "node:os";
import { formatIp4, formatIp6 } from "../address.ts";
import type { FlowProcess, FlowProcesses } from "./flow-options.ts";

/** Between two looks at all sockets, at least. */
const PAUSE_MS = 2000;
/** Open files that one look goes through, at most. */
const MAX_FILES = 65_536;
/** Sockets that are remembered, at most: those of ended processes are still needed for the records of their flows. */
const MAX_SOCKETS = 65_536;

/**
 * Which process has which socket, by /proc (Linux, in the agent's own network namespace). Looked at when flows begin, at
 * most every two seconds and in the background: what is open for a shorter time is not seen. Of other users' processes it
 * needs CAP_SYS_PTRACE or root; without it they stay unnamed.
 */
export class LocalProcesses implements FlowProcesses {
  readonly #root: string;
  readonly #now: () => number;
  #isLooking = false;
  #lookedAt = -Infinity;
  #addresses: ReadonlySet<string> = new Set();
  /** By `tcp 10.0.0.1:80 10.0.0.2:4000`, and for sockets that are not connected `tcp 10.0.0.1:80` or `tcp *:80`. */
  readonly #sockets = new Map<string, FlowProcess>();

  /** `root`: where proc is mounted. `now`: milliseconds of any clock. */
  constructor(root = "/proc", now: () => number = () => performance.now()) {
    this.#root = root;
    this.#now = now;
  }

  flowBegan(): void {
    if (this.#isLooking || this.#now() - this.#lookedAt < PAUSE_MS) return;
    void this.look();
  }

  find(transport: string, ip: string, port: number, otherIp: string, otherPort: number): FlowProcess | undefined {
    const sockets = this.#sockets;
    const own = `${transport} ${ip}:${port}`;
    const exact = sockets.get(`${own} ${otherIp}:${otherPort}`) ?? sockets.get(own);
    // Who listens on all addresses has nothing to do with the same port of other machines.
    return exact ?? (this.#addresses.has(ip) ? sockets.get(`${transport} *:${port}`) : undefined);
  }

  /** Looks at all sockets now. Never throws: what cannot be read stays unknown. */
  async look(): Promise<void> {
    this.#isLooking = true;
    try {
      const inodes = new Map<string, string>();
      for (const file of ["tcp", "tcp6", "udp", "udp6"]) {
        const text = await readFile(`${this.#root}/net/${file}`, "latin1").catch(() => "");
        for (const line of text.split("\n").slice(1)) addSocket(inodes, file.slice(0, 3), line);
      }
      this.#addresses = new Set(
        Object.values(networkInterfaces()).flatMap((each) => (each ?? []).map(({ address }) => address)),
      );
      await this.#findOwners(inodes);
    } finally {
      this.#isLooking = false;
      this.#lookedAt = this.#now();
    }
  }

  async #findOwners(inodes: ReadonlyMap<string, string>): Promise<void> {
    let left = MAX_FILES;
    for (const pid of await readdir(this.#root).catch(() => [])) {
      if (!/^\d+$/.test(pid)) continue;
      let process: FlowProcess | undefined;
      for (const descriptor of await readdir(`${this.#root}/${pid}/fd`).catch(() => [])) {
        if (left-- <= 0) return;
        const target = await readlink(`${this.#root}/${pid}/fd/${descriptor}`).catch(() => "");
        const socket = target.startsWith("socket:[") ? inodes.get(target.slice(8, -1)) : undefined;
        if (socket === undefined) continue;
        process ??= { pid: Number(pid), name: await this.#nameOf(pid) };
        if (this.#sockets.size >= MAX_SOCKETS) this.#sockets.clear();
        this.#sockets.set(socket, process);
      }
    }
  }

  async #nameOf(pid: string): Promise<string> {
    return (await readFile(`${this.#root}/${pid}/comm`, "utf8").catch(() => "")).trimEnd();
  }
}

/** proc(5): `sl local_address rem_address st tx:rx tr:tm retrnsmt uid timeout inode`, addresses as words in the machine's order. */
function addSocket(inodes: Map<string, string>, transport: string, line: string): void {
  const [, local, remote, , , , , , , inode] = line.trim().split(/\s+/);
  if (local === undefined || remote === undefined || inode === undefined || inode === "0") return;
  const [from, to] = [endpointOf(local), endpointOf(remote)];
  inodes.set(inode, to.endsWith(":0") ? `${transport} ${from}` : `${transport} ${from} ${to}`);
}

function endpointOf(text: string): string {
  const [address = "", port = ""] = text.split(":");
  const bytes = Buffer.from(address, "hex");
  // Little-endian machines, which is all that we run on.
  if (bytes.length % 4 === 0) bytes.swap32();
  const number = parseInt(port, 16);
  if (bytes.every((byte) => byte === 0)) return `*:${number}`;
  const ip = bytes.length === 4 ? formatIp4(bytes, 0) : formatIp6(bytes, 0);
  return `${ip.replace(/^::ffff:(?=\d+\.)/, "")}:${number}`;
}
