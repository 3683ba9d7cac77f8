import { DNS_TYPES, dnsClassName, dnsHeaderFlags, dnsTypeName, type DnsHeaderFlags } from "../../codec/dns-names.ts";
import { formatIp4, formatIp6 } from "../address.ts";
import { u16, u32 } from "../headers/cursor.ts";
import type { FieldSpans } from "../field-spans.ts";
import { NameReader } from "./name.ts";

/** A DNS message (RFC 1035, and multicast DNS and LLMNR, which look alike) as ECS has it under `dns`. */
export interface DnsMessage extends DnsHeaderFlags {
  readonly id: number;
  readonly question: DnsQuestion | undefined;
  readonly answers: readonly DnsRecord[] | undefined;
  readonly resolved_ip: readonly string[] | undefined;
  readonly questions_count: number;
  readonly answers_count: number;
  readonly authorities_count: number;
  readonly additionals_count: number;
}

export interface DnsQuestion {
  readonly name: string;
  readonly type: string;
  readonly class: string;
}

export interface DnsRecord {
  readonly name: string;
  readonly type: string;
  readonly class: string;
  readonly ttl: number;
  /** As zone files have it for the usual types; undefined for others. */
  readonly data: string | undefined;
}

const HEADER_BYTES = 12;
/** Of two bytes each. */
const HEADER_FIELDS = [
  ...["dns.id", "dns.flags", "dns.count.queries", "dns.count.answers", "dns.count.auth_rr", "dns.count.add_rr"],
] as const;
/** What the data of a record are, by its type's name. */
const DATA_FIELDS: Readonly<Record<string, string>> = {
  ...{ A: "dns.a", AAAA: "dns.aaaa", CNAME: "dns.cname", NS: "dns.ns", PTR: "dns.ptr.domain_name" },
};
/** More answers than these are counted, but not shown. */
const MAX_ANSWERS = 128;

/**
 * Decodes the message in `bytes` from `from` to `to`: 0 id | 2 flags | 4 four counts | 12 questions, answers,
 * authorities, additionals. Undefined: it is malformed or not all there. Nothing makes it throw; its time is bounded by
 * the message's length. `spans` notes where the fields lie, also of what is malformed further on.
 */
export function decodeDns(bytes: Uint8Array, from: number, to: number, spans?: FieldSpans): DnsMessage | undefined {
  if (to - from < HEADER_BYTES) return undefined;
  if (spans !== undefined) for (const [i, name] of HEADER_FIELDS.entries()) spans.add(name, from + 2 * i, 2);
  const flags = u16(bytes, from + 2);
  const names = new NameReader();
  const questions = u16(bytes, from + 4);
  let at = from + HEADER_BYTES;
  let question: DnsQuestion | undefined;
  for (let i = 0; i < questions; i++) {
    if (!names.read(bytes, from, to, at) || to - names.end < 4) return undefined;
    spans?.add("dns.qry.name", at, names.end - at);
    spans?.add("dns.qry.type", names.end, 2);
    spans?.add("dns.qry.class", names.end + 2, 2);
    at = names.end + 4;
    question ??= {
      name: names.name,
      type: dnsTypeName(u16(bytes, names.end)),
      class: dnsClassName(u16(bytes, names.end + 2)),
    };
  }
  const count = u16(bytes, from + 6);
  const answers: DnsRecord[] = [];
  const addresses: string[] = [];
  for (let i = 0; i < count; i++) {
    if (!names.read(bytes, from, to, at) || to - names.end < 10) return undefined;
    const { name } = names;
    const fixedAt = names.end;
    const dataAt = fixedAt + 10;
    const length = u16(bytes, fixedAt + 8);
    if (to - dataAt < length) return undefined;
    if (spans !== undefined) recordSpans(u16(bytes, fixedAt), at, fixedAt, length, spans);
    at = dataAt + length;
    if (answers.length === MAX_ANSWERS) continue;
    const type = u16(bytes, fixedAt);
    const data = recordData(type, bytes, from, to, dataAt, length, names);
    if ((type === 1 || type === 28) && data !== undefined) addresses.push(data);
    const recordClass = dnsClassName(u16(bytes, fixedAt + 2));
    answers.push({ name, type: dnsTypeName(type), class: recordClass, ttl: u32(bytes, fixedAt + 4), data });
  }
  return {
    id: u16(bytes, from),
    ...dnsHeaderFlags(flags),
    question,
    answers: answers.length === 0 ? undefined : answers,
    resolved_ip: addresses.length === 0 ? undefined : addresses,
    questions_count: questions,
    answers_count: count,
    authorities_count: u16(bytes, from + 8),
    additionals_count: u16(bytes, from + 10),
  };
}

function recordSpans(type: number, at: number, fixedAt: number, length: number, spans: FieldSpans): void {
  spans.add("dns.resp.name", at, fixedAt - at);
  spans.add("dns.resp.type", fixedAt, 2);
  spans.add("dns.resp.class", fixedAt + 2, 2);
  spans.add("dns.resp.ttl", fixedAt + 4, 4);
  spans.add("dns.resp.len", fixedAt + 8, 2);
  spans.add(DATA_FIELDS[DNS_TYPES[type] ?? ""] ?? "dns.data", fixedAt + 10, length);
}

function recordData(
  type: number,
  bytes: Uint8Array,
  from: number,
  to: number,
  at: number,
  length: number,
  names: NameReader,
): string | undefined {
  const end = at + length;
  switch (DNS_TYPES[type]) {
    case "A":
      return length === 4 ? formatIp4(bytes, at) : undefined;
    case "AAAA":
      return length === 16 ? formatIp6(bytes, at) : undefined;
    case "CNAME":
    case "DNAME":
    case "NS":
    case "PTR":
      return names.read(bytes, from, to, at) && names.end <= end ? names.name : undefined;
    case "MX":
      if (length < 3 || !names.read(bytes, from, to, at + 2) || names.end > end) return undefined;
      return `${u16(bytes, at)} ${names.name}`;
    case "SRV":
      if (length < 7 || !names.read(bytes, from, to, at + 6) || names.end > end) return undefined;
      return `${u16(bytes, at)} ${u16(bytes, at + 2)} ${u16(bytes, at + 4)} ${names.name}`;
    case "TXT":
    case "SPF":
      return textData(bytes, at, end);
    default:
      return undefined;
  }
}

/** Strings of a length byte and as many bytes, joined by spaces. */
function textData(bytes: Uint8Array, at: number, end: number): string | undefined {
  const parts: string[] = [];
  while (at < end) {
    const next = at + 1 + bytes[at]!;
    if (next > end) return undefined;
    parts.push(Buffer.from(bytes.buffer, bytes.byteOffset + at + 1, next - at - 1).toString());
    at = next;
  }
  return parts.join(" ");
}
