import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { CaptureReader } from "../../src/packet/capture/capture-reader.ts";
import { CommunityId } from "../../src/packet/community-id.ts";
import { HeaderDecoder } from "../../src/packet/headers/decode.ts";
import { FLAG } from "../../src/packet/headers/header-columns.ts";
import { PacketEvents, type PacketEvent } from "../../src/packet/packet-event.ts";
import { assertSameDocuments } from "./packet-documents.ts";
import { knownLayers, tsharkFields } from "./tshark.ts";

const REPEATED = [
  ...(["tcp.analysis.retransmission", "tcp.analysis.out_of_order", "tcp.analysis.keep_alive"] as const),
] as const;
const FIELDS = [
  ...REPEATED,
  ...(["frame.number", "frame.len", "frame.cap_len", "frame.time_epoch", "frame.protocols"] as const),
  ...([
    "eth.src",
    "ieee8021ad.id",
    "vlan.id",
    "ip.src",
    "ip.dst",
    "ipv6.src",
    "ipv6.dst",
    "ip.ttl",
    "ipv6.hlim",
  ] as const),
  ...(["tcp.srcport", "tcp.dstport", "tcp.flags", "tcp.len", "tcp.seq_raw", "tcp.window_size_value"] as const),
  ...(["udp.srcport", "udp.dstport", "icmp.type", "icmpv6.type", "arp.opcode", "arp.src.proto_ipv4"] as const),
  ...(["dns.id", "dns.qry.name", "dns.flags.rcode", "dns.a", "dns.aaaa", "dns.count.answers"] as const),
  ...(["dhcp.id", "dhcp.ip.your", "dhcp.hw.mac_addr", "dhcp.option.dhcp"] as const),
  "communityid",
] as const;
type Fields = Record<(typeof FIELDS)[number], string>;

/** Checks every packet of a capture against tshark, field for field. Returns how many there are, by stack of layers. */
export function assertAgreesWithTshark(file: string): Map<string, number> {
  const theirs = tsharkFields(file, FIELDS);
  const reader = new CaptureReader();
  const decoder = new HeaderDecoder(1024);
  const events = new PacketEvents();
  const communityId = new CommunityId();
  const counts = new Map<string, number>();
  let number = 0;
  assertSameDocuments(readFileSync(file));
  for (const batch of reader.read(readFileSync(file))) {
    const columns = decoder.decode(batch);
    for (let i = 0; i < batch.count; i++) {
      const event = events.of(batch, columns, i, reader.interfaces[batch.interfaceIndex[i]!]);
      const their = theirs[number++];
      assert.ok(their !== undefined, "tshark has fewer packets");
      const isMalformed = (columns.flags[i]! & (FLAG.malformed | FLAG.cut)) !== 0;
      // tshark's id is that of the innermost addresses; ours, in the event, that of the outermost ones.
      const isTunnel = columns.ipAt[2 * i + 1]! >= 0;
      const id = communityId.of(batch.bytes, columns, i, isTunnel);
      if (!isTunnel) assert.equal(event.network.community_id, id);
      compare(event, their, id, isMalformed, columns.ipVersion[2 * i + (isTunnel ? 1 : 0)] === 6);
      counts.set(event.frame.protocols, (counts.get(event.frame.protocols) ?? 0) + 1);
    }
  }
  assert.equal(reader.end().kind, "complete");
  assert.equal(number, theirs.length, "tshark has more packets");
  return counts;
}

function compare(event: PacketEvent, their: Fields, id: string | undefined, isMalformed: boolean, is6: boolean): void {
  const { frame, source, destination, tcp, network } = event;
  const layers = frame.protocols.split(":");
  const same = (field: keyof Fields, ours: string | number | undefined, want = their[field]): void =>
    assert.equal(String(ours ?? ""), want, `${field} of packet ${frame.number} (${frame.protocols})`);
  same("frame.number", frame.number);
  same("frame.len", frame.len);
  same("frame.cap_len", frame.cap_len);
  const [seconds = "", fraction = ""] = their["frame.time_epoch"].split(".");
  same("frame.time_epoch", frame.time, `${new Date(Number(seconds) * 1000).toISOString().slice(0, 19)}.${fraction}Z`);
  // What it takes for a repeated segment, or what is cut, tshark does not always look into.
  const isPassedOver = frame.cap_len < frame.len || REPEATED.some((field) => their[field] !== "");
  if (isPassedOver) assert.ok(frame.protocols.startsWith(knownLayers(their["frame.protocols"])));
  else same("frame.protocols", frame.protocols, knownLayers(their["frame.protocols"]));
  if (layers[0] === "eth") same("eth.src", source?.mac?.toLowerCase().replaceAll("-", ":"), first(their["eth.src"]));
  const vlans = [network.vlan?.id, network.inner?.vlan.id].filter((each) => each !== undefined);
  const tags = [their["ieee8021ad.id"], their["vlan.id"]].filter(Boolean).join().split(",").filter(Boolean);
  // Tags inside of a tunnel are not those of the wire.
  same("vlan.id", vlans.join(), (Array.isArray(source?.ip) ? tags.slice(0, vlans.length) : tags).join());
  // Addresses of both versions in the order of the headers. tshark gives those of a third level, too, and those that
  // ICMP errors quote.
  const isIcmp = event.icmp !== undefined;
  const like = (ours: readonly string[], text: string): string => {
    const all = text.split(",");
    return isIcmp ? all.slice(0, Math.max(1, ours.length)).join() : all.length > 2 ? [all[0], all.at(-1)].join() : text;
  };
  for (const [side, endpoint] of [["src", source] as const, ["dst", destination] as const]) {
    // tshark shows the first address of a header that is cut; we take the header whole or not at all.
    if (isMalformed && endpoint?.ip === undefined) continue;
    const addresses = [endpoint?.ip ?? []].flat();
    const [four, six] = [addresses.filter((ip) => !ip.includes(":")), addresses.filter((ip) => ip.includes(":"))];
    same(`ip.${side}`, four.join(), like(four, their[`ip.${side}`]));
    same(`ipv6.${side}`, six.join(), like(six, their[`ipv6.${side}`]));
  }
  const ports = (side: "src" | "dst"): string =>
    [their[`udp.${side}port`], their[`tcp.${side}port`]].filter(Boolean).join();
  if (!layers.includes("sctp") && !isIcmp) {
    same("tcp.srcport", [source?.port ?? []].flat().join(), ports("src"));
    same("tcp.dstport", [destination?.port ?? []].flat().join(), ports("dst"));
  }
  if (tcp !== undefined && !isMalformed) {
    const names = ["fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr", "ae"];
    const bits = tcp.flags.reduce((sum, name) => sum + (1 << names.indexOf(name)), 0);
    same("tcp.flags", `0x${bits.toString(16).padStart(4, "0")}`);
    same("tcp.len", tcp.len);
    same("tcp.seq_raw", tcp.seq_raw);
    same("tcp.window_size_value", tcp.window_size_value);
  }
  if (event.icmp?.version === 4 && !isMalformed) same("icmp.type", event.icmp.type, first(their["icmp.type"]));
  if (event.icmp?.version === 6 && !isMalformed) same("icmpv6.type", event.icmp.type, first(their["icmpv6.type"]));
  if (!isMalformed) {
    same("arp.opcode", event.arp?.opcode);
    same("arp.src.proto_ipv4", event.arp?.src.proto_ipv4);
  }
  const { dns, dhcpv4 } = event;
  if (dns !== undefined) {
    const resolved = dns.resolved_ip ?? [];
    same("dns.id", dns.id, String(Number(their["dns.id"])));
    same("dns.qry.name", dns.question?.name);
    same(
      "dns.flags.rcode",
      dns.response_code === undefined
        ? ""
        : ["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"].indexOf(dns.response_code),
    );
    same("dns.a", resolved.filter((ip) => !ip.includes(":")).join());
    same("dns.aaaa", resolved.filter((ip) => ip.includes(":")).join());
    same("dns.count.answers", dns.answers_count);
  }
  if (dhcpv4 !== undefined) {
    same("dhcp.id", dhcpv4.transaction_id);
    same("dhcp.ip.your", dhcpv4.assigned_ip ?? "0.0.0.0");
    same("dhcp.hw.mac_addr", dhcpv4.client_mac?.toLowerCase().replaceAll("-", ":"), first(their["dhcp.hw.mac_addr"]));
    const types = ["", "discover", "offer", "request", "decline", "ack", "nak", "release", "inform"];
    same("dhcp.option.dhcp", types.indexOf(dhcpv4.option?.message_type ?? ""));
  }
  // Where the packet that an ICMP error quotes is cut, tshark's id is that of the quoted one.
  const isCutError = (their["ip.src"].includes(",") || event.icmp?.type === 3) && frame.cap_len < frame.len;
  // tshark has no id for IPv6 without a transport layer; the specification has.
  if (!isMalformed && !(isIcmp && isCutError) && !(is6 && their.communityid === "")) same("communityid", id);
}

function first(text: string): string {
  return text.split(",")[0]!;
}
