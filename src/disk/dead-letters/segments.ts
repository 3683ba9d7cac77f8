import { open, readdir, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { systemErrorCode } from "../../core/error.ts";
import { parseLetter, type DeadLetter } from "./letter.ts";

/** The file that is written to; closed ones are called the same with a number that grows: `.1` is the oldest. */
export const OPEN_SEGMENT = "dead-letters.ndjson";

export function segmentName(number: number): string {
  return `${OPEN_SEGMENT}.${number}`;
}

/** Numbers of the closed segments in a folder, oldest first. */
export async function closedSegments(folder: string): Promise<number[]> {
  const names = await readdir(folder).catch((error: unknown): string[] => {
    if (systemErrorCode(error) === "ENOENT") return [];
    throw error;
  });
  return names
    .map((name) => (name.startsWith(`${OPEN_SEGMENT}.`) ? name.slice(OPEN_SEGMENT.length + 1) : ""))
    .filter((number) => /^[1-9]\d{0,14}$/.test(number))
    .map(Number)
    .sort((a, b) => a - b);
}

/**
 * Reads the lines of a file, whole ones only: what a crash left unfinished, or another process is writing at the
 * moment, is left out. `end` is where the line ends in the file. A file that is not there has none.
 */
export async function* readLines(path: string): AsyncGenerator<{ line: string; end: number }> {
  let handle: FileHandle;
  try {
    handle = await open(path, "r");
  } catch (error) {
    if (systemErrorCode(error) === "ENOENT") return;
    throw error;
  }
  try {
    let rest = Buffer.alloc(0);
    let end = 0;
    for (;;) {
      const buffer = Buffer.allocUnsafe(1 << 18);
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, null);
      if (bytesRead === 0) return;
      const bytes =
        rest.length === 0 ? buffer.subarray(0, bytesRead) : Buffer.concat([rest, buffer.subarray(0, bytesRead)]);
      let start = 0;
      for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, start)) {
        end += at + 1 - start;
        yield { line: bytes.toString("utf8", start, at), end };
        start = at + 1;
      }
      rest = bytes.subarray(start);
    }
  } finally {
    await handle.close();
  }
}

/**
 * All letters of a folder, oldest first, without any lock: what the agent moves aside or removes meanwhile may be seen
 * or not, but no letter is seen twice.
 */
export async function* readLetters(folder: string): AsyncGenerator<DeadLetter> {
  let done = 0;
  for (let again = true; again;) {
    again = false;
    for (const number of await closedSegments(folder)) {
      if (number <= done) continue;
      done = number;
      for await (const { line } of readLines(join(folder, segmentName(number)))) {
        const letter = parseLetter(line);
        if (letter !== undefined) yield letter;
      }
    }
    // The open one is read whole before anything is said of it: it may be moved aside meanwhile, and then it counts as closed.
    const open: DeadLetter[] = [];
    for await (const { line } of readLines(join(folder, OPEN_SEGMENT))) {
      const letter = parseLetter(line);
      if (letter !== undefined) open.push(letter);
    }
    if ((await closedSegments(folder)).some((number) => number > done)) again = true;
    else yield* open;
  }
}
