import { readFileSync } from "node:fs";
import type { LineBytes } from "../../core/batch.ts";
import { UNFIT, type TimeReader } from "../../core/plan.ts";
import type { ProgramImage } from "./program-builder.ts";
import { TimeCache } from "./time-cache.ts";
import { systemErrorCode } from "../../core/error.ts";

/** What assembly/machine/machine.ts exports: addresses of areas of its memory, and their sizes. */
interface Exports {
  readonly memory: WebAssembly.Memory;
  readonly inputCapacity: WebAssembly.Global;
  readonly lineCapacity: WebAssembly.Global;
  readonly programCapacity: WebAssembly.Global;
  readonly variableCapacity: WebAssembly.Global;
  readonly outputCapacity: WebAssembly.Global;
  readonly slotCapacity: WebAssembly.Global;
  readonly cacheCapacity: WebAssembly.Global;
  readonly stageCapacity: WebAssembly.Global;
  readonly input: WebAssembly.Global;
  readonly starts: WebAssembly.Global;
  readonly ends: WebAssembly.Global;
  readonly offsets: WebAssembly.Global;
  readonly program: WebAssembly.Global;
  readonly variables: WebAssembly.Global;
  readonly caches: WebAssembly.Global;
  readonly drops: WebAssembly.Global;
  readonly output: WebAssembly.Global;
  readonly documentEnds: WebAssembly.Global;
  readonly documentLines: WebAssembly.Global;
  readonly documentTimes: WebAssembly.Global;
  readonly otherOutput: WebAssembly.Global;
  readonly otherEnds: WebAssembly.Global;
  readonly result: WebAssembly.Global;
  prepare(slots: number, constantBytes: number, timeMs: number): void;
  run(from: number, to: number): number;
  writeOther(encoding: number): number;
  hashKey(length: number): number;
}

/** A program and what it needs of JavaScript. */
export interface MachineProgram {
  readonly image: ProgramImage;
  readonly slots: number;
  /** Bytes of constants in one document at most, those that depend on the partition left out. */
  readonly constantBytes: number;
  readonly times: readonly TimeReader[];
  readonly converters: readonly ((text: string) => unknown)[];
}

/** Documents that `run` made of some lines, in memory that the next call uses again. */
export interface MadeDocuments {
  readonly count: number;
  readonly bytes: Uint8Array;
  /** Where each document ends in the bytes. */
  readonly ends: Int32Array;
  /** The line that each was, counted from the first that was loaded, and its time in milliseconds since the epoch. */
  readonly lines: Int32Array;
  readonly timesMs: Float64Array;
}

/** Sizes of the machine's memory that programs have to fit. */
export interface MachineLimits {
  readonly programAddress: number;
  readonly slots: number;
  readonly times: number;
  readonly stages: number;
  readonly constantBytes: number;
}

/** One program in a memory of its own (2.5 MB). Calls are synchronous. */
export class Machine {
  readonly #exports: Exports;
  readonly #memory: Buffer;
  readonly #starts: Int32Array;
  readonly #ends: Int32Array;
  readonly #offsets: Float64Array;
  readonly #drops: Int32Array;
  /** Documents, bytes of them, and whether the last run stopped at a line. */
  readonly #result: Int32Array;
  readonly #output: number;
  readonly #documentEnds: Int32Array;
  readonly #documentLines: Int32Array;
  readonly #documentTimes: Float64Array;
  readonly #otherEnds: Int32Array;
  readonly #program: MachineProgram;
  readonly #caches: readonly TimeCache[];
  readonly #capacity: { readonly bytes: number; readonly lines: number; readonly variables: number };

  /** The program was built for this module's `machineLimits`. */
  constructor(module: WebAssembly.Module, program: MachineProgram) {
    // Imports are named after the files that declare them.
    const host = {
      time: {
        readTime: (index: number, from: number, length: number): number =>
          this.#caches[index]!.read(this.#memory.toString("utf8", from, from + length)),
      },
      captures: {
        convertText: (index: number, from: number, length: number, to: number): number => {
          const value = program.converters[index]!(this.#memory.toString("utf8", from, from + length));
          if (value === undefined) return 0;
          if (value === UNFIT) return -1;
          const json = JSON.stringify(value);
          return json.length * 3 > 16 * length + 64 ? -1 : this.#memory.write(json, to);
        },
      },
    };
    const exports = new WebAssembly.Instance(module, host).exports as unknown as Exports;
    const { buffer } = exports.memory;
    const lines = exports.lineCapacity.value;
    this.#exports = exports;
    this.#program = program;
    this.#memory = Buffer.from(buffer);
    this.#starts = new Int32Array(buffer, exports.starts.value, lines);
    this.#ends = new Int32Array(buffer, exports.ends.value, lines);
    this.#offsets = new Float64Array(buffer, exports.offsets.value, lines);
    this.#drops = new Int32Array(buffer, exports.drops.value, exports.stageCapacity.value);
    this.#result = new Int32Array(buffer, exports.result.value, 3);
    this.#output = exports.output.value;
    this.#documentEnds = new Int32Array(buffer, exports.documentEnds.value, lines);
    this.#documentLines = new Int32Array(buffer, exports.documentLines.value, lines);
    this.#documentTimes = new Float64Array(buffer, exports.documentTimes.value, lines);
    this.#otherEnds = new Int32Array(buffer, exports.otherEnds.value, lines);
    this.#capacity = { bytes: exports.inputCapacity.value, lines, variables: exports.variableCapacity.value };
    const { code, constants } = program.image;
    const address = exports.program.value;
    new Int32Array(buffer, address, code.length).set(code);
    this.#memory.set(constants, address + exports.programCapacity.value / 2);
    this.#caches = program.times.map((reader, i) => {
      const at = exports.caches.value + 256 * i;
      return new TimeCache(reader, this.#memory.subarray(at, at + 256));
    });
  }

  /**
   * Sets the constants that depend on the partition: for each encoding what stands before and behind the id (undefined:
   * no id), then the program's own. The longest head must be the first. False when there is no room.
   */
  setVariables(
    heads: readonly (readonly [before: string, after: string | undefined])[],
    own: readonly string[],
  ): boolean {
    const texts = [...heads.flat(), ...own];
    const table = this.#exports.variables.value;
    let at = table + 8 * texts.length;
    const bytes = texts.reduce((sum, text) => sum + Buffer.byteLength(text ?? ""), 0);
    if (bytes > MAX_VARIABLE_BYTES || at + bytes > table + this.#capacity.variables) return false;
    const entries = new Int32Array(this.#exports.memory.buffer, table, 2 * texts.length);
    texts.forEach((text, i) => {
      entries[2 * i] = at;
      const length = this.#memory.write(text ?? "", at);
      entries[2 * i + 1] = text === undefined ? -1 : length;
      at += length;
    });
    return true;
  }

  /** Makes ready for lines of one batch, whose events without another time are of `timeMs`. */
  begin(timeMs: number): void {
    for (const cache of this.#caches) cache.refresh();
    const { slots, constantBytes } = this.#program;
    this.#exports.prepare(slots, constantBytes + MAX_VARIABLE_BYTES, timeMs);
  }

  /** Loads lines, as many from `from` on as there is room for. Returns the first that was not loaded. */
  load(lines: LineBytes, offsets: Float64Array, from: number, to: number): number {
    const first = lines.starts[from]!;
    let end = Math.min(to, from + this.#capacity.lines);
    // Lines lie in order, one behind the other.
    while (end > from && lines.ends[end - 1]! - first > this.#capacity.bytes) end = from + ((end - from) >> 1);
    if (end === from) return from;
    lines.bytes.copy(this.#memory, this.#exports.input.value, first, lines.ends[end - 1]);
    const [starts, ends] = [this.#starts, this.#ends];
    for (let i = from; i < end; i++) {
      starts[i - from] = lines.starts[i]! - first;
      ends[i - from] = lines.ends[i]! - first;
    }
    this.#offsets.set(offsets.subarray(from, end));
    return end;
  }

  /**
   * Runs loaded lines from … to - 1, counted from the first that was loaded. Returns the first that is not done: it
   * needs the plain way if `stoppedAtLine`, otherwise `run` has to be called again unless it is `to`.
   */
  run(from: number, to: number): number {
    return this.#exports.run(from, to);
  }

  get stoppedAtLine(): boolean {
    return this.#result[2] !== 0;
  }

  /** What the last run made, if anything. */
  made(): MadeDocuments | undefined {
    const count = this.#result[0]!;
    if (count === 0) return undefined;
    return {
      count,
      bytes: this.#memory.subarray(this.#output, this.#output + this.#result[1]!),
      ends: this.#documentEnds.subarray(0, count),
      lines: this.#documentLines.subarray(0, count),
      timesMs: this.#documentTimes.subarray(0, count),
    };
  }

  /** The documents of the last run in another encoding. */
  other(encoding: number): { readonly bytes: Uint8Array; readonly ends: Int32Array } {
    const bytes = this.#exports.writeOther(encoding);
    const at = this.#exports.otherOutput.value;
    return {
      bytes: this.#memory.subarray(at, at + bytes),
      ends: this.#otherEnds.subarray(0, this.#result[0]),
    };
  }

  /** Events that stages left out since the last call, by stage. The array is the machine's: set to 0 what was read. */
  get drops(): Int32Array {
    return this.#drops;
  }
}

/** All constants of a partition: a path of 4,096 characters with every one escaped would not fit. */
const MAX_VARIABLE_BYTES = 24 * 1024;

export interface MachineModule {
  readonly module: WebAssembly.Module;
  /** The hash by which the machine finds known keys; keys of at most 64 KiB. */
  readonly hash: (key: Buffer) => number;
  readonly limits: MachineLimits;
}

let shared: MachineModule | null | undefined;

/** The compiled module, made on first use. Null on a processor without its vector instructions (x86 before SSE 4.1). */
export function machineModule(): MachineModule | null {
  if (shared === undefined) {
    try {
      const module = new WebAssembly.Module(readFileSync(new URL("./machine.wasm", import.meta.url)));
      const host = { time: { readTime: (): number => NaN }, captures: { convertText: (): number => -1 } };
      const exports = new WebAssembly.Instance(module, host).exports as unknown as Exports;
      const memory = Buffer.from(exports.memory.buffer);
      shared = {
        module,
        hash: (key) => {
          key.copy(memory, exports.input.value);
          return exports.hashKey(key.length);
        },
        limits: {
          programAddress: exports.program.value,
          slots: exports.slotCapacity.value,
          times: exports.cacheCapacity.value,
          stages: exports.stageCapacity.value,
          constantBytes: exports.outputCapacity.value / 4,
        },
      };
    } catch (error) {
      // Too many open files: this once it goes the plain way, too.
      if (["EMFILE", "ENFILE"].includes(systemErrorCode(error) ?? "")) return null;
      if (!(error instanceof WebAssembly.CompileError)) throw error;
      shared = null;
    }
  }
  return shared;
}
