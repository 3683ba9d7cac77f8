import { makeBatch } from "./batches.ts";
import { FakeClock, settled } from "./clock.ts";
import { makeContext } from "./context.ts";
import { BufferPool } from "../../src/core/buffer-pool.ts";
import { Outbox, type OutboxEntry } from "../../src/runtime/outbox.ts";
import { RouteProgress } from "../../src/runtime/progress.ts";
import { SinkRunner } from "../../src/runtime/sink-runner.ts";
import type { RejectedDocument } from "../../src/runtime/sink-settlement.ts";
import type { Sink } from "../../src/core/component.ts";

/** A SinkRunner with everything around it in memory, and time that stands still. */
export class SinkRig {
  readonly clock = new FakeClock();
  readonly context = makeContext();
  readonly progress = new RouteProgress({ position: 0, resume: null });
  readonly outbox: Outbox = new Outbox({ maxBytes: 1_000_000, onFull: () => undefined });
  readonly pool = new BufferPool(1 << 20);
  readonly runner: SinkRunner;
  /** Messages and reasons of dead letters. */
  readonly deadLetters: { message: string; reason: string }[] = [];
  /** Entries that every holder let go, in order. */
  readonly done: OutboxEntry[] = [];
  /** Storing dead letters waits for this. */
  deadLettersWait: Promise<void> | undefined;
  /** Makes storing of dead letters fail, while set. */
  deadLetterFault: Error | undefined;
  /** Writes marks of what may have been sent: at once, unless a test puts something else here. */
  syncMarks: () => Promise<void> = async () => {
    const { sentMark } = this.progress;
    sentMark?.wrote(sentMark.next());
  };
  /** What the runner took for a defect of the code. */
  readonly defects: unknown[] = [];
  #position = 0;

  constructor(sink: Sink, options: { random?: () => number; writeTimeoutMs?: number } = {}) {
    this.runner = new SinkRunner({
      name: "test",
      sink,
      limits: sink.limits,
      windowBytes: 12 << 20,
      pool: this.pool,
      log: this.context.log,
      clock: this.clock,
      random: options.random ?? (() => 1),
      storeRejected: async (documents) => {
        await this.deadLettersWait;
        if (this.deadLetterFault !== undefined) throw this.deadLetterFault;
        for (const document of documents)
          this.deadLetters.push({ message: messageAt(document), reason: document.reason });
      },
      onSettled: () => undefined,
      syncMarks: () => this.syncMarks(),
      onDefect: (error) => this.defects.push(error),
      writeTimeoutMs: options.writeTimeoutMs ?? 60_000,
    });
  }

  /** Queues one batch with these messages, 100 bytes of input each. */
  enqueue(lines: readonly string[], timesMs: number | readonly number[] = Date.UTC(2026, 10, 21, 10)): void {
    const batch = makeBatch({ lines, firstOffset: this.#position, timesMs });
    this.#position = batch.endPosition;
    const entry = this.outbox.add(batch, 1, (done) => this.done.push(done));
    const pending = this.progress.begin(batch.count, batch.endPosition, null);
    this.runner.enqueue(entry, this.progress, pending, 0, batch.count);
  }

  /** What was begun is settled as far as it can be without time passing. */
  settled(): Promise<void> {
    return settled();
  }
}

function messageAt({ batch, index }: RejectedDocument): string {
  const body = [...batch.bodies.values()][0]!;
  const text = body.bytes.toString("utf8", body.offsets[index], body.offsets[index + 1]);
  return (JSON.parse(text) as { message: string }).message;
}
