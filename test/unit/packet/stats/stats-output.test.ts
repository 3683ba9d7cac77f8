import assert from "node:assert/strict";
import { it } from "node:test";
import { StatsOutput } from "../../../../src/packet/stats/stats-output.ts";
import { documentsOf, pcapAt } from "../../../support/flows.ts";
import * as f from "../../../support/frames.ts";

interface Metric {
  readonly "@timestamp": string;
  readonly event: { readonly start: string; readonly end: string };
  readonly metric: { readonly name: string; readonly value: number; readonly unit: string; readonly total: number };
  readonly network: Readonly<Record<string, string>>;
  readonly observer?: { readonly ingress: { readonly interface: { readonly name: string } } };
}
const dns = f.eth(0x0800, f.ip4(17, f.udp(4000, 53, Buffer.alloc(12))));
const tcp = f.eth(0x86dd, f.ip6(6, f.tcp(1, 2)));
const arp = f.eth(0x0806, f.arp(1));

it("an interval's packets and bytes become rates by protocol, and the next interval begins anew", () => {
  const output = new StatsOutput({ interval_seconds: 10 });
  const capture = pcapAt([
    [0, dns],
    [1, tcp],
    [2, dns],
    [9000, arp],
    [10_000, dns],
    [65_000, tcp],
  ]);
  const documents = documentsOf(capture, output) as Metric[];
  const packets = documents.filter(({ metric }) => metric.unit === "packets/s");
  assert.deepEqual(
    packets.map(({ event, metric, network }) => [event.start.slice(14, 19), network, metric.value, metric.total]),
    [
      ["13:20", { type: "ipv4", transport: "udp", iana_number: "17", protocol: "dns" }, 0.2, 2],
      ["13:20", { type: "ipv6", transport: "tcp", iana_number: "6" }, 0.1, 1],
      ["13:20", { type: "arp" }, 0.1, 1],
      ["13:30", { type: "ipv4", transport: "udp", iana_number: "17", protocol: "dns" }, 0.1, 1],
      ["14:20", { type: "ipv6", transport: "tcp", iana_number: "6" }, 0.1, 1],
    ],
  );
  const bytes = documents.filter(({ metric }) => metric.name === "network.bytes_per_second");
  assert.equal(
    bytes.reduce((sum, { metric }) => sum + metric.total, 0),
    3 * dns.length + 2 * tcp.length + arp.length,
  );
  assert.equal(documents[0]!.event.end, documents[0]!.event.start.replace("13:20", "13:30"));
  assert.deepEqual(output.counters(), { stats_packets: 6, stats_untimed_packets: 0, stats_events: 10 });
});

it("interfaces are told apart by their names, and packets without a time are only counted", () => {
  const b = new f.PcapngBlocks();
  const interfaces = ["eth0", "eth1"].map((name) => b.interface(1, 0, b.option(2, Buffer.from(name))));
  const packets = [b.packet(0, 5_000_000n, dns), b.packet(1, 6_000_000n, dns), b.simple(dns)];
  const output = new StatsOutput({ interval_seconds: 60 });
  const documents = documentsOf(f.join(b.section(), ...interfaces, ...packets), output) as Metric[];
  assert.deepEqual(
    documents.map(({ observer, metric }) => [observer?.ingress.interface.name, metric.unit]),
    ["eth0", "eth1"].flatMap((name) => [
      [name, "packets/s"],
      [name, "bytes/s"],
    ]),
  );
  assert.equal(output.counters()["stats_untimed_packets"], 1);
});

it("an interval is over when the source says so", () => {
  const output = new StatsOutput({ interval_seconds: 60 });
  const capture = pcapAt([[0, dns]]);
  assert.equal(documentsOf(capture, output).length, 2);
  assert.equal(documentsOf(capture, output).length, 2, "nothing is left over");
});
