import { formatIp4, formatIp6 } from "../address.ts";
import { u16, u32 } from "../headers/cursor.ts";
import { NameReader } from "./name.ts";

/** A DNS message (RFC 1035, and multicast DNS and LLMNR, which look alike) as ECS has it under `dns`. */
export interface DnsMessage {
  readonly id: number;
  readonly type: "query" | "answer";
  readonly op_code: string;
  /** Of answers. */
  readonly response_code: string | undefined;
  readonly header_flags: readonly string[];
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
/** More answers than these are counted, but not shown. */
const MAX_ANSWERS = 128;

const TYPES: Readonly<Record<number, string>> = {
  ...{ 1: "A", 2: "NS", 5: "CNAME", 6: "SOA", 12: "PTR", 13: "HINFO", 15: "MX", 16: "TXT", 28: "AAAA", 29: "LOC" },
  ...{ 33: "SRV", 35: "NAPTR", 39: "DNAME", 41: "OPT", 43: "DS", 46: "RRSIG", 47: "NSEC", 48: "DNSKEY", 50: "NSEC3" },
  ...{ 51: "NSEC3PARAM", 52: "TLSA", 64: "SVCB", 65: "HTTPS", 99: "SPF", 249: "TKEY", 250: "TSIG", 251: "IXFR" },
  ...{ 252: "AXFR", 255: "ANY", 257: "CAA" },
};
const CLASSES: Readonly<Record<number, string>> = { 1: "IN", 3: "CH", 4: "HS", 254: "NONE", 255: "ANY" };
const OP_CODES: Readonly<Record<number, string>> = { 0: "QUERY", 1: "IQUERY", 2: "STATUS", 4: "NOTIFY", 5: "UPDATE" };
const RESPONSE_CODES: Readonly<Record<number, string>> = {
  ...{ 0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED", 6: "YXDOMAIN" },
  ...{ 7: "YXRRSET", 8: "NXRRSET", 9: "NOTAUTH", 10: "NOTZONE" },
};
/** Bits of the second word of the header, as ECS abbreviates them. */
const FLAGS = [
  ["AA", 0x0400],
  ["TC", 0x0200],
  ["RD", 0x0100],
  ["RA", 0x0080],
  ["AD", 0x0020],
  ["CD", 0x0010],
] as const;

/**
 * Decodes the message in `bytes` from `from` to `to`: 0 id | 2 flags | 4 four counts | 12 questions, answers,
 * authorities, additionals. Undefined: it is malformed or not all there. Nothing makes it throw; its time is bounded by
 * the message's length.
 */
export function decodeDns(bytes: Uint8Array, from: number, to: number): DnsMessage | undefined {
  if (to - from < HEADER_BYTES) return undefined;
  const flags = u16(bytes, from + 2);
  const isAnswer = (flags & 0x8000) !== 0;
  const names = new NameReader();
  const questions = u16(bytes, from + 4);
  let at = from + HEADER_BYTES;
  let question: DnsQuestion | undefined;
  for (let i = 0; i < questions; i++) {
    if (!names.read(bytes, from, to, at) || to - names.end < 4) return undefined;
    at = names.end + 4;
    // In multicast DNS the highest bit of the class asks for an answer to one host (RFC 6762 section 5.4).
    question ??= {
      name: names.name,
      type: typeName(u16(bytes, names.end)),
      class: className(u16(bytes, names.end + 2) & 0x7fff),
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
    at = dataAt + length;
    if (answers.length === MAX_ANSWERS) continue;
    const type = u16(bytes, fixedAt);
    const data = recordData(type, bytes, from, to, dataAt, length, names);
    if ((type === 1 || type === 28) && data !== undefined) addresses.push(data);
    // There the highest bit of the class says that caches are to forget what they have (section 10.2).
    const recordClass = className(u16(bytes, fixedAt + 2) & 0x7fff);
    answers.push({ name, type: typeName(type), class: recordClass, ttl: u32(bytes, fixedAt + 4), data });
  }
  return {
    id: u16(bytes, from),
    type: isAnswer ? "answer" : "query",
    op_code: OP_CODES[(flags >> 11) & 15] ?? String((flags >> 11) & 15),
    response_code: isAnswer ? (RESPONSE_CODES[flags & 15] ?? String(flags & 15)) : undefined,
    header_flags: FLAGS.filter(([, bit]) => (flags & bit) !== 0).map(([name]) => name),
    question,
    answers: answers.length === 0 ? undefined : answers,
    resolved_ip: addresses.length === 0 ? undefined : addresses,
    questions_count: questions,
    answers_count: count,
    authorities_count: u16(bytes, from + 8),
    additionals_count: u16(bytes, from + 10),
  };
}

/** RFC 3597 for types without a name. */
function typeName(type: number): string {
  return TYPES[type] ?? `TYPE${type}`;
}

function className(value: number): string {
  return CLASSES[value] ?? `CLASS${value}`;
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
  switch (TYPES[type]) {
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
