import { CaptureReader } from "../../src/packet/capture/capture-reader.ts";
import { HeaderDecoder } from "../../src/packet/headers/decode.ts";
import type { PacketOutput } from "../../src/packet/output.ts";
import { createOutput } from "../../src/packet/outputs.ts";
import { eth, ip4, join, PcapngBlocks, tcp } from "./frames.ts";

type Payload = Uint8Array | string;

/** A frame and when it was seen, in milliseconds. */
export interface TimedFrame {
  readonly ms: number;
  readonly frame: Uint8Array;
}

/** Packets of a TCP connection between 10.0.0.1 (who asks) and 10.0.0.2, a millisecond apart. */
export class Conversation {
  readonly frames: TimedFrame[] = [];
  ms: number;
  readonly #ports: readonly [number, number];
  readonly #next: [number, number];

  constructor(serverPort = 80, { clientPort = 40_000, ms = 0, first = [1000, 5000] as [number, number] } = {}) {
    this.#ports = [clientPort, serverPort];
    this.#next = first;
    this.ms = ms;
  }

  open(): this {
    return this.#packet(0, 2, "").#packet(1, 0x12, "").#packet(0, 0x10, "");
  }

  /** What the client (`ask`) or the server (`answer`) says, in segments of so many bytes. */
  ask(payload: Payload, segmentBytes = 1400): this {
    return this.#say(0, payload, segmentBytes);
  }

  answer(payload: Payload, segmentBytes = 1400): this {
    return this.#say(1, payload, segmentBytes);
  }

  close(): this {
    return this.#packet(0, 0x11, "").#packet(1, 0x11, "").#packet(0, 0x10, "");
  }

  reset(): this {
    return this.#packet(1, 0x14, "");
  }

  #say(side: 0 | 1, payload: Payload, segmentBytes: number): this {
    const bytes = Buffer.from(payload as string);
    for (let at = 0; at < bytes.length; at += segmentBytes)
      this.#packet(side, 0x18, bytes.subarray(at, at + segmentBytes));
    return this;
  }

  #packet(side: 0 | 1, flags: number, payload: Payload): this {
    const other = side === 0 ? 1 : 0;
    const segment = tcp(this.#ports[side], this.#ports[other], flags, Buffer.from(payload as string));
    segment.writeUInt32BE(this.#next[side], 4);
    if ((flags & 0x10) !== 0) segment.writeUInt32BE(this.#next[other], 8);
    const hosts = ["10.0.0.1", "10.0.0.2"] as const;
    const packet = ip4(6, segment, { source: hosts[side], destination: hosts[other] });
    this.frames.push({ ms: this.ms++, frame: eth(0x0800, packet) });
    const bytes = payload.length + ((flags & 3) === 0 ? 0 : 1);
    this.#next[side] = (this.#next[side] + bytes) >>> 0;
    return this;
  }
}

/** A capture of frames with their times, to the millisecond after 2023-11-14T22:13:20Z. */
function captureOf(frames: readonly TimedFrame[]): Buffer {
  const b = new PcapngBlocks();
  const packets = frames.map(({ ms, frame }) => b.packet(0, BigInt(1_700_000_000_000 + ms) * 1000n, frame));
  return join(b.section(), b.interface(1, 0), ...packets);
}

/** A transaction, as far as tests look into it. */
export interface Transaction {
  readonly "@timestamp": string;
  readonly event: { readonly start: string; readonly end?: string; readonly duration?: number };
  readonly type: string;
  readonly status: string;
  readonly method?: string;
  readonly resource?: string;
  readonly client: { readonly ip?: string; readonly port?: number } | undefined;
  readonly server: { readonly ip?: string; readonly port?: number; readonly mac?: string } | undefined;
  readonly tags: readonly string[] | undefined;
  readonly error: { readonly message: string };
  readonly url: { readonly path: string };
  readonly http: { readonly response: { readonly status_code: number; readonly body: { readonly bytes: number } } };
  readonly dns: { readonly response_code?: string; readonly resolved_ip?: readonly string[] };
  readonly dhcpv4: { readonly option: Readonly<Record<string, unknown>> };
  readonly icmp: { readonly response?: { readonly message: string } };
  readonly network: { readonly protocol: string };
  readonly tls: {
    readonly established: boolean;
    readonly resumed?: boolean;
    readonly version?: string;
    readonly client?: { readonly server_name?: string };
  };
}

/** What `transactions` makes of frames. */
export function transactionsOf(
  frames: readonly TimedFrame[],
  options: object = {},
): { documents: Transaction[]; counters: Readonly<Record<string, number>> } {
  const output: PacketOutput = createOutput("transactions", options);
  return readInto(output, captureOf(frames));
}

function readInto(
  output: PacketOutput,
  capture: Uint8Array,
): { documents: Transaction[]; counters: Readonly<Record<string, number>> } {
  const documents: Transaction[] = [];
  const sink = { add: (json: string) => void documents.push(JSON.parse(json) as Transaction) };
  const reader = new CaptureReader(64);
  const decoder = new HeaderDecoder(64);
  for (const batch of reader.read(capture)) output.take(batch, decoder.decode(batch), reader.interfaces, sink);
  output.finish(sink);
  return { documents, counters: output.counters() };
}
