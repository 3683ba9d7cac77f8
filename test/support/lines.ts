import type { LineBatch, Partition } from "../../src/core/batch.ts";
import { makePartition } from "./batches.ts";

export interface LineBatchOptions {
  readonly partition?: Partition;
  /** Byte offset of the first line. */
  readonly from?: number;
  readonly readAtMs?: number;
  readonly flags?: ReadonlyMap<number, readonly string[]>;
  readonly ack?: LineBatch["ack"];
}

/** Lines as a source would have read them from a UTF-8 file with a newline behind each. */
export function makeLines(lines: readonly string[], options: LineBatchOptions = {}): LineBatch {
  const starts = new Int32Array(lines.length);
  const ends = new Int32Array(lines.length);
  const offsets = new Float64Array(lines.length);
  let text = "";
  let position = options.from ?? 0;
  lines.forEach((line, i) => {
    starts[i] = text.length;
    text += line + "\n";
    ends[i] = text.length - 1;
    offsets[i] = position;
    position += Buffer.byteLength(line) + 1;
  });
  return {
    partition: options.partition ?? makePartition(),
    count: lines.length,
    ...{ text, starts, ends, offsets },
    endPosition: position,
    resume: { at: position },
    readAtMs: options.readAtMs ?? Date.UTC(2026, 10, 21, 10),
    byteLength: position - (options.from ?? 0),
    flags: options.flags,
    ...(options.ack === undefined ? {} : { ack: options.ack }),
  };
}

/** "line 3", "line 4", … without the last. */
export function numbered(from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, i) => `line ${from + i}`);
}

/** The same as the text of a file. */
export function numberedText(from: number, to: number): string {
  return numbered(from, to)
    .map((line) => line + "\n")
    .join("");
}
