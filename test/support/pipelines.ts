import { encodingKey, type EncodedBatch, type Encoding, type LineBatch } from "../../src/core/batch.ts";
import type { Envelope, LogEvent } from "../../src/core/event.ts";
import { BufferPool } from "../../src/core/buffer-pool.ts";
import { Path } from "../../src/core/path.ts";
import { components } from "../../src/cli/components.ts";
import { LineSplitter } from "../../src/codec/lines.ts";
import { BatchEncoder, toEvents, toEventsOfBytes } from "../../src/runtime/batch-encoder.ts";
import type { OnError, StageConfig } from "../../src/runtime/config/types.ts";
import { CompiledPipeline } from "../../src/runtime/specialise/compiled-pipeline.ts";
import { StageChain, type StageCounts } from "../../src/runtime/stage-chain.ts";

export const BULK: Encoding = { kind: "json", before: '{"create":{"_id":"', after: '"}}\n{' };
export const PLAIN_JSON: Encoding = { kind: "json", before: "{" };

export interface StageText {
  readonly type: string;
  readonly options?: Readonly<Record<string, unknown>>;
  readonly when?: string | undefined;
  readonly onError?: OnError;
}

/** A stage as a configuration would give it, its defaults filled in from the schema. */
export function stageConfig({ type, options = {}, when, onError = "keep" }: StageText): StageConfig {
  const definition = components.stages.find((each) => each.type === type)!;
  const filled: Record<string, unknown> = {};
  for (const [name, property] of Object.entries(definition.schema.properties ?? {})) {
    if (property.default !== undefined) filled[name] = property.default;
  }
  const location = { file: "test.json", line: 1, column: 1, pointer: "" };
  return { definition, options: { ...filled, ...options }, when, onError, baseDir: ".", location };
}

export const ENVELOPE: Envelope = {
  paths: [new Path("host.name"), new Path("ecs.version"), new Path("log.file.path")],
  values: ['test "host" ü', "8.17.0", "/var/log/x.log"],
  offsetPath: new Path("log.offset"),
};

/** Bytes as the file source hands them over. */
export function readBatch(bytes: Buffer, from = 0, envelope: Envelope = ENVELOPE): LineBatch {
  const split = new LineSplitter({ maxLineBytes: 1 << 20 }).split(bytes, from, "all");
  const { count, lines, text, starts, ends, offsets, flags } = split;
  return {
    partition: { id: "partition-compile", source: "test", envelope },
    ...{ count, lines, text, starts, ends, offsets, flags, endPosition: from + bytes.length, resume: null },
    ...{ readAtMs: Date.UTC(2026, 10, 21, 10, 0, 0, 7), byteLength: bytes.length },
  };
}

export interface PipelineResult {
  readonly encoded: EncodedBatch;
  readonly counts: readonly Omit<StageCounts, "milliseconds">[];
  readonly deadLetters: readonly string[];
  /** Lines that went the plain way, or undefined when all did because there is no program. */
  readonly plainLines: number | undefined;
}

/** A pipeline that can be run both ways over the same batches. */
export class BothWays {
  readonly #compiled: CompiledPipeline | undefined;
  readonly #chains: { readonly compiled: StageChain; readonly plain: StageChain };
  readonly #encodings: readonly Encoding[];

  constructor(stages: readonly StageConfig[], encodings: readonly Encoding[] = [BULK], nowMs = Date.UTC(2026, 10, 21)) {
    const chain = (): StageChain => new StageChain(stages, () => nowMs);
    this.#chains = { compiled: chain(), plain: chain() };
    this.#encodings = encodings;
    this.#compiled = CompiledPipeline.create(this.#chains.compiled.planned, encodings);
  }

  refusal(envelope: Envelope = ENVELOPE): string | undefined {
    return this.#compiled === undefined ? "there is no machine" : this.#compiled.refusal(envelope);
  }

  run(way: "compiled" | "plain", batch: LineBatch): PipelineResult {
    const chain = this.#chains[way];
    const encoding = new BatchEncoder("main", "abcd", this.#encodings, new BufferPool(0)).begin(batch);
    const deadLetters: string[] = [];
    let plainLines = 0;
    const plain = (events: LogEvent[]): void => {
      plainLines += events.length;
      encoding.add(
        chain.run(events, (event, stage, reason) => {
          deadLetters.push(JSON.stringify([event.toObject(), stage.label, reason]));
        }),
      );
    };
    const isDone =
      way === "compiled" &&
      this.#compiled?.run(batch, encoding.idPrefix, {
        documents: encoding.addDocuments,
        plain: (lines, from, to) => plain(toEventsOfBytes(batch, lines, from, to)),
        counted: (lines, drops, milliseconds) => chain.countCompiled(lines, drops, milliseconds),
      }) === true;
    if (!isDone) plain(toEvents(batch));
    return {
      encoded: encoding.finish(),
      counts: chain.steps.map(({ counts: { milliseconds: _, ...counts } }) => ({ ...counts })),
      deadLetters,
      plainLines: isDone ? plainLines : undefined,
    };
  }
}

/** The documents of a run, parsed: with the action lines that its encoding puts before them. */
export function documentsOf({ encoded }: PipelineResult, encoding: Encoding = BULK): unknown[] {
  const { bytes, offsets } = encoded.bodies.get(encodingKey(encoding))!;
  return Array.from({ length: encoded.count }, (_, i) =>
    bytes
      .toString("utf8", offsets[i], offsets[i + 1])
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as unknown),
  );
}
