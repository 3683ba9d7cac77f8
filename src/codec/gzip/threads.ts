import { Buffer } from "node:buffer";
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { deflateMemory, readDeflateModule, type SlotLayout } from "./kernel.ts";

/** What a thread is started with. */
export interface Start {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
}

/** What a thread is asked: to compress so many bytes of a slot, behind bytes of which `crc` is the CRC-32. */
export interface Job {
  readonly slot: number;
  readonly length: number;
  readonly level: number;
  readonly isLast: boolean;
  readonly crc: number;
}

/** What came out, and the CRC-32 of all that went in. */
export interface Answer {
  readonly slot: number;
  readonly length: number;
  readonly crc: number;
}

const MOST_THREADS = 4;
/** Threads without work are ended. Starting one takes some 30 ms. */
const IDLE_MS = 30_000;

/**
 * Threads that compress, started when there is work for them. A thread has slots: one is filled or emptied while another is
 * compressed. Where a thread cannot be started (no descriptors, no memory) or fails, this is told.
 */
export class DeflateThreads {
  readonly #most: number;
  readonly #failed: (error: Error) => void;
  readonly #threads = new Set<Thread>();
  readonly #free: Slot[] = [];
  readonly #waiting: { readonly resolve: (slot: Slot) => void; readonly reject: (error: Error) => void }[] = [];
  #module: WebAssembly.Module | undefined;
  #idle: NodeJS.Timeout | undefined;

  /** One core is left to whoever calls. */
  constructor(failed: (error: Error) => void, most = Math.max(1, Math.min(MOST_THREADS, availableParallelism() - 1))) {
    this.#failed = failed;
    this.#most = most;
  }

  /**
   * A slot that nobody else uses until it is given back. Rejects when a thread fails meanwhile. Undefined where all threads
   * are still to start: that takes longer than what is to be done.
   */
  take(): Promise<Slot> | undefined {
    clearTimeout(this.#idle);
    const slot = this.#free.pop();
    if (slot !== undefined) {
      slot.thread.begin();
      return Promise.resolve(slot);
    }
    this.#startAnother();
    if (![...this.#threads].some((thread) => thread.isReady)) return undefined;
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  give(slot: Slot): void {
    slot.thread.end();
    if (this.#threads.has(slot.thread)) this.#hand(slot);
    if ([...this.#threads].every((thread) => thread.isIdle)) {
      clearTimeout(this.#idle);
      this.#idle = setTimeout(() => void this.close(), IDLE_MS).unref();
    }
  }

  /** Ends all threads. What they are asked later starts them again. */
  async close(): Promise<void> {
    clearTimeout(this.#idle);
    const threads = [...this.#threads];
    this.#threads.clear();
    this.#free.length = 0;
    await Promise.all(threads.map((thread) => thread.terminate()));
  }

  #hand(slot: Slot): void {
    const next = this.#waiting.shift();
    if (next === undefined) {
      this.#free.push(slot);
      return;
    }
    slot.thread.begin();
    next.resolve(slot);
  }

  #startAnother(): void {
    const isStarting = [...this.#threads].some((thread) => !thread.isReady);
    if (isStarting || this.#threads.size >= this.#most) return;
    try {
      this.#module ??= readDeflateModule();
      const thread: Thread = new Thread(this.#module, {
        ready: (slots) => {
          // It may have been ended meanwhile.
          if (!this.#threads.has(thread)) return;
          for (const slot of slots) this.#hand(slot);
          if (this.#waiting.length > 0) this.#startAnother();
        },
        failed: (error) => this.#lost(thread, error),
      });
      this.#threads.add(thread);
    } catch (error) {
      this.#failed(error as Error);
    }
  }

  #lost(thread: Thread, error: Error): void {
    this.#threads.delete(thread);
    const left = this.#free.filter((slot) => slot.thread !== thread);
    this.#free.splice(0, this.#free.length, ...left);
    // Others may be at work, but nobody may wait for long.
    for (const { reject } of this.#waiting.splice(0)) reject(error);
    this.#failed(error);
  }
}

/** A place in a thread's memory for an input and its output. */
export class Slot {
  readonly thread: Thread;
  readonly index: number;
  /** To be filled. */
  readonly input: Buffer;
  readonly #output: Buffer;

  constructor(thread: Thread, index: number, memory: Buffer, layout: SlotLayout) {
    this.thread = thread;
    this.index = index;
    const inputAt = layout.inputs + index * layout.inputStride;
    const outputAt = layout.outputs + index * layout.outputStride;
    this.input = memory.subarray(inputAt, inputAt + layout.inputCapacity);
    this.#output = memory.subarray(outputAt, outputAt + layout.outputStride);
  }

  /** What became of the input's first bytes, lent until the slot is used again, and the CRC-32 of all until now. */
  async deflate(job: Omit<Job, "slot">): Promise<{ readonly bytes: Buffer; readonly crc: number }> {
    const { length, crc } = await this.thread.ask({ ...job, slot: this.index });
    return { bytes: this.#output.subarray(0, length), crc };
  }
}

class Thread {
  readonly #worker: Worker;
  readonly #asked = new Map<number, { resolve: (answer: Answer) => void; reject: (error: Error) => void }>();
  #used = 0;
  #isReady = false;
  #failure: Error | undefined;

  constructor(
    module: WebAssembly.Module,
    on: { readonly ready: (slots: readonly Slot[]) => void; readonly failed: (error: Error) => void },
  ) {
    const memory = deflateMemory();
    const start: Start = { module, memory };
    this.#worker = new Worker(new URL("./worker.js", import.meta.url), {
      ...{ workerData: start, name: "wiretail-gzip", execArgv: [] },
    });
    this.#worker.once("message", (layout: SlotLayout) => {
      this.#isReady = true;
      this.#worker.on("message", (answer: Answer) => this.#answered(answer));
      // Only work that is under way keeps the process.
      this.#worker.unref();
      const bytes = Buffer.from(memory.buffer);
      on.ready(Array.from({ length: layout.slots }, (_, i) => new Slot(this, i, bytes, layout)));
    });
    const fail = (error: Error): void => {
      if (this.#failure !== undefined) return;
      this.#failure = error;
      on.failed(error);
      for (const { reject } of this.#asked.values()) reject(error);
      this.#asked.clear();
    };
    this.#worker.once("error", fail);
    this.#worker.once("exit", (code) => fail(new Error(`the thread ended with ${code}`)));
  }

  get isReady(): boolean {
    return this.#isReady;
  }

  get isIdle(): boolean {
    return this.#used === 0;
  }

  begin(): void {
    if (this.#used++ === 0) this.#worker.ref();
  }

  end(): void {
    if (--this.#used === 0) this.#worker.unref();
  }

  ask(job: Job): Promise<Answer> {
    // Nobody would answer.
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      this.#asked.set(job.slot, { resolve, reject });
      this.#worker.postMessage(job);
    });
  }

  async terminate(): Promise<void> {
    this.#worker.removeAllListeners("exit");
    await this.#worker.terminate();
  }

  #answered(answer: Answer): void {
    this.#asked.get(answer.slot)?.resolve(answer);
    this.#asked.delete(answer.slot);
  }
}
