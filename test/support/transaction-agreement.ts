import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { DNS_TYPES } from "../../src/codec/dns-names.ts";
import { createOutput } from "../../src/packet/outputs.ts";
import { cipherName } from "../../src/packet/tls/ciphers.ts";
import { documentsOf } from "./flows.ts";
import { tsharkFields } from "./tshark.ts";

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
const HTTP = [
  ...(["http.request.method", "http.request.uri", "http.request.version", "http.host", "http.user_agent"] as const),
  ...(["http.referer", "http.response.code", "http.response.phrase", "http.server", "http.time"] as const),
  "http.authbasic",
] as const;
const TLS = [
  ...(["tls.handshake.type", "tls.handshake.version", "tls.handshake.extensions.supported_version"] as const),
  ...(["tls.handshake.ciphersuite", "tls.handshake.extensions_server_name", "tls.handshake.ja3"] as const),
  ...(["tls.handshake.ja3s", "tls.handshake.extensions_alpn_str"] as const),
] as const;
const DHCP = [
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
const FIELDS = [...COMMON, ...DNS, ...HTTP, ...TLS, ...DHCP, ...OTHER] as const;
type Row = Record<(typeof FIELDS)[number], string>;

/** A question and its answer by what tshark says; one of them may not be there. */
interface Pair {
  readonly question: Row | undefined;
  readonly answer: Row | undefined;
}

/** A transaction as it is shipped. */
type Document = Readonly<Record<string, unknown>>;
type Compare = (document: Document, pair: Pair) => void;

/**
 * Checks that the transactions of a capture are those that tshark tells, with the same times and fields. Returns how
 * many there are, by type; unanswered ones also by `type unanswered`.
 */
export function assertTransactionsAgree(file: string): Map<string, number> {
  const output = createOutput("transactions", { show_credentials: true });
  const ours = documentsOf(readFileSync(file), output) as Document[];
  const rows = tsharkFields(file, FIELDS, [], "|");
  // Requests whose bodies did not get through are told only so.
  const heads = tsharkFields(file, FIELDS, ["http.desegment_body:FALSE"], "|");
  const theirs: Readonly<Record<string, readonly [readonly Pair[], Compare]>> = {
    dns: [dnsPairs(rows), compareDns],
    http: [httpPairs(heads, rows), compareHttp],
    tls: [tlsPairs(rows), compareTls],
    dhcpv4: [dhcpPairs(rows), compareDhcp],
    icmp: [icmpPairs(rows), compareIcmp],
    arp: [arpPairs(rows), compareArp],
    ntp: [ntpPairs(rows), compareNtp],
  };
  const counts = new Map<string, number>();
  const count = (name: string): unknown => counts.set(name, (counts.get(name) ?? 0) + 1);
  for (const [type, [pairs, compare]] of Object.entries(theirs)) {
    const found = ours.filter((each) => each["type"] === type && each["method"] !== "announce").sort(byTime);
    const expected = [...pairs].sort((a, b) => Number(beginOf(a) - beginOf(b)) || Number(endOf(a) - endOf(b)));
    const list = (documents: readonly Document[]): string => documents.map((each) => JSON.stringify(each)).join("\n");
    assert.equal(found.length, expected.length, `${type}:\n${list(found)}`);
    expected.forEach((pair, i) => {
      const document = found[i]!;
      compareCommon(document, pair);
      compare(document, pair);
      count(pair.answer === undefined ? `${type} unanswered` : type);
    });
  }
  return counts;
}

/** The value as text; of a list, its members with commas between them. */
function text(document: unknown, path: string): string {
  const value = at(document, path);
  return Array.isArray(value) ? value.join() : String((value as string | number | undefined) ?? "");
}

function at(document: unknown, path: string): unknown {
  return path
    .split(".")
    .reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined)?.[key], document);
}

function byTime(a: Document, b: Document): number {
  const key = (each: Document): string => `${text(each, "event.start")} ${text(each, "event.end")}`;
  return key(a) < key(b) ? -1 : 1;
}

/** Nanoseconds since the epoch. */
function timeOf(row: Row): bigint {
  const [seconds = "", fraction = ""] = row["frame.time_epoch"].split(".");
  return BigInt(seconds) * 1_000_000_000n + BigInt(fraction.slice(0, 9).padEnd(9, "0"));
}

function beginOf({ question, answer }: Pair): bigint {
  return timeOf((question ?? answer)!);
}

function endOf({ question, answer }: Pair): bigint {
  return question === undefined || answer === undefined ? 0n : timeOf(answer);
}

/** As our times are written: with microseconds, or without them where they are whole milliseconds. */
function iso(nanoseconds: bigint): string {
  const micros = String((nanoseconds / 1000n) % 1000n).padStart(3, "0");
  const millis = new Date(Number(nanoseconds / 1_000_000n)).toISOString();
  return micros === "000" ? millis : millis.replace("Z", `${micros}Z`);
}

const dashed = (mac: string): string => mac.toUpperCase().replaceAll(":", "-");
const first = (value: string): string => value.split("|")[0]!;
const last = (value: string): string => value.split("|").at(-1)!;

function compareCommon(document: Document, pair: Pair): void {
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

function sameOf(document: Document): (path: string, expected: string) => void {
  return (path, expected) => assert.equal(text(document, path), expected, `${path} ${JSON.stringify(document)}`);
}

/** Pairs messages by a key. Questions that are asked again, and answers that are given again, are left out. */
function pairsBy(
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
function pairsTo(rows: readonly Row[], isQuestion: (row: Row) => boolean, numberOf: (row: Row) => string): Pair[] {
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

function dnsPairs(rows: readonly Row[]): Pair[] {
  // Multicast DNS is not asked and answered.
  const unicast = rows.filter((row) => row["udp.dstport"] !== "5353");
  return pairsTo(
    unicast,
    (row) => row["dns.flags.response"] === "0",
    (row) => row["dns.response_to"],
  );
}

const RCODES = ["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"];

function compareDns(document: Document, { question, answer }: Pair): void {
  const same = sameOf(document);
  const row = (answer ?? question)!;
  same("dns.id", String(Number(row["dns.id"])));
  same("dns.question.name", row["dns.qry.name"].replace("<Root>", "."));
  same("dns.question.type", DNS_TYPES[Number(row["dns.qry.type"])] ?? "");
  same("resource", row["dns.qry.name"].replace("<Root>", "."));
  same("dns.questions_count", row["dns.count.queries"]);
  same("dns.answers_count", row["dns.count.answers"]);
  same("dns.authorities_count", row["dns.count.auth_rr"]);
  same("dns.additionals_count", row["dns.count.add_rr"]);
  const flags = at(document, "dns.header_flags") as string[] | undefined;
  const bits = { AA: "authoritative", TC: "truncated", RD: "recdesired", RA: "recavail" } as const;
  // LLMNR means other things by these bits (RFC 4795 section 2.1.1).
  const isDns = text(document, "network.protocol") === "dns";
  for (const [name, field] of Object.entries(isDns ? bits : {}))
    assert.equal(flags?.includes(name) ?? false, row[`dns.flags.${field}`] === "1", name);
  if (answer === undefined) return;
  assert.ok(Math.abs(Number(at(document, "event.duration")) - Number(answer["dns.time"]) * 1e9) < 1);
  same("dns.response_code", RCODES[Number(answer["dns.flags.rcode"])]!);
  const records = (at(document, "dns.answers") ?? []) as Record<string, unknown>[];
  const listed = (field: "dns.resp.name" | "dns.resp.ttl" | "dns.resp.type"): string =>
    answer[field].split("|").slice(0, records.length).join("|");
  const ours = (name: string): string => records.map((each) => String(each[name])).join("|");
  assert.equal(ours("name"), listed("dns.resp.name"));
  assert.equal(ours("ttl"), listed("dns.resp.ttl"));
  assert.equal(
    ours("type"),
    listed("dns.resp.type")
      .split("|")
      .map((type) => DNS_TYPES[Number(type)] ?? "")
      .join("|"),
  );
  const data = (type: string): string =>
    records
      .filter((each) => each["type"] === type)
      .map((each) => String(each["data"]))
      .join("|");
  assert.deepEqual([data("A"), data("AAAA"), data("TXT")], [answer["dns.a"], answer["dns.aaaa"], answer["dns.txt"]]);
}

/** The n-th response of a connection is that to its n-th request. */
function httpPairs(heads: readonly Row[], rows: readonly Row[]): Pair[] {
  const split = (row: Row, field: "http.request.method" | "http.response.code"): Row[] =>
    row[field].split("|").map((_, i) => {
      // Of several messages in one packet, each has its own values; what not all have is not compared.
      const size = row[field].split("|").length;
      const own = HTTP.map((each): [string, string] => {
        const values = row[each].split("|");
        return [each, values.length === size ? values[i]! : ""];
      });
      return { ...row, ...Object.fromEntries(own) };
    });
  const requests = heads
    .filter((row) => row["http.request.method"] !== "")
    .flatMap((row) => split(row, "http.request.method"));
  const responses = (of: readonly Row[]): Map<string, Row[]> => {
    const found = new Map<string, Row[]>();
    for (const row of of) {
      if (row["http.response.code"] === "") continue;
      const all = split(row, "http.response.code").filter((each) => Number(each["http.response.code"]) >= 200);
      found.set(row["tcp.stream"], [...(found.get(row["tcp.stream"]) ?? []), ...all]);
    }
    return found;
  };
  const waiting = responses(rows);
  for (const [stream, begun] of responses(heads)) {
    const whole = waiting.get(stream) ?? [];
    // Where the capture lacks segments tshark shows no response; what it has of it ends with the stream.
    const end = rows.findLast((row) => row["tcp.stream"] === stream && Number(row["tcp.len"]) > 0)!;
    const cut = begun.slice(whole.length).map((row) => ({ ...row, "frame.time_epoch": end["frame.time_epoch"] }));
    waiting.set(stream, [...whole, ...cut]);
  }
  return requests.map((question) => ({ question, answer: waiting.get(question["tcp.stream"])?.shift() }));
}

function compareHttp(document: Document, { question, answer }: Pair): void {
  const same = sameOf(document);
  same("http.request.method", question!["http.request.method"]);
  same("url.original", question!["http.request.uri"]);
  same("http.version", question!["http.request.version"].replace("HTTP/", ""));
  same("http.request.headers.host", question!["http.host"]);
  if (question!["http.user_agent"] !== "") same("user_agent.original", question!["http.user_agent"]);
  same("http.request.referrer", question!["http.referer"]);
  same("user.name", question!["http.authbasic"].split(":")[0]!);
  same("http.response.status_code", answer?.["http.response.code"] ?? "");
  if (answer === undefined) return;
  same("http.response.status_phrase", answer["http.response.phrase"]);
  same("http.response.headers.server", answer["http.server"]);
}

function tlsPairs(rows: readonly Row[]): Pair[] {
  const hellos = rows.flatMap((row) => {
    const type = first(row["tls.handshake.type"]);
    return type === "1" || type === "2" ? [{ key: row["tcp.stream"], isQuestion: type === "1", row }] : [];
  });
  return pairsBy(hellos);
}

const TLS_VERSIONS: Readonly<Record<string, string>> = {
  "0x0301": "1.0",
  "0x0302": "1.1",
  "0x0303": "1.2",
  "0x0304": "1.3",
};

function compareTls(document: Document, { question, answer }: Pair): void {
  const same = sameOf(document);
  same("tls.client.server_name", question!["tls.handshake.extensions_server_name"]);
  same("destination.domain", question!["tls.handshake.extensions_server_name"]);
  same("tls.client.ja3", question!["tls.handshake.ja3"]);
  const details = "tls.detailed.client_hello.extensions";
  const listed = (value: string, of: (each: string) => string): string =>
    value === "" ? "" : value.split("|").map(of).join();
  same(
    `${details}.application_layer_protocol_negotiation`,
    listed(question!["tls.handshake.extensions_alpn_str"], String),
  );
  const versions = question!["tls.handshake.extensions.supported_version"];
  same(
    `${details}.supported_versions`,
    listed(versions, (each) => TLS_VERSIONS[each]!),
  );
  same(
    "tls.client.supported_ciphers",
    listed(question!["tls.handshake.ciphersuite"], (each) => cipherName(Number(each))),
  );
  if (answer === undefined) return;
  const version = answer["tls.handshake.extensions.supported_version"] || first(answer["tls.handshake.version"]);
  same("tls.version", TLS_VERSIONS[version]!);
  same("tls.cipher", cipherName(Number(answer["tls.handshake.ciphersuite"])));
  same("tls.next_protocol", answer["tls.handshake.extensions_alpn_str"]);
  same("tls.server.ja3s", answer["tls.handshake.ja3s"]);
}

const DHCP_TYPES = ["", "discover", "offer", "request", "decline", "ack", "nak", "release", "inform"];

function dhcpPairs(rows: readonly Row[]): Pair[] {
  const messages = rows.flatMap((row) => {
    const type = DHCP_TYPES[Number(row["dhcp.option.dhcp"])] ?? "";
    if (type === "") return [];
    const isQuestion = type === "discover" || type === "request";
    const kind = type === "discover" || type === "offer" ? "discover" : "request";
    return [{ key: `${row["dhcp.id"]} ${first(row["dhcp.hw.mac_addr"])} ${kind}`, isQuestion, row }];
  });
  return pairsBy(messages);
}

function compareDhcp(document: Document, { question, answer }: Pair): void {
  const same = sameOf(document);
  const row = (answer ?? question)!;
  const given = (address: string): string => (address === "0.0.0.0" ? "" : address);
  same("method", DHCP_TYPES[Number(question!["dhcp.option.dhcp"])]!);
  same("dhcpv4.option.message_type", DHCP_TYPES[Number(row["dhcp.option.dhcp"])]!);
  same("dhcpv4.transaction_id", row["dhcp.id"]);
  same("dhcpv4.client_mac", dashed(first(row["dhcp.hw.mac_addr"])));
  same("dhcpv4.seconds", row["dhcp.secs"]);
  same("dhcpv4.hops", row["dhcp.hops"]);
  same("dhcpv4.assigned_ip", given(row["dhcp.ip.your"]));
  same("dhcpv4.server_ip", given(row["dhcp.ip.server"]));
  const either = (field: (typeof DHCP)[number]): string => row[field] || question![field];
  const option = (name: string, field: (typeof DHCP)[number]): void =>
    same(`dhcpv4.option.${name}`, either(field).replaceAll("|", ","));
  option("server_identifier", "dhcp.option.dhcp_server_id");
  option("ip_address_lease_time_sec", "dhcp.option.ip_address_lease_time");
  option("renewal_time_sec", "dhcp.option.renewal_time_value");
  option("rebinding_time_sec", "dhcp.option.rebinding_time_value");
  option("subnet_mask", "dhcp.option.subnet_mask");
  option("broadcast_address", "dhcp.option.broadcast_address");
  option("router", "dhcp.option.router");
  option("dns_servers", "dhcp.option.domain_name_server");
  option("hostname", "dhcp.option.hostname");
  option("requested_ip_address", "dhcp.option.requested_ip_address");
  option("parameter_request_list", "dhcp.option.request_list_item");
  option("class_identifier", "dhcp.option.vendor_class_id");
  option("max_dhcp_message_size", "dhcp.option.dhcp_max_message_size");
}

function icmpPairs(rows: readonly Row[]): Pair[] {
  // Errors quote others' headers: their lists have several values.
  const echoes = rows.filter((row) => !row["icmp.type"].includes("|") && row["icmp.type"] + row["icmpv6.type"] !== "");
  const isEcho = (row: Row): boolean => row["icmp.type"] === "8" || row["icmpv6.type"] === "128";
  const neighbours = rows.flatMap((row) => {
    const { "icmpv6.nd.ns.target_address": asked, "icmpv6.nd.na.target_address": told } = row;
    // Whoever has no address yet asks whether another has it.
    if (asked + told === "" || row["ipv6.src"] === "::") return [];
    return [{ key: asked + told, isQuestion: asked !== "", row }];
  });
  const routers = echoes
    .filter((row) => row["icmpv6.type"] === "133")
    .map((row) => ({ key: "router", isQuestion: true, row }));
  return [
    ...pairsTo(echoes, isEcho, (row) => row["icmp.resp_to"] || row["icmpv6.resp_to"]),
    ...pairsBy(neighbours).filter(({ question }) => question !== undefined),
    ...pairsBy(routers),
  ];
}

function compareIcmp(document: Document, { question, answer }: Pair): void {
  const same = sameOf(document);
  const halves = { request: question, response: answer };
  for (const [name, row] of Object.entries(halves)) {
    if (row === undefined) continue;
    same(`icmp.${name}.type`, row["icmp.type"] || row["icmpv6.type"]);
    same(`icmp.${name}.code`, row["icmp.code"] || row["icmpv6.code"]);
  }
  same("resource", question!["icmpv6.nd.ns.target_address"] || question!["ip.dst"] || question!["ipv6.dst"]);
  const milliseconds = answer === undefined ? "" : answer["icmp.resptime"] || answer["icmpv6.resptime"];
  if (milliseconds === "") return;
  assert.ok(Math.abs(Number(at(document, "event.duration")) - Number(milliseconds) * 1e6) < 1, milliseconds);
}

function arpPairs(rows: readonly Row[]): Pair[] {
  const messages = rows.flatMap((row) => {
    const { "arp.src.proto_ipv4": source, "arp.dst.proto_ipv4": destination } = row;
    if (source === "" || source === destination) return [];
    const isQuestion = row["arp.opcode"] === "1";
    return [{ key: isQuestion ? `${source} ${destination}` : `${destination} ${source}`, isQuestion, row }];
  });
  return pairsBy(messages);
}

function compareArp(document: Document, { question, answer }: Pair): void {
  const same = sameOf(document);
  const [src, dst] = answer === undefined ? (["src", "dst"] as const) : (["dst", "src"] as const);
  const row = (answer ?? question)!;
  same("arp.src.proto_ipv4", row[`arp.${src}.proto_ipv4`]);
  same("arp.src.hw_mac", dashed(row[`arp.${src}.hw_mac`]));
  same("arp.dst.proto_ipv4", row[`arp.${dst}.proto_ipv4`]);
  same("arp.dst.hw_mac", dashed(row[`arp.${dst}.hw_mac`]));
}

function ntpPairs(rows: readonly Row[]): Pair[] {
  const messages = rows.flatMap((row) => {
    const mode = row["ntp.flags.mode"];
    if (mode !== "3" && mode !== "4") return [];
    return [{ key: mode === "3" ? row["ntp.xmt"] : row["ntp.org"], isQuestion: mode === "3", row }];
  });
  return pairsBy(messages);
}

function compareNtp(document: Document, { question, answer }: Pair): void {
  const same = sameOf(document);
  const row = (answer ?? question)!;
  same("ntp.version", row["ntp.flags.vn"]);
  same("ntp.leap", row["ntp.flags.li"]);
  same("ntp.stratum", row["ntp.stratum"]);
  same("ntp.poll", row["ntp.ppoll"]);
  same("ntp.precision", String((Number(row["ntp.precision"]) << 24) >> 24));
  const id = row["ntp.refid"].replaceAll(":", "");
  if (Number(row["ntp.stratum"]) >= 2) same("ntp.reference_id", [...Buffer.from(id, "hex")].join("."));
  const times = { reference_time: "reftime", origin_time: "org", receive_time: "rec", transmit_time: "xmt" } as const;
  for (const [name, field] of Object.entries(times)) {
    const [whole = "", fraction = ""] = last(row[`ntp.${field}`]).replace(" UTC", "").split(".");
    const seconds = whole === "NULL" ? NaN : Date.parse(`${whole} UTC`);
    const expected = Number.isNaN(seconds) ? "" : iso(BigInt(seconds) * 1_000_000n + BigInt(fraction.padEnd(9, "0")));
    same(`ntp.${name}`, expected);
  }
}
