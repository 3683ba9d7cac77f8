import type { Readable } from "node:stream";
import { ENOUGH_LINES } from "./inputs.ts";

/** What was read of standard input to recognise its format; the source begins with it. */
export interface StdinLook {
  readonly chunks: readonly Buffer[];
  readonly ended: boolean;
  readonly lines: readonly string[];
}

/** After the first line, more are waited for so long. */
const SETTLE_MS = 300;

/** Reads until there are some lines, until nothing more comes for a moment, or to the end. The stream is left paused. */
export function lookAtStdin(input: Readable, signal: AbortSignal): Promise<StdinLook> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let newlines = 0;
    let timer: NodeJS.Timeout | undefined;
    let isDone = false;
    const finish = (ended: boolean): void => {
      if (isDone) return;
      isDone = true;
      clearTimeout(timer);
      input.off("data", onData).off("end", onEnd).off("error", reject);
      signal.removeEventListener("abort", onEnd);
      input.pause();
      const lines = Buffer.concat(chunks).toString("utf8").replaceAll("\r\n", "\n").split("\n");
      // Half a line says nothing, unless it is all there is.
      if (!ended || lines.at(-1) === "") lines.pop();
      resolve({ chunks, ended, lines });
    };
    const onEnd = (): void => finish(true);
    const onData = (chunk: Buffer): void => {
      chunks.push(chunk);
      for (let at = chunk.indexOf(10); at !== -1; at = chunk.indexOf(10, at + 1)) newlines++;
      if (newlines >= ENOUGH_LINES) finish(false);
      else if (newlines > 0) timer ??= setTimeout(() => finish(false), SETTLE_MS);
    };
    input.on("data", onData).once("end", onEnd).once("error", reject);
    signal.addEventListener("abort", onEnd, { once: true });
    if (signal.aborted) finish(true);
  });
}
