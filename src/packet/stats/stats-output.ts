import { formatIsoTime } from "../../core/time.ts";
import { t, type Infer } from "../../core/schema.ts";
import type { CaptureInterface } from "../capture/format.ts";
import type { PacketBatch } from "../capture/packet-batch.ts";
import type { HeaderColumns } from "../headers/header-columns.ts";
import { LAYER_NAMES } from "../headers/layer.ts";
import type { DocumentSink, PacketOutput } from "../output.ts";
import { TRANSPORTS } from "../transports.ts";

export const statsOptions = t.object({
  interval_seconds: t.integer({
    default: 60,
    minimum: 1,
    maximum: 86_400,
    description: "Length of the intervals that rates are of, in seconds. They begin at multiples of it, in UTC.",
  }),
});
export type StatsOptions = Infer<typeof statsOptions>;

/** Kinds of packets that are told apart in an interval, at most; all others are one more. */
const MAX_KINDS = 4096;
const OTHERS = -1;
/** A clock that goes back by more is believed. */
const MAX_BACK_SECONDS = 600;
const TIME_LIMIT = 253_402_300_800;
const TYPES = ["", "ipv4", "ipv6", "arp"] as const;

interface Count {
  packets: number;
  bytes: number;
}

/**
 * The output `stats`: two metrics, packets and bytes a second, for each interface and protocol that an interval of capture
 * time had packets of.
 */
export class StatsOutput implements PacketOutput {
  readonly #seconds: number;
  /** By interface, network type, transport and application, as one number. */
  readonly #counts = new Map<number, Count>();
  #interfaces: readonly CaptureInterface[] = [];
  /** The interval that is counted, in seconds since the epoch; NaN before the first packet with a time. */
  #begin = NaN;
  #lastKind = NaN;
  #last: Count = { packets: 0, bytes: 0 };
  #packets = 0;
  #untimed = 0;
  #metrics = 0;

  constructor(options: StatsOptions) {
    this.#seconds = options.interval_seconds;
  }

  take(batch: PacketBatch, columns: HeaderColumns, interfaces: readonly CaptureInterface[], sink: DocumentSink): void {
    this.#interfaces = interfaces;
    for (let i = 0; i < batch.count; i++) {
      const seconds = batch.seconds[i]!;
      if (!(seconds >= 0 && seconds < TIME_LIMIT)) {
        this.#untimed++;
        continue;
      }
      if (!(seconds < this.#begin + this.#seconds && seconds >= this.#begin - MAX_BACK_SECONDS)) {
        this.#flush(sink);
        this.#begin = Math.floor(seconds / this.#seconds) * this.#seconds;
      }
      const kind = kindOf(columns, i, batch.interfaceIndex[i]!);
      if (kind !== this.#lastKind) {
        this.#last = this.#countOf(kind);
        this.#lastKind = kind;
      }
      this.#last.packets++;
      this.#last.bytes += batch.originalLength[i]!;
    }
    this.#packets += batch.count;
  }

  advance(timeMs: number, sink: DocumentSink): void {
    if (timeMs / 1000 >= this.#begin + this.#seconds) this.#flush(sink);
  }

  finish(sink: DocumentSink): void {
    this.#flush(sink);
  }

  counters(): Readonly<Record<string, number>> {
    return { stats_packets: this.#packets, stats_untimed_packets: this.#untimed, stats_events: this.#metrics };
  }

  #countOf(kind: number): Count {
    const known = this.#counts.get(kind);
    if (known !== undefined) return known;
    if (this.#counts.size >= MAX_KINDS && kind !== OTHERS) return this.#countOf(OTHERS);
    const count = { packets: 0, bytes: 0 };
    this.#counts.set(kind, count);
    return count;
  }

  #flush(sink: DocumentSink): void {
    if (this.#counts.size === 0) return;
    const [start, end] = [this.#begin, this.#begin + this.#seconds].map((seconds) => formatIsoTime(seconds * 1000));
    const event = { kind: "metric", category: ["network"], type: ["info"], dataset: "packet.stats", start, end };
    for (const [kind, { packets, bytes }] of this.#counts) {
      const dimensions = kind === OTHERS ? { network: { type: "other" } } : this.#dimensionsOf(kind);
      for (const [unit, total] of [["packets", packets] as const, ["bytes", bytes] as const]) {
        const metric = { name: `network.${unit}_per_second`, value: total / this.#seconds, unit: `${unit}/s`, total };
        sink.add(JSON.stringify({ "@timestamp": start, event, metric, ...dimensions }), this.#begin * 1000);
        this.#metrics++;
      }
    }
    this.#counts.clear();
    this.#lastKind = NaN;
  }

  #dimensionsOf(kind: number): object {
    const application = (kind & 0xff) - 1;
    const protocol = (kind >>> 8) & 0xff;
    const type = TYPES[(kind >>> 16) & 3]!;
    const isIp = type.startsWith("ip");
    const name = this.#interfaces[Math.floor(kind / (1 << 18))]?.name;
    const network = {
      type: type === "" ? "other" : type,
      ...(isIp ? { transport: TRANSPORTS[protocol], iana_number: String(protocol) } : {}),
      ...(application < 0 ? {} : { protocol: LAYER_NAMES[application] }),
    };
    return name === undefined ? { network } : { network, observer: { ingress: { interface: { name } } } };
  }
}

/** Interface, network type (2 bits), protocol (8 bits), application plus one (8 bits); by the outermost IP header. */
function kindOf(columns: HeaderColumns, i: number, interfaceIndex: number): number {
  const hasIp = columns.ipAt[2 * i]! >= 0;
  const type = hasIp ? (columns.ipVersion[2 * i] === 4 ? 1 : 2) : columns.arpAt[i]! >= 0 ? 3 : 0;
  const isTunnel = columns.ipAt[2 * i + 1]! >= 0;
  const application = isTunnel ? 0 : columns.application[i]! + 1;
  return interfaceIndex * (1 << 18) + ((type << 16) | ((hasIp ? columns.ipProtocol[2 * i]! : 0) << 8) | application);
}
