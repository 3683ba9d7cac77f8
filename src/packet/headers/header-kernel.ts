import { readFileSync } from "node:fs";
import { systemErrorCode } from "../../core/error.ts";
import { TCP_PORT_LAYERS, UDP_PORT_LAYERS } from "../application.ts";
import type { PacketBatch } from "../capture/packet-batch.ts";
import { beginsRequest, beginsResponse } from "../http/head.ts";
import { LAYER, type LayerPaths } from "./layer.ts";

/** What codec/kernel/assembly/headers.ts exports. */
interface Exports {
  readonly memory: WebAssembly.Memory;
  readonly capacity: WebAssembly.Global;
  readonly windowCapacity: WebAssembly.Global;
  readonly window: WebAssembly.Global;
  readonly frameAt: WebAssembly.Global;
  readonly capturedLength: WebAssembly.Global;
  readonly originalLength: WebAssembly.Global;
  readonly linkType: WebAssembly.Global;
  readonly columns: WebAssembly.Global;
  readonly paths: WebAssembly.Global;
  readonly tcpPorts: WebAssembly.Global;
  readonly udpPorts: WebAssembly.Global;
  readonly httpBegins: WebAssembly.Global;
  setLayers(data: number, dns: number, tls: number): void;
  decode(from: number, count: number, bytes: number): number;
}

/** In the module's table of stacks: entries for each stack up to the transport. */
const STACK_ENTRIES = 64;
/** What stacks of ordinary packets may end with. */
const LAST_LAYERS = [
  ...[LAYER.dns, LAYER.mdns, LAYER.llmnr, LAYER.dhcp, LAYER.http, LAYER.tls, LAYER.ntp, LAYER.data],
] as const;

/** What methods of HTTP are made of. */
const CAPITALS = Buffer.from("ABCDEFGHIJKLMNOPQRSTUVWXYZ-");

/**
 * Decodes ordinary packets (TCP and UDP over Ethernet) in WebAssembly, several times as fast as layer by layer
 * (bench/micro/packets.ts, docs/decisions/0005) and with the same result (test/fuzz/packet.fuzz.test.ts). The columns lie
 * in its memory, and so do the frames, where the capture's reader uses `window`; other frames are copied there.
 */
export class HeaderKernel {
  /** Packets in a batch, at most. */
  readonly capacity: number;
  /** Where the columns lie. */
  readonly columns: { readonly buffer: ArrayBuffer; readonly at: number };
  /** For the reader of the capture, to read frames into. */
  readonly window: Uint8Array<ArrayBuffer>;
  readonly #exports: Exports;
  readonly #frameAt: Int32Array;
  readonly #capturedLength: Uint32Array;
  readonly #originalLength: Uint32Array;
  readonly #linkType: Uint16Array;
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
    this.window = new Uint8Array(buffer, exports.window.value, exports.windowCapacity.value);
    this.#frameAt = new Int32Array(buffer, exports.frameAt.value, capacity);
    this.#capturedLength = new Uint32Array(buffer, exports.capturedLength.value, capacity);
    this.#originalLength = new Uint32Array(buffer, exports.originalLength.value, capacity);
    this.#linkType = new Uint16Array(buffer, exports.linkType.value, capacity);
    this.#paths = new Uint32Array(buffer, exports.paths.value, 8 * STACK_ENTRIES);
    exports.setLayers(LAYER.data, LAYER.dns, LAYER.tls);
    for (const [ports, layers] of [
      [exports.tcpPorts, TCP_PORT_LAYERS],
      [exports.udpPorts, UDP_PORT_LAYERS],
    ] as const) {
      const table = new Uint8Array(buffer, ports.value, 65_536).fill(LAYER.data);
      for (const [port, layer] of layers) table[port] = layer;
    }
    const httpBegins = new Uint8Array(buffer, exports.httpBegins.value, 1024);
    for (const first of CAPITALS)
      for (const second of CAPITALS)
        if (mayBeginHttp(first, second)) httpBegins[((first & 31) << 5) | (second & 31)] = 1;
  }

  /** Takes a batch. False: it does not fit, and has to be decoded otherwise. */
  load(batch: PacketBatch, paths: LayerPaths): boolean {
    const { count, bytes } = batch;
    const { window } = this;
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
    this.#copyColumns(batch);
    if (this.#generation !== paths.generation) this.#learn(paths);
    return true;
  }

  /** By hand: for the few packets of an ordinary batch, views for `set` would cost more than the copies. */
  #copyColumns({ count, frameAt, capturedLength, originalLength, linkType }: PacketBatch): void {
    const [toFrameAt, toCapturedLength] = [this.#frameAt, this.#capturedLength];
    const [toOriginalLength, toLinkType] = [this.#originalLength, this.#linkType];
    for (let i = 0; i < count; i++) {
      toFrameAt[i] = frameAt[i]!;
      toCapturedLength[i] = capturedLength[i]!;
      toOriginalLength[i] = originalLength[i]!;
      toLinkType[i] = linkType[i]!;
    }
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

function mayBeginHttp(...letters: number[]): boolean {
  const bytes = Uint8Array.from(letters);
  return beginsRequest(bytes, 0, bytes.length) || beginsResponse(bytes, 0, bytes.length);
}

let shared: WebAssembly.Module | undefined;

/** A kernel of its own for one capture; null when there are too many open files to load it. */
export function headerKernel(): HeaderKernel | null {
  try {
    shared ??= new WebAssembly.Module(readFileSync(new URL("../../codec/kernel/headers.wasm", import.meta.url)));
    return new HeaderKernel(shared);
  } catch (error) {
    if (["EMFILE", "ENFILE"].includes(systemErrorCode(error) ?? "")) return null;
    throw error;
  }
}
