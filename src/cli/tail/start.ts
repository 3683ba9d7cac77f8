import { open, type FileHandle } from "node:fs/promises";
import { isContinuation } from "../../runtime/recognition/continuation.ts";

/** Bytes that are read at once, and from which on halving pays. */
const BLOCK_BYTES = 65_536;
/** How far before the found place reading begins: logs are not quite in order of time. */
const SLACK_BYTES = 65_536;

/** The first lines of a file that are whole, at most `limit` of them, from the first 64 kB. */
export async function firstLines(path: string, limit: number): Promise<string[]> {
  return withFile(path, async (file) => {
    const { text } = await readBlock(file, 0, BLOCK_BYTES);
    return text.split("\n", limit).filter((line) => line !== "");
  });
}

/** The last lines of a file that are whole, at most `limit` of them, from the last 64 kB. */
export async function lastLines(path: string, limit: number): Promise<string[]> {
  return withFile(path, async (file) => {
    const { size } = await file.stat();
    const { text } = await readBlock(file, Math.max(0, size - BLOCK_BYTES), BLOCK_BYTES);
    return text.split("\n").slice(1).filter((line) => line !== "").slice(-limit); // prettier-ignore
  });
}

/** Byte at which the last `count` events begin: lines of stack traces do not count. 0 when there are no more. */
export async function offsetOfLast(path: string, count: number): Promise<number> {
  return withFile(path, async (file) => {
    const { size } = await file.stat();
    if (count === 0) return size;
    let rest = "";
    let left = count;
    // Latin-1: a character is a byte, and what decides is ASCII.
    for (let end = size; end > 0;) {
      const start = Math.max(0, end - BLOCK_BYTES);
      const block = Buffer.alloc(end - start);
      await file.read(block, 0, block.length, start);
      const text = block.toString("latin1") + rest;
      let lineEnd = end === size && text.endsWith("\n") ? text.length - 1 : text.length;
      for (;;) {
        const at = lineEnd === 0 ? -1 : text.lastIndexOf("\n", lineEnd - 1);
        if (at === -1) break;
        if (!isContinuation(text.slice(at + 1, lineEnd)) && --left === 0) return start + at + 1;
        lineEnd = at;
      }
      // A very long line is not gathered: it begins somewhere before.
      rest = lineEnd > 16 * BLOCK_BYTES ? "" : text.slice(0, lineEnd);
      end = start;
    }
    return 0;
  });
}

/**
 * Byte of a line's beginning such that all lines from `timeMs` on are behind it, found by halving: for files in
 * order of time, more or less. `timeOf` gives a line's time, or undefined when it has none.
 */
export async function offsetOfTime(
  path: string,
  timeMs: number,
  timeOf: (line: string) => number | undefined,
): Promise<number> {
  return withFile(path, async (file) => {
    const { size } = await file.stat();
    let [low, high] = [0, size];
    while (high - low > BLOCK_BYTES) {
      const middle = low + Math.floor((high - low) / 2);
      const { text } = await readBlock(file, middle, BLOCK_BYTES);
      const time = firstTime(text.split("\n").slice(1), timeOf);
      // Without any time there it cannot be said: everything from the last known place on is read.
      if (time === undefined) break;
      if (time < timeMs) low = middle;
      else high = middle;
    }
    const begin = Math.max(0, low - SLACK_BYTES);
    if (begin === 0) return 0;
    const block = Buffer.alloc(BLOCK_BYTES);
    const { bytesRead } = await file.read(block, 0, BLOCK_BYTES, begin);
    const newline = block.subarray(0, bytesRead).indexOf(10);
    return newline === -1 ? 0 : begin + newline + 1;
  });
}

function firstTime(lines: readonly string[], timeOf: (line: string) => number | undefined): number | undefined {
  for (const line of lines) {
    const time = timeOf(line);
    if (time !== undefined) return time;
  }
  return undefined;
}

async function readBlock(file: FileHandle, position: number, length: number): Promise<{ text: string }> {
  const block = Buffer.alloc(length);
  const { bytesRead } = await file.read(block, 0, length, position);
  const whole = block.subarray(0, bytesRead);
  // The last line counts only when it has its end, unless it is all there is.
  const end = whole.lastIndexOf(10);
  return { text: (end === -1 ? whole : whole.subarray(0, end)).toString("utf8").replace(/^\ufeff/, "") };
}

async function withFile<T>(path: string, use: (file: FileHandle) => Promise<T>): Promise<T> {
  const file = await open(path);
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}
