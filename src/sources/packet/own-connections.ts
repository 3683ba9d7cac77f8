import { Server, Socket } from "node:net";
import type { PacketBatch } from "../../packet/capture/packet-batch.ts";
import type { HeaderColumns } from "../../packet/headers/header-columns.ts";
import { PROTOCOL } from "../../packet/headers/ip-layers.ts";

/** What comes late of a connection (acknowledgements, what waited in the capture's buffers) is its own, too. */
const LATE_MS = 30_000;

/** The TCP connections of this process, for as long as packets of theirs may come. */
export class OwnConnections {
  /** By `address port address port`, ours first, as `key` writes them: when its packets do not count any more. */
  readonly #until = new Map<string, number>();
  /** Of each local port how many there are: nearly all packets are done with one look here. */
  readonly #ports = new Uint16Array(65_536);
  readonly #monotonicMs: () => number;

  constructor(monotonicMs: () => number) {
    this.#monotonicMs = monotonicMs;
  }

  add(ours: string, ourPort: number, theirs: string, theirPort: number): string {
    const key = keyOf(ours, ourPort, theirs, theirPort);
    if (!this.#until.has(key)) this.#ports[ourPort]!++;
    this.#until.set(key, Infinity);
    return key;
  }

  close(key: string): void {
    if (this.#until.has(key)) this.#until.set(key, this.#monotonicMs() + LATE_MS);
  }

  /** Forgets those that are long over. To be called now and then. */
  trim(): void {
    const now = this.#monotonicMs();
    for (const [key, until] of this.#until) {
      if (until > now) continue;
      this.#until.delete(key);
      this.#ports[Number(key.split(" ")[1])]!--;
    }
  }

  get size(): number {
    return this.#until.size;
  }

  /** Leaves the packets of these connections out of a batch, in place. Returns how many: the columns are stale then. */
  leaveOut(batch: PacketBatch, columns: HeaderColumns): number {
    if (this.#until.size === 0) return 0;
    let kept = 0;
    for (let i = 0; i < batch.count; i++) {
      if (this.#isOwn(batch, columns, i)) continue;
      if (kept < i) move(batch, i, kept);
      kept++;
    }
    const left = batch.count - kept;
    batch.count = kept;
    return left;
  }

  #isOwn({ bytes }: PacketBatch, columns: HeaderColumns, i: number): boolean {
    const slot = 2 * i;
    if (columns.ipProtocol[slot] !== PROTOCOL.tcp || columns.transportAt[slot]! < 0) return false;
    const [source, destination] = [columns.sourcePort[slot]!, columns.destinationPort[slot]!];
    const ports = this.#ports;
    if (ports[source] === 0 && ports[destination] === 0) return false;
    const at = columns.ipAt[slot]!;
    const isV4 = columns.ipVersion[slot] === 4;
    const from = hexOf(bytes, isV4 ? at + 12 : at + 8, isV4 ? 4 : 16);
    const to = hexOf(bytes, isV4 ? at + 16 : at + 24, isV4 ? 4 : 16);
    const until = this.#until;
    return until.has(`${from} ${source} ${to} ${destination}`) || until.has(`${to} ${destination} ${from} ${source}`);
  }
}

function move(batch: PacketBatch, from: number, to: number): void {
  batch.seconds[to] = batch.seconds[from]!;
  batch.nanoseconds[to] = batch.nanoseconds[from]!;
  batch.frameAt[to] = batch.frameAt[from]!;
  batch.capturedLength[to] = batch.capturedLength[from]!;
  batch.originalLength[to] = batch.originalLength[from]!;
  batch.interfaceIndex[to] = batch.interfaceIndex[from]!;
  batch.linkType[to] = batch.linkType[from]!;
}

function hexOf(bytes: Uint8Array, at: number, length: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + at, length).toString("hex");
}

function keyOf(ours: string, ourPort: number, theirs: string, theirPort: number): string {
  return `${addressHex(ours)} ${ourPort} ${addressHex(theirs)} ${theirPort}`;
}

/** The bytes of an address in text, as hex; IPv4 in IPv6 is IPv4, as it is on the wire. */
export function addressHex(text: string): string {
  const plain = text.replace(/%.*$/, "");
  const mapped = /^(?:::ffff:)?(\d+)\.(\d+)\.(\d+)\.(\d+)$/i.exec(plain);
  if (mapped !== null)
    return mapped
      .slice(1)
      .map((part) => Number(part).toString(16).padStart(2, "0"))
      .join("");
  const [head = "", tail] = plain.split("::");
  const groups = (part: string): string[] =>
    part === "" ? [] : part.split(":").map((group) => group.padStart(4, "0").toLowerCase());
  const [before, after] = [groups(head), groups(tail ?? "")];
  return [...before, ...Array<string>(Math.max(0, 8 - before.length - after.length)).fill("0000"), ...after].join("");
}

/** The connections that are known while somebody watches, and how many do. */
let shared: OwnConnections | undefined;
let watchers = 0;
let unwatch: (() => void) | undefined;

/**
 * The connections that this process makes and accepts from now on, whoever makes them. They are known before their
 * first packet can have been read. Call `release` once when it is not needed any more.
 */
export function watchOwnConnections(monotonicMs: () => number): { readonly own: OwnConnections; release(): void } {
  shared ??= new OwnConnections(monotonicMs);
  if (watchers++ === 0) unwatch = hook(shared);
  const own = shared;
  let isReleased = false;
  return {
    own,
    release: () => {
      if (isReleased) return;
      isReleased = true;
      if (--watchers > 0) return;
      unwatch?.();
      unwatch = undefined;
      shared = undefined;
    },
  };
}

/** What sockets have of the system's socket; it is not part of Node's documented interface, so nothing relies on it. */
interface WithHandle {
  readonly _handle?: { getsockname?(into: { address?: string; port?: number }): number } | null;
}

/** The same of the process. */
interface WithHandles {
  readonly _getActiveHandles?: () => readonly unknown[];
}

/** A connection is being made: its local port is known already, and its first packet may be read before the answer. */
function registerAttempt(own: OwnConnections, socket: Socket, address: string, port: number): void {
  const local: { address?: string; port?: number } = {};
  if ((socket as unknown as WithHandle)._handle?.getsockname?.(local) !== 0) return;
  if (local.address === undefined || local.port === undefined || local.port === 0) return;
  const key = own.add(local.address, local.port, address, port);
  socket.once("close", () => own.close(key));
}

/**
 * All sockets of Node, TLS and HTTP ones too, are connected by `Socket.prototype.connect`, and accepted by servers that emit
 * `connection`: there is no channel of Node's own (diagnostics_channel) that tells of TLS sockets.
 */
function hook(own: OwnConnections): () => void {
  const register = (socket: Socket): void => {
    const { localAddress, localPort, remoteAddress, remotePort } = socket;
    if (localAddress === undefined || localPort === undefined) return;
    if (remoteAddress === undefined || remotePort === undefined) return;
    const key = own.add(localAddress, localPort, remoteAddress, remotePort);
    socket.once("close", () => own.close(key));
  };
  // Those that are there already: sinks may have been at work before this source was configured.
  const { _getActiveHandles: handles } = process as unknown as WithHandles;
  for (const handle of handles?.call(process) ?? []) if (handle instanceof Socket) register(handle);
  // eslint-disable-next-line @typescript-eslint/unbound-method -- called on each socket, as it is found
  const connect = Socket.prototype.connect as (this: Socket, ...args: unknown[]) => Socket;
  // eslint-disable-next-line @typescript-eslint/unbound-method -- the same for servers
  const emit = Server.prototype.emit as (this: Server, ...args: unknown[]) => boolean;
  Socket.prototype.connect = function (this: Socket, ...args: unknown[]): Socket {
    this.on("connectionAttempt", (address: string, port: number) =>
      queueMicrotask(() => registerAttempt(own, this, address, port)),
    );
    this.once("connect", () => register(this));
    return connect.apply(this, args);
  };
  Server.prototype.emit = function (this: Server, ...args: unknown[]): boolean {
    if (args[0] === "connection" && args[1] instanceof Socket) register(args[1]);
    return emit.apply(this, args);
  } as typeof Server.prototype.emit;
  return () => {
    Socket.prototype.connect = connect;
    Server.prototype.emit = emit as typeof Server.prototype.emit;
  };
}
