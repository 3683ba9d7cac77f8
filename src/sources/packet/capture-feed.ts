import type { Partition } from "../../core/batch.ts";
import type { SourceContext, SourceOutput } from "../../core/component.ts";
import type { Envelope } from "../../core/event.ts";
import { CaptureReader, type CaptureEnd } from "../../packet/capture/capture-reader.ts";
import type { CaptureInterface } from "../../packet/capture/format.ts";
import type { PacketBatch } from "../../packet/capture/packet-batch.ts";
import { HeaderDecoder } from "../../packet/headers/decode.ts";
import type { HeaderColumns } from "../../packet/headers/header-columns.ts";
import type { PacketOutput } from "../../packet/output.ts";
import type { OutputName } from "../../packet/outputs.ts";
import { DocumentBatches } from "./document-batches.ts";

const BATCH_PACKETS = 1024;

/** One output of a capture: what makes documents, and the partition that they go to. */
export interface FedOutput {
  readonly name: OutputName;
  readonly output: PacketOutput;
  readonly partitionId: string;
  /** The number of the first document that somebody still needs. */
  readonly from: number;
}

export interface FeedOptions {
  readonly context: SourceContext;
  readonly envelope: Envelope;
  readonly to: SourceOutput;
  readonly outputs: readonly FedOutput[];
  /** The interface's name where the capture itself does not say it. */
  readonly interfaceName?: string;
  /** Leaves packets out, in place, before any output sees them. Returns whether any was. */
  readonly leaveOut?: (batch: PacketBatch, columns: HeaderColumns) => boolean;
}

/** One capture on its way: its bytes in, batches of documents out. */
export class CaptureFeed {
  readonly #options: FeedOptions;
  readonly #decoder = new HeaderDecoder(BATCH_PACKETS);
  readonly #reader = new CaptureReader(BATCH_PACKETS, this.#decoder.memory);
  readonly #outputs: readonly { readonly output: PacketOutput; readonly documents: DocumentBatches }[];
  #interfaces: CaptureInterface[] = [];
  /** Bytes of the (decompressed) capture, and those that no batch stands for yet. */
  #bytes = 0;
  #newBytes = 0;

  constructor(options: FeedOptions) {
    this.#options = options;
    this.#outputs = options.outputs.map(({ output, partitionId, from }) => {
      const partition: Partition = { id: partitionId, source: options.context.id, envelope: options.envelope };
      return { output, documents: new DocumentBatches(partition, from) };
    });
  }

  /** Packets that were decoded, those left out included. */
  get packets(): number {
    return this.#reader.packets;
  }
  get bytes(): number {
    return this.#bytes;
  }
  /** Whether nothing more can be understood. */
  get isOver(): boolean {
    return this.#reader.isOver;
  }
  /** What the capture itself says of its interfaces. */
  get interfaces(): readonly CaptureInterface[] {
    return this.#reader.interfaces;
  }
  /** How many documents each output made, in order, those of earlier runs included. */
  get documents(): readonly number[] {
    return this.#outputs.map(({ documents }) => documents.count);
  }
  /** What the outputs count, added up by name. */
  counters(): Record<string, number> {
    return Object.assign({}, ...this.#outputs.map(({ output }) => output.counters())) as Record<string, number>;
  }

  /** Takes the next bytes; resolves when there is room for more. The chunk may be used again then. */
  async take(chunk: Uint8Array): Promise<void> {
    this.#bytes += chunk.length;
    this.#newBytes += chunk.length;
    for (const batch of this.#reader.read(chunk)) {
      let columns = this.#decoder.decode(batch);
      // What is left has other numbers in the columns.
      if (this.#options.leaveOut?.(batch, columns) === true) columns = this.#decoder.decode(batch);
      const interfaces = this.#named();
      for (const { output, documents } of this.#outputs) output.take(batch, columns, interfaces, documents);
      await this.#emit(false);
    }
  }

  /** Hands over what is gathered: at the end of what could be read at once. */
  flush(): Promise<void> {
    return this.#emit(true);
  }

  /** Nothing came until this moment. */
  async advance(timeMs: number): Promise<void> {
    for (const { output, documents } of this.#outputs) output.advance(timeMs, documents);
    await this.#emit(true);
  }

  /** The capture is over: what is still open in outputs comes too. */
  async finish(): Promise<CaptureEnd> {
    for (const { output, documents } of this.#outputs) {
      output.finish(documents);
      await this.#emit(true);
    }
    return this.#reader.end();
  }

  async #emit(all: boolean): Promise<void> {
    const { to, context } = this.#options;
    for (const { documents } of this.#outputs) {
      if (!all && !documents.isFull) continue;
      const batch = documents.take(context.now(), this.#newBytes);
      if (batch === undefined) continue;
      this.#newBytes = 0;
      const room = to.emit(batch);
      if (room !== undefined) await room;
    }
  }

  #named(): readonly CaptureInterface[] {
    const { interfaceName: name } = this.#options;
    const { interfaces } = this.#reader;
    if (name === undefined) return interfaces;
    for (let i = this.#interfaces.length; i < interfaces.length; i++)
      this.#interfaces.push({ ...interfaces[i]!, name: interfaces[i]!.name ?? name });
    return this.#interfaces;
  }
}
