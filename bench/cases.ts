import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { InputKind } from "./input.ts";

/** What is measured, under the names that `--cases` takes. */
export interface Case {
  readonly name: string;
  readonly title: string;
  readonly kind: InputKind;
  /** A template in bench/harness. */
  readonly template: string;
  /** Which of the bare loops (bare-loop.ts) does the same work without an agent, if any. */
  readonly bareLoop: "raw" | "parsed" | undefined;
  /** Events a second that a release must reach on two cores of the reference machine. */
  readonly floor: number | undefined;
}

export const CASES: readonly Case[] = [
  {
    name: "connections-raw",
    title: "connections.log, raw",
    kind: "connections",
    template: "connections-none.json",
    bareLoop: "raw",
    floor: 600_000,
  },
  {
    name: "nginx-raw",
    title: "nginx, raw",
    kind: "nginx",
    template: "nginx-none.json",
    bareLoop: "raw",
    floor: 500_000,
  },
  {
    name: "nginx-parsed",
    title: "nginx, parsed, time parsed",
    kind: "nginx",
    template: "nginx-regex.json",
    bareLoop: "parsed",
    floor: 250_000,
  },
  {
    name: "jsonl-parsed",
    title: "JSON lines, parsed",
    kind: "jsonl",
    template: "jsonl-json.json",
    bareLoop: undefined,
    floor: undefined,
  },
];

/** Peak resident memory that no case may pass, in megabytes (1e6). */
export const MEMORY_FLOOR_MEGABYTES = 150;

/** Fills a host-file template and writes it into `folder`. Returns the path. */
export function writeHostFile(template: string, folder: string, input: string, url: string): string {
  const values: Record<string, string> = { input, url, state: folder, gzip: "no" };
  const fill = (text: string): string => text.replace(/\$\{(\w+)\}/g, (whole, name: string) => values[name] ?? whole);
  const text = readFileSync(path.join("bench/harness", template), "utf8");
  const file = path.join(folder, "agent.json");
  writeFileSync(
    file,
    JSON.stringify(JSON.parse(text, (_, value: unknown) => (typeof value === "string" ? fill(value) : value))),
  );
  return file;
}
