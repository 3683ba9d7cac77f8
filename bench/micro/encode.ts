/**
 * What a batch costs from decoded text to encoded bytes, without and with stages' work, in CPU nanoseconds an event.
 *
 *     node dist/bench/micro/encode.js
 */
import type { Encoding, LineBatch } from "../../src/core/batch.ts";
import { BufferPool } from "../../src/core/buffer-pool.ts";
import { Path } from "../../src/core/path.ts";
import { BatchEncoder, toEvents } from "../../src/runtime/batch-encoder.ts";

const BULK: Encoding = { kind: "json", before: '{"create":{"_id":"', after: '"}}\n{' };
const LINES = {
  connections: "2019.12.11, 20:47:14.0285 UTC -> Socket connected successfully",
  nginx:
    '93.180.71.3 - - [17/May/2015:08:05:32 +0000] "GET /downloads/product_1?rid=0000abcd HTTP/1.1" 304 0 "-" "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0"',
};

function batchOf(line: string, bytes: number): LineBatch {
  const count = Math.floor(bytes / (line.length + 1));
  const starts = new Int32Array(count);
  const ends = new Int32Array(count);
  const offsets = new Float64Array(count);
  for (let i = 0; i < count; i++) {
    starts[i] = i * (line.length + 1);
    ends[i] = starts[i]! + line.length;
    offsets[i] = 1e6 + starts[i]!;
  }
  return {
    partition: {
      id: "AbCdEfGhIjKlMnOp",
      source: "bench",
      envelope: {
        paths: [new Path("host.name"), new Path("ecs.version"), new Path("log.file.path")],
        values: ["bench-host", "8.17.0", "/var/log/socketchat/connections.log"],
        offsetPath: new Path("log.offset"),
      },
    },
    ...{ count, text: (line + "\n").repeat(count), starts, ends, offsets, endPosition: 1e6 + bytes, resume: null },
    ...{ readAtMs: Date.now(), byteLength: bytes, flags: undefined },
  };
}

for (const [name, line] of Object.entries(LINES)) {
  const text = Buffer.from(batchOf(line, 512 * 1024).text);
  const encoder = new BatchEncoder("p", "abcd", [BULK], new BufferPool(64 << 20));
  for (const mode of ["lines", "events"] as const) {
    let events = 0;
    let best = Infinity;
    for (let round = 0; round < 8; round++) {
      const began = process.cpuUsage();
      events = 0;
      for (let i = 0; i < 30; i++) {
        const batch = { ...batchOf(line, 512 * 1024), text: text.toString("latin1") };
        const encoded = mode === "lines" ? encoder.encodeLines(batch) : encoder.encodeEvents(batch, toEvents(batch));
        events += encoded.count;
        encoded.release?.();
      }
      const { user, system } = process.cpuUsage(began);
      best = Math.min(best, ((user + system) * 1000) / events);
    }
    console.log(
      `${name.padEnd(12)} ${mode.padEnd(7)} ${best.toFixed(0).padStart(5)} ns an event (${line.length + 1} B a line)`,
    );
  }
}
