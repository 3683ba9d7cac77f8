import { readdir, readFile, readlink } from "node:fs/promises";
import { networkInterfaces } from "node:os";
import { formatIp4, formatIp6 } from "../address.ts";
import type { FlowProcess, FlowProcesses } from "./flow-options.ts";

/** Between two looks at all sockets, at least, and so many times as long as the last one took. */
const PAUSE_MS = 2000;
const PAUSE_SHARE = 20;
/** Open files that one look goes through, at most. */
const MAX_FILES = 65_536;
/** Sockets that are remembered, at most. */
const MAX_SOCKETS = 65_536;
/** Those that are closed are needed for the records of their flows, which come later, and then not any more. */
const REMEMBERED_MS = 600_000;

interface Socket {
  readonly process: FlowProcess;
  readonly seenAt: number;
}

/**
 * Which process has which socket, by /proc (Linux, in the agent's own network namespace). Looked at when flows begin, at
 * most every two seconds and in the background: what is open for a shorter time may not be seen. Of other users' processes
 * it needs CAP_SYS_PTRACE or root; without it they stay unnamed.
 */
export class LocalProcesses implements FlowProcesses {
  readonly #root: string;
  readonly #now: () => number;
  #isLooking = false;
  #timer: NodeJS.Timeout | undefined;
  #nextLookAt = -Infinity;
  #addresses: ReadonlySet<string> = new Set();
  /** By `tcp 10.0.0.1:80 10.0.0.2:4000`, and for sockets that are not connected `tcp 10.0.0.1:80` or `tcp *:80`. */
  readonly #sockets = new Map<string, Socket>();
  /** Of the last look, by inode; null: nobody whom we may see has it. */
  #owners = new Map<string, FlowProcess | null>();

  /** `root`: where proc is mounted. `now`: milliseconds of any clock. */
  constructor(root = "/proc", now: () => number = () => performance.now()) {
    this.#root = root;
    this.#now = now;
  }

  flowBegan(): void {
    if (this.#timer !== undefined) return;
    const waitMs = this.#nextLookAt - this.#now();
    if (waitMs <= 0 && !this.#isLooking) return void this.look();
    // Its socket is looked for as soon as the pause is over, also when no other flow begins by then.
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        this.flowBegan();
      },
      Math.max(waitMs, PAUSE_MS / 20),
    );
    this.#timer.unref();
  }

  find(transport: string, ip: string, port: number, otherIp: string, otherPort: number): FlowProcess | undefined {
    const sockets = this.#sockets;
    const own = `${transport} ${ip}:${port}`;
    const exact = sockets.get(`${own} ${otherIp}:${otherPort}`) ?? sockets.get(own);
    if (exact !== undefined) return exact.process;
    // Who listens on all addresses has nothing to do with the same port of other machines.
    return this.#addresses.has(ip) ? sockets.get(`${transport} *:${port}`)?.process : undefined;
  }

  /** Looks at all sockets now. Never throws: what cannot be read stays unknown. */
  async look(): Promise<void> {
    this.#isLooking = true;
    const began = this.#now();
    try {
      const names = new Map<string, string>();
      for (const file of ["tcp", "tcp6", "udp", "udp6"]) {
        const text = await readFile(`${this.#root}/net/${file}`, "latin1").catch(() => "");
        for (const line of text.split("\n").slice(1)) addSocket(names, file.slice(0, 3), line);
      }
      this.#addresses = new Set(
        Object.values(networkInterfaces()).flatMap((each) => (each ?? []).map(({ address }) => address)),
      );
      const before = this.#owners;
      const isNew = [...names.keys()].some((inode) => !before.has(inode));
      const found = isNew ? await this.#findOwners(names) : before;
      this.#owners = new Map([...names.keys()].map((inode) => [inode, found.get(inode) ?? before.get(inode) ?? null]));
      this.#remember(names, began);
    } finally {
      this.#isLooking = false;
      const now = this.#now();
      this.#nextLookAt = now + Math.max(PAUSE_MS, PAUSE_SHARE * (now - began));
    }
  }

  #remember(names: ReadonlyMap<string, string>, seenAt: number): void {
    for (const [name, socket] of this.#sockets) if (seenAt - socket.seenAt > REMEMBERED_MS) this.#sockets.delete(name);
    for (const [inode, process] of this.#owners) {
      if (process === null) continue;
      if (this.#sockets.size >= MAX_SOCKETS) this.#sockets.clear();
      this.#sockets.set(names.get(inode)!, { process, seenAt });
    }
  }

  /** The processes that have sockets of these, by inode: goes through all open files that we may see. */
  async #findOwners(sockets: ReadonlyMap<string, string>): Promise<Map<string, FlowProcess>> {
    const owners = new Map<string, FlowProcess>();
    let left = MAX_FILES;
    for (const pid of await readdir(this.#root).catch(() => [])) {
      if (!/^\d+$/.test(pid)) continue;
      let process: FlowProcess | undefined;
      for (const descriptor of await readdir(`${this.#root}/${pid}/fd`).catch(() => [])) {
        if (left-- <= 0) return owners;
        const target = await readlink(`${this.#root}/${pid}/fd/${descriptor}`).catch(() => "");
        const inode = target.startsWith("socket:[") ? target.slice(8, -1) : "";
        if (!sockets.has(inode)) continue;
        process ??= { pid: Number(pid), name: await this.#nameOf(pid) };
        owners.set(inode, process);
      }
    }
    return owners;
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
