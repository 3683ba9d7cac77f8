import { formatIsoTime } from "../core/time.ts";
import { formatIp4, formatIp6, formatMac } from "./address.ts";
import { ByteText } from "./byte-text.ts";
import { applicationFields } from "./application-fields.ts";
import type { CaptureInterface } from "./capture/format.ts";
import type { PacketBatch } from "./capture/packet-batch.ts";
import { CommunityId } from "./community-id.ts";
import { decodeDhcp } from "./dhcp/message.ts";
import { decodeDns } from "./dns/message.ts";
import { u16, u32 } from "./headers/cursor.ts";
import { type HeaderColumns, TCP_FLAG_NAMES } from "./headers/header-columns.ts";
import { PROTOCOL } from "./headers/ip-layers.ts";
import { LAYER, LAYER_NAMES } from "./headers/layer.ts";
import { DEFAULT_HTTP_FIELDS, type HttpFieldOptions } from "./http/fields.ts";
import { PacketEvents } from "./packet-event.ts";

/** Both directions of a conversation have an entry. A power of two. */
const ENTRIES = 16_384;
const KEY_WORDS = 14;
/** Below this, microseconds are exact in milliseconds as float64. */
const TIME_LIMIT = 2 ** 32;
const CLOSE = 0x7d;
const NOTHING = new Uint8Array(0);

/** What stands between what differs. */
const PIECE = {
  begin: bytesOf('{"@timestamp":"'),
  number: bytesOf(
    'Z","event":{"kind":"event","category":["network"],"type":["info"],"dataset":"packet"},"frame":{"number":',
  ),
  time: bytesOf(',"time":"'),
  length: bytesOf('Z","len":'),
  captured: bytesOf(',"cap_len":'),
  acknowledgment: bytesOf(',"ack_raw":'),
  window: bytesOf(',"window_size_value":'),
  payload: bytesOf(',"len":'),
  udp: bytesOf('},"udp":{"len":'),
} as const;
/** More than all pieces, numbers, times, flags and names of layers in a document have. */
const DOCUMENT_BYTES = 4096;

/**
 * Writes packets as JSON: the very text that JSON.stringify makes of PacketEvents' documents, for ordinary packets without
 * making those (bench/packets.ts measures it). What is the same for all packets of one direction of a
 * conversation (addresses, ports, Community ID) is kept. Keep one a capture.
 */
export class PacketJson {
  readonly #events: PacketEvents;
  readonly #http: HttpFieldOptions;
  readonly #communityId = new CommunityId();
  /** Of what the text at the same place is: addresses, ports, MACs and so on. */
  readonly #keys = new Int32Array(ENTRIES * KEY_WORDS);
  readonly #key = new Int32Array(KEY_WORDS);
  readonly #heads: Uint8Array[] = Array.from({ length: ENTRIES }, () => NOTHING);
  readonly #tails: Uint8Array[] = Array.from({ length: ENTRIES }, () => NOTHING);
  readonly #tcpFlags: (Uint8Array | undefined)[] = [];
  readonly #observers = new Map<string, Uint8Array>();
  /** By number of the path, of one generation of these. */
  #protocols: (Uint8Array | undefined)[] = [];
  #generation = -1;
  #second = NaN;
  #secondText: Uint8Array = NOTHING;
  readonly #text = new ByteText();

  /** `http`: which headers are told, and whether credentials are. */
  constructor(http: HttpFieldOptions = DEFAULT_HTTP_FIELDS) {
    this.#http = http;
    this.#events = new PacketEvents(http);
  }

  /** The document of packet `i` as JSON. */
  of(batch: PacketBatch, columns: HeaderColumns, i: number, from: CaptureInterface | undefined): string {
    const text = this.#text;
    text.clear();
    return text.text(this.write(batch, columns, i, from, text));
  }

  /** Adds the document of packet `i`. Returns whether it is known to be ASCII. */
  write(
    batch: PacketBatch,
    columns: HeaderColumns,
    i: number,
    from: CaptureInterface | undefined,
    to: ByteText,
  ): boolean {
    const seconds = batch.seconds[i]!;
    const slot = 2 * i;
    const protocol = columns.ipProtocol[slot]!;
    const isOrdinary =
      columns.flags[i] === 0 &&
      columns.ipAt[slot]! >= 0 &&
      columns.ipAt[slot + 1]! < 0 &&
      columns.payloadAt[i]! >= 0 &&
      (protocol === PROTOCOL.tcp || protocol === PROTOCOL.udp) &&
      columns.vlanCount[i]! <= 1 &&
      seconds >= 0 &&
      seconds < TIME_LIMIT;
    const application =
      isOrdinary && columns.application[i]! >= 0 ? applicationText(batch.bytes, columns, i, protocol, this.#http) : "";
    // A message that cannot be read makes a document of another kind.
    if (!isOrdinary || application === undefined) {
      to.add(JSON.stringify(this.#events.of(batch, columns, i, from)));
      return false;
    }
    to.reserve(DOCUMENT_BYTES);
    const length = batch.originalLength[i]!;
    to.put(PIECE.begin);
    this.#putTimes(seconds, batch.nanoseconds[i]!, batch.firstNumber + i, to);
    to.putNumber(length);
    to.put(PIECE.captured);
    to.putNumber(batch.capturedLength[i]!);
    to.put(this.#protocolsOf(columns, i));
    const entry = this.#entry(batch.bytes, columns, i, protocol);
    to.put(this.#heads[entry]!);
    to.putNumber(length);
    to.put(this.#tails[entry]!);
    to.putNumber(batch.bytes[columns.ipAt[slot]! + (columns.ipVersion[slot] === 4 ? 8 : 7)]!);
    if (protocol === PROTOCOL.tcp) {
      const flags = columns.tcpFlags[i]!;
      to.put((this.#tcpFlags[flags] ??= flagsText(flags)));
      to.putNumber(columns.tcpSequence[i]!);
      to.put(PIECE.acknowledgment);
      to.putNumber(columns.tcpAcknowledgment[i]!);
      to.put(PIECE.window);
      to.putNumber(columns.tcpWindow[i]!);
      to.put(PIECE.payload);
    } else {
      to.put(PIECE.udp);
    }
    to.putNumber(columns.payloadOriginalLength[i]!);
    to.putByte(CLOSE);
    if (application !== "") to.add(application);
    const observer = from?.name === undefined ? NOTHING : this.#observer(from.name);
    to.reserve(observer.length + 2);
    to.put(observer);
    to.putByte(CLOSE);
    return application === "" && observer.length === 0;
  }

  /** The time to the microsecond, the packet's number, and the time to the nanosecond. */
  #putTimes(seconds: number, nanoseconds: number, number: number, to: ByteText): void {
    if (seconds !== this.#second) {
      this.#second = seconds;
      this.#secondText = bytesOf(formatIsoTime(seconds * 1000).slice(0, 20));
    }
    const micros = (nanoseconds / 1000) | 0;
    const ms = (micros / 1000) | 0;
    to.put(this.#secondText);
    if (micros === ms * 1000) to.putDigits(ms, 3);
    else to.putDigits(micros, 6);
    to.put(PIECE.number);
    if (number < TIME_LIMIT) to.putNumber(number);
    else to.add(String(number));
    to.put(PIECE.time);
    to.put(this.#secondText);
    to.putDigits(nanoseconds, 9);
    to.put(PIECE.length);
  }

  #protocolsOf(columns: HeaderColumns, i: number): Uint8Array {
    const { paths } = columns;
    if (paths.generation !== this.#generation) {
      this.#generation = paths.generation;
      this.#protocols = [];
    }
    const path = columns.path[i]!;
    return (this.#protocols[path] ??= bytesOf(`,"protocols":"${paths.text(path)}"}`));
  }

  #observer(name: string): Uint8Array {
    let text = this.#observers.get(name);
    if (text === undefined) {
      text = Buffer.from(`,"observer":{"ingress":{"interface":{"name":${JSON.stringify(name)}}}}`);
      // As many as captures have interfaces; hostile ones must not fill memory.
      if (this.#observers.size >= 1000) this.#observers.clear();
      this.#observers.set(name, text);
    }
    return text;
  }

  /** The entry that has the texts of the packet's conversation and direction. */
  #entry(bytes: Uint8Array, columns: HeaderColumns, i: number, protocol: number): number {
    const key = this.#key;
    const slot = 2 * i;
    const ipAt = columns.ipAt[slot]!;
    const isVersion6 = columns.ipVersion[slot] === 6;
    if (isVersion6) {
      for (let word = 0; word < 8; word++) key[word] = u32(bytes, ipAt + 8 + 4 * word);
    } else {
      key[0] = u32(bytes, ipAt + 12);
      key[1] = u32(bytes, ipAt + 16);
      for (let word = 2; word < 8; word++) key[word] = 0;
    }
    key[8] = (columns.sourcePort[slot]! << 16) | columns.destinationPort[slot]!;
    const sourceAt = columns.sourceMacAt[i]!;
    const destinationAt = columns.destinationMacAt[i]!;
    const vlanAt = columns.vlanAt[i]!;
    // Never 0, as empty entries are.
    key[9] =
      (1 << 30) |
      (protocol << 16) |
      ((columns.application[i]! + 1) << 8) |
      (isVersion6 ? 8 : 0) |
      (sourceAt >= 0 ? 4 : 0) |
      (destinationAt >= 0 ? 2 : 0) |
      (vlanAt >= 0 ? 1 : 0);
    key[10] = sourceAt < 0 ? 0 : u32(bytes, sourceAt);
    key[11] = destinationAt < 0 ? 0 : u32(bytes, destinationAt);
    key[12] =
      ((sourceAt < 0 ? 0 : u16(bytes, sourceAt + 4)) << 16) | (destinationAt < 0 ? 0 : u16(bytes, destinationAt + 4));
    key[13] = vlanAt < 0 ? 0 : u16(bytes, vlanAt) & 0xfff;
    let hash = 0;
    for (let word = 0; word < KEY_WORDS; word++) hash = Math.imul((hash ^ key[word]!) + (hash >>> 15), 0x9e3779b1);
    const entry = (hash ^ (hash >>> 16)) & (ENTRIES - 1);
    const keys = this.#keys;
    const at = entry * KEY_WORDS;
    for (let word = 0; word < KEY_WORDS; word++) {
      if (keys[at + word] === key[word]) continue;
      keys.set(key, at);
      this.#fill(entry, bytes, columns, i, protocol);
      break;
    }
    return entry;
  }

  #fill(entry: number, bytes: Uint8Array, columns: HeaderColumns, i: number, protocol: number): void {
    const slot = 2 * i;
    const at = columns.ipAt[slot]!;
    const isVersion6 = columns.ipVersion[slot] === 6;
    const source = isVersion6 ? formatIp6(bytes, at + 8) : formatIp4(bytes, at + 12);
    const destination = isVersion6 ? formatIp6(bytes, at + 24) : formatIp4(bytes, at + 16);
    const application = columns.application[i]!;
    const vlanAt = columns.vlanAt[i]!;
    this.#heads[entry] = bytesOf(
      sideText("source", source, columns.sourcePort[slot]!, bytes, columns.sourceMacAt[i]!) +
        sideText("destination", destination, columns.destinationPort[slot]!, bytes, columns.destinationMacAt[i]!) +
        `,"network":{"type":"${isVersion6 ? "ipv6" : "ipv4"}","transport":"${protocol === PROTOCOL.tcp ? "tcp" : "udp"}"` +
        `,"iana_number":"${protocol}"${application < 0 ? "" : `,"protocol":"${LAYER_NAMES[application]!}"`},"bytes":`,
    );
    this.#tails[entry] = bytesOf(
      `,"community_id":"${this.#communityId.of(bytes, columns, i)!}"` +
        `${vlanAt < 0 ? "" : `,"vlan":{"id":"${u16(bytes, vlanAt) & 0xfff}"}`}},"ip":{"ttl":`,
    );
  }
}

function sideText(name: string, ip: string, port: number, bytes: Uint8Array, macAt: number): string {
  const mac = macAt < 0 ? "" : `,"mac":"${formatMac(bytes, macAt)}"`;
  return `,"${name}":{"ip":"${ip}","port":${port}${mac}}`;
}

/** From the end of what is about IP to the sequence number. */
function flagsText(flags: number): Uint8Array {
  const names = TCP_FLAG_NAMES.filter((_, bit) => ((flags >> bit) & 1) === 1);
  return bytesOf(`},"tcp":{"flags":${JSON.stringify(names)},"seq_raw":`);
}

/** What the application says, as members of the document; undefined: a message that has to be readable is not. */
function applicationText(
  bytes: Uint8Array,
  columns: HeaderColumns,
  i: number,
  protocol: number,
  http: HttpFieldOptions,
): string | undefined {
  const at = columns.payloadAt[i]!;
  const end = at + columns.payloadLength[i]!;
  const layer = columns.application[i]!;
  if (layer === LAYER.dhcp) {
    const message = decodeDhcp(bytes, at, end);
    return message === undefined ? undefined : `,"dhcpv4":${JSON.stringify(message)}`;
  }
  if (layer === LAYER.http || layer === LAYER.tls || layer === LAYER.ntp) {
    const fields = applicationFields(layer, bytes, at, end, columns.destinationPort[2 * i]!, http);
    return fields === undefined ? "" : `,${JSON.stringify(fields).slice(1, -1)}`;
  }
  // Over TCP the message's length stands before it.
  const message = decodeDns(bytes, at + (protocol === PROTOCOL.tcp ? 2 : 0), end);
  return message === undefined ? undefined : `,"dns":${JSON.stringify(message)}`;
}

/** ASCII text as bytes of its own. */
function bytesOf(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, "latin1"));
}
