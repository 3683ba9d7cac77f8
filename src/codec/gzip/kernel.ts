import { readFileSync } from "node:fs";
import type { Effort } from "./effort.ts";

/** Where a slot's input and output lie in the memory, and what fits: the same for every kernel. */
export interface SlotLayout {
  readonly slots: number;
  readonly inputs: number;
  readonly inputStride: number;
  readonly inputCapacity: number;
  readonly outputs: number;
  readonly outputStride: number;
}

/** What ../kernel/assembly/deflate/deflate.ts exports. */
interface Exports extends Readonly<Record<keyof SlotLayout, WebAssembly.Global>> {
  setEffort(...effort: Effort): void;
  deflate(slot: number, length: number, isLast: boolean): number;
}

/** Of 64 KiB, as scripts/steps.mjs compiles the module: what ../kernel/assembly/deflate/memory.ts lays out fits. */
const PAGES = 272;

/** Throws WebAssembly.CompileError on a processor without 128-bit vectors, and errors of reading. */
export function readDeflateModule(): WebAssembly.Module {
  return new WebAssembly.Module(readFileSync(new URL("../kernel/deflate.wasm", import.meta.url)));
}

/** 17 MiB of address space, of which only what is used becomes resident. */
export function deflateMemory(): WebAssembly.Memory {
  return new WebAssembly.Memory({ initial: PAGES, maximum: PAGES, shared: true });
}

/**
 * Deflate (RFC 1951) in WebAssembly, made for bulk bodies: half the time of zlib's for the same size (docs/decisions/0013). Whoever
 * calls fills a slot's input, and takes what is in its output then.
 */
export class DeflateKernel {
  readonly layout: SlotLayout;
  readonly #exports: Exports;

  constructor(module: WebAssembly.Module, memory: WebAssembly.Memory) {
    const exports = new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as Exports;
    this.#exports = exports;
    this.layout = {
      slots: exports.slots.value,
      inputs: exports.inputs.value,
      inputStride: exports.inputStride.value,
      inputCapacity: exports.inputCapacity.value,
      outputs: exports.outputs.value,
      outputStride: exports.outputStride.value,
    };
  }

  /**
   * Compresses the first `length` bytes of the slot's input. What comes out ends at a whole byte; unless `isLast` more
   * may follow it in the same stream. Returns how many bytes there are.
   */
  deflate(slot: number, length: number, effort: Effort, isLast: boolean): number {
    this.#exports.setEffort(...effort);
    return this.#exports.deflate(slot, length, isLast);
  }
}
