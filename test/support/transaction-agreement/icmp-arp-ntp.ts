import assert from "node:assert/strict";
import { pairsTo, at, iso, dashed, last, sameOf, pairsBy, type Document, type Pair, type Row } from "./pairs.ts";

export function icmpPairs(rows: readonly Row[]): Pair[] {
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

export function compareIcmp(document: Document, { question, answer }: Pair): void {
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

export function arpPairs(rows: readonly Row[]): Pair[] {
  const messages = rows.flatMap((row) => {
    const { "arp.src.proto_ipv4": source, "arp.dst.proto_ipv4": destination } = row;
    if (source === "" || source === destination) return [];
    const isQuestion = row["arp.opcode"] === "1";
    return [{ key: isQuestion ? `${source} ${destination}` : `${destination} ${source}`, isQuestion, row }];
  });
  return pairsBy(messages);
}

export function compareArp(document: Document, { question, answer }: Pair): void {
  const same = sameOf(document);
  const [src, dst] = answer === undefined ? (["src", "dst"] as const) : (["dst", "src"] as const);
  const row = (answer ?? question)!;
  same("arp.src.proto_ipv4", row[`arp.${src}.proto_ipv4`]);
  same("arp.src.hw_mac", dashed(row[`arp.${src}.hw_mac`]));
  same("arp.dst.proto_ipv4", row[`arp.${dst}.proto_ipv4`]);
  same("arp.dst.hw_mac", dashed(row[`arp.${dst}.hw_mac`]));
}

export function ntpPairs(rows: readonly Row[]): Pair[] {
  const messages = rows.flatMap((row) => {
    const mode = row["ntp.flags.mode"];
    if (mode !== "3" && mode !== "4") return [];
    return [{ key: mode === "3" ? row["ntp.xmt"] : row["ntp.org"], isQuestion: mode === "3", row }];
  });
  return pairsBy(messages);
}

export function compareNtp(document: Document, { question, answer }: Pair): void {
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
