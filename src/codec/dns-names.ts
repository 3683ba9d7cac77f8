/** What the numbers of DNS are called (RFC 1035 and IANA's registry), as ECS spells them. */

export const DNS_TYPES: Readonly<Record<number, string>> = {
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

/** What the second word of a message's header says. */
export interface DnsHeaderFlags {
  readonly type: "query" | "answer";
  readonly op_code: string;
  /** Of answers. */
  readonly response_code: string | undefined;
  readonly header_flags: readonly string[];
}

export function dnsHeaderFlags(flags: number): DnsHeaderFlags {
  const isAnswer = (flags & 0x8000) !== 0;
  return {
    type: isAnswer ? "answer" : "query",
    op_code: OP_CODES[(flags >> 11) & 15] ?? String((flags >> 11) & 15),
    response_code: isAnswer ? (RESPONSE_CODES[flags & 15] ?? String(flags & 15)) : undefined,
    header_flags: FLAGS.filter(([, bit]) => (flags & bit) !== 0).map(([name]) => name),
  };
}

/** RFC 3597 for types without a name. */
export function dnsTypeName(type: number): string {
  return DNS_TYPES[type] ?? `TYPE${type}`;
}

/**
 * In multicast DNS the highest bit of the class asks for an answer to one host, or says that caches are to forget what
 * they have (RFC 6762 sections 5.4 and 10.2): it is no part of the class.
 */
export function dnsClassName(value: number): string {
  const known = value & 0x7fff;
  return CLASSES[known] ?? `CLASS${known}`;
}
