import { readFileSync } from "node:fs";
import { SourceMap, type SourceMapPayload } from "node:module";
import { dirname, resolve } from "node:path";

/** The bundle that runs, when one does. */
let running: string | undefined;

/**
 * Says that this code runs from a bundle, with its source map beside it (the same name and `.map`). What Node prints
 * when it ends by an error then names the modules that the bundle was made of.
 */
export function runsFromBundle(file: string): void {
  running = file;
  process.on("uncaughtExceptionMonitor", (error) => {
    if (error instanceof Error) error.stack = stackOf(error);
  });
}

/**
 * The stack of an error, with the places of modules and not of the bundle. For what is printed last: the source map is
 * read each time, which takes a quarter of a second.
 */
export function stackOf(error: Error, bundle = running): string {
  const stack = error.stack ?? String(error);
  if (bundle === undefined || !stack.includes(bundle)) return stack;
  let map: SourceMap;
  try {
    map = new SourceMap(JSON.parse(readFileSync(`${bundle}.map`, "utf8")) as SourceMapPayload);
  } catch {
    return stack;
  }
  const parts = stack.split(`${bundle}:`);
  return parts.reduce((before, after) => {
    const [, line, column] = /^(\d+):(\d+)/.exec(after) ?? [];
    const entry = map.findEntry(Number(line) - 1, Number(column) - 1);
    if (line === undefined || !("originalSource" in entry)) return `${before}${bundle}:${after}`;
    const place = `${resolve(dirname(bundle), entry.originalSource)}:${entry.originalLine + 1}:${entry.originalColumn + 1}`;
    return before + place + after.replace(/^\d+:\d+/, "");
  });
}
