import type { LogEvent } from "../../core/event.ts";
import { Path } from "../../core/path.ts";
import { documentMembers } from "../../codec/document.ts";
import { formatIp4, formatIp6 } from "../../packet/address.ts";
import { CaptureReader, type CaptureEnd } from "../../packet/capture/capture-reader.ts";
import type { PacketBatch } from "../../packet/capture/packet-batch.ts";
import { HeaderDecoder } from "../../packet/headers/decode.ts";
import type { HeaderColumns } from "../../packet/headers/header-columns.ts";
import type { DocumentSink, PacketOutput } from "../../packet/output.ts";
import { createOutput, type OutputName } from "../../packet/outputs.ts";
import { documentEvent } from "../../runtime/document-event.ts";
import type { StageChain } from "../../runtime/stage-chain.ts";
import { SizeMeter, Talkers, Timeline, type Extremes } from "./meter.ts";

/** The header of a classic pcap file's record. */
const RECORD_HEADER_BYTES = 16;
const BATCH_PACKETS = 1024;

/** How much one way of storing takes. */
export interface Size {
  readonly events: number;
  readonly raw_bytes: number;
  readonly compressed_bytes: number;
}

/** What was measured. */
export interface Measured {
  readonly seconds: number;
  readonly packets: number;
  /** Bytes on the wire. */
  readonly bytes: number;
  readonly extremes: Extremes | undefined;
  readonly pcap: Size;
  readonly outputs: Readonly<Record<string, Size>>;
  readonly talkers: readonly { readonly address: string; readonly bytes: number }[];
  readonly end: CaptureEnd;
}

interface Measure {
  readonly name: OutputName;
  readonly output: PacketOutput;
  readonly size: SizeMeter;
  readonly sink: DocumentSink;
}

/** Measures a capture: what it is made of, and what each way of storing it takes. */
export class Estimate {
  readonly #decoder = new HeaderDecoder(BATCH_PACKETS);
  readonly #reader = new CaptureReader(BATCH_PACKETS, this.#decoder.memory);
  readonly #timeline = new Timeline();
  readonly #talkers = new Talkers();
  readonly #pcap = new SizeMeter();
  readonly #outputs: readonly Measure[];
  #bytes = 0;

  /** `chain`: the stages that events go through, if any. */
  constructor(outputs: readonly OutputName[], hostname: string, chain: StageChain | undefined) {
    const envelope = {
      ...{ paths: [new Path("host.name"), new Path("ecs.version")], values: [hostname, "8.17.0"] },
      offsetPath: undefined,
    };
    this.#outputs = outputs.map((name) => {
      const size = new SizeMeter();
      let number = 0;
      const add = (json: string): void => {
        const event = documentEvent(json, Date.now(), number++, envelope);
        const left: readonly LogEvent[] = chain === undefined ? [event] : chain.run([event], () => undefined);
        for (const each of left) size.add(Buffer.from(documentMembers(each, "{")));
      };
      return { name, output: createOutput(name, undefined), size, sink: { add } };
    });
  }

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

  async take(chunk: Uint8Array): Promise<void> {
    for (const batch of this.#reader.read(chunk)) {
      const columns = this.#decoder.decode(batch);
      this.#look(batch, columns);
      for (const { output, sink } of this.#outputs) output.take(batch, columns, this.#reader.interfaces, sink);
      await this.#pcap.drain();
      for (const { size } of this.#outputs) await size.drain();
    }
  }

  /**
   * What it came to. `observed`: from when (seconds since the epoch) and how long was watched; undefined for what has its
   * own time, a file.
   */
  async finish(observed: { readonly from: number; readonly seconds: number } | undefined): Promise<Measured> {
    for (const { output, sink } of this.#outputs) output.finish(sink);
    const seconds = observed?.seconds ?? this.#timeline.spanSeconds;
    const from = Math.floor(observed?.from ?? this.#timeline.first ?? 0);
    const outputs: Record<string, Size> = {};
    for (const { name, size } of this.#outputs) outputs[name] = await sizeOf(size);
    return {
      ...{ seconds, packets: this.packets, bytes: this.#bytes, outputs },
      extremes: this.#timeline.extremes(from, seconds),
      pcap: await sizeOf(this.#pcap),
      ...{ talkers: this.#talkers.top(10), end: this.#reader.end() },
    };
  }

  #look(batch: PacketBatch, columns: HeaderColumns): void {
    const { bytes } = batch;
    const header = Buffer.alloc(RECORD_HEADER_BYTES);
    for (let i = 0; i < batch.count; i++) {
      const length = batch.originalLength[i]!;
      this.#bytes += length;
      const second = batch.seconds[i]!;
      if (!Number.isNaN(second)) this.#timeline.add(second, length);
      header.writeUInt32LE(second >>> 0, 0);
      header.writeUInt32LE(batch.nanoseconds[i]!, 4);
      header.writeUInt32LE(batch.capturedLength[i]!, 8);
      header.writeUInt32LE(length, 12);
      const at = batch.frameAt[i]!;
      this.#pcap.add(Buffer.concat([header, bytes.subarray(at, at + batch.capturedLength[i]!)]));
      const ipAt = columns.ipAt[2 * i]!;
      if (ipAt < 0) continue;
      const isV4 = columns.ipVersion[2 * i] === 4;
      this.#talkers.add(isV4 ? formatIp4(bytes, ipAt + 12) : formatIp6(bytes, ipAt + 8), length);
      this.#talkers.add(isV4 ? formatIp4(bytes, ipAt + 16) : formatIp6(bytes, ipAt + 24), length);
    }
  }
}

async function sizeOf(meter: SizeMeter): Promise<Size> {
  const { count, rawBytes } = meter;
  return { events: count, raw_bytes: rawBytes, compressed_bytes: await meter.end() };
}
