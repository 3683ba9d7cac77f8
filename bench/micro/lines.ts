/**
 * Nanoseconds a line and GB/s of reading a file and cutting it into lines, beside the bare parts of that work; and of
 * the whole file source with an output that does nothing, with the CPU time of all its threads.
 *
 *   node dist/bench/micro/lines.js [MB]
 */
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LineSplitter } from "../../src/codec/lines.ts";
import type { SourceContext } from "../../src/core/component.ts";
import { file } from "../../src/sources/file/index.ts";

const megabytes = Number(process.argv[2] ?? 130);
const dir = mkdtempSync(join(tmpdir(), "wiretail-bench-"));

function make(name: string, line: string): { path: string; lines: number; bytes: number } {
  const bytes = Buffer.byteLength(line);
  const lines = Math.floor((megabytes * 1e6) / bytes);
  const path = join(dir, name);
  writeFileSync(path, line.repeat(lines));
  return { path, lines, bytes: lines * bytes };
}

function measure(
  name: string,
  input: { path: string; lines: number; bytes: number },
  chunkBytes: number,
  split: boolean,
): void {
  let best = Infinity;
  for (let round = 0; round < 5; round++) {
    const splitter = new LineSplitter({ maxLineBytes: 1 << 20 });
    const buffer = Buffer.allocUnsafe(chunkBytes + 64);
    const fd = openSync(input.path, "r");
    const started = process.hrtime.bigint();
    let position = 0;
    let lines = 0;
    for (;;) {
      const read = readSync(fd, buffer, 0, chunkBytes, position);
      if (read === 0) break;
      if (split) {
        const out = splitter.split(buffer.subarray(0, read), position, "open");
        position += out.consumed;
        lines += out.count;
      } else {
        position += read;
      }
    }
    const ns = Number(process.hrtime.bigint() - started);
    closeSync(fd);
    if (split && lines !== input.lines) throw new Error(`${lines} lines instead of ${input.lines}`);
    best = Math.min(best, ns);
  }
  const perLine = (best / input.lines).toFixed(1).padStart(6);
  console.log(
    `${name.padEnd(34)} ${String(chunkBytes >> 10).padStart(5)} KiB ${perLine} ns/line ${(input.bytes / best).toFixed(2).padStart(6)} GB/s`,
  );
}

async function measureSource(name: string, input: { path: string; lines: number; bytes: number }): Promise<void> {
  let bestNs = Infinity;
  let bestCpuNs = Infinity;
  for (let round = 0; round < 7; round++) {
    const quiet = (): void => undefined;
    const context: SourceContext = {
      id: "bench",
      log: { debug: quiet, info: quiet, warn: quiet, error: quiet },
      metrics: { counter: () => ({ add: quiet }), gauge: () => ({ set: quiet }) },
      stateDir: dir,
      now: () => Date.now(),
      monotonicMs: () => performance.now(),
      sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
      placeholders: { hostname: "", instanceId: "", ipAddress: "", awsRegion: "", accountId: "" },
      once: true,
      envelope: { paths: [], values: [] },
    };
    const options = {
      include: [input.path],
      exclude: [],
      start_at: "beginning",
      encoding: "utf-8",
      max_line_bytes: 1 << 20,
      idle_line_flush_ms: 5000,
      watch: "notify",
      poll_interval_ms: 1000,
      rotate_grace_ms: 10_000,
      read_chunk_bytes: 126_976,
      max_open_files: 512,
    } as const;
    const source = await file.create({ ...options, include: [...options.include], exclude: [] }, context);
    let lines = 0;
    const output = {
      known: [],
      open: () => Promise.resolve(0),
      update: quiet,
      forget: quiet,
      dropped: quiet,
      emit: (batch: { count: number }): undefined => {
        lines += batch.count;
      },
    };
    const cpu = process.cpuUsage();
    const started = process.hrtime.bigint();
    await source.run(output, new AbortController().signal);
    bestNs = Math.min(bestNs, Number(process.hrtime.bigint() - started));
    const { user, system } = process.cpuUsage(cpu);
    bestCpuNs = Math.min(bestCpuNs, (user + system) * 1000);
    if (lines !== input.lines) throw new Error(`${lines} lines instead of ${input.lines}`);
  }
  const perLine = (ns: number): string => (ns / input.lines).toFixed(1).padStart(6);
  console.log(`${name.padEnd(34)} whole file source ${perLine(bestNs)} ns/line, CPU ${perLine(bestCpuNs)} ns/line`);
}

try {
  const ascii = make("ascii.log", "[20:47:14.0285 UTC] connect 203.0.113.77:51234 user=alice id=123\n");
  const utf8 = make("utf8.log", "[20:47:14.0285 UTC] connect 203.0.113.77:51234 user=jörg id=1234\n");
  for (const chunk of [64, 128, 256, 512, 1024].map((kib) => kib << 10)) {
    measure("read only", ascii, chunk, false);
    measure("ASCII lines of 65 bytes", ascii, chunk, true);
    measure("UTF-8 lines of 66 bytes", utf8, chunk, true);
  }
  await measureSource("ASCII lines of 65 bytes", ascii);
  await measureSource("UTF-8 lines of 66 bytes", utf8);
} finally {
  rmSync(dir, { recursive: true });
}
