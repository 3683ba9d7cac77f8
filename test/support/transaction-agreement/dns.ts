import assert from "node:assert/strict";
import { DNS_TYPES } from "../../../src/codec/dns-names.ts";
import { text, at, sameOf, pairsTo, type Document, type Pair, type Row } from "./pairs.ts";

export function dnsPairs(rows: readonly Row[]): Pair[] {
  // Multicast DNS is not asked and answered.
  const unicast = rows.filter((row) => row["udp.dstport"] !== "5353");
  return pairsTo(
    unicast,
    (row) => row["dns.flags.response"] === "0",
    (row) => row["dns.response_to"],
  );
}

const RCODES = ["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"];

export function compareDns(document: Document, { question, answer }: Pair): void {
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
