import { readFileSync } from "node:fs";
import { systemErrorCode } from "../../core/error.ts";
import { TCP_PORT_LAYERS, UDP_PORT_LAYERS } from "../application.ts";
import { type CaptureMemory, PacketBatch } from "../capture/packet-batch.ts";
import { MESSAGE_STARTS } from "../http/head.ts";
import { LAYER, type LayerPaths } from "./layer.ts";

/** What codec/kernel/assembly/headers.ts exports. */
interface Exports {
  readonly memory: WebAssembly.Memory;
  readonly capacity: WebAssembly.Global;
  readonly windowCapacity: WebAssembly.Global;
  readonly window: WebAssembly.Global;
  readonly packets: WebAssembly.Global;
  readonly columns: WebAssembly.Global;
  readonly paths: WebAssembly.Global;
  readonly tcpPorts: WebAssembly.Global;
  readonly udpPorts: WebAssembly.Global;
  readonly httpStartOf: WebAssembly.Global;
  readonly httpStarts: WebAssembly.Global;
  readonly httpStartBytes: WebAssembly.Global;
  setLayers(data: number, dns: number, tls: number, http: number): void;
  decode(from: number, count: number, bytes: number): number;
}

/** In the module's table of stacks: entries for each stack up to the transport. */
const STACK_ENTRIES = 64;
/** What stacks of ordinary packets may end with. */
const LAST_LAYERS = [
  ...[LAYER.dns, LAYER.mdns, LAYER.llmnr, LAYER.dhcp, LAYER.http, LAYER.tls, LAYER.ntp, LAYER.data],
] as const;

/**
 * Decodes ordinary packets (TCP and UDP over Ethernet) in WebAssembly, several times as fast as layer by layer
 * (bench/micro/packets.ts, docs/decisions/0005) and with the same result (test/fuzz/packet.fuzz.test.ts). The columns lie
 * in its memory, and so do the packets, where the capture's reader uses `memory`; others are copied there.
 */
export class HeaderKernel {
  /** Packets in a batch, at most. */
  readonly capacity: number;
  /** Where the columns lie. */
  readonly columns: { readonly buffer: ArrayBuffer; readonly at: number };
  /** For the reader of the capture. */
  readonly memory: CaptureMemory;
  readonly #exports: Exports;
  /** Views of the memory's columns. */
  readonly #packets: PacketBatch;
  readonly #paths: Uint32Array;
  /** Of LayerPaths, when `#paths` was filled. */
  #generation = -1;
  /** The address that a batch's offsets count from. */
  #bytesAt = 0;

  constructor(module: WebAssembly.Module) {
    const exports = new WebAssembly.Instance(module).exports as unknown as Exports;
    const { buffer } = exports.memory;
    const capacity = exports.capacity.value;
    this.#exports = exports;
    this.capacity = capacity;
    this.columns = { buffer, at: exports.columns.value };
    this.memory = {
      window: new Uint8Array(buffer, exports.window.value, exports.windowCapacity.value),
      columns: { buffer, at: exports.packets.value, capacity },
    };
    this.#packets = new PacketBatch(capacity, this.memory.columns);
    this.#paths = new Uint32Array(buffer, exports.paths.value, 8 * STACK_ENTRIES);
    exports.setLayers(LAYER.data, LAYER.dns, LAYER.tls, LAYER.http);
    for (const [ports, layers] of [
      [exports.tcpPorts, TCP_PORT_LAYERS],
      [exports.udpPorts, UDP_PORT_LAYERS],
    ] as const) {
      const table = new Uint8Array(buffer, ports.value, 65_536).fill(LAYER.data);
      for (const [port, layer] of layers) table[port] = layer;
    }
    setHttpStarts(exports);
  }

  /** Takes a batch. False: it does not fit, and has to be decoded otherwise. */
  load(batch: PacketBatch, paths: LayerPaths): boolean {
    const { count, bytes } = batch;
    const { window } = this.memory;
    if (count > this.capacity || count === 0) return false;
    if (bytes.buffer === window.buffer) {
      this.#bytesAt = bytes.byteOffset;
    } else {
      const first = batch.frameAt[0]!;
      const end = batch.frameAt[count - 1]! + batch.capturedLength[count - 1]!;
      if (end - first > window.length) return false;
      window.set(bytes.subarray(first, end));
      this.#bytesAt = window.byteOffset - first;
    }
    if (batch.frameAt.buffer !== window.buffer) this.#copyColumns(batch);
    if (this.#generation !== paths.generation) this.#learn(paths);
    return true;
  }

  #copyColumns({ count, frameAt, capturedLength, originalLength, linkType }: PacketBatch): void {
    const to = this.#packets;
    to.frameAt.set(frameAt.subarray(0, count));
    to.capturedLength.set(capturedLength.subarray(0, count));
    to.originalLength.set(originalLength.subarray(0, count));
    to.linkType.set(linkType.subarray(0, count));
  }

  /** Fills the columns of packets from number `from` to `count` - 1. Returns the first one that is not ordinary. */
  decode(from: number, count: number): number {
    return this.#exports.decode(from, count, this.#bytesAt);
  }

  /** Fills the table of stacks of layers: 1 is UDP, 2 IPv6, 4 a VLAN tag. */
  #learn(paths: LayerPaths): void {
    this.#generation = paths.generation;
    const untagged = paths.step(paths.step(0, LAYER.eth), LAYER.ethertype);
    const tagged = paths.step(paths.step(untagged, LAYER.vlan), LAYER.ethertype);
    for (let stack = 0; stack < 8; stack++) {
      const network = paths.step(stack < 4 ? untagged : tagged, (stack & 2) === 0 ? LAYER.ip : LAYER.ipv6);
      const transport = paths.step(network, (stack & 1) === 0 ? LAYER.tcp : LAYER.udp);
      const entries = this.#paths.subarray(stack * STACK_ENTRIES);
      entries[0] = transport;
      for (const layer of LAST_LAYERS) entries[layer + 1] = paths.step(transport, layer);
    }
  }
}

/**
 * Fills the module's table of what HTTP messages begin with: one behind the other those that share an entry of
 * `httpStartOf`, the last of them marked.
 */
function setHttpStarts({ memory, httpStartOf, httpStarts, httpStartBytes }: Exports): void {
  const startOf = new Uint8Array(memory.buffer, httpStartOf.value, 1024);
  const bySlot = new Map<number, Uint8Array[]>();
  for (const start of MESSAGE_STARTS) {
    const slot = ((start[0]! & 31) << 5) | (start[1]! & 31);
    bySlot.set(slot, [...(bySlot.get(slot) ?? []), start]);
  }
  let number = 0;
  for (const [slot, starts] of bySlot) {
    startOf[slot] = number + 1;
    for (const start of starts) {
      number++;
      const at = httpStarts.value + number * httpStartBytes.value;
      const entry = new Uint8Array(memory.buffer, at, httpStartBytes.value);
      entry.set([start.length, start === starts.at(-1) ? 1 : 0, ...start]);
    }
  }
}

let shared: WebAssembly.Module | undefined;

/**
 * A kernel of its own for one capture; null when there are too many open files to load it, and on a processor without the
 * vector instructions (x86 before SSE 4.1): everything then goes layer by layer.
 */
export function headerKernel(): HeaderKernel | null {
  try {
    shared ??= new WebAssembly.Module(readFileSync(new URL("../../codec/kernel/headers.wasm", import.meta.url)));
    return new HeaderKernel(shared);
  } catch (error) {
    const isPassing = ["EMFILE", "ENFILE"].includes(systemErrorCode(error) ?? "");
    if (isPassing || error instanceof WebAssembly.CompileError) return null;
    throw error;
  }
}
