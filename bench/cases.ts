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
  /** Measured unless `--cases` says otherwise. */
  readonly isUsual: boolean;
  /** The sink compresses, at this level of zlib. */
  readonly gzipLevel?: number;
  /** Of the lines that were asked for, that many: events of such an input are large. */
  readonly share?: number;
  /** The lines are spread over so many files, a stretch each. */
  readonly files?: number;
}

export const CASES: readonly Case[] = [
  {
    name: "connections-raw",
    title: "connections.log, raw",
    kind: "connections",
    template: "connections-none.json",
    bareLoop: "raw",
    floor: 600_000,
    isUsual: true,
  },
  {
    name: "nginx-raw",
    title: "nginx, raw",
    kind: "nginx",
    template: "nginx-none.json",
    bareLoop: "raw",
    floor: 500_000,
    isUsual: true,
  },
  {
    name: "nginx-parsed",
    title: "nginx, parsed, time parsed",
    kind: "nginx",
    template: "nginx-regex.json",
    bareLoop: "parsed",
    floor: 250_000,
    isUsual: true,
  },
  {
    name: "jsonl-parsed",
    title: "JSON lines, parsed",
    kind: "jsonl",
    template: "jsonl-json.json",
    bareLoop: undefined,
    floor: undefined,
    isUsual: true,
  },
  rare("nginx-raw-gzip1", "nginx, raw, gzip 1", "nginx", "nginx-none.json", { gzipLevel: 1 }),
  rare("nginx-raw-gzip6", "nginx, raw, gzip 6", "nginx", "nginx-none.json", { gzipLevel: 6 }),
  rare("nginx-dirty", "nginx, parsed, not all ASCII and 5 % other lines", "nginx-dirty", "nginx-regex.json"),
  rare("nginx-stages", "nginx, parsed, six more stages", "nginx", "nginx-stages.json"),
  rare("many-files", "nginx, parsed, 1,000 files", "nginx", "nginx-regex.json", { files: 1000 }),
  rare("utf8-raw", "text beyond ASCII, raw", "utf8", "nginx-none.json"),
  rare("short-raw", "5 bytes a line, raw", "short", "nginx-none.json"),
  rare("long-raw", "100 kB a line, raw", "long", "nginx-none.json", { share: 0.001 }),
  rare("traces", "stack traces of 12 lines, multiline", "traces", "traces-multiline.json", { share: 0.1 }),
];

function rare(
  name: string,
  title: string,
  kind: InputKind,
  template: string,
  more: Pick<Case, "gzipLevel" | "share" | "files"> = {},
): Case {
  return { ...{ name, title, kind, template }, bareLoop: undefined, floor: undefined, isUsual: false, ...more };
}

/** Peak resident memory that no case may pass, in megabytes (1e6). */
export const MEMORY_FLOOR_MEGABYTES = 150;

/** Fills the template of a case and writes it into `folder`. `input`: a path or glob. Returns the host file's path. */
export function writeHostFile(one: Case, folder: string, input: string, url: string): string {
  const values: Record<string, string> = { input, url, state: folder, gzip: "no" };
  const fill = (text: string): string => text.replace(/\$\{(\w+)\}/g, (whole, name: string) => values[name] ?? whole);
  const text = readFileSync(path.join("bench/harness", one.template), "utf8");
  const host = JSON.parse(text, (_, value: unknown) => (typeof value === "string" ? fill(value) : value)) as {
    sinks: { es: Record<string, unknown> };
    pipelines: { bench: { use?: string } };
  };
  if (one.gzipLevel !== undefined) {
    Object.assign(host.sinks.es, { compression: "gzip", compression_level: one.gzipLevel });
  }
  // What a template names beside it is beside the template, not beside the filled one.
  const { bench } = host.pipelines;
  if (bench.use?.endsWith(".json") === true) bench.use = path.resolve("bench/harness", bench.use);
  const file = path.join(folder, "agent.json");
  writeFileSync(file, JSON.stringify(host));
  return file;
}
