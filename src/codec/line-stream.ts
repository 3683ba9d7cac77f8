import { LineSplitter, type LineRules, type Split } from "./lines.ts";

/**
 * Lines of a byte stream that cannot be read again (standard input, a command's output). Offsets count events from 0
 * instead of bytes. A half line waits for its end; `end` gives it out.
 */
export class LineStream {
  readonly #splitter: LineSplitter;
  readonly #enough: number;
  /** Bytes without a line end, not joined before one comes: a line in many small pieces would be copied for each. */
  #parts: Buffer[] = [];
  #partsBytes = 0;
  #first = true;
  /** Number of the next event. */
  sequence = 0;

  constructor(rules: LineRules) {
    this.#splitter = new LineSplitter(rules);
    this.#enough = rules.maxLineBytes + 2;
  }

  /** Bytes that wait for their line end. */
  get pendingBytes(): number {
    return this.#partsBytes;
  }

  /** Events that are whole now. The chunk is not kept. */
  push(chunk: Buffer): Split[] {
    const out: Split[] = [];
    this.#keep(chunk);
    if (this.#partsBytes < this.#enough && chunk.indexOf(10) === -1) return out;
    this.#drain("open", out);
    return out;
  }

  /** Everything that is left. */
  end(): Split[] {
    const out: Split[] = [];
    this.#drain("all", out);
    return out;
  }

  #keep(bytes: Buffer): void {
    if (bytes.length > 0) this.#parts.push(Buffer.from(bytes));
    this.#partsBytes += bytes.length;
  }

  #drain(end: "open" | "all", out: Split[]): void {
    let bytes = this.#parts.length === 1 ? this.#parts[0]! : Buffer.concat(this.#parts);
    for (;;) {
      const split = this.#splitter.split(bytes, this.#first ? 0 : 1, end);
      if (split.consumed > 0) this.#first = false;
      bytes = bytes.subarray(split.consumed);
      if (split.count > 0 || split.dropped > 0) {
        for (let i = 0; i < split.count; i++) split.offsets[i] = this.sequence++;
        out.push(split);
      }
      if (split.consumed === 0) break;
    }
    this.#parts = [];
    this.#partsBytes = 0;
    this.#keep(bytes);
  }
}
