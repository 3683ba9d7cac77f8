// A thread that compresses: threads.ts starts it.
import { Buffer } from "node:buffer";
import { parentPort, workerData } from "node:worker_threads";
import { crc32 } from "node:zlib";
import { effortOf } from "./effort.ts";
import { DeflateKernel } from "./kernel.ts";
import type { Answer, Job, Start } from "./threads.ts";

const { module, memory } = workerData as Start;
const kernel = new DeflateKernel(module, memory);
const bytes = Buffer.from(memory.buffer);
const port = parentPort!;

port.on("message", ({ slot, length, level, isLast, crc }: Job) => {
  const at = kernel.layout.inputs + slot * kernel.layout.inputStride;
  const answer: Answer = {
    slot,
    crc: crc32(bytes.subarray(at, at + length), crc),
    length: kernel.deflate(slot, length, effortOf(level), isLast),
  };
  port.postMessage(answer);
});
port.postMessage(kernel.layout);
