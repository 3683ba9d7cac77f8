import { randomBytes } from "node:crypto";
import type { InputStatus, Source, SourceContext, SourceOutput } from "../../core/component.ts";
import { errorMessage, WiretailError } from "../../core/error.ts";
import { gunzipped } from "../../packet/capture/gunzip.ts";
import { createOutput } from "../../packet/outputs.ts";
import { CaptureFeed } from "./capture-feed.ts";
import { CaptureFiles } from "./capture-files.ts";
import { filteredCapture } from "../../packet/capture/bpf-filter.ts";
import { COMMAND } from "./drivers/choose.ts";
import { CaptureChild } from "./child.ts";
import { howToCapture } from "./how-to-capture.ts";
import { LiveCapture, type LiveOptions } from "./live-capture.ts";
import type { PacketOptions } from "./options.ts";
import { watchOwnConnections } from "./own-connections.ts";

/** Packets, from wherever they come, as documents. */
export class PacketSource implements Source {
  readonly #options: PacketOptions;
  readonly #context: SourceContext;
  readonly #stdin: AsyncIterable<Uint8Array>;
  #parts: readonly (LiveCapture | CaptureFiles | StandardInput)[] = [];

  /** `stdin`: read where the options say so. */
  constructor(options: PacketOptions, context: SourceContext, stdin: AsyncIterable<Uint8Array>) {
    this.#options = options;
    this.#context = context;
    this.#stdin = stdin;
  }

  async run(output: SourceOutput, signal: AbortSignal): Promise<void> {
    const [options, context] = [this.#options, this.#context];
    if (options.files !== undefined) {
      const files = new CaptureFiles(options, context);
      this.#parts = [files];
      return files.run(output, signal);
    }
    // What a session before this one did not deliver is lost, or in the journal.
    for (const session of output.known) output.forget(session.id);
    if (options.stdin === true) {
      const input = new StandardInput(options, context, this.#stdin);
      this.#parts = [input];
      return input.run(output, signal);
    }
    if (options.command !== undefined) {
      const [name] = options.command;
      const start: LiveOptions["start"] = (onLine) => new CaptureChild(options.command!, onLine);
      const live = { options, context, driver: COMMAND, start, name: name!, own: undefined };
      const capture = new LiveCapture({ ...live, interfaceName: undefined });
      this.#parts = [capture];
      return capture.run(output, signal);
    }
    await this.#captureInterfaces(options.interfaces!, output, signal);
  }

  async #captureInterfaces(names: readonly string[], output: SourceOutput, signal: AbortSignal): Promise<void> {
    const [options, context] = [this.#options, this.#context];
    const watch = options.exclude_own ? watchOwnConnections(() => context.monotonicMs()) : undefined;
    const stop = new AbortController();
    const onAbort = (): void => stop.abort();
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      const captures = names.map((name) => {
        const how = { ...howToCapture(options, name), options, context, own: watch?.own };
        return new LiveCapture({ ...how, name, interfaceName: name });
      });
      this.#parts = captures;
      if (signal.aborted) return;
      const running = captures.map((capture) => capture.run(output, stop.signal));
      try {
        await Promise.all(running);
      } finally {
        // With `once` one that cannot capture ends the others.
        stop.abort();
        await Promise.allSettled(running);
      }
    } finally {
      signal.removeEventListener("abort", onAbort);
      watch?.release();
    }
  }

  inputs(): readonly InputStatus[] {
    return this.#parts.flatMap((part) => (part instanceof LiveCapture ? [part.input()] : part.inputs()));
  }

  counters(): Readonly<Record<string, number>> {
    const sums: Record<string, number> = {};
    for (const part of this.#parts)
      for (const [name, value] of Object.entries(part.counters())) sums[name] = (sums[name] ?? 0) + value;
    return sums;
  }
}

/** A capture from standard input, once. */
class StandardInput {
  readonly #options: PacketOptions;
  readonly #context: SourceContext;
  readonly #input: AsyncIterable<Uint8Array>;
  #feed: CaptureFeed | undefined;
  #state: InputStatus["state"] = "waiting";
  #partition: string | undefined;
  #error: string | undefined;

  constructor(options: PacketOptions, context: SourceContext, input: AsyncIterable<Uint8Array>) {
    this.#options = options;
    this.#context = context;
    this.#input = input;
  }

  async run(to: SourceOutput, signal: AbortSignal): Promise<void> {
    const [options, context] = [this.#options, this.#context];
    const outputs = [];
    for (const name of options.outputs) {
      const partitionId = randomBytes(12).toString("base64url");
      const identity = { session: "standard input", output: name, started_ms: context.now() };
      await to.open({ id: partitionId, identity, startPosition: 0 });
      outputs.push({ name, output: createOutput(name, options[name]), partitionId, from: 0 });
    }
    this.#partition = outputs[0]!.partitionId;
    const envelope = { ...context.envelope, offsetPath: undefined };
    const feed = new CaptureFeed({ context, envelope, to, outputs });
    this.#feed = feed;
    this.#state = "reading";
    const timer = setInterval(() => void feed.flush(), FLUSH_MS);
    const aborted = new Promise<IteratorResult<Uint8Array>>((resolve) => {
      const end = (): void => resolve({ done: true, value: undefined });
      if (signal.aborted) end();
      else signal.addEventListener("abort", end, { once: true });
    });
    const plain = gunzipped(this.#input);
    const chunks = options.filter === undefined ? plain : filteredCapture(plain, options.filter);
    try {
      // A read of standard input cannot be taken back: it is left behind.
      for (;;) {
        const next = await Promise.race([chunks.next(), aborted]);
        if (next.done === true) break;
        await feed.take(next.value);
        if (feed.isOver) break;
      }
    } catch (error) {
      this.#error = errorMessage(error);
    } finally {
      clearInterval(timer);
    }
    const end = await feed.finish();
    if (this.#error === undefined && end.kind !== "complete" && !signal.aborted) this.#error = end.message;
    this.#state = this.#error === undefined ? "finished" : "failed";
    if (this.#error !== undefined) {
      context.log.error(`standard input: ${this.#error}`);
      if (end.packets === 0) throw new WiretailError("WT_SOURCE_FAILED", `standard input: ${this.#error}`);
    }
  }

  inputs(): readonly InputStatus[] {
    const input = { name: "standard input", partition: this.#partition, state: this.#state, error: this.#error };
    return [{ ...input, sizeBytes: undefined, readBytes: this.#feed?.bytes ?? 0 }];
  }

  counters(): Readonly<Record<string, number>> {
    return { decoded_packets: this.#feed?.packets ?? 0, ...this.#feed?.counters() };
  }
}

const FLUSH_MS = 200;
