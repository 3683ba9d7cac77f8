import { Buffer, isUtf8 } from "node:buffer";
import { readFileSync } from "node:fs";
import type { LineBytes } from "../../core/batch.ts";
import { systemErrorCode } from "../../core/error.ts";

/** What stands around each line in a document: `first [offset] second line third [offset fourth]`. */
export interface LineFramePieces {
  readonly first: string;
  /** Whether the line's offset stands between `first` and `second`. */
  readonly offsetFirst: boolean;
  readonly second: string;
  readonly third: string;
  /** What follows a second offset, or undefined where there is none: the document then ends with `third`. */
  readonly fourth: string | undefined;
  /** Whether the line is written as the inside of a JSON string, or as it is. */
  readonly escape: boolean;
}

/** Lines that were found, and where each begins in its file. The arrays belong to the caller. */
export interface FoundLines extends LineBytes {
  readonly count: number;
  readonly offsets: Float64Array;
  /** Every byte is below 128. */
  readonly isAscii: boolean;
}

/** Takes documents that the kernel wrote: `ends` say where each ends, counted from what `start` was for this piece. */
export interface DocumentTarget {
  /** Bytes that it holds already. */
  readonly byteLength: number;
  /** Both are only lent for the call. */
  append(bytes: Uint8Array, ends: Int32Array): void;
}

/** What assembly/lines.ts exports. */
interface Exports {
  readonly memory: WebAssembly.Memory;
  readonly inputCapacity: WebAssembly.Global;
  readonly frameCapacity: WebAssembly.Global;
  readonly input: WebAssembly.Global;
  readonly starts: WebAssembly.Global;
  readonly ends: WebAssembly.Global;
  readonly offsets: WebAssembly.Global;
  readonly frame: WebAssembly.Global;
  readonly output: WebAssembly.Global;
  readonly documentEnds: WebAssembly.Global;
  readonly allAscii: WebAssembly.Global;
  readonly longestLine: WebAssembly.Global;
  readonly written: WebAssembly.Global;
  findLines(length: number, position: number): number;
  writeDocuments(
    from: number,
    to: number,
    first: number,
    second: number,
    third: number,
    fourth: number,
    offsetFirst: boolean,
    offsetLast: boolean,
    escape: boolean,
    outputStart: number,
  ): number;
}

/**
 * Finds lines in bytes and writes lines as documents without ever making strings of them: WebAssembly with 128-bit
 * vectors, about ten times as fast as the same by strings (bench/micro/lines.ts, docs/decisions/0005). What it cannot
 * do it refuses, and the caller goes the plain way; both give the same bytes.
 */
export class LineKernel {
  readonly #exports: Exports;
  readonly #memory: Buffer;
  readonly #starts: Int32Array;
  readonly #ends: Int32Array;
  readonly #offsets: Float64Array;
  readonly #documentEnds: Int32Array;
  readonly #at: { readonly input: number; readonly frame: number; readonly output: number };
  readonly #inputCapacity: number;
  readonly #frameCapacity: number;
  /** Whose lines are in the module's memory. */
  #loaded: LineBytes | undefined;

  constructor(module: WebAssembly.Module) {
    const exports = new WebAssembly.Instance(module).exports as unknown as Exports;
    const { buffer } = exports.memory;
    const addressOf = (name: "input" | "starts" | "ends" | "offsets" | "frame" | "output" | "documentEnds"): number =>
      exports[name].value;
    this.#exports = exports;
    this.#memory = Buffer.from(buffer);
    this.#inputCapacity = exports.inputCapacity.value;
    this.#frameCapacity = exports.frameCapacity.value;
    const lines = this.#inputCapacity + 1;
    this.#starts = new Int32Array(buffer, addressOf("starts"), lines);
    this.#ends = new Int32Array(buffer, addressOf("ends"), lines);
    this.#offsets = new Float64Array(buffer, addressOf("offsets"), lines);
    this.#documentEnds = new Int32Array(buffer, addressOf("documentEnds"), lines);
    this.#at = { input: addressOf("input"), frame: addressOf("frame"), output: addressOf("output") };
  }

  /**
   * The lines in `bytes`, which begin at `position` in their file, as LineSplitter defines lines. Undefined where the
   * plain way has to be gone: too many bytes at once, bytes that are not UTF-8, a line of more than `maxLineBytes`.
   */
  findLines(bytes: Buffer, position: number, maxLineBytes: number): FoundLines | undefined {
    if (bytes.length > this.#inputCapacity) return undefined;
    this.#loaded = undefined;
    bytes.copy(this.#memory, this.#at.input);
    const count = this.#exports.findLines(bytes.length, position);
    if (this.#exports.longestLine.value > maxLineBytes) return undefined;
    const isAscii = this.#exports.allAscii.value !== 0;
    if (!isAscii) {
      if (!isUtf8(bytes)) return undefined;
      if (position === 0 && bytes.indexOf(BYTE_ORDER_MARK) === 0 && this.#ends[0]! >= 3) this.#starts[0] = 3;
    }
    const found: FoundLines = {
      ...{ bytes, count, isAscii },
      starts: this.#starts.slice(0, count),
      ends: this.#ends.slice(0, count),
      offsets: this.#offsets.slice(0, count),
    };
    this.#loaded = found;
    return found;
  }

  /**
   * Writes each of the lines as a document into `target`. False, with nothing written, where the plain way has to be
   * gone: too many bytes at once, or too much text around a line.
   */
  writeDocuments(lines: LineBytes, offsets: Float64Array, pieces: LineFramePieces, target: DocumentTarget): boolean {
    const count = offsets.length;
    const { first, second, third, fourth = "" } = pieces;
    const characters = first.length + second.length + third.length + fourth.length;
    if (characters * 3 > this.#frameCapacity || !this.#load(lines, offsets)) return false;
    const { frame, output } = this.#at;
    const a = this.#memory.write(first, frame);
    const b = this.#memory.write(second, frame + a);
    const c = this.#memory.write(third, frame + a + b);
    const d = this.#memory.write(fourth, frame + a + b + c);
    const { offsetFirst, escape } = pieces;
    const offsetLast = pieces.fourth !== undefined;
    for (let from = 0; from < count;) {
      const start = target.byteLength;
      const to = this.#exports.writeDocuments(from, count, a, b, c, d, offsetFirst, offsetLast, escape, start);
      const written = this.#exports.written.value;
      target.append(this.#memory.subarray(output, output + written), this.#documentEnds.subarray(from, to));
      from = to;
    }
    return true;
  }

  /** Puts lines into the module's memory, unless they are what was found last. */
  #load(lines: LineBytes, offsets: Float64Array): boolean {
    if (lines.bytes.length > this.#inputCapacity) return false;
    // Streams number their events themselves.
    this.#offsets.set(offsets);
    if (this.#loaded === lines) return true;
    lines.bytes.copy(this.#memory, this.#at.input);
    this.#starts.set(lines.starts);
    this.#ends.set(lines.ends);
    this.#loaded = lines;
    return true;
  }
}

const BYTE_ORDER_MARK = Buffer.of(0xef, 0xbb, 0xbf);

let shared: LineKernel | null | undefined;

/**
 * The process's one kernel, made on first use: its calls are synchronous and keep nothing. Null on a processor
 * without the vector instructions (x86 before SSE 4.1): everything then goes the plain way.
 */
export function lineKernel(): LineKernel | null {
  if (shared === undefined) {
    try {
      shared = new LineKernel(new WebAssembly.Module(readFileSync(new URL("./lines.wasm", import.meta.url))));
    } catch (error) {
      // Too many open files: this once it goes the plain way, too.
      if (["EMFILE", "ENFILE"].includes(systemErrorCode(error) ?? "")) return null;
      if (!(error instanceof WebAssembly.CompileError)) throw error;
      shared = null;
    }
  }
  return shared;
}
