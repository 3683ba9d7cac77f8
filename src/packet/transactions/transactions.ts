import type { CaptureInterface } from "../capture/format.ts";
import type { PacketBatch } from "../capture/packet-batch.ts";
import { CommunityId } from "../community-id.ts";
import { FLAG, type HeaderColumns } from "../headers/header-columns.ts";
import { PROTOCOL } from "../headers/ip-layers.ts";
import { LAYER } from "../headers/layer.ts";
import type { HttpFieldOptions } from "../http/fields.ts";
import type { DocumentSink, PacketOutput } from "../output.ts";
import { CurrentPacket, type Moment } from "../streams/current-packet.ts";
import { Datagrams } from "../streams/datagrams.ts";
import { type ConnectionReader, isTcp, TcpStreams } from "../streams/tcp-streams.ts";
import { ArpTransactions } from "./arp.ts";
import { type Guess, UnknownConnection } from "./connection.ts";
import { DhcpTransactions } from "./dhcp.ts";
import { DnsTransactions } from "./dns.ts";
import { endpointsOf } from "./endpoints.ts";
import { IcmpTransactions } from "./icmp.ts";
import { NtpTransactions } from "./ntp.ts";
import type { TransactionsOptions } from "./transactions-options.ts";

/**
 * The output `transactions`: questions and answers paired, one document each. Datagrams and streams are put together
 * first. All tables are bounded; what had to give way is counted.
 */
export class Transactions implements PacketOutput {
  readonly #packet = new CurrentPacket();
  readonly #datagrams = new Datagrams();
  readonly #streams: TcpStreams;
  readonly #ids = new CommunityId();
  readonly #options: TransactionsOptions;
  readonly #wanted: ReadonlySet<string>;
  readonly #guesses: ReadonlySet<Guess>;
  readonly #http: HttpFieldOptions;
  #sink: DocumentSink = { add: () => undefined };
  readonly #dns: DnsTransactions;
  readonly #dhcp: DhcpTransactions;
  readonly #icmp: IcmpTransactions;
  readonly #arp: ArpTransactions;
  readonly #ntp: NtpTransactions;
  readonly #tables: readonly [DnsTransactions, DhcpTransactions, IcmpTransactions, ArpTransactions, NtpTransactions];
  #documents = 0;

  constructor(options: TransactionsOptions) {
    this.#options = options;
    this.#wanted = new Set(options.protocols);
    this.#guesses = new Set((["http", "tls"] as const).filter((guess) => this.#wanted.has(guess)));
    this.#http = {
      headers: options.http_headers.map((name) => name.toLowerCase()),
      showCredentials: options.show_credentials,
    };
    const { max_open: most, answer_timeout_ms: timeoutMs } = options;
    const sink = (): DocumentSink => this.#counting;
    this.#dns = new DnsTransactions(sink, this.#ids, most, timeoutMs);
    this.#dhcp = new DhcpTransactions(sink, this.#ids, most, timeoutMs);
    this.#icmp = new IcmpTransactions(sink, this.#ids, most, timeoutMs);
    this.#arp = new ArpTransactions(sink, this.#ids, most, timeoutMs);
    this.#ntp = new NtpTransactions(sink, this.#ids, most, timeoutMs);
    this.#tables = [this.#dns, this.#dhcp, this.#icmp, this.#arp, this.#ntp];
    this.#streams = new TcpStreams((packet, isFromClient, now) => this.#open(packet, isFromClient, now), {
      maxConnections: most,
      maxBytes: options.max_stream_bytes,
      idleMs: options.idle_timeout_ms,
    });
  }

  take(batch: PacketBatch, columns: HeaderColumns, interfaces: readonly CaptureInterface[], sink: DocumentSink): void {
    this.#sink = sink;
    const packet = this.#packet;
    for (let i = 0; i < batch.count; i++) {
      packet.take(batch, columns, i, interfaces);
      this.#expire(packet.timeMs);
      if ((columns.flags[i]! & FLAG.fragment) === 0) this.#dispatch();
      else if (this.#datagrams.take(packet, batch.linkType[i]!, batch.frameAt[i]!, batch.capturedLength[i]!))
        this.#dispatch();
    }
  }

  advance(timeMs: number, sink: DocumentSink): void {
    this.#sink = sink;
    this.#expire(timeMs);
    this.#streams.expire(timeMs);
    this.#datagrams.fragments.expire(timeMs);
  }

  finish(sink: DocumentSink): void {
    this.#sink = sink;
    this.#streams.finish();
    for (const { open } of this.#tables) open.finish();
  }

  counters(): Readonly<Record<string, number>> {
    const tables = this.#tables;
    const sum = (of: (table: (typeof tables)[number]) => number): number =>
      tables.reduce((total, table) => total + of(table), 0);
    const counted: Record<string, number> = {
      transactions: this.#documents,
      transactions_open: sum(({ open }) => open.size),
      transactions_evicted: sum(({ open }) => open.evicted),
      transactions_repeated_questions: sum(({ repeated }) => repeated),
      transactions_malformed_messages: sum(({ malformed }) => malformed),
      transactions_connections_open: this.#streams.open,
      transactions_waiting_stream_bytes: this.#streams.pendingBytes,
      transactions_datagrams_open: this.#datagrams.fragments.open,
    };
    for (const each of [this.#streams.counters, this.#datagrams.fragments.counters])
      for (const [name, value] of Object.entries(each) as [string, number][]) counted[`transactions_${name}`] = value;
    return counted;
  }

  get #counting(): DocumentSink {
    this.#documents++;
    return this.#sink;
  }

  #expire(timeMs: number): void {
    for (const { open } of this.#tables) open.expire(timeMs);
  }

  /** Takes the present packet, which is no piece. */
  #dispatch(): void {
    const packet = this.#packet;
    const { columns, index, slot } = packet;
    const arpAt = columns.arpAt[index]!;
    if (arpAt >= 0) {
      if (this.#wanted.has("arp")) this.#arp.take(packet, arpAt);
      return;
    }
    const at = columns.payloadAt[index]!;
    if (columns.ipAt[slot]! < 0 || at < 0) return;
    const end = at + columns.payloadLength[index]!;
    switch (columns.ipProtocol[slot]!) {
      case PROTOCOL.tcp:
        if (isTcp(packet)) this.#streams.take(packet);
        return;
      case PROTOCOL.udp:
        if (end > at) this.#datagram(at, end);
        return;
      case PROTOCOL.icmp:
      case PROTOCOL.icmp6:
        if (this.#wanted.has("icmp")) this.#icmp.take(packet, columns.transportAt[slot]!, end);
        return;
    }
  }

  #datagram(at: number, end: number): void {
    const packet = this.#packet;
    const wanted = this.#wanted;
    switch (packet.columns.application[packet.index]!) {
      case LAYER.dns:
      case LAYER.llmnr:
        if (wanted.has("dns")) this.#dns.take(packet, at, end);
        return;
      case LAYER.dhcp:
        if (wanted.has("dhcp")) this.#dhcp.take(packet, at, end);
        return;
      case LAYER.ntp:
        if (wanted.has("ntp")) this.#ntp.take(packet, at, end);
        return;
    }
  }

  /** Makes the reader of a connection whose first packet is the present one. */
  #open(packet: CurrentPacket, isFromClient: boolean, now: () => Moment): ConnectionReader {
    const { columns, slot } = packet;
    const ports = [columns.sourcePort[slot]!, columns.destinationPort[slot]!];
    const isDns = ports.includes(DNS_PORT) || ports.includes(LLMNR_PORT);
    if (isDns && this.#wanted.has("dns")) return this.#dns.connection(packet, isFromClient, now);
    return new UnknownConnection(
      {
        endpoints: endpointsOf(packet, isFromClient, this.#ids),
        sink: () => this.#counting,
        now,
        http: this.#http,
      },
      this.#guesses,
    );
  }
}

const DNS_PORT = 53;
const LLMNR_PORT = 5355;
