import type { LineBatch, LineBytes, Partition } from "../core/batch.ts";
import type { Split } from "./lines.ts";

/** What a source knows of a split beyond the lines. */
export interface SplitOrigin {
  readonly partition: Partition;
  readonly endPosition: number;
  readonly resume: unknown;
  readonly readAtMs: number;
  readonly byteLength: number;
}

/** The batch of a split. It asks the split for text only when somebody asks it. */
export class SplitBatch implements LineBatch {
  readonly partition: Partition;
  readonly count: number;
  readonly offsets: Float64Array;
  readonly endPosition: number;
  readonly resume: unknown;
  readonly readAtMs: number;
  readonly byteLength: number;
  readonly flags: ReadonlyMap<number, readonly string[]> | undefined;
  readonly #split: Split;

  constructor(split: Split, origin: SplitOrigin) {
    this.#split = split;
    this.count = split.count;
    this.offsets = split.offsets;
    this.flags = split.flags;
    this.partition = origin.partition;
    this.endPosition = origin.endPosition;
    this.resume = origin.resume;
    this.readAtMs = origin.readAtMs;
    this.byteLength = origin.byteLength;
  }

  get lines(): LineBytes | undefined {
    return this.#split.lines;
  }
  get text(): string {
    return this.#split.text;
  }
  get starts(): Int32Array {
    return this.#split.starts;
  }
  get ends(): Int32Array {
    return this.#split.ends;
  }
}
