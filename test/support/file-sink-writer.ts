/**
 * A process that writes numbered lines through the `file` sink as the runtime does after a crash: it goes on from the
 * sink's position, or from somewhere before it as an older checkpoint would, in batches of other sizes than last time.
 * It is killed at random, so nothing here may depend on how it ends.
 *
 *     node file-sink-writer.js PATH LINES SEED
 */
import type { EncodedBatch } from "../../src/core/batch.ts";
import { file } from "../../src/sinks/file/index.ts";
import { makeBatch, makeSinkBatch } from "./batches.ts";
import { makeContext } from "./context.ts";

const [path = "", total = "0", seedText = "1"] = process.argv.slice(2);
const LINES = Number(total);
const STEP = 100;
let seed = Number(seedText);
const random = (below: number): number => {
  seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
  return Math.floor((seed / 2_147_483_648) * below);
};

const context = makeContext();
const sink = await file.create({ path, format: "text", gzip: true, mode: "0640", max_bytes: 60_000 }, context);
const partitions = ["partition-aaaaaa", "partition-bbbbbb"];
const next = partitions.map((partition) => {
  const position = sink.position!(partition, "test")?.position ?? 0;
  return Math.max(0, position / STEP - random(40));
});
process.stdout.write("started\n");

const never = new AbortController().signal;
while (next.some((line) => line < LINES)) {
  const which = random(2);
  const first = next[which]!;
  const count = Math.min(LINES - first, 1 + random(60));
  if (count <= 0) continue;
  const batch = batchOf(which, first, count);
  const middle = random(count + 1);
  for (const [from, to] of [
    [0, middle],
    [middle, count],
  ] as const) {
    if (from === to) continue;
    const result = await sink.write(
      makeSinkBatch([{ batch, from, to }], sink.encoding, sink.destinationOf!(0)),
      never,
      1,
    );
    if (result.outcome !== "delivered") throw new Error(JSON.stringify(result));
  }
  next[which] = first + count;
}
await sink.close();
process.stdout.write("done\n");

function batchOf(which: number, first: number, count: number): EncodedBatch {
  const lines = Array.from({ length: count }, (_, i) => `${partitions[which]!} line ${first + i}`);
  const batch = makeBatch({
    lines,
    encoding: { kind: "text" },
    partition: partitions[which]!,
    firstOffset: first * STEP,
  });
  return { ...batch, resume: { line: first + count } };
}
