/**
 * Nanoseconds a line and GB/s of reading a file and cutting it into lines, beside the bare parts of that work.
 *
 *   node dist/bench/micro/lines.js [MB]
 */
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LineSplitter } from "../../src/codec/lines.ts";

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

try {
  const ascii = make("ascii.log", "[20:47:14.0285 UTC] connect 203.0.113.77:51234 user=alice id=123\n");
  const utf8 = make("utf8.log", "[20:47:14.0285 UTC] connect 203.0.113.77:51234 user=jörg id=1234\n");
  for (const chunk of [64, 128, 256, 512, 1024].map((kib) => kib << 10)) {
    measure("read only", ascii, chunk, false);
    measure("ASCII lines of 65 bytes", ascii, chunk, true);
    measure("UTF-8 lines of 66 bytes", utf8, chunk, true);
  }
} finally {
  rmSync(dir, { recursive: true });
}
