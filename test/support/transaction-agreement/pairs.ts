import assert from "node:assert/strict";

const COMMON = [
  ...(["frame.number", "frame.time_epoch", "eth.src", "eth.dst", "ip.src", "ip.dst", "ipv6.src", "ipv6.dst"] as const),
  ...(["tcp.stream", "tcp.len", "tcp.srcport", "tcp.dstport", "udp.srcport", "udp.dstport", "communityid"] as const),
] as const;
const DNS = [
  ...(["dns.id", "dns.flags.response", "dns.flags.opcode", "dns.flags.rcode", "dns.flags.authoritative"] as const),
  ...(["dns.flags.recdesired", "dns.flags.recavail", "dns.flags.truncated", "dns.response_to", "dns.time"] as const),
  ...(["dns.qry.name", "dns.qry.type", "dns.resp.name", "dns.resp.ttl", "dns.resp.type", "dns.a", "dns.aaaa"] as const),
  ...(["dns.txt", "dns.count.queries", "dns.count.answers", "dns.count.auth_rr", "dns.count.add_rr"] as const),
] as const;
export const HTTP = [
  ...(["http.request.method", "http.request.uri", "http.request.version", "http.host", "http.user_agent"] as const),
  ...(["http.referer", "http.response.code", "http.response.phrase", "http.server", "http.time"] as const),
  "http.authbasic",
] as const;
const TLS = [
  ...(["tls.handshake.type", "tls.handshake.version", "tls.handshake.extensions.supported_version"] as const),
  ...(["tls.handshake.ciphersuite", "tls.handshake.extensions_server_name", "tls.handshake.ja3"] as const),
  ...(["tls.handshake.ja3s", "tls.handshake.extensions_alpn_str"] as const),
] as const;
export const DHCP = [
  ...(["dhcp.id", "dhcp.hw.mac_addr", "dhcp.secs", "dhcp.hops", "dhcp.ip.client", "dhcp.ip.your"] as const),
  ...(["dhcp.ip.server", "dhcp.ip.relay", "dhcp.option.dhcp", "dhcp.option.dhcp_server_id"] as const),
  ...(["dhcp.option.ip_address_lease_time", "dhcp.option.renewal_time_value"] as const),
  ...(["dhcp.option.rebinding_time_value", "dhcp.option.subnet_mask", "dhcp.option.broadcast_address"] as const),
  ...(["dhcp.option.router", "dhcp.option.domain_name_server", "dhcp.option.hostname"] as const),
  ...(["dhcp.option.requested_ip_address", "dhcp.option.request_list_item", "dhcp.option.vendor_class_id"] as const),
  "dhcp.option.dhcp_max_message_size",
] as const;
const OTHER = [
  ...(["icmp.type", "icmp.code", "icmp.resp_to", "icmp.resptime", "icmpv6.type", "icmpv6.code"] as const),
  ...(["icmpv6.echo.identifier", "icmpv6.resp_to", "icmpv6.resptime", "icmpv6.nd.ns.target_address"] as const),
  ...(["icmpv6.nd.na.target_address", "arp.opcode", "arp.src.hw_mac", "arp.src.proto_ipv4"] as const),
  ...(["arp.dst.hw_mac", "arp.dst.proto_ipv4", "ntp.flags.mode", "ntp.flags.vn", "ntp.flags.li"] as const),
  ...(["ntp.stratum", "ntp.ppoll", "ntp.precision", "ntp.refid", "ntp.org", "ntp.rec", "ntp.xmt"] as const),
  "ntp.reftime",
] as const;
export const FIELDS = [...COMMON, ...DNS, ...HTTP, ...TLS, ...DHCP, ...OTHER] as const;
export type Row = Record<(typeof FIELDS)[number], string>;

/** A question and its answer by what tshark says; one of them may not be there. */
export interface Pair {
  readonly question: Row | undefined;
  readonly answer: Row | undefined;
}

/** A transaction as it is shipped. */
export type Document = Readonly<Record<string, unknown>>;
export type Compare = (document: Document, pair: Pair) => void;

/** The value as text; of a list, its members with commas between them. */
export function text(document: unknown, path: string): string {
  const value = at(document, path);
  return Array.isArray(value) ? value.join() : String((value as string | number | undefined) ?? "");
}

export function at(document: unknown, path: string): unknown {
  return path
    .split(".")
    .reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined)?.[key], document);
}

/** Documents in the order of `pairsByTime`. Their times are text of two lengths, which does not sort by time. */
export function byTime(a: Document, b: Document): number {
  const key = (each: Document): string =>
    ["event.start", "event.end"].map((path) => text(each, path).replace(/\.(\d{3})Z$/, ".$1000Z")).join(" ");
  return key(a) === key(b) ? 0 : key(a) < key(b) ? -1 : 1;
}

/** Pairs by when they begin and then end, in microseconds as documents have them. */
export function pairsByTime(a: Pair, b: Pair): number {
  const begin = beginOf(a) / 1000n - beginOf(b) / 1000n;
  return Number(begin === 0n ? endOf(a) / 1000n - endOf(b) / 1000n : begin);
}

/** Nanoseconds since the epoch. */
export function timeOf(row: Row): bigint {
  const [seconds = "", fraction = ""] = row["frame.time_epoch"].split(".");
  return BigInt(seconds) * 1_000_000_000n + BigInt(fraction.slice(0, 9).padEnd(9, "0"));
}

export function beginOf({ question, answer }: Pair): bigint {
  return timeOf((question ?? answer)!);
}

export function endOf({ question, answer }: Pair): bigint {
  return question === undefined || answer === undefined ? 0n : timeOf(answer);
}

/** As our times are written: with microseconds, or without them where they are whole milliseconds. */
export function iso(nanoseconds: bigint): string {
  // Rounded down also before 1970: chronyd sends random times, so that nobody can guess them.
  const ofMillisecond = ((nanoseconds % 1_000_000n) + 1_000_000n) % 1_000_000n;
  const micros = String(ofMillisecond / 1000n).padStart(3, "0");
  const millis = new Date(Number((nanoseconds - ofMillisecond) / 1_000_000n)).toISOString();
  return micros === "000" ? millis : millis.replace("Z", `${micros}Z`);
}

export const dashed = (mac: string): string => mac.toUpperCase().replaceAll(":", "-");
export const first = (value: string): string => value.split("|")[0]!;
export const last = (value: string): string => value.split("|").at(-1)!;

export function compareCommon(document: Document, pair: Pair): void {
  const { question, answer } = pair;
  const shown = JSON.stringify(document);
  const same = (path: string, expected: string): void =>
    assert.equal(text(document, path), expected, `${path} ${shown}`);
  same("event.start", iso(beginOf(pair)));
  const isWhole = question !== undefined && answer !== undefined;
  same("event.end", isWhole ? iso(timeOf(answer)) : "");
  same("event.duration", isWhole ? String(timeOf(answer) - timeOf(question)) : "");
  same("tags", isWhole ? "" : question === undefined ? "no_request" : "unanswered");
  if (question === undefined) return;
  same("source.port", question["udp.srcport"] || question["tcp.srcport"]);
  if (question["eth.src"] !== "") same("source.mac", dashed(first(question["eth.src"])));
  if (text(document, "type") === "arp") return;
  same("source.ip", question["ip.src"] || question["ipv6.src"]);
  same("destination.port", question["udp.dstport"] || question["tcp.dstport"]);
  same("network.community_id", question.communityid);
  // Whoever answers a question to everybody is the server.
  if (text(document, "type") !== "dhcpv4") same("destination.ip", question["ip.dst"] || question["ipv6.dst"]);
  else if (answer !== undefined) same("destination.ip", answer["ip.src"]);
}

export function sameOf(document: Document): (path: string, expected: string) => void {
  return (path, expected) => assert.equal(text(document, path), expected, `${path} ${JSON.stringify(document)}`);
}

/** Pairs messages by a key. Questions that are asked again, and answers that are given again, are left out. */
export function pairsBy(
  messages: readonly { readonly key: string; readonly isQuestion: boolean; readonly row: Row }[],
): Pair[] {
  const found: Pair[] = [];
  const open = new Map<string, Row>();
  const answered = new Set<string>();
  for (const { key, isQuestion, row } of messages) {
    const question = open.get(key);
    if (isQuestion) {
      if (question === undefined) open.set(key, row);
    } else if (question !== undefined) {
      open.delete(key);
      answered.add(key);
      found.push({ question, answer: row });
    } else if (!answered.has(key)) found.push({ question: undefined, answer: row });
  }
  for (const question of open.values()) found.push({ question, answer: undefined });
  return found;
}

/** Pairs rows by the frame number that tshark says an answer is the answer to. */
export function pairsTo(
  rows: readonly Row[],
  isQuestion: (row: Row) => boolean,
  numberOf: (row: Row) => string,
): Pair[] {
  const byNumber = new Map(rows.map((row) => [row["frame.number"], row]));
  const answers = rows.filter((row) => numberOf(row) !== "");
  const answered = new Set(answers.map(numberOf));
  return [
    ...answers.map((answer) => ({ question: byNumber.get(numberOf(answer)), answer })),
    ...rows
      .filter((row) => isQuestion(row) && !answered.has(row["frame.number"]))
      .map((question) => ({ question, answer: undefined })),
  ];
}
