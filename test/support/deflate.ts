import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { inflateRawSync } from "node:zlib";
import { effortOf } from "../../src/codec/gzip/effort.ts";
import { DeflateKernel, deflateMemory, readDeflateModule } from "../../src/codec/gzip/kernel.ts";

const memory = deflateMemory();
const bytes = Buffer.from(memory.buffer);
const kernel = new DeflateKernel(readDeflateModule(), memory);
const { inputs, inputStride, inputCapacity, outputs, outputStride, slots } = kernel.layout;

export { inputCapacity as deflateCapacity };

/** Compresses in this thread. What lies behind input and output must stay as it was. */
export function deflate(input: Uint8Array, level: number, isLast = true, slot = 0): Buffer {
  const at = inputs + slot * inputStride;
  bytes.set(input, at);
  const behind = outputs + (slot + 1) * outputStride;
  const before = slot + 1 < slots ? bytes.readUInt32LE(behind) : 0;
  const length = kernel.deflate(slot, input.length, effortOf(level), isLast);
  assert.ok(length <= outputStride - 64, `${length} bytes of ${input.length}`);
  if (slot + 1 < slots) assert.equal(bytes.readUInt32LE(behind), before);
  const from = outputs + slot * outputStride;
  return Buffer.from(bytes.subarray(from, from + length));
}

/** Zlib must read the same from it. Returns how many bytes it took. */
export function assertDeflates(input: Buffer, level: number, slot = 0): number {
  const output = deflate(input, level, true, slot);
  assert.ok(inflateRawSync(output).equals(input), `level ${level}, ${input.length} bytes`);
  return output.length;
}
