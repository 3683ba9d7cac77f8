/**
 * What compressing bulk bodies costs at each level, by zlib and by our own deflate, in this thread, in turns: CPU seconds per
 * million documents, and how many times smaller bodies get.
 *
 *     node dist/bench/micro/gzip.js [nginx connections jsonl …]
 */
import { deflateRawSync, inflateRawSync } from "node:zlib";
import { effortOf } from "../../src/codec/gzip/effort.ts";
import { DeflateKernel, deflateMemory, readDeflateModule } from "../../src/codec/gzip/kernel.ts";
import { lineSource, type InputKind } from "../input.ts";

const BODY_BYTES = 2 << 20;
const SEED = 1;
const TURNS = 8;

/** As the Elasticsearch sink writes raw lines. */
function bulkBody(kind: InputKind): { readonly bytes: Buffer; readonly documents: number } {
  const lineAt = lineSource(kind, SEED);
  const parts: string[] = [];
  let [length, documents, offset] = [0, 0, 3_000_000];
  for (; length < BODY_BYTES; documents++) {
    const line = lineAt(documents);
    const envelope = `"host":{"name":"bench"},"ecs":{"version":"8.17.0"},"log":{"file":{"path":"/var/log/app.log"},"offset":${offset}}`;
    const action = `{"create":{"_id":"eSxzTzC-qRLe2fJj.GzLC.${offset}"}}`;
    const text = `${action}\n{"@timestamp":"2026-11-22T23:14:17.576Z","message":${JSON.stringify(line)},${envelope}}\n`;
    parts.push(text);
    length += Buffer.byteLength(text);
    offset += Buffer.byteLength(line) + 1;
  }
  return { bytes: Buffer.from(parts.join("")), documents };
}

const memory = deflateMemory();
const shared = Buffer.from(memory.buffer);
const kernel = new DeflateKernel(readDeflateModule(), memory);
const { inputs, outputs } = kernel.layout;

function ours(bytes: Buffer, level: number): number {
  bytes.copy(shared, inputs);
  return kernel.deflate(0, bytes.length, effortOf(level), true);
}

function cpuSeconds(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}

const median = (values: number[]): number => values.sort((a, b) => a - b)[values.length >> 1]!;

const kinds = process.argv.slice(2) as InputKind[];
console.log("| lines | level | zlib, CPU s per million | times smaller | ours, CPU s per million | times smaller |");
console.log("| ----- | ----: | ----------------------: | ------------: | ----------------------: | ------------: |");
for (const kind of kinds.length > 0 ? kinds : (["nginx", "connections", "jsonl"] as const)) {
  const { bytes, documents } = bulkBody(kind);
  for (let level = 1; level <= 9; level++) {
    let [zlibBytes, ourBytes] = [0, 0];
    const [zlibSeconds, ourSeconds]: [number[], number[]] = [[], []];
    ours(bytes, level);
    for (let turn = 0; turn < TURNS; turn++) {
      zlibSeconds.push(cpuSeconds(() => (zlibBytes = deflateRawSync(bytes, { level, chunkSize: 1 << 19 }).length)));
      ourSeconds.push(cpuSeconds(() => (ourBytes = ours(bytes, level))));
    }
    if (!inflateRawSync(shared.subarray(outputs, outputs + ourBytes)).equals(bytes)) throw new Error("not the same");
    const perMillion = (seconds: number[]): string => ((median(seconds) / documents) * 1e6).toFixed(2);
    const smaller = (size: number): string => (bytes.length / size).toFixed(1);
    const cells = [kind, level, perMillion(zlibSeconds), smaller(zlibBytes), perMillion(ourSeconds), smaller(ourBytes)];
    console.log(`| ${cells.join(" | ")} |`);
  }
}
