import { defineSource, type InputStatus, type Source, type SourceOutput } from "../../src/core/component.ts";
import { t } from "../../src/core/schema.ts";
import { makePartition } from "./batches.ts";
import { makeLines } from "./lines.ts";

/** One input of lines that only grows, shared by all runs of a source over it, as a file is. */
export class MemoryInput {
  readonly partitionId: string;
  readonly lines: string[] = [];
  /** Where reading began, for each run of a source. */
  readonly starts: number[] = [];
  /** Outcomes of batches, in the order of their acks. */
  readonly acks: string[] = [];
  /** Runs that have not ended. */
  running = 0;
  /** The lines are documents. */
  areDocuments = false;
  /** Lines in one batch. */
  batchLines = 3;
  #waiting: (() => void)[] = [];

  constructor(partitionId = "partition-memory") {
    this.partitionId = partitionId;
  }

  push(...lines: string[]): void {
    this.lines.push(...lines);
    for (const wake of this.#waiting.splice(0)) wake();
  }

  /** Every line is as long as its offset difference to the next: positions are line numbers. */
  source(once: boolean): Source {
    let read = 0;
    const id = this.partitionId;
    return {
      run: async (output: SourceOutput, signal: AbortSignal): Promise<void> => {
        this.running++;
        try {
          read = await output.open({ id, identity: "memory", startPosition: 0 });
          this.starts.push(read);
          while (!signal.aborted) {
            if (read >= this.lines.length) {
              if (once) return;
              await new Promise<void>((resolve) => {
                this.#waiting.push(resolve);
                signal.addEventListener("abort", () => resolve(), { once: true });
              });
              continue;
            }
            const lines = this.lines.slice(read, read + this.batchLines);
            const offsets = Float64Array.from(lines, (_, i) => read + i);
            read += lines.length;
            const batch = makeLines(lines, { partition: makePartition(id, "memory"), ack: (o) => this.acks.push(o) });
            const areDocuments = this.areDocuments;
            await output.emit({ ...batch, areDocuments, offsets, endPosition: read, resume: { line: read } });
          }
        } finally {
          this.running--;
        }
      },
      inputs: (): InputStatus[] => [
        {
          ...{ name: "memory", partition: id, state: "reading", error: undefined },
          ...{ sizeBytes: this.lines.length, readBytes: read },
        },
      ],
    };
  }

  readonly definition = defineSource({
    type: "memory",
    summary: "Lines in memory, for tests",
    stability: "stable",
    rereadable: true,
    schema: t.object({}),
    examples: [],
    create: (_options, { once }) => this.source(once),
  });
}
