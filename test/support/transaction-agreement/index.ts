import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createOutput } from "../../../src/packet/outputs.ts";
import { documentsOf } from "../flows.ts";
import { tsharkFields } from "../tshark.ts";
import { compareDhcp, dhcpPairs } from "./dhcp.ts";
import { compareDns, dnsPairs } from "./dns.ts";
import { compareHttp, httpPairs } from "./http.ts";
import { arpPairs, compareArp, compareIcmp, compareNtp, icmpPairs, ntpPairs } from "./icmp-arp-ntp.ts";
import { byTime, compareCommon, FIELDS, pairsByTime, type Compare, type Document, type Pair } from "./pairs.ts";
import { compareTls, tlsPairs } from "./tls.ts";

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
    const expected = [...pairs].sort(pairsByTime);
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
