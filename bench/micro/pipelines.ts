/**
 * What a pipeline costs an event, from lines as bytes to documents as bytes: compiled (runtime/specialise) and event by
 * event, in one run, in CPU nanoseconds; and whether both give the same documents.
 *
 *     node dist/bench/micro/pipelines.js [PIPELINE FILE]...
 *
 * PIPELINE is a shipped name, a path, or stages as JSON; FILE has lines for it (`bench` leaves its inputs in the temporary
 * folder), or is `made:KIND`, where KIND is one of made-lines.ts. A first line `#Fields:` is given as the file source
 * gives it.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import type { Encoding, LineBatch, Partition } from "../../src/core/batch.ts";
import { BufferPool } from "../../src/core/buffer-pool.ts";
import type { LogEvent } from "../../src/core/event.ts";
import { Path } from "../../src/core/path.ts";
import { components } from "../../src/cli/components.ts";
import { LineSplitter } from "../../src/codec/lines.ts";
import { BatchEncoder, toEvents, toEventsOfBytes } from "../../src/runtime/batch-encoder.ts";
import { loadPipelineFile, type PipelineFile } from "../../src/runtime/config/pipeline-file.ts";
import { CompiledPipeline } from "../../src/runtime/specialise/compiled-pipeline.ts";
import { StageChain } from "../../src/runtime/stage-chain.ts";
import { MADE_LINES } from "./made-lines.ts";

const BULK: Encoding = { kind: "json", before: '{"create":{"_id":"', after: '"}}\n{' };
const CHUNK = 126_976;
const EVENTS_AT_A_TIME = 128;
const MADE_COUNT = 100_000;

/** The partition of lines that are under a header line, or none. */
function partitionOf(header: string | undefined): Partition {
  const paths = ["host.name", "ecs.version", "log.file.path", ...(header === undefined ? [] : ["log.header"])];
  return {
    ...{ id: "AbCdEfGhIjKlMnOp", source: "bench" },
    envelope: {
      paths: paths.map((name) => new Path(name)),
      values: ["bench-host", "8.17.0", "/var/log/bench/input.log", ...(header === undefined ? [] : [header])],
      offsetPath: new Path("log.offset"),
    },
  };
}

function bytesOf(file: string): Buffer {
  if (!file.startsWith("made:")) return readFileSync(file).subarray(0, 32 << 20);
  const make = MADE_LINES[file.slice(5)];
  if (make === undefined) throw new Error(`${file}: there are ${Object.keys(MADE_LINES).join(", ")}`);
  return Buffer.from(Array.from({ length: MADE_COUNT }, (_, i) => make(i) + "\n").join(""));
}

async function load(pipeline: string): Promise<PipelineFile> {
  const folder = mkdtempSync(join(tmpdir(), "bench-pipelines-"));
  const file = join(folder, "stages.json");
  try {
    if (pipeline.startsWith("[")) writeFileSync(file, `{"name":"stages","stages":${pipeline}}`);
    const given = pipeline.startsWith("[") ? file : pipeline;
    const { pipeline: loaded, problems } = await loadPipelineFile(given, process.cwd(), components);
    if (loaded === undefined) throw new Error(problems.map(({ message }) => message).join("; "));
    return loaded;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function* batchesOf(bytes: Buffer, partition: Partition): Generator<LineBatch> {
  const splitter = new LineSplitter({ maxLineBytes: 1 << 20 });
  for (let at = 0; at < bytes.length;) {
    const split = splitter.split(bytes.subarray(at, at + CHUNK), at, "open");
    if (split.consumed === 0) return;
    at += split.consumed;
    const { lines, offsets, count, flags } = split;
    yield {
      ...{ partition, count, lines, offsets, flags, endPosition: at, resume: null, readAtMs: 1_795_255_200_000 },
      byteLength: split.consumed,
      get text() {
        return split.text;
      },
      get starts() {
        return split.starts;
      },
      get ends() {
        return split.ends;
      },
    };
  }
}

async function measure(pipeline: string, file: string): Promise<void> {
  const loaded = await load(pipeline);
  const bytes = bytesOf(file);
  const first = bytes.toString("utf8", 0, bytes.indexOf(10));
  const partition = partitionOf(first.startsWith("#Fields:") ? first : undefined);
  const chain = new StageChain(loaded.stages, () => Date.now());
  const encoder = new BatchEncoder("p", "abcd", [BULK], new BufferPool(16 << 20));
  const compiled = CompiledPipeline.create(chain.planned, [BULK]);
  const refusal = compiled?.refusal(partition.envelope);
  if (refusal !== undefined) console.log(`${pipeline}: not compiled: ${refusal}`);
  let plainLines = 0;
  const documents: Record<string, string[]> = { compiled: [], plain: [] };
  const pass = (mode: "compiled" | "plain", keeps: boolean): number => {
    let count = 0;
    for (const batch of batchesOf(bytes, partition)) {
      const encoding = encoder.begin(batch);
      const plain = (events: LogEvent[]): void => encoding.add(chain.run(events, () => undefined));
      const isDone =
        mode === "compiled" &&
        compiled?.run(batch, encoding.idPrefix, {
          documents: encoding.addDocuments,
          plain: (lines, from, to) => {
            plainLines += to - from;
            plain(toEventsOfBytes(batch, lines, from, to));
          },
          counted: () => undefined,
        }) === true;
      for (let from = 0; !isDone && from < batch.count; from += EVENTS_AT_A_TIME) {
        plain(toEvents(batch, from, Math.min(from + EVENTS_AT_A_TIME, batch.count)));
      }
      const encoded = encoding.finish();
      count += encoded.count;
      if (keeps && documents[mode]!.length < 20_000) {
        const [body] = encoded.bodies.values();
        for (let i = 0; i < encoded.count; i++) {
          documents[mode]!.push(body!.bytes.toString("utf8", body!.offsets[i], body!.offsets[i + 1]));
        }
      }
      encoded.release?.();
    }
    return count;
  };
  pass("compiled", true);
  const given = plainLines;
  pass("plain", true);
  documents["compiled"]!.forEach((text, i) => {
    const [a, b] = [text, documents["plain"]![i]!].map((each) =>
      each
        .split("\n")
        .filter(Boolean)
        .map((line) => JSON.parse(line) as unknown),
    );
    if (!isDeepStrictEqual(a, b)) throw new Error(`document ${i} differs:\n${text}\n${documents["plain"]![i]!}`);
  });
  const results = (["plain", "compiled"] as const).map((mode) => {
    let best = Infinity;
    for (let round = 0; round < 4; round++) {
      const began = process.cpuUsage();
      const count = pass(mode, false);
      const { user, system } = process.cpuUsage(began);
      best = Math.min(best, ((user + system) * 1000) / count);
    }
    return best;
  });
  const [plain = 0, fast = 0] = results;
  console.log(
    `${pipeline.padEnd(20)} ${plain.toFixed(0).padStart(6)} ns plain ${fast.toFixed(0).padStart(6)} ns compiled (${(plain / fast).toFixed(1)}×; ${given} lines went the plain way)`,
  );
}

const [, , ...args] = process.argv;
for (let i = 0; i + 1 < args.length; i += 2) await measure(args[i]!, args[i + 1]!);
